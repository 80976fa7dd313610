/* SPDX-License-Identifier: Apache-2.0 */
/*
 * malloc and free for the driver on systems without an address sanitizer: every allocation ends where a page
 * begins that may not be touched, so that a byte too many ends the program. So allocations are as aligned as
 * their size: what needs an alignment must have a size that is a multiple of it.
 */
#define _DEFAULT_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#define PAGE   ((size_t)4096)
#define HEADER PAGE /* holds the size of the mapping */

void *guarded_malloc(size_t size);
void guarded_free(void *memory);

void *guarded_malloc(size_t size) {
    const size_t inside = (size + PAGE - 1) / PAGE * PAGE;
    const size_t mapped = HEADER + inside + PAGE;
    char *const base = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || mprotect(base + HEADER + inside, PAGE, PROT_NONE) != 0) {
        return NULL;
    }
    *(size_t *)(void *)base = mapped;
    return base + HEADER + inside - size;
}

void guarded_free(void *memory) {
    /* The first page of the mapping is the one before that of the first byte; an empty allocation lies on the
     * guard. */
    char *page = (char *)((uintptr_t)memory / PAGE * PAGE) - HEADER;
    munmap(page, *(size_t *)(void *)page);
}
