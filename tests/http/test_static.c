/* SPDX-License-Identifier: MIT */
/* The responses of http/static.c; files that change under it are in test_static_file.c. */
#include "http/static.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/http/answer.h"

#define DATE       "Tue, 14 Nov 2023 22:13:20 GMT" /* what site_add gives */
#define DATE_LATER "Wed, 15 Nov 2023 22:13:20 GMT"
#define TEN        "dGVuLnR4dAAAAAAAAAAAAA" /* "ten.txt" as site_add makes a tag of it */
#define SHEET      "di5jc3MAAAAAAAAAAAAAAA" /* "v.css" */

static struct site site;

static int make_site(void **state)
{
    struct sj_entry *entry;

    (void)state;
    site_init(&site);
    site_add(&site, "/ten.txt", "0123456789", SITE_HELD);
    site_add(&site, "/disk.txt", "0123456789", SITE_ON_DISK);
    site_add(&site, "/empty.txt", "", SITE_HELD);
    site_add(&site, "/a b.txt", "space", SITE_HELD);
    site_add_large(&site, "/large.bin", 100000, SITE_HELD);
    site_add_large(&site, "/arena.bin", 100000, SITE_IN_ARENA);
    entry = site_add(&site, "/v.css", "the plain form, long enough", SITE_HELD);
    site_add_variant(&site, entry, SJ_GZIP, "gzip form");
    site_add_variant(&site, entry, SJ_BR, "br form");
    site_add_redirect(&site, "/dir", "dir/");
    return 0;
}

static int remove_site(void **state)
{
    (void)state;
    site_fini(&site);
    return 0;
}

static struct answer *ask(const char *method, const char *target, const char *fields)
{
    char head[2048];

    snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: a\r\n%s\r\n", method, target, fields);
    return answer_to(&site, head);
}

static void assert_status(const char *method, const char *target, const char *fields, int status)
{
    struct answer *answer = ask(method, target, fields);

    if (answer->status != status)
        fail_msg("%s %s %s: %d, not %d", method, target, fields, answer->status, status);
    answer_free(answer);
}

/* A GET of ten octets. */
static void assert_body(const char *fields, int status, const char *body)
{
    static const char *const targets[] = {"/ten.txt", "/disk.txt"};

    for (int i = 0; i < 2; i++) {
        struct answer *answer = ask("GET", targets[i], fields);

        assert_int_equal(answer->status, status);
        assert_string_equal(answer->body, body);
        answer_free(answer);
    }
}

static void get_sends_the_file_with_its_fields(void **state)
{
    struct answer *answer = ask("GET", "/ten.txt", "");

    (void)state;
    assert_int_equal(answer->status, 200);
    assert_string_equal(answer->body, "0123456789");
    assert_true(answer_has(answer, "Content-Length: 10\r\n"));
    assert_true(answer_has(answer, "Content-Type: text/plain; charset=utf-8\r\n"));
    assert_true(answer_has(answer, "ETag: \"" TEN "\"\r\n"));
    assert_true(answer_has(answer, "Last-Modified: " DATE "\r\n"));
    assert_true(answer_has(answer, "Cache-Control: max-age=60, public\r\n"));
    assert_true(answer_has(answer, "Accept-Ranges: bytes\r\n"));
    assert_true(answer_has(answer, "Access-Control-Allow-Origin: *\r\n"));
    assert_true(answer_has(answer, "X-Content-Type-Options: nosniff\r\n"));
    assert_true(answer_has(answer, "Date: "));
    assert_true(answer_has(answer, "Server: scrubjay\r\n"));
    answer_free(answer);
}

static void a_file_on_disk_is_answered_as_one_in_memory(void **state)
{
    (void)state;
    assert_body("", 200, "0123456789");
}

static void a_large_body_in_memory_is_not_copied(void **state)
{
    struct answer *answer = ask("GET", "/large.bin", "");

    (void)state;
    assert_int_equal(answer->body_length, 100000);
    assert_int_equal(answer->exchange->output.n_parts, 2);
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(answer->body[i], site_octet(i));
    answer_free(answer);
}

