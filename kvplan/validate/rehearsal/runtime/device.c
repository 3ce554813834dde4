/* The card that the settings describe, and the runtime's errors. */
#include "rehearsal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef KVPLAN_RUNTIME
#define KVPLAN_RUNTIME 13000
#endif
static __thread int last_error;

uint64_t rehearsal_setting(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 0) : otherwise;
}
const char *rehearsal_name(void) { const char *name = getenv("KVPLAN_NAME"); return name && *name ? name : "no GPU"; }
uint64_t rehearsal_total(void) { return rehearsal_setting("KVPLAN_TOTAL", 80ull << 30); }
int rehearsal_sm(void) { return (int)rehearsal_setting("KVPLAN_SM", 90); }
int rehearsal_fail(int error) { last_error = error; return error; }
int rehearsal_devices(void) { return (int)rehearsal_setting("KVPLAN_COUNT", 1); } /* all of them are device 0 */
int cudaGetDeviceCount(int *out) { *out = rehearsal_devices(); return OK; }
int cudaGetDevice(int *out) { *out = 0; return OK; }
int cudaSetDevice(int d) { return d < rehearsal_devices() ? OK : rehearsal_fail(101); }
int cudaDriverGetVersion(int *out) { *out = 13000; return OK; }
int cudaRuntimeGetVersion(int *out) { *out = KVPLAN_RUNTIME; return OK; }
int cudaDeviceSynchronize(void) { return OK; }
int cudaDeviceCanAccessPeer(int *out, int a, int b) { (void)a; (void)b; *out = 0; return OK; }
int cudaDeviceEnablePeerAccess(int a, unsigned f) { (void)a; (void)f; return OK; }
int cudaDeviceGetPCIBusId(char *out, int n, int d) { (void)d; snprintf(out, n, "0000:00:00.0"); return OK; }
int cudaDeviceGetStreamPriorityRange(int *least, int *greatest) { if (least) *least = 0; if (greatest) *greatest = -5; return OK; }
int cudaGetDeviceProperties(struct cudaDeviceProp *p, int d) {
    if (d >= rehearsal_devices()) return rehearsal_fail(101);
    memset(p, 0, sizeof *p);
    snprintf(p->name, sizeof p->name, "%s", rehearsal_name());
    p->totalGlobalMem = rehearsal_total();
    p->major = rehearsal_sm() / 10; p->minor = rehearsal_sm() % 10;
    p->multiProcessorCount = 132; p->warpSize = 32;
    p->sharedMemPerBlock = 49152; p->sharedMemPerBlockOptin = 232448; p->sharedMemPerMultiprocessor = 233472;
    p->reservedSharedMemPerBlock = 1024;
    p->regsPerBlock = 65536; p->regsPerMultiprocessor = 65536;
    p->maxThreadsPerBlock = 1024; p->maxThreadsPerMultiProcessor = 2048; p->maxBlocksPerMultiProcessor = 32;
    p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024; p->maxThreadsDim[2] = 64;
    p->maxGridSize[0] = 2147483647; p->maxGridSize[1] = p->maxGridSize[2] = 65535;
    p->totalConstMem = 65536; p->memPitch = 2147483647; p->textureAlignment = 512; p->texturePitchAlignment = 32;
    p->l2CacheSize = 62914560; p->memoryBusWidth = 6144;
    p->unifiedAddressing = p->concurrentKernels = p->ECCEnabled = p->managedMemory = p->canMapHostMemory = 1;
    p->asyncEngineCount = 3; p->streamPrioritiesSupported = p->globalL1CacheSupported = p->localL1CacheSupported = 1;
    p->cooperativeLaunch = p->memoryPoolsSupported = 1;
    return OK;
}
int cudaGetDeviceProperties_v2(struct cudaDeviceProp *p, int d) { return cudaGetDeviceProperties(p, d); }
int cudaDeviceGetAttribute(int *out, int which, int d) {
    (void)d;
    switch (which) {
    case cudaDevAttrMaxThreadsPerBlock: *out = 1024; break;
    case cudaDevAttrMaxSharedMemoryPerBlock: *out = 49152; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *out = 232448; break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *out = 233472; break;
    case cudaDevAttrWarpSize: *out = 32; break;
    case cudaDevAttrMultiProcessorCount: *out = 132; break;
    case cudaDevAttrComputeCapabilityMajor: *out = rehearsal_sm() / 10; break;
    case cudaDevAttrComputeCapabilityMinor: *out = rehearsal_sm() % 10; break;
    case cudaDevAttrMaxThreadsPerMultiProcessor: *out = 2048; break;
    case cudaDevAttrMaxGridDimX: *out = 2147483647; break;
    case cudaDevAttrMaxGridDimY: case cudaDevAttrMaxGridDimZ: *out = 65535; break;
    case cudaDevAttrMaxBlockDimX: case cudaDevAttrMaxBlockDimY: *out = 1024; break;
    case cudaDevAttrMaxBlockDimZ: *out = 64; break;
    case cudaDevAttrL2CacheSize: *out = 62914560; break;
    case cudaDevAttrMaxRegistersPerBlock: case cudaDevAttrMaxRegistersPerMultiprocessor: *out = 65536; break;
    case cudaDevAttrCooperativeLaunch: *out = 1; break;
    case cudaDevAttrUnifiedAddressing: *out = 1; break;
    case cudaDevAttrMemoryPoolsSupported: *out = 1; break;
    default: *out = 0;
    }
    return OK;
}
int cudaGetLastError(void) { int e = last_error; last_error = OK; return e; }
int cudaPeekAtLastError(void) { return last_error; }
const char *cudaGetErrorName(int e) { return e == OK ? "cudaSuccess" : e == NO_MEMORY ? "cudaErrorMemoryAllocation" : "cudaErrorFake"; }
const char *cudaGetErrorString(int e) { return e == OK ? "no error" : e == NO_MEMORY ? "out of memory" : "rehearsal: an error"; }
