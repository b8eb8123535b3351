/* What the bindings and a plugin need of a C library. There is no other one here. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Memory is taken from the end of what the linker laid out, and never given back: a call is short, and what it used is gone with
 * it. In front of each piece is its length, which `realloc` needs. */
#define PAGE 65536u
#define ALIGNMENT 16u

extern unsigned char __heap_base;

static uintptr_t next;

static void *take(size_t size) {
  if (next == 0) next = ((uintptr_t)&__heap_base + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1);
  if (size > SIZE_MAX / 2) return NULL;
  size_t whole = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
  uintptr_t start = next + ALIGNMENT, end = start + whole;
  size_t pages = __builtin_wasm_memory_size(0);
  if (end < start) return NULL;
  if (end > (uint64_t)pages * PAGE) {
    size_t more = (end - pages * PAGE + PAGE - 1) / PAGE;
    if (__builtin_wasm_memory_grow(0, more) == (size_t)-1) return NULL;
  }
  *(size_t *)(start - sizeof(size_t)) = size;
  next = end;
  return (void *)start;
}

void *malloc(size_t size) {
  return take(size);
}

void *calloc(size_t count, size_t size) {
  if (size != 0 && count > SIZE_MAX / size) return NULL;
  void *memory = take(count * size);
  if (memory != NULL) memset(memory, 0, count * size);
  return memory;
}

void *realloc(void *memory, size_t size) {
  if (memory == NULL) return take(size);
  size_t *had = (size_t *)((uintptr_t)memory - sizeof(size_t));
  if (size <= *had) return memory;
  void *larger = take(size);
  if (larger != NULL) memcpy(larger, memory, *had);
  return larger;
}

void free(void *memory) {
  (void)memory;
}

_Noreturn void abort(void) {
  __builtin_trap();
}

void *memcpy(void *restrict to, const void *restrict from, size_t length) {
  unsigned char *out = to;
  const unsigned char *in = from;
  while (length-- > 0) *out++ = *in++;
  return to;
}

void *memmove(void *to, const void *from, size_t length) {
  unsigned char *out = to;
  const unsigned char *in = from;
  if (out <= in) return memcpy(to, from, length);
  while (length-- > 0) out[length] = in[length];
  return to;
}

void *memset(void *memory, int byte, size_t length) {
  unsigned char *out = memory;
  while (length-- > 0) *out++ = (unsigned char)byte;
  return memory;
}

int memcmp(const void *one, const void *other, size_t length) {
  const unsigned char *left = one, *right = other;
  for (; length > 0; length--, left++, right++)
    if (*left != *right) return *left - *right;
  return 0;
}

size_t strlen(const char *text) {
  size_t length = 0;
  while (text[length] != 0) length++;
  return length;
}

int strncmp(const char *one, const char *other, size_t length) {
  for (; length > 0; length--, one++, other++) {
    if (*one != *other) return (unsigned char)*one - (unsigned char)*other;
    if (*one == 0) break;
  }
  return 0;
}

int strcmp(const char *one, const char *other) {
  return strncmp(one, other, SIZE_MAX);
}

char *strchr(const char *text, int character) {
  for (;; text++) {
    if (*text == (char)character) return (char *)text;
    if (*text == 0) return NULL;
  }
}

char *strrchr(const char *text, int character) {
  for (const char *at = text + strlen(text);; at--) {
    if (*at == (char)character) return (char *)at;
    if (at == text) return NULL;
  }
}

char *strstr(const char *text, const char *part) {
  size_t length = strlen(part);
  for (;; text++) {
    if (strncmp(text, part, length) == 0) return (char *)text;
    if (*text == 0) return NULL;
  }
}
