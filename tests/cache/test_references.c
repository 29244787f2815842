/* SPDX-License-Identifier: MIT */
#include "cache/references.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

/* What is found, a line each; a base with "base " before it. */
struct lines {
    char text[4096];
    size_t length;
};

static void take(void *argument, enum sj_reference_kind kind, struct sj_text url)
{
    struct lines *lines = argument;
    if (lines->length + url.length + 8 > sizeof(lines->text))
        fail_msg("too many references");
    if (kind == SJ_REFERENCE_BASE)
        lines->length = (size_t)(stpcpy(lines->text + lines->length, "base ") - lines->text);
    memcpy(lines->text + lines->length, url.at, url.length);
    lines->length += url.length;
    lines->text[lines->length++] = '\n';
}

static void assert_found(const char *html, const char *expected)
{
    struct lines lines = {.length = 0};
    size_t length = strlen(html);
    char *copy = malloc(length + 1); /* without a NUL: to read past its end is seen */
    assert_non_null(copy);
    memcpy(copy, html, length);
    copy = realloc(copy, length > 0 ? length : 1);
    sj_references_find((struct sj_text){copy, length}, take, &lines);
    free(copy);
    lines.text[lines.length] = '\0';
    if (strcmp(lines.text, expected) != 0)
        fail_msg("in <<%s>>\nfound:\n%s\nexpected:\n%s", html, lines.text, expected);
}

struct row {
    const char *html;
    const char *found;
};

static void assert_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_found(rows[i].html, rows[i].found);
}

#define ASSERT_ROWS(rows) assert_rows((rows), sizeof(rows) / sizeof(*(rows)))

static void each_element_has_its_attributes(void **state)
{
    static const struct row rows[] = {
        {"<link rel=stylesheet href=a.css>", "a.css\n"},
        {"<link rel=preload as=image imagesrcset='a.png, b.png 2x' href=c.png>",
         "c.png\na.png\nb.png\n"},
        {"<script src=a.js></script>", "a.js\n"},
        {"<img src=a.png srcset='b.png 2x'>", "a.png\nb.png\n"},
        {"<picture><source srcset=a.avif><source src=a.webm></picture>", "a.avif\na.webm\n"},
        {"<video src=a.mp4 poster=a.jpg><track src=a.vtt></video>", "a.mp4\na.jpg\na.vtt\n"},
        {"<audio src=a.ogg></audio>", "a.ogg\n"},
        {"<iframe src=a.html></iframe><embed src=a.svg><object data=b.svg></object>",
         "a.html\na.svg\nb.svg\n"},
        {"<input type=image src=a.png>", "a.png\n"},
        {"<svg><use href='a.svg#x'/><use xlink:href='b.svg#x'/><image href=c.png /></svg>",
         "a.svg#x\nb.svg#x\nc.png\n"},
        {"<a href=a.html>a</a><p src=b><img href=c><script data-src=d></script>", ""},
        {"<imga src=a><im src=b>", ""},
    };
    (void)state;
    ASSERT_ROWS(rows);
}

static void tags_are_read_as_browsers_do(void **state)
{
    static const struct row rows[] = {
        {"", ""},
        {"<", ""},
        {"</", ""},
        {"<IMG SRC=A.PNG>", "A.PNG\n"},
        {"<img src=a.png/>", "a.png/\n"},
        {"<img src=\"a.png\"/>", "a.png\n"},
        {"<img/src=a.png>", "a.png\n"},
        {"<img\n\tsrc\f=\r\n'a.png'\n>", "a.png\n"},
        {"<img alt=\"a>b\" src=a.png>", "a.png\n"},
        {"<img alt='\"' src=a.png title=\"'\">", "a.png\n"},
        {"<img alt src=a.png>", "a.png\n"},
        {"<img alt='x'src=a.png>", "a.png\n"},
        {"<img src=a src=b>", "a\n"},
        {"<img src src=b>", ""},
        {"<img src=>a", ""},
        {"<img src=''>", ""},
        {"<img src=\" \n a.png \t\">", "a.png\n"},
        {"<img =src=a src=b>", "b\n"},
        {"<img src=a=b>", "a=b\n"},
        {"<img src=a<b>", "a<b\n"},
        {"<img <img src=a>", "a\n"},
        {"<<img src=a>", "a\n"},
        {"< img src=a>", ""},
        {"</img src=a>", ""},
        {"1 <2 <img src=a>", "a\n"},
        {"<img src=a", ""},
        {"<img src='a", ""},
        {"<img src='a><img src=b>", ""},
        {"<img src=a><img src='b", "a\n"},
    };
    (void)state;
    ASSERT_ROWS(rows);
}

