/* SPDX-License-Identifier: MIT */
#include "cache/delta.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "core/pr.h"

struct round {
    struct sj_stock *stock;
    struct sj_scan_directory **directories; /* to be read, or read */
    struct sj_scan_directory **again;       /* their new states, then their old ones */
    size_t n, room;
    ck_hs_t lost;       /* by inode: names that are no more, files that have to be read again */
    ck_hs_t gained;     /* by inode: new names, and changed files */
    bool is_doubtful;   /* what was read before may be partly older, partly younger than a change */
    bool has_names;     /* that were not there before, that are no more, or of another kind */
    bool has_ways_lost; /* directories, or links to some, that are no more or another */
    int error;          /* -ENOMEM */
};

static void begin_round(struct round *round, struct sj_stock *stock)
{
    *round = (struct round){.stock = stock};
    if (sj_inode_set_init(&round->lost, 0) != 0 || sj_inode_set_init(&round->gained, 0) != 0)
        round->error = -ENOMEM;
}

static void end_round(struct round *round)
{
    sj_set_fini(&round->lost);
    sj_set_fini(&round->gained);
    free(round->directories);
    free(round->again);
}

/* Once; and not if it has been read in this build: then it waits for its sheaf. */
static void mark(struct round *round, struct sj_scan_directory *directory)
{
    if (directory->is_marked || directory->sheaf == NULL)
        return;
    if (round->n == round->room) {
        size_t room = 2 * round->room + 16;
        struct sj_scan_directory **larger =
            reallocarray(round->directories, room, sizeof(struct sj_scan_directory *));
        if (larger == NULL) {
            round->error = -ENOMEM;
            return;
        }
        round->directories = larger;
        round->room = room;
    }
    directory->is_marked = true;
    round->directories[round->n++] = directory;
}

/* -EAGAIN: of some directory nobody can say whether it has changed. */
static int mark_changed(struct round *round, const struct sj_watch_changes *changes)
{
    for (size_t i = 0; i < round->stock->n_scans; i++) {
        struct sj_scan_directory *top = round->stock->scans[i].top;
        for (struct sj_scan_directory *at = top; at != NULL; at = sj_scan_next(at, top)) {
            if (at->watch < 0 && at->identity.inode != 0 && !at->is_loop)
                return -EAGAIN;
            if (sj_watches_have(&changes->changed, at->watch))
                mark(round, at);
            if (at->parent != NULL && sj_watches_have(&changes->moved, at->watch))
                mark(round, at->parent);
        }
    }
    return round->error;
}

static int read_again(struct round *round)
{
    struct sj_stock *stock = round->stock;
    struct sj_group *group = stock->scans[0].group;
    round->again = calloc(round->n + 1, sizeof(struct sj_scan_directory *));
    if (round->again == NULL)
        return -ENOMEM;
    int error = 0;
    sj_group_init(group);
    for (size_t i = 0; error == 0 && i < round->n; i++) {
        round->again[i] = sj_scan_again(round->directories[i]);
        error = round->again[i] == NULL ? -ENOMEM : 0;
    }
    sj_join(group);
    for (size_t i = 0; error == 0 && i < stock->n_scans; i++)
        error = stock->scans[i].error;
    for (size_t i = 0; error == 0 && i < stock->n_scans; i++)
        error = ck_pr_load_32(&stock->scans[i].is_limited) != 0 ? -EAGAIN : 0;
    for (size_t i = 0; error != 0 && i < round->n; i++)
        sj_scan_free(round->again[i]);
    return error;
}

static void put(struct round *round, ck_hs_t *set, struct sj_identity *identity)
{
    void *previous;
    if (sj_set_put(set, identity, &previous) != 0)
        round->error = -ENOMEM;
}

static void put_files(struct round *round, ck_hs_t *set, struct sj_scan_directory *directory)
{
    for (size_t i = 0; i < directory->n_files; i++)
        put(round, set, &directory->files[i].identity);
}

/* All that is below a directory, but not itself. */
static void put_below(struct round *round, ck_hs_t *set, struct sj_scan_directory *directory)
{
    struct sj_scan_directory *at = sj_scan_next(directory, directory);
    for (; at != NULL; at = sj_scan_next(at, directory))
        put_files(round, set, at);
}

/* What a name leads to, before and now.  A racy file will be read again, for all of its names. */
static void compare_file(struct round *round, struct sj_scan_file *old, struct sj_scan_file *new)
{
    bool is_same_inode =
        old->identity.inode == new->identity.inode && old->identity.device == new->identity.device;
    bool is_same = sj_identity_equals(&old->identity, &new->identity);
    if (!is_same_inode || (old->file != NULL && sj_on_disk(old->file)->is_racy))
        put(round, &round->lost, &old->identity);
    if (!is_same || round->is_doubtful)
        put(round, &round->gained, &new->identity);
    round->has_names = round->has_names || old->is_link != new->is_link;
}

