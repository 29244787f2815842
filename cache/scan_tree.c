/* SPDX-License-Identifier: MIT */
#include "cache/scan_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "cache/sheaf.h"

struct sj_scan_directory *sj_scan_directory_new(struct sj_scan *scan,
                                                struct sj_scan_directory *parent, const char *name)
{
    size_t before = parent == NULL ? 0 : parent->path_length;
    size_t length = strlen(name);
    struct sj_scan_directory *made = malloc(sizeof(*made) + before + length + 2);
    if (made == NULL)
        return NULL;
    *made = (struct sj_scan_directory){
        .task = {.run = sj_scan_run}, .scan = scan, .parent = parent, .watch = -1};
    if (parent != NULL) {
        memcpy(made->path, parent->path, before);
        memcpy(made->path + before, name, length);
        made->path[before + length] = '/';
        made->path_length = before + length + 1;
    }
    made->path[made->path_length] = '\0';
    return made;
}

/* By their paths: those of one parent differ in the name and the slash behind it. */
static int compare_children(const void *a, const void *b)
{
    const struct sj_scan_directory *x = *(struct sj_scan_directory *const *)a;
    const struct sj_scan_directory *y = *(struct sj_scan_directory *const *)b;
    return strcmp(x->path, y->path);
}

/* In the same order. */
static int compare_name(const char *name, const struct sj_scan_directory *child)
{
    const char *other = child->path + child->parent->path_length;
    size_t length = strlen(name);
    int order = strncmp(name, other, length);
    return order != 0 ? order : (unsigned char)'/' - (unsigned char)other[length];
}

bool sj_scan_keep_child(struct sj_scan_directory *directory, const char *name,
                        enum sj_scan_reach reach, const struct stat *status)
{
    size_t first = 0;
    size_t end = directory->n_known;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        struct sj_scan_directory *child = directory->known[middle];
        int order = compare_name(name, child);
        if (order == 0) {
            child->is_kept = child->is_link == (reach == SJ_BY_LINK) &&
                             child->identity.inode == status->st_ino &&
                             child->identity.device == status->st_dev;
            return child->is_kept;
        }
        if (order > 0)
            first = middle + 1;
        else
            end = middle;
    }
    return false;
}

/* Should the children be many, each is looked for by bisection. */
static int list_known(struct sj_scan_directory *again, const struct sj_scan_directory *directory)
{
    size_t n = 0;
    const struct sj_scan_directory *child = directory->children;
    for (; child != NULL; child = child->next)
        n++;
    again->known = calloc(n + 1, sizeof(struct sj_scan_directory *));
    if (again->known == NULL)
        return -ENOMEM;
    for (struct sj_scan_directory *at = directory->children; at != NULL; at = at->next)
        again->known[again->n_known++] = at;
    qsort(again->known, n, sizeof(struct sj_scan_directory *), compare_children);
    return 0;
}

struct sj_scan_directory *sj_scan_again(struct sj_scan_directory *directory)
{
    struct sj_scan *scan = directory->scan;
    struct sj_scan_directory *again = malloc(sizeof(*again) + directory->path_length + 1);
    if (again == NULL)
        return NULL;
    *again = (struct sj_scan_directory){.task = {.run = sj_scan_run},
                                        .scan = scan,
                                        .parent = directory->parent,
                                        .watch = -1,
                                        .is_linked = directory->is_linked,
                                        .is_link = directory->is_link,
                                        .path_length = directory->path_length};
    memcpy(again->path, directory->path, directory->path_length + 1);
    if (list_known(again, directory) != 0) {
        free(again);
        return NULL;
    }
    sj_spawn(scan->group, &again->task);
    return again;
}

#define EXCHANGE(a, b)            \
    do {                          \
        __typeof__(a) before = a; \
        (a) = b;                  \
        (b) = before;             \
    } while (0)

static void exchange_state(struct sj_scan_directory *a, struct sj_scan_directory *b)
{
    EXCHANGE(a->identity, b->identity);
    EXCHANGE(a->watch, b->watch);
    EXCHANGE(a->is_loop, b->is_loop);
    EXCHANGE(a->has_links, b->has_links);
    EXCHANGE(a->has_bad_links, b->has_bad_links);
    EXCHANGE(a->has_odd_names, b->has_odd_names);
    EXCHANGE(a->files, b->files);
    EXCHANGE(a->n_files, b->n_files);
    EXCHANGE(a->names, b->names);
    EXCHANGE(a->names_length, b->names_length);
    EXCHANGE(a->names_room, b->names_room);
    EXCHANGE(a->faults, b->faults);
    EXCHANGE(a->faults_digest, b->faults_digest);
    EXCHANGE(a->sheaf, b->sheaf);
}

static void hang(struct sj_scan_directory *child, struct sj_scan_directory *parent)
{
    child->parent = parent;
    child->next = parent->children;
    parent->children = child;
}

void sj_scan_exchange(struct sj_scan_directory *directory, struct sj_scan_directory *again)
{
    struct sj_scan_directory *old = directory->children;
    struct sj_scan_directory *new = again->children;
    directory->children = NULL;
    again->children = NULL;
    again->parent = NULL;
    while (old != NULL) {
        struct sj_scan_directory *next = old->next;
        hang(old, old->is_kept ? directory : again);
        old->is_kept = false;
        old = next;
    }
    while (new != NULL) {
        struct sj_scan_directory *next = new->next;
        hang(new, directory);
        new = next;
    }
    exchange_state(directory, again);
    free(again->known);
    again->known = NULL;
    again->n_known = 0;
}

static void free_directory(struct sj_scan_directory *directory)
{
    for (size_t i = 0; directory->sheaf != NULL && i < directory->n_files; i++)
        sj_file_release(directory->files[i].file);
    sj_sheaf_release(directory->sheaf);
    sj_faults_free(directory->faults);
    free(directory->known);
    free(directory->names);
    free(directory->files);
    free(directory);
}

void sj_scan_free(struct sj_scan_directory *directory)
{
    struct sj_scan_directory *at = directory;
    if (directory != NULL)
        directory->parent = NULL;
    while (at != NULL) {
        struct sj_scan_directory *child = at->children;
        struct sj_scan_directory *parent = at->parent;
        if (child != NULL) {
            at->children = child->next;
            at = child;
        } else {
            free_directory(at);
            at = parent;
        }
    }
}

void sj_scan_fini(struct sj_scan *scan)
{
    sj_scan_free(scan->top);
    scan->top = NULL;
}

struct sj_scan_directory *sj_scan_next(const struct sj_scan_directory *directory,
                                       const struct sj_scan_directory *top)
{
    if (directory->children != NULL)
        return directory->children;
    while (directory != top && directory->next == NULL)
        directory = directory->parent;
    return directory == top ? NULL : directory->next;
}
