/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/xdr.h"

#include <string.h>

#define XDR_UNIT 4u

static gsize
xdr_padding(gsize size)
{
    return (XDR_UNIT - size % XDR_UNIT) % XDR_UNIT;
}

void
vt_xdr_reader_init(VtXdrReader *reader, const guint8 *data, gsize size)
{
    *reader = (VtXdrReader){ .data = data, .size = size };
}

gsize
vt_xdr_reader_left(const VtXdrReader *reader)
{
    return reader->failed ? 0 : reader->size - reader->pos;
}

static const guint8 *
xdr_take(VtXdrReader *reader, gsize size)
{
    const guint8 *at;

    if (reader->failed || size > reader->size - reader->pos) {
        reader->failed = TRUE;
        return NULL;
    }
    at = reader->data + reader->pos;
    reader->pos += size;
    return at;
}

guint32
vt_xdr_read_u32(VtXdrReader *reader)
{
    const guint8 *at = xdr_take(reader, sizeof(guint32));
    guint32 value;

    if (at == NULL)
        return 0;
    memcpy(&value, at, sizeof(value));
    return GUINT32_FROM_BE(value);
}

gint32
vt_xdr_read_i32(VtXdrReader *reader)
{
    return (gint32)vt_xdr_read_u32(reader);
}

guint64
vt_xdr_read_u64(VtXdrReader *reader)
{
    const guint8 *at = xdr_take(reader, sizeof(guint64));
    guint64 value;

    if (at == NULL)
        return 0;
    memcpy(&value, at, sizeof(value));
    return GUINT64_FROM_BE(value);
}

gint64
vt_xdr_read_i64(VtXdrReader *reader)
{
    return (gint64)vt_xdr_read_u64(reader);
}

double
vt_xdr_read_f64(VtXdrReader *reader)
{
    guint64 bits = vt_xdr_read_u64(reader);
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

guint32
vt_xdr_read_count(VtXdrReader *reader, guint32 max, gsize min_unit)
{
    guint32 count = vt_xdr_read_u32(reader);

    if (reader->failed)
        return 0;
    if (count > max || count > vt_xdr_reader_left(reader) / MAX(min_unit, 1)) {
        reader->failed = TRUE;
        return 0;
    }
    return count;
}

const guint8 *
vt_xdr_read_fixed(VtXdrReader *reader, gsize size)
{
    const guint8 *at;

    if (size > G_MAXUINT32) {
        reader->failed = TRUE;
        return NULL;
    }
    at = xdr_take(reader, size);
    if (at != NULL && xdr_take(reader, xdr_padding(size)) == NULL)
        return NULL;
    return at;
}

char *
vt_xdr_read_string(VtXdrReader *reader, guint32 max)
{
    guint32 size = vt_xdr_read_count(reader, max, 1);
    const guint8 *at = vt_xdr_read_fixed(reader, size);

    if (at == NULL)
        return NULL;
    /* A C string cannot hold a NUL; dropping what follows it would let two readers see two names. */
    if (memchr(at, '\0', size) != NULL) {
        reader->failed = TRUE;
        return NULL;
    }
    return g_strndup((const char *)at, size);
}

GBytes *
vt_xdr_read_opaque(VtXdrReader *reader, guint32 max)
{
    guint32 size = vt_xdr_read_count(reader, max, 1);
    const guint8 *at = vt_xdr_read_fixed(reader, size);

    return at == NULL ? NULL : g_bytes_new(at, size);
}

void
vt_xdr_writer_init(VtXdrWriter *writer, GByteArray *out, gsize limit)
{
    *writer = (VtXdrWriter){ .out = out, .limit = limit };
}

static void
xdr_put(VtXdrWriter *writer, gconstpointer data, gsize size)
{
    if (writer->failed || size > writer->limit || writer->out->len > writer->limit - size) {
        writer->failed = TRUE;
        return;
    }
    if (size > 0)
        g_byte_array_append(writer->out, data, (guint)size);
}

void
vt_xdr_write_u32(VtXdrWriter *writer, guint32 value)
{
    guint32 wire = GUINT32_TO_BE(value);

    xdr_put(writer, &wire, sizeof(wire));
}

void
vt_xdr_write_i32(VtXdrWriter *writer, gint32 value)
{
    vt_xdr_write_u32(writer, (guint32)value);
}

void
vt_xdr_write_u64(VtXdrWriter *writer, guint64 value)
{
    guint64 wire = GUINT64_TO_BE(value);

    xdr_put(writer, &wire, sizeof(wire));
}

void
vt_xdr_write_i64(VtXdrWriter *writer, gint64 value)
{
    vt_xdr_write_u64(writer, (guint64)value);
}

void
vt_xdr_write_f64(VtXdrWriter *writer, double value)
{
    guint64 bits;

    memcpy(&bits, &value, sizeof(bits));
    vt_xdr_write_u64(writer, bits);
}

void
vt_xdr_write_fixed(VtXdrWriter *writer, gconstpointer data, gsize size)
{
    static const guint8 zeros[XDR_UNIT];

    xdr_put(writer, data, size);
    xdr_put(writer, zeros, xdr_padding(size));
}

void
vt_xdr_write_string(VtXdrWriter *writer, const char *text, guint32 max)
{
    gsize size = text == NULL ? 0 : strlen(text);

    if (text == NULL || size > max) {
        writer->failed = TRUE;
        return;
    }
    vt_xdr_write_u32(writer, (guint32)size);
    vt_xdr_write_fixed(writer, text, size);
}

void
vt_xdr_write_opaque(VtXdrWriter *writer, GBytes *bytes, guint32 max)
{
    gsize size = 0;
    gconstpointer data = bytes == NULL ? NULL : g_bytes_get_data(bytes, &size);

    if (size > max) {
        writer->failed = TRUE;
        return;
    }
    vt_xdr_write_u32(writer, (guint32)size);
    vt_xdr_write_fixed(writer, data, size);
}
