/* SPDX-License-Identifier: MIT */
#include "cache/rules.h"

#include "tests/cache/tree.h"

static struct sj_rules *parse(const char *text)
{
    struct sj_rules *rules = NULL;
    char error[256] = "";
    if (sj_rules_parse((struct sj_text){text, strlen(text)}, &rules, error, sizeof(error)) != 0)
        fail_msg("%s", error);
    return rules;
}

/* Applies `text` to a path and compares the fields. */
static struct sj_rules_result assert_fields(const char *text, const char *path, const char *fields)
{
    struct sj_rules *rules = parse(text);
    char room[1024];
    struct sj_writer writer = {.at = room, .end = room + sizeof(room) - 1};
    struct sj_rules_result result;
    sj_rules_apply(rules, (struct sj_text){path, strlen(path)}, &writer, &result);
    assert_in_range(writer.at - room, 0, sj_rules_size(rules));
    *writer.at = '\0';
    assert_string_equal(room, fields);
    sj_rules_release(rules);
    return result;
}

static void assert_error(const char *text, const char *line, const char *what)
{
    struct sj_rules *rules = NULL;
    char error[256] = "";
    assert_int_equal(
        sj_rules_parse((struct sj_text){text, strlen(text)}, &rules, error, sizeof(error)),
        -EINVAL);
    if (strstr(error, line) == NULL || strstr(error, what) == NULL)
        fail_msg("\"%s\" says neither \"%s\" nor \"%s\"", error, line, what);
}

static void patterns_match_whole_paths(void **state)
{
    static const struct {
        const char *pattern, *path;
        bool matches;
    } table[] = {
        {"/", "/", true},
        {"/", "/a", false},
        {"/a", "/a", true},
        {"/a", "/ab", false},
        {"/ab", "/a", false},
        {"/*", "/", true},
        {"/*", "/a/b/c", true},
        {"/a/*", "/a/b/c", true},
        {"/a/*", "/a", false},
        {"/*.js", "/x/y.js", true},
        {"/*.js", "/x/y.jsx", false},
        {"/*.js", "/.js.js", true},
        {"/a*b*c", "/axxbyyc", true},
        {"/a*b*c", "/axxbyyd", false},
        {"/a*", "/a", true},
        {"/**", "/a", true},
        {"/:lang/x", "/en/x", true},
        {"/:lang/x", "/en/de/x", false},
        {"/:lang/x", "//x", false},
        {"/:a/:b", "/x/y", true},
        {"/*/:b", "/x/y/z", true},
        {"/*/:b.js", "/x/y", true}, /* the name goes to the next slash */
        {"/a:b", "/a:b", true},
        {"/:", "/:", true},
        {"/:", "/x", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        char text[128];
        snprintf(text, sizeof(text), "%s\n  X: y\n", table[i].pattern);
        assert_fields(text, table[i].path, table[i].matches ? "X: y\r\n" : "");
    }
}

static void many_stars_take_no_exponential_time(void **state)
{
    char path[2001];
    (void)state;
    memset(path, 'a', 2000);
    path[0] = '/';
    path[2000] = '\0';
    assert_fields("/*a*a*a*a*a*a*a*a*a*a*a*a*a*b\n X: y\n", path, "");
}

static void all_matching_rules_apply_in_order(void **state)
{
    (void)state;
    assert_fields("/*\n  A: 1\n/b/*\n  B: 2\n/a/*\n  A: 3\n  C: 4 5\n", "/a/x",
                  "A: 1\r\nA: 3\r\nC: 4 5\r\n");
}

static void comments_blank_lines_and_cr_are_skipped(void **state)
{
    (void)state;
    assert_fields("# x\r\n\r\n/*\r\n  # y\r\n\t A:\t 1  \r\n", "/", "A: 1\r\n");
}

static void a_last_line_needs_no_newline(void **state)
{
    (void)state;
    assert_fields("/*\n  A: 1", "/", "A: 1\r\n");
}

static void a_value_may_be_empty_and_hold_colons(void **state)
{
    (void)state;
    assert_fields("/*\n  A:\n  B: http://x:1/\n", "/", "A: \r\nB: http://x:1/\r\n");
}

static void a_field_is_taken_back_by_a_later_rule(void **state)
{
    (void)state;
    assert_fields("/*\n  A: 1\n  B: 2\n/a\n  ! a\n", "/a", "B: 2\r\n");
    assert_fields("/*\n  A: 1\n  B: 2\n/a\n  ! a\n", "/b", "A: 1\r\nB: 2\r\n");
    assert_fields("/a\n  ! a\n/*\n  A: 1\n", "/a", "A: 1\r\n");
}

static void content_type_is_told_apart_and_the_last_wins(void **state)
{
    struct sj_rules *rules = parse("/*\n  content-type: a/b\n/a\n  Content-Type: c/d\n");
    char room[64];
    struct sj_writer writer = {.at = room, .end = room + sizeof(room)};
    struct sj_rules_result result;
    (void)state;
    sj_rules_apply(rules, SJ_TEXT("/a"), &writer, &result);
    assert_true(sj_text_equals(result.type, SJ_TEXT("c/d")));
    assert_ptr_equal(writer.at, room);
    sj_rules_release(rules);
}

static void cache_control_and_origin_are_noticed(void **state)
{
    (void)state;
    struct sj_rules_result none = assert_fields("/a\n  X: 1\n", "/a", "X: 1\r\n");
    assert_false(none.has_cache_control || none.has_origin);
    struct sj_rules_result both =
        assert_fields("/a\n  cache-control: no-store\n  access-control-allow-origin: x\n", "/a",
                      "cache-control: no-store\r\naccess-control-allow-origin: x\r\n");
    assert_true(both.has_cache_control && both.has_origin);
    assert_true(assert_fields("/a\n  ! Cache-Control\n", "/a", "").has_cache_control);
}

static void what_the_server_says_itself_is_refused(void **state)
{
    static const char *const names[] = {
        "Content-Length", "transfer-encoding", "Connection",    "Date",
        "ETag",           "Last-Modified",     "Content-Range", "Content-Encoding",
        "Location",       "Keep-Alive",        "Upgrade",       "Trailer"};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char text[128];
        snprintf(text, sizeof(text), "/*\n  A: 1\n  %s: x\n", names[i]);
        assert_error(text, "line 3", names[i]);
    }
}

