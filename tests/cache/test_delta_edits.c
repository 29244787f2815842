/* SPDX-License-Identifier: MIT */
/* Whatever happens to a tree: what is made of the kept one is the same as what is made from
 * scratch. */
#include "cache/delta.h"

#include "tests/cache/builder.h"

#define ROUNDS 250

static int set_up(void **state)
{
    struct site *site = site_new();
    assert_int_equal(sj_sched_start(site->sched), 0);
    *state = site;
    return 0;
}

static int tear_down(void **state)
{
    site_free(*state);
    return 0;
}

struct dice {
    uint64_t state;
};

/* xorshift64*, G. Marsaglia, S. Vigna. */
static unsigned roll(struct dice *dice, unsigned sides)
{
    dice->state ^= dice->state >> 12;
    dice->state ^= dice->state << 25;
    dice->state ^= dice->state >> 27;
    return (unsigned)(dice->state * 2685821657736338717ULL >> 33) % sides;
}

static void pick_directory(struct dice *dice, char *path)
{
    static const char *const names[] = {"d", "e", "f"};
    int length = sprintf(path, "r%u/", roll(dice, 2));
    for (unsigned depth = roll(dice, 4); depth > 0; depth--)
        length += sprintf(path + length, "%s/", names[roll(dice, 3)]);
}

static void pick_file(struct dice *dice, char *path)
{
    static const char *const names[] = {
        "a.css", "b.js", "index.html", "404.html", "app.5af1c2d3e4f5.js", "d", "a\001b", ".hidden"};
    static const char *const endings[] = {"", "", ".gz", ".br"};
    pick_directory(dice, path);
    sprintf(path + strlen(path), "%s%s", names[roll(dice, 8)], endings[roll(dice, 4)]);
}

static const char *const texts[] = {"", "body {}", "other content", "third"};

static void write_some(struct dice *dice, const char *path)
{
    char room[256];
    const char *text = texts[roll(dice, 4)];
    size_t length = strlen(text);
    int how = roll(dice, 4) == 0 ? O_APPEND : O_TRUNC;
    int descriptor = open(path, O_WRONLY | O_CREAT | O_NONBLOCK | how, 0644);
    if (descriptor < 0)
        return;
    if (strstr(path, ".gz") != NULL && roll(dice, 4) != 0) {
        length = gzip(text, length, room, sizeof(room));
        text = room;
    }
    assert_int_equal(write(descriptor, text, length), length);
    close(descriptor);
}

/* As editors, rsync and tar do. */
static void replace(struct dice *dice, struct tree *tree, const char *path)
{
    const char *temporary = tree_path(tree, roll(dice, 2) == 0 ? "r0/.new" : "r1/visible.new");
    write_some(dice, temporary);
    (void)!rename(temporary, path);
}

static void age(struct dice *dice, const char *path)
{
    struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    times[1].tv_sec += roll(dice, 3);
    utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
}

/* Somewhere into the tree or out of it, from a directory of any depth. */
static void link_somewhere(struct dice *dice, const char *path)
{
    static const char *const targets[] = {
        "a.css", "../a.css",     "d/a.css",   "../../d/b.js",    "nothing",  "../out",
        "../e",  "e/index.html", "self/self", "../d/../b.js.gz", "f/d/b.js", "../f/d"};
    (void)!symlink(targets[roll(dice, 12)], path);
}

/* What is below a directory whose name is not served is not watched: links into it are not followed
 * by the kept tree. */
static void rename_file(const char *from, const char *to)
{
    struct stat status;
    if (lstat(from, &status) == 0 && !S_ISDIR(status.st_mode))
        (void)!rename(from, to);
}

