#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# setup.sh build|check|demo: makes sure that the Debian packages for that purpose are there; as root it installs
# what is missing, otherwise it names it.
set -eu

build="gcc libc6-dev binutils make meson ninja-build pkg-config python3 libprotobuf-c-dev protobuf-c-compiler
	libjson-c-dev libopenmpi-dev openmpi-bin"
demo="$build lammps lammps-examples procps"
check="$demo libcmocka-dev libseccomp-dev criu python3-protobuf hpcc gfortran python3-mpi4py python3-numpy mpich
	util-linux mount groff-base clang-format"

case "${1:-}" in
build) want=$build ;;
check) want=$check ;;
demo) want=$demo ;;
*)
	echo "usage: $0 build|check|demo" >&2
	exit 2
	;;
esac

if ! command -v dpkg-query >/dev/null; then
	echo "$0: not a Debian system; these packages are assumed to be there:" $want >&2
	exit 0
fi

missing=
for p in $want; do
	case "$(dpkg-query -W -f '${Status}' "$p" 2>/dev/null || :)" in
	*" installed") ;;
	*) missing="$missing $p" ;;
	esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
	echo "$0: please install:$missing" >&2
	exit 1
fi
echo "$0: installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
# shellcheck disable=SC2086
apt-get -qq -y install --no-install-recommends $missing >/dev/null
