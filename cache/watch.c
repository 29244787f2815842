/* SPDX-License-Identifier: MIT */
#include "cache/watch.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Reading a file causes none of these. */
#define MASK                                                                            \
    (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_MODIFY | \
     IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK)

#define RESCAN_S 10

/* Of a directory that is watched for one name in it: what is written beside that is no concern.
 * Added to what it has, if it is scanned as well. */
#define PARENT_MASK                                                                        \
    (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | \
     IN_ONLYDIR | IN_MASK_ADD)

/* A directory watched for one name in it, the last part of a root's path. */
struct parent {
    int wd;
    bool is_scanned; /* as well: then all of its names count */
    char *name;
};

struct sj_watch {
    struct sj_watch_config config;
    int descriptor;
    struct event *event;
    struct event *timer;
    pthread_mutex_t mutex;   /* for what follows */
    struct sj_watches kept;  /* sorted */
    struct sj_watches added; /* since begin */
    struct sj_watch_changes changes;
    struct parent *parents;
    size_t n_parents;
    bool has_warned;
    bool was_refused;   /* a watch, since begin */
    bool has_unwatched; /* of what the last complete build has asked for */
};

static void note_unwatched(struct sj_watch *watch, int error)
{
    watch->was_refused = true;
    if (watch->has_warned)
        return;
    watch->has_warned = true;
    if (error == ENOSPC)
        sj_log(watch->config.log, SJ_LOG_WARNING,
               "not all directories are watched for changes: the limit "
               "fs.inotify.max_user_watches (sysctl) is reached");
    else
        sj_log(watch->config.log, SJ_LOG_WARNING, "not all directories are watched for changes: %s",
               strerrordesc_np(error));
}

static int compare_numbers(const void *a, const void *b)
{
    int x = *(const int *)a;
    int y = *(const int *)b;
    return (x > y) - (x < y);
}

/* Each once. */
static void sort(struct sj_watches *list)
{
    size_t n = 0;
    if (list->length == 0)
        return;
    qsort(list->numbers, list->length, sizeof(*list->numbers), compare_numbers);
    for (size_t i = 1; i < list->length; i++)
        if (list->numbers[i] != list->numbers[n])
            list->numbers[++n] = list->numbers[i];
    list->length = n + 1;
}

static int append(struct sj_watches *list, int number)
{
    if (list->length > 0 && list->numbers[list->length - 1] == number)
        return 0;
    if (list->length == list->room) {
        size_t room = 2 * list->room + 16;
        int *larger = reallocarray(list->numbers, room, sizeof(*larger));
        if (larger == NULL)
            return -ENOMEM;
        list->numbers = larger;
        list->room = room;
    }
    list->numbers[list->length++] = number;
    return 0;
}

/* The same for a list that may get the same numbers over and over. */
static int append_once(struct sj_watches *list, int number)
{
    if (list->length == list->room)
        sort(list);
    return append(list, number);
}

/* The watch descriptor, or -1.  The mutex is held. */
static int add_path(struct sj_watch *watch, const char *path, uint32_t mask)
{
    int wd = inotify_add_watch(watch->descriptor, path, mask);
    if (wd < 0 && errno != ENOENT && errno != ENOTDIR)
        note_unwatched(watch, errno);
    if (wd >= 0 && append(&watch->added, wd) != 0)
        note_unwatched(watch, ENOMEM);
    return wd;
}

static void add_parent(struct sj_watch *watch, const char *directory, const char *name)
{
    int wd = add_path(watch, directory, PARENT_MASK);
    if (wd < 0)
        return;
    struct parent *larger =
        reallocarray(watch->parents, watch->n_parents + 1, sizeof(*watch->parents));
    if (larger != NULL)
        watch->parents = larger;
    char *copy = larger != NULL ? strdup(name) : NULL;
    if (copy == NULL)
        note_unwatched(watch, ENOMEM);
    else
        watch->parents[watch->n_parents++] = (struct parent){.wd = wd, .name = copy};
}

/* Watches the directory that holds the last part of `path`, which is cut up. */
static void add_holder(struct sj_watch *watch, char *path)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        path[--length] = '\0';
    char *slash = strrchr(path, '/');
    char *name = slash == NULL ? path : slash + 1;
    if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return;
    if (slash == NULL) {
        add_parent(watch, ".", name);
    } else if (slash == path) {
        add_parent(watch, "/", name);
    } else {
        *slash = '\0';
        add_parent(watch, path, name);
    }
}

