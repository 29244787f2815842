/* SPDX-License-Identifier: MIT */
#include "http/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct sj_config config;
static char error[256];

/* 0 or -EINVAL; up to three arguments, the others NULL. */
static int parse(const char *a, const char *b, const char *c)
{
    static char texts[4][64];
    char *arguments[5] = {texts[0], NULL};
    const char *given[] = {a, b, c};
    int n = 1, first;

    strcpy(texts[0], "serve");
    for (int i = 0; i < 3 && given[i] != NULL; i++, n++) {
        strcpy(texts[n], given[i]);
        arguments[n] = texts[n];
    }
    arguments[n] = NULL;
    memset(&config, 0xaa, sizeof(config));
    return sj_options_parse(sj_config_table, n, arguments, &config, &first, error, sizeof(error));
}

static void fini(void)
{
    sj_options_fini(sj_config_table, &config);
}

static bool is_number(const struct sj_option *row)
{
    return row->type == SJ_OPTION_NUMBER || row->type == SJ_OPTION_SIZE ||
           row->type == SJ_OPTION_DURATION;
}

static bool is_last(const struct sj_option *row)
{
    return row->name == NULL && row->help == NULL;
}

#define FOR_EACH_OPTION(row)                                                  \
    for (const struct sj_option *row = sj_config_table; !is_last(row); row++) \
        if (row->name != NULL)

static uint64_t number_of(const struct sj_option *row)
{
    uint64_t number;

    memcpy(&number, (const char *)&config + row->offset, sizeof(number));
    return number;
}

static void each_default_is_what_a_user_could_write(void **state)
{
    (void)state;
    FOR_EACH_OPTION(row)
    {
        struct sj_config defaults;
        char option[64];

        if (!is_number(row))
            continue;
        assert_int_equal(parse(NULL, NULL, NULL), 0);
        defaults = config;
        fini();
        snprintf(option, sizeof(option), "--%s=%s", row->name, row->value);
        if (parse(option, NULL, NULL) != 0)
            fail_msg("%s: %s", option, error);
        assert_memory_equal((char *)&config + row->offset, (char *)&defaults + row->offset, 8);
        fini();
    }
}

static void each_limit_can_be_reached_and_not_passed(void **state)
{
    (void)state;
    FOR_EACH_OPTION(row)
    {
        const char *unit = row->type == SJ_OPTION_DURATION ? "ms" : "";
        char option[96];

        if (!is_number(row))
            continue;
        assert_true(row->max > 0 && row->max >= row->min);
        snprintf(option, sizeof(option), "--%s=%llu%s", row->name, (unsigned long long)row->max,
                 unit);
        assert_int_equal(parse(option, NULL, NULL), 0);
        assert_int_equal(number_of(row), row->max);
        fini();
        snprintf(option, sizeof(option), "--%s=%llu%s", row->name, (unsigned long long)row->max + 1,
                 unit);
        assert_true(parse(option, NULL, NULL) < 0);
        assert_non_null(strstr(error, row->name));
        if (row->min == 0)
            continue;
        snprintf(option, sizeof(option), "--%s=%llu%s", row->name, (unsigned long long)row->min - 1,
                 unit);
        assert_true(parse(option, NULL, NULL) < 0);
    }
}

static void each_option_is_in_the_help_with_its_default(void **state)
{
    char *help;
    size_t size;
    FILE *to = open_memstream(&help, &size);

    (void)state;
    sj_options_help(sj_config_table, to);
    fclose(to);
    FOR_EACH_OPTION(row)
    {
        bool is_negative = row->type == SJ_OPTION_FLAG && row->value != NULL;
        char option[64];

        snprintf(option, sizeof(option), "--%s%s", is_negative ? "no-" : "", row->name);
        if (strstr(help, option) == NULL)
            fail_msg("%s is not in the help", option);
        if (!is_negative && row->value != NULL && strstr(help, row->value) == NULL)
            fail_msg("the default of %s is not in the help", option);
    }
    free(help);
}

static void each_option_has_a_member_of_its_own(void **state)
{
    bool is_taken[sizeof(struct sj_config)] = {false};

    (void)state;
    FOR_EACH_OPTION(row)
    {
        assert_true(row->offset < sizeof(struct sj_config));
        assert_false(is_taken[row->offset]);
        is_taken[row->offset] = true;
    }
}