static void edit_directory(struct dice *dice, struct tree *tree)
{
    char from[128];
    char to[128];
    pick_directory(dice, from);
    pick_directory(dice, to);
    unsigned what = roll(dice, 6);
    if (what < 4)
        mkdir(tree_path(tree, from), 0755);
    else if (strlen(from) > strlen("r0/") && what == 4)
        nftw(tree_path(tree, from), tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    else if (strlen(from) > strlen("r0/"))
        (void)!rename(tree_path(tree, from), tree_path(tree, to));
}

static void edit_file(struct dice *dice, struct tree *tree)
{
    char name[128];
    char other[128];
    pick_file(dice, name);
    pick_file(dice, other);
    const char *path = tree_path(tree, name);
    switch (roll(dice, 10)) {
    case 0:
        replace(dice, tree, path);
        break;
    case 1:
        unlink(path);
        break;
    case 2:
        rename_file(path, tree_path(tree, other));
        break;
    case 3:
        (void)!link(path, tree_path(tree, other));
        break;
    case 4:
        age(dice, path);
        break;
    case 5:
        link_somewhere(dice, path);
        break;
    case 6:
        mkfifo(path, 0644);
        break;
    case 7:
        chmod(path, roll(dice, 2) == 0 ? 0644 : 0);
        break;
    default:
        write_some(dice, path);
    }
}

/* One edit; what cannot be done is left. */
static void edit(struct dice *dice, struct tree *tree)
{
    if (roll(dice, 4) == 0)
        edit_directory(dice, tree);
    else
        edit_file(dice, tree);
}

/* Or both empty. */
static bool are_same(struct sj_text a, struct sj_text b)
{
    return a.length == b.length && (a.length == 0 || sj_text_equals(a, b));
}

static void assert_same_entry(const struct sj_entry *a, const struct sj_entry *b)
{
    if (b == NULL)
        fail_msg("no %.*s", (int)a->path.length, a->path.at);
    bool is_same = a->kind == b->kind && a->is_immutable == b->is_immutable &&
                   a->modified == b->modified && are_same(a->fields, b->fields) &&
                   are_same(a->type, b->type) && are_same(a->location, b->location) &&
                   strcmp(a->root->path, b->root->path) == 0;
    for (int i = 0; i < SJ_CODINGS; i++) {
        const struct sj_representation *x = &a->representations[i];
        const struct sj_representation *y = &b->representations[i];
        is_same = is_same && (x->file == NULL) == (y->file == NULL) &&
                  (x->file == NULL || (memcmp(x->file->digest, y->file->digest, 16) == 0 &&
                                       strcmp(x->source, y->source) == 0));
    }
    if (!is_same)
        fail_msg("%.*s differs:\n%.*s\n%.*s", (int)a->path.length, a->path.at,
                 (int)a->fields.length, a->fields.at, (int)b->fields.length, b->fields.at);
}

static char *print(const struct sj_generation *generation)
{
    char *text = NULL;
    size_t length = 0;
    FILE *to = open_memstream(&text, &length);
    assert_int_equal(sj_generation_print(generation, to), 0);
    fclose(to);
    return text;
}

/* URLs, etags, codings, faults, totals; then each entry; then counts. */
static void assert_same(const struct sj_generation *a, const struct sj_generation *b)
{
    ck_hs_iterator_t iterator = CK_HS_ITERATOR_INITIALIZER;
    const struct sj_entry *entry;
    char *x = print(a);
    char *y = print(b);
    size_t at = 0;
    size_t line = 0;
    for (; x[at] == y[at] && x[at] != '\0'; at++)
        line = x[at] == '\n' ? at + 1 : line;
    if (x[at] != y[at])
        fail_msg("kept: %.200s\nfrom scratch: %.200s", x + line, y + line);
    free(x);
    free(y);
    while ((entry = sj_set_next(&a->entries, &iterator)) != NULL)
        assert_same_entry(entry, sj_set_find(&b->entries, &entry->path));
    assert_true((a->not_found == NULL) == (b->not_found == NULL));
    assert_int_equal(a->summary.n_added, b->summary.n_added);
    assert_int_equal(a->summary.n_changed, b->summary.n_changed);
    assert_int_equal(a->summary.n_removed, b->summary.n_removed);
    assert_int_equal(a->summary.n_unchanged, b->summary.n_unchanged);
}

/* Of the files of all names, each counted once. */
static uint64_t sum_held(const struct sj_stock *stock)
{
    const struct sj_file *seen[4096];
    size_t n = 0;
    uint64_t sum = 0;
    for (size_t i = 0; i < stock->n_scans; i++) {
        struct sj_scan_directory *top = stock->scans[i].top;
        for (struct sj_scan_directory *at = top; at != NULL; at = sj_scan_next(at, top))
            for (size_t k = 0; k < at->n_files; k++) {
                size_t is_new = 0;
                while (is_new < n && seen[is_new] != at->files[k].file)
                    is_new++;
                if (is_new < n || at->files[k].file == NULL)
                    continue;
                assert_in_range(n, 0, 4095);
                seen[n++] = at->files[k].file;
                sum += at->files[k].file->is_held ? at->files[k].file->length : 0;
            }
    }
    return sum;
}

/* Makes the next generation from what is kept, and from nothing. */
static void compare_with_scratch(struct builder *builder, enum sj_build_extent extent)
{
    struct sj_stock *stock = sj_stock_new();
    struct sj_build scratch = {.settings = builder->settings,
                               .before = builder->current,
                               .stock = stock,
                               .is_cancelled = &builder->is_cancelled,
                               .extent = SJ_BUILD_ALL};
    stock->serial = 1000000;
    builder_begin(builder, scratch);
    assert_int_equal(builder_end(builder), 0);
    struct sj_generation *expected = builder->made;
    assert_int_equal(builder_go_on(builder, extent), 0);
    assert_int_equal(builder->current->summary.n_held_bytes, sum_held(builder->stock));
    expected->summary.n_held_bytes = builder->current->summary.n_held_bytes;
    assert_same(builder->current, expected);
    sj_generation_release(expected);
    sj_stock_free(stock);
}

/* Two roots, one below the other's prefix.  When links may leave them, the second lies in the first
 * as well, so that they find nothing that is not scanned. */
static struct builder *start(struct site *site, const char *prefix, struct dice *dice)
{
    static char roots[2][128];
    static const char *const list[2] = {roots[0], roots[1]};
    mkdir(tree_path(site->tree, "r0"), 0755);
    mkdir(tree_path(site->tree, "r1"), 0755);
    tree_write(site->tree, "out/a.css", "body {}");
    snprintf(roots[0], sizeof(roots[0]), "%s%s", site->tree->path,
             site->config.follows_symlinks ? "" : "/r0");
    snprintf(roots[1], sizeof(roots[1]), "%s=%s/r1", prefix, site->tree->path);
    site->config.roots = list;
    site->config.n_roots = 2;
    for (int i = 0; i < 100; i++)
        edit(dice, site->tree);
    return builder_new(site);
}

static void cancel_one(struct builder *builder)
{
    builder->is_cancelled = 1;
    assert_int_equal(builder_go_on(builder, SJ_BUILD_CHANGES), -ECANCELED);
    builder->is_cancelled = 0;
}

static void test_edits(struct site *site, const char *prefix, uint64_t seed)
{
    struct dice dice = {seed};
    struct builder *builder = start(site, prefix, &dice);
    for (int i = 0; i < ROUNDS; i++) {
        for (unsigned n = 1 + roll(&dice, 6); n > 0; n--)
            edit(&dice, site->tree);
        if (roll(&dice, 20) == 0)
            cancel_one(builder);
        compare_with_scratch(builder, roll(&dice, 10) == 0 ? SJ_BUILD_ALL : SJ_BUILD_CHANGES);
    }
    builder_free(builder);
}

static void edits_come_out_as_from_scratch(void **state)
{
    test_edits(*state, "", 88172645463325252ULL);
}

static void edits_under_a_prefix_come_out_as_from_scratch(void **state)
{
    test_edits(*state, "d/e", 1181783497276652981ULL);
}

static void edits_of_dot_names_come_out_as_from_scratch(void **state)
{
    struct site *site = *state;
    site->config.serves_dotfiles = true;
    test_edits(site, "", 2685821657736338717ULL);
}

static void edits_with_links_that_leave_come_out_as_from_scratch(void **state)
{
    struct site *site = *state;
    site->config.follows_symlinks = true;
    test_edits(site, "d", 7809847782465536322ULL);
}

/* A build may see half of them, the one after it has to see all. */
static void edits_during_a_build_come_out_with_the_next(void **state)
{
    struct site *site = *state;
    struct dice dice = {3935559000370003845ULL};
    struct builder *builder = start(site, "", &dice);
    for (int i = 0; i < ROUNDS; i++) {
        edit(&dice, site->tree);
        builder_begin_next(builder, roll(&dice, 10) == 0 ? SJ_BUILD_ALL : SJ_BUILD_CHANGES);
        for (unsigned n = 1 + roll(&dice, 20); n > 0; n--)
            edit(&dice, site->tree);
        assert_int_equal(builder_end_next(builder), 0);
        compare_with_scratch(builder, SJ_BUILD_CHANGES);
    }
    builder_free(builder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(edits_come_out_as_from_scratch),
        TEST(edits_under_a_prefix_come_out_as_from_scratch),
        TEST(edits_of_dot_names_come_out_as_from_scratch),
        TEST(edits_with_links_that_leave_come_out_as_from_scratch),
        TEST(edits_during_a_build_come_out_with_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
