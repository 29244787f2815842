/* SPDX-License-Identifier: MIT */
/*
 * Trees of tasks, for schedulers to run: a task for each node, which spawns one for each child and
 * adds up what they return.
 *
 * Every program that includes this prints a line for each operation: its name, nanoseconds per
 * task, and the answer, by which it is seen that all of them did the same.
 */
#ifndef SJ_BENCH_KERNELS_H
#define SJ_BENCH_KERNELS_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CHILDREN = 10, QUEENS = 10, FIB = 27, SKYNET = 100000, FULL_LEVELS = 4 };
enum { GROUP = 256, SPAWNED = 1 << 18, STREAMED = 1 << 19, QUEUE = 1024, WAKEUPS = 100 };
enum { SETTLE_US = 1000, NS_PER_S = 1000000000 };

struct node {
    uint64_t seed;
    uint32_t taken, falling, rising; /* columns and diagonals of the queens so far */
    unsigned size;                   /* fib's number, skynet's leaves, rows left, depth */
};

struct sum {
    uint64_t value, tasks;
};

/* Writes the children to `to` and returns how many: 0 for a leaf, worth `*value`. */
typedef unsigned (*expand_fn)(const struct node *node, struct node *to, uint64_t *value);

struct kernel {
    const char *name;
    expand_fn expand;
    struct node root;
};

static inline unsigned expand_fib(const struct node *node, struct node *to, uint64_t *value)
{
    if (node->size < 2) {
        *value = node->size;
        return 0;
    }
    to[0] = to[1] = *node;
    to[0].size -= 1;
    to[1].size -= 2;
    return 2;
}

static inline unsigned expand_skynet(const struct node *node, struct node *to, uint64_t *value)
{
    if (node->size == 1) {
        *value = node->seed;
        return 0;
    }
    for (unsigned i = 0; i < CHILDREN; i++) {
        to[i] = *node;
        to[i].size = node->size / CHILDREN;
        to[i].seed = node->seed + i * to[i].size;
    }
    return CHILDREN;
}

static inline unsigned expand_queens(const struct node *node, struct node *to, uint64_t *value)
{
    unsigned n = 0;

    *value = node->size == 0;
    for (unsigned column = 0; column < QUEENS && node->size > 0; column++) {
        uint32_t bit = 1u << column;
        if ((node->taken | node->falling | node->rising) & bit)
            continue;
        to[n] = *node;
        to[n].taken |= bit;
        to[n].falling = (node->falling | bit) >> 1;
        to[n].rising = (node->rising | bit) << 1;
        to[n++].size = node->size - 1;
    }
    return n;
}

/* A generator by S. Vigna (splitmix64, public domain): what each child's own subtree comes from. */
static inline uint64_t mixed(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* Full at the top; below it a node has ten children or none, 0.98 on average. */
static inline unsigned expand_tree(const struct node *node, struct node *to, uint64_t *value)
{
    *value = 1;
    if (node->size >= FULL_LEVELS && node->seed % 1000 >= 98)
        return 0;
    for (unsigned i = 0; i < CHILDREN; i++) {
        to[i] = *node;
        to[i].seed = mixed(node->seed + i);
        to[i].size = node->size + 1;
    }
    return CHILDREN;
}

static const struct kernel kernels[] = {
    {"fib", expand_fib, {0, 0, 0, 0, FIB}},
    {"skynet", expand_skynet, {0, 0, 0, 0, SKYNET}},
    {"queens", expand_queens, {0, 0, 0, 0, QUEENS}},
    {"tree", expand_tree, {1, 0, 0, 0, 0}},
};
enum { KERNELS = sizeof kernels / sizeof *kernels };

static inline uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static inline void print_figure(const char *name, uint64_t took_ns, uint64_t tasks, uint64_t answer)
{
    printf("%s %.2f %llu\n", name, (double)took_ns / (double)tasks, (unsigned long long)answer);
}

static inline int compare_ns(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Of the times of WAKEUPS wake-ups, which are sorted. */
static inline void print_wake(uint64_t *times)
{
    qsort(times, WAKEUPS, sizeof *times, compare_ns);
    print_figure("wake", times[WAKEUPS / 2], 1, 0);
}

static inline unsigned workers_of(int argc, char **argv)
{
    int n = argc == 2 ? atoi(argv[1]) : 0;

    if (n < 1) {
        fprintf(stderr, "usage: %s WORKERS\n", argv[0]);
        exit(2);
    }
    return (unsigned)n;
}

#endif
