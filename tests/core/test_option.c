/* SPDX-License-Identifier: MIT */
#include "core/option.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct values {
    bool has_dotfiles, has_cors;
    uint64_t workers, limit, timeout_ms, max_age_ms;
    const char *file, *user;
    struct sj_option_list listen, types;
};

#define AT(field) offsetof(struct values, field)

static const struct sj_option table[] = {
    {.help = "Files"},
    {.name = "dotfiles", .letter = 'd', .offset = AT(has_dotfiles), .help = "serve dot files"},
    {.name = "cors", .offset = AT(has_cors), .value = "yes", .help = "no cross-origin field"},
    {.name = "file",
     .letter = 'f',
     .type = SJ_OPTION_TEXT,
     .offset = AT(file),
     .argument = "NAME",
     .value = "index.html",
     .none = "none",
     .help = "the file that stands for its directory, which is a long story that needs more than "
             "one line to tell"},
    {.name = "user", .type = SJ_OPTION_TEXT, .offset = AT(user), .argument = "USER", .help = "who"},
    {.help = "Limits"},
    {.name = "workers",
     .type = SJ_OPTION_NUMBER,
     .offset = AT(workers),
     .min = 1,
     .max = 64,
     .value = "2",
     .argument = "N",
     .help = "threads for heavy tasks"},
    {.name = "limit",
     .type = SJ_OPTION_SIZE,
     .offset = AT(limit),
     .min = 512,
     .value = "32K",
     .argument = "SIZE",
     .help = "octets in memory"},
    {.name = "timeout",
     .type = SJ_OPTION_DURATION,
     .offset = AT(timeout_ms),
     .min = 100,
     .max = 3600000,
     .value = "10s",
     .argument = "TIME",
     .help = "patience"},
    {.name = "max-age",
     .type = SJ_OPTION_DURATION,
     .offset = AT(max_age_ms),
     .max = 4294967295000,
     .value = "60",
     .argument = "TIME|none",
     .none = "none",
     .help = "freshness"},
    {.name = "listen",
     .letter = 'l',
     .type = SJ_OPTION_LIST,
     .offset = AT(listen),
     .value = "127.0.0.1:8080",
     .argument = "ADDR",
     .help = "where"},
    {.name = "an-option-with-a-very-long-name",
     .type = SJ_OPTION_LIST,
     .offset = AT(types),
     .argument = ".EXT=TYPE",
     .help = "media types"},
    {0},
};

static struct values values;
static char error[200];
static int first;

static char *words[40];

/* `line`: the words of a command line, with one blank between them; the command's name first. */
static int parse_into(const char *line, size_t error_size)
{
    static char copy[400];
    char *rest = copy;
    int n_words = 0;

    snprintf(copy, sizeof(copy), "%s", line);
    for (char *word; (word = strsep(&rest, " ")) != NULL;)
        words[n_words++] = word;
    words[n_words] = NULL;
    sj_options_fini(table, &values); /* of the parse before */
    return sj_options_parse(table, n_words, words, &values, &first, error, error_size);
}

static int parse(const char *line)
{
    return parse_into(line, sizeof(error));
}

static int done(void **state)
{
    (void)state;
    sj_options_fini(table, &values);
    return 0;
}

static void assert_refuses(const char *line, const char *message)
{
    assert_int_equal(parse(line), -EINVAL);
    assert_string_equal(error, message);
}

static void defaults_come_from_the_table(void **state)
{
    (void)state;
    values = (struct values){.has_dotfiles = true, .workers = 9, .user = "jay"};
    assert_int_equal(parse("jay"), 0);
    assert_false(values.has_dotfiles);
    assert_true(values.has_cors);
    assert_int_equal(values.workers, 2);
    assert_int_equal(values.limit, 32768);
    assert_int_equal(values.timeout_ms, 10000);
    assert_int_equal(values.max_age_ms, 60000);
    assert_string_equal(values.file, "index.html");
    assert_null(values.user);
    assert_int_equal(values.types.n_items, 0);
}

static void flags_are_set_and_unset(void **state)
{
    (void)state;
    assert_int_equal(parse("jay --dotfiles --no-cors"), 0);
    assert_true(values.has_dotfiles);
    assert_false(values.has_cors);
    assert_refuses("jay --cors", "--cors: no such option; see --help");
}

static void letters_stand_for_names(void **state)
{
    (void)state;
    assert_int_equal(parse("jay -df a -lb -l c"), 0);
    assert_true(values.has_dotfiles);
    assert_string_equal(values.file, "a");
    assert_string_equal(values.listen.items[1], "c");
}

static void sizes_have_units_of_1024(void **state)
{
    (void)state;
    assert_int_equal(parse("jay --limit 700"), 0);
    assert_int_equal(values.limit, 700);
    assert_int_equal(parse("jay --limit=3K"), 0);
    assert_int_equal(values.limit, 3072);
    assert_int_equal(parse("jay --limit=256M"), 0);
    assert_int_equal(values.limit, 268435456);
    assert_int_equal(parse("jay --limit=5G"), 0);
    assert_int_equal(values.limit, 5368709120);
}

