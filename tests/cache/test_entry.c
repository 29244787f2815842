/* SPDX-License-Identifier: MIT */
/* Linked with: -Wl,--wrap=malloc */
#include "cache/entry.h"

#include "cache/recipe.h"
#include "tests/cache/tree.h"

#define BLOCK_HEAD 8 /* what the C library adds to a block */

static size_t n_allocated; /* octets, by this program's own code */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    n_allocated += size + BLOCK_HEAD;
    return __real_malloc(size);
}

struct fixture {
    struct sj_settings *settings;
    struct sj_root *root;
    struct sj_file *files[SJ_CODINGS]; /* all with the same bytes */
    char *room;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct sj_index_config config = {.max_age_s = 60};
    struct sj_root_spec spec = {.prefix = "/p/", .path = "/"};
    char error[128];
    assert_int_equal(sj_settings_new(&config, &fixture->settings, error, sizeof(error)), 0);
    assert_int_equal(sj_root_new(&spec, &fixture->root), 0);
    for (int i = 0; i < SJ_CODINGS; i++) {
        struct sj_disk_file *made = sj_disk_file_new(NULL, 0);
        assert_non_null(made);
        fixture->files[i] = &made->file;
    }
    fixture->room = malloc(sj_recipe_room(NULL));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    sj_settings_free(fixture->settings);
    sj_root_release(fixture->root);
    for (int i = 0; i < SJ_CODINGS; i++)
        sj_file_release(fixture->files[i]);
    free(fixture->room);
    free(fixture);
    return 0;
}

static struct sj_recipe recipe_for(struct fixture *fixture, enum sj_recipe_kind kind, char *whole)
{
    struct sj_recipe recipe = {.kind = kind,
                               .settings = fixture->settings,
                               .root = fixture->root,
                               .whole = whole,
                               .path_length = strlen(whole),
                               .now = 1000};
    if (kind == SJ_RECIPE_FILE)
        memcpy(recipe.files, fixture->files, sizeof(recipe.files));
    return recipe;
}

static void tags_of_the_same_octets_differ_between_codings(void **state)
{
    static const char *const expected[SJ_CODINGS] = {
        "\"AAAAAAAAAAAAAAAAAAAAAA\"", "\"AAAAAAAAAAAAAAAAAAAAAA.gz\"",
        "\"AAAAAAAAAAAAAAAAAAAAAA.br\"", "\"AAAAAAAAAAAAAAAAAAAAAA.zst\""};
    const uint8_t digest[16] = {0};
    (void)state;
    for (int i = 0; i < SJ_CODINGS; i++) {
        char room[SJ_ETAG_MAX];
        struct sj_text etag = sj_etag(room, digest, i);
        assert_true(sj_text_equals(etag, (struct sj_text){expected[i], strlen(expected[i])}));
    }
}

/* Base64 of RFC 4648 section 5, bit by bit. */
static void a_tag_is_the_digest_in_base64url(void **state)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (void)state;
    for (unsigned seed = 0; seed < 1000; seed++) {
        char room[SJ_ETAG_MAX];
        uint8_t digest[16];
        for (size_t i = 0; i < sizeof(digest); i++)
            digest[i] = (uint8_t)((seed * 2654435761U + i * 40503U) >> 7);
        struct sj_text etag = sj_etag(room, digest, SJ_IDENTITY);
        assert_int_equal(etag.length, 24);
        for (size_t i = 0; i < 22; i++) {
            unsigned value = 0;
            for (size_t bit = 6 * i; bit < 6 * i + 6; bit++)
                value = value << 1 | (bit < 128 && digest[bit / 8] >> (7 - bit % 8) & 1);
            assert_int_equal(etag.at[1 + i], digits[value]);
        }
    }
}

static void sidecars_have_the_names_of_their_files(void **state)
{
    struct fixture *fixture = *state;
    char whole[] = "/p/d/a.css";
    struct sj_recipe recipe = recipe_for(fixture, SJ_RECIPE_FILE, whole);
    struct sj_entry *entry = sj_recipe_make(&recipe, fixture->room);
    const struct sj_representation *zstd = &entry->representations[SJ_ZSTD];
    assert_string_equal(zstd->source, "d/a.css.zst");
    assert_string_equal(entry->representations[SJ_IDENTITY].source, "d/a.css");
    sj_entry_release(entry);
}

