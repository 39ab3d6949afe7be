#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# format.sh ROOT: every source file is as clang-format leaves it (`make format`). The samples in tests/golden are others'.
command -v clang-format >/dev/null || exit 77
cd "$1" || exit 1
find src tests bench include -name '*.[ch]' ! -path 'tests/golden/*' -exec clang-format --dry-run --Werror {} +
