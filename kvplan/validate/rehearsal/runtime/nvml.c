/* libnvidia-ml.so.1 without a driver: one card, for programs that ask NVML which GPU there is (vLLM's platform detection). */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
typedef int R;
static uint64_t setting(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 0) : otherwise;
}
static const char *name(void) { const char *n = getenv("KVPLAN_NAME"); return n && *n ? n : "no GPU"; }
static int device;
R nvmlInit(void) { return 0; }
R nvmlInit_v2(void) { return 0; }
R nvmlInitWithFlags(unsigned f) { (void)f; return 0; }
R nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(R r) { return r ? "rehearsal: not supported" : "success"; }
R nvmlSystemGetDriverVersion(char *out, unsigned n) { snprintf(out, n, "580.0.none"); return 0; }
R nvmlSystemGetNVMLVersion(char *out, unsigned n) { snprintf(out, n, "13.580.0.none"); return 0; }
R nvmlSystemGetCudaDriverVersion(int *out) { *out = 13000; return 0; }
R nvmlSystemGetCudaDriverVersion_v2(int *out) { *out = 13000; return 0; }
static int count(void) { return (int)setting("KVPLAN_COUNT", 1); }
R nvmlDeviceGetCount(unsigned *out) { *out = count(); return 0; }
R nvmlDeviceGetCount_v2(unsigned *out) { *out = count(); return 0; }
R nvmlDeviceGetHandleByIndex(unsigned i, void **out) { *out = &device; return (int)i < count() ? 0 : 2; }
R nvmlDeviceGetHandleByIndex_v2(unsigned i, void **out) { *out = &device; return (int)i < count() ? 0 : 2; }
R nvmlDeviceGetHandleByUUID(const char *u, void **out) { (void)u; *out = &device; return 0; }
R nvmlDeviceGetHandleByPciBusId_v2(const char *u, void **out) { (void)u; *out = &device; return 0; }
R nvmlDeviceGetIndex(void *d, unsigned *out) { (void)d; *out = 0; return 0; }
R nvmlDeviceGetName(void *d, char *out, unsigned n) { (void)d; snprintf(out, n, "%s", name()); return 0; }
R nvmlDeviceGetUUID(void *d, char *out, unsigned n) { (void)d; snprintf(out, n, "GPU-00000000-0000-0000-0000-000000000000"); return 0; }
R nvmlDeviceGetCudaComputeCapability(void *d, int *a, int *b) { (void)d; int s = (int)setting("KVPLAN_SM", 90); *a = s / 10; *b = s % 10; return 0; }
R nvmlDeviceGetMemoryInfo(void *d, uint64_t *m) { /* total, free, used */
    (void)d; m[0] = setting("KVPLAN_TOTAL", 80ull << 30); m[2] = setting("KVPLAN_CONTEXT", 520ull << 20); m[1] = m[0] - m[2]; return 0;
}
R nvmlDeviceGetP2PStatus(void *a, void *b, int i, int *out) { (void)a; (void)b; (void)i; *out = 0; return 0; }
R nvmlDeviceGetNumaNodeId(void *d, unsigned *out) { (void)d; *out = 0; return 0; }
/* Without these torch cannot say that memory is out, nor of which process. */
R nvmlDeviceGetNvLinkRemoteDeviceType(void *d, unsigned l, int *out) { (void)d; (void)l; (void)out; return 3; }
R nvmlDeviceGetNvLinkRemotePciInfo_v2(void *d, unsigned l, void *out) { (void)d; (void)l; (void)out; return 3; }
R nvmlDeviceGetComputeRunningProcesses(void *d, unsigned *n, void *out) { (void)d; (void)out; *n = 0; return 0; }
