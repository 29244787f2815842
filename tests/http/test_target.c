/* SPDX-License-Identifier: MIT */
#include "http/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/http/head.h"

/* One target, in memory and room of exactly the lengths that the contract names. */
struct parsed {
    char *raw;
    char *room;
    int status;
    struct sj_target target;
};

static void parse(struct parsed *parsed, enum sj_method method, const char *raw, size_t length)
{
    parsed->raw = copy_exactly(raw, length);
    parsed->room = malloc(length + 1);
    assert_non_null(parsed->room);
    parsed->status = sj_target_parse(method, (struct sj_text){parsed->raw, length}, parsed->room,
                                     &parsed->target);
}

static void end(struct parsed *parsed)
{
    free(parsed->raw);
    free(parsed->room);
}

/* What holds of every path, on every prefix of each case. */
static void check_prefixes(enum sj_method method, const char *raw)
{
    for (size_t length = 0; length <= strlen(raw); length++) {
        struct parsed parsed;
        const struct sj_text *path = &parsed.target.path;

        parse(&parsed, method, raw, length);
        assert_true(parsed.status == 0 || parsed.status == 400 || parsed.status == 404);
        if (parsed.status == 0) {
            assert_true(path->length <= length && path->at[path->length] == '\0');
            assert_null(memchr(path->at, '\0', path->length));
            if (parsed.target.form == SJ_TARGET_ORIGIN)
                assert_int_equal(path->at[0], '/');
        }
        end(&parsed);
    }
}

static void assert_status_of(enum sj_method method, const char *raw, int status)
{
    struct parsed parsed;

    parse(&parsed, method, raw, strlen(raw));
    if (parsed.status != status)
        fail_msg("%d: %s", parsed.status, raw);
    end(&parsed);
    check_prefixes(method, raw);
}

static void assert_status(const char *raw, int status)
{
    assert_status_of(SJ_GET, raw, status);
}

static void assert_text(struct sj_text text, const char *expected, const char *raw)
{
    if (text.length != strlen(expected) || memcmp(text.at, expected, text.length) != 0)
        fail_msg("%.*s is not %s: %s", (int)text.length, text.at, expected, raw);
}

static void assert_path(const char *raw, const char *path)
{
    struct parsed parsed;

    parse(&parsed, SJ_GET, raw, strlen(raw));
    if (parsed.status != 0)
        fail_msg("%d: %s", parsed.status, raw);
    assert_int_equal(parsed.target.form, SJ_TARGET_ORIGIN);
    assert_text(parsed.target.path, path, raw);
    end(&parsed);
    check_prefixes(SJ_GET, raw);
}

static void paths_are_decoded_once(void **state)
{
    (void)state;
    assert_path("/", "/");
    assert_path("/a/b.c", "/a/b.c");
    assert_path("/%61%7e%7E%2D", "/a~~-");
    assert_path("/%2561", "/%61");
    assert_path("/%252e%252e/a", "/%2e%2e/a");
    assert_path("/%20%c3%a9%FF%0a", "/ \xc3\xa9\xff\n");
    assert_path("/%3f%23%5c", "/?#\\");
    assert_path("/a:b@c;d=e,f!$&'()*+", "/a:b@c;d=e,f!$&'()*+");
}

static void what_browsers_send_raw_is_taken(void **state)
{
    (void)state;
    assert_path("/[a]|b", "/[a]|b");
    assert_path("/?{a}|\\^`[]", "/");
}

static void other_octets_off_the_grammar_are_400(void **state)
{
    static const char octets[] = " \t\x01\x1f\x7f\x80\xc3\xff\"<>#";
    static const char of_paths[] = "\\^`{}";

    (void)state;
    for (const char *octet = octets; *octet != '\0'; octet++) {
        char path[] = {'/', 'a', *octet, 'b', '\0'}, query[] = {'/', '?', *octet, '\0'};

        assert_status(path, 400);
        assert_status(query, 400);
    }
    for (const char *octet = of_paths; *octet != '\0'; octet++) {
        char path[] = {'/', *octet, '\0'};

        assert_status(path, 400);
    }
}

static void a_raw_nul_is_400(void **state)
{
    struct parsed parsed;

    (void)state;
    parse(&parsed, SJ_GET, "/a\0b", 4);
    assert_int_equal(parsed.status, 400);
    end(&parsed);
}

static void bad_escapes_are_400(void **state)
{
    static const char *const targets[] = {
        "/%",   "/%a",   "/%g0", "/%0g", "/%%41",  "/%u0041", "/% 1",  "/a%/b",      "/?%",
        "/?%a", "/?%zz", "/?a%", "/%00", "/a%00b", "/%-1",    "/%2f%", "http://a/%", "http://a?%"};

    (void)state;
    for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++)
        assert_status(targets[i], 400);
}

static void an_escaped_slash_names_nothing(void **state)
{
    (void)state;
    assert_status("/a%2fb", 404);
    assert_status("/a%2Fb/../c", 404);
    assert_status("/..%2f..%2fetc/passwd", 404);
    assert_status("/%2f", 404);
    assert_status("/?a%2fb", 0);
}