static void durations_are_seconds_without_a_unit(void **state)
{
    (void)state;
    assert_int_equal(parse("jay --timeout 7"), 0);
    assert_int_equal(values.timeout_ms, 7000);
    assert_int_equal(parse("jay --timeout 250ms"), 0);
    assert_int_equal(values.timeout_ms, 250);
    assert_int_equal(parse("jay --timeout 2m"), 0);
    assert_int_equal(values.timeout_ms, 120000);
    assert_int_equal(parse("jay --timeout 1h"), 0);
    assert_int_equal(values.timeout_ms, 3600000);
    assert_int_equal(parse("jay --max-age 365d"), 0);
    assert_int_equal(values.max_age_ms, 31536000000);
}

static void none_is_a_value_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(parse("jay --max-age none --file none"), 0);
    assert_true(values.max_age_ms == UINT64_MAX);
    assert_null(values.file);
    assert_int_equal(parse("jay --user none"), 0);
    assert_string_equal(values.user, "none");
}

static void the_last_scalar_counts(void **state)
{
    (void)state;
    assert_int_equal(parse("jay --workers 3 --workers=5"), 0);
    assert_int_equal(values.workers, 5);
}

static void lists_keep_every_occurrence_in_order(void **state)
{
    (void)state;
    assert_int_equal(parse("jay --listen a -l b --listen=c"), 0);
    assert_int_equal(values.listen.n_items, 3);
    assert_string_equal(values.listen.items[0], "a");
    assert_string_equal(values.listen.items[1], "b");
    assert_string_equal(values.listen.items[2], "c");
}

static void an_empty_list_has_its_default(void **state)
{
    (void)state;
    assert_int_equal(parse("jay"), 0);
    assert_int_equal(values.listen.n_items, 1);
    assert_string_equal(values.listen.items[0], "127.0.0.1:8080");
}

static void operands_go_to_the_end(void **state)
{
    (void)state;
    assert_int_equal(parse("jay a --dotfiles b -- -d"), 0);
    assert_true(values.has_dotfiles);
    assert_int_equal(first, 3);
    assert_string_equal(words[3], "a");
    assert_string_equal(words[4], "b");
    assert_string_equal(words[5], "-d");
}

static void names_may_be_shortened_while_they_are_clear(void **state)
{
    (void)state;
    assert_int_equal(parse("jay --work 9"), 0);
    assert_int_equal(values.workers, 9);
}

static void short_for_several_is_refused(void **state)
{
    (void)state;
    assert_refuses("jay --li 9", "--li: short for more than one option; see --help");
}

static void unknown_options_are_named(void **state)
{
    (void)state;
    assert_refuses("jay --lsten=x", "--lsten: no such option; see --help");
    assert_refuses("jay --workers 1 a --x b", "--x: no such option; see --help");
    assert_refuses("jay -dx", "-x: no such option; see --help");
}

static void a_missing_argument_is_named(void **state)
{
    (void)state;
    assert_refuses("jay --limit", "--limit: the argument SIZE is missing");
    assert_refuses("jay -l", "--listen: the argument ADDR is missing");
}

static void flags_take_no_argument(void **state)
{
    (void)state;
    assert_refuses("jay --dotfiles=yes", "--dotfiles: takes no argument");
    assert_refuses("jay --no-cors=x", "--no-cors: takes no argument");
}

static void numbers_are_digits_within_limits(void **state)
{
    (void)state;
    assert_refuses("jay --workers 0", "--workers: '0' is not a number between 1 and 64");
    assert_refuses("jay --workers 65", "--workers: '65' is not a number between 1 and 64");
    assert_refuses("jay --workers -1", "--workers: '-1' is not a number between 1 and 64");
    assert_refuses("jay --workers +1", "--workers: '+1' is not a number between 1 and 64");
    assert_refuses("jay --workers 0x8", "--workers: '0x8' is not a number between 1 and 64");
    assert_refuses("jay --workers 2K", "--workers: '2K' is not a number between 1 and 64");
    assert_refuses("jay --workers=", "--workers: '' is not a number between 1 and 64");
    assert_refuses("jay --workers none", "--workers: 'none' is not a number between 1 and 64");
}

static void a_wrong_size_shows_the_units(void **state)
{
    (void)state;
    assert_refuses("jay --limit 5T", "--limit: '5T' is not a size of at least 512 (in bytes, or "
                                     "with unit K, M, G)");
    assert_refuses("jay --limit 511", "--limit: '511' is not a size of at least 512 (in bytes, or "
                                      "with unit K, M, G)");
}

