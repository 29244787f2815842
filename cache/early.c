/* SPDX-License-Identifier: MIT */
#include "cache/early.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "cache/recipe.h"

/* A prefix, a path, the ending of a sidecar. */
#define WHOLE_MAX (PATH_MAX + 2048)

/* What a URL path would name below one root.  Calls answer 0; -ENOENT: nothing, so the root before
 * this one counts; -EAGAIN: the build will say. */
struct search {
    const struct sj_settings *settings;
    struct sj_root *root;
    struct sj_text path;
    char *below; /* the root, in `whole`: the file */
    char whole[WHOLE_MAX];
};

/* Puts the name together, as far as the path alone tells that there may be a file. */
static int set_name(struct search *search)
{
    struct sj_text path = search->path;
    const char *page = search->settings->index_file;
    size_t prefix_length = strlen(search->root->prefix);
    bool is_top = path.length + 1 == prefix_length; /* without its slash: perhaps a redirect */
    if (path.length < prefix_length - is_top ||
        memcmp(path.at, search->root->prefix, prefix_length - is_top) != 0)
        return -ENOENT;
    if (is_top)
        return -EAGAIN;
    bool is_page = path.at[path.length - 1] == '/';
    if (is_page && page == NULL)
        return -ENOENT;
    if (path.length - prefix_length + (is_page ? strlen(page) : 0) + 2 > PATH_MAX)
        return -EAGAIN;
    strcpy(mempcpy(search->whole, path.at, path.length), is_page ? page : "");
    search->below = search->whole + prefix_length;
    const char *name = strrchr(search->whole, '/') + 1;
    if (!is_page && page != NULL && strcmp(name, page) == 0) /* a redirect */
        return -EAGAIN;
    return sj_is_nameable(search->whole) ? 0 : -EAGAIN;
}

static bool has_ending(const char *name, struct sj_text ending)
{
    size_t length = strlen(name);
    return length >= ending.length && strcmp(name + length - ending.length, ending.at) == 0;
}

/* Is it a sidecar, or has it one? */
static bool has_to_do_with_sidecars(struct search *search)
{
    char *end = search->whole + strlen(search->whole);
    struct stat status;
    bool is_alone = true;
    for (int i = SJ_GZIP; is_alone && i < SJ_CODINGS; i++)
        is_alone = !has_ending(search->whole, sj_coding_endings[i]);
    for (int i = SJ_GZIP; is_alone && i < SJ_CODINGS; i++) {
        strcpy(end, sj_coding_endings[i].at);
        is_alone =
            fstatat(search->root->descriptor, search->below, &status, AT_SYMLINK_NOFOLLOW) < 0 &&
            errno == ENOENT;
    }
    *end = '\0';
    return !is_alone;
}

/* `below` ends with that name for now. */
static bool is_served(const struct search *search, const char *name)
{
    if (name[0] != '.')
        return name[0] != '\0';
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
           (search->settings->serves_dotfiles ||
            sj_root_is_well_known(search->root, search->below));
}

/* A directory that may be passed but not listed hides its files from the scan. */
static int check_directory(const struct search *search, const char *name)
{
    if (!is_served(search, name))
        return -EAGAIN;
    if (faccessat(search->root->descriptor, search->below, R_OK, AT_EACCESS) == 0)
        return 0;
    return errno == ENOENT ? -ENOENT : -EAGAIN;
}

static int check_names(struct search *search)
{
    char *name = search->below;
    char *slash;
    int error = 0;
    while (error == 0 && (slash = strchr(name, '/')) != NULL) {
        *slash = '\0';
        error = check_directory(search, name);
        *slash = '/';
        name = slash + 1;
    }
    return error != 0 || is_served(search, name) ? error : -EAGAIN;
}

/* What there is now, without opening it: a FIFO would notice. */
static int look(const struct search *search, struct sj_identity *identity)
{
    struct stat status;
    int error = sj_root_look(search->root, search->below, &status);
    if (error != 0)
        return error == -ENOENT ? -ENOENT : -EAGAIN;
    sj_identity_of(&status, identity);
    return S_ISREG(status.st_mode) ? 0 : -EAGAIN;
}

/* Opened for the response to send, and still as it was looked at. */
static int open_known(const struct search *search, struct sj_file *file)
{
    struct sj_identity identity;
    int descriptor = sj_root_open(search->root, search->below, &identity);
    if (descriptor < 0)
        return -EAGAIN;
    file->descriptor = descriptor;
    return sj_identity_equals(&identity, &sj_on_disk(file)->identity) ? 0 : -EAGAIN;
}

static int find_file(struct search *search, const struct sj_ledger *ledger, struct sj_file **file)
{
    struct sj_identity identity;
    int error = set_name(search);
    if (error == 0)
        error = check_names(search);
    if (error == 0)
        error = look(search, &identity);
    if (error != 0)
        return error;
    if (has_to_do_with_sidecars(search))
        return -EAGAIN;
    *file = sj_ledger_find(ledger, &identity);
    return *file == NULL ? -EAGAIN : open_known(search, *file);
}

/* With a time to come the build's own would be the Last-Modified. */
static struct sj_entry *make(struct search *search, const struct sj_rules *rules,
                             struct sj_file *file)
{
    struct sj_recipe recipe = {.kind = SJ_RECIPE_FILE,
                               .settings = search->settings,
                               .rules = rules,
                               .root = search->root,
                               .whole = search->whole,
                               .path_length = search->path.length,
                               .files[SJ_IDENTITY] = file,
                               .now = time(NULL)};
    if (sj_on_disk(file)->identity.modified_ns / 1000000000 > recipe.now)
        return NULL;
    char *room = malloc(sj_recipe_room(rules));
    struct sj_entry *made = room == NULL ? NULL : sj_recipe_make(&recipe, room);
    free(room);
    return made;
}

struct sj_entry *sj_early_find(const struct sj_generation *first,
                               const struct sj_settings *settings, struct sj_text path)
{
    struct search search = {.settings = settings, .path = path};
    struct sj_file *file = NULL;
    struct sj_entry *made = NULL;
    int error = first->ledger == NULL ? -EAGAIN : -ENOENT;
    for (size_t i = first->n_roots; error == -ENOENT && i-- > 0;) {
        search.root = first->roots[i];
        error = find_file(&search, first->ledger, &file);
    }
    if (error == 0)
        made = make(&search, first->rules, file);
    sj_file_release(file);
    return made;
}