static void dot_segments_are_removed(void **state)
{
    (void)state;
    assert_path("/.", "/");
    assert_path("/./", "/");
    assert_path("/a/.", "/a/");
    assert_path("/a/./b", "/a/b");
    assert_path("/a/..", "/");
    assert_path("/a/../", "/");
    assert_path("/a/b/..", "/a/");
    assert_path("/a/b/../c", "/a/c");
    assert_path("/a/b/c/./../../g", "/a/g"); /* RFC 3986 section 5.2.4 */
    assert_path("/a/./b/../../c/.", "/c/");
}

static void escaped_dots_are_dots(void **state)
{
    (void)state;
    assert_path("/a/%2e%2e/b", "/b");
    assert_path("/a/%2E/b", "/a/b");
    assert_path("/a/.%2e", "/");
    assert_path("/%2e%2e/%2e%2e/etc/passwd", "/etc/passwd");
}

static void nothing_climbs_above_the_root(void **state)
{
    (void)state;
    assert_path("/..", "/");
    assert_path("/../", "/");
    assert_path("/../../a", "/a");
    assert_path("/a/../../../b/..", "/");
}

static void segments_with_more_than_dots_stay(void **state)
{
    (void)state;
    assert_path("/...", "/...");
    assert_path("/.a/..b/c./d..", "/.a/..b/c./d..");
    assert_path("/..;/a", "/..;/a");
    assert_path("/..%5c..%5ca", "/..\\..\\a");
}

static void empty_segments_are_segments(void **state)
{
    (void)state;
    assert_path("//", "//");
    assert_path("//a", "//a");
    assert_path("/a//b", "/a//b");
    assert_path("/a//../b", "/a/b");
    assert_path("//..", "/");
    assert_path("//../a", "/a");
    assert_path("///../..//a", "//a");
    assert_path("/.//a", "//a");
    assert_path("/a//.", "/a//");
}

static void the_query_is_kept_raw(void **state)
{
    struct parsed parsed;

    (void)state;
    parse(&parsed, SJ_GET, "/a?b=%2f/../?c", 14);
    assert_int_equal(parsed.status, 0);
    assert_text(parsed.target.path, "/a", "");
    assert_text(parsed.target.query, "b=%2f/../?c", "");
    end(&parsed);
}

static void no_query_differs_from_an_empty_one(void **state)
{
    struct parsed parsed;

    (void)state;
    parse(&parsed, SJ_GET, "/", 1);
    assert_null(parsed.target.query.at);
    end(&parsed);
    parse(&parsed, SJ_GET, "/?", 2);
    assert_non_null(parsed.target.query.at);
    assert_int_equal(parsed.target.query.length, 0);
    end(&parsed);
}

static void assert_absolute(const char *raw, const char *authority, const char *path,
                            const char *query)
{
    struct parsed parsed;

    parse(&parsed, SJ_GET, raw, strlen(raw));
    if (parsed.status != 0)
        fail_msg("%d: %s", parsed.status, raw);
    assert_int_equal(parsed.target.form, SJ_TARGET_ABSOLUTE);
    assert_text(parsed.target.authority, authority, raw);
    assert_text(parsed.target.path, path, raw);
    if (query == NULL)
        assert_null(parsed.target.query.at);
    else
        assert_text(parsed.target.query, query, raw);
    end(&parsed);
    check_prefixes(SJ_GET, raw);
}

static void absolute_targets_have_an_authority(void **state)
{
    (void)state;
    assert_absolute("http://a/b", "a", "/b", NULL);
    assert_absolute("HTTPS://a:443/b/../c?d", "a:443", "/c", "d");
    assert_absolute("hTTp://[::1]:80/", "[::1]:80", "/", NULL);
    assert_absolute("http://a", "a", "/", NULL);
    assert_absolute("http://a?b", "a", "/", "b");
    assert_absolute("http://a?", "a", "/", "");
    assert_absolute("http://a//b", "a", "//b", NULL);
}

static void other_absolute_targets_are_400(void **state)
{
    static const char *const targets[] = {"",
                                          "a",
                                          "a/b",
                                          "?a",
                                          "#",
                                          "*/",
                                          "**",
                                          "http:",
                                          "http:/",
                                          "http://",
                                          "http:///a",
                                          "http://?a",
                                          "http://:80",
                                          "http:a",
                                          "http:/a/",
                                          "ftp://a/",
                                          "httpx://a/",
                                          "file:///etc",
                                          "http://a:b",
                                          "http://a b/",
                                          "http://u@a/",
                                          "http://u:p@a/",
                                          "http://a#b",
                                          "http://[::1/",
                                          "http://a\\b",
                                          "://a/"};

    (void)state;
    for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++)
        assert_status(targets[i], 400);
}