/* The body of `length` octets from `first` on: sent from the arena's file, or from memory? */
static void assert_range(size_t first, size_t length, bool is_file)
{
    char range[64];
    snprintf(range, sizeof(range), "Range: bytes=%zu-%zu\r\n", first, first + length - 1);
    struct answer *answer = ask("GET", "/arena.bin", range);
    const struct sj_output *output = &answer->exchange->output;

    assert_int_equal(answer->status, 206);
    assert_int_equal(answer->body_length, length);
    for (size_t i = 0; i < length; i++)
        assert_int_equal(answer->body[i], site_octet(first + i));
    assert_int_equal(output->parts[1].bytes == NULL, is_file);
    assert_int_equal(output->descriptor >= 0, is_file);
    assert_int_equal(output->borrows_descriptor, is_file);
    assert_int_equal(output->promise.inode, 0);
    answer_free(answer);
}

static void a_body_in_the_arena_is_sent_from_its_file_unless_it_is_small(void **state)
{
    (void)state;
    assert_range(0, 100000, true);
    assert_range(30000, 70000, true);
    assert_range(50001, 32768, true);
    assert_range(50001, 32767, false);
}

static void parts_of_a_body_in_the_arena_are_sent_from_memory(void **state)
{
    struct answer *answer = ask("GET", "/arena.bin", "Range: bytes=0-39999,50000-89999\r\n");

    (void)state;
    assert_int_equal(answer->status, 206);
    assert_int_equal(answer->exchange->output.descriptor, -1);
    assert_non_null(strstr(answer->body, "Content-Range: bytes 50000-89999/100000\r\n"));
    answer_free(answer);
}

static void head_opens_nothing_of_the_arena(void **state)
{
    struct answer *answer = ask("HEAD", "/arena.bin", "");

    (void)state;
    assert_int_equal(answer->exchange->output.descriptor, -1);
    assert_true(answer_has(answer, "Content-Length: 100000\r\n"));
    answer_free(answer);
}

static void head_is_get_without_the_body(void **state)
{
    static const char *const targets[] = {"/ten.txt",   "/disk.txt", "/large.bin", "/arena.bin",
                                          "/empty.txt", "/dir",      "/nothing",   "/v.css"};

    (void)state;
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        struct answer *get = ask("GET", targets[i], ""), *head = ask("HEAD", targets[i], "");
        const char *common = strstr(head->text, "Server: "); /* the date before it may tick */

        assert_int_equal(head->body_length, 0);
        assert_int_equal(head->length, get->body - get->text);
        assert_memory_equal(common, strstr(get->text, "Server: "), (size_t)(head->body - common));
        assert_int_equal(head->status, get->status);
        answer_free(get);
        answer_free(head);
    }
}

static void an_empty_file_is_200_without_a_body(void **state)
{
    struct answer *answer = ask("GET", "/empty.txt", "");

    (void)state;
    assert_int_equal(answer->status, 200);
    assert_int_equal(answer->body_length, 0);
    assert_true(answer_has(answer, "Content-Length: 0\r\n"));
    answer_free(answer);
}

static void paths_are_decoded_before_they_are_looked_up(void **state)
{
    (void)state;
    assert_status("GET", "/a%20b.txt", "", 200);
    assert_status("GET", "/%74en.txt?query", "", 200);
    assert_status("GET", "/x/../ten.txt", "", 200);
    assert_status("GET", "http://other/ten.txt", "", 200);
    assert_status("GET", "/dir%2f", "", 404);
}

static void other_methods_on_a_file_are_405_with_allow(void **state)
{
    static const char *const methods[] = {"POST", "PUT", "DELETE", "PATCH", "TRACE"};

    (void)state;
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        struct answer *answer = ask(methods[i], "/ten.txt", "");

        assert_int_equal(answer->status, 405);
        assert_true(answer_has(answer, "Allow: GET, HEAD, OPTIONS\r\n"));
        answer_free(answer);
    }
    assert_status("POST", "/dir", "", 405);
    assert_status("CONNECT", "a:80", "", 405);
}

