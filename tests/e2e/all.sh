#!/bin/sh
# SPDX-License-Identifier: MIT
# What `make check' runs of this folder; tests/e2e/run has options.
exec "$(dirname -- "$0")/run"
