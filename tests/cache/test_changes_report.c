/* SPDX-License-Identifier: MIT */
#include "tests/cache/comparison.h"

static void assert_prints(const struct fixture *fixture, size_t n_lines, const char *expected)
{
    char text[4096] = "";
    FILE *to = fmemopen(text, sizeof(text), "w");
    sj_changes_print(fixture->changes, n_lines, to);
    fclose(to);
    assert_string_equal(text, expected);
}

#define TOTALS                                                                         \
    "2 URLs, 32 bytes; before: 4 URLs, 7 bytes\n"                                      \
    "1 added (30 bytes), 1 changed (1 -> 2 bytes), 3 removed (6 bytes), 0 unchanged\n" \
    "2 faults, 1 changed fingerprints, 1 missing assets, 6 variants to be made of 32 bytes\n"

static void all_is_printed_sorted(void **state)
{
    struct fixture *fixture = *state;
    put_some_of_all(fixture);
    compare(fixture);
    assert_prints(fixture, SIZE_MAX,
                  TOTALS "added: /a\\xff.html  30\n"
                         "changed: /app.27e20196a850.js  1 -> 2\n"
                         "removed: /gone-1.css  1\n"
                         "removed: /gone-2.css  2\n"
                         "removed: /gone-3.css  3\n"
                         "changed fingerprint: /app.27e20196a850.js  1 -> 2\n"
                         "missing asset: /a.5af1c2d3e4f5.js, named in /a\\xff.html\n"
                         "fault: /srv/y\\x0a: No such file or directory\n"
                         "fault: /srv/z: Permission denied\n");
}

static void long_lists_are_cut_off(void **state)
{
    struct fixture *fixture = *state;
    put_some_of_all(fixture);
    compare(fixture);
    assert_prints(fixture, 1,
                  TOTALS "added: /a\\xff.html  30\n"
                         "changed: /app.27e20196a850.js  1 -> 2\n"
                         "removed: /gone-1.css  1\n"
                         "... and 2 more: removed\n"
                         "changed fingerprint: /app.27e20196a850.js  1 -> 2\n"
                         "missing asset: /a.5af1c2d3e4f5.js, named in /a\\xff.html\n"
                         "fault: /srv/y\\x0a: No such file or directory\n"
                         "... and 1 more: fault\n");
}

static void json_has_it_all(void **state)
{
    struct fixture *fixture = *state;
    put_some_of_all(fixture);
    compare(fixture);
    json_t *made = sj_changes_json(fixture->changes);
    json_t *expected = json_pack(
        "{s:{s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i}, s:[{s:s,s:i}],"
        "s:[{s:s,s:i,s:i}], s:[{s:s,s:i},{s:s,s:i},{s:s,s:i}], s:[{s:s,s:i,s:i}],"
        "s:[{s:s,s:s}], s:[{s:s,s:s},{s:s,s:s}]}",
        "counts", "urls_before", 4, "urls", 2, "bytes_before", 7, "bytes", 32, "added", 1,
        "changed", 1, "removed", 3, "unchanged", 0, "changed_fingerprints", 1, "missing_assets", 1,
        "faults", 2, "pages", 1, "pages_unread", 0, "variants_wanted", 6, "variant_bytes", 32,
        "added", "path", "/a\\xff.html", "bytes", 30, "changed", "path", "/app.27e20196a850.js",
        "bytes_before", 1, "bytes", 2, "removed", "path", "/gone-1.css", "bytes_before", 1, "path",
        "/gone-2.css", "bytes_before", 2, "path", "/gone-3.css", "bytes_before", 3,
        "changed_fingerprints", "path", "/app.27e20196a850.js", "bytes_before", 1, "bytes", 2,
        "missing_assets", "asset", "/a.5af1c2d3e4f5.js", "page", "/a\\xff.html", "faults", "path",
        "/srv/y\n", "reason", "No such file or directory", "path", "/srv/z", "reason",
        "Permission denied");
    assert_non_null(expected);
    if (!json_equal(made, expected))
        fail_msg("%s", json_dumps(made, JSON_INDENT(1)));
    json_decref(made);
    json_decref(expected);
}

static void *json_malloc(size_t size)
{
    return malloc(size);
}

static void without_memory_there_is_no_json(void **state)
{
    struct fixture *fixture = *state;
    json_t *made = NULL;
    int64_t n = 0;
    put_some_of_all(fixture);
    compare(fixture);
    json_set_alloc_funcs(json_malloc, free);
    for (; made == NULL; n++) {
        allocations_left = n;
        made = sj_changes_json(fixture->changes);
        allocations_left = INT64_MAX;
    }
    json_decref(made);
    json_set_alloc_funcs(malloc, free);
    assert_in_range(n, 50, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_is_printed_sorted),
        TEST(long_lists_are_cut_off),
        TEST(json_has_it_all),
        TEST(without_memory_there_is_no_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
