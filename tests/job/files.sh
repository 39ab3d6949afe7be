#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: files.sh BINDIR
#
# Files of a job that ran on after its checkpoint: what it appended is cut, what it wrote in place is written again. Files that
# are not what they were are refused by name before anything is touched.
. "$(dirname "$0")/common.sh"
d=$tmp/d

steps() { grep -c '^step' "$1"; }
restart()
{
	reprise restart "$@" files >"$tmp/out" 2>&1 &
	job=$!
	until_true 20 sh -c "[ \$(grep -c '^step' '$tmp/out') -gt 5 ]" || fail "restart $*: $(cat "$tmp/out")"
}

# refused PATTERN: one line that says so, and neither the log nor the table is touched
refused()
{
	local before
	before=$(cat "$d/log" "$d/table" 2>/dev/null | cksum)
	timeout 30 reprise restart files >"$tmp/out" 2>&1
	status=$?
	[ $status -eq 125 ] || [ $status -eq 127 ] || fail "'$1': exit $status: $(tail -n 5 "$tmp/out")"
	grep '^reprise' "$tmp/out" | grep -q -- "$1" || fail "not refused with '$1': $(cat "$tmp/out")"
	[ "$before" = "$(cat "$d/log" "$d/table" 2>/dev/null | cksum)" ] || fail "'$1': a refused restart changed a file"
}

mkdir "$d"
seq 0 100000 >"$d/input"
head -c 12288 /dev/zero | tr '\0' m >"$d/mapped"
head -c 12288 /dev/zero >"$d/shared"
head -c 8192 /dev/zero >"$d/cache"
head -c 3000000 /dev/zero >"$d/big"
reprise run --name files mpirun -n 1 "$bin/files" "$d" >"$tmp/out" 2>&1 &
job=$!
check "it steps: $(cat "$tmp/out")" until_true 20 grep -q "^step 10" "$tmp/out"
reprise checkpoint files >/dev/null || fail "checkpoint"
at=$(wc -l <"$d/log")
check "the job did not run on" until_true 20 sh -c "[ \$(wc -l <'$d/log') -gt $((at + 10)) ]"
kill_job $job
job=
cp -a "$d" "$tmp/kept"

# keep NAME / put NAME: set a file aside, bring the very same inode back
keep() { mv "$d/$1" "$tmp/aside"; }
put() { mv "$tmp/aside" "$d/$1"; }
for name in log table input mapped; do
	keep $name
	refused "$d/$name"
	put $name
done
for name in log input; do
	keep $name
	echo short >"$d/$name"
	refused "$d/$name"
	rm "$d/$name"
	mkdir "$d/$name"
	refused "$d/$name"
	rmdir "$d/$name"
	put $name
	cp "$d/$name" "$tmp/whole"
	truncate -s 5 "$d/$name"
	refused "$d/$name"
	cat "$tmp/whole" >"$d/$name"
done
# Another file of the same size, and one that is longer.
for name in log table input shared big; do
	keep $name
	tr '0-9\n' '1-90x' <"$tmp/aside" | tr '\0' z >"$d/$name"
	refused "$d/$name"
	echo more >>"$d/$name"
	refused "$d/$name"
	rm "$d/$name"
	put $name
done
# The old contents under a new inode will do where the job has not written since.
keep input
cat "$tmp/aside" >"$d/input"
printf x | dd of="$d/mapped" bs=1 seek=100 conv=notrunc status=none
refused "$d/mapped"
printf m | dd of="$d/mapped" bs=1 seek=100 conv=notrunc status=none
touch -r "$tmp/kept/mapped" "$d/mapped"
keep cache
echo more | cat "$tmp/aside" - >"$d/cache"
refused "$d/cache"
put cache

# A copy of what is too large to be hashed whole will do, and so will what others write and the job only looks at.
keep big
cat "$tmp/aside" >"$d/big"
printf x | dd of="$d/cache" bs=1 seek=100 conv=notrunc status=none
restart
for name in big cache; do
	n=$(grep -c "$d/$name was written or copied since the checkpoint" "$tmp/out")
	[ "$n" -gt 0 ] || fail "no word of $name: $(cat "$tmp/out")"
done
kill_job $job
job=
put big
restart
touch "$d/stop"
wait $job || fail "exit status $?: $(cat "$tmp/out")"
job=
grep -q sound "$tmp/out" || fail "$(cat "$tmp/out")"
n=$(wc -l <"$d/log")
seq 0 $((n - 1)) | cmp - "$d/log" || fail "the log"
seq 0 $((n - 1)) | cmp -n "$(stat -c %s "$d/log")" - "$d/table" || fail "the table"
rm "$d/stop"

# Grown again: --keep-output leaves it.
size=$(stat -c %s "$d/log")
restart --keep-output
touch "$d/stop"
wait $job || fail "exit status $?: $(cat "$tmp/out")"
job=
[ "$(head -n "$n" "$d/log" | cksum)" = "$(seq 0 $((n - 1)) | cksum)" ] || fail "--keep-output cut the log"
[ "$(stat -c %s "$d/log")" -gt "$size" ] || fail "--keep-output: nothing appended"
