#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# fuzz-restore.sh PROGRAM GOLDEN SET ROUNDS: the images name files under /opt/reprise-samples, so this runs in a mount
# namespace.
set -eu
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
if [ -z "${IN_NAMESPACE-}" ]; then
	exec env IN_NAMESPACE=1 unshare --mount --pid --fork --mount-proc "$0" "$@"
fi
program=$1 golden=$2 set=$3 rounds=$4
mount -t tmpfs none /opt
mkdir /opt/reprise-samples
cp "$golden/bin/$set" /opt/reprise-samples/
pid=$(basename "$golden/$set"/mm-*.img .img)
echo "pid ${pid#mm-}" >"/opt/reprise-samples/$set.out"
exec "$program" "$rounds" "$golden/$set"
