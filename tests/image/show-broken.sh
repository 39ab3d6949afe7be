#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# show-broken.sh DIR: each broken image is refused with one line that names the file; nothing crashes or hangs.
set -eu
n=0
for d in "$1"/*/; do
	status=0
	err=$(timeout 20 "$REPRISE" show "$d" 2>&1 >/dev/null) || status=$?
	[ "$status" = 1 ] || { echo "$d: exit code $status: $err"; exit 1; }
	[ "$(printf '%s\n' "$err" | wc -l)" = 1 ] || { echo "$d: not one line: $err"; exit 1; }
	want=$(cat "$d/expect")
	case $err in
	*"$want"*) ;;
	*) echo "$d: said '$err', not '$want'"; exit 1 ;;
	esac
	n=$((n + 1))
done
echo "$n broken images refused"
[ "$n" -ge 10 ]
