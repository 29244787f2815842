#!/bin/sh
# SPDX-License-Identifier: MIT
#
# No file includes a header of a layer above its own.  (That no call points upward, the linker sees
# to: tests/layer-*.)
set -eu
cd -- "${srcdir:-.}"

# upward FOLDER ABOVE...: says which includes of FOLDER point to a folder above it
upward() {
    folder=$1
    shift
    for above; do
        ! grep -n "^#[[:space:]]*include[[:space:]]*[<\"]$above/" "$folder"/*.[ch] || return 1
    done
}

upward core cache http
upward cache http