/* Both are sorted by name. */
static void compare_files(struct round *round, struct sj_scan_directory *old,
                          struct sj_scan_directory *new)
{
    size_t i = 0;
    size_t j = 0;
    while (i < old->n_files || j < new->n_files) {
        struct sj_scan_file *x = &old->files[i];
        struct sj_scan_file *y = &new->files[j];
        int order = i == old->n_files   ? 1
                    : j == new->n_files ? -1
                                        : strcmp(sj_scan_name(old, x), sj_scan_name(new, y));
        if (order == 0)
            compare_file(round, x, y);
        else if (order < 0)
            put(round, &round->lost, &x->identity);
        else
            put(round, &round->gained, &y->identity);
        round->has_names = round->has_names || order != 0;
        i += order <= 0;
        j += order >= 0;
    }
}

/* `old` has the children that are gone.  Behind odd names anything can have changed. */
static void compare(struct round *round, struct sj_scan_directory *old,
                    struct sj_scan_directory *new)
{
    bool has_odd_names = old->has_odd_names || new->has_odd_names;
    compare_files(round, old, new);
    put_below(round, &round->lost, old);
    round->has_ways_lost = round->has_ways_lost || old->children != NULL || has_odd_names;
    round->has_names =
        round->has_names || round->has_ways_lost || old->faults_digest != new->faults_digest;
}

/* The limits count what there is. */
static void uncount(struct sj_scan_directory *old)
{
    struct sj_scan *scan = old->scan;
    for (struct sj_scan_directory *at = old; at != NULL; at = sj_scan_next(at, old)) {
        scan->n_linked -= at != old && at->is_linked;
        scan->n_linked_files -= at->is_linked ? at->n_files : 0;
    }
}

/* A directory may have gone with one above it, which was read in the same round. */
static void exchange(struct round *round)
{
    for (size_t i = 0; i < round->n; i++) {
        struct sj_scan_directory *directory = round->directories[i];
        struct sj_scan_directory *again = round->again[i];
        directory->is_marked = false;
        if (directory->is_buried) {
            uncount(again);
            sj_scan_free(again);
            continue;
        }
        round->has_names = round->has_names || again->children != NULL;
        put_below(round, &round->gained, again);
        sj_scan_exchange(directory, again);
        compare(round, again, directory);
        uncount(again);
        sj_stock_bury(round->stock, again);
    }
}

/* Is what is known of this name other than what the round has seen? */
static bool is_outdated(const struct round *round, const struct sj_scan_file *name)
{
    const struct sj_identity *gained = sj_set_find(&round->gained, &name->identity);
    const struct sj_file *file = name->file;
    if (gained != NULL && (file == NULL || sj_on_disk(file)->is_racy ||
                           !sj_identity_equals(gained, &name->identity) ||
                           !sj_identity_equals(gained, &sj_on_disk(file)->identity)))
        return true;
    return sj_set_find(&round->lost, &name->identity) != NULL;
}

static bool is_affected(const struct round *round, const struct sj_scan_directory *directory)
{
    bool has_inodes = ck_hs_count((ck_hs_t *)(uintptr_t)&round->lost) > 0 ||
                      ck_hs_count((ck_hs_t *)(uintptr_t)&round->gained) > 0;
    if (directory->has_bad_links && round->has_names)
        return true;
    if (directory->has_links && round->has_ways_lost)
        return true;
    for (size_t i = 0; has_inodes && i < directory->n_files; i++)
        if (!directory->files[i].is_odd && is_outdated(round, &directory->files[i]))
            return true;
    return false;
}

/* The directories of the next round. */
static void mark_affected(const struct round *round, struct round *next)
{
    for (size_t i = 0; i < round->stock->n_scans; i++) {
        struct sj_scan_directory *top = round->stock->scans[i].top;
        for (struct sj_scan_directory *at = top; at != NULL; at = sj_scan_next(at, top))
            if (at->sheaf != NULL && is_affected(round, at))
                mark(next, at);
    }
}

int sj_delta_scan(struct sj_stock *stock, const struct sj_watch_changes *changes)
{
    struct round round;
    begin_round(&round, stock);
    int error = round.error != 0 ? round.error : mark_changed(&round, changes);
    round.is_doubtful = changes->has_overlapped;
    round.has_ways_lost = changes->has_overlapped;
    while (error == 0 && round.n > 0) {
        struct round next;
        error = read_again(&round);
        if (error != 0)
            break;
        exchange(&round);
        begin_round(&next, stock);
        mark_affected(&round, &next);
        error = round.error != 0 ? round.error : next.error;
        end_round(&round);
        round = next;
    }
    end_round(&round);
    return error;
}
