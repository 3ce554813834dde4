/* Streams, events, captured graphs and kernels: all of it succeeds, nothing is computed. */
#include "rehearsal.h"
#include <stdlib.h>
#include <string.h>

#ifndef KVPLAN_RUNTIME
#define KVPLAN_RUNTIME 13000
#endif
static uint64_t graphs_bytes; /* KVPLAN_NODE for each kernel of the captured graphs that live */
uint64_t rehearsal_context(void) { return rehearsal_setting("KVPLAN_CONTEXT", 520ull << 20) + (graphs_bytes + PAGE - 1) / PAGE * PAGE; }
typedef struct { int is, kernels; } Handle; /* is: the capture that this stream or event is part of, or 0; kernels: of a graph */
static int capture, captured_nodes; /* the capture under way, or 0 */
static uint64_t captures, nodes;
void *rehearsal_handle(void) { return calloc(1, 64); }
static Handle default_stream;
static Handle *stream_of(void *s) { return (uintptr_t)s < 4096 ? &default_stream : s; }
static int capturing(void *s) { return capture && stream_of(s)->is == capture; }
int cudaStreamCreate(void **s) { *s = rehearsal_handle(); return OK; }
int cudaStreamCreateWithFlags(void **s, unsigned f) { (void)f; *s = rehearsal_handle(); return OK; }
int cudaStreamCreateWithPriority(void **s, unsigned f, int p) { (void)f; (void)p; *s = rehearsal_handle(); return OK; }
int cudaStreamDestroy(void *s) { free(s); return OK; }
int cudaStreamQuery(void *s) { (void)s; return OK; }
int cudaStreamSynchronize(void *s) { (void)s; return OK; }
int cudaStreamWaitEvent(void *s, void *e, unsigned f) { (void)f; if (capture && e && ((Handle *)e)->is == capture) stream_of(s)->is = capture; return OK; }
int cudaStreamGetPriority(void *s, int *p) { (void)s; *p = 0; return OK; }
int cudaStreamIsCapturing(void *s, int *out) { *out = capturing(s); return OK; }
int cudaStreamGetCaptureInfo(void *s, int *status, unsigned long long *id, void **graph, const void ***deps, const void ***edges, size_t *n) {
    (void)graph; (void)deps; (void)edges;
    int on = capturing(s);
    if (status) *status = on;
    if (id) *id = on ? captures : 0;
#if KVPLAN_RUNTIME >= 13000
    if (n) *n = 0;
#else
    (void)n;
#endif
    return OK;
}
int cudaStreamGetCaptureInfo_v2(void *s, int *status, unsigned long long *id, void **graph, const void ***deps, size_t *n) {
    if (n) *n = 0;
    return cudaStreamGetCaptureInfo(s, status, id, graph, deps, NULL, NULL);
}
int cudaThreadExchangeStreamCaptureMode(int *mode) { (void)mode; return OK; }
int cudaStreamAddCallback(void *s, void (*call)(void *, int, void *), void *data, unsigned f) { (void)f; call(s, OK, data); return OK; }
int cudaLaunchHostFunc(void *s, void (*call)(void *), void *data) { (void)s; call(data); return OK; }
int cudaStreamBeginCapture(void *s, int m) { (void)m; capture = (int)++captures; captured_nodes = 0; stream_of(s)->is = capture; return OK; }
int cudaStreamEndCapture(void *s, void **g) { (void)s; nodes += captured_nodes; capture = 0; *g = rehearsal_handle(); ((Handle *)*g)->kernels = captured_nodes; return OK; }
int cudaGraphInstantiate(void **e, void *g, unsigned long long f) {
    (void)f;
    *e = rehearsal_handle(); ((Handle *)*e)->kernels = ((Handle *)g)->kernels;
    graphs_bytes += ((Handle *)g)->kernels * rehearsal_setting("KVPLAN_NODE", 0);
    return OK;
}
int cudaGraphInstantiateWithFlags(void **e, void *g, unsigned long long f) { return cudaGraphInstantiate(e, g, f); }
int cudaGraphGetNodes(void *g, void **list, size_t *n) { (void)g; (void)list; *n = 1; return OK; }
int cudaGraphDestroy(void *g) { free(g); return OK; }
int cudaGraphExecDestroy(void *g) { graphs_bytes -= ((Handle *)g)->kernels * rehearsal_setting("KVPLAN_NODE", 0); free(g); return OK; }
int cudaEventCreate(void **e) { *e = rehearsal_handle(); return OK; }
int cudaEventCreateWithFlags(void **e, unsigned f) { (void)f; *e = rehearsal_handle(); return OK; }
int cudaEventDestroy(void *e) { free(e); return OK; }
int cudaEventQuery(void *e) { (void)e; return OK; }
int cudaEventRecord(void *e, void *s) { ((Handle *)e)->is = capturing(s) ? capture : 0; return OK; }
int cudaEventRecordWithFlags(void *e, void *s, unsigned f) { (void)f; return cudaEventRecord(e, s); }
int cudaEventSynchronize(void *e) { (void)e; return OK; }
int cudaEventElapsedTime(float *ms, void *a, void *b) { (void)a; (void)b; *ms = 1; return OK; }
int cudaEventElapsedTime_v2(float *ms, void *a, void *b) { (void)a; (void)b; *ms = 1; return OK; }
void rehearsal_launch(void) { if (capture) captured_nodes++; } /* for Triton's launches, which a program does not make */
unsigned long long rehearsal_nodes(void) { return nodes; }
static __thread struct { unsigned grid[3], block[3]; size_t shared; void *stream; } call_;
typedef struct { unsigned x, y, z; } Dim3;
unsigned __cudaPushCallConfiguration(Dim3 grid, Dim3 block, size_t shared, void *stream) {
    memcpy(call_.grid, &grid, 12); memcpy(call_.block, &block, 12); call_.shared = shared; call_.stream = stream; return OK;
}
int __cudaPopCallConfiguration(Dim3 *grid, Dim3 *block, size_t *shared, void *stream) {
    memcpy(grid, call_.grid, 12); memcpy(block, call_.block, 12); *shared = call_.shared; *(void **)stream = call_.stream; return OK;
}
void **__cudaRegisterFatBinary(void *f) { (void)f; return rehearsal_handle(); }
void __cudaRegisterFatBinaryEnd(void **h) { (void)h; }
void __cudaUnregisterFatBinary(void **h) { (void)h; }
char __cudaInitModule(void **h) { (void)h; return 1; }
void __cudaRegisterFunction(void) {}
void __cudaRegisterVar(void) {}
int __cudaGetKernel(void **out, const void *f) { *out = (void *)f; return OK; }
int __cudaLaunchKernel(void) { rehearsal_launch(); return OK; }
int cudaLaunchKernel(void) { rehearsal_launch(); return OK; }
int cudaLaunchKernelExC(void) { rehearsal_launch(); return OK; }
int cudaFuncGetAttributes(struct cudaFuncAttributes *out, const void *f) {
    (void)f;
    memset(out, 0, sizeof *out);
    out->maxThreadsPerBlock = 1024; out->numRegs = 32; out->ptxVersion = out->binaryVersion = rehearsal_sm();
    out->maxDynamicSharedSizeBytes = 49152;
    return OK;
}
int cudaFuncSetAttribute(const void *f, int a, int v) { (void)f; (void)a; (void)v; return OK; }
int cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *out, const void *f, int n, size_t s, unsigned g) {
    (void)f; (void)s; (void)g; *out = n > 0 && n < 1024 ? 2048 / n > 32 ? 32 : 2048 / n : 2; return OK;
}
