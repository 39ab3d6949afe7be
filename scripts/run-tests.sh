#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# run-tests.sh BUILD [meson test options]: runs the tests and ends with one line, "N passed, N failed, N skipped".
set -eu
build=$1
shift
log=$build/meson-logs/testlog.json
rm -f "$log"
status=0
meson test -C "$build" --no-rebuild --print-errorlogs "$@" || status=$?
if [ ! -s "$log" ]; then
	echo "$0: no test ran" >&2
	echo "0 passed, 0 failed, 0 skipped"
	exit 1
fi
exec python3 "$(dirname "$0")/count-tests.py" "$log" "$status"
