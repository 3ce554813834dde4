/*
 * Device memory: pages of one long range of addresses, handed out first fit and counted against the card.
 *
 * The range is mapped without memory behind it. A page becomes real when something is copied into it,
 * and is given back when it is freed, so that fresh memory is zero.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/mman.h>

#include "fake.h"

/* Twice the card, so that what is free is also free in one piece more often than on a card. */
#define PAGES (2 * CARD / PAGE)
/* Larger copies and fills would take too much of the machine's own memory, and are left out. */
#define LARGEST_COPY (64 * MIB)

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static char *range;
static uint32_t length[PAGES]; /* of the allocation that begins at a page, in pages; 0 elsewhere */
static uint64_t taken;

static int reserve_range(void) {
    if (range)
        return 1;
    void *found = mmap(NULL, (PAGES + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (found == MAP_FAILED)
        return 0;
    range = (char *)(((uintptr_t)found + PAGE - 1) / PAGE * PAGE);
    return 1;
}

/* The first page of a gap of so many pages, or PAGES. */
static uint64_t gap_of(uint64_t pages) {
    uint64_t start = 0, page = 0;
    while (page < PAGES && page - start < pages) {
        if (length[page]) {
            page += length[page];
            start = page;
        } else {
            page++;
        }
    }
    return page - start >= pages ? start : PAGES;
}

static void *take(size_t size) {
    uint64_t pages = (size + PAGE - 1) / PAGE;
    if (taken + pages * PAGE > CARD - CONTEXT || !reserve_range())
        return NULL;
    uint64_t page = gap_of(pages);
    if (page == PAGES)
        return NULL;
    length[page] = (uint32_t)pages;
    taken += pages * PAGE;
    return range + page * PAGE;
}

static int on_device(const void *at) {
    return range && (const char *)at >= range && (const char *)at < range + PAGES * PAGE;
}

int cudaMalloc(void **out, size_t size) {
    pthread_mutex_lock(&guard);
    *out = size ? take(size) : NULL;
    pthread_mutex_unlock(&guard);
    return *out || !size ? cudaSuccess : failed(cudaErrorMemoryAllocation);
}

int cudaFree(void *at) {
    if (!at)
        return cudaSuccess;
    pthread_mutex_lock(&guard);
    uint64_t page = on_device(at) ? (uint64_t)((char *)at - range) / PAGE : 0;
    uint64_t size = on_device(at) ? length[page] * PAGE : 0;
    if (size) {
        madvise(at, size, MADV_DONTNEED);
        length[page] = 0;
        taken -= size;
    }
    pthread_mutex_unlock(&guard);
    return size ? cudaSuccess : failed(cudaErrorInvalidValue);
}

int cudaMemGetInfo(size_t *left, size_t *all) {
    pthread_mutex_lock(&guard);
    *left = CARD - CONTEXT - taken;
    *all = CARD;
    pthread_mutex_unlock(&guard);
    return cudaSuccess;
}

int cudaHostAlloc(void **out, size_t size, unsigned flags) {
    (void)flags;
    *out = aligned_alloc(4096, (size + 4096) / 4096 * 4096);
    return *out ? cudaSuccess : failed(cudaErrorMemoryAllocation);
}

int cudaFreeHost(void *at) {
    free(at);
    return cudaSuccess;
}

int cudaPointerGetAttributes(struct cudaPointerAttributes *out, const void *at) {
    memset(out, 0, sizeof *out);
    out->type = on_device(at) ? cudaMemoryTypeDevice : cudaMemoryTypeUnregistered;
    out->devicePointer = on_device(at) ? (void *)at : NULL;
    out->hostPointer = on_device(at) ? NULL : (void *)at;
    return cudaSuccess;
}

static int copy(void *to, const void *from, size_t size) {
    if (size <= LARGEST_COPY)
        memmove(to, from, size);
    else if (!on_device(to))
        memset(to, 0, size);
    return cudaSuccess;
}

int cudaMemcpy(void *to, const void *from, size_t size, int kind) {
    (void)kind;
    return copy(to, from, size);
}

int cudaMemcpyAsync(void *to, const void *from, size_t size, int kind, void *stream) {
    (void)kind, (void)stream;
    return copy(to, from, size);
}

int cudaMemcpy2DAsync(void *to, size_t to_step, const void *from, size_t from_step, size_t width, size_t rows, int kind, void *stream) {
    (void)kind, (void)stream;
    for (size_t row = 0; row < rows; row++)
        copy((char *)to + row * to_step, (const char *)from + row * from_step, width);
    return cudaSuccess;
}

int cudaMemset(void *at, int value, size_t size) {
    if (size <= LARGEST_COPY)
        memset(at, value, size);
    return cudaSuccess;
}

int cudaMemsetAsync(void *at, int value, size_t size, void *stream) {
    (void)stream;
    return cudaMemset(at, value, size);
}
