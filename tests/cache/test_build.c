/* SPDX-License-Identifier: MIT */
#include "cache/build.h"

#include "cache/scan.h"
#include "core/pr.h"
#include "tests/cache/site.h"

/* What is to happen when a build opens its first file: after the scan, before any reading.  Or its
 * `directory_turn`th directory.  Set while no build runs. */
static struct {
    void (*at_first_file)(struct site *site);
    void (*at_directory)(struct site *site);
    unsigned directory_turn;
    unsigned n_files;
    unsigned n_directories;
    struct site *site;
} hook;

/* Stands before the C library's. */
int fstat(int descriptor, struct stat *status)
{
    int code = fstatat(descriptor, "", status, AT_EMPTY_PATH);
    if (code == 0 && S_ISREG(status->st_mode) && ck_pr_faa_uint(&hook.n_files, 1) == 0 &&
        hook.at_first_file != NULL)
        hook.at_first_file(hook.site);
    if (code == 0 && S_ISDIR(status->st_mode) &&
        ck_pr_faa_uint(&hook.n_directories, 1) + 1 == hook.directory_turn &&
        hook.at_directory != NULL)
        hook.at_directory(hook.site);
    return code;
}

static int set_up(void **state)
{
    *state = site_new();
    memset(&hook, 0, sizeof(hook));
    hook.site = *state;
    return 0;
}

static int tear_down(void **state)
{
    site_free(*state);
    return 0;
}

static void assert_redirect(struct site *site, const char *path, const char *location)
{
    const struct sj_entry *entry = site_find(site, path);
    assert_non_null(entry);
    assert_int_equal(entry->kind, SJ_ENTRY_REDIRECT);
    assert_text(entry->location, location);
}

static void a_file_is_served_whole_from_memory(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "a/b.css", "body {}");
    tree_touch(site->tree, "a/b.css", 784111777);
    site_start(site);
    const struct sj_entry *entry = site_find(site, "/a/b.css");
    assert_non_null(entry);
    const struct sj_representation *identity = &entry->representations[SJ_IDENTITY];
    assert_int_equal(entry->kind, SJ_ENTRY_FILE);
    assert_text(entry->type, "text/css; charset=utf-8");
    assert_text(entry->fields, "Cache-Control: max-age=60, public\r\n"
                               "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
    assert_string_equal(identity->source, "a/b.css");
    assert_int_equal(identity->file->length, 7);
    assert_memory_equal(identity->file->bytes, "body {}", 7);
    assert_int_equal(site->result.summary.n_urls, 1);
    assert_int_equal(site->result.summary.n_bytes, 7);
    assert_int_equal(site->result.summary.number, 1);
}

static void the_same_content_has_the_same_digest(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "a", "same");
    tree_write(site->tree, "b", "same");
    tree_write(site->tree, "c", "other");
    site_start(site);
    const uint8_t *a = site_find(site, "/a")->representations[0].file->digest;
    assert_memory_equal(a, site_find(site, "/b")->representations[0].file->digest, 16);
    assert_memory_not_equal(a, site_find(site, "/c")->representations[0].file->digest, 16);
}

static void a_page_is_served_under_its_directory(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "index.html", "<p>");
    tree_write(site->tree, "a b/index.html", "<p>");
    tree_write(site->tree, "x:y/index.html", "<p>");
    tree_write(site->tree, "none/other.html", "<p>");
    site_start(site);
    assert_string_equal(site_find(site, "/")->representations[0].source, "index.html");
    assert_text(site_find(site, "/")->type, "text/html; charset=utf-8");
    assert_string_equal(site_find(site, "/a b/")->representations[0].source, "a b/index.html");
    assert_redirect(site, "/index.html", "./");
    assert_redirect(site, "/a b/index.html", "./");
    assert_redirect(site, "/a b", "a%20b/");
    assert_redirect(site, "/x:y", "./x:y/");
    assert_null(site_find(site, "/none/"));
    assert_null(site_find(site, "/none"));
    assert_int_equal(site->result.summary.n_urls, 4);
}

static void without_an_index_file_pages_are_plain_files(void **state)
{
    struct site *site = *state;
    site->config.index_file = NULL;
    tree_write(site->tree, "a/index.html", "<p>");
    site_start(site);
    assert_int_equal(site_find(site, "/a/index.html")->kind, SJ_ENTRY_FILE);
    assert_null(site_find(site, "/a/"));
    assert_null(site_find(site, "/a"));
}

