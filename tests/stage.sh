#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# stage.sh BUILD STAGE: installs what was built into STAGE; the tests of whole programs run from there.
set -eu
rm -rf "$2"
exec meson install -C "$1" --no-rebuild --quiet --destdir "$2"
