/* SPDX-License-Identifier: MIT */
/* What http/static.c answers when things are not as they were when the index was made, or when
 * something runs out.
 * Linked with: -Wl,--wrap=sj_root_open -Wl,--wrap=sj_multipart_add */
#include "http/static.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "http/multipart.h"
#include "tests/http/answer.h"

/* "f.txt" and "v.css" as site_add makes tags of them. */
#define FILE_TAG "Zi50eHQAAAAAAAAAAAAAAA"
#define SHEET    "di5jc3MAAAAAAAAAAAAAAA"

static struct site site;
static int open_error; /* of the next openings, or 0 */
static bool multipart_fails;

int __real_sj_root_open(const struct sj_root *root, const char *path, struct sj_identity *identity);
int __wrap_sj_root_open(const struct sj_root *root, const char *path, struct sj_identity *identity);
int __real_sj_multipart_add(const struct sj_multipart *multipart, struct sj_exchange *exchange,
                            const char *bytes);
int __wrap_sj_multipart_add(const struct sj_multipart *multipart, struct sj_exchange *exchange,
                            const char *bytes);

int __wrap_sj_root_open(const struct sj_root *root, const char *path, struct sj_identity *identity)
{
    return open_error != 0 ? open_error : __real_sj_root_open(root, path, identity);
}

int __wrap_sj_multipart_add(const struct sj_multipart *multipart, struct sj_exchange *exchange,
                            const char *bytes)
{
    return multipart_fails ? -ENOMEM : __real_sj_multipart_add(multipart, exchange, bytes);
}

static int make_site(void **state)
{
    struct sj_entry *entry;

    (void)state;
    open_error = 0;
    site_init(&site);
    site_add(&site, "/held.txt", "held", SITE_HELD);
    site_add(&site, "/f.txt", "0123456789", SITE_ON_DISK);
    site_add(&site, "/empty.txt", "", SITE_ON_DISK);
    entry = site_add(&site, "/v.css", "the plain form", SITE_ON_DISK);
    site_add_variant(&site, entry, SJ_GZIP, "gzip form");
    site_add_redirect(&site, "/dir", "dir/");
    return 0;
}

static int remove_site(void **state)
{
    (void)state;
    open_error = 0;
    site_fini(&site);
    return 0;
}

static struct answer *get(const char *target, const char *fields)
{
    char head[2048];

    snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n", target, fields);
    return answer_to(&site, head);
}

/* The answer is that, a reload was suggested so many times, and nothing may be stored. */
static void assert_answer(struct answer *answer, int status, const char *body, unsigned n_reloads)
{
    assert_int_equal(answer->status, status);
    if (body != NULL)
        assert_string_equal(answer->body, body);
    assert_int_equal(site.n_reloads, n_reloads);
    answer_free(answer);
}

static void a_changed_file_goes_out_as_it_is_now_without_promises(void **state)
{
    struct answer *answer;

    (void)state;
    site_write(&site, "f.txt", "changed", 7);
    answer = get("/f.txt", "Range: bytes=0-1\r\n");
    assert_true(answer_has(answer, "Content-Length: 7\r\n"));
    assert_true(answer_has(answer, "Cache-Control: no-store\r\n"));
    assert_true(answer_has(answer, "Access-Control-Allow-Origin: *\r\n"));
    assert_false(answer_has(answer, "ETag:"));
    assert_false(answer_has(answer, "Last-Modified:"));
    assert_false(answer_has(answer, "Accept-Ranges:"));
    assert_int_equal(answer->exchange->output.promise.inode, 0);
    assert_answer(answer, 200, "changed", 1);
}

static void a_file_that_was_emptied_has_no_part_to_wait_for(void **state)
{
    struct answer *answer;

    (void)state;
    site_write(&site, "f.txt", "", 0);
    answer = get("/f.txt", "");
    assert_int_equal(answer->exchange->output.n_parts, 1);
    assert_answer(answer, 200, "", 1);
}

static void an_empty_file_is_not_even_opened(void **state)
{
    struct answer *answer;

    (void)state;
    site_remove(&site, "empty.txt");
    answer = get("/empty.txt", "");
    assert_int_equal(answer->exchange->output.n_parts, 1);
    assert_answer(answer, 200, "", 0);
}

static void a_file_that_has_gone_is_404(void **state)
{
    (void)state;
    site_remove(&site, "f.txt");
    assert_answer(get("/f.txt", ""), 404, NULL, 1);
}

static void an_unchanged_file_on_disk_is_promised(void **state)
{
    struct answer *answer = get("/f.txt", "");

    (void)state;
    assert_true(answer->exchange->output.promise.inode != 0);
    assert_answer(answer, 200, "0123456789", 0);
}

