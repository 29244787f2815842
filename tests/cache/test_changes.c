/* SPDX-License-Identifier: MIT */
#include "tests/cache/comparison.h"

static void urls_come_go_and_change(void **state)
{
    struct fixture *fixture = *state;
    put_both(fixture, "same.css", "s");
    put(fixture, fixture->before, "gone.css", "123");
    put(fixture, fixture->after, "new.css", "12345");
    put(fixture, fixture->after, "dir/index.html", "<p>");
    put(fixture, fixture->before, "b.css", "1");
    put(fixture, fixture->after, "b.css", "22");
    const struct sj_change_counts *counts = compare(fixture);
    assert_list(fixture, SJ_ADDED, "/dir/ /new.css ");
    assert_list(fixture, SJ_CHANGED, "/b.css ");
    assert_list(fixture, SJ_REMOVED, "/gone.css ");
    assert_list(fixture, SJ_CHANGED_FINGERPRINT, "");
    assert_int_equal(counts->n_added, 2);
    assert_int_equal(counts->n_changed, 1);
    assert_int_equal(counts->n_removed, 1);
    assert_int_equal(counts->n_unchanged, 1);
    assert_int_equal(counts->n_urls_before, 3);
    assert_int_equal(counts->n_urls, 4);
    assert_int_equal(counts->n_bytes_before, 5);
    assert_int_equal(counts->n_bytes, 11);
    assert_int_equal(fixture->changes->lists[SJ_CHANGED].items[0].n_bytes_before, 1);
    assert_int_equal(fixture->changes->lists[SJ_CHANGED].items[0].n_bytes, 2);
}

static void a_url_that_becomes_a_redirect_is_removed(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, fixture->before, "a", "1");
    put_redirect(fixture, fixture->after, "/a");
    put_redirect(fixture, fixture->before, "/b");
    put(fixture, fixture->after, "b", "1");
    put_redirect(fixture, fixture->before, "/c");
    put_redirect(fixture, fixture->after, "/d");
    const struct sj_change_counts *counts = compare(fixture);
    assert_list(fixture, SJ_ADDED, "/b ");
    assert_list(fixture, SJ_REMOVED, "/a ");
    assert_int_equal(counts->n_urls_before, 1);
    assert_int_equal(counts->n_urls, 1);
}

static void times_and_variants_alone_are_no_change(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, fixture->before, "a.css", "body {}");
    fixture->modified_ns += 5000000000;
    struct sj_file *files[SJ_CODINGS] = {make_file(fixture, "body {}")};
    files[SJ_GZIP] = make_file(fixture, "gz");
    struct sj_entry *entry = make(fixture, "a.css", files);
    put_entry(fixture->after, entry);
    const struct sj_entry *before = sj_generation_find(fixture->before, "/a.css", 6);
    assert_false(sj_text_equals(entry->fields, before->fields));
    sj_file_release(files[SJ_IDENTITY]);
    sj_file_release(files[SJ_GZIP]);
    assert_int_equal(compare(fixture)->n_unchanged, 1);
}

static void another_field_is_a_change(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, fixture->before, "a.css", "body {}");
    fixture->settings->max_age_s++;
    put(fixture, fixture->after, "a.css", "body {}");
    assert_int_equal(compare(fixture)->n_changed, 1);
    assert_list(fixture, SJ_CHANGED, "/a.css ");
}

static void fingerprinted_names_with_other_bytes_are_told(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, fixture->before, "app.5af1c2d3e4f5.js", "1");
    put(fixture, fixture->after, "app.5af1c2d3e4f5.js", "2");
    put(fixture, fixture->before, "fine.27e20196a850.js", "1");
    put(fixture, fixture->after, "fine.27e20196a850.js", "1");
    put(fixture, fixture->before, "app.js", "1");
    put(fixture, fixture->after, "app.js", "2");
    assert_int_equal(compare(fixture)->n_changed_fingerprints, 1);
    assert_list(fixture, SJ_CHANGED_FINGERPRINT, "/app.5af1c2d3e4f5.js ");
    assert_list(fixture, SJ_CHANGED, "/app.5af1c2d3e4f5.js /app.js ");
}

