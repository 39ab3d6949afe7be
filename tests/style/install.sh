#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# An installation is complete: every piece is there, and a program builds against the library from outside.
set -eu
for f in bin/reprise include/reprise.h share/man/man1/reprise.1 share/bash-completion/completions/reprise \
	libexec/reprise/reprise-restorer libexec/reprise/reprise-boot libexec/reprise/reprise-lower \
	libexec/reprise/reprise-pid libexec/reprise/libmpi.so.40 libexec/reprise/mca_odls_reprise.so \
	libexec/reprise/libreprise-hydra.so; do
	[ -s "$REPRISE_STAGE/$f" ] || { echo "missing: $f"; exit 1; }
done
pc=$(find "$REPRISE_STAGE" -name reprise.pc)
[ -n "$pc" ] || { echo "no reprise.pc"; exit 1; }
if grep -rIl "$REPRISE_BUILD\|$REPRISE_SOURCE" "$REPRISE_STAGE/share" "$REPRISE_STAGE/include" "$pc"; then
	echo "names the build or source directory"
	exit 1
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cat >"$tmp/client.c" <<'C'
#include <reprise.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	struct rp_process_dump_options o = RP_PROCESS_DUMP_OPTIONS;
	struct rp_process_error err = { "" };

	o.pid = 0x7fffffff;
	o.images_dir = argv[1];
	puts(rp_process_version());
	return rp_process_dump(&o, &err) < 0 && strlen(err.text) ? 0 : 1;
}
C
PKG_CONFIG_PATH=$(dirname "$pc")
PKG_CONFIG_SYSROOT_DIR=${REPRISE_STAGE%"$(sed -n 's/^prefix=//p' "$pc")"}
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
# shellcheck disable=SC2046
${CC:-cc} -Wall -Werror -o "$tmp/client" "$tmp/client.c" $(pkg-config --cflags --libs reprise)
version=$(LD_LIBRARY_PATH=$(dirname "$pc")/.. "$tmp/client" "$tmp")
[ "reprise $version" = "$("$REPRISE" --version)" ]
# nothing but the public names
if nm -D --defined-only "$(dirname "$pc")/../libreprise.so" | grep -v ' rp_process_\| [A] '; then
	echo "more than the public names are exported"
	exit 1
fi