static void the_defaults_are_those_of_the_manual(void **state)
{
    (void)state;
    assert_int_equal(parse(NULL, NULL, NULL), 0);
    assert_int_equal(config.listen.n_items, 0);
    assert_int_equal(config.root.n_items, 0);
    assert_string_equal(config.index_file, "index.html");
    assert_null(config.spa);
    assert_null(config.access_log);
    assert_string_equal(config.log_level, "info");
    assert_false(config.dotfiles);
    assert_false(config.follow_symlinks);
    assert_true(config.cors);
    assert_true(config.watch);
    assert_int_equal(config.max_age_ms, 60000);
    assert_int_equal(config.memory_limit, 256 << 20);
    assert_int_equal(config.memory_file_limit, 1 << 20);
    assert_int_equal(config.worker_nice, 10);
    assert_int_equal(config.request_line_limit, 8192);
    assert_int_equal(config.fields_limit, 100);
    assert_int_equal(config.fields_size_limit, 32768);
    assert_int_equal(config.body_limit, 1 << 20);
    assert_int_equal(config.header_timeout_ms, 10000);
    assert_int_equal(config.keepalive_timeout_ms, 65000);
    assert_int_equal(config.write_timeout_ms, 30000);
    assert_int_equal(config.min_rate, 500);
    assert_int_equal(config.drain_timeout_ms, 30000);
    assert_int_equal(config.connections_per_address, 0);
    assert_int_equal(config.backlog, 2048);
    fini();
}

static void flags_that_are_on_are_taken_back(void **state)
{
    (void)state;
    assert_int_equal(parse("--no-cors", "--no-watch", "--dotfiles"), 0);
    assert_false(config.cors);
    assert_false(config.watch);
    assert_true(config.dotfiles);
    fini();
    assert_true(parse("--cors", NULL, NULL) < 0);
}

static void none_is_a_word_where_it_makes_sense(void **state)
{
    (void)state;
    assert_int_equal(parse("--max-age=none", "--index-file=none", NULL), 0);
    assert_int_equal(config.max_age_ms, UINT64_MAX);
    assert_null(config.index_file);
    fini();
    assert_true(parse("--backlog=none", NULL, NULL) < 0);
}

static void lists_keep_their_order(void **state)
{
    (void)state;
    assert_int_equal(parse("--root=a", "--root=/b=c", "--listen=:1"), 0);
    assert_int_equal(config.root.n_items, 2);
    assert_string_equal(config.root.items[0], "a");
    assert_string_equal(config.root.items[1], "/b=c");
    assert_int_equal(config.listen.n_items, 1);
    fini();
}

static void the_operand_comes_before_the_roots_that_override_it(void **state)
{
    const char **roots;
    size_t n_roots;

    (void)state;
    assert_int_equal(parse("--root=a", NULL, NULL), 0);
    roots = sj_config_roots(&config, "b", &n_roots);
    assert_int_equal(n_roots, 2);
    assert_string_equal(roots[0], "b");
    assert_string_equal(roots[1], "a");
    free(roots);
    roots = sj_config_roots(&config, NULL, &n_roots);
    assert_int_equal(n_roots, 1);
    assert_string_equal(roots[0], "a");
    free(roots);
    fini();
}

static void without_any_root_it_is_here(void **state)
{
    const char **roots;
    size_t n_roots;

    (void)state;
    assert_int_equal(parse(NULL, NULL, NULL), 0);
    roots = sj_config_roots(&config, NULL, &n_roots);
    assert_int_equal(n_roots, 1);
    assert_string_equal(roots[0], ".");
    free(roots);
    fini();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_default_is_what_a_user_could_write),
        cmocka_unit_test(each_limit_can_be_reached_and_not_passed),
        cmocka_unit_test(each_option_is_in_the_help_with_its_default),
        cmocka_unit_test(each_option_has_a_member_of_its_own),
        cmocka_unit_test(the_defaults_are_those_of_the_manual),
        cmocka_unit_test(flags_that_are_on_are_taken_back),
        cmocka_unit_test(none_is_a_word_where_it_makes_sense),
        cmocka_unit_test(lists_keep_their_order),
        cmocka_unit_test(the_operand_comes_before_the_roots_that_override_it),
        cmocka_unit_test(without_any_root_it_is_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