void sj_watch_add_root(struct sj_watch *watch, const char *path)
{
    char *real = realpath(path, NULL);
    char *given = strdup(path);
    pthread_mutex_lock(&watch->mutex);
    if (given != NULL)
        add_holder(watch, given);
    if (real != NULL && strcmp(real, path) != 0)
        add_holder(watch, real);
    pthread_mutex_unlock(&watch->mutex);
    free(given);
    free(real);
}

int sj_watch_add(struct sj_watch *watch, int descriptor)
{
    char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
    pthread_mutex_lock(&watch->mutex);
    int wd = add_path(watch, path, MASK);
    for (size_t i = 0; i < watch->n_parents; i++)
        if (watch->parents[i].wd == wd)
            watch->parents[i].is_scanned = true;
    pthread_mutex_unlock(&watch->mutex);
    return wd;
}

void sj_watch_keep(struct sj_watch *watch, int number)
{
    pthread_mutex_lock(&watch->mutex);
    if (append(&watch->added, number) != 0)
        note_unwatched(watch, ENOMEM);
    for (size_t i = 0; i < watch->n_parents; i++)
        if (watch->parents[i].wd == number)
            watch->parents[i].is_scanned = true;
    pthread_mutex_unlock(&watch->mutex);
}

static void drop_parents(struct sj_watch *watch)
{
    for (size_t i = 0; i < watch->n_parents; i++)
        free(watch->parents[i].name);
    free(watch->parents);
    watch->parents = NULL;
    watch->n_parents = 0;
}

void sj_watch_begin(struct sj_watch *watch, struct sj_watch_changes *changes)
{
    pthread_mutex_lock(&watch->mutex);
    drop_parents(watch);
    *changes = watch->changes;
    watch->changes = (struct sj_watch_changes){.is_all = false};
    watch->was_refused = false;
    pthread_mutex_unlock(&watch->mutex);
    sort(&changes->changed);
    sort(&changes->moved);
}

void sj_watch_changes_fini(struct sj_watch_changes *changes)
{
    free(changes->changed.numbers);
    free(changes->moved.numbers);
}

bool sj_watches_have(const struct sj_watches *watches, int number)
{
    return watches->length > 0 && bsearch(&number, watches->numbers, watches->length,
                                          sizeof(number), compare_numbers) != NULL;
}

/* A watch that the kernel has dropped itself (its directory is gone) is refused: no matter. */
static void remove_missing(struct sj_watch *watch)
{
    size_t at = 0;
    for (size_t i = 0; i < watch->kept.length; i++) {
        int wd = watch->kept.numbers[i];
        while (at < watch->added.length && watch->added.numbers[at] < wd)
            at++;
        if (at == watch->added.length || watch->added.numbers[at] != wd)
            inotify_rm_watch(watch->descriptor, wd);
    }
}

static void keep_all(struct sj_watch *watch)
{
    for (size_t i = 0; i < watch->kept.length; i++)
        if (append(&watch->added, watch->kept.numbers[i]) != 0)
            return; /* such a watch is dropped only with the inotify descriptor */
    sort(&watch->added);
}

/* Since begin; those not read yet count as well.  The mutex is held. */
static bool has_events(const struct sj_watch *watch)
{
    int n_octets = 0;
    (void)!ioctl(watch->descriptor, FIONREAD, &n_octets);
    return n_octets > 0 || watch->changes.changed.length > 0;
}

void sj_watch_end(struct sj_watch *watch, enum sj_watch_outcome outcome)
{
    pthread_mutex_lock(&watch->mutex);
    watch->changes.has_overlapped = has_events(watch);
    sort(&watch->added);
    if (outcome == SJ_WATCH_COMPLETE)
        remove_missing(watch);
    else
        keep_all(watch);
    if (outcome == SJ_WATCH_COMPLETE || watch->was_refused)
        watch->has_unwatched = watch->was_refused;
    free(watch->kept.numbers);
    watch->kept = watch->added;
    watch->added = (struct sj_watches){.numbers = NULL};
    pthread_mutex_unlock(&watch->mutex);
}

/* A dot name that is not served can still be another name of a file that is, or on a link's way:
 * its change waits for the next build. */
enum concern { NO_CONCERN, FOR_NEXT_BUILD, WANTS_BUILD };

