/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * XDR primitives over a bounded buffer: every unit is big endian and padded to four bytes.
 *
 * A reader or writer that has failed once stays failed and does nothing more, so that a chain of calls needs one
 * check at its end. Neither ever touches memory outside its bounds, and a reader never allocates more than the
 * bytes that are really there.
 */
#pragma once

#include <glib.h>

/* The longest string the protocol allows, its NUL not counted. */
#define VT_XDR_STRING_MAX 4194304u

typedef struct {
    const guint8 *data;
    gsize size;
    gsize pos;
    gboolean failed;
} VtXdrReader;

typedef struct {
    GByteArray *out; /* (transfer none) bytes are appended */
    gsize limit;     /* @out may not grow beyond this */
    gboolean failed;
} VtXdrWriter;

/**
 * vt_xdr_reader_init - begin to read
 * @reader: what to set up
 * @data:   (transfer none) must live as long as the reader; nullable when @size is 0
 * @size:   bytes of @data
 */
void vt_xdr_reader_init(VtXdrReader *reader, const guint8 *data, gsize size);

/** Bytes not yet read; 0 after a failure. */
gsize vt_xdr_reader_left(const VtXdrReader *reader);

/** The next unit; 0 after a failure. */
guint32 vt_xdr_read_u32(VtXdrReader *reader);
gint32 vt_xdr_read_i32(VtXdrReader *reader);
guint64 vt_xdr_read_u64(VtXdrReader *reader);
gint64 vt_xdr_read_i64(VtXdrReader *reader);
double vt_xdr_read_f64(VtXdrReader *reader);

/**
 * vt_xdr_read_count - the count of a variable-length array
 * @reader:   the reader
 * @max:      the most the protocol allows
 * @min_unit: the fewest bytes one element can take, at least 1
 *
 * Return: the count; 0 with the reader failed when it is above @max, or when so many cannot fit into what is left.
 */
guint32 vt_xdr_read_count(VtXdrReader *reader, guint32 max, gsize min_unit);

/**
 * vt_xdr_read_fixed - opaque bytes of a known length, and their padding
 * @reader: the reader
 * @size:   bytes
 *
 * Return: (transfer none) pointer into the buffer, or NULL with the reader failed.
 */
const guint8 *vt_xdr_read_fixed(VtXdrReader *reader, gsize size);

/** A counted string; (transfer full), NULL with the reader failed: longer than @max, or a NUL inside. */
char *vt_xdr_read_string(VtXdrReader *reader, guint32 max);

/** Counted opaque bytes; (transfer full), NULL with the reader failed. */
GBytes *vt_xdr_read_opaque(VtXdrReader *reader, guint32 max);

/**
 * vt_xdr_writer_init - begin to write behind what @out holds
 * @writer: what to set up
 * @out:    (transfer none) where bytes are appended
 * @limit:  the most bytes @out may hold
 */
void vt_xdr_writer_init(VtXdrWriter *writer, GByteArray *out, gsize limit);

void vt_xdr_write_u32(VtXdrWriter *writer, guint32 value);
void vt_xdr_write_i32(VtXdrWriter *writer, gint32 value);
void vt_xdr_write_u64(VtXdrWriter *writer, guint64 value);
void vt_xdr_write_i64(VtXdrWriter *writer, gint64 value);
void vt_xdr_write_f64(VtXdrWriter *writer, double value);

/** Opaque bytes of a length both sides know, padded with zeros. */
void vt_xdr_write_fixed(VtXdrWriter *writer, gconstpointer data, gsize size);

/** A counted string; fails when @text is NULL or longer than @max. */
void vt_xdr_write_string(VtXdrWriter *writer, const char *text, guint32 max);

/** Counted opaque bytes; NULL is written as none. Fails beyond @max. */
void vt_xdr_write_opaque(VtXdrWriter *writer, GBytes *bytes, guint32 max);
