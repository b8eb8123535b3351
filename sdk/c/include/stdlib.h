/* As much of a C library's <stdlib.h> as a plugin has. */
#ifndef WINDLASS_STDLIB_H
#define WINDLASS_STDLIB_H

#include <stddef.h>

/* Memory. A call of a plugin is an instance of its own, which is gone afterwards with all of its memory: so nothing needs to
 * be freed, and `free` does nothing. Texts that are in the program itself may be handed out like allocated ones. */
void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *memory, size_t size);
void free(void *memory);

/* Ends the call. `windlass_panic` says why before it does. */
_Noreturn void abort(void);

#endif
