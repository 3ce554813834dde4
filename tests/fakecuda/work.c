/* Streams, events, kernels and matrix products: all are accepted, done at once, and compute nothing. */
#include "fake.h"

static int created(void **out) {
    *out = something();
    return cudaSuccess;
}

static int dropped(void *object) {
    free(object);
    return cudaSuccess;
}

int cudaStreamCreate(void **out) { return created(out); }
int cudaStreamDestroy(void *stream) { return dropped(stream); }
int cudaEventCreate(void **out) { return created(out); }
int cudaEventDestroy(void *event) { return dropped(event); }
int cublasCreate_v2(void **out) { return created(out); }
int cublasDestroy_v2(void *handle) { return dropped(handle); }
int cublasLtMatmulDescDestroy(void *object) { return dropped(object); }
int cublasLtMatrixLayoutDestroy(void *object) { return dropped(object); }
int cublasLtMatmulPreferenceCreate(void **out) { return created(out); }
int cublasLtMatmulPreferenceDestroy(void *object) { return dropped(object); }

int cudaStreamCreateWithPriority(void **out, unsigned flags, int priority) {
    (void)flags, (void)priority;
    return created(out);
}

int cudaEventCreateWithFlags(void **out, unsigned flags) {
    (void)flags;
    return created(out);
}

int cublasLtMatmulDescCreate(void **out, int compute, int scale) {
    (void)compute, (void)scale;
    return created(out);
}

int cublasLtMatrixLayoutCreate(void **out, int type, uint64_t rows, uint64_t columns, int64_t step) {
    (void)type, (void)rows, (void)columns, (void)step;
    return created(out);
}

int cudaDeviceGetStreamPriorityRange(int *least, int *greatest) {
    TELL(least, 0);
    TELL(greatest, -5);
    return cudaSuccess;
}

int cudaStreamGetPriority(void *stream, int *out) {
    (void)stream;
    *out = 0;
    return cudaSuccess;
}

int cudaStreamIsCapturing(void *stream, int *out) {
    (void)stream;
    *out = 0;
    return cudaSuccess;
}

int cudaStreamGetCaptureInfo(void *stream, int *status, unsigned long long *id) {
    (void)stream;
    TELL(status, 0);
    TELL(id, 0);
    return cudaSuccess;
}

int cudaEventElapsedTime(float *milliseconds, void *start, void *end) {
    (void)start, (void)end;
    *milliseconds = 1;
    return cudaSuccess;
}

int cudaStreamAddCallback(void *stream, void (*callback)(void *, int, void *), void *data, unsigned flags) {
    (void)flags;
    callback(stream, cudaSuccess, data);
    return cudaSuccess;
}

int cudaLaunchHostFunc(void *stream, void (*callback)(void *), void *data) {
    (void)stream;
    callback(data);
    return cudaSuccess;
}

/* The compiler's own calls around `kernel<<<grid, block, shared, stream>>>`. */
typedef struct {
    unsigned x, y, z;
} Extent;

static __thread struct {
    Extent grid, block;
    size_t shared;
    void *stream;
} launch;

unsigned __cudaPushCallConfiguration(Extent grid, Extent block, size_t shared, void *stream) {
    launch.grid = grid;
    launch.block = block;
    launch.shared = shared;
    launch.stream = stream;
    return 0;
}

int __cudaPopCallConfiguration(Extent *grid, Extent *block, size_t *shared, void **stream) {
    *grid = launch.grid;
    *block = launch.block;
    *shared = launch.shared;
    *stream = launch.stream;
    return cudaSuccess;
}

void **__cudaRegisterFatBinary(void *binary) {
    (void)binary;
    return something();
}

char __cudaInitModule(void **binary) {
    (void)binary;
    return 1;
}

int __cudaGetKernel(void **out, const void *function) {
    *out = (void *)function;
    return cudaSuccess;
}

int cudaGetSymbolAddress(void **out, const void *symbol) {
    *out = (void *)symbol;
    return cudaSuccess;
}

int cudaFuncGetAttributes(struct cudaFuncAttributes *out, const void *function) {
    (void)function;
    memset(out, 0, sizeof *out);
    out->maxThreadsPerBlock = 1024;
    /* topk divides by it. */
    out->numRegs = 32;
    out->maxDynamicSharedSizeBytes = 48 << 10;
    out->binaryVersion = out->ptxVersion = 90;
    return cudaSuccess;
}

int cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *out, const void *function, int threads, size_t shared, unsigned flags) {
    (void)function, (void)shared, (void)flags;
    *out = threads > 0 && threads < 1024 ? 2048 / threads : 2;
    return cudaSuccess;
}

int cublasGetMathMode(void *handle, int *out) {
    (void)handle;
    *out = 0;
    return cudaSuccess;
}

int cublasGetPointerMode_v2(void *handle, int *out) {
    (void)handle;
    *out = 0;
    return cudaSuccess;
}

size_t cublasLtGetVersion(void) { return 130000; }

/* cublasLtMatmulHeuristicResult_t: 8 words of an algorithm, its workspace, its state, and what follows. */
typedef struct {
    uint64_t algorithm[8];
    size_t workspace;
    int state;
    float waves;
    int reserved[4];
} Heuristic;

int cublasLtMatmulAlgoGetHeuristic(void *handle, void *operation, void *a, void *b, void *c, void *d, void *preference, int asked, Heuristic *results, int *found) {
    (void)handle, (void)operation, (void)a, (void)b, (void)c, (void)d, (void)preference;
    if (asked > 0)
        memset(results, 0, sizeof *results);
    *found = asked > 0;
    return cudaSuccess;
}
