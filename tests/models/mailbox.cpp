// SPDX-License-Identifier: MIT
//
// core/mailbox.c and core/idle.c, as sj_loop_post and a parking loop use them, under every
// interleaving and reordering that C++11 allows, by Relacy.  Orders as in deque.cpp.
//
// Two posters, one reader that sleeps in between; a lost wake-up is a deadlock.
//
// To be found out, one at a time:
//   -DNOFENCE    the push of a message is not a full fence
//   -DNORECHECK  the reader does not look once more after it has announced itself
//   -DNORELEASE  the push does not publish what the message holds
//   -DNOWAKE     the poster that clears the bit does not wake
#include <relacy/relacy.hpp>

static const unsigned n_posters = 2;

// A macro, like Relacy's own orders.
#if defined(NOFENCE)
#define push_order rl::memory_order_acq_rel
#elif defined(NORELEASE)
#define push_order rl::memory_order_relaxed
#else
#define push_order rl::memory_order_seq_cst
#endif

struct mail : rl::test_suite<mail, n_posters + 1> {
    rl::atomic<unsigned> head;             // ck_stack: the newest message, 0: none
    rl::var<unsigned> next[n_posters + 1]; // its link
    rl::var<unsigned> content[n_posters + 1];
    rl::atomic<unsigned> idle;  // the reader's bit
    rl::semaphore<mail> wake_fd; // sticky, like an eventfd

    void before()
    {
        head.store(0, rl::memory_order_relaxed);
        idle.store(0, rl::memory_order_relaxed);
        wake_fd.init(false, 0, 100, $);
    }

    void after()
    {
        wake_fd.deinit($);
    }

    bool claim() // sj_idle_claim; also what sj_idle_retract does
    {
        return idle.load(rl::memory_order_seq_cst) == 1 &&
               idle.fetch_and(0, rl::memory_order_seq_cst) == 1;
    }

    void post(unsigned message) // sj_loop_post
    {
        unsigned seen = head.load(rl::memory_order_seq_cst);

        content[message]($) = message * 10;
        do // ck_stack_push_upmc
            next[message]($) = seen;
        while (!head.compare_exchange_strong(seen, message, push_order, rl::memory_order_relaxed));
        if (claim()) {
#ifndef NOWAKE
            wake_fd.signal($); // sj_loop_wake
#endif
        }
    }

    unsigned drain() // sj_mailbox_drain
    {
        unsigned n = 0;

        if (head.load(rl::memory_order_seq_cst) == 0) // sj_mailbox_is_empty
            return 0;
        for (unsigned message = head.exchange(0, rl::memory_order_seq_cst); message != 0; n++) {
            RL_ASSERT(content[message]($) == message * 10);
            message = next[message]($);
        }
        return n;
    }

    void read_all() // turn, poll_events, may_park in loop.c
    {
        for (unsigned n_read = 0; n_read < n_posters;) {
            unsigned n = drain();

            n_read += n;
            if (n > 0)
                continue;
            idle.fetch_or(1, rl::memory_order_seq_cst); // sj_idle_announce
#ifndef NORECHECK
            if (head.load(rl::memory_order_seq_cst) == 0) // has_work
#endif
                wake_fd.wait(false, false, $); // event_base_loop
            claim();                           // arrive: sj_idle_retract
        }
    }

    void thread(unsigned number)
    {
        if (number < n_posters)
            post(number + 1);
        else
            read_all();
    }
};

int main()
{
    rl::test_params params;

    params.iteration_count = 300000;
    params.search_type = rl::random_scheduler_type;
    return rl::simulate<mail>(params) ? 0 : 1;
}
