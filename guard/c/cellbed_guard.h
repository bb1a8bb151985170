/* The guard of one device, for firmware: what the crate cellbed-guard computes, in C99, to the bit.
 *
 * No allocation, no floats, no library but memcpy and memset. The model lies where it is (flash) and is read in place;
 * the state of a device is one struct. docs/guard.md tells what is found and what is missed. */
#ifndef CELLBED_GUARD_H
#define CELLBED_GUARD_H

#include <stddef.h>
#include <stdint.h>

#define CG_FEATURES 25
#define CG_INSTANT 4
#define CG_MODEL_BYTES 969

enum cg_level { CG_SUSPECT = 1, CG_CERTAIN = 2 };

/* What was found: bit n of features and residuals is feature n, of instant counter n. */
typedef struct {
    enum cg_level level;
    uint32_t features;
    uint32_t residuals;
    uint8_t instant;
    uint64_t begin_ms;
    uint64_t end_ms;
    int16_t values[CG_FEATURES];
} cg_finding;

typedef struct { uint32_t bits[4]; } cg_distinct;
typedef struct {
    uint32_t address, first_s;
    uint64_t last_ms;
    uint32_t start_s, interval_s, counted;
    uint8_t regular;
} cg_peer;
typedef struct { uint32_t mark; uint64_t start_ms, last_ms; } cg_flow;
typedef struct {
    uint8_t any, name_length, name_entropy_q4, regular;
    uint32_t packets[2], bytes[2];
    cg_distinct peers, services;
    uint32_t connections, opened, accepted, resets, queries, foreign, new_peers, shorts, dns_bytes, spoken_peak;
} cg_counts;

/* The state of a device. Its fields are nobody else's. */
typedef struct {
    uint64_t begin_ms, second_ms, both_ms, tripped_s;
    uint32_t number, second[CG_INSTANT], spoken, acknowledged, heard[2];
    cg_counts window;
    cg_peer peers[16];
    cg_flow flows[16];
    uint32_t named[32];
    uint8_t named_next, has_both, has_tripped;
    cg_distinct minutes[5];
    uint64_t averages_q16[5];
} cg_guard;

/* 0 where `model` is one: length, version, check sum and scales are in order. */
int cg_model_check(const uint8_t *model, size_t length);
/* Whether the baseline was long enough for anybody to be judged by it. */
int cg_model_is_armed(const uint8_t *model);

void cg_begin(cg_guard *guard, uint64_t now_ms);
/* Takes an IPv4 packet of the device with the address `device`; `found` is called with what it leads to. What is no such
 * packet is passed over, and -1 returned. */
int cg_packet(cg_guard *guard, const uint8_t *model, uint32_t device, uint64_t now_ms, const uint8_t *packet, size_t length,
              void (*found)(const cg_finding *, void *), void *with);
/* Closes the windows that are over. */
void cg_tick(cg_guard *guard, const uint8_t *model, uint64_t now_ms, void (*found)(const cg_finding *, void *), void *with);

/* For tests: what the autoencoder makes of an input. */
void cg_infer(const uint8_t *model, const int8_t input[CG_FEATURES], int8_t output[CG_FEATURES]);

#endif
