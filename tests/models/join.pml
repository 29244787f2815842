/* SPDX-License-Identifier: MIT */
/*
 * The end of a group, core/group.c: of four subtasks one ends in the joiner's place, two on other
 * workers, one on either, while the joiner may be asleep, or wait for its place, which it has left
 * to another hand; the group stands on the joiner's stack and is gone when sj_join returns.
 *
 * Checked: the joiner returns (else: deadlock), after all four, and nobody uses the group after it
 * is gone.  `own` is accessed by who has the place, or under the hands' lock, all else that
 * matters here by locked instructions and loads, so that no store buffer is needed.
 *
 * To be found out, one at a time:
 *   -DNORECHECK   the joiner does not look once more after it has announced itself
 *   -DNOLOOK      nor after it has left its place
 *   -DNOFOLD      it does not add `own` to `others` before either
 *   -DLATEREAD    the last to finish asks the group for its joiner after the decrement
 *   -DNOTATOMIC   the decrement is a load and a store
 *   -DPLAINPLACE  who has got the joiner's place counts in `own`, though the joiner waits for it
 */
#define N_SUBTASKS 4

short own = N_SUBTASKS; /* all spawned by the joiner */
short others = 0;
byte n_ended = 0;
bool is_gone = false; /* the group */
bool is_queued = true; /* one subtask waits in the joiner's deque */
bool is_loose = true;  /* one waits in another worker's */
bool idle_joiner = false;
byte wake = 0;         /* the place's semaphore; it outlives the group */
bool is_wanted = true; /* by another hand */
bool has_other = false; /* that one has the place */
bool is_joining = false; /* n_joining */
bool is_returning = false; /* the joiner, to its place */

inline joined() /* sj_hands_joined, under the lock; wake_place is the other hand's own affair here */
{
    atomic {
        if
        :: is_joining ->
            assert(!is_gone);
            if
            :: own + others == 0 -> is_joining = false; is_returning = true
            :: else -> skip
            fi
        :: else -> skip
        fi
    }
}

inline leave_others(is_elsewhere)
{
    assert(!is_gone); /* joiner = group->joiner */
#ifdef NOTATOMIC
    left = others - 1;
    atomic { others = left; n_ended++ }
#else
    atomic { /* ck_pr_faa_32 */
        assert(!is_gone);
        others--;
        n_ended++;
        left = others
    }
#endif
    if
    :: left == 0 ->
#ifdef LATEREAD
        assert(!is_gone);
#endif
        atomic { /* sj_worker_wake_joiner: sj_idle_claim, sem_post */
            if
            :: is_elsewhere && idle_joiner -> idle_joiner = false; wake++
            :: else -> skip
            fi
        };
        if
        :: is_joining -> joined()
        :: else -> skip
        fi
    :: else -> skip
    fi
}

proctype subtask()
{
    short left;

    leave_others(true)
}

active proctype thief() /* takes what nobody else has taken */
{
    short left;

end:
    atomic { is_loose -> is_loose = false };
    leave_others(true)
}

active proctype other_hand() /* to whom the joiner makes way */
{
    short left;

end:
    has_other;
    if
    :: atomic { is_loose -> is_loose = false };
#ifdef PLAINPLACE
        own--;
        n_ended++
#else
        if
        :: is_joining -> leave_others(false)
        :: else -> atomic { own--; n_ended++ }
        fi
#endif
    :: true -> skip
    fi;
    atomic { is_returning -> has_other = false } /* sj_hand_give_back */
}

active proctype joiner()
{
    atomic { run subtask(); run subtask() } /* stolen at once */
    do
    :: own + others == 0 -> break /* is_done */
    :: else ->
        if
        :: is_queued -> is_queued = false; atomic { own--; n_ended++ } /* run_subtask */
        :: !is_queued ->
#ifndef NOFOLD
            others = others + own; /* fold: a locked add */
            own = 0;
#endif
            if
            :: is_wanted -> /* sj_hand_make_way */
                atomic { is_wanted = false; is_joining = true };
                has_other = true;
#ifndef NOLOOK
                if
                :: own + others == 0 -> joined()
                :: else -> skip
                fi;
#endif
                (is_returning && !has_other) /* wait_for_place */
            :: true -> /* not wanted yet, as far as it has seen */
                idle_joiner = true; /* wait_for: sj_idle_announce */
                if
#ifdef NORECHECK
                :: true -> atomic { wake > 0 -> wake-- }
#else
                :: own + others == 0 -> skip
                :: else -> atomic { wake > 0 -> wake-- } /* sj_worker_sleep */
#endif
                fi;
                idle_joiner = false /* sj_idle_retract */
            fi
        fi
    od;
    is_gone = true;
    assert(n_ended == N_SUBTASKS)
}
