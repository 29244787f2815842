#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs each program of $REPLAYS (tests/fuzz/replay_NAME) over its corpus, tests/fuzz/corpus/NAME.
set -eu
: "${REPLAYS:?names the programs; make check sets it}"
for program in $REPLAYS; do
    name=${program##*/replay_}
    echo "$name"
    "./$program" "${srcdir:-.}/tests/fuzz/corpus/$name"
done