static void a_wrong_time_shows_limits_units_and_none(void **state)
{
    (void)state;
    assert_refuses("jay --timeout 2h", "--timeout: '2h' is not a time between 100ms and 1h (in "
                                       "seconds, or with unit ms, s, m, h, d)");
    assert_refuses("jay --max-age x",
                   "--max-age: 'x' is not a time between 0 and 4294967295s (in seconds, or with "
                   "unit ms, s, m, h, d), nor 'none'");
}

static void numbers_do_not_overflow(void **state)
{
    (void)state;
    assert_int_equal(parse("jay --limit 18446744073709551614"), 0);
    assert_true(values.limit == UINT64_MAX - 1);
    assert_int_equal(parse("jay --limit 18446744073709551615"), -EINVAL);
    assert_int_equal(parse("jay --limit 18446744073709551616"), -EINVAL);
    assert_int_equal(parse("jay --limit 99999999999999999999"), -EINVAL);
    assert_int_equal(parse("jay --limit 18014398509481984K"), -EINVAL);
}

static void an_error_is_one_line_and_is_cut(void **state)
{
    static const char line[] = "jay --workers a\nb\x1b[2J";

    (void)state;
    assert_refuses(line, "--workers: 'a?b?[2J' is not a number between 1 and 64");
    assert_int_equal(parse_into(line, 20), -EINVAL);
    assert_string_equal(error, "--workers: 'a?b?[2J");
}

static void a_failure_leaves_no_list(void **state)
{
    (void)state;
    assert_int_equal(parse("jay --listen a --workers x"), -EINVAL);
    assert_int_equal(values.listen.n_items, 0);
    assert_null(values.listen.items);
}

/* What is left of a parse that stopped within "-xd" must not reach the next one. */
static void each_call_begins_anew(void **state)
{
    (void)state;
    assert_int_equal(parse("jay -xd"), -EINVAL);
    assert_int_equal(parse("jay a b"), 0);
    assert_false(values.has_dotfiles);
    assert_int_equal(first, 1);
}

static char *help(void)
{
    static char text[4096];
    FILE *to = fmemopen(text, sizeof(text), "w");

    assert_non_null(to);
    sj_options_help(table, to);
    fclose(to);
    return text;
}

static void help_is_aligned_and_wrapped(void **state)
{
    (void)state;
    assert_string_equal(
        help(), "Files:\n"
                "  -d, --dotfiles           serve dot files\n"
                "      --no-cors            no cross-origin field\n"
                "  -f, --file NAME          the file that stands for its directory, which is a\n"
                "                           long story that needs more than one line to tell\n"
                "                           (default index.html)\n"
                "      --user USER          who\n"
                "\n"
                "Limits:\n"
                "      --workers N          threads for heavy tasks (default 2)\n"
                "      --limit SIZE         octets in memory (default 32K)\n"
                "      --timeout TIME       patience (default 10s)\n"
                "      --max-age TIME|none  freshness (default 60)\n"
                "  -l, --listen ADDR        where (default 127.0.0.1:8080)\n"
                "      --an-option-with-a-very-long-name .EXT=TYPE\n"
                "                           media types\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(defaults_come_from_the_table, done),
        cmocka_unit_test_teardown(flags_are_set_and_unset, done),
        cmocka_unit_test_teardown(letters_stand_for_names, done),
        cmocka_unit_test_teardown(sizes_have_units_of_1024, done),
        cmocka_unit_test_teardown(durations_are_seconds_without_a_unit, done),
        cmocka_unit_test_teardown(none_is_a_value_of_its_own, done),
        cmocka_unit_test_teardown(the_last_scalar_counts, done),
        cmocka_unit_test_teardown(lists_keep_every_occurrence_in_order, done),
        cmocka_unit_test_teardown(an_empty_list_has_its_default, done),
        cmocka_unit_test_teardown(operands_go_to_the_end, done),
        cmocka_unit_test_teardown(names_may_be_shortened_while_they_are_clear, done),
        cmocka_unit_test_teardown(short_for_several_is_refused, done),
        cmocka_unit_test_teardown(unknown_options_are_named, done),
        cmocka_unit_test_teardown(a_missing_argument_is_named, done),
        cmocka_unit_test_teardown(flags_take_no_argument, done),
        cmocka_unit_test_teardown(numbers_are_digits_within_limits, done),
        cmocka_unit_test_teardown(a_wrong_size_shows_the_units, done),
        cmocka_unit_test_teardown(a_wrong_time_shows_limits_units_and_none, done),
        cmocka_unit_test_teardown(numbers_do_not_overflow, done),
        cmocka_unit_test_teardown(an_error_is_one_line_and_is_cut, done),
        cmocka_unit_test_teardown(a_failure_leaves_no_list, done),
        cmocka_unit_test_teardown(each_call_begins_anew, done),
        cmocka_unit_test_teardown(help_is_aligned_and_wrapped, done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
