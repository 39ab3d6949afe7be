#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# crit decodes every file of a real dump, and sees what we see; the dumped process goes on.
set -eu
command -v crit >/dev/null || { echo "no crit"; exit 77; }
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
tmp=$(mktemp -d)
mkdir "$tmp/img" "$tmp/crit"
# Without this shell's descriptors: their other ends are outside of the checkpoint.
pid=$(python3 -c 'import subprocess as s
print(s.Popen(["sleep", "600"], start_new_session=True, stdin=s.DEVNULL, stdout=s.DEVNULL, stderr=s.DEVNULL).pid)')
trap 'kill "$pid"; rm -rf "$tmp"' EXIT

"$REPRISE" dump -t "$pid" -D "$tmp/img" -R
case $(cut -d ' ' -f 3 "/proc/$pid/stat") in
S | R) ;;
*) echo "the process does not run"; exit 1 ;;
esac
"$REPRISE" show --json "$tmp/img" >"$tmp/json"
n=0
for f in "$tmp"/img/*.img; do
	case ${f##*/} in pages-* | reprise-*) continue ;; esac
	crit decode -i "$f" -o "$tmp/crit/${f##*/}"
	n=$((n + 1))
done
echo "$n files decoded"
[ "$n" -ge 9 ]
python3 "$(dirname "$0")/compare-crit.py" "$tmp/json" "$tmp/crit"
crit x "$tmp/img" ps | grep -qw "$pid"
crit x "$tmp/img" mems | grep -q '\[heap\]\|heap\|sleep'
crit x "$tmp/img" fds | grep -q /dev/null
