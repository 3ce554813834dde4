/* Device memory: one mapping for each allocation, found again by address in a sorted array. */
#include "rehearsal.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

pthread_mutex_t rehearsal_lock = PTHREAD_MUTEX_INITIALIZER;
uint64_t rehearsal_used;
typedef struct { char *at; uint64_t size, charged; int host; } Piece;
static Piece *pieces; static size_t count, room;

static size_t place(const void *at) { /* the first piece whose end is past `at` */
    size_t low = 0, high = count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (pieces[mid].at + pieces[mid].size <= (const char *)at) low = mid + 1; else high = mid;
    }
    return low;
}
static Piece *piece_of(const void *at) {
    size_t i = place(at);
    return i < count && pieces[i].at <= (const char *)at ? &pieces[i] : NULL;
}
void *rehearsal_take(uint64_t size, uint64_t charged, int host) { /* with the lock held */
    char *at = mmap(NULL, size + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return NULL;
    char *aligned = (char *)(((uintptr_t)at + PAGE - 1) & ~(PAGE - 1));
    if (aligned > at) munmap(at, aligned - at);
    if (at + PAGE > aligned) munmap(aligned + size, at + PAGE - aligned);
    madvise(aligned, size, MADV_NOHUGEPAGE);
    if (count == room) pieces = realloc(pieces, (room = room ? 2 * room : 256) * sizeof *pieces);
    size_t i = place(aligned);
    memmove(pieces + i + 1, pieces + i, (count - i) * sizeof *pieces);
    pieces[i] = (Piece){aligned, size, charged, host};
    count++;
    return aligned;
}
int rehearsal_give(void *at) {
    pthread_mutex_lock(&rehearsal_lock);
    Piece *p = piece_of(at);
    if (!p || p->at != at) { pthread_mutex_unlock(&rehearsal_lock); return rehearsal_fail(INVALID); }
    rehearsal_used -= p->charged;
    munmap(p->at, p->size);
    size_t i = p - pieces;
    memmove(p, p + 1, (count - i - 1) * sizeof *p);
    count--;
    pthread_mutex_unlock(&rehearsal_lock);
    return OK;
}
int rehearsal_charge(uint64_t size) { /* with the lock held */
    if (rehearsal_used + size + rehearsal_context() > rehearsal_total()) return 0;
    rehearsal_used += size;
    return 1;
}
int cudaMalloc(void **out, size_t size) {
    uint64_t whole = (size + PAGE - 1) / PAGE * PAGE;
    pthread_mutex_lock(&rehearsal_lock);
    *out = NULL;
    int fits = size == 0 || rehearsal_charge(whole);
    if (fits && size) *out = rehearsal_take(whole, whole, 0);
    pthread_mutex_unlock(&rehearsal_lock);
    return !size || *out ? OK : rehearsal_fail(NO_MEMORY);
}
int cudaFree(void *at) { return at ? rehearsal_give(at) : OK; }
int cudaMallocAsync(void **out, size_t size, void *s) { (void)s; return cudaMalloc(out, size); }
int cudaFreeAsync(void *at, void *s) { (void)s; return cudaFree(at); }
int cudaMemGetInfo(size_t *free_, size_t *total_) {
    pthread_mutex_lock(&rehearsal_lock);
    *total_ = rehearsal_total(); *free_ = rehearsal_total() - rehearsal_context() - rehearsal_used;
    pthread_mutex_unlock(&rehearsal_lock);
    return OK;
}
int cudaHostAlloc(void **out, size_t size, unsigned f) {
    (void)f;
    pthread_mutex_lock(&rehearsal_lock);
    *out = rehearsal_take((size + 4095) / 4096 * 4096 + (size == 0), 0, 1);
    pthread_mutex_unlock(&rehearsal_lock);
    return *out ? OK : rehearsal_fail(NO_MEMORY);
}
int cudaFreeHost(void *at) { return at ? rehearsal_give(at) : OK; }
int cudaHostRegister(void *p, size_t n, unsigned f) { (void)p; (void)n; (void)f; return OK; }
int cudaHostUnregister(void *p) { (void)p; return OK; }
int cudaPointerGetAttributes(struct cudaPointerAttributes *out, const void *at) {
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&rehearsal_lock);
    Piece *p = piece_of(at);
    out->type = p ? (p->host ? cudaMemoryTypeHost : cudaMemoryTypeDevice) : cudaMemoryTypeUnregistered;
    out->devicePointer = p ? (void *)at : NULL;
    out->hostPointer = p && !p->host ? NULL : (void *)at;
    pthread_mutex_unlock(&rehearsal_lock);
    return OK;
}
static int on_device(const void *at) {
    pthread_mutex_lock(&rehearsal_lock);
    Piece *p = piece_of(at);
    int found = p && !p->host;
    pthread_mutex_unlock(&rehearsal_lock);
    return found;
}
static int copy(void *to, const void *from, size_t size) {
    if (size > TOUCH && on_device(to)) return OK;
    if (size > TOUCH && on_device(from)) { memset(to, 0, size); return OK; }
    const char *byte = getenv("KVPLAN_BYTE");
    if (size == 1 && byte && *byte && on_device(from) && !on_device(to)) *(char *)to = (char)atoi(byte);
    else memmove(to, from, size);
    return OK;
}
int cudaMemcpy(void *to, const void *from, size_t size, int kind) { (void)kind; return copy(to, from, size); }
int cudaMemcpyAsync(void *to, const void *from, size_t size, int kind, void *s) { (void)kind; (void)s; return copy(to, from, size); }
int cudaMemcpyPeerAsync(void *to, int a, const void *from, int b, size_t size, void *s) { (void)a; (void)b; (void)s; return copy(to, from, size); }
int cudaMemcpy2DAsync(void *to, size_t tp, const void *from, size_t fp, size_t width, size_t height, int kind, void *s) {
    (void)kind; (void)s;
    for (size_t row = 0; row < height; row++) copy((char *)to + row * tp, (const char *)from + row * fp, width);
    return OK;
}
int cudaMemset(void *at, int value, size_t size) { if (size <= TOUCH) memset(at, value, size); return OK; }
int cudaMemsetAsync(void *at, int value, size_t size, void *s) { (void)s; return cudaMemset(at, value, size); }
int cudaMemcpyToSymbol(const void *symbol, const void *from, size_t n, size_t o, int k) { (void)symbol; (void)from; (void)n; (void)o; (void)k; return OK; }
int cudaGetSymbolAddress(void **out, const void *symbol) { *out = (void *)symbol; return OK; }