static void the_last_root_wins_and_prefixes_are_normal(void **state)
{
    struct site *site = *state;
    char roots[3][128];
    const char *list[3] = {roots[0], roots[1], roots[2]};
    tree_write(site->tree, "one/a", "1");
    tree_write(site->tree, "one/b", "1");
    tree_write(site->tree, "two/b", "22");
    tree_write(site->tree, "three/index.html", "333");
    snprintf(roots[0], sizeof(roots[0]), "%s/one", site->tree->path);
    snprintf(roots[1], sizeof(roots[1]), "=%s/two", site->tree->path);
    snprintf(roots[2], sizeof(roots[2]), "static/x=%s/three", site->tree->path);
    site->config.roots = list;
    site->config.n_roots = 3;
    site_start(site);
    assert_int_equal(site_find(site, "/a")->representations[0].file->length, 1);
    assert_int_equal(site_find(site, "/b")->representations[0].file->length, 2);
    assert_string_equal(site_find(site, "/static/x/")->representations[0].source, "index.html");
    assert_redirect(site, "/static/x", "x/");
    assert_int_equal(site->result.summary.n_urls, 3);
}

static void dot_names_are_passed_over_but_well_known(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, ".git/config", "x");
    tree_write(site->tree, ".env", "x");
    tree_write(site->tree, "a/.well-known/x", "x");
    tree_write(site->tree, ".well-known/x", "x");
    site_start(site);
    assert_non_null(site_find(site, "/.well-known/x"));
    assert_int_equal(site->result.summary.n_urls, 1);
    assert_int_equal(site->result.summary.n_faults, 0);
}

static void dot_names_are_served_on_request(void **state)
{
    struct site *site = *state;
    site->config.serves_dotfiles = true;
    tree_write(site->tree, ".git/config", "x");
    site_start(site);
    assert_non_null(site_find(site, "/.git/config"));
}

static void bad_items_are_skipped_counted_and_named(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "good", "x");
    tree_write(site->tree, "bad\nname", "x");
    tree_link(site->tree, "nothing", "dangling");
    tree_link(site->tree, "self", "self");
    tree_link(site->tree, "/etc/passwd", "out");
    tree_link(site->tree, "..", "up/loop");
    assert_int_equal(mkfifo(tree_path(site->tree, "fifo"), 0644), 0);
    tree_link(site->tree, "fifo", "to-fifo");
    site_start(site);
    assert_int_equal(site->result.summary.n_urls, 1);
    assert_int_equal(site->result.summary.n_faults, 7);
    assert_true(has_logged(site, "/dangling", "dangling link"));
    assert_true(has_logged(site, "/self", "link loop"));
    assert_true(has_logged(site, "/out", "leaves the root"));
    assert_true(has_logged(site, "/up/loop", "contains itself"));
    assert_true(has_logged(site, "/fifo", "neither file nor directory"));
    assert_true(has_logged(site, "/to-fifo", "neither file nor directory"));
    assert_true(has_logged(site, "bad\\x0Aname", "control characters") ||
                has_logged(site, "bad\\x0aname", "control characters"));
}

static void names_that_are_not_utf8_are_served(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "\xff\xfe.txt", "x");
    site_start(site);
    assert_non_null(site_find(site, "/\xff\xfe.txt"));
}

static void links_within_the_root_share_their_file(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "d/a", "x");
    tree_link(site->tree, "d", "e");
    tree_link(site->tree, "d/a", "b");
    assert_int_equal(link(tree_path(site->tree, "d/a"), tree_path(site->tree, "c")), 0);
    site_start(site);
    const struct sj_file *file = site_find(site, "/d/a")->representations[0].file;
    assert_ptr_equal(site_find(site, "/e/a")->representations[0].file, file);
    assert_ptr_equal(site_find(site, "/b")->representations[0].file, file);
    assert_ptr_equal(site_find(site, "/c")->representations[0].file, file);
    assert_int_equal(site->result.summary.n_files_read, 1);
}

/* Files are read in the order of their names: "a" is read as it was. */
static void replace_and_unlink_first_links(struct site *site)
{
    struct tree *tree = site->tree;
    assert_int_equal(rename(tree_path(tree, "z.new"), tree_path(tree, "m1")), 0);
    unlink(tree_path(tree, "n1"));
    unlink(tree_path(tree, "p1"));
}

