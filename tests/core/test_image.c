/* SPDX-License-Identifier: MIT */
#include "core/image.h"

#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <cmocka.h>

#define NOBODY    65534
#define PAGE_MOST 65536 /* octets */

/* In the segment that is only read; looked at through a volatile pointer alone. */
static const struct {
    _Alignas(PAGE_MOST) char octets[PAGE_MOST];
} constant = {{'a', 'b'}};

static volatile char *octets(void)
{
    return (volatile char *)(uintptr_t)constant.octets;
}

/* One octet of each page of what is mapped to be read. */
static int read_all(struct dl_phdr_info *object, size_t size, void *context)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    volatile char *sum = context;

    (void)size;
    if (strstr(object->dlpi_name, "vdso") != NULL)
        return 0;
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        const char *first = (const char *)(object->dlpi_addr + segment->p_vaddr);

        if (segment->p_type == PT_LOAD && (segment->p_flags & (PF_R | PF_W)) == PF_R)
            for (size_t at = 0; at < segment->p_memsz; at += page)
                *sum = (char)(*sum + first[at]);
    }
    return 0;
}

/* In KB, as the tables have it; 0: this system does not say. */
static unsigned resident(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "re");
    char line[128];
    unsigned size = 0;

    while (file != NULL && size == 0 && fgets(line, sizeof(line), file) != NULL)
        sscanf(line, "Rss: %u", &size);
    if (file != NULL)
        fclose(file);
    return size;
}

static void pages_that_were_only_read_are_given_back(void **state)
{
    volatile char sum = 0;
    unsigned before;

    (void)state;
    dl_iterate_phdr(read_all, (void *)(uintptr_t)&sum);
    before = resident();
    if (before == 0)
        skip();
    sj_image_forget(sj_image_open());
    assert_true(resident() + 1024 < before); /* libc alone has more */
}

/* In KB, as anybody may see it. */
static unsigned long roughly_resident(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long pages = 0;

    if (file != NULL && fscanf(file, "%*u %lu", &pages) != 1)
        pages = 0;
    if (file != NULL)
        fclose(file);
    return pages * (unsigned long)sysconf(_SC_PAGESIZE) / 1024;
}

/* Exit status: 0 if they were. */
static int give_back_as_nobody(void)
{
    volatile char sum = 0;
    unsigned long before;
    int image = sj_image_open();

    if (setuid(NOBODY) != 0)
        return 1;
    dl_iterate_phdr(read_all, (void *)(uintptr_t)&sum);
    before = roughly_resident();
    sj_image_forget(image);
    return roughly_resident() + 1024 < before ? 0 : 2;
}

static void they_are_after_a_change_of_user(void **state)
{
    int status;
    pid_t child;

    (void)state;
    if (geteuid() != 0 || roughly_resident() == 0)
        skip();
    child = fork();
    if (child == 0)
        _exit(give_back_as_nobody());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void what_is_used_again_is_there(void **state)
{
    char text[32];

    (void)state;
    sj_image_forget(sj_image_open());
    snprintf(text, sizeof(text), "%c%c %d", octets()[0], octets()[1], 4711);
    assert_string_equal(text, "ab 4711");
}

static void what_was_written_stays(void **state)
{
    void *page = (void *)(uintptr_t)octets();

    (void)state;
    assert_int_equal(mprotect(page, PAGE_MOST, PROT_READ | PROT_WRITE), 0);
    octets()[1] = 'c';
    assert_int_equal(mprotect(page, PAGE_MOST, PROT_READ), 0);
    sj_image_forget(sj_image_open());
    assert_int_equal(octets()[1], 'c');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_that_were_only_read_are_given_back),
        cmocka_unit_test(they_are_after_a_change_of_user),
        cmocka_unit_test(what_is_used_again_is_there),
        cmocka_unit_test(what_was_written_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