static void a_304_needs_no_file(void **state)
{
    (void)state;
    site_remove(&site, "f.txt");
    assert_answer(get("/f.txt", "If-None-Match: \"" FILE_TAG "\"\r\n"), 304, "", 0);
}

static void bytes_in_memory_are_served_when_the_file_has_gone(void **state)
{
    (void)state;
    site_remove(&site, "held.txt");
    assert_answer(get("/held.txt", ""), 200, "held", 0);
}

static void a_variant_that_has_gone_is_replaced_by_the_original(void **state)
{
    struct answer *answer;

    (void)state;
    site_remove(&site, "v.css.gz");
    answer = get("/v.css", "Accept-Encoding: gzip\r\n");
    assert_true(answer_has(answer, "ETag: \"" SHEET "\"\r\n"));
    assert_false(answer_has(answer, "Content-Encoding:"));
    assert_answer(answer, 200, "the plain form", 1);
}

static void a_range_of_a_variant_that_has_gone_is_none_of_the_original(void **state)
{
    (void)state;
    site_remove(&site, "v.css.gz");
    assert_answer(get("/v.css", "Accept-Encoding: gzip\r\nRange: bytes=0-1\r\n"
                                "If-Range: \"" SHEET ".gz\"\r\n"),
                  200, "the plain form", 1);
}

static void a_variant_that_has_changed_is_replaced_by_the_original(void **state)
{
    struct answer *answer;

    (void)state;
    site_write(&site, "v.css.gz", "another", 7);
    answer = get("/v.css", "Accept-Encoding: gzip\r\n");
    assert_true(answer_has(answer, "ETag: \"" SHEET "\"\r\n"));
    assert_answer(answer, 200, "the plain form", 1);
}

static void without_the_original_either_it_is_404(void **state)
{
    (void)state;
    site_remove(&site, "v.css.gz");
    site_remove(&site, "v.css");
    assert_answer(get("/v.css", "Accept-Encoding: gzip\r\n"), 404, NULL, 2);
}

static void what_vanished_with_a_deploy_is_answered_as_before(void **state)
{
    (void)state;
    site_set_vanished(&site, site_add(&site, "/old.txt", "old", SITE_ON_DISK));
    assert_answer(get("/old.txt", ""), 200, "old", 0);
}

static void a_vanished_file_that_is_gone_is_no_reason_to_reload(void **state)
{
    (void)state;
    site_set_vanished(&site, site_add(&site, "/old.txt", "old", SITE_ON_DISK));
    site_remove(&site, "old.txt");
    assert_answer(get("/old.txt", ""), 404, NULL, 0);
}

