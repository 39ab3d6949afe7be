#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: errors.sh BINDIR
#
# What cannot work is refused with one clear line and the right exit code, and leaves nothing behind.
. "$(dirname "$0")/common.sh"

refused 1 "no job runs" reprise checkpoint
refused 1 "no job 'x'" reprise checkpoint x
refused 1 "no job '$$'" reprise checkpoint $$
refused 127 "No such file" reprise restart
refused 127 "no snapshot there" sh -c 'mkdir -p "$REPRISE_DIR" && reprise restart'
refused 1 "No such file" reprise verify nosuch
refused 127 "not found" reprise run nosuchlauncher -n 2 ./a
refused 125 "no launcher that Reprise knows" reprise run ls
lines=5 refused 2 "no number" reprise checkpoint --timeout never
lines=5 refused 125 "which launcher" reprise run
lines=5 refused 125 "which program" reprise rank
lines=5 refused 125 "either a snapshot or --latest" reprise restart --latest e
lines=5 refused 125 "exact, prefer or any" reprise restart --pid some
lines=5 refused 2 "one snapshot" reprise verify a b
lines=5 refused 2 "Too many arguments" reprise ps x
lines=5 refused 2 "one store" reprise list a b
lines=5 refused 2 "one job" reprise checkpoint a b
refused 2 "no verb" reprise nosuch
refused 126 "not executable" reprise run /etc/passwd
refused 126 "not executable" reprise rank /etc/passwd
refused 127 "not found" reprise rank nosuchprogram
refused 125 "reprise-boot" env REPRISE_LIBEXECDIR="$tmp" reprise rank true
refused 1 "No such file" reprise info nosuch
refused 1 "No such file" reprise list nosuch
refused 1 "not found" reprise check -- nosuchprogram
refused 3 "not a 64-bit program\|linked statically" sh -c "printf '\\177ELF\\001\\0\\0\\0\\0\\0\\0\\0\\0' >'$tmp/elf32'; chmod +x '$tmp/elf32'; reprise check -- '$tmp/elf32'"
if command -v mpiexec.hydra >/dev/null; then
	refused 125 "configfile: its programs" reprise run mpiexec.hydra -configfile /dev/null
	timeout 30 reprise run mpiexec.hydra -topolib hwloc -n=1 "$bin/plain" exit 3 >"$tmp/o" 2>&1
	[ $? -eq 3 ] && grep -q '^rank' "$tmp/o" || fail "values of options: $(cat "$tmp/o")"
fi
touch "$tmp/file"
refused 125 "cannot use" reprise run --dir "$tmp/file/x" mpirun -n 1 true

# A damaged manifest, a truncated page file.
reprise run --name e mpirun -n 1 "$bin/plain" count 100 >"$tmp/out" 2>&1 &
job=$!
check "the job counts" until_true 20 grep -q "count 0 1" "$tmp/out"
check "checkpoint" reprise checkpoint e
refused 1 "2 jobs\|no job" reprise checkpoint nosuch
refused 125 "job e ($job) runs and writes to $REPRISE_DIR/e: end it first" reprise restart e
refused 125 "job e ($job) runs and writes to" reprise restart --pid any e
refused 125 "job e ($job) runs and writes to" reprise run --name e mpirun -n 1 true
for n in e f; do
	reprise run --dir "$tmp/other" --name $n mpirun -n 1 "$bin/plain" count 100 >"$tmp/out.$n" 2>&1 &
	more="${more-} $!"
done
check "all run" until_true 20 sh -c "[ \$(reprise ps | wc -l) = 4 ]"
refused 1 "3 jobs run, say which by its name or number: .*f (${more##* })" reprise checkpoint
refused 1 "2 jobs run, .*e ($job)" reprise checkpoint e
set -- $more
check "by its name" test "$(reprise checkpoint f)" = "$tmp/other/f/1"
check "by its launcher" test "$(reprise checkpoint "$1")" = "$tmp/other/e/1"
check "by its launcher" test "$(reprise checkpoint "$job")" = "$REPRISE_DIR/e/2"
for pid in $more; do kill_job "$pid"; done
check "the only one" until_true 10 sh -c "[ \$(reprise ps | wc -l) = 2 ]"
check "without a name" test "$(reprise checkpoint)" = "$REPRISE_DIR/e/3"
kill_job $job
job=
check "verify" reprise verify e
check "agent goes with its job" until_true 10 sh -c '! reprise ps | grep -q store'
pages=$(ls -S "$REPRISE_DIR"/e/3/rank-0/pages-*.img | head -n 1)
cp "$pages" "$tmp/pages"
truncate -s -4096 "$pages"
refused 1 "bytes where the manifest says" reprise verify e
refused 125 "bytes where the manifest says" reprise restart e
cp "$tmp/pages" "$pages"
printf x | dd of="$pages" conv=notrunc status=none
refused 1 "checksum differs" reprise verify e
rm "$pages"
refused 125 "No such file" reprise restart e
cp "$REPRISE_DIR/e/manifest.json" "$tmp/manifest"
echo '{' >"$REPRISE_DIR/e/manifest.json"
refused 125 "manifest.json" reprise restart e
echo '{"format": 99, "generations": []}' >"$REPRISE_DIR/e/manifest.json"
refused 125 "format" reprise restart e
refused 127 "no generation 7" sh -c "cp '$tmp/manifest' '$REPRISE_DIR/e/manifest.json'; reprise restart --seq 7 e"