static void assets_that_pages_name_and_are_not_there_are_missing(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, fixture->before, "a/old.5af1c2d3e4f5.js", "1");
    put(fixture, fixture->after, "a/new.27e20196a850.js", "1");
    put(fixture, fixture->after, "x y.d519b3bab011.png", "1");
    put_both(fixture, "a/index.html",
             "<script src=old.5af1c2d3e4f5.js></script><script src=new.27e20196a850.js></script>"
             "<link href=old.5af1c2d3e4f5.js><img src='/x%20y.d519b3bab011.png?z'>");
    put(fixture, fixture->after, "b.html",
        "<script src='old.5af1c2d3e4f5.js'></script><img src=plain.png>"
        "<img src=https://cdn.example/i.d519b3bab011.png>");
    put(fixture, fixture->after, "c.html",
        "<base href=/a/><script src=new.27e20196a850.js></script>"
        "<script src=/a/old.5af1c2d3e4f5.js></script>");
    put(fixture, fixture->after, "d.html",
        "<base href=//cdn.example/><script src=other.27e20196a850.js></script>"
        "<script src=/other.27e20196a850.js></script>");
    put(fixture, fixture->after, "e.txt", "<script src='text.5af1c2d3e4f5.js'></script>");
    assert_int_equal(compare(fixture)->n_missing_assets, 2);
    assert_missing(fixture, "/a/old.5af1c2d3e4f5.js</a/ /a/old.5af1c2d3e4f5.js</c.html "
                            "/old.5af1c2d3e4f5.js</b.html ");
    assert_int_equal(fixture->changes->counts.n_pages, 4);
    assert_int_equal(fixture->changes->counts.n_pages_unread, 0);
}

static void pages_that_are_not_held_are_read(void **state)
{
    struct fixture *fixture = *state;
    unhold(fixture, put(fixture, fixture->after, "a.html", "<script src=a.5af1c2d3e4f5.js>"),
           BY_NAME);
    unhold(fixture, put(fixture, fixture->after, "b.html", "<script src=b.27e20196a850.js>"),
           BY_DESCRIPTOR);
    unlink(tree_path(fixture->tree, "b.html"));
    assert_int_equal(compare(fixture)->n_pages_unread, 0);
    assert_missing(fixture, "/a.5af1c2d3e4f5.js</a.html /b.27e20196a850.js</b.html ");
}

static void pages_that_cannot_be_read_are_counted(void **state)
{
    struct fixture *fixture = *state;
    unhold(fixture, put(fixture, fixture->after, "gone.html", "<script src=a.5af1c2d3e4f5.js>"),
           BY_NAME);
    unlink(tree_path(fixture->tree, "gone.html"));
    unhold(fixture, put(fixture, fixture->after, "other.html", "<script src=a.5af1c2d3e4f5.js>"),
           BY_NAME);
    tree_write(fixture->tree, "other.html", "<script src=a.5af1c2d3e4f5.js> and more");
    unhold(fixture, put(fixture, fixture->after, "short.html", "<script src=a.5af1c2d3e4f5.js>"),
           BY_DESCRIPTOR);
    assert_int_equal(truncate(tree_path(fixture->tree, "short.html"), 3), 0);
    put(fixture, fixture->after, "large.html", "<script src=a.5af1c2d3e4f5.js>")
        ->representations[SJ_IDENTITY]
        .file->length = SJ_PAGE_MAX + 1;
    put(fixture, fixture->after, "fine.html", "<script src=a.5af1c2d3e4f5.js>");
    assert_int_equal(compare(fixture)->n_pages, 5);
    assert_int_equal(fixture->changes->counts.n_pages_unread, 4);
    assert_missing(fixture, "/a.5af1c2d3e4f5.js</fine.html ");
}

