#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# api.sh PROGRAM: runs the test of the public API in a pid namespace, against the staged pieces.
set -eu
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
if [ -z "${IN_NAMESPACE-}" ]; then
	exec env IN_NAMESPACE=1 unshare --mount --pid --fork --mount-proc "$0" "$@"
fi
mount -t tmpfs none /mnt
mkdir /mnt/img
export REPRISE_LIBEXECDIR="${REPRISE_LIBEXECDIR-$REPRISE_STAGE/libexec/reprise}"
exec timeout 60 "$1" /mnt/img </dev/null
