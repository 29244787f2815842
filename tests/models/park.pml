/* SPDX-License-Identifier: MIT */
/*
 * Parking and waking of workers: core/idle.h, park in core/worker.c, sj_sched_submit, and a joiner
 * (wait_for in core/group.c) that sleeps beside them.  A loop parks by the same steps; its mailbox
 * is in mailbox.cpp.
 *
 * Total store order is spelled out: a push stays in the submitter's store buffer until the
 * buffer is written back, some time; a locked instruction is one atomic step.
 *
 * A task may be a long one, that is not over before all tasks have begun.  So a task that waits in
 * the deque while a worker sleeps is a deadlock, which is what spin looks for.
 *
 * To be found out, one at a time:
 *   -DNOFENCE        submit looks for sleepers while its push is still in the buffer
 *   -DNORECHECK      a worker does not look once more after it has announced itself
 *   -DPLAINANNOUNCE  it announces itself by a plain store
 *   -DNOWAKE         who clears the bit does not wake
 *   -DONESET         joiners stand in the same set as workers
 */
#define N_TASKS   2
#define N_WORKERS 2

byte heavy = 0;       /* length of the submitter's deque, as memory has it */
byte pushes = 0;      /* stores to `bottom` in the submitter's store buffer */
byte n_begun = 0;     /* tasks */
bool idle[N_WORKERS]; /* idle_workers */
bool announcing[N_WORKERS]; /* PLAINANNOUNCE: in the worker's store buffer */
byte wake[N_WORKERS]; /* semaphores */
bool idle_joiner = false;
byte wake_joiner = 0;
bool is_pending = true; /* the joiner's group */

active proctype store_buffers()
{
    do
    :: atomic { pushes > 0 -> pushes--; heavy++ }
    :: atomic { announcing[0] -> announcing[0] = false; idle[0] = true }
    :: atomic { announcing[1] -> announcing[1] = false; idle[1] = true }
    :: n_begun == N_TASKS -> break
    od
}

active proctype submitter()
{
    byte i;

    for (i : 1 .. N_TASKS) {
        pushes++; /* sj_deque_push */
#ifndef NOFENCE
        (pushes == 0); /* sj_deque_push_fenced */
#endif
        atomic { /* sj_idle_claim_any: the btr that wins; then sem_post, later or at once */
            if
#ifdef ONESET
            :: idle_joiner -> idle_joiner = false; wake_joiner++
            :: !idle_joiner && idle[0] -> idle[0] = false; wake[0]++
            :: !idle_joiner && !idle[0] && idle[1] -> idle[1] = false; wake[1]++
#elif defined(NOWAKE)
            :: idle[0] -> idle[0] = false
            :: !idle[0] && idle[1] -> idle[1] = false
#else
            :: idle[0] -> idle[0] = false; wake[0]++
            :: !idle[0] && idle[1] -> idle[1] = false; wake[1]++
#endif
            :: else -> skip
            fi
        }
    }
}

proctype worker(byte w)
{
    do
    :: atomic { heavy > 0 -> heavy--; n_begun++ } /* find: a steal that wins */
        if
        :: true -> skip
        :: true -> (n_begun == N_TASKS) /* a long task */
        fi
    :: heavy == 0 -> /* find: nothing there */
#ifdef PLAINANNOUNCE
        announcing[w] = true;
#else
        idle[w] = true; /* sj_idle_announce */
#endif
        if
#ifndef NORECHECK
        :: heavy > 0 -> skip /* has_task */
#endif
        :: n_begun == N_TASKS -> break /* shall_leave */
#ifdef NORECHECK
        :: true ->
#else
        :: heavy == 0 ->
#endif
            if
            :: atomic { wake[w] > 0 -> wake[w]-- } /* sj_worker_sleep */
            :: n_begun == N_TASKS -> break         /* stop_workers */
            fi
        fi;
        atomic { announcing[w] = false; idle[w] = false } /* sj_idle_retract */
    od
}

/* What the joiner waits for lasts as long as everything else. */
active proctype last_subtask()
{
    (n_begun == N_TASKS);
    is_pending = false; /* ck_pr_faa_32 in leave, core/group.c */
    atomic {            /* sj_worker_wake_joiner */
        if
        :: idle_joiner -> idle_joiner = false; wake_joiner++
        :: else -> skip
        fi
    }
}

active proctype joiner()
{
    do
    :: !is_pending -> break
    :: is_pending ->
        idle_joiner = true; /* wait_for: sj_idle_announce */
        if
        :: !is_pending -> skip
        :: is_pending -> atomic { wake_joiner > 0 -> wake_joiner-- }
        fi;
        idle_joiner = false
    od
}

init
{
    atomic { run worker(0); run worker(1) }
}
