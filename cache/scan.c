/* SPDX-License-Identifier: MIT */
#include "cache/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>
#include "cache/scan_private.h"
#include "cache/watch.h"
#include "core/pr.h"

/* The first error stays.  The walk reads it without order, only to end early; the join orders the
 * last look. */
static void fail(struct sj_scan *scan, int error)
{
    ck_pr_cas_int(&scan->error, 0, error);
}

/* The load pairs with the store in sj_index_cancel: without order, as nothing follows from it but
 * the end. */
static bool goes_on(struct sj_scan *scan)
{
    if (ck_pr_load_32(scan->is_cancelled) != 0)
        fail(scan, -ECANCELED);
    return ck_pr_load_int(&scan->error) == 0;
}

static void add_fault(struct sj_scan_directory *directory, const char *name, const char *reason)
{
    const char *const path[3] = {directory->scan->root->path, directory->path, name};
    uint64_t seed = XXH3_64bits(reason, strlen(reason));
    directory->faults_digest += XXH3_64bits_withSeed(name, strlen(name), seed);
    if (sj_fault_push(&directory->faults, path, reason) != 0)
        fail(directory->scan, -ENOMEM);
}

static void add_error(struct sj_scan_directory *directory, const char *name, int error)
{
    /* A root that cannot be read is no empty one: the generation of before serves on. */
    bool is_root = directory->parent == NULL && *name == '\0';
    if (is_root || error == -ENOMEM || error == -EMFILE || error == -ENFILE)
        fail(directory->scan, error);
    else
        add_fault(directory, name, sj_fault_reason(error));
}

static int append_name(struct sj_scan_directory *directory, const char *name, size_t size)
{
    if (directory->names_room - directory->names_length < size) {
        size_t room = 2 * (size_t)directory->names_room + size + 64;
        char *larger = room > UINT32_MAX ? NULL : realloc(directory->names, room);
        if (larger == NULL)
            return -ENOMEM;
        directory->names = larger;
        directory->names_room = (uint32_t)room;
    }
    memcpy(directory->names + directory->names_length, name, size);
    directory->names_length += (uint32_t)size;
    return 0;
}

/* The array doubles at each power of two. */
static int append_file(struct sj_scan_directory *directory, const char *name,
                       const struct stat *status, enum sj_scan_reach reach)
{
    size_t n = directory->n_files;
    uint32_t offset = directory->names_length;
    if ((n & (n - 1)) == 0) {
        struct sj_scan_file *larger =
            n > UINT32_MAX / 4
                ? NULL
                : reallocarray(directory->files, n == 0 ? 1 : 2 * n, sizeof(*larger));
        if (larger == NULL)
            return -ENOMEM;
        directory->files = larger;
    }
    if (append_name(directory, name, strlen(name) + 1) != 0)
        return -ENOMEM;
    directory->files[n] = (struct sj_scan_file){
        .name = offset, .is_link = reach == SJ_BY_LINK, .is_odd = reach == SJ_AS_ODD};
    sj_identity_of(status, &directory->files[n].identity);
    directory->n_files++;
    return 0;
}

/* No more files are wanted from this directory.  The count is read without order: one that is late
 * is noticed at the next file. */
static bool is_full(const struct sj_scan_directory *directory)
{
    return directory->is_linked &&
           ck_pr_load_64(&directory->scan->n_linked_files) > directory->scan->linked_files_limit;
}

/* The first file beyond the limit is the fault; the rest of it goes without saying. */
static void add_file(struct sj_scan_directory *directory, const char *name,
                     const struct stat *status, enum sj_scan_reach reach)
{
    struct sj_scan *scan = directory->scan;
    uint64_t n_before = directory->is_linked ? ck_pr_faa_64(&scan->n_linked_files, 1) : 0;
    if (n_before == scan->linked_files_limit && directory->is_linked)
        add_fault(directory, name, "too many files are reached through linked directories");
    if (n_before >= scan->linked_files_limit && directory->is_linked)
        ck_pr_store_32(&scan->is_limited, 1); /* read after the join */
    if ((n_before < scan->linked_files_limit || !directory->is_linked) &&
        append_file(directory, name, status, reach) != 0)
        fail(scan, -ENOMEM);
}