static void comments_and_declarations_are_passed_over(void **state)
{
    static const struct row rows[] = {
        {"<!-- <img src=a> --><img src=b>", "b\n"},
        {"<!-- -- <img src=a> - > -> --><img src=b>", "b\n"},
        {"<!--><img src=a>-->", "a\n"},
        {"<!---><img src=a>-->", "a\n"},
        {"<!--a--!><img src=a>", "a\n"},
        {"<!--a--!-><img src=a>--><img src=b>", "b\n"},
        {"<!--a---><img src=a>", "a\n"},
        {"<!--a--1><img src=a>--><img src=b>", "b\n"},
        {"<!--a-1-><img src=a>--><img src=b>", "b\n"},
        {"<!-- <!-- <img src=a> --><img src=b>", "b\n"},
        {"<!--", ""},
        {"<!-><img src=a>", "a\n"},
        {"<!-x <img src=a>", ""},
        {"<!><img src=a>", "a\n"},
        {"<!doctype html><img src=a>", "a\n"},
        {"<?php <img src=a> ?><img src=b>", "b\n"},
        {"</ <img src=a><img src=b>", "b\n"},
        {"</><img src=a>", "a\n"},
        {"<!--[if IE]><script src=a></script><![endif]--><img src=b>", "b\n"},
    };
    (void)state;
    ASSERT_ROWS(rows);
}

static void the_text_of_scripts_and_the_like_is_no_markup(void **state)
{
    static const struct row rows[] = {
        {"<script>'<img src=a>'</script><img src=b>", "b\n"},
        {"<script>x</scriptx><img src=a></SCRIPT ><img src=b>", "b\n"},
        {"<script src=a/></script><img src=b>", "a/\nb\n"},
        {"<script/><img src=a>", ""},
        {"<script><!-- <script> </script> <img src=a> --></script><img src=b>", "b\n"},
        {"<script><!-- <script></script></script><img src=b>", "b\n"},
        {"<script><!-- </script><img src=a> -->", "a\n"},
        {"<script><!--></script><img src=a>", "a\n"},
        {"<script><!--><script></script><img src=a>", "a\n"},
        {"<script><script></script><img src=a>", "a\n"},
        {"<style>a{content:'<img src=a>'}</style><img src=b>", "b\n"},
        {"<title><img src=a></title/><img src=b>", "b\n"},
        {"<textarea><img src=a></textarea\n><img src=b>", "b\n"},
        {"<textarea></title><img src=a>", ""},
        {"<iframe src=f><img src=a></iframe>", "f\n"},
        {"<noscript><img src=a></noscript>", "a\n"},
        {"<template><img src=a></template>", "a\n"},
        {"</script><img src=a>", "a\n"},
    };
    (void)state;
    ASSERT_ROWS(rows);
}

static void character_references_are_decoded(void **state)
{
    static const struct row rows[] = {
        {"<img src='a?b&amp;c&#38;d&#x26;e&#X26;f'>", "a?b&c&d&e&f\n"},
        {"<img src='a?b&amp=c&ampd&amp'>", "a?b&amp=c&ampd&\n"},
        {"<img src='a?b&lt=1&copy=2&gt;'>", "a?b&lt=1&copy=2>\n"},
        {"<img src='&quot;&apos;&apos&QUOT;'>", "\"'&apos\"\n"},
        {"<img src='&apos;a&apos;='>", "'a'=\n"},
        {"<img src='&#xe9;&#233&#8364;&#x1f600;'>",
         "\xc3\xa9\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n"},
        {"<img src='&#0;&#xd800;&#x110000;&#99999999999999999999;'>",
         "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\n"},
        {"<img src='&#;&#x;&#xg;&;&'>", "&#;&#x;&#xg;&;&\n"},
        {"<img src=a&#47;b>", "a/b\n"},
    };
    (void)state;
    ASSERT_ROWS(rows);
}

static void candidates_of_a_srcset_are_references(void **state)
{
    static const struct row rows[] = {
        {"<img srcset='a.png'>", "a.png\n"},
        {"<img srcset='a.png 1x, b.png 2x'>", "a.png\nb.png\n"},
        {"<img srcset=' ,a.png,, b.png 100w ,c.png 2x,'>", "a.png\nb.png\nc.png\n"},
        {"<img srcset='a,b.png 1x,c.png'>", "a,b.png\nc.png\n"},
        {"<img srcset='a.png (x, y) 1x, b.png'>", "a.png\nb.png\n"},
        {"<img srcset='a.png (x, b.png'>", "a.png\n"},
        {"<img srcset='data:,a 1x, b.png?c&amp;d 2x'>", "data:,a\nb.png?c&d\n"},
        {"<img srcset=' , '>", ""},
    };
    (void)state;
    ASSERT_ROWS(rows);
}

