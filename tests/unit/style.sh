#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every C file is as clang-format 14 writes it; another version may see it differently. usage: style.sh SOURCE_ROOT
cd "$1" || exit 1
if ! command -v clang-format-14 >/dev/null; then
	echo "SKIP: clang-format-14 is not installed"
	exit 77
fi
find src tests/lib tests/unit tests/fuzz -name '*.[ch]' -print0 | xargs -0 clang-format-14 --dry-run -Werror
