/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/message.h"

#include <string.h>

GByteArray *
vt_message_begin(const VtMessageHeader *header)
{
    GByteArray *frame = g_byte_array_new();
    VtXdrWriter writer;

    vt_xdr_writer_init(&writer, frame, VT_MESSAGE_MAX);
    vt_xdr_write_u32(&writer, VT_MESSAGE_MIN);
    vt_xdr_write_u32(&writer, header->program);
    vt_xdr_write_u32(&writer, header->version);
    vt_xdr_write_i32(&writer, header->procedure);
    vt_xdr_write_i32(&writer, header->type);
    vt_xdr_write_u32(&writer, header->serial);
    vt_xdr_write_i32(&writer, header->status);
    return frame;
}

gboolean
vt_message_end(GByteArray *frame)
{
    guint32 wire = GUINT32_TO_BE(frame->len);

    if (frame->len > VT_MESSAGE_MAX)
        return FALSE;
    memcpy(frame->data, &wire, sizeof(wire));
    return TRUE;
}

gboolean
vt_message_has_fds(gint32 type)
{
    return type == VT_MESSAGE_CALL_FDS || type == VT_MESSAGE_REPLY_FDS;
}

void
vt_message_reader_init(VtMessageReader *reader)
{
    *reader = (VtMessageReader){ .bytes = g_byte_array_new(), .want = VT_MESSAGE_LENGTH_SIZE };
}

void
vt_message_reader_clear(VtMessageReader *reader)
{
    if (reader->bytes != NULL)
        g_byte_array_unref(reader->bytes);
    reader->bytes = NULL;
}

gsize
vt_message_reader_want(const VtMessageReader *reader)
{
    return reader->complete ? 0 : reader->want - reader->bytes->len;
}

static gboolean
message_reader_length(VtMessageReader *reader, GError **error)
{
    VtXdrReader xdr;
    guint32 length;

    vt_xdr_reader_init(&xdr, reader->bytes->data, reader->bytes->len);
    length = vt_xdr_read_u32(&xdr);
    if (length < VT_MESSAGE_MIN || length > VT_MESSAGE_MAX)
        return vt_error_set(error, VT_ERROR_RPC, "A frame announces %u bytes, the protocol allows %u to %u.",
                            length, VT_MESSAGE_MIN, VT_MESSAGE_MAX);
    reader->want = length;
    return TRUE;
}

static gboolean
message_reader_fds(VtMessageReader *reader, GError **error)
{
    VtXdrReader xdr;
    guint32 type;

    vt_xdr_reader_init(&xdr, reader->bytes->data, reader->bytes->len);
    vt_xdr_read_fixed(&xdr, VT_MESSAGE_LENGTH_SIZE + 3 * sizeof(guint32));
    type = vt_xdr_read_u32(&xdr);
    vt_xdr_read_fixed(&xdr, 2 * sizeof(guint32));
    reader->n_fds = 0;
    if (!vt_message_has_fds((gint32)type))
        return TRUE;
    reader->n_fds = vt_xdr_read_u32(&xdr);
    if (xdr.failed || reader->n_fds > VT_MESSAGE_FDS_MAX)
        return vt_error_set(error, VT_ERROR_RPC,
                            "A frame announces %u file descriptors, at most %u can be sent.", reader->n_fds,
                            VT_MESSAGE_FDS_MAX);
    return TRUE;
}

gboolean
vt_message_reader_feed(VtMessageReader *reader, const guint8 *data, gsize size, GError **error)
{
    g_byte_array_append(reader->bytes, data, (guint)MIN(size, vt_message_reader_want(reader)));
    if (reader->bytes->len < reader->want)
        return TRUE;
    if (reader->want == VT_MESSAGE_LENGTH_SIZE)
        return message_reader_length(reader, error);
    reader->complete = TRUE;
    return message_reader_fds(reader, error);
}

void
vt_message_reader_take(VtMessageReader *reader, VtMessageHeader *header, GBytes **payload)
{
    g_autoptr(GBytes) frame = g_byte_array_free_to_bytes(g_steal_pointer(&reader->bytes));
    gsize size = g_bytes_get_size(frame);
    gsize start = VT_MESSAGE_MIN;
    VtXdrReader xdr;

    vt_xdr_reader_init(&xdr, g_bytes_get_data(frame, NULL), size);
    vt_xdr_read_u32(&xdr);
    header->program = vt_xdr_read_u32(&xdr);
    header->version = vt_xdr_read_u32(&xdr);
    header->procedure = vt_xdr_read_i32(&xdr);
    header->type = vt_xdr_read_i32(&xdr);
    header->serial = vt_xdr_read_u32(&xdr);
    header->status = vt_xdr_read_i32(&xdr);
    if (vt_message_has_fds(header->type))
        start += sizeof(guint32);
    *payload = g_bytes_new_from_bytes(frame, start, size - start);
    vt_message_reader_init(reader);
}
