/* SPDX-License-Identifier: MIT */
#include "core/image.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>
#include <sys/mman.h>

#define ENTRIES 256 /* of /proc/self/pagemap (proc_pid_pagemap(5)), read at a time */

#define IS_PRESENT (1ull << 63)
#define IS_SWAPPED (1ull << 62)
#define IS_FILES   (1ull << 61)

typedef ElfW(Phdr) segment_header;

struct pages {
    uintptr_t first; /* number of the first one */
    size_t n;
};

static struct pages pages_of(const struct dl_phdr_info *object, const segment_header *segment)
{
    uintptr_t size = (uintptr_t)sysconf(_SC_PAGESIZE), at = object->dlpi_addr + segment->p_vaddr;

    return (struct pages){at / size, (at + segment->p_memsz + size - 1) / size - at / size};
}

static bool are_files(int pagemap, struct pages pages)
{
    uint64_t entries[ENTRIES];

    for (size_t done = 0; done < pages.n;) {
        size_t n = pages.n - done < ENTRIES ? pages.n - done : ENTRIES;
        off_t at = (off_t)((pages.first + done) * sizeof(entries[0]));

        if (pread(pagemap, entries, n * sizeof(entries[0]), at) !=
            (ssize_t)(n * sizeof(entries[0])))
            return false;
        for (size_t i = 0; i < n; i++)
            if ((entries[i] & (IS_PRESENT | IS_SWAPPED)) != 0 && (entries[i] & IS_FILES) == 0)
                return false;
        done += n;
    }
    return true;
}

/* With the dynamic linker's lock: nothing is unmapped meanwhile. */
static int forget(struct dl_phdr_info *object, size_t size, void *context)
{
    const int *pagemap = context;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    (void)size;
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        const segment_header *segment = &object->dlpi_phdr[i];
        struct pages pages = pages_of(object, segment);

        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_W) == 0 &&
            are_files(*pagemap, pages))
            madvise((void *)(pages.first * page), pages.n * page, MADV_DONTNEED);
    }
    return 0;
}

int sj_image_open(void)
{
    int image = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

    return image >= 0 ? image : -errno;
}

void sj_image_forget(int image)
{
    if (image < 0)
        return;
    dl_iterate_phdr(forget, &image);
    close(image);
}
