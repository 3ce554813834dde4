/* cuBLAS's handles, and the driver's calls that torch, Triton and vLLM ask for by name. */
#include "rehearsal.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cublasSgemm_v2(void) { rehearsal_launch(); return OK; }
int cublasGemmStridedBatchedEx(void) { rehearsal_launch(); return OK; }
int cublasLtMatmul(void) { rehearsal_launch(); return OK; }
int cublasGemmEx(void) { rehearsal_launch(); return OK; }
int cublasCreate_v2(void **h) { *h = rehearsal_handle(); return OK; }
int cublasDestroy_v2(void *h) { (void)h; return OK; }
int cublasGetMathMode(void *h, int *m) { (void)h; *m = 0; return OK; }
int cublasGetPointerMode_v2(void *h, int *m) { (void)h; *m = 0; return OK; }
size_t cublasLtGetVersion(void) { return 130100; }
int cublasLtMatmulDescCreate(void **d, int c, int s) { (void)c; (void)s; *d = rehearsal_handle(); return OK; }
int cublasLtMatmulDescDestroy(void *d) { free(d); return OK; }
int cublasLtMatmulPreferenceCreate(void **d) { *d = rehearsal_handle(); return OK; }
int cublasLtMatmulPreferenceDestroy(void *d) { free(d); return OK; }
int cublasLtMatrixLayoutCreate(void **d, int t, uint64_t r, uint64_t c, int64_t l) { (void)t; (void)r; (void)c; (void)l; *d = rehearsal_handle(); return OK; }
int cublasLtMatrixLayoutDestroy(void *d) { free(d); return OK; }
int cublasLtMatmulAlgoGetHeuristic(void *h, void *d, void *a, void *b, void *c, void *e, void *pref, int want, void *results, int *found) {
    (void)h; (void)d; (void)a; (void)b; (void)c; (void)e; (void)pref;
    struct { uint64_t algo[8]; size_t workspace; int state; float waves; int reserved[4]; } *r = results;
    memset(r, 0, sizeof *r);
    *found = want > 0;
    return OK;
}
typedef struct { uint64_t size; } Physical;
int cuDevicePrimaryCtxGetState(int d, unsigned *flags, int *active) { (void)d; *flags = 0; *active = 1; return OK; }
int cuCtxGetCurrent(void **c) { *c = (void *)&rehearsal_lock; return OK; }
int cuMemGetAllocationGranularity(size_t *out, const void *p, int f) { (void)p; (void)f; *out = PAGE; return OK; }
int cuMemCreate(void **out, size_t size, const void *p, unsigned long long f) {
    (void)p; (void)f;
    pthread_mutex_lock(&rehearsal_lock);
    int fits = rehearsal_charge(size);
    pthread_mutex_unlock(&rehearsal_lock);
    if (!fits) return NO_MEMORY;
    Physical *made = calloc(1, sizeof *made);
    made->size = size; *out = made;
    return OK;
}
int cuMemRelease(void *h) { pthread_mutex_lock(&rehearsal_lock); rehearsal_used -= ((Physical *)h)->size; pthread_mutex_unlock(&rehearsal_lock); free(h); return OK; }
int cuMemAddressReserve(void **out, size_t size, size_t a, void *at, unsigned long long f) {
    (void)a; (void)at; (void)f;
    pthread_mutex_lock(&rehearsal_lock);
    *out = rehearsal_take(size, 0, 0);
    pthread_mutex_unlock(&rehearsal_lock);
    return *out ? OK : NO_MEMORY;
}
int cuMemAddressFree(void *at, size_t size) { (void)size; return rehearsal_give(at); }
int cuGetErrorName(int e, const char **out) { *out = cudaGetErrorName(e); return OK; }
int cuDeviceGetName(char *out, int n, int d) { (void)d; snprintf(out, (size_t)n, "%s", rehearsal_name()); return OK; }
int cuGetErrorString(int e, const char **out) { *out = cudaGetErrorString(e); return OK; }
int cuInit(unsigned f) { (void)f; return OK; }
int cuDriverGetVersion(int *out) { *out = 13000; return OK; }
int cuDeviceGet(int *out, int n) { *out = n; return OK; }
int cuDeviceGetCount(int *out) { *out = rehearsal_devices(); return OK; }
int cuDeviceGetAttribute(int *out, int which, int d) { return cudaDeviceGetAttribute(out, which, d); }
int cuDevicePrimaryCtxRetain(void **c, int d) { (void)d; *c = (void *)&rehearsal_lock; return OK; }
int cuPointerGetAttribute(void *out, int which, const void *at) { if (which == 3) *(const void **)out = at; else *(int *)out = 0; return OK; }
int cuModuleLoadData(void **m, const void *image) { (void)image; *m = rehearsal_handle(); return OK; }
int cuModuleGetFunction(void **f, void *m, const char *name) { (void)m; (void)name; *f = rehearsal_handle(); return OK; }
int cuLaunchKernel(void) { rehearsal_launch(); return OK; }
int cuLaunchKernelEx(void) { rehearsal_launch(); return OK; }
static int nothing(void) { return OK; }
int cudaGetDriverEntryPoint(const char *name, void **out, unsigned long long f, int *status) {
    (void)f;
    void *found = dlsym(RTLD_DEFAULT, name);
    *out = found ? found : (void *)nothing;
    if (status) *status = 0;
    return OK;
}
int cudaGetDriverEntryPointByVersion(const char *name, void **out, unsigned v, unsigned long long f, int *status) {
    (void)v;
    return cudaGetDriverEntryPoint(name, out, f, status);
}