static void each_of_many_pages_is_looked_at(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 1000; i++) {
        char name[32];
        char html[64];
        snprintf(name, sizeof(name), "%d.html", i);
        snprintf(html, sizeof(html), "<img src=a%03d.5af1c2d3e4f5.png>", i);
        struct sj_entry *entry = put(fixture, fixture->after, name, html);
        if (i % 3 == 0)
            unhold(fixture, entry, BY_NAME);
    }
    assert_int_equal(compare(fixture)->n_missing_assets, 1000);
    for (int i = 0; i < 1000; i++) {
        char asset[64];
        snprintf(asset, sizeof(asset), "/a%03d.5af1c2d3e4f5.png", i);
        assert_string_equal(fixture->changes->missing[i]->asset.at, asset);
    }
}

static void variants_that_lack_are_counted(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, fixture->after, "a.css", "12345");
    put(fixture, fixture->after, "a.png", "1");
    struct sj_file *files[SJ_CODINGS];
    for (int i = 0; i < SJ_CODINGS; i++)
        files[i] = make_file(fixture, "123");
    put_entry(fixture->after, make(fixture, "b.css", files));
    sj_file_release(files[SJ_BR]);
    files[SJ_BR] = NULL;
    put_entry(fixture->after, make(fixture, "c.css", files));
    for (int i = 0; i < SJ_CODINGS; i++)
        if (files[i] != NULL)
            sj_file_release(files[i]);
    assert_int_equal(compare(fixture)->n_variants_wanted, 4);
    assert_int_equal(fixture->changes->counts.n_variant_bytes, 8);
}

static void the_first_generation_adds_all(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, fixture->after, "a.css", "1");
    put(fixture, fixture->after, "b.css", "1");
    const struct sj_change_counts *counts = compare(fixture);
    assert_int_equal(counts->n_urls_before, 0);
    assert_int_equal(counts->n_added, 2);
}

static void nothing_compares_with_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct sj_change_counts none = {0};
    assert_memory_equal(compare(fixture), &none, sizeof(none));
}

static void a_cancelled_comparison_ends(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, fixture->after, "a.html", "<script src=a.5af1c2d3e4f5.js>");
    fixture->is_cancelled = 1;
    assert_int_equal(compare_with(fixture, INT64_MAX), -ECANCELED);
    assert_null(fixture->changes);
}

static void without_memory_a_comparison_fails_whole(void **state)
{
    struct fixture *fixture = *state;
    int64_t n = 0;
    put_some_of_all(fixture);
    while (compare_with(fixture, n) == -ENOMEM) {
        assert_null(fixture->changes);
        n++;
    }
    assert_non_null(fixture->changes);
    assert_in_range(n, 12, 100);
}

static void pages_can_be_passed_over(void **state)
{
    struct fixture *fixture = *state;
    fixture->skips_pages = true;
    put_some_of_all(fixture);
    const struct sj_change_counts *counts = compare(fixture);
    assert_int_equal(counts->n_pages, 0);
    assert_int_equal(counts->n_missing_assets, 0);
    assert_int_equal(counts->n_removed, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(urls_come_go_and_change),
        TEST(a_url_that_becomes_a_redirect_is_removed),
        TEST(times_and_variants_alone_are_no_change),
        TEST(another_field_is_a_change),
        TEST(fingerprinted_names_with_other_bytes_are_told),
        TEST(assets_that_pages_name_and_are_not_there_are_missing),
        TEST(pages_that_are_not_held_are_read),
        TEST(pages_that_cannot_be_read_are_counted),
        TEST(each_of_many_pages_is_looked_at),
        TEST(variants_that_lack_are_counted),
        TEST(the_first_generation_adds_all),
        TEST(nothing_compares_with_nothing),
        TEST(a_cancelled_comparison_ends),
        TEST(without_memory_a_comparison_fails_whole),
        TEST(pages_can_be_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
