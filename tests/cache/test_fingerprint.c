/* SPDX-License-Identifier: MIT */
#include "cache/fingerprint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

static const char *const hashed[] = {
    /* Django */
    "/static/app.5af1c2d3e4f5.js",
    "/static/css/base.27e20196a850.css",
    "/static/app.min.5af1c2d3e4f5.js",
    "/static/admin/img/icon-addlink.d519b3bab011.svg",
    "/fonts/a.b.c.0a1b2c3d4e5f.woff2",
    /* webpack */
    "/app.5af1c2d3.js",
    "/main.4f2b1c9e.chunk.css",
    "/main.4f2b1c9e.js.map",
    "/app-5af1c2d3.js",
    "/vendors~main.0a1b2c3d4e5f60718293.js",
    "/runtime-1b2c3d4e5f6071829a.js",
    "/main-0123456789abcdef.js",
    "/img/d41d8cd98f00b204e980.png",
    "/app.9b74c9897bac770ffc029102a200c5de.css",
    "/app.e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.js",
    /* Vite */
    "/assets/app-BqX2f_9a.js",
    "/assets/index-DiwrgTda.js",
    "/assets/index-BVOCwoKb.css",
    "/assets/index-C9d5XvWr.js",
    "/assets/index-legacy-C9d5XvWr.js",
    "/assets/vendor-B-x2Xq9k.js.map",
};

static const char *const plain[] = {
    "/",
    "",
    "/.",
    "/...",
    "/-.js",
    "/index.html",
    "/app-settings.js",
    "/jquery-migrate.js",
    "/jquery-3.7.1.min.js",
    "/style-darkmode.css",
    "/style-DarkMode.css",
    "/app.production.js",
    "/bundle.deadbeef.js",
    "/app.facade.js",
    "/menu.cafe2024.pdf",
    "/game-face2face.js",
    "/report-20240131.pdf",
    "/report.20240131.pdf",
    "/report-2024-01-31.pdf",
    "/backup-202401311200.tar.gz",
    "/report.20240131b.pdf",
    "/package-1.2.3.tar.gz",
    "/v1.0-5af1c2d.js",
    "/phone-iPhone12.png",
    "/book-Chapter1.html",
    "/book-Ch1Page2.jpg",
    "/photo-Img_1234.jpg",
    "/photo-IMG_1234.jpg",
    "/guide-HTML5CSS.pdf",
    "/guide-MP3Files.pdf",
    "/about-MacOSX10.html",
    "/about-GitHubCI.html",
    "/about-McDonald.html",
    "/theme-ui-Theme.css",
    "/hash-5af1c2d3",
    "/5af1c2d3/app.js",
    "/5af1c2d3.js",
    "/app.5AF1C2D3.js",
    "/app.5af1c2d3",
    "/user-550e8400-e29b-41d4-a716-4466554400aa.png",
    "/app-BqX2f_9a/index.js",
};

static void names_with_a_hash_are_recognised(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(hashed) / sizeof(*hashed); i++) {
        struct sj_text path = {hashed[i], strlen(hashed[i])};
        if (!sj_fingerprint_is_in(path))
            fail_msg("not recognised: %s", hashed[i]);
    }
}

static void words_dates_and_versions_are_no_hash(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
        struct sj_text path = {plain[i], strlen(plain[i])};
        if (sj_fingerprint_is_in(path))
            fail_msg("taken for a hash: %s", plain[i]);
    }
}

/* A generator with a fixed seed: 1,000 names as Vite writes them. */
static void two_thirds_of_random_tails_are_recognised(void **state)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint64_t seed = 1;
    unsigned n = 0;
    (void)state;
    for (int i = 0; i < 1000; i++) {
        char name[] = "/assets/index-00000000.js";
        for (char *at = name + 14; at < name + 22; at++) {
            seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
            *at = alphabet[seed >> 58];
        }
        n += sj_fingerprint_is_in((struct sj_text){name, sizeof(name) - 1});
    }
    assert_in_range(n, 667, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_with_a_hash_are_recognised),
        cmocka_unit_test(words_dates_and_versions_are_no_hash),
        cmocka_unit_test(two_thirds_of_random_tails_are_recognised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
