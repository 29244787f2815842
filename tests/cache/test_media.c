/* SPDX-License-Identifier: MIT */
#include "cache/media.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

static void assert_type(const struct sj_media *media, const char *name, const char *type)
{
    struct sj_text found = sj_media_type(media, name);
    if (!sj_text_equals(found, (struct sj_text){type, strlen(type)}))
        fail_msg("%s: %.*s, expected %s", name, (int)found.length, found.at, type);
}

static struct sj_media *new_media(const char *const *rows, size_t n)
{
    struct sj_media *media = NULL;
    char error[128];
    assert_int_equal(sj_media_new(rows, n, &media, error, sizeof(error)), 0);
    return media;
}

static void names_have_their_types(void **state)
{
    static const char *const table[][2] = {
        {"a.html", "text/html; charset=utf-8"},
        {"a.css", "text/css; charset=utf-8"},
        {"a.js", "text/javascript; charset=utf-8"},
        {"a.mjs", "text/javascript; charset=utf-8"},
        {"a.cjs", "text/javascript; charset=utf-8"},
        {"a.txt", "text/plain; charset=utf-8"},
        {"a.csv", "text/csv; charset=utf-8"},
        {"a.wgsl", "text/wgsl; charset=utf-8"},
        {"a.json", "application/json"},
        {"a.map", "application/json"},
        {"a.jsonld", "application/ld+json"},
        {"a.geojson", "application/geo+json"},
        {"a.webmanifest", "application/manifest+json"},
        {"a.yaml", "application/yaml"},
        {"a.toml", "application/toml"},
        {"a.svg", "image/svg+xml"},
        {"a.png", "image/png"},
        {"a.jpg", "image/jpeg"},
        {"a.avif", "image/avif"},
        {"a.jxl", "image/jxl"},
        {"a.heic", "image/heic"},
        {"a.apng", "image/apng"},
        {"a.ttf", "font/ttf"},
        {"a.otf", "font/otf"},
        {"a.ttc", "font/collection"},
        {"a.woff2", "font/woff2"},
        {"a.wav", "audio/wav"},
        {"a.flac", "audio/flac"},
        {"a.opus", "audio/ogg"},
        {"a.aac", "audio/aac"},
        {"a.ogv", "video/ogg"},
        {"a.mkv", "video/matroska"},
        {"a.mpd", "application/dash+xml"},
        {"a.m4s", "video/iso.segment"},
        {"a.mp4", "video/mp4"},
        {"a.glb", "model/gltf-binary"},
        {"a.gltf", "model/gltf+json"},
        {"a.wasm", "application/wasm"},
        {"a.zst", "application/zstd"},
        {"a.br", "application/x-brotli"},
        {"a.gz", "application/gzip"},
        {"a.tar", "application/x-tar"},
        {"a.pdf", "application/pdf"},
        {"A.HTML", "text/html; charset=utf-8"},
        {"a.tar.gz", "application/gzip"},
        {"apple-app-site-association", "application/json"},
        {"crossdomain.xml", "text/x-cross-domain-policy; charset=utf-8"},
        {"CrossDomain.XML", "text/x-cross-domain-policy; charset=utf-8"},
        {"other.xml", "application/xml"},
        {"html", "application/octet-stream"},
        {"a.", "application/octet-stream"},
        {"a.unknown", "application/octet-stream"},
        {"", "application/octet-stream"},
    };
    struct sj_media *media = new_media(NULL, 0);
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
        assert_type(media, table[i][0], table[i][1]);
    sj_media_free(media);
}

/* The search is binary: each row is found only if all are in order. */
static void every_row_is_found(void **state)
{
#define SJ_MEDIA(name, type)   {name, type},
#define SJ_TEXTUAL(name, type) {name, type "; charset=utf-8"},
    static const char *const rows[][2] = {
#include "cache/media_rows.h"
    };
    struct sj_media *media = new_media(NULL, 0);
    char name[64];
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        bool is_whole = rows[i][0][0] == '/';
        snprintf(name, sizeof(name), "%s%s", is_whole ? "" : "x.", rows[i][0] + is_whole);
        assert_type(media, name, rows[i][1]);
    }
    sj_media_free(media);
}

static void given_rows_win_and_the_last_of_them(void **state)
{
    static const char *const rows[] = {".html=text/x-own", ".FOO=a/b", ".foo=a/c"};
    struct sj_media *media = new_media(rows, 3);
    (void)state;
    assert_type(media, "a.html", "text/x-own");
    assert_type(media, "a.Foo", "a/c");
    assert_type(media, "a.css", "text/css; charset=utf-8");
    sj_media_free(media);
}

static void a_row_of_another_form_is_refused(void **state)
{
    static const char *const rows[] = {
        "", "html=a/b", ".html", ".=a/b", ".a=", ".a=ab", ".a=/b", ".a=a/", ".a=a/b\n", ".a"};
    char error[256];
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct sj_media *media = NULL;
        error[0] = '\0';
        assert_int_equal(sj_media_new(&rows[i], 1, &media, error, sizeof(error)), -EINVAL);
        assert_non_null(strstr(error, "--type"));
    }
}

static void very_long_names_have_no_type(void **state)
{
    struct sj_media *media = new_media(NULL, 0);
    char name[300];
    (void)state;
    memset(name, 'a', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_type(media, name, "application/octet-stream");
    name[1] = '.';
    assert_type(media, name, "application/octet-stream");
    memcpy(name + sizeof(name) - 6, ".html", 6);
    assert_type(media, name, "text/html; charset=utf-8");
    sj_media_free(media);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_have_their_types),
        cmocka_unit_test(every_row_is_found),
        cmocka_unit_test(given_rows_win_and_the_last_of_them),
        cmocka_unit_test(a_row_of_another_form_is_refused),
        cmocka_unit_test(very_long_names_have_no_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
