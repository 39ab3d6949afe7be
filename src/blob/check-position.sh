#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# check-position.sh RESTORER: no writable section and no relocation, so that a copy of it runs anywhere.
set -eu
sections=$(readelf -SW "$1" | grep -E ' (WA|WAX) ' || true)
relocations=$(readelf -rW "$1" | grep -c R_X86_64 || true)
if [ -n "$sections" ] || [ "$relocations" != 0 ]; then
	echo "writable sections or relocations:"
	echo "$sections"
	readelf -rW "$1"
	exit 1
fi
