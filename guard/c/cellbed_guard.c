/* See cellbed_guard.h. Each function has its twin in guard/src, by the same name, where the reasons stand. */
#include "cellbed_guard.h"

#include <string.h>

#define TCP 6
#define UDP 17
#define WINDOW_MS 10000u
#define FORGOTTEN 2880u

/* Where things are in a model: guard/src/model.rs has the map. */
enum { WINDOWS = 6, HOURS = 10, SERVICES = 12, MARKS = 36, MEANS = 84, GAINS = 134, LIMITS = 184, RESIDUALS = 234,
       INSTANT = 259, SCALES = 275, WEIGHTS = 287, BIASES = 867, CRC = 965 };

static uint16_t le16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static uint32_t le32(const uint8_t *p) { return (uint32_t)le16(p) | (uint32_t)le16(p + 2) << 16; }
static uint16_t be16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static uint32_t be32(const uint8_t *p) { return (uint32_t)be16(p) << 16 | be16(p + 2); }

/* ---- fixed.rs ---- */

static int16_t log2_q8(uint64_t x) {
    int whole = 0, n;
    int16_t log;
    uint64_t mantissa;
    if (x < 2) return 0;
    while (x >> whole > 1) whole++;
    mantissa = whole <= 31 ? x << (31 - whole) : x >> (whole - 31);
    log = (int16_t)whole;
    for (n = 0; n < 8; n++) {
        unsigned place;
        mantissa = (mantissa * mantissa) >> 31;
        place = (unsigned)(mantissa >> 32);
        log = (int16_t)(log * 2 + (int)place);
        mantissa >>= place;
    }
    return log;
}

static int16_t log1p_q8(uint32_t x) { return log2_q8((uint64_t)x + 1); }
static int16_t log1p_of_q16(uint64_t x) { return (int16_t)(log2_q8(x + 65536) - 16 * 256); }

static uint32_t fnv(uint32_t hash, const uint8_t *bytes, size_t length) {
    while (length--) hash = (hash ^ *bytes++) * 0x01000193u;
    return hash;
}

static uint32_t whole(uint32_t hash) { return hash ? hash : 1; }

static uint32_t add_saturating(uint32_t a, uint32_t b) { return a + b < a ? UINT32_MAX : a + b; }

/* ---- model.rs ---- */

