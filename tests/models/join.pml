/* SPDX-License-Identifier: MIT */
/*
 * The end of a group, core/group.c: two subtasks finish on other workers while the joiner
 * may be asleep; the group stands on the joiner's stack and is gone when sj_join returns.
 *
 * Checked: the joiner returns (else: deadlock), after both, and nobody uses the group after it
 * is gone.  All accesses to `pending` are locked or loads, so that no store buffer is needed.
 *
 * To be found out, one at a time:
 *   -DNORECHECK  the joiner does not look once more after it has announced itself
 *   -DLATEREAD   the last to finish asks the group for its joiner after the decrement
 *   -DNOTATOMIC  the decrement is a load and a store
 */
#define N_SUBTASKS 2

byte pending = N_SUBTASKS;
bool is_gone = false; /* the group */
bool idle_joiner = false;
byte wake = 0; /* the joiner's semaphore; it outlives the group */

proctype subtask()
{
    byte left;

    assert(!is_gone); /* joiner = group->joiner */
#ifdef NOTATOMIC
    left = pending - 1;
    pending = left;
#else
    atomic { /* ck_pr_faa_64 */
        assert(!is_gone);
        pending--;
        left = pending
    }
#endif
    if
    :: left == 0 ->
#ifdef LATEREAD
        assert(!is_gone);
#endif
        atomic { /* sj_worker_wake_joiner: sj_idle_claim, sem_post */
            if
            :: idle_joiner -> idle_joiner = false; wake++
            :: else -> skip
            fi
        }
    :: else -> skip
    fi
}

active proctype joiner()
{
    atomic { run subtask(); run subtask() } /* stolen at once */
    do
    :: pending == 0 -> break /* is_done */
    :: pending != 0 ->
        idle_joiner = true; /* wait_for: sj_idle_announce */
        if
#ifdef NORECHECK
        :: true -> atomic { wake > 0 -> wake-- }
#else
        :: pending == 0 -> skip
        :: pending != 0 -> atomic { wake > 0 -> wake-- } /* sj_worker_sleep */
#endif
        fi;
        idle_joiner = false /* sj_idle_retract */
    od;
    is_gone = true
}