static void a_replaced_link_says_nothing_about_the_other_links(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "a", "first");
    tree_write(site->tree, "m1", "old");
    tree_write(site->tree, "n1", "kept");
    tree_write(site->tree, "z.new", "new");
    assert_int_equal(link(tree_path(site->tree, "m1"), tree_path(site->tree, "m2")), 0);
    assert_int_equal(link(tree_path(site->tree, "n1"), tree_path(site->tree, "n2")), 0);
    hook.at_first_file = replace_and_unlink_first_links;
    site_start(site);
    assert_memory_equal(site_find(site, "/m1")->representations[0].file->bytes, "new", 3);
    assert_memory_equal(site_find(site, "/m2")->representations[0].file->bytes, "old", 3);
    assert_null(site_find(site, "/n1"));
    assert_non_null(site_find(site, "/n2"));
    assert_memory_equal(site_find(site, "/n2")->representations[0].file->bytes, "kept", 4);
    assert_null(site_find(site, "/z.new"));
    assert_int_equal(site->result.summary.n_urls, 4);
    site_settle();
    assert_int_equal(site_reload(site), 0);
    assert_int_equal(site->result.summary.n_unchanged, 4);
    assert_int_equal(site->result.summary.n_removed, 0);
}

static void a_variant_is_found_under_its_other_link(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "a", "first");
    tree_write_gzip(site->tree, "p1", "body {}");
    tree_write(site->tree, "q.css", "body {}");
    assert_int_equal(link(tree_path(site->tree, "p1"), tree_path(site->tree, "q.css.gz")), 0);
    tree_write(site->tree, "z.new", "");
    tree_write(site->tree, "m1", "");
    hook.at_first_file = replace_and_unlink_first_links;
    site_start(site);
    assert_null(site_find(site, "/p1"));
    assert_non_null(site_find(site, "/q.css")->representations[SJ_GZIP].file);
    assert_int_equal(site->result.summary.n_faults, 0);
}

static void reads_of_other_links_keep_the_memory_limit(void **state)
{
    struct site *site = *state;
    site->config.memory_limit = 11;
    tree_write(site->tree, "a", "1");
    tree_write(site->tree, "m1", "55555");
    tree_write(site->tree, "z.new", "55555");
    assert_int_equal(link(tree_path(site->tree, "m1"), tree_path(site->tree, "m2")), 0);
    hook.at_first_file = replace_and_unlink_first_links;
    site_start(site);
    assert_null(site_find(site, "/m2")->representations[0].file->bytes);
    assert_int_equal(site->result.summary.n_held_bytes, 6);
}

static void links_out_of_the_root_are_followed_on_request(void **state)
{
    struct site *site = *state;
    site->config.follows_symlinks = true;
    tree_link(site->tree, "/etc/passwd", "out");
    site_start(site);
    assert_non_null(site_find(site, "/out"));
    assert_int_equal(site->result.summary.n_faults, 0);
}

static void true_sidecars_are_variants_and_no_urls(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "a.css", "body {}");
    tree_write_gzip(site->tree, "a.css.gz", "body {}");
    tree_write_gzip(site->tree, "orphan.css.gz", "x");
    site_start(site);
    const struct sj_entry *entry = site_find(site, "/a.css");
    const struct sj_representation *packed = &entry->representations[SJ_GZIP];
    assert_non_null(packed->file);
    assert_string_equal(packed->source, "a.css.gz");
    assert_null(site_find(site, "/a.css.gz"));
    assert_text(site_find(site, "/orphan.css.gz")->type, "application/gzip");
}

static void an_older_sidecar_is_a_fault(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "a.css", "body {}");
    tree_write_gzip(site->tree, "a.css.gz", "body {}");
    tree_touch(site->tree, "a.css.gz", 1000000000);
    site_start(site);
    assert_null(site_find(site, "/a.css")->representations[SJ_GZIP].file);
    assert_null(site_find(site, "/a.css.gz"));
    assert_true(has_logged(site, "/a.css.gz", "older than its file"));
}

static void large_files_are_not_held(void **state)
{
    struct site *site = *state;
    site->config.memory_file_limit = 3;
    tree_write(site->tree, "small", "123");
    tree_write(site->tree, "large", "1234");
    tree_write(site->tree, "empty", "");
    site_start(site);
    assert_non_null(site_find(site, "/small")->representations[0].file->bytes);
    assert_null(site_find(site, "/large")->representations[0].file->bytes);
    assert_int_equal(site_find(site, "/empty")->representations[0].file->length, 0);
    assert_int_equal(site->result.summary.n_held_bytes, 3);
}