static void the_asterisk_is_for_options(void **state)
{
    struct parsed parsed;

    (void)state;
    parse(&parsed, SJ_OPTIONS, "*", 1);
    assert_int_equal(parsed.status, 0);
    assert_int_equal(parsed.target.form, SJ_TARGET_ASTERISK);
    assert_text(parsed.target.path, "*", "*");
    end(&parsed);
    assert_status("*", 400);
    assert_status_of(SJ_HEAD, "*", 400);
    assert_status_of(SJ_METHOD_UNKNOWN, "*", 400);
}

static void options_for_a_bare_authority_is_for_the_server(void **state)
{
    struct parsed parsed;

    (void)state;
    parse(&parsed, SJ_OPTIONS, "http://a:80", 11);
    assert_int_equal(parsed.status, 0);
    assert_int_equal(parsed.target.form, SJ_TARGET_ASTERISK);
    assert_text(parsed.target.path, "*", "");
    assert_text(parsed.target.authority, "a:80", "");
    end(&parsed);
    parse(&parsed, SJ_OPTIONS, "http://a/", 9);
    assert_int_equal(parsed.target.form, SJ_TARGET_ABSOLUTE);
    assert_text(parsed.target.path, "/", "");
    end(&parsed);
}

static void connect_names_a_host_and_a_port(void **state)
{
    static const char *const bad[] = {"",        "/",        "a",         "a:",    ":443",  "a:0",
                                      "a:65536", "a:100000", "http://a/", "[::1]", "u@a:1", "*"};
    struct parsed parsed;

    (void)state;
    parse(&parsed, SJ_CONNECT, "[::1]:443", 9);
    assert_int_equal(parsed.status, 0);
    assert_int_equal(parsed.target.form, SJ_TARGET_AUTHORITY);
    assert_text(parsed.target.authority, "[::1]:443", "");
    end(&parsed);
    assert_status_of(SJ_CONNECT, "a:65535", 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_status_of(SJ_CONNECT, bad[i], 400);
}

static void authorities_are_a_host_and_perhaps_a_port(void **state)
{
    static const char *const good[] = {"a",
                                       "A.b-c_d~",
                                       "a:",
                                       "a:80",
                                       "127.0.0.1",
                                       "256.1.1.1",
                                       "a%20b",
                                       "%c3%a9",
                                       "a,b;c=d",
                                       "!$&'()*+,;=",
                                       "[::]",
                                       "[::1]:8080",
                                       "[1:2:3:4:5:6:7:8]",
                                       "[::ffff:1.2.3.4]",
                                       "[v1.a:b]",
                                       "[VF.~]",
                                       "a:00080"};
    static const char *const bad[] = {"",
                                      ":",
                                      ":80",
                                      "a:b",
                                      "a:80:80",
                                      "a b",
                                      "a/b",
                                      "a?",
                                      "a#",
                                      "u@a",
                                      "a\\b",
                                      "a\"",
                                      "a<",
                                      "a[",
                                      "a%",
                                      "a%2",
                                      "a%zz",
                                      "\xc3\xa9",
                                      "a:-1",
                                      "a: 80",
                                      "[]",
                                      "[",
                                      "]",
                                      "[::1",
                                      "::1",
                                      "[::1]a",
                                      "[::1]80",
                                      "[1.2.3.4]",
                                      "[g::]",
                                      "[::1%25lo]",
                                      "[1:2:3:4:5:6:7:8:9]",
                                      "[v.a]",
                                      "[v1.]",
                                      "[v1]",
                                      "[vg.a]",
                                      "[v1.a/b]",
                                      "[12345::]",
                                      "[::1]:x",
                                      "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        if (!sj_authority_is_valid((struct sj_text){good[i], strlen(good[i])}))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (sj_authority_is_valid((struct sj_text){bad[i], strlen(bad[i])}))
            fail_msg("taken: %s", bad[i]);
}

static void nul_in_an_address_is_not_its_end(void **state)
{
    (void)state;
    assert_false(sj_authority_is_valid((struct sj_text){"[::1\0]", 6}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_decoded_once),
        cmocka_unit_test(what_browsers_send_raw_is_taken),
        cmocka_unit_test(other_octets_off_the_grammar_are_400),
        cmocka_unit_test(a_raw_nul_is_400),
        cmocka_unit_test(bad_escapes_are_400),
        cmocka_unit_test(an_escaped_slash_names_nothing),
        cmocka_unit_test(dot_segments_are_removed),
        cmocka_unit_test(escaped_dots_are_dots),
        cmocka_unit_test(nothing_climbs_above_the_root),
        cmocka_unit_test(segments_with_more_than_dots_stay),
        cmocka_unit_test(empty_segments_are_segments),
        cmocka_unit_test(the_query_is_kept_raw),
        cmocka_unit_test(no_query_differs_from_an_empty_one),
        cmocka_unit_test(absolute_targets_have_an_authority),
        cmocka_unit_test(other_absolute_targets_are_400),
        cmocka_unit_test(the_asterisk_is_for_options),
        cmocka_unit_test(options_for_a_bare_authority_is_for_the_server),
        cmocka_unit_test(connect_names_a_host_and_a_port),
        cmocka_unit_test(authorities_are_a_host_and_perhaps_a_port),
        cmocka_unit_test(nul_in_an_address_is_not_its_end)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
