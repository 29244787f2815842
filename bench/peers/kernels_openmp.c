/* SPDX-License-Identifier: MIT */
/* The trees of kernels.h on OpenMP's tasks: kernels_openmp WORKERS. */
#include "kernels.h"
#include <omp.h>

static struct sum visit(const struct kernel *kernel, const struct node *node)
{
    struct node children[CHILDREN];
    struct sum sums[CHILDREN], sum = {0, 1};
    unsigned n = kernel->expand(node, children, &sum.value);

    if (n == 0)
        return sum;
    sum.value = 0;
    for (unsigned i = 0; i < n; i++) {
#pragma omp task default(none) shared(sums, children) firstprivate(i, kernel)
        sums[i] = visit(kernel, &children[i]);
    }
#pragma omp taskwait
    for (unsigned i = 0; i < n; i++) {
        sum.value += sums[i].value;
        sum.tasks += sums[i].tasks;
    }
    return sum;
}

static uint64_t spawn(void)
{
    uint64_t began = now_ns();

    for (unsigned i = 0; i < SPAWNED; i += GROUP) {
        for (unsigned j = 0; j < GROUP; j++) {
#pragma omp task
            __asm__ volatile(""); /* an empty one is left out by the compiler */
        }
#pragma omp taskwait
    }
    return now_ns() - began;
}

int main(int argc, char **argv)
{
    omp_set_num_threads((int)workers_of(argc, argv));
#pragma omp parallel
#pragma omp single
    {
        print_figure("spawn", spawn(), SPAWNED, 0);
        for (unsigned i = 0; i < KERNELS; i++) {
            uint64_t began = now_ns();
            struct sum sum = visit(&kernels[i], &kernels[i].root);
            print_figure(kernels[i].name, now_ns() - began, sum.tasks, sum.value);
        }
    }
    return 0;
}
