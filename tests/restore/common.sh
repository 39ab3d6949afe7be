# SPDX-License-Identifier: BSD-3-Clause
#
# For scripts that dump and restore a VICTIM, their first argument: sourced first. Goes on in a pid and mount namespace of its
# own, in a directory of its own with the program in it, with descriptors 0 to 2 alone.
set -u
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
if [ -z "${IN_NAMESPACE-}" ]; then
	exec env IN_NAMESPACE=1 unshare --mount --pid --fork --mount-proc "$0" "$@"
fi
for fd in /proc/self/fd/*; do fd=${fd##*/}; [ "$fd" -le 2 ] || eval "exec $fd>&-" 2>/dev/null; done
mount -t tmpfs none /mnt
cp "$1" /mnt/victim && cd /mnt || exit 1

# until_true COMMAND: waits up to 5 s for it to be true.
until_true() {
	for _ in $(seq 250); do "$@" 2>/dev/null && return 0; sleep 0.02; done
	return 1
}
