#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs each model, which has to hold, and then each of its mutations, which has to be found out: a
# model that no longer notices a missing fence proves nothing.
#
# Needs spin and Relacy (Debian: spin relacy-dev g++).  Without them: skipped (77), or failed when
# SJ_MODELS_REQUIRED=1.

models=$(cd "$(dirname "$0")" && pwd) || exit 99
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work" || exit 99
n_failed=0

# The one C++ that is on the machine; $CXX if it is set.
cxx=${CXX:-$(command -v g++ || command -v clang++ || command -v c++)}

require() { # TOOL WHAT
    if [ "$1" = no ]; then
        echo "$2 is missing"
        [ "${SJ_MODELS_REQUIRED:-0}" = 1 ] && exit 1
        exit 77
    fi
}

# Each prints "holds" or "fails"; anything else is a model that cannot be run.
run_spin() { # MODEL [-DMUTATION]
    rm -f pan pan.* ./*.trail
    spin $2 -a "$models/$1" >spin.log 2>&1 &&
        "${CC:-cc}" -O1 -w -DSAFETY -DMEMLIM=1024 -o pan pan.c >cc.log 2>&1 || return
    ./pan -m100000 >pan.log 2>&1
    case $(cat pan.log) in
    *"max search depth too small"*) echo "search not complete" ;;
    *"errors: 0"*) echo holds ;;
    *"errors: "*) echo fails ;;
    esac
}

run_relacy() { # MODEL [-DMUTATION]
    "$cxx" -O1 -w $2 -o relacy "$models/$1" >cc.log 2>&1 || return
    if ./relacy >relacy.log 2>&1; then
        echo holds
    elif grep -q '^iteration: ' relacy.log; then
        echo fails
    fi
}

expect() { # WHAT RUN MODEL [MUTATION]
    got=$("$2" "$3" ${4:+-D$4})
    if [ "$got" = "$1" ]; then
        echo "ok: $3${4:+ -D$4} $1"
    else
        echo "NOT OK: $3${4:+ -D$4} ${got:-cannot be run}, expected: $1"
        cat ./*.log 2>/dev/null | tail -n 20
        n_failed=$((n_failed + 1))
    fi
}

check() { # RUN MODEL MUTATION...
    run=$1 model=$2
    shift 2
    expect holds "$run" "$model"
    for mutation in "$@"; do
        expect fails "$run" "$model" "$mutation"
    done
}

require "$(command -v spin || echo no)" spin
require "${cxx:-no}" "a C++ compiler"
echo '#include <relacy/relacy.hpp>' | "$cxx" -w -x c++ -fsyntax-only - >/dev/null 2>&1 &&
    has_relacy=yes || has_relacy=no
require $has_relacy relacy-dev

check run_relacy deque.cpp NOFENCE NOCAS PLAINSTEAL NORELEASE NOBOUND
check run_relacy mailbox.cpp NOFENCE NORECHECK NORELEASE NOWAKE
check run_spin park.pml NOFENCE NORECHECK PLAINANNOUNCE NOWAKE ONESET
check run_spin lend.pml PLAINGIVE PLAINWANT NOMESSAGE ALWAYSPOST LATEWRITE
check run_spin join.pml NORECHECK NOLOOK NOFOLD LATEREAD NOTATOMIC PLAINPLACE
[ $n_failed -eq 0 ]