/* Longer than the buffer that files are streamed through. */
static void held_or_not_the_digest_is_the_same(void **state)
{
    struct site *site = *state;
    char *text = malloc(300000);
    for (int i = 0; i < 300000; i++)
        text[i] = (char)((unsigned)i * (unsigned)i >> 8);
    site->config.memory_file_limit = 1 << 20;
    site->config.memory_limit = 500000;
    tree_write_bytes(site->tree, "a", text, 300000);
    tree_write_bytes(site->tree, "b", text, 300000);
    free(text);
    site_start(site);
    const struct sj_representation *a = &site_find(site, "/a")->representations[SJ_IDENTITY];
    const struct sj_representation *b = &site_find(site, "/b")->representations[SJ_IDENTITY];
    assert_true((a->file->bytes == NULL) != (b->file->bytes == NULL));
    assert_memory_equal(a->file->digest, b->file->digest, 16);
}

static void the_smallest_are_held_within_the_limit(void **state)
{
    struct site *site = *state;
    site->config.memory_limit = 6;
    tree_write(site->tree, "a", "55555");
    tree_write(site->tree, "b", "22");
    tree_write(site->tree, "c", "333");
    site_settle();
    site_start(site);
    assert_null(site_find(site, "/a")->representations[0].file->bytes);
    assert_non_null(site_find(site, "/b")->representations[0].file->bytes);
    assert_non_null(site_find(site, "/c")->representations[0].file->bytes);
    tree_write(site->tree, "d", "1");
    tree_write(site->tree, "e", "1");
    assert_int_equal(site_reload(site), 0);
    assert_int_equal(site->result.summary.n_held_bytes, 6);
}

static void hashed_names_are_immutable(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "app.5af1c2d3e4f5.js", "x");
    site_start(site);
    const struct sj_entry *entry = site_find(site, "/app.5af1c2d3e4f5.js");
    assert_true(entry->is_immutable);
    assert_fields_have(entry, "Cache-Control: max-age=315360000, public, immutable\r\n");
}

static void an_expression_decides_what_is_immutable(void **state)
{
    struct site *site = *state;
    site->config.immutable = "^/keep/.*x$";
    tree_write(site->tree, "keep/ax", "x");
    tree_write(site->tree, "app.5af1c2d3e4f5.js", "x");
    site_start(site);
    assert_true(site_find(site, "/keep/ax")->is_immutable);
    assert_false(site_find(site, "/app.5af1c2d3e4f5.js")->is_immutable);
}

static void max_age_can_be_left_out(void **state)
{
    struct site *site = *state;
    site->config.max_age_s = UINT64_MAX;
    tree_write(site->tree, "a", "x");
    site_start(site);
    assert_fields_lack(site_find(site, "/a"), "Cache-Control");
}

static void no_time_and_no_future_in_last_modified(void **state)
{
    struct site *site = *state;
    struct timespec now;
    tree_write(site->tree, "zero", "x");
    tree_touch(site->tree, "zero", 0);
    tree_write(site->tree, "future", "x");
    tree_touch(site->tree, "future", time(NULL) + 100000);
    site_start(site);
    clock_gettime(CLOCK_REALTIME, &now); /* time(2) may still be in the second before */
    assert_fields_lack(site_find(site, "/zero"), "Last-Modified");
    assert_in_range(site_find(site, "/future")->modified, 1, now.tv_sec);
}

static void special_entries_are_found(void **state)
{
    struct site *site = *state;
    site->config.fallback = "index.html";
    tree_write(site->tree, "404.html", "gone");
    tree_write(site->tree, "index.html", "app");
    site_start(site);
    const struct sj_generation *generation = sj_index_begin(site->index);
    assert_text(sj_generation_not_found(generation)->path, "/404.html");
    assert_text(sj_generation_fallback(generation)->path, "/");
    sj_index_end(site->index);
}

static void deep_and_wide_trees_are_walked(void **state)
{
    struct site *site = *state;
    char path[1100] = "";
    for (int i = 0; i < 500; i++)
        strcat(path, "d/");
    strcat(path, "leaf");
    tree_write(site->tree, path, "x");
    for (int i = 0; i < 500; i++) {
        char name[32];
        snprintf(name, sizeof(name), "w%d/a", i);
        tree_write(site->tree, name, "x");
    }
    site_start(site);
    memmove(path + 1, path, strlen(path) + 1);
    path[0] = '/';
    assert_non_null(site_find(site, path));
    assert_int_equal(site->result.summary.n_urls, 501);
}

static void links_among_directories_come_to_an_end(void **state)
{
    struct site *site = *state;
    for (int i = 0; i < 8; i++) {
        for (int j = 0; j < 8; j++) {
            char name[32];
            char target[32];
            snprintf(name, sizeof(name), "d%d/l%d", i, j);
            snprintf(target, sizeof(target), "../d%d", j);
            tree_link(site->tree, target, name);
        }
    }
    site_start(site);
    char *text = NULL;
    size_t length = 0;
    FILE *to = open_memstream(&text, &length);
    sj_index_print(site->index, to);
    fclose(to);
    assert_non_null(strstr(text, "too many directories are reached through links"));
    free(text);
}

