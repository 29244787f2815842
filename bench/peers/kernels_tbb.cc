// SPDX-License-Identifier: MIT
// The trees of kernels.h, and other operations of a scheduler, on oneTBB: kernels_tbb WORKERS.
#include "kernels.h"
#include <algorithm>
#include <atomic>
#include <semaphore.h>
#include <thread>
#include <unistd.h>
#include <tbb/concurrent_queue.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

static sum visit(const kernel &kernel, const node &at)
{
    node children[CHILDREN];
    sum sums[CHILDREN], total = {0, 1};
    unsigned n = kernel.expand(&at, children, &total.value);

    if (n == 0)
        return total;
    total.value = 0;
    tbb::task_group group;
    for (unsigned i = 0; i < n; i++)
        group.run([&, i] { sums[i] = visit(kernel, children[i]); });
    group.wait();
    for (unsigned i = 0; i < n; i++) {
        total.value += sums[i].value;
        total.tasks += sums[i].tasks;
    }
    return total;
}

static uint64_t spawn()
{
    uint64_t began = now_ns();

    for (unsigned i = 0; i < SPAWNED; i += GROUP) {
        tbb::task_group group;
        for (unsigned j = 0; j < GROUP; j++)
            group.run([] {});
        group.wait();
    }
    return now_ns() - began;
}

static void time_wake(tbb::task_arena &arena)
{
    uint64_t times[WAKEUPS], arrived = 0;
    sem_t done;

    sem_init(&done, 0, 0);
    for (uint64_t &time : times) {
        usleep(SETTLE_US);
        uint64_t began = now_ns();
        arena.enqueue([&] {
            arrived = now_ns();
            sem_post(&done);
        });
        sem_wait(&done);
        time = arrived - began;
    }
    print_wake(times);
}

static void time_stream()
{
    tbb::concurrent_bounded_queue<void *> queue;
    queue.set_capacity(QUEUE);
    std::thread taker([&] {
        void *taken;
        for (unsigned i = 0; i < STREAMED;)
            i += queue.try_pop(taken);
    });
    uint64_t began = now_ns();
    for (unsigned i = 0; i < STREAMED;)
        i += queue.try_push(nullptr);
    taker.join();
    print_figure("stream", now_ns() - began, STREAMED, 0);
}

int main(int argc, char **argv)
{
    unsigned workers = workers_of(argc, argv);
    // One more, so that a task from outside finds a thread; the trees run in an arena of `workers`.
    tbb::global_control limit(tbb::global_control::max_allowed_parallelism, workers + 1);
    tbb::task_arena arena(static_cast<int>(workers)), others(static_cast<int>(workers), 0);

    arena.execute([] {
        print_figure("spawn", spawn(), SPAWNED, 0);
        for (const kernel &kernel : kernels) {
            uint64_t began = now_ns();
            sum total = visit(kernel, kernel.root);
            print_figure(kernel.name, now_ns() - began, total.tasks, total.value);
        }
    });
    time_wake(others);
    time_stream();
    return 0;
}
