/* SPDX-License-Identifier: MIT */
#include "cache/conditions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "cache/changes.h"

/* What sj_conditions_check says of one condition: "" or its text. */
static const char *verdict(const char *condition, const struct sj_change_counts *counts)
{
    static char text[256];
    char error[512] = "";
    struct sj_conditions *conditions;
    strcpy(text, "");
    if (sj_conditions_new(&condition, 1, &conditions, error, sizeof(error)) != 0)
        fail_msg("%s", error);
    int code = sj_conditions_check(conditions, counts, text, sizeof(text));
    assert_int_equal(code, text[0] == '\0' ? 0 : -EPERM);
    sj_conditions_free(conditions);
    return text;
}

static const struct sj_change_counts counts = {.n_urls_before = 100,
                                               .n_urls = 81,
                                               .n_added = 12,
                                               .n_changed = 50,
                                               .n_removed = 31,
                                               .n_changed_fingerprints = 1,
                                               .n_missing_assets = 3,
                                               .n_faults = 10};

static void each_name_has_its_count(void **state)
{
    static const char *const exact[] = {
        "added==12",         "changed==50", "changed-fingerprints==1", "faults==10", "removed==31",
        "missing-assets==3", "urls==81",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(exact) / sizeof(*exact); i++)
        if (verdict(exact[i], &counts)[0] == '\0')
            fail_msg("%s does not hold", exact[i]);
}

static void operators_hold_on_their_side_of_the_bound(void **state)
{
    static const struct {
        const char *operator;
        const char *holds; /* of 30, 31 and 32: are 31 removed URLs beyond it? */
    } rows[] = {{">", "yes no no"},
                {">=", "yes yes no"},
                {"<", "no no yes"},
                {"<=", "no yes yes"},
                {"==", "no yes no"}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        for (unsigned percent = 0; percent < 2; percent++) {
            char all[32] = "";
            for (unsigned bound = 30; bound <= 32; bound++) {
                char condition[32];
                snprintf(condition, sizeof(condition), "removed%s%u%s", rows[i].operator, bound,
                         percent ? "%" : "");
                strcat(all, verdict(condition, &counts)[0] != '\0' ? " yes" : " no");
            }
            if (strcmp(all + 1, rows[i].holds) != 0)
                fail_msg("%s: %s", rows[i].operator, all);
        }
}

static void the_refusal_says_what_and_why(void **state)
{
    (void)state;
    assert_string_equal(verdict("removed>20%", &counts),
                        "refused: removed 31 of 100 URLs (31%), --refuse-if removed>20%");
    assert_string_equal(verdict("missing-assets>0", &counts),
                        "refused: missing-assets 3, --refuse-if missing-assets>0");
    struct sj_change_counts odd = {.n_urls_before = 1000, .n_added = 204};
    assert_string_equal(verdict(" added >= 20 % ", &odd),
                        "refused: added 204 of 1000 URLs (20.4%), --refuse-if  added >= 20 % ");
}

static void percentages_are_exact(void **state)
{
    struct sj_change_counts many = {.n_urls_before = 3, .n_removed = 1};
    (void)state;
    assert_string_not_equal(verdict("removed>33%", &many), "");
    assert_string_equal(verdict("removed>34%", &many), "");
    many = (struct sj_change_counts){.n_urls_before = 4000000000, .n_removed = 800000001};
    assert_string_not_equal(verdict("removed>20%", &many), "");
    many.n_removed--;
    assert_string_equal(verdict("removed>20%", &many), "");
    assert_string_equal(verdict("removed>999999999%", &many), "");
}

static void without_a_generation_before_no_percentage_holds(void **state)
{
    struct sj_change_counts first = {.n_urls = 10, .n_added = 10};
    (void)state;
    assert_string_equal(verdict("added>50%", &first), "");
    assert_string_equal(verdict("removed>=0%", &first), "");
    assert_string_equal(verdict("urls<100%", &first), "");
    assert_string_not_equal(verdict("urls<100", &first), "");
}

static void the_first_that_holds_is_named(void **state)
{
    static const char *const texts[] = {"urls<10", "faults>=10", "missing-assets>0"};
    struct sj_conditions *conditions;
    char text[256];
    (void)state;
    assert_int_equal(sj_conditions_new(texts, 3, &conditions, text, sizeof(text)), 0);
    assert_int_equal(sj_conditions_check(conditions, &counts, text, sizeof(text)), -EPERM);
    assert_string_equal(text, "refused: faults 10, --refuse-if faults>=10");
    struct sj_change_counts fine = {.n_urls = 10};
    assert_int_equal(sj_conditions_check(conditions, &fine, text, sizeof(text)), 0);
    sj_conditions_free(conditions);
}

static void no_condition_refuses_nothing(void **state)
{
    struct sj_conditions *conditions;
    char text[64];
    (void)state;
    assert_int_equal(sj_conditions_new(NULL, 0, &conditions, text, sizeof(text)), 0);
    assert_int_equal(sj_conditions_check(conditions, &counts, text, sizeof(text)), 0);
    sj_conditions_free(conditions);
}

static void what_is_no_condition_is_refused_with_the_names(void **state)
{
    static const char *const wrong[] = {
        "",           "removed",      "removed>",    ">20",           "remove>20",
        "Removed>20", "removed=20",   "removed!=20", "removed>-1",    "removed>2.5%",
        "removed>%",  "removed>20%%", "removed>20x", "removed>20 30", "removed>1000000000",
        "removed>>1", "removed-x>1",  "n_removed>1", "removed>=<1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        const char *texts[] = {"urls<1", wrong[i]};
        struct sj_conditions *conditions = NULL;
        char error[512] = "";
        char start[64];
        if (sj_conditions_new(texts, 2, &conditions, error, sizeof(error)) != -EINVAL)
            fail_msg("accepted: %s", wrong[i]);
        snprintf(start, sizeof(start), "--refuse-if %s: expected ", wrong[i]);
        assert_memory_equal(error, start, strlen(start));
        assert_non_null(strstr(error, "added, changed, changed-fingerprints, faults, "
                                      "missing-assets, removed, urls"));
        assert_null(strchr(error, '\n'));
    }
}

static void only_missing_assets_need_pages(void **state)
{
    static const char *const texts[] = {"removed>20%", "urls<3", "missing-assets>0"};
    struct sj_conditions *conditions;
    char error[256];
    (void)state;
    for (size_t n = 0; n <= 3; n++) {
        assert_int_equal(sj_conditions_new(texts, n, &conditions, error, sizeof(error)), 0);
        assert_int_equal(sj_conditions_need_pages(conditions), n == 3);
        sj_conditions_free(conditions);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_name_has_its_count),
        cmocka_unit_test(operators_hold_on_their_side_of_the_bound),
        cmocka_unit_test(the_refusal_says_what_and_why),
        cmocka_unit_test(percentages_are_exact),
        cmocka_unit_test(without_a_generation_before_no_percentage_holds),
        cmocka_unit_test(the_first_that_holds_is_named),
        cmocka_unit_test(no_condition_refuses_nothing),
        cmocka_unit_test(what_is_no_condition_is_refused_with_the_names),
        cmocka_unit_test(only_missing_assets_need_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