static void add_child(struct sj_scan_directory *directory, const char *name,
                      enum sj_scan_reach reach, const struct stat *status)
{
    struct sj_scan *scan = directory->scan;
    bool is_linked = directory->is_linked || reach == SJ_BY_LINK;
    if (sj_scan_keep_child(directory, name, reach, status))
        return;
    if (is_linked && ck_pr_faa_32(&scan->n_linked, 1) >= SJ_SCAN_LINKED_MAX) {
        ck_pr_store_32(&scan->is_limited, 1); /* read after the join */
        add_fault(directory, name, "too many directories are reached through links");
        return;
    }
    struct sj_scan_directory *child = sj_scan_directory_new(scan, directory, name);
    if (child == NULL) {
        fail(scan, -ENOMEM);
        return;
    }
    child->is_linked = is_linked;
    child->is_link = reach == SJ_BY_LINK;
    child->next = directory->children;
    directory->children = child;
}

static void add_bad_target(struct sj_scan_directory *directory, const char *name)
{
    directory->has_bad_links = true;
    add_fault(directory, name, "link to something that is neither file nor directory");
}

/* Links are the only things that are resolved by name; the rest is looked at as it is. */
static void add_link(struct sj_scan_directory *directory, const char *name)
{
    struct stat status;
    char path[PATH_MAX];
    memcpy(path, directory->path, directory->path_length);
    strcpy(path + directory->path_length, name);
    int target = sj_root_resolve(directory->scan->root, path, O_PATH);
    if (target == -ENOENT)
        add_fault(directory, name, "dangling link");
    else if (target == -EXDEV)
        add_fault(directory, name, "link leaves the root");
    else if (target == -ELOOP)
        add_fault(directory, name, "link loop");
    directory->has_links = true;
    directory->has_bad_links = directory->has_bad_links || target < 0;
    if (target == -ENOENT || target == -EXDEV || target == -ELOOP)
        return;
    if (target < 0 || fstat(target, &status) < 0)
        add_error(directory, name, target < 0 ? target : -errno);
    else if (S_ISDIR(status.st_mode))
        add_child(directory, name, SJ_BY_LINK, &status);
    else if (S_ISREG(status.st_mode))
        add_file(directory, name, &status, SJ_BY_LINK);
    else
        add_bad_target(directory, name);
    if (target >= 0)
        close(target);
}

/* Dot names that are not to be served. */
static bool is_passed_over(const struct sj_scan_directory *directory, const char *name)
{
    if (name[0] != '.')
        return false;
    bool is_well_known =
        directory->path_length == 0 && sj_root_is_well_known(directory->scan->root, name);
    return !directory->scan->serves_dotfiles && !is_well_known;
}

/* What is not served can still be another name of a file that is. */
static void add_odd_item(struct sj_scan_directory *directory, int descriptor, const char *name)
{
    struct stat status;
    if (fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode))
        add_file(directory, name, &status, SJ_AS_ODD);
    else
        directory->has_odd_names = true;
}

static void add_item(struct sj_scan_directory *directory, int descriptor, const char *name)
{
    struct stat status;
    if (is_passed_over(directory, name)) {
        add_odd_item(directory, descriptor, name);
    } else if (!sj_is_nameable(name)) {
        add_fault(directory, name, "name with control characters");
        add_odd_item(directory, descriptor, name);
    } else if (directory->path_length + strlen(name) + 2 > PATH_MAX) {
        add_error(directory, name, -ENAMETOOLONG);
    } else if (fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno != ENOENT) /* it has just gone: as if it had never been there */
            add_error(directory, name, -errno);
    } else if (S_ISLNK(status.st_mode)) {
        add_link(directory, name);
    } else if (S_ISDIR(status.st_mode)) {
        add_child(directory, name, SJ_BY_NAME, &status);
    } else if (!S_ISREG(status.st_mode)) {
        add_fault(directory, name, "neither file nor directory");
    } else {
        add_file(directory, name, &status, SJ_BY_NAME);
    }
}