static void nothing_of_an_entry_lies_in_the_room(void **state)
{
    struct fixture *fixture = *state;
    char whole[] = "/p/a.css";
    struct sj_recipe recipe = recipe_for(fixture, SJ_RECIPE_FILE, whole);
    struct sj_entry *entry = sj_recipe_make(&recipe, fixture->room);
    memset(fixture->room, '#', sj_recipe_room(NULL));
    memset(whole, '#', sizeof(whole) - 1);
    assert_true(sj_text_equals(entry->path, SJ_TEXT("/p/a.css")));
    assert_true(sj_text_equals(entry->fields, SJ_TEXT("Cache-Control: max-age=60, public\r\n")));
    for (int i = 0; i < SJ_CODINGS; i++)
        assert_null(strchr(entry->representations[i].source, '#'));
    sj_entry_release(entry);
}

static void a_recipe_fits_what_it_made_and_nothing_else(void **state)
{
    struct fixture *fixture = *state;
    char whole[] = "/p/a.css";
    struct sj_recipe recipe = recipe_for(fixture, SJ_RECIPE_FILE, whole);
    struct sj_entry *entry = sj_recipe_make(&recipe, fixture->room);
    assert_true(sj_recipe_fits(&recipe, entry));
    for (int i = 0; i < SJ_CODINGS; i++) {
        recipe.files[i] = NULL;
        assert_false(sj_recipe_fits(&recipe, entry));
        recipe.files[i] = fixture->files[i];
    }
    recipe.root = NULL;
    assert_false(sj_recipe_fits(&recipe, entry));
    recipe = recipe_for(fixture, SJ_RECIPE_TO_PAGE, whole);
    assert_false(sj_recipe_fits(&recipe, entry));
    sj_entry_release(entry);
}

static void locations_are_relative_and_encoded(void **state)
{
    static const char *const table[][2] = {
        {"/p/a", "a/"},
        {"/p", "p/"},
        {"/p/x/a b", "a%20b/"},
        {"/p/a:b", "./a:b/"},
        {"/p/%", "%25/"},
        {"/p/\xc3\xa4", "%C3%A4/"},
        {"/p/a?b#c", "a%3Fb%23c/"},
        {"/p/a\\b", "a%5Cb/"},
        {"/p/a=b&c", "a=b&c/"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        char whole[64];
        strcpy(whole, table[i][0]);
        struct sj_recipe recipe = recipe_for(fixture, SJ_RECIPE_TO_DIRECTORY, whole);
        struct sj_entry *entry = sj_recipe_make(&recipe, fixture->room);
        struct sj_text expected = {table[i][1], strlen(table[i][1])};
        assert_true(sj_text_equals(entry->location, expected));
        sj_entry_release(entry);
    }
}

static void the_last_release_drops_files_and_root(void **state)
{
    struct fixture *fixture = *state;
    char whole[] = "/p/a.css";
    struct sj_recipe recipe = recipe_for(fixture, SJ_RECIPE_FILE, whole);
    struct sj_entry *entry = sj_recipe_make(&recipe, fixture->room);
    assert_int_equal(fixture->files[SJ_BR]->references, 2);
    assert_int_equal(fixture->root->references, 2);
    sj_entry_acquire(entry);
    sj_entry_release(entry);
    assert_int_equal(fixture->files[SJ_BR]->references, 2);
    sj_entry_release(entry);
    assert_int_equal(fixture->files[SJ_BR]->references, 1);
    assert_int_equal(fixture->root->references, 1);
}

/* Of the 1,024 that an index may take for a URL, without bodies.  The rest is for the register, the
 * trees as they were scanned, and sets. */
static void an_entry_with_three_variants_in_memory_takes_704_octets_at_most(void **state)
{
    struct fixture *fixture = *state;
    char whole[] = "/p/articles/2026/a-page-with-a-name-of-common-length.html";
    struct sj_recipe recipe = recipe_for(fixture, SJ_RECIPE_FILE, whole);
    n_allocated = 0;
    recipe.files[SJ_IDENTITY] = &sj_disk_file_new(NULL, 0)->file;
    sj_on_disk(recipe.files[SJ_IDENTITY])->identity.modified_ns = INT64_C(500000000000);
    for (int i = SJ_GZIP; i < SJ_CODINGS; i++) {
        recipe.files[i] = sj_file_new(NULL, 0);
        recipe.is_own[i] = true;
    }
    struct sj_entry *entry = sj_recipe_make(&recipe, fixture->room);
    assert_in_range(n_allocated, 1, 704);
    for (int i = 0; i < SJ_CODINGS; i++)
        sj_file_release(recipe.files[i]);
    sj_entry_release(entry);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tags_of_the_same_octets_differ_between_codings),
        TEST(a_tag_is_the_digest_in_base64url),
        TEST(sidecars_have_the_names_of_their_files),
        TEST(nothing_of_an_entry_lies_in_the_room),
        TEST(a_recipe_fits_what_it_made_and_nothing_else),
        TEST(locations_are_relative_and_encoded),
        TEST(the_last_release_drops_files_and_root),
        TEST(an_entry_with_three_variants_in_memory_takes_704_octets_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