static void the_first_base_counts(void **state)
{
    (void)state;
    assert_found("<base target=x><img src=a><base href=/b/><base href=/c/><img src=d>",
                 "a\nbase /b/\nd\n");
}

static void a_value_beyond_the_limit_is_passed_over(void **state)
{
    struct lines lines = {.length = 0};
    size_t room = SJ_REFERENCE_MAX + 64;
    char *html = malloc(room);
    (void)state;
    assert_non_null(html);
    for (size_t more = 0; more < 2; more++) {
        int length =
            snprintf(html, room, "<img src='%*s' srcset=b>", (int)(SJ_REFERENCE_MAX + more), "a");
        sj_references_find((struct sj_text){html, (size_t)length}, take, &lines);
    }
    free(html);
    lines.text[lines.length] = '\0';
    assert_string_equal(lines.text, "a\nb\nb\n");
}

/* --- pages as tools write them */

static const char vite_page[] =
    "<!doctype html>\n<html lang=\"en\">\n  <head>\n    <meta charset=\"UTF-8\" />\n"
    "    <link rel=\"icon\" type=\"image/svg+xml\" href=\"/vite.svg\" />\n"
    "    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1.0\" />\n"
    "    <title>Vite + <b>Vue</b></title>\n"
    "    <script type=\"module\" crossorigin src=\"/assets/index-C9d5XvWr.js\"></script>\n"
    "    <link rel=\"modulepreload\" crossorigin href=\"/assets/vendor-DiwrgTda.js\">\n"
    "    <link rel=\"stylesheet\" crossorigin href=\"/assets/index-BVOCwoKb.css\">\n"
    "  </head>\n  <body>\n    <div id=\"app\"></div>\n"
    "    <script nomodule>!function(){var e=document,t=e.createElement(\"script\");"
    "t.src='<script src=\"x.js\">'}();</script>\n"
    "    <script nomodule crossorigin id=\"vite-legacy-polyfill\" "
    "src=\"/assets/polyfills-legacy-B-x2Xq9k.js\"></script>\n  </body>\n</html>\n";

