/* packed.c - compresses JSON, and writes it in letters (see packed.h). */
#include "export/packed.h"
#include "base/text.h"

#include <inttypes.h>
#include <string.h>

enum { GZIP = 16 + MAX_WBITS, LEVEL = 6 };

rhi_error *rhi__packed_begin(rhi_packed *packed, FILE *file)
{
    memset(packed, 0, sizeof *packed);
    packed->file = file;
    packed->is_short =
        deflateInit2(&packed->stream, LEVEL, Z_DEFLATED, GZIP, 8, Z_DEFAULT_STRATEGY) != Z_OK;
    return packed->is_short ? rhi__error_memory() : NULL;
}

/* The letters of three bytes, of which the last ones may be missing. */
static void put_letters(rhi_packed *p, unsigned count)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *b = p->letters;
    char text[4] = {letters[b[0] >> 2], letters[(b[0] & 3) << 4 | b[1] >> 4],
                    count > 1 ? letters[(b[1] & 15) << 2 | b[2] >> 6] : '=',
                    count > 2 ? letters[b[2] & 63] : '='};
    fwrite(text, 1, sizeof text, p->file);
}

static void write_packed(rhi_packed *p, uint64_t size)
{
    for (uint64_t i = 0; i < size; i++) {
        p->letters[p->kept++] = p->packed[i];
        if (p->kept == 3) {
            put_letters(p, 3);
            p->kept = 0;
        }
    }
}

static void compress_plain(rhi_packed *p, int flush)
{
    p->stream.next_in = p->plain;
    p->stream.avail_in = (uInt)p->used;
    p->used = 0;
    do {
        p->stream.next_out = p->packed;
        p->stream.avail_out = sizeof p->packed;
        deflate(&p->stream, flush);
        write_packed(p, sizeof p->packed - p->stream.avail_out);
    } while (p->stream.avail_out == 0);
}

static void put(rhi_packed *p, const char *bytes, size_t size)
{
    while (size && !p->is_short) {
        size_t room = sizeof p->plain - p->used, step = size < room ? size : room;
        memcpy(p->plain + p->used, bytes, step);
        p->used += step;
        bytes += step;
        size -= step;
        if (p->used == sizeof p->plain)
            compress_plain(p, Z_NO_FLUSH);
    }
}

void rhi__packed_put(rhi_packed *packed, const char *json)
{
    put(packed, json, strlen(json));
}

void rhi__packed_number(rhi_packed *packed, uint64_t number)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, number);
    rhi__packed_put(packed, digits);
}

void rhi__packed_text(rhi_packed *packed, const char *text)
{
    size_t left = text ? strlen(text) : 0, length;
    if (!text) {
        rhi__packed_put(packed, "null");
        return;
    }
    put(packed, "\"", 1);
    for (; left; text += length, left -= length) {
        char escape[8];
        length = rhi__character(text, left);
        if (length > 1 || (length == 1 && (uint8_t)*text >= ' ' && *text != '"' && *text != '\\')) {
            put(packed, text, length);
            continue;
        }
        snprintf(escape, sizeof escape, "\\u%04x", length ? (unsigned)(uint8_t)*text : 0xfffdu);
        rhi__packed_put(packed, escape);
        length = 1;
    }
    put(packed, "\"", 1);
}

static int put_dumped(const char *text, size_t size, void *packed)
{
    put(packed, text, size);
    return 0;
}

void rhi__packed_value(rhi_packed *packed, json_t *value)
{
    if (!value || json_dump_callback(value, put_dumped, packed, JSON_COMPACT | JSON_ENCODE_ANY))
        packed->is_short = true;
    json_decref(value);
}

rhi_error *rhi__packed_end(rhi_packed *packed, bool is_whole)
{
    if (is_whole && !packed->is_short) {
        compress_plain(packed, Z_FINISH);
        if (packed->kept) {
            memset(packed->letters + packed->kept, 0, sizeof packed->letters - packed->kept);
            put_letters(packed, packed->kept);
        }
    }
    deflateEnd(&packed->stream);
    return packed->is_short ? rhi__error_memory() : NULL;
}
