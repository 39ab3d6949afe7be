#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# bad-input.sh DIR: images that are missing, incomplete, truncated, foreign or hostile are refused with one line and exit
# code 1 (125 by exec); no process and no file is left behind. In a namespace of its own.
set -eu
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
if [ -z "${IN_NAMESPACE-}" ]; then
	exec env IN_NAMESPACE=1 unshare --mount --pid --fork --mount-proc "$0" "$@"
fi
golden=$1/threads
mount -t tmpfs none /opt
mkdir /opt/reprise-samples
cp "$1/bin/threads" /opt/reprise-samples/
cp -r "$golden" /opt/good
chmod -R u+w /opt/good
out=/opt/reprise-samples/threads.out
n=0

# refuse CODE WHAT COMMAND...: says why in one line, leaves nothing.
refuse() {
	code=$1 what=$2
	shift 2
	status=0
	err=$(timeout 20 "$@" </dev/null 2>&1) || status=$?
	[ $status = "$code" ] || { echo "$what: exit code $status, said '$err'"; exit 1; }
	[ "$(printf '%s\n' "$err" | wc -l)" = 1 ] && [ -n "$err" ] || { echo "$what: not one line: $err"; exit 1; }
	[ ! -d /proc/8545 ] || grep -q "^State:.Z" /proc/8545/status || { echo "$what: left a process"; exit 1; }
	[ "$(ls /opt/reprise-samples | tr '\n' ' ')" = "threads threads.out " ] || { echo "$what: left a file"; ls /opt/reprise-samples; exit 1; }
	n=$((n + 1))
	echo "$what: $err"
}

fresh() {
	rm -rf /opt/bad
	cp -r /opt/good /opt/bad
	echo "pid 8545" >"$out"
}

fresh
refuse 1 "no directory" "$REPRISE" restore -D /opt/nowhere
refuse 125 "no directory, exec" "$REPRISE" exec -D /opt/nowhere
refuse 1 "a file" "$REPRISE" restore -D /opt/good/inventory.img
mkdir /opt/empty
refuse 1 "empty directory" "$REPRISE" restore -D /opt/empty
refuse 1 "several processes" "$REPRISE" restore -D "$1/tree"

for f in inventory pstree core-8545 core-8548 mm-8545 pagemap-8545 pages-1 fdinfo-2 files ghost-file-1; do
	fresh
	rm /opt/bad/$f.img
	refuse 1 "without $f" "$REPRISE" restore -D /opt/bad
	fresh
	truncate -s $(($(stat -c %s /opt/bad/$f.img) / 2 + 1)) /opt/bad/$f.img
	refuse 1 "half of $f" "$REPRISE" restore -D /opt/bad
	fresh
	cp /bin/true /opt/bad/$f.img
	[ $f = pages-1 ] || refuse 1 "foreign $f" "$REPRISE" restore -D /opt/bad
	fresh
	rm /opt/bad/$f.img
	ln -s /opt/good/$f.img /opt/bad/$f.img
	refuse 1 "symbolic link $f" "$REPRISE" restore -D /opt/bad
	fresh
	rm /opt/bad/$f.img
	mkfifo /opt/bad/$f.img
	refuse 1 "FIFO $f" "$REPRISE" restore -D /opt/bad
done

fresh
rm "$out"
status=0
err=$("$REPRISE" restore -D /opt/bad </dev/null 2>&1) || status=$?
case $status:$err in
1:*threads.out*) n=$((n + 1)) ;;
*) echo "missing output file: $status $err"; exit 1 ;;
esac
fresh
printf x >>/opt/reprise-samples/threads
refuse 1 "changed size" "$REPRISE" restore --file-validation filesize -D /opt/bad
cp "$1/bin/counter" /opt/reprise-samples/threads
refuse 1 "another program" "$REPRISE" restore -D /opt/bad
cp "$1/bin/threads" /opt/reprise-samples/threads

# A wanted id that is taken is named with its holder.
fresh
echo 8546 >/proc/sys/kernel/ns_last_pid
sleep 60 &
[ $! = 8547 ] || { echo "pid cursor"; exit 1; }
refuse 1 "tid is taken" "$REPRISE" restore -D /opt/bad
case $err in
*8547*sleep*) ;;
*) echo "the holder is not named: $err"; exit 1 ;;
esac
kill $!
wait $! 2>/dev/null || :
echo "$n bad inputs refused"