static void too_many_files_through_links_are_one_fault(void **state)
{
    struct site *site = *state;
    for (int i = 0; i < 1000; i++) {
        char name[32];
        snprintf(name, sizeof(name), "d/f%d", i);
        tree_write(site->tree, name, "");
    }
    site->config.linked_files_limit = 2500;
    for (int i = 0; i < 4; i++) {
        char name[32];
        snprintf(name, sizeof(name), "l/%d", i);
        tree_link(site->tree, "../d", name);
    }
    site_start(site);
    assert_int_equal(site->result.summary.n_urls, 1000 + 2500);
    assert_int_equal(site->result.summary.n_faults, 1);
    assert_true(has_logged(site, "/l/", "too many files are reached through linked directories"));
    assert_non_null(site_find(site, "/d/f999"));
}

static void cancel(struct site *site)
{
    sj_index_cancel(site->index);
}

static void assert_stops(struct site *site)
{
    assert_int_equal(site_reload(site), -ECANCELED);
    assert_string_equal(site->result.text, "stopping");
}

/* The second worker may be about to look at one more directory. */
static void a_cancelled_scan_ends(void **state)
{
    struct site *site = *state;
    site_start(site);
    for (int i = 0; i < 500; i++) {
        char name[32];
        snprintf(name, sizeof(name), "w%d/a", i);
        tree_write(site->tree, name, "x");
    }
    hook.n_directories = 0;
    hook.directory_turn = 10;
    hook.at_directory = cancel;
    assert_stops(site);
    assert_in_range(hook.n_directories, 10, 20);
    assert_int_equal(hook.n_files, 0);
}

/* A hole that it would take minutes to read, and files that are not opened any more. */
static void a_cancelled_reading_ends(void **state)
{
    struct site *site = *state;
    site_start(site);
    for (int i = 0; i < 60; i++) {
        char name[32];
        snprintf(name, sizeof(name), "f%d", i);
        tree_write(site->tree, name, "x");
    }
    tree_write(site->tree, "a", "");
    if (truncate(tree_path(site->tree, "a"), (off_t)1 << 40) != 0)
        skip();
    hook.at_first_file = cancel;
    assert_stops(site);
    assert_in_range(hook.n_files, 1, 4);
}

static void after_a_cancel_builds_fail_at_once(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "a", "x");
    site_start(site);
    unsigned n_before = hook.n_directories;
    sj_index_cancel(site->index);
    assert_stops(site);
    assert_stops(site);
    assert_int_equal(hook.n_directories, n_before);
    assert_non_null(site_find(site, "/a"));
    assert_int_equal(site->result.summary.number, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_served_whole_from_memory),
        TEST(the_same_content_has_the_same_digest),
        TEST(a_page_is_served_under_its_directory),
        TEST(without_an_index_file_pages_are_plain_files),
        TEST(the_last_root_wins_and_prefixes_are_normal),
        TEST(dot_names_are_passed_over_but_well_known),
        TEST(dot_names_are_served_on_request),
        TEST(bad_items_are_skipped_counted_and_named),
        TEST(names_that_are_not_utf8_are_served),
        TEST(links_within_the_root_share_their_file),
        TEST(a_replaced_link_says_nothing_about_the_other_links),
        TEST(a_variant_is_found_under_its_other_link),
        TEST(reads_of_other_links_keep_the_memory_limit),
        TEST(links_out_of_the_root_are_followed_on_request),
        TEST(true_sidecars_are_variants_and_no_urls),
        TEST(an_older_sidecar_is_a_fault),
        TEST(large_files_are_not_held),
        TEST(held_or_not_the_digest_is_the_same),
        TEST(the_smallest_are_held_within_the_limit),
        TEST(hashed_names_are_immutable),
        TEST(an_expression_decides_what_is_immutable),
        TEST(max_age_can_be_left_out),
        TEST(no_time_and_no_future_in_last_modified),
        TEST(special_entries_are_found),
        TEST(deep_and_wide_trees_are_walked),
        TEST(links_among_directories_come_to_an_end),
        TEST(too_many_files_through_links_are_one_fault),
        TEST(a_cancelled_scan_ends),
        TEST(a_cancelled_reading_ends),
        TEST(after_a_cancel_builds_fail_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
