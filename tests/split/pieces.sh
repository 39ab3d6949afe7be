# SPDX-License-Identifier: BSD-3-Clause
#
# Sourced by the tests: a directory with the installed pieces and the small stub in place of libmpi.so.40.
# Arguments: the built ministub. Sets WORK (removed at exit) and REPRISE_LIBEXECDIR.
set -eu
[ -x "$REPRISE" ] || { echo "no $REPRISE"; exit 77; }
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
mkdir "$WORK/pieces"
ln -s "$REPRISE_STAGE"/libexec/reprise/* "$WORK/pieces/"
ln -sf "$1" "$WORK/pieces/libmpi.so.40"
export REPRISE_LIBEXECDIR="$WORK/pieces"
cd "$WORK"

fail()
{
	echo "FAILED: $*"
	exit 1
}
