/*
 * Shared by the parts of a CUDA runtime without a GPU: see build.py for what it is and what it is not.
 *
 * The card has CARD bytes, of which a context takes CONTEXT; both are made up, and so is the rest.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "driver_types.h"

#define MIB (1024ull * 1024)
#define PAGE (2 * MIB)
#define CARD (140ull * 1024 * MIB)
#define CONTEXT (500 * MIB)

/* A setter of out-parameters that may be left out. */
#define TELL(out, value)   \
    do {                   \
        if (out)           \
            *(out) = value; \
    } while (0)

/* Records an error as the last one of this thread, and returns it. */
int failed(int error);

/* An object that nothing looks into: a stream, an event, a handle. */
void *something(void);
