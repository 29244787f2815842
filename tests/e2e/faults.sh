#!/bin/sh
# SPDX-License-Identifier: MIT
# System calls that fail, by strace; for `make check'.
exec "$(dirname -- "$0")/faults"
