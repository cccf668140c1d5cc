/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/save-image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "util/fd.h"

#define SAVE_IMAGE_COMPLETE "VTSAVED\n"
#define SAVE_IMAGE_PARTIAL  "VTSAVE.\n"
#define SAVE_IMAGE_MAGIC    8
#define SAVE_IMAGE_VERSION  1

void
vt_save_image_clear(VtSaveImage *image)
{
    g_clear_pointer(&image->xml, g_free);
}

static void
save_image_put(guint8 *at, guint32 value)
{
    guint32 big = GUINT32_TO_BE(value);

    memcpy(at, &big, sizeof big);
}

static guint32
save_image_get(const guint8 *at)
{
    guint32 big;

    memcpy(&big, at, sizeof big);
    return GUINT32_FROM_BE(big);
}

GBytes *
vt_save_image_head(guint32 flags, const char *xml, gboolean complete)
{
    gsize xml_length = strlen(xml);
    gsize offset = (VT_SAVE_IMAGE_HEAD_BYTES + xml_length + VT_SAVE_IMAGE_ALIGN - 1) / VT_SAVE_IMAGE_ALIGN *
                   VT_SAVE_IMAGE_ALIGN;
    guint8 *data;

    if (xml_length > VT_SAVE_IMAGE_XML_MAX)
        return NULL;
    data = g_malloc0(offset);
    memcpy(data, complete ? SAVE_IMAGE_COMPLETE : SAVE_IMAGE_PARTIAL, SAVE_IMAGE_MAGIC);
    save_image_put(data + 8, SAVE_IMAGE_VERSION);
    save_image_put(data + 12, flags);
    save_image_put(data + 16, (guint32)xml_length);
    save_image_put(data + 20, (guint32)offset);
    memcpy(data + VT_SAVE_IMAGE_HEAD_BYTES, xml, xml_length);
    return g_bytes_new_take(data, offset);
}

gboolean
vt_save_image_parse(const guint8 *data, gsize length, VtSaveImage *image, GError **error)
{
    guint32 xml_length, offset;

    if (length >= SAVE_IMAGE_MAGIC && memcmp(data, SAVE_IMAGE_PARTIAL, SAVE_IMAGE_MAGIC) == 0)
        return vt_error_set(
            error, VT_ERROR_OPERATION_FAILED,
            "The save image was never completed: saving the guest failed or was interrupted.");
    if (length < VT_SAVE_IMAGE_HEAD_BYTES || memcmp(data, SAVE_IMAGE_COMPLETE, SAVE_IMAGE_MAGIC) != 0)
        return vt_error_set(error, VT_ERROR_OPERATION_FAILED, "The file is no save image of virtteam.");
    if (save_image_get(data + 8) != SAVE_IMAGE_VERSION)
        return vt_error_set(error, VT_ERROR_OPERATION_FAILED,
                            "The save image has version %u; version %d is supported.",
                            save_image_get(data + 8), SAVE_IMAGE_VERSION);
    xml_length = save_image_get(data + 16);
    offset = save_image_get(data + 20);
    if (xml_length > VT_SAVE_IMAGE_XML_MAX || offset % VT_SAVE_IMAGE_ALIGN != 0 ||
        offset < VT_SAVE_IMAGE_HEAD_BYTES + xml_length || length - VT_SAVE_IMAGE_HEAD_BYTES < xml_length ||
        memchr(data + VT_SAVE_IMAGE_HEAD_BYTES, '\0', xml_length))
        return vt_error_set(error, VT_ERROR_OPERATION_FAILED,
                            "The save image is damaged: its head is not consistent.");
    image->flags = save_image_get(data + 12);
    image->xml = g_strndup((const char *)data + VT_SAVE_IMAGE_HEAD_BYTES, xml_length);
    image->stream_offset = offset;
    return TRUE;
}

gboolean
vt_save_image_read(const char *path, VtSaveImage *image, GError **error)
{
    g_auto(VtFd) fd = open(path, O_RDONLY | O_CLOEXEC);
    const gsize room = VT_SAVE_IMAGE_HEAD_BYTES + VT_SAVE_IMAGE_XML_MAX;
    g_autoptr(GByteArray) data = g_byte_array_new();
    guint8 buffer[65536];

    if (fd < 0)
        return vt_error_set_errno(error, errno, "Cannot open the save image '%s'", path);
    while (data->len < room) {
        gssize got = read(fd, buffer, MIN(sizeof buffer, room - data->len));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return vt_error_set_errno(error, errno, "Cannot read the save image '%s'", path);
        if (got == 0)
            break;
        g_byte_array_append(data, buffer, (guint)got);
        /* The XML is a few KiB; what follows may be a guest's whole memory. */
        if (data->len >= VT_SAVE_IMAGE_HEAD_BYTES &&
            (gsize)data->len - VT_SAVE_IMAGE_HEAD_BYTES >= save_image_get(data->data + 16))
            break;
    }
    if (!vt_save_image_parse(data->data, data->len, image, error)) {
        g_prefix_error(error, "'%s': ", path);
        return FALSE;
    }
    return TRUE;
}
