#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# fuzz-reader.sh PROGRAM GOLDEN ROUNDS: mutations of every golden image through the reader and its round-trip twin.
set -eu
program=$1 golden=$2 rounds=$3
# shellcheck disable=SC2046
exec "$program" "$rounds" $(find "$golden" -type f \( -name '*.img' -o -name 'stats-*' \) ! -name 'pages-*' | sort)
