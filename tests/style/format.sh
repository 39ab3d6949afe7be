#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# format.sh ROOT: every source file is as clang-format 14 leaves it (`make format`); other versions decide otherwise. The
# samples in tests/golden are others'.
clang-format --version 2>/dev/null | grep -q 'version 14\.' || exit 77
cd "$1" || exit 1
find src tests bench include -name '*.[ch]' ! -path 'tests/golden/*' -exec clang-format --dry-run --Werror {} +
