/* SPDX-License-Identifier: MIT */
#ifndef SJ_TESTS_CACHE_PLANNING_H
#define SJ_TESTS_CACHE_PLANNING_H
/* Plans of an index over a tree, for tests. */
#include "tests/cache/site.h"

struct fixture {
    struct site *site;
    enum sj_plan_outcome outcome;
    char *text;
    unsigned n_plans;
    char order[32]; /* "P": a plan was answered; "B": a build has ended */
};

static inline int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->site = site_new();
    tree_write(fixture->site->tree, "a", "1");
    tree_write(fixture->site->tree, "b", "1");
    site_settle();
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->site != NULL)
        site_free(fixture->site);
    free(fixture->text);
    free(fixture);
    return 0;
}

static inline void take(void *argument, enum sj_plan_outcome outcome, const char *text)
{
    struct fixture *fixture = argument;
    free(fixture->text);
    fixture->text = strdup(text);
    fixture->outcome = outcome;
    fixture->n_plans++;
    strcat(fixture->order, "P");
    event_base_loopbreak(fixture->site->base);
}

static inline void ask(struct fixture *fixture, const char *root, enum sj_plan_form form)
{
    assert_int_equal(sj_index_plan(fixture->site->index, root, form, take, fixture), 0);
}

static inline enum sj_plan_outcome plan(struct fixture *fixture, const char *root,
                                        enum sj_plan_form form)
{
    unsigned before = fixture->n_plans;
    ask(fixture, root, form);
    while (fixture->n_plans == before)
        event_base_loop(fixture->site->base, EVLOOP_ONCE);
    return fixture->outcome;
}

static inline void assert_says(const struct fixture *fixture, const char *what)
{
    if (strstr(fixture->text, what) == NULL)
        fail_msg("no \"%s\" in \"%s\"", what, fixture->text);
}

static inline struct sj_index_status status(const struct fixture *fixture)
{
    struct sj_index_status status;
    sj_index_status(fixture->site->index, &status);
    return status;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
