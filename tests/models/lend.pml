/* SPDX-License-Identifier: MIT */
/*
 * The lent write right, core/lend.h: an owner that lends, and may come to want it back while
 * a runner on another loop has it.
 *
 * Total store order is spelled out: a plain store of the state stays in the buffer of the
 * one who made it until it is written back; a compare-and-swap is one atomic step on memory,
 * after the own buffer has been written back.
 *
 * Checked: never two writers; an owner that wants the right gets it (else: deadlock); what the runner
 * wrote is there when the owner has the right again.
 *
 * To be found out, one at a time:
 *   -DPLAINGIVE    give_back looks, then stores
 *   -DPLAINWANT    want looks, then stores
 *   -DNOMESSAGE    the runner whose give_back fails does not post
 *   -DALWAYSPOST   the runner posts although give_back succeeded
 *   -DLATEWRITE    the runner writes once more after it has given back
 */
#define N_ROUNDS 3

mtype = { OWNED, LENT, WANTED };

mtype state = OWNED;   /* struct sj_lend, as memory has it */
bool in_buffer = false; /* PLAINGIVE, PLAINWANT: a store not yet written back */
mtype buffered = OWNED;
byte n_writers = 0;
byte n_written = 0;
chan deque = [1] of { bit };   /* the task, with all that the owner wrote before */
chan mailbox = [2] of { bit }; /* back, with all that the runner wrote before */
bool is_over = false;

active proctype store_buffer()
{
    do
    :: atomic { in_buffer -> in_buffer = false; state = buffered }
    :: is_over -> break
    od
}

inline write_response()
{
    n_writers++;
    assert(n_writers == 1);
    n_writers--
}

active proctype runner()
{
    bool gave_back;
    mtype seen;

    do
    :: deque ? _ ->
        write_response();
        n_written++;
#ifdef PLAINGIVE
        seen = state;
        gave_back = (seen == LENT);
        if
        :: gave_back -> atomic { buffered = OWNED; in_buffer = true }
        :: else -> skip
        fi;
#else
        atomic { /* sj_lend_give_back: ck_pr_cas_uint */
            gave_back = (state == LENT);
            if
            :: gave_back -> state = OWNED
            :: else -> skip
            fi
        }
#endif
#ifdef LATEWRITE
        write_response();
#endif
        if
#ifndef NOMESSAGE
        :: !gave_back -> mailbox ! 0 /* sj_loop_post */
#endif
#ifdef ALWAYSPOST
        :: gave_back -> mailbox ! 0
#endif
        :: else -> skip
        fi
    :: is_over -> break
    od
}

/* Input, a time limit or the end of the connection, while it is lent: the owner needs the right. */
inline want_back()
{
#ifdef PLAINWANT
    is_coming = (state != OWNED);
    if
    :: is_coming -> state = WANTED
    :: else -> skip
    fi;
#else
    atomic { /* sj_lend_want: ck_pr_cas_uint_value */
        is_coming = (state != OWNED);
        if
        :: state == LENT -> state = WANTED
        :: else -> skip
        fi
    }
#endif
    if
    :: is_coming -> mailbox ? _; state = OWNED /* deliver: sj_lend_end */
    :: else -> skip
    fi
}

active proctype owner()
{
    byte i;
    bool is_coming, needs_message;

    for (i : 1 .. N_ROUNDS) {
        assert(state == OWNED); /* sj_lend_begin holds the right */
        if                      /* more input already, or not */
        :: state = LENT; needs_message = false
        :: state = WANTED; needs_message = true
        fi;
        deque ! 0; /* sj_loop_push */
        if
        :: true -> want_back()
        :: !needs_message -> (state == OWNED) /* nothing happens before the silent return */
        fi;
        assert(n_written == i);
        write_response() /* its own right now */
    }
    assert(empty(mailbox));
    is_over = true
}
