/* Runs the guard over a file of packets and prints what it finds, one line each: on a host with its C library, and on a
 * Cortex-M3 without any, through semihosting (Arm's "Semihosting for AArch32 and AArch64", 2.0).
 *
 * trace.bin: the model; the address of the device, big-endian; then packets, each with its moment in milliseconds (8 bytes)
 * and its length (2 bytes), little-endian. */
#include "cellbed_guard.h"

#ifdef HOST
#include <stdio.h>
#include <stdlib.h>
static FILE *trace;
static int take(void *into, unsigned length) { return fread(into, 1, length, trace) == length; }
static void print(const char *text) { fputs(text, stdout); }
static void leave(int code) { exit(code); }
static void begin(void) { if (!(trace = fopen("trace.bin", "rb"))) exit(2); }
#else
extern unsigned _stack, _data, _data_end, _data_load, _bss, _bss_end;
void reset(void);
__attribute__((section(".vectors"), used)) static void *const vectors[16] = { &_stack, (void *)reset };

static int call(int what, const void *with) {
    register int r0 __asm__("r0") = what;
    register const void *r1 __asm__("r1") = with;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}
static int trace;
static int take(void *into, unsigned length) {
    struct { int file; void *into; unsigned length; } read = { trace, into, length };
    return call(6, &read) == 0;
}
static void print(const char *text) { call(4, text); }
static void leave(int code) { call(0x18, (void *)(code ? 0x20023 : 0x20026)); for (;;) {} }
static void begin(void) {
    struct { const char *name; int mode; unsigned length; } open = { "trace.bin", 1, 9 };
    trace = call(1, &open);
    if (trace < 0) leave(2);
}
void *memcpy(void *to, const void *from, size_t n) {
    unsigned char *t = to;
    const unsigned char *f = from;
    while (n--) *t++ = *f++;
    return to;
}
void *memmove(void *to, const void *from, size_t n) {
    unsigned char *t = to;
    const unsigned char *f = from;
    while (n--) t[n] = f[n];
    return to;
}
void *memset(void *to, int c, size_t n) {
    unsigned char *t = to;
    while (n--) *t++ = (unsigned char)c;
    return to;
}
int memcmp(const void *a, const void *b, size_t n) {
    const unsigned char *x = a, *y = b;
    for (; n; n--, x++, y++) if (*x != *y) return *x - *y;
    return 0;
}
#endif

static uint8_t model[CG_MODEL_BYTES], packet[1600];
static cg_guard guard;

static void number(char **at, int64_t n) {
    char digits[24];
    int count = 0;
    uint64_t left = n < 0 ? (uint64_t)-n : (uint64_t)n;
    if (n < 0) *(*at)++ = '-';
    do digits[count++] = (char)('0' + left % 10); while (left /= 10);
    while (count) *(*at)++ = digits[--count];
    *(*at)++ = ' ';
}

static void told(const cg_finding *f, void *with) {
    static char line[512];
    char *at = line;
    int n;
    (void)with;
    number(&at, f->level);
    number(&at, f->features);
    number(&at, f->residuals);
    number(&at, f->instant);
    number(&at, (int64_t)f->begin_ms);
    number(&at, (int64_t)f->end_ms);
    for (n = 0; n < CG_FEATURES; n++) number(&at, f->values[n]);
    at[-1] = '\n';
    *at = 0;
    print(line);
}

int main(void) {
    uint8_t head[10];
    uint32_t device;
    uint64_t now_ms = 0;
    int n;
    begin();
    if (!take(model, sizeof model) || !take(head, 4)) leave(2);
    if (cg_model_check(model, sizeof model) || !cg_model_is_armed(model)) leave(3);
    device = (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
    cg_begin(&guard, 0);
    while (take(head, sizeof head)) {
        unsigned length = head[8] | (unsigned)head[9] << 8;
        for (now_ms = 0, n = 8; n--;) now_ms = now_ms << 8 | head[n];
        if (length > sizeof packet || !take(packet, length)) leave(2);
        cg_packet(&guard, model, device, now_ms, packet, length, told, 0);
    }
    cg_tick(&guard, model, now_ms + 60000, told, 0);
    print("end\n");
    leave(0);
    return 0;
}

#ifndef HOST
void reset(void) {
    unsigned *to, *from = &_data_load;
    for (to = &_data; to < &_data_end;) *to++ = *from++;
    for (to = &_bss; to < &_bss_end;) *to++ = 0;
    main();
    leave(0);
}
#endif