/* The mutex is held. */
static enum concern concern_of(const struct sj_watch *watch, int wd, const char *name)
{
    bool is_parent = false;
    for (size_t i = 0; i < watch->n_parents; i++) {
        const struct parent *parent = &watch->parents[i];
        if (parent->wd != wd)
            continue;
        if (strcmp(parent->name, name) == 0)
            return WANTS_BUILD;
        is_parent = !parent->is_scanned;
    }
    if (is_parent)
        return NO_CONCERN;
    return name[0] != '.' || watch->config.serves_dotfiles || strcmp(name, ".well-known") == 0
               ? WANTS_BUILD
               : FOR_NEXT_BUILD;
}

/* Is a build wanted?  The mutex is held. */
static bool take_event(struct sj_watch *watch, const struct inotify_event *event)
{
    struct sj_watch_changes *changes = &watch->changes;
    int error = 0;
    if (event->mask & IN_IGNORED)
        return false;
    if (event->mask & (IN_Q_OVERFLOW | IN_UNMOUNT)) {
        changes->is_all = true;
        return true;
    }
    enum concern concern = concern_of(watch, event->wd, event->len > 0 ? event->name : "");
    if (concern == NO_CONCERN)
        return false;
    error = append_once(&changes->changed, event->wd);
    if (error == 0 && (event->mask & (IN_MOVE_SELF | IN_DELETE_SELF)))
        error = append_once(&changes->moved, event->wd);
    if (error != 0)
        changes->is_all = true;
    return concern == WANTS_BUILD;
}

/* Reads what there is; the next turn of the loop goes on, should there be more. */
static void read_events(evutil_socket_t descriptor, short what, void *argument)
{
    struct sj_watch *watch = argument;
    _Alignas(struct inotify_event) char buffer[16384];
    bool has_changed = false;
    (void)what;
    ssize_t length = read(descriptor, buffer, sizeof(buffer));
    pthread_mutex_lock(&watch->mutex);
    for (ssize_t at = 0; at < length;) {
        const struct inotify_event *event = (const struct inotify_event *)(buffer + at);
        has_changed = take_event(watch, event) || has_changed;
        at += (ssize_t)(sizeof(*event) + event->len);
    }
    pthread_mutex_unlock(&watch->mutex);
    if (has_changed)
        watch->config.changed(watch->config.argument);
}

static void on_timer(evutil_socket_t descriptor, short what, void *argument)
{
    struct sj_watch *watch = argument;
    (void)descriptor;
    (void)what;
    pthread_mutex_lock(&watch->mutex);
    watch->changes.is_all = true;
    pthread_mutex_unlock(&watch->mutex);
    watch->config.changed(watch->config.argument);
}

void sj_watch_settle(struct sj_watch *watch)
{
    struct timeval wait = {.tv_sec = RESCAN_S};
    pthread_mutex_lock(&watch->mutex);
    bool has_unwatched = watch->has_unwatched;
    pthread_mutex_unlock(&watch->mutex);
    if (has_unwatched)
        evtimer_add(watch->timer, &wait);
}

int sj_watch_new(const struct sj_watch_config *config, struct sj_watch **watch)
{
    struct sj_watch *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return -ENOMEM;
    made->config = *config;
    pthread_mutex_init(&made->mutex, NULL);
    made->descriptor = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    int error = made->descriptor < 0 ? -errno : 0;
    if (error == 0) {
        made->event =
            event_new(config->base, made->descriptor, EV_READ | EV_PERSIST, read_events, made);
        made->timer = evtimer_new(config->base, on_timer, made);
        if (made->event == NULL || made->timer == NULL || event_add(made->event, NULL) != 0)
            error = -ENOMEM;
    }
    if (error == 0)
        *watch = made;
    else
        sj_watch_free(made);
    return error;
}

void sj_watch_free(struct sj_watch *watch)
{
    if (watch == NULL)
        return;
    if (watch->event != NULL)
        event_free(watch->event);
    if (watch->timer != NULL)
        event_free(watch->timer);
    if (watch->descriptor >= 0)
        close(watch->descriptor);
    drop_parents(watch);
    free(watch->kept.numbers);
    free(watch->added.numbers);
    sj_watch_changes_fini(&watch->changes);
    pthread_mutex_destroy(&watch->mutex);
    free(watch);
}
