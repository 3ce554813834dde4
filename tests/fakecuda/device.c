/* One device, about as large as an H200, that says of itself that it is none. */
#include <dlfcn.h>
#include <stdio.h>

#include "fake.h"

#define MAJOR 9
#define MINOR 0
#define VERSION 13000

static __thread int last_error;

int failed(int error) {
    return last_error = error;
}

void *something(void) {
    return calloc(1, 64);
}

int cudaGetLastError(void) {
    int error = last_error;
    last_error = cudaSuccess;
    return error;
}

int cudaPeekAtLastError(void) {
    return last_error;
}

const char *cudaGetErrorName(int error) {
    return error == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation" : error ? "an error" : "cudaSuccess";
}

const char *cudaGetErrorString(int error) {
    return error == cudaErrorMemoryAllocation ? "out of memory" : error ? "an error" : "no error";
}

int cudaGetDeviceCount(int *out) {
    *out = 1;
    return cudaSuccess;
}

int cudaGetDevice(int *out) {
    *out = 0;
    return cudaSuccess;
}

int cudaSetDevice(int device) {
    return device ? failed(cudaErrorInvalidDevice) : cudaSuccess;
}

int cudaDriverGetVersion(int *out) {
    *out = VERSION;
    return cudaSuccess;
}

int cudaRuntimeGetVersion(int *out) {
    *out = VERSION;
    return cudaSuccess;
}

int cudaDeviceCanAccessPeer(int *out, int device, int peer) {
    (void)device, (void)peer;
    *out = 0;
    return cudaSuccess;
}

int cudaDeviceGetPCIBusId(char *out, int size, int device) {
    snprintf(out, (size_t)size, "0000:%02x:00.0", device);
    return cudaSuccess;
}

/* The limits of compute capability 9.0, as in the tables of the CUDA programming guide. */
static const struct {
    int attribute, value;
} LIMITS[] = {
    {cudaDevAttrComputeCapabilityMajor, MAJOR},
    {cudaDevAttrComputeCapabilityMinor, MINOR},
    {cudaDevAttrWarpSize, 32},
    {cudaDevAttrMultiProcessorCount, 132},
    {cudaDevAttrMaxThreadsPerBlock, 1024},
    {cudaDevAttrMaxThreadsPerMultiProcessor, 2048},
    {cudaDevAttrMaxSharedMemoryPerBlock, 48 << 10},
    {cudaDevAttrMaxSharedMemoryPerBlockOptin, 227 << 10},
    {cudaDevAttrMaxSharedMemoryPerMultiprocessor, 228 << 10},
    {cudaDevAttrMaxBlockDimX, 1024},
    {cudaDevAttrMaxBlockDimY, 1024},
    {cudaDevAttrMaxBlockDimZ, 64},
    {cudaDevAttrMaxGridDimX, 2147483647},
    {cudaDevAttrMaxGridDimY, 65535},
    {cudaDevAttrMaxGridDimZ, 65535},
    {cudaDevAttrMaxRegistersPerBlock, 65536},
    {cudaDevAttrMaxRegistersPerMultiprocessor, 65536},
    {cudaDevAttrMaxBlocksPerMultiprocessor, 32},
};

static int limit(int attribute) {
    for (size_t i = 0; i < sizeof LIMITS / sizeof *LIMITS; i++)
        if (LIMITS[i].attribute == attribute)
            return LIMITS[i].value;
    return 0;
}

int cudaDeviceGetAttribute(int *out, int attribute, int device) {
    (void)device;
    *out = limit(attribute);
    return cudaSuccess;
}

int cudaGetDeviceProperties(struct cudaDeviceProp *out, int device) {
    if (device)
        return failed(cudaErrorInvalidDevice);
    memset(out, 0, sizeof *out);
    snprintf(out->name, sizeof out->name, "fake: torch's allocator, no GPU");
    out->totalGlobalMem = CARD;
    out->major = MAJOR;
    out->minor = MINOR;
    out->warpSize = limit(cudaDevAttrWarpSize);
    out->multiProcessorCount = limit(cudaDevAttrMultiProcessorCount);
    out->maxThreadsPerBlock = limit(cudaDevAttrMaxThreadsPerBlock);
    out->maxThreadsPerMultiProcessor = limit(cudaDevAttrMaxThreadsPerMultiProcessor);
    out->sharedMemPerBlock = (size_t)limit(cudaDevAttrMaxSharedMemoryPerBlock);
    out->sharedMemPerBlockOptin = (size_t)limit(cudaDevAttrMaxSharedMemoryPerBlockOptin);
    out->sharedMemPerMultiprocessor = (size_t)limit(cudaDevAttrMaxSharedMemoryPerMultiprocessor);
    out->regsPerBlock = out->regsPerMultiprocessor = limit(cudaDevAttrMaxRegistersPerBlock);
    for (int axis = 0; axis < 3; axis++) {
        out->maxThreadsDim[axis] = limit(cudaDevAttrMaxBlockDimX + axis);
        out->maxGridSize[axis] = limit(cudaDevAttrMaxGridDimX + axis);
    }
    out->maxBlocksPerMultiProcessor = limit(cudaDevAttrMaxBlocksPerMultiprocessor);
    out->l2CacheSize = 50 << 20;
    out->textureAlignment = 512;
    out->unifiedAddressing = 1;
    return cudaSuccess;
}

/* The driver, of which torch asks by name: its context is there, and all other calls do nothing. */
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) {
    (void)device;
    *flags = 0;
    *active = 1;
    return cudaSuccess;
}

int cuCtxGetCurrent(void **out) {
    static int context;
    *out = &context;
    return cudaSuccess;
}

static int nothing(void) {
    return cudaSuccess;
}

int cudaGetDriverEntryPointByVersion(const char *name, void **out, unsigned version, unsigned long long flags, int *status) {
    (void)version, (void)flags;
    void *own = dlsym(RTLD_DEFAULT, name);
    *out = own ? own : (void *)nothing;
    TELL(status, 0);
    return cudaSuccess;
}