static void unknown_methods_are_501_wherever(void **state)
{
    (void)state;
    assert_status("BREW", "/ten.txt", "", 501);
    assert_status("get", "/ten.txt", "", 501);
    assert_status("BREW", "/nothing", "", 501);
}

static void options_says_what_is_allowed(void **state)
{
    static const char *const targets[] = {"/ten.txt", "*", "/dir", "http://a"};

    (void)state;
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        struct answer *answer = ask("OPTIONS", targets[i], "Origin: http://b\r\n");

        assert_int_equal(answer->status, 204);
        assert_int_equal(answer->body_length, 0);
        assert_true(answer_has(answer, "Allow: GET, HEAD, OPTIONS\r\n"));
        assert_true(answer_has(answer, "Access-Control-Allow-Methods: GET, HEAD, OPTIONS\r\n"));
        assert_false(answer_has(answer, "Content-Length:"));
        answer_free(answer);
    }
    assert_status("OPTIONS", "/nothing", "", 404);
}

/* RFC 9110 section 13.2.2 */
static void preconditions_come_in_their_order(void **state)
{
    static const struct {
        const char *fields;
        int status;
    } rows[] = {
        {"If-Match: \"" TEN "\"\r\n", 200},
        {"If-Match: \"x\"\r\n", 412},
        {"If-Match: *\r\n", 200},
        {"If-Match: \"x\"\r\nIf-None-Match: \"" TEN "\"\r\n", 412},
        {"If-Match: \"" TEN "\"\r\nIf-Unmodified-Since: Tue, 14 Nov 2000 00:00:00 GMT\r\n", 200},
        {"If-Unmodified-Since: Tue, 14 Nov 2000 00:00:00 GMT\r\n", 412},
        {"If-Unmodified-Since: " DATE "\r\nIf-None-Match: \"" TEN "\"\r\n", 304},
        {"If-None-Match: W/\"" TEN "\"\r\n", 304},
        {"If-None-Match: \"x\", \"" TEN "\"\r\n", 304},
        {"If-None-Match: \"x\"\r\nIf-Modified-Since: " DATE_LATER "\r\n", 200},
        {"If-Modified-Since: " DATE "\r\n", 304},
        {"If-Modified-Since: Tue, 14 Nov 2000 00:00:00 GMT\r\n", 200},
        {"If-None-Match: \"" TEN "\"\r\nRange: bytes=0-1\r\n", 304},
        {"If-Match: \"" TEN "\"\r\nRange: bytes=0-1\r\n", 206},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_status("GET", "/ten.txt", rows[i].fields, rows[i].status);
    assert_status("GET", "/nothing", "If-None-Match: *\r\n", 404);
    assert_status("GET", "/dir", "If-None-Match: *\r\n", 302);
}

static void a_304_has_the_fields_of_the_200_and_no_content(void **state)
{
    struct answer *answer = ask("GET", "/ten.txt", "If-None-Match: *\r\n");

    (void)state;
    assert_int_equal(answer->status, 304);
    assert_int_equal(answer->body_length, 0);
    assert_true(answer_has(answer, "ETag: \"" TEN "\"\r\n"));
    assert_true(answer_has(answer, "Cache-Control: max-age=60, public\r\n"));
    assert_true(answer_has(answer, "Last-Modified: " DATE "\r\n"));
    assert_false(answer_has(answer, "Content-Length:"));
    assert_false(answer_has(answer, "Content-Type:"));
    answer_free(answer);
}

static void one_range_is_206_with_content_range(void **state)
{
    struct answer *answer = ask("GET", "/disk.txt", "Range: bytes=2-4\r\n");

    (void)state;
    assert_true(answer_has(answer, "Content-Range: bytes 2-4/10\r\n"));
    assert_true(answer_has(answer, "Content-Length: 3\r\n"));
    answer_free(answer);
    assert_body("Range: bytes=2-4\r\n", 206, "234");
    assert_body("Range: bytes=0-0\r\n", 206, "0");
    assert_body("Range: bytes=-1\r\n", 206, "9");
    assert_body("Range: bytes=8-99\r\n", 206, "89");
    assert_body("Range: bytes=3-\r\nIf-Range: \"x\"\r\n", 200, "0123456789");
    assert_body("Range: lines=1-2\r\n", 200, "0123456789");
    assert_body("Range: bytes=1-2\r\nRange: bytes=3-4\r\n", 200, "0123456789");
}

static void if_range_lets_the_range_pass_for_the_same_file(void **state)
{
    (void)state;
    assert_status("GET", "/ten.txt", "Range: bytes=3-\r\nIf-Range: \"" TEN "\"\r\n", 206);
    assert_status("GET", "/ten.txt", "Range: bytes=3-\r\nIf-Range: " DATE "\r\n", 206);
    assert_status("GET", "/ten.txt", "Range: bytes=3-\r\nIf-Range: " DATE_LATER "\r\n", 200);
}

static void a_range_beyond_the_end_is_416_with_the_size(void **state)
{
    struct answer *answer = ask("GET", "/disk.txt", "Range: bytes=10-\r\n");

    (void)state;
    assert_int_equal(answer->status, 416);
    assert_int_equal(answer->body_length, 0);
    assert_true(answer_has(answer, "Content-Range: bytes */10\r\n"));
    assert_true(answer_has(answer, "Content-Length: 0\r\n"));
    assert_true(answer_has(answer, "Access-Control-Allow-Origin: *\r\n"));
    answer_free(answer);
}

static void range_is_for_get_only(void **state)
{
    (void)state;
    assert_status("HEAD", "/ten.txt", "Range: bytes=0-1\r\n", 200);
    assert_status("HEAD", "/ten.txt", "Range: bytes=99-\r\n", 200);
}

static void several_ranges_are_a_multipart_of_the_promised_length(void **state)
{
    struct answer *answer = ask("GET", "/large.bin", "Range: bytes=0-9,50000-50009,-5\r\n");
    char expected[64];

    (void)state;
    assert_int_equal(answer->status, 206);
    assert_true(answer_has(answer, "Content-Type: multipart/byteranges; boundary="));
    assert_false(answer_has(answer, "Content-Range:"));
    snprintf(expected, sizeof(expected), "Content-Length: %zu\r\n", answer->body_length);
    assert_true(answer_has(answer, expected));
    assert_non_null(strstr(answer->body, "Content-Range: bytes 50000-50009/100000\r\n"));
    answer_free(answer);
}

static void several_ranges_of_a_small_file_are_the_whole_file(void **state)
{
    (void)state;
    assert_body("Range: bytes=0-1,4-5\r\n", 200, "0123456789");
}

static void the_smallest_acceptable_variant_is_sent(void **state)
{
    static const struct {
        const char *fields, *body, *etag;
    } rows[] = {
        {"", "the plain form, long enough", "\"" SHEET "\""},
        {"Accept-Encoding: gzip, br\r\n", "br form", "\"" SHEET ".br\""},
        {"Accept-Encoding: gzip\r\n", "gzip form", "\"" SHEET ".gz\""},
        {"Accept-Encoding: zstd\r\n", "the plain form, long enough", "\"" SHEET "\""},
        {"Accept-Encoding: br;q=0, gzip;q=0.1, identity;q=0\r\n", "gzip form", "\"" SHEET ".gz\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer *answer = ask("GET", "/v.css", rows[i].fields);
        char etag[64];

        snprintf(etag, sizeof(etag), "ETag: %s\r\n", rows[i].etag);
        assert_string_equal(answer->body, rows[i].body);
        assert_true(answer_has(answer, etag));
        assert_true(answer_has(answer, "Vary: Accept-Encoding\r\n"));
        assert_int_equal(answer_has(answer, "Content-Encoding: "), rows[i].etag[23] == '.');
        answer_free(answer);
    }
}

static void conditions_and_ranges_are_those_of_the_variant(void **state)
{
    struct answer *answer = ask("GET", "/v.css", "Accept-Encoding: br\r\nRange: bytes=0-1\r\n");

    (void)state;
    assert_string_equal(answer->body, "br");
    assert_true(answer_has(answer, "Content-Range: bytes 0-1/7\r\n"));
    answer_free(answer);
    assert_status("GET", "/v.css", "Accept-Encoding: br\r\nIf-None-Match: \"" SHEET ".br\"\r\n",
                  304);
    assert_status("GET", "/v.css", "Accept-Encoding: br\r\nIf-None-Match: \"" SHEET "\"\r\n", 200);
}

static void a_redirect_keeps_the_query(void **state)
{
    struct answer *answer = ask("GET", "/dir?a=b&c=%20", "");

    (void)state;
    assert_int_equal(answer->status, 302);
    assert_true(answer_has(answer, "Location: dir/?a=b&c=%20\r\n"));
    answer_free(answer);
    answer = ask("GET", "/dir", "");
    assert_true(answer_has(answer, "Location: dir/\r\n"));
    answer_free(answer);
    answer = ask("GET", "/dir?", "");
    assert_true(answer_has(answer, "Location: dir/?\r\n"));
    answer_free(answer);
}

static void an_unknown_path_is_404_and_not_to_be_stored(void **state)
{
    struct answer *answer = ask("GET", "/nothing", "");

    (void)state;
    assert_int_equal(answer->status, 404);
    assert_true(answer_has(answer, "Cache-Control: no-store\r\n"));
    assert_true(answer_has(answer, "Content-Type: text/plain"));
    assert_null(strstr(answer->text, "nothing"));
    answer_free(answer);
    answer = ask("GET", "/nothing", "Accept: text/html\r\n");
    assert_true(answer_has(answer, "Content-Type: text/html"));
    answer_free(answer);
}

static void a_bad_request_is_answered_with_its_status(void **state)
{
    struct answer *answer = answer_to(&site, "GET /ten.txt HTTP/1.1\r\n\r\n");

    (void)state;
    assert_int_equal(answer->status, 400);
    answer_free(answer);
    assert_status("GET", "/%zz", "", 400);
    assert_status("POST", "/ten.txt", "Content-Length: 1001\r\n", 413);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_site, remove_site)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(get_sends_the_file_with_its_fields),
        TEST(a_file_on_disk_is_answered_as_one_in_memory),
        TEST(a_large_body_in_memory_is_not_copied),
        TEST(a_body_in_the_arena_is_sent_from_its_file_unless_it_is_small),
        TEST(parts_of_a_body_in_the_arena_are_sent_from_memory),
        TEST(head_opens_nothing_of_the_arena),
        TEST(head_is_get_without_the_body),
        TEST(an_empty_file_is_200_without_a_body),
        TEST(paths_are_decoded_before_they_are_looked_up),
        TEST(other_methods_on_a_file_are_405_with_allow),
        TEST(unknown_methods_are_501_wherever),
        TEST(options_says_what_is_allowed),
        TEST(preconditions_come_in_their_order),
        TEST(a_304_has_the_fields_of_the_200_and_no_content),
        TEST(one_range_is_206_with_content_range),
        TEST(if_range_lets_the_range_pass_for_the_same_file),
        TEST(a_range_beyond_the_end_is_416_with_the_size),
        TEST(range_is_for_get_only),
        TEST(several_ranges_are_a_multipart_of_the_promised_length),
        TEST(several_ranges_of_a_small_file_are_the_whole_file),
        TEST(the_smallest_acceptable_variant_is_sent),
        TEST(conditions_and_ranges_are_those_of_the_variant),
        TEST(a_redirect_keeps_the_query),
        TEST(an_unknown_path_is_404_and_not_to_be_stored),
        TEST(a_bad_request_is_answered_with_its_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
