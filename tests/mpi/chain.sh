#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: chain.sh BINDIR RANKS GENERATIONS SEED PROGRAM [ARG...]
#
# Runs PROGRAM alone, then under Reprise through a chain of generations: checkpoint --term at a random moment, restart.
# PROGRAM prints its answer at its end; it has to be the same. SEED decides the moments and is printed.
set -u
bin=$1 ranks=$2 generations=$3 seed=$4 program=$5
shift 5
command -v mpirun >/dev/null && command -v "${REPRISE:=reprise}" >/dev/null || exit 77
tmp=$(mktemp -d) || exit 1
name=chain-$$
trap 'rm -rf "$tmp"' EXIT
fail() { echo "chain: seed $seed, generation ${g:-0}: $1"; for f in "$tmp"/out.* "$tmp"/err.*; do echo "== $f"; tail -n 20 "$f"; done; kill "${job:-0}" 2>/dev/null; exit 1; }

# milliseconds between 0 and $1 from the seed
draw() { seed_now=$(( (seed_now * 1103515245 + 12345) % 2147483648 )); echo $((seed_now / 65536 % $1)); }
seed_now=$seed
pause() { sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"; }

# The job says that it runs: all its ranks are there.
up()
{
	for _ in $(seq 300); do
		"$REPRISE" ps 2>/dev/null | grep -q "^$name .* $ranks/$ranks " && return 0
		kill -0 "$job" 2>/dev/null || return 1
		sleep 0.1
	done
	return 1
}

echo "chain: seed $seed"
timeout 300 mpirun --oversubscribe -n "$ranks" "$bin/$program" "$@" >"$tmp/native" || fail "native run"
timeout 300 "$REPRISE" run --name "$name" --dir "$tmp/store" mpirun --oversubscribe -n "$ranks" "$bin/$program" "$@" \
	>"$tmp/out.0" 2>"$tmp/err.0" &
job=$!
for g in $(seq "$generations"); do
	up || break
	seed_now=$((seed_now + 1))
	pause "$(draw "${WITHIN_MS:-1500}")"
	if ! timeout 60 "$REPRISE" checkpoint --term "$name" >"$tmp/ref" 2>"$tmp/err.ck"; then
		kill -0 "$job" 2>/dev/null && ! grep -q "job is ending\|no job" "$tmp/err.ck" && fail "checkpoint: $(cat "$tmp/err.ck")"
		break
	fi
	wait "$job"
	timeout 300 "$REPRISE" restart "$(cat "$tmp/ref")" >"$tmp/out.$g" 2>"$tmp/err.$g" &
	job=$!
done
wait "$job"
rc=$?
[ $rc -eq 0 ] || fail "exit code $rc"
if [ -n "${UNIQUE:-}" ]; then
	# It prints as it goes: what ran on after a checkpoint comes twice, and the kill may cut one line of each generation.
	cat "$tmp"/out.* | sort -u >"$tmp/b"
	sort -u "$tmp/native" >"$tmp/a"
	[ -z "$(comm -23 "$tmp/a" "$tmp/b")" ] || fail "lines are missing"
	[ "$(comm -13 "$tmp/a" "$tmp/b" | wc -l)" -le $((g + 1)) ] || fail "there are other lines"
else
	cat "$tmp"/out.* | sort >"$tmp/b"
	sort "$tmp/native" >"$tmp/a"
	diff "$tmp/a" "$tmp/b" || fail "the answers differ"
fi
echo "chain: $g generations, $(tail -n 1 "$tmp/native")"