static void faults_of_form_name_their_line(void **state)
{
    (void)state;
    assert_error("  A: 1\n", "line 1", "before the first path");
    assert_error("/*\n\n  A 1\n", "line 3", "A 1");
    assert_error("/*\n  A b: 1\n", "line 2", "A b");
    assert_error("/*\n  : 1\n", "line 2", "field name");
    assert_error("https://x/\n  A: 1\n", "line 1", "begins with");
    assert_error("/*\n  A: x\001y\n", "line 2", "control characters");
    assert_error("/*\n  A: x\ry\n", "line 2", "control characters");
}

static void the_same_file_gives_the_same_rules(void **state)
{
    struct tree *tree = tree_new();
    struct sj_rules *first = NULL;
    struct sj_rules *second = NULL;
    struct sj_rules *third = NULL;
    char error[256];
    (void)state;
    tree_write(tree, "h", "/*\n  A: 1\n");
    assert_int_equal(sj_rules_read(tree_path(tree, "h"), NULL, &first, error, sizeof(error)), 0);
    assert_int_equal(sj_rules_read(tree_path(tree, "h"), first, &second, error, sizeof(error)), 0);
    assert_ptr_equal(first, second);
    tree_write(tree, "h", "/*\n  A: 2\n");
    assert_int_equal(sj_rules_read(tree_path(tree, "h"), first, &third, error, sizeof(error)), 0);
    assert_ptr_not_equal(first, third);
    sj_rules_release(first);
    sj_rules_release(second);
    sj_rules_release(third);
    tree_free(tree);
}

static void a_missing_file_is_enoent(void **state)
{
    struct sj_rules *rules;
    char error[256] = "";
    (void)state;
    assert_int_equal(sj_rules_read("/nonexistent/h", NULL, &rules, error, sizeof(error)), -ENOENT);
    assert_true(error[0] != '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_whole_paths),
        cmocka_unit_test(many_stars_take_no_exponential_time),
        cmocka_unit_test(all_matching_rules_apply_in_order),
        cmocka_unit_test(comments_blank_lines_and_cr_are_skipped),
        cmocka_unit_test(a_last_line_needs_no_newline),
        cmocka_unit_test(a_value_may_be_empty_and_hold_colons),
        cmocka_unit_test(a_field_is_taken_back_by_a_later_rule),
        cmocka_unit_test(content_type_is_told_apart_and_the_last_wins),
        cmocka_unit_test(cache_control_and_origin_are_noticed),
        cmocka_unit_test(what_the_server_says_itself_is_refused),
        cmocka_unit_test(faults_of_form_name_their_line),
        cmocka_unit_test(the_same_file_gives_the_same_rules),
        cmocka_unit_test(a_missing_file_is_enoent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
