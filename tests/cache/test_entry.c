/* SPDX-License-Identifier: MIT */
#include "cache/entry.h"

#include "cache/recipe.h"
#include "tests/cache/tree.h"

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
        fixture->files[i] = calloc(1, sizeof(struct sj_file));
        fixture->files[i]->references = 1;
        fixture->files[i]->descriptor = -1;
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

static void representations_with_the_same_bytes_have_different_etags(void **state)
{
    struct fixture *fixture = *state;
    char whole[] = "/p/a.css";
    struct sj_recipe recipe = recipe_for(fixture, SJ_RECIPE_FILE, whole);
    struct sj_entry *entry = sj_recipe_make(&recipe, fixture->room);
    for (int i = 0; i < SJ_CODINGS; i++)
        for (int j = 0; j < i; j++)
            assert_false(
                sj_text_equals(entry->representations[i].etag, entry->representations[j].etag));
    sj_entry_release(entry);
}

static void fields_of_a_representation_name_its_coding(void **state)
{
    struct fixture *fixture = *state;
    char whole[] = "/p/d/a.css";
    struct sj_recipe recipe = recipe_for(fixture, SJ_RECIPE_FILE, whole);
    struct sj_entry *entry = sj_recipe_make(&recipe, fixture->room);
    const struct sj_representation *zstd = &entry->representations[SJ_ZSTD];
    assert_true(sj_text_equals(zstd->fields, SJ_TEXT("ETag: \"AAAAAAAAAAAAAAAAAAAAAA.zst\"\r\n"
                                                     "Content-Encoding: zstd\r\n")));
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
    assert_true(sj_text_equals(entry->fields, SJ_TEXT("Cache-Control: max-age=60, public\r\n"
                                                      "Vary: Accept-Encoding\r\n")));
    for (int i = 0; i < SJ_CODINGS; i++)
        assert_null(memchr(entry->representations[i].fields.at, '#',
                           entry->representations[i].fields.length));
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(representations_with_the_same_bytes_have_different_etags),
        TEST(fields_of_a_representation_name_its_coding),
        TEST(nothing_of_an_entry_lies_in_the_room),
        TEST(a_recipe_fits_what_it_made_and_nothing_else),
        TEST(locations_are_relative_and_encoded),
        TEST(the_last_release_drops_files_and_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