/* Or what it lies in. */
static bool is_itself(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Takes the descriptor. */
static void read_items(struct sj_scan_directory *directory, int descriptor)
{
    struct dirent *item;
    DIR *stream = fdopendir(descriptor);
    if (stream == NULL) {
        add_error(directory, "", -errno);
        close(descriptor);
        return;
    }
    errno = 0;
    while (goes_on(directory->scan) && !is_full(directory) && (item = readdir(stream)) != NULL) {
        if (!is_itself(item->d_name))
            add_item(directory, descriptor, item->d_name);
        errno = 0;
    }
    if (errno != 0)
        add_error(directory, "", -errno);
    closedir(stream);
}

static int compare_files(const void *a, const void *b, void *names)
{
    const struct sj_scan_file *x = a;
    const struct sj_scan_file *y = b;
    return strcmp((const char *)names + x->name, (const char *)names + y->name);
}

/* The file called the first `length` octets of `name`, or NULL. */
static struct sj_scan_file *find_file(struct sj_scan_directory *directory, const char *name,
                                      size_t length)
{
    size_t first = 0;
    size_t end = directory->n_files;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        const char *other = sj_scan_name(directory, &directory->files[middle]);
        int order = strncmp(name, other, length);
        if (order == 0 && other[length] == '\0')
            return &directory->files[middle];
        if (order > 0)
            first = middle + 1;
        else
            end = middle;
    }
    return NULL;
}

static void pair_sidecar(struct sj_scan_directory *directory, size_t index)
{
    struct sj_scan_file *file = &directory->files[index];
    const char *name = sj_scan_name(directory, file);
    size_t length = strlen(name);
    for (int coding = SJ_GZIP; coding < SJ_CODINGS; coding++) {
        struct sj_text ending = sj_coding_endings[coding];
        if (length <= ending.length ||
            memcmp(name + length - ending.length, ending.at, ending.length) != 0)
            continue;
        struct sj_scan_file *base = find_file(directory, name, length - ending.length);
        if (base == NULL)
            return;
        base->sidecars[coding] = (uint32_t)index + 1;
        file->is_sidecar = true;
    }
}

/* Kept as it is: no more room than needed.  Should that fail, nothing is lost. */
static void trim(struct sj_scan_directory *directory)
{
    char *names = realloc(directory->names, directory->names_length);
    struct sj_scan_file *files = reallocarray(directory->files, directory->n_files, sizeof(*files));
    if (names != NULL)
        directory->names = names;
    if (files != NULL)
        directory->files = files;
}

static void sort_and_pair(struct sj_scan_directory *directory)
{
    if (directory->n_files == 0)
        return;
    trim(directory);
    qsort_r(directory->files, directory->n_files, sizeof(*directory->files), compare_files,
            directory->names);
    for (size_t i = 0; i < directory->n_files; i++)
        if (!directory->files[i].is_odd)
            pair_sidecar(directory, i);
}

static bool is_own_ancestor(const struct sj_scan_directory *directory)
{
    for (const struct sj_scan_directory *up = directory->parent; up != NULL; up = up->parent)
        if (up->identity.device == directory->identity.device &&
            up->identity.inode == directory->identity.inode)
            return true;
    return false;
}

/* Not inlined: sj_scan_run can recurse as deep as the tree is, so its own frame must be small. */
__attribute__((noinline)) static void read_directory(struct sj_scan_directory *directory)
{
    struct stat status;
    const char *path = directory->path_length == 0 ? "." : directory->path;
    int descriptor = sj_root_resolve(directory->scan->root, path,
                                     O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_NOCTTY);
    if (descriptor == -ENOENT && directory->parent != NULL)
        return;
    if (descriptor < 0) {
        add_error(directory, "", descriptor);
        return;
    }
    if (fstat(descriptor, &status) < 0) {
        add_error(directory, "", -errno);
        close(descriptor);
        return;
    }
    directory->identity.device = status.st_dev;
    directory->identity.inode = status.st_ino;
    directory->is_loop = is_own_ancestor(directory);
    if (directory->is_loop) {
        add_fault(directory, "", "link loop: the directory contains itself");
        close(descriptor);
        return;
    }
    if (directory->scan->watch != NULL)
        directory->watch = sj_watch_add(directory->scan->watch, descriptor);
    read_items(directory, descriptor);
    sort_and_pair(directory);
}

void sj_scan_run(struct sj_task *task)
{
    struct sj_scan_directory *directory = (struct sj_scan_directory *)task;
    if (!goes_on(directory->scan))
        return;
    read_directory(directory);
    for (struct sj_scan_directory *child = directory->children; child != NULL; child = child->next)
        sj_spawn(directory->scan->group, &child->task);
}

int sj_scan_start(struct sj_scan *scan)
{
    scan->top = sj_scan_directory_new(scan, NULL, "");
    if (scan->top == NULL)
        return -ENOMEM;
    sj_spawn(scan->group, &scan->top->task);
    return 0;
}