int cg_model_check(const uint8_t *model, size_t length) {
    uint32_t crc = UINT32_MAX;
    size_t at;
    int bit;
    if (length != CG_MODEL_BYTES || memcmp(model, "CBGM\1\0", 6) != 0) return -1;
    for (at = 0; at < CRC; at++) {
        crc ^= model[at];
        for (bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    if (~crc != le32(model + CRC)) return -1;
    for (at = 0; at < 4; at++) if (model[SCALES + 3 * at + 2] > 31) return -1;
    return 0;
}

static int is_seasoned(const uint8_t *model) { return le16(model + HOURS) >= 312; }

int cg_model_is_armed(const uint8_t *model) { return le16(model + HOURS) >= 72 && le32(model + WINDOWS) >= 1000; }

static int has_service(const uint8_t *model, uint8_t protocol, uint16_t port) {
    int n;
    for (n = 0; n < 8; n++) {
        const uint8_t *place = model + SERVICES + 3 * n;
        if (protocol && place[0] == protocol && le16(place + 1) == port) return 1;
    }
    return 0;
}

static int has_mark(const uint8_t *model, uint32_t mark) {
    int n;
    for (n = 0; n < 12; n++) if (mark && le32(model + MARKS + 4 * n) == mark) return 1;
    return 0;
}

static int has_peer(const uint8_t *model, uint32_t address) {
    uint8_t bytes[4] = { (uint8_t)(address >> 24), (uint8_t)(address >> 16), (uint8_t)(address >> 8), (uint8_t)address };
    return has_mark(model, whole(fnv(0x811c9dc5u, bytes, 4)));
}

static int64_t floor_shift(int64_t x, unsigned shift) {
    /* A shift of a negative number is up to the compiler in C99. */
    return x < 0 ? -((-x - 1) >> shift) - 1 : x >> shift;
}

static int8_t clip(int64_t x, int least) { return (int8_t)(x < least ? least : x > 127 ? 127 : x); }

static void normalise(const uint8_t *model, const int16_t *values, int8_t *input) {
    int n;
    for (n = 0; n < CG_FEATURES; n++) {
        int32_t off = (int32_t)values[n] - (int16_t)le16(model + MEANS + 2 * n);
        input[n] = clip(floor_shift((int64_t)off * le16(model + GAINS + 2 * n) + 32768, 16), -127);
    }
}

void cg_infer(const uint8_t *model, const int8_t input[CG_FEATURES], int8_t output[CG_FEATURES]) {
    static const uint8_t sizes[5] = { 25, 10, 4, 10, 25 };
    const uint8_t *weight = model + WEIGHTS, *bias = model + BIASES;
    int8_t cells[CG_FEATURES], next[CG_FEATURES];
    int layer, out, in;
    memcpy(cells, input, CG_FEATURES);
    for (layer = 0; layer < 4; layer++) {
        const uint8_t *scale = model + SCALES + 3 * layer;
        unsigned shift = scale[2];
        int64_t half = ((int64_t)1 << shift) >> 1;
        for (out = 0; out < sizes[layer + 1]; out++) {
            int32_t sum = (int16_t)le16(bias);
            int64_t product;
            for (in = 0; in < sizes[layer]; in++) sum += (int32_t)(int8_t)*weight++ * cells[in];
            bias += 2;
            product = floor_shift((int64_t)sum * le16(scale) + half, shift);
            next[out] = clip(product, layer < 3 ? 0 : -127);
        }
        memcpy(cells, next, sizes[layer + 1]);
    }
    memcpy(output, cells, CG_FEATURES);
}

/* ---- packet.rs ---- */

typedef struct {
    int up, unreachable, has_dns;
    uint32_t peer;
    uint8_t protocol, flags;
    uint16_t local_port, peer_port, length;
    uint32_t name, answers[4];
    uint8_t name_length, name_entropy_q4;
} packet;

static uint8_t lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c; }

static uint8_t entropy_q4(const uint8_t *name, size_t length) {
    uint32_t total = 0, sum = 0, log_total;
    size_t at, other;
    for (at = 0; at < length; at++) {
        uint32_t count = 0;
        uint8_t c = lower(name[at]);
        if (c == '.') continue;
        total++;
        /* Counted where it stands first. A table of all characters would be 256 bytes of stack. */
        for (other = 0; other < at && lower(name[other]) != c; other++) {}
        if (other < at) continue;
        for (other = at; other < length; other++) count += lower(name[other]) == c;
        sum += count * (uint32_t)log2_q8(count);
    }
    if (!total) return 0;
    log_total = (uint32_t)log2_q8(total);
    return (uint8_t)((log_total > sum / total ? log_total - sum / total : 0) / 16);
}

static size_t behind_name(const uint8_t *message, size_t length, size_t at) {
    for (;;) {
        if (at >= length) return 0;
        if (message[at] == 0) return at + 1;
        if (message[at] >= 0xc0) return at + 2;
        if (message[at] >= 64) return 0;
        at += 1u + message[at];
    }
}

static void parse_dns(packet *p, const uint8_t *message, size_t length) {
    uint8_t name[255];
    size_t size = 0, at = 12, n, records, taken = 0;
    uint32_t hash = 0x811c9dc5u;
    if (length < 12 || be16(message + 4) != 1) return;
    for (;;) {
        size_t label;
        if (at >= length) return;
        label = message[at];
        if (label == 0) break;
        if (label > 63 || size + label + 1 > sizeof name) return;
        if (size) name[size++] = '.';
        if (at + 1 + label > length) return;
        memcpy(name + size, message + at + 1, label);
        size += label;
        at += 1 + label;
    }
    for (n = 0; n < size; n++) {
        uint8_t c = lower(name[n]);
        hash = fnv(hash, &c, 1);
    }
    p->has_dns = 1;
    p->name = whole(hash);
    p->name_length = (uint8_t)size;
    p->name_entropy_q4 = entropy_q4(name, size);
    if (!(message[2] & 0x80)) return;
    records = message[7] < 8 ? message[7] : 8;
    at += 5;
    for (n = 0; n < records; n++) {
        size_t begin = behind_name(message, length, at), data;
        if (!begin || begin + 10 > length) return;
        data = be16(message + begin + 8);
        if (begin + 10 + data > length) return;
        if (be16(message + begin) == 1 && be16(message + begin + 2) == 1 && data == 4 && taken < 4)
            p->answers[taken++] = be32(message + begin + 10);
        at = begin + 10 + data;
    }
}

static int parse(packet *p, const uint8_t *bytes, size_t length, uint32_t device) {
    size_t words, total;
    const uint8_t *body;
    uint32_t from, to;
    memset(p, 0, sizeof *p);
    if (length < 20) return -1;
    words = bytes[0] & 15;
    total = be16(bytes + 2);
    if (total > length || words * 4 > total || bytes[0] >> 4 != 4 || words < 5) return -1;
    from = be32(bytes + 12);
    to = be32(bytes + 16);
    p->up = from == device;
    if (!p->up && to != device) return -1;
    p->peer = p->up ? to : from;
    p->protocol = bytes[9];
    p->length = (uint16_t)total;
    if (be16(bytes + 6) & 0x1fff) return 0;
    body = bytes + words * 4;
    total -= words * 4;
    if (p->protocol == 1 && total >= 1) {
        p->unreachable = body[0] == 3;
    } else if ((p->protocol == TCP || p->protocol == UDP) && total >= 4) {
        p->local_port = be16(body + (p->up ? 0 : 2));
        p->peer_port = be16(body + (p->up ? 2 : 0));
        if (p->protocol == TCP) p->flags = total > 13 ? body[13] : 0;
        else if (p->peer_port == 53 && total >= 8) parse_dns(p, body + 8, total - 8);
    }
    return 0;
}

static int only_acknowledges(const packet *p) {
    return p->protocol == TCP && (p->flags & 0x1f) == 0x10 && p->length <= 52;
}

/* ---- tables.rs ---- */

static void distinct_add(cg_distinct *seen, uint32_t mark) {
    uint32_t bit = (mark * 0x9e3779b1u) >> 25;
    seen->bits[bit >> 5] |= (uint32_t)1 << (bit & 31);
}

static uint32_t distinct_count(const cg_distinct *seen) {
    uint32_t count = 0, n;
    for (n = 0; n < 4; n++) {
        uint32_t bits = seen->bits[n];
        for (; bits; bits &= bits - 1) count++;
    }
    return count;
}

/* ---- tracker.rs ---- */

void cg_begin(cg_guard *g, uint64_t now_ms) {
    memset(g, 0, sizeof *g);
    g->begin_ms = now_ms - now_ms % WINDOW_MS;
    g->second_ms = now_ms - now_ms % 1000;
    g->number = 1;
}

static uint32_t endpoint(const packet *p, uint32_t a, uint32_t b, int with_second) {
    uint8_t bytes[9] = { (uint8_t)(p->peer >> 24), (uint8_t)(p->peer >> 16), (uint8_t)(p->peer >> 8), (uint8_t)p->peer,
                         p->protocol, (uint8_t)(a >> 8), (uint8_t)a, (uint8_t)(b >> 8), (uint8_t)b };
    return whole(fnv(0x811c9dc5u, bytes, with_second ? 9 : 7));
}

static uint32_t follow_flow(cg_guard *g, uint64_t now_ms, const packet *p) {
    uint32_t mark, opened;
    int at, oldest = 0, found = 0, fresh;
    int opens = (p->flags & 0x12) == 0x02;
    cg_flow *flow;
    if (p->protocol != TCP && p->protocol != UDP) return 0;
    mark = endpoint(p, p->local_port, p->peer_port, 1);
    for (at = 0; at < 16; at++) {
        if (g->flows[at].mark == mark) { found = 1; break; }
        if (g->flows[at].last_ms < g->flows[oldest].last_ms) oldest = at;
    }
    flow = &g->flows[found ? at : oldest];
    fresh = p->protocol == TCP ? opens
                               : !found || (now_ms > flow->last_ms ? now_ms - flow->last_ms : 0) > 60000;
    if (fresh) {
        flow->mark = mark;
        flow->start_ms = flow->last_ms = now_ms;
    } else if (found) {
        flow->last_ms = now_ms;
        if (p->protocol == TCP && (p->flags & 0x05)) {
            if ((now_ms > flow->start_ms ? now_ms - flow->start_ms : 0) < 5000)
                g->window.shorts = add_saturating(g->window.shorts, 1);
            memset(flow, 0, sizeof *flow);
        }
    }
    opened = fresh && p->up;
    g->window.connections = add_saturating(g->window.connections, opened);
    g->window.opened = add_saturating(g->window.opened, (uint32_t)(p->up && opens));
    return opened;
}

static int is_named(const cg_guard *g, uint32_t address) {
    int n;
    for (n = 0; n < 32; n++) if (g->named[n] == address) return 1;
    return 0;
}

static void follow_dns(cg_guard *g, const packet *p, const uint8_t *model) {
    cg_counts *w = &g->window;
    int n;
    w->dns_bytes = add_saturating(w->dns_bytes, p->length);
    if (p->up) {
        w->queries = add_saturating(w->queries, 1);
        if (p->name_length > w->name_length) w->name_length = p->name_length;
        if (p->name_entropy_q4 > w->name_entropy_q4) w->name_entropy_q4 = p->name_entropy_q4;
    } else if (has_mark(model, p->name) && has_peer(model, p->peer)) {
        for (n = 0; n < 4; n++) {
            if (p->answers[n] && !is_named(g, p->answers[n])) {
                g->named[g->named_next] = p->answers[n];
                g->named_next = (uint8_t)((g->named_next + 1) % 32);
            }
        }
    }
}

static void follow_peer(cg_guard *g, uint64_t now_ms, const packet *p) {
    uint32_t now_s = (uint32_t)(now_ms / 1000);
    int at, oldest = 0, found = 0;
    cg_peer *peer;
    for (at = 0; at < 16; at++) {
        if (g->peers[at].address == p->peer) { found = 1; break; }
        if (g->peers[at].last_ms < g->peers[oldest].last_ms) oldest = at;
    }
    peer = &g->peers[found ? at : oldest];
    if (!found) {
        memset(peer, 0, sizeof *peer);
        peer->address = p->peer;
        peer->first_s = peer->start_s = now_s;
    } else if (p->up && (now_ms > peer->last_ms ? now_ms - peer->last_ms : 0) >= 5000) {
        uint32_t interval = now_s > peer->start_s ? now_s - peer->start_s : 0;
        uint32_t off = interval > peer->interval_s ? interval - peer->interval_s : peer->interval_s - interval;
        peer->start_s = now_s;
        if (peer->interval_s > 0 && off * 20 <= peer->interval_s * 7) {
            if (peer->regular < 255) peer->regular++;
            peer->interval_s = (peer->interval_s * 3 + interval) / 4;
        } else {
            if (peer->regular) peer->regular--;
            peer->interval_s = interval;
        }
    }
    peer->last_ms = now_ms;
    if (peer->regular > g->window.regular) g->window.regular = peer->regular;
    if ((now_s > peer->first_s ? now_s - peer->first_s : 0) < 600 && peer->counted != g->number) {
        peer->counted = g->number;
        g->window.new_peers = add_saturating(g->window.new_peers, 1);
    }
}

/* Begins another second where one is over. */
static void roll(cg_guard *g, uint64_t now_ms) {
    uint64_t second_ms = now_ms - now_ms % 1000;
    if (second_ms == g->second_ms) return;
    g->heard[1] = second_ms == g->second_ms + 1000 ? g->heard[0] : 0;
    g->heard[0] = 0;
    g->acknowledged = 0;
    g->second_ms = second_ms;
    g->spoken = 0;
    memset(g->second, 0, sizeof g->second);
}

static void take(cg_guard *g, uint64_t now_ms, const packet *p, const uint8_t *model) {
    cg_counts *w = &g->window;
    int side = !p->up, n;
    uint16_t port = p->local_port < p->peer_port ? p->local_port : p->peer_port;
    uint32_t mark = endpoint(p, port, 0, 0), opened;
    w->any = 1;
    if (!only_acknowledges(p)) {
        w->packets[side] = add_saturating(w->packets[side], 1);
        w->bytes[side] = add_saturating(w->bytes[side], p->length);
    }
    distinct_add(&w->peers, p->peer);
    distinct_add(&w->services, mark);
    distinct_add(&g->minutes[0], mark);
    if (!has_service(model, p->protocol, port)) w->foreign = add_saturating(w->foreign, 1);
    if ((p->flags & 0x04) || p->unreachable) w->resets = add_saturating(w->resets, 1);
    w->accepted = add_saturating(w->accepted, (uint32_t)(!p->up && (p->flags & 0x12) == 0x12));
    opened = follow_flow(g, now_ms, p);
    if (p->has_dns) follow_dns(g, p, model);
    if (!has_peer(model, p->peer) && !is_named(g, p->peer)) follow_peer(g, now_ms, p);
    roll(g, now_ms);
    if (!p->up) {
        if (!only_acknowledges(p)) g->heard[0] = add_saturating(g->heard[0], 1);
    } else {
        uint32_t more[CG_INSTANT];
        int excused = only_acknowledges(p);
        if (excused) {
            g->acknowledged = add_saturating(g->acknowledged, 1);
            excused = g->acknowledged <= add_saturating(g->heard[0], g->heard[1]);
        }
        more[0] = !excused;
        more[1] = excused ? 0 : p->length;
        more[2] = opened;
        more[3] = (uint32_t)p->has_dns;
        for (n = 0; n < CG_INSTANT; n++) g->second[n] = add_saturating(g->second[n], more[n]);
        if (!only_acknowledges(p) && ++g->spoken > w->spoken_peak) w->spoken_peak = g->spoken;
    }
}

/* Ends the window that runs; 1 where there was a packet in it, whose features are then in `values`. */
static int close_window(cg_guard *g, int16_t *values) {
    cg_counts *w = &g->window;
    uint32_t unanswered = w->opened > w->accepted ? w->opened - w->accepted : 0, news[5];
    static const int16_t spans[5] = { 30, 30, 30, 30, 360 };
    int any = w->any, n, m;
    news[0] = news[4] = w->bytes[0];
    news[1] = w->connections;
    news[2] = add_saturating(unanswered, w->resets);
    news[3] = w->dns_bytes;
    for (n = 0; n < 5; n++) {
        int64_t old = (int64_t)g->averages_q16[n];
        g->averages_q16[n] = (uint64_t)(old + ((int64_t)((uint64_t)news[n] << 16) - old) / spans[n]);
    }
    if (any && values) {
        cg_distinct lately;
        memset(&lately, 0, sizeof lately);
        for (n = 0; n < 5; n++) for (m = 0; m < 4; m++) lately.bits[m] |= g->minutes[n].bits[m];
        values[0] = log1p_q8(w->packets[0]);
        values[1] = log1p_q8(w->packets[1]);
        values[2] = log1p_q8(w->bytes[0]);
        values[3] = log1p_q8(w->bytes[1]);
        values[4] = (int16_t)(values[2] - values[3]);
        values[5] = log1p_q8(w->packets[0] ? w->bytes[0] / w->packets[0] : 0);
        values[6] = log1p_q8(w->spoken_peak);
        values[7] = log1p_q8(distinct_count(&w->peers));
        values[8] = log1p_q8(distinct_count(&w->services));
        values[9] = log1p_q8(w->connections);
        values[10] = log1p_q8(unanswered);
        values[11] = log1p_q8(w->resets);
        values[12] = log1p_q8(w->queries);
        values[13] = log1p_q8(w->name_length);
        values[14] = log1p_q8(w->name_entropy_q4);
        values[15] = log1p_q8(w->foreign);
        values[16] = log1p_q8(w->new_peers);
        values[17] = log1p_of_q16(g->averages_q16[0]);
        values[18] = log1p_q8(distinct_count(&lately));
        values[19] = log1p_of_q16(g->averages_q16[1]);
        values[20] = log1p_of_q16(g->averages_q16[2]);
        values[21] = log1p_q8(w->regular);
        values[22] = log1p_q8(w->shorts);
        values[23] = log1p_of_q16(g->averages_q16[4]);
        values[24] = log1p_of_q16(g->averages_q16[3]);
    }
    memset(w, 0, sizeof *w);
    g->begin_ms += WINDOW_MS;
    if (++g->number == 0) g->number = 1;
    if (g->begin_ms % 60000 == 0) {
        memmove(&g->minutes[1], &g->minutes[0], 4 * sizeof g->minutes[0]);
        memset(&g->minutes[0], 0, sizeof g->minutes[0]);
    }
    return any;
}

/* ---- judge.rs ---- */

void cg_tick(cg_guard *g, const uint8_t *model, uint64_t now_ms, void (*found)(const cg_finding *, void *), void *with) {
    uint64_t over = now_ms > g->begin_ms ? (now_ms - g->begin_ms) / WINDOW_MS : 0, begin_ms = g->begin_ms, n;
    cg_finding f;
    int8_t input[CG_FEATURES], output[CG_FEATURES];
    int at, far = 0;
    if (!over) return;
    memset(&f, 0, sizeof f);
    at = close_window(g, f.values);
    if (over > FORGOTTEN) {
        memset(g->averages_q16, 0, sizeof g->averages_q16);
        memset(g->minutes, 0, sizeof g->minutes);
        g->begin_ms += (over - 1) * WINDOW_MS;
    } else {
        for (n = 1; n < over; n++) close_window(g, NULL);
    }
    if (!at) return;
    normalise(model, f.values, input);
    cg_infer(model, input, output);
    for (at = 0; at < CG_FEATURES; at++) {
        int16_t limit = (int16_t)le16(model + LIMITS + 2 * at);
        int residual = input[at] > output[at] ? input[at] - output[at] : output[at] - input[at];
        if (f.values[at] > limit) f.features |= (uint32_t)1 << at;
        if (residual > model[RESIDUALS + at]) f.residuals |= (uint32_t)1 << at;
        far |= (int32_t)f.values[at] >= (int32_t)limit + 512;
    }
    if (!f.features && !f.residuals) return;
    f.level = CG_SUSPECT;
    f.begin_ms = begin_ms;
    f.end_ms = begin_ms + WINDOW_MS;
    if ((f.features & ~((uint32_t)1 << 16)) && f.residuals) {
        int confirmed = g->has_both && (f.end_ms > g->both_ms ? f.end_ms - g->both_ms : 0) <= 600000;
        if (is_seasoned(model) && (far || confirmed)) f.level = CG_CERTAIN;
        g->has_both = 1;
        g->both_ms = f.end_ms;
    }
    found(&f, with);
}

int cg_packet(cg_guard *g, const uint8_t *model, uint32_t device, uint64_t now_ms, const uint8_t *bytes, size_t length,
              void (*found)(const cg_finding *, void *), void *with) {
    packet p;
    cg_finding f;
    int n;
    if (parse(&p, bytes, length, device)) return -1;
    cg_tick(g, model, now_ms, found, with);
    take(g, now_ms, &p, model);
    if (!p.up) return 0;
    memset(&f, 0, sizeof f);
    for (n = 0; n < CG_INSTANT; n++) if (g->second[n] > le32(model + INSTANT + 4 * n)) f.instant |= (uint8_t)(1 << n);
    if (f.instant && !(g->has_tripped && g->tripped_s == now_ms / 1000)) {
        g->has_tripped = 1;
        g->tripped_s = now_ms / 1000;
        f.level = CG_CERTAIN;
        f.begin_ms = now_ms - now_ms % 1000;
        f.end_ms = now_ms;
        found(&f, with);
    }
    return 0;
}