static void what_cannot_be_opened_has_its_status(void **state)
{
    static const struct {
        int error, status;
        unsigned n_reloads;
    } rows[] = {
        {-EMFILE, 503, 0}, {-ENFILE, 503, 0}, {-ENOMEM, 503, 0},  {-EACCES, 403, 1},
        {-EPERM, 403, 1},  {-ENOENT, 404, 1}, {-ENOTDIR, 404, 1}, {-EXDEV, 404, 1},
        {-ELOOP, 404, 1},  {-EINVAL, 404, 1}, {-EIO, 500, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        open_error = rows[i].error;
        site.n_reloads = 0;
        assert_answer(get("/f.txt", ""), rows[i].status, NULL, rows[i].n_reloads);
    }
}

static void a_503_says_when_to_come_back(void **state)
{
    struct answer *answer;

    (void)state;
    open_error = -EMFILE;
    answer = get("/v.css", "Accept-Encoding: gzip\r\n");
    assert_true(answer_has(answer, "Retry-After: 1\r\n"));
    assert_true(answer_has(answer, "Cache-Control: no-store\r\n"));
    assert_answer(answer, 503, NULL, 0);
}

static void the_404_page_has_status_404_and_is_not_to_be_stored(void **state)
{
    struct answer *answer;

    (void)state;
    site_set_not_found(&site, site_add(&site, "/404.html", "<p>gone", SITE_HELD));
    answer = get("/nothing", "If-None-Match: *\r\nRange: bytes=0-0\r\n");
    assert_true(answer_has(answer, "Cache-Control: no-store\r\n"));
    assert_false(answer_has(answer, "ETag:"));
    assert_answer(answer, 404, "<p>gone", 0);
}

static void the_404_page_may_be_on_disk_and_may_vanish(void **state)
{
    (void)state;
    site_set_not_found(&site, site_add(&site, "/404.html", "<p>gone", SITE_ON_DISK));
    assert_answer(get("/nothing", ""), 404, "<p>gone", 0);
    site_remove(&site, "404.html");
    assert_answer(get("/nothing", ""), 404, "Not Found\n", 1);
}

static void a_file_that_has_gone_gets_the_404_page(void **state)
{
    (void)state;
    site_set_not_found(&site, site_add(&site, "/404.html", "<p>gone", SITE_HELD));
    site_remove(&site, "f.txt");
    assert_answer(get("/f.txt", ""), 404, "<p>gone", 1);
}

#define PAGE "Accept: text/html\r\n"

static void an_unknown_page_gets_the_applications(void **state)
{
    struct answer *answer;

    (void)state;
    site_set_fallback(&site, site_add(&site, "/index.html", "<p>app", SITE_HELD));
    answer = get("/some/page", PAGE);
    assert_true(answer_has(answer, "Cache-Control: no-cache\r\n"));
    assert_false(answer_has(answer, "ETag:"));
    assert_answer(answer, 200, "<p>app", 0);
}

static void an_unknown_asset_does_not(void **state)
{
    (void)state;
    site_set_fallback(&site, site_add(&site, "/index.html", "<p>app", SITE_HELD));
    assert_answer(get("/some/asset.js", PAGE), 404, NULL, 0);
    assert_answer(get("/some/data", "Accept: application/json\r\n"), 404, NULL, 0);
    assert_answer(get("/some/data", ""), 404, NULL, 0);
    assert_answer(answer_to(&site, "POST /some/page HTTP/1.1\r\nHost: a\r\n" PAGE "\r\n"), 404,
                  NULL, 0);
    assert_answer(get("/v1.0/page", PAGE), 200, "<p>app", 0);
}

static void the_applications_page_is_sent_as_it_is_now(void **state)
{
    struct answer *answer;

    (void)state;
    site_set_fallback(&site, site_add(&site, "/index.html", "<p>app", SITE_ON_DISK));
    site_write(&site, "index.html", "<p>new app", 10);
    answer = get("/some/page", PAGE);
    assert_true(answer_has(answer, "Content-Length: 10\r\n"));
    assert_answer(answer, 200, "<p>new app", 1);
}

static void fields_that_do_not_fit_are_a_500(void **state)
{
    size_t length = SJ_SCRATCH + 1;
    char *fields = malloc(length + 1);

    (void)state;
    assert_non_null(fields);
    memset(fields, 'x', length);
    site_add(&site, "/wide.txt", "wide", SITE_HELD)->fields = (struct sj_text){fields, length};
    assert_answer(get("/wide.txt", ""), 500, "Internal Server Error\n", 0);
    free(fields);
}

static void a_location_that_does_not_fit_is_a_500(void **state)
{
    char *head = malloc(60000);

    (void)state;
    assert_non_null(head);
    snprintf(head, 60000, "GET /dir?%050000d HTTP/1.1\r\nHost: a\r\n\r\n", 0);
    assert_answer(answer_to(&site, head), 500, NULL, 0);
    free(head);
}

static void without_memory_for_a_multipart_it_is_a_500(void **state)
{
    struct answer *answer;

    (void)state;
    site_add_large(&site, "/large.bin", 5000, SITE_HELD);
    multipart_fails = true;
    answer = get("/large.bin", "Range: bytes=0-0,9-9\r\n");
    multipart_fails = false;
    assert_answer(answer, 500, NULL, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_site, remove_site)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_changed_file_goes_out_as_it_is_now_without_promises),
        TEST(a_file_that_was_emptied_has_no_part_to_wait_for),
        TEST(an_empty_file_is_not_even_opened),
        TEST(a_file_that_has_gone_is_404),
        TEST(an_unchanged_file_on_disk_is_promised),
        TEST(a_304_needs_no_file),
        TEST(bytes_in_memory_are_served_when_the_file_has_gone),
        TEST(a_variant_that_has_gone_is_replaced_by_the_original),
        TEST(a_range_of_a_variant_that_has_gone_is_none_of_the_original),
        TEST(a_variant_that_has_changed_is_replaced_by_the_original),
        TEST(without_the_original_either_it_is_404),
        TEST(what_vanished_with_a_deploy_is_answered_as_before),
        TEST(a_vanished_file_that_is_gone_is_no_reason_to_reload),
        TEST(what_cannot_be_opened_has_its_status),
        TEST(a_503_says_when_to_come_back),
        TEST(the_404_page_has_status_404_and_is_not_to_be_stored),
        TEST(the_404_page_may_be_on_disk_and_may_vanish),
        TEST(a_file_that_has_gone_gets_the_404_page),
        TEST(an_unknown_page_gets_the_applications),
        TEST(an_unknown_asset_does_not),
        TEST(the_applications_page_is_sent_as_it_is_now),
        TEST(fields_that_do_not_fit_are_a_500),
        TEST(a_location_that_does_not_fit_is_a_500),
        TEST(without_memory_for_a_multipart_it_is_a_500),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
