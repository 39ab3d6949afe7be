#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# crit-reads-ours.sh WRITE-IMAGE: crit decodes every file that the writer makes, and sees what we see.
set -eu
command -v crit >/dev/null || { echo "no crit"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/img" "$tmp/crit"
"$1" "$tmp/img"
"$REPRISE" show --json "$tmp/img" >"$tmp/json"
n=0
for f in "$tmp"/img/*.img; do
	case ${f##*/} in pages-* | reprise-*) continue ;; esac
	crit decode -i "$f" -o "$tmp/crit/${f##*/}"
	crit show "$f" >/dev/null
	n=$((n + 1))
done
echo "$n files decoded"
[ "$n" -ge 15 ]
python3 "$(dirname "$0")/compare-crit.py" "$tmp/json" "$tmp/crit"
find "$tmp/img" -type f ! -perm 600 | grep . && exit 1
exit 0
