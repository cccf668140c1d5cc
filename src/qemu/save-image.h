/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file of a saved guest: a head that says what it is, the guest's XML, and behind it QEMU's migration stream.
 *
 *   offset  bytes  what
 *   0       8      "VTSAVED\n", or "VTSAVE.\n" while it is being written: such a file is never restored
 *   8       4      version (1), big endian, like all numbers here
 *   12      4      flags: VtSaveFlags
 *   16      4      length of the XML, without a NUL
 *   20      4      where the stream begins: a multiple of 4096 beyond the XML
 *   24      ...    XML, then zeroes up to the stream
 */
#pragma once

#include "util/error.h"

#define VT_SAVE_IMAGE_HEAD_BYTES 24
#define VT_SAVE_IMAGE_ALIGN      4096
#define VT_SAVE_IMAGE_XML_MAX    (4 * 1024 * 1024)

typedef enum {
    VT_SAVE_IMAGE_RUNNING = 1 << 0, /* the guest ran when it was saved, and runs again when restored */
} VtSaveImageFlags;

typedef struct {
    guint32 flags;
    char *xml;
    guint32 stream_offset; /* bytes from the beginning of the file */
} VtSaveImage;

void vt_save_image_clear(VtSaveImage *image);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VtSaveImage, vt_save_image_clear)

/**
 * vt_save_image_head - all bytes that stand before QEMU's stream
 * @flags:    VtSaveImageFlags
 * @xml:      the guest, migratable; at most VT_SAVE_IMAGE_XML_MAX bytes
 * @complete: FALSE: as long as the stream is being written
 *
 * The bytes for one @flags and @xml differ in the magic alone, so that completing a file is writing its first 8
 * bytes.
 * Return: (transfer full) the bytes, as many as the stream's offset; NULL when @xml is too long.
 */
GBytes *vt_save_image_head(guint32 flags, const char *xml, gboolean complete);

/**
 * vt_save_image_parse - read the head of a file
 * @data:   the first bytes of the file
 * @length: how many; VT_SAVE_IMAGE_HEAD_BYTES + VT_SAVE_IMAGE_XML_MAX are always enough
 * @image:  (out) set only on success; clear with vt_save_image_clear()
 * @error:  (out) OPERATION_FAILED: no saved guest, cut short, never completed, or of another version
 */
gboolean vt_save_image_parse(const guint8 *data, gsize length, VtSaveImage *image, GError **error);

/**
 * vt_save_image_read - the same from a file
 * @path:  the file
 * @image: (out) as above
 * @error: (out) also SYSTEM
 *
 * Blocks for the time of reading the XML.
 */
gboolean vt_save_image_read(const char *path, VtSaveImage *image, GError **error);
