/*
 * A CUDA runtime without a GPU, preloaded before a CUDA build of torch.
 *
 * Memory is bookkeeping: an allocation takes addresses that are never touched, so no RAM, and fails past the
 * size of the card. torch's own caching allocator and its statistics run unchanged on top. Every launch
 * succeeds and computes nothing.
 */
#ifndef KVPLAN_REHEARSAL_H
#define KVPLAN_REHEARSAL_H
#define _GNU_SOURCE
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include "driver_types.h"

#define OK 0
#define INVALID 1
#define NO_MEMORY 2
#define PAGE (2ull << 20)
#define TOUCH (1ull << 20) /* copies up to this size are done; larger ones would take RAM */

/* What the driver that starts a rehearsal sets: KVPLAN_TOTAL, _CONTEXT, _NAME, _SM, _COUNT, _NODE, _BYTE. */
uint64_t rehearsal_setting(const char *name, uint64_t otherwise);
const char *rehearsal_name(void);
uint64_t rehearsal_total(void);
int rehearsal_sm(void);
int rehearsal_devices(void);
int rehearsal_fail(int error);
void *rehearsal_handle(void);
void rehearsal_launch(void); /* also for launches that a program counts and does not make */

/* Memory, under the lock. */
extern pthread_mutex_t rehearsal_lock;
extern uint64_t rehearsal_used;
int rehearsal_charge(uint64_t size);
void *rehearsal_take(uint64_t size, uint64_t charged, int host);
int rehearsal_give(void *at);
uint64_t rehearsal_context(void); /* the context, and what the driver would hold for captured graphs */

int cudaMalloc(void **out, size_t size);
int cudaDeviceGetAttribute(int *out, int which, int d);
const char *cudaGetErrorString(int e);
#endif
