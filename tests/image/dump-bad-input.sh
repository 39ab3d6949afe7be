#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# A dump that cannot be written says so in one line, ends with 1, leaves no image and nothing else behind, and the process
# goes on: a full disk, a directory that cannot be made, is a file, or may not be written; a dead pid.
set -eu
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
if [ -z "${IN_NAMESPACE-}" ]; then
	exec env IN_NAMESPACE=1 unshare --mount "$0" "$@"
fi
tmp=$(mktemp -d)
pid=$(python3 -c 'import subprocess as s
print(s.Popen(["sleep", "600"], start_new_session=True, stdin=s.DEVNULL, stdout=s.DEVNULL, stderr=s.DEVNULL).pid)')
trap 'kill "$pid"; umount "$tmp/small" 2>/dev/null || :; rm -rf "$tmp"' EXIT
n=0

# refused WHAT PATTERN ARGS...
refused() {
	what=$1 pattern=$2
	shift 2
	status=0
	err=$(timeout 30 "$REPRISE" dump "$@" 2>&1 >/dev/null) || status=$?
	[ "$status" = 1 ] || { echo "$what: exit code $status: $err"; exit 1; }
	[ "$(printf '%s\n' "$err" | wc -l)" = 1 ] || { echo "$what: not one line: $err"; exit 1; }
	printf '%s\n' "$err" | grep -qi -e "$pattern" || { echo "$what: said '$err'"; exit 1; }
	case $(cut -d ' ' -f 3 "/proc/$pid/stat") in
	S | R) ;;
	*) echo "$what: the process does not run"; exit 1 ;;
	esac
	grep -q '^TracerPid:.0$' "/proc/$pid/status" || { echo "$what: still traced"; exit 1; }
	echo "$what: $err"
	n=$((n + 1))
}

# Every size from nothing to enough, so that each file of the image is once the one that does not fit.
size=8
while :; do
	mkdir -p "$tmp/small"
	mount -t tmpfs -o size=${size}k none "$tmp/small"
	if "$REPRISE" dump -t "$pid" -D "$tmp/small" -R >/dev/null 2>&1; then
		umount "$tmp/small"
		break
	fi
	refused "disk of $size KiB" "no space" -t "$pid" -D "$tmp/small" -R
	left=$(ls -A "$tmp/small")
	[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
	umount "$tmp/small"
	size=$((size + 12))
	[ $size -lt 2000 ] || { echo "never enough"; exit 1; }
done
[ $n -gt 5 ]
touch "$tmp/file"
refused "below a file" "not a directory" -t "$pid" -D "$tmp/file/none" -R
refused "a file" "not a directory" -t "$pid" -D "$tmp/file" -R
mkdir "$tmp/ro"
mount -t tmpfs -o ro none "$tmp/ro"
refused "read-only" "read-only" -t "$pid" -D "$tmp/ro" -R
umount "$tmp/ro"
mkdir "$tmp/img"
dead=$(sh -c 'echo $$')
refused "dead pid" "no such process\|$dead" -t "$dead" -D "$tmp/img"
[ -z "$(ls -A "$tmp/img")" ]
echo "$n refused"
