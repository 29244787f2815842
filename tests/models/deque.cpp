// SPDX-License-Identifier: MIT
//
// core/deque.c under every interleaving and reordering that C++11 allows, by Relacy.
//
// Each access has the order that its instruction has on x86-64: ck_pr_load is the mov of a
// sequentially consistent load, ck_pr_store the mov of a release store, ck_pr_fas and ck_pr_cas
// are locked.  One owner, two thieves, a ring of two slots that goes round.
//
// To be found out, one at a time:
//   -DNOFENCE     pop stores `bottom` without the exchange
//   -DNOCAS       pop takes the last task without competing for it
//   -DPLAINSTEAL  steal advances `top` by a store
//   -DNORELEASE   push publishes `bottom` before what it stands for
//   -DNOBOUND     push accepts one task more than there are slots
#include <relacy/relacy.hpp>

static const unsigned capacity = 2;
static const unsigned n_tasks = 4;

struct deque {
    rl::atomic<int> top, bottom;
    rl::atomic<unsigned> ring[capacity];

    deque()
    {
        top.store(0, rl::memory_order_relaxed);
        bottom.store(0, rl::memory_order_relaxed);
        for (unsigned i = 0; i < capacity; i++)
            ring[i].store(0, rl::memory_order_relaxed);
    }

    bool push(unsigned task) // sj_deque_push
    {
        int b = bottom.load(rl::memory_order_relaxed); // the owner's own
#ifdef NOBOUND
        const int last = capacity;
#else
        const int last = capacity - 1;
#endif
        if (b - top.load(rl::memory_order_seq_cst) > last)
            return false;
        ring[b % capacity].store(task, rl::memory_order_release);
#ifdef NORELEASE
        bottom.store(b + 1, rl::memory_order_relaxed);
#else
        bottom.store(b + 1, rl::memory_order_release); // ck_pr_fence_store, ck_pr_store_64
#endif
        return true;
    }

    unsigned pop() // sj_deque_pop
    {
        int b = bottom.load(rl::memory_order_relaxed) - 1;
        unsigned task = 0;

#ifdef NOFENCE
        bottom.store(b, rl::memory_order_release);
#else
        bottom.exchange(b, rl::memory_order_seq_cst); // ck_pr_fas_64
#endif
        int t = top.load(rl::memory_order_seq_cst);
        if (b - t > 0)
            return ring[b % capacity].load(rl::memory_order_acquire);
        if (b == t) {
            task = ring[b % capacity].load(rl::memory_order_acquire);
#ifdef NOCAS
            top.store(t + 1, rl::memory_order_release);
#else
            if (!top.compare_exchange_strong(t, t + 1, rl::memory_order_seq_cst))
                task = 0;
#endif
        }
        bottom.store(b + 1, rl::memory_order_release);
        return task;
    }

    unsigned steal() // sj_deque_steal; 0: empty or lost
    {
        int t = top.load(rl::memory_order_seq_cst);
        int b = bottom.load(rl::memory_order_seq_cst);

        if (b - t <= 0)
            return 0;
        unsigned task = ring[t % capacity].load(rl::memory_order_acquire);
#ifdef PLAINSTEAL
        top.store(t + 1, rl::memory_order_seq_cst);
        return task;
#else
        return top.compare_exchange_strong(t, t + 1, rl::memory_order_seq_cst) ? task : 0;
#endif
    }
};

struct contest : rl::test_suite<contest, 3> {
    deque d;
    rl::var<unsigned> content[n_tasks + 1]; // what the task points to: plain memory
    rl::atomic<unsigned> runs[n_tasks + 1];
    rl::atomic<unsigned> n_pushed, n_run;

    void before()
    {
        for (unsigned i = 0; i <= n_tasks; i++)
            runs[i].store(0, rl::memory_order_relaxed);
        n_pushed.store(0, rl::memory_order_relaxed);
        n_run.store(0, rl::memory_order_relaxed);
    }

    void run(unsigned task)
    {
        if (task == 0)
            return;
        RL_ASSERT(content[task]($) == task * 10);             // whole
        RL_ASSERT(runs[task].fetch_add(1, rl::memory_order_relaxed) == 0); // once
        n_run.fetch_add(1, rl::memory_order_relaxed);
    }

    void thread(unsigned number)
    {
        if (number > 0) {
            run(d.steal());
            run(d.steal());
            return;
        }
        for (unsigned task = 1; task <= n_tasks; task++) {
            content[task]($) = task * 10;
            if (d.push(task))
                n_pushed.fetch_add(1, rl::memory_order_relaxed);
            if (task == 2)
                run(d.pop());
        }
        for (unsigned i = 0; i < capacity; i++)
            run(d.pop());
    }

    void after()
    {
        while (unsigned task = d.steal())
            run(task);
        RL_ASSERT(n_run.load(rl::memory_order_relaxed) == n_pushed.load(rl::memory_order_relaxed));
    }
};

int main()
{
    rl::test_params params;

    params.iteration_count = 400000;
    params.search_type = rl::random_scheduler_type;
    return rl::simulate<contest>(params) ? 0 : 1;
}