static const char webpack_page[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Webpack App</title>"
    "<base href=\"/shop/\"><link rel=icon href=favicon.ico>"
    "<script defer=\"defer\" src=\"runtime.1b2c3d4e5f6071829a0b.js\"></script>"
    "<script defer=\"defer\" src=\"main.4f2b1c9e.chunk.js\"></script>"
    "<link href=\"main.9b74c989.css\" rel=\"stylesheet\"></head><body>"
    "<!-- <script src=\"old.5af1c2d3.js\"></script> --><noscript><img "
    "src=img/d41d8cd98f00b204e980.png "
    "alt=\"a > b\"></noscript><div id=root></div></body></html>";

static const char django_page[] =
    "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\" \"http://www.w3.org/TR\">\n"
    "<html><head>\n<link rel=\"stylesheet\" type=\"text/css\" "
    "href=\"/static/admin/css/base.27e20196a850.css\" />\n"
    "<link rel='canonical' href='https://example.org/a?b&amp;c'>\n"
    "<style>body { background: url(\"/static/bg.d519b3bab011.png\") }</style>\n"
    "<script src=\"/static/admin/js/jquery.min.8fb8fee4fcc3.js?v=1&amp;w=2\"></script>\n"
    "</head><body>\n"
    "<img src=\"/static/logo.5af1c2d3e4f5.png\"\n     srcset=\"/static/logo.5af1c2d3e4f5.png 1x,\n"
    "             /static/logo@2x.0a1b2c3d4e5f.png 2x\" alt=\"\">\n"
    "<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw=' />\n"
    "<textarea name=\"t\">&lt;img src=\"x\"&gt; <img src=y></textarea>\n"
    "</body></html>\n";

static void pages_of_build_tools_are_read(void **state)
{
    static const struct row rows[] = {
        {vite_page, "/vite.svg\n/assets/index-C9d5XvWr.js\n/assets/vendor-DiwrgTda.js\n"
                    "/assets/index-BVOCwoKb.css\n/assets/polyfills-legacy-B-x2Xq9k.js\n"},
        {webpack_page, "base /shop/\nfavicon.ico\nruntime.1b2c3d4e5f6071829a0b.js\n"
                       "main.4f2b1c9e.chunk.js\nmain.9b74c989.css\nimg/d41d8cd98f00b204e980.png\n"},
        {django_page, "/static/admin/css/base.27e20196a850.css\nhttps://example.org/a?b&c\n"
                      "/static/admin/js/jquery.min.8fb8fee4fcc3.js?v=1&w=2\n"
                      "/static/logo.5af1c2d3e4f5.png\n/static/logo.5af1c2d3e4f5.png\n"
                      "/static/logo@2x.0a1b2c3d4e5f.png\n"
                      "data:image/gif;base64,R0lGODlhAQABAAAAACw=\n"},
    };
    (void)state;
    ASSERT_ROWS(rows);
}

/* --- resolving */

static void assert_resolves(const char *base, const char *url, const char *expected)
{
    size_t url_length = strlen(url);
    size_t base_length = strlen(base);
    char *room = malloc(base_length + url_length + 2);
    struct sj_text path;
    assert_non_null(room);
    bool is_here = sj_reference_resolve((struct sj_text){url, url_length},
                                        (struct sj_text){base, base_length}, room, &path);
    if (is_here != (expected != NULL))
        fail_msg("%s on %s: %s", url, base, is_here ? path.at : "elsewhere");
    if (is_here && (strcmp(path.at, expected) != 0 || path.length != strlen(expected)))
        fail_msg("%s on %s: %s, expected %s", url, base, path.at, expected);
    free(room);
}

static void urls_resolve_as_the_rfc_says(void **state)
{
    /* RFC 3986 section 5.4, as far as its base's path goes. */
    static const char *const rows[][2] = {
        {"g", "/b/c/g"},
        {"./g", "/b/c/g"},
        {"g/", "/b/c/g/"},
        {"/g", "/g"},
        {"?y", "/b/c/d;p"},
        {"g?y", "/b/c/g"},
        {"g#s", "/b/c/g"},
        {"g?y#s", "/b/c/g"},
        {";x", "/b/c/;x"},
        {"g;x", "/b/c/g;x"},
        {".", "/b/c/"},
        {"./", "/b/c/"},
        {"..", "/b/"},
        {"../", "/b/"},
        {"../g", "/b/g"},
        {"../..", "/"},
        {"../../", "/"},
        {"../../g", "/g"},
        {"../../../g", "/g"},
        {"/./g", "/g"},
        {"/../g", "/g"},
        {"g.", "/b/c/g."},
        {".g", "/b/c/.g"},
        {"..g", "/b/c/..g"},
        {"./../g", "/b/g"},
        {"./g/.", "/b/c/g/"},
        {"g/./h", "/b/c/g/h"},
        {"g/../h", "/b/c/h"},
        {"g;x=1/../y", "/b/c/y"},
        {"g?y/../x", "/b/c/g"},
        {"g#s/../x", "/b/c/g"},
        {"/", "/"},
        {"g//h", "/b/c/g//h"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_resolves("/b/c/d;p", rows[i][0], rows[i][1]);
}

static void urls_of_other_places_are_elsewhere(void **state)
{
    static const char *const urls[] = {
        "",       "#",       "#top",  " ",     "http://a/b", "HTTPS:b",      "data:,x",
        "blob:x", "a1+-.:b", "//a/b", "\\\\a", "/\\a",       "%zz",          "a%2",
        "a%2Fb",  "%00",     "%2fa",  "a/%",   "mailto:a",   "javascript:x",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++)
        assert_resolves("/b/c", urls[i], NULL);
    assert_resolves("", "a", NULL);
    assert_resolves("", "/a", NULL);
}

static void paths_are_decoded_once(void **state)
{
    (void)state;
    assert_resolves("/", "a%20b%25%41", "/a b%A");
    assert_resolves("/", "%2e%2E/a", "/a");
    assert_resolves("/a/", "%2e", "/a/");
    assert_resolves("/100%25/x", "a", "/100%25/a");
    assert_resolves("/", "a%3Fb%23", "/a?b#");
    assert_resolves("/", " \n a\tb\r\n\t", "/ab");
    assert_resolves("/a/b", "..\\c", "/c");
    assert_resolves("/", "\\a%5Cb", "/a\\b");
    assert_resolves("/", "a/b:c", "/a/b:c");
    assert_resolves("/", "1:b", "/1:b");
    assert_resolves("/", "\xc3\xa9", "/\xc3\xa9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_element_has_its_attributes),
        cmocka_unit_test(tags_are_read_as_browsers_do),
        cmocka_unit_test(comments_and_declarations_are_passed_over),
        cmocka_unit_test(the_text_of_scripts_and_the_like_is_no_markup),
        cmocka_unit_test(character_references_are_decoded),
        cmocka_unit_test(candidates_of_a_srcset_are_references),
        cmocka_unit_test(the_first_base_counts),
        cmocka_unit_test(a_value_beyond_the_limit_is_passed_over),
        cmocka_unit_test(pages_of_build_tools_are_read),
        cmocka_unit_test(urls_resolve_as_the_rfc_says),
        cmocka_unit_test(urls_of_other_places_are_elsewhere),
        cmocka_unit_test(paths_are_decoded_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
