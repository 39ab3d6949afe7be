#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# show-golden.sh DIR: `reprise show` reads every file that CRIU wrote, knows every field, and agrees with crit.
set -eu
dir=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

"$REPRISE" show "$dir" >"$tmp/text"
"$REPRISE" show --json "$dir" >"$tmp/json"

for f in "$dir"/*; do
	grep -q "^$(basename "$f") " "$tmp/text" || { echo "$f: not shown"; exit 1; }
	"$REPRISE" show --json "$f" >"$tmp/one"
done
if grep -n '_unknown' "$tmp/json"; then
	echo "fields that are not known"
	exit 1
fi
command -v crit >/dev/null || { echo "no crit to compare with"; exit 77; }
mkdir "$tmp/crit"
for f in "$dir"/*.img; do
	case ${f##*/} in pages-*) continue ;; esac
	crit decode -i "$f" -o "$tmp/crit/${f##*/}"
done
python3 "$(dirname "$0")/compare-crit.py" "$tmp/json" "$tmp/crit"
