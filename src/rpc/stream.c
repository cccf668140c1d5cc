/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/stream.h"

#define STREAM_KEY "streams"
/* Above this a stream's source is paused until the client has read. */
#define STREAM_QUEUE_MAX (512u * 1024u)

struct _VtStream {
    VtConn *conn; /* (transfer none): streams end with it */
    VtMessageHeader header;
    const VtStreamFuncs *funcs;
    gpointer user;
    gboolean paused;
};

static void
stream_free(gpointer data)
{
    g_free(data);
}

/* The connection is gone. */
static void
streams_end(gpointer data)
{
    g_autoptr(GPtrArray) streams = data;

    while (streams->len > 0) {
        VtStream *stream = g_ptr_array_steal_index(streams, streams->len - 1);

        stream->funcs->ended(stream, stream->user);
        stream_free(stream);
    }
}

static VtStream *
stream_find(VtConn *conn, const VtMessageHeader *header)
{
    GPtrArray *streams = vt_conn_get_data(conn, STREAM_KEY);

    for (guint i = 0; streams != NULL && i < streams->len; i++) {
        VtStream *stream = g_ptr_array_index(streams, i);

        if (stream->header.program == header->program && stream->header.procedure == header->procedure &&
            stream->header.serial == header->serial)
            return stream;
    }
    return NULL;
}

static void
stream_forget(VtStream *stream)
{
    GPtrArray *streams = vt_conn_get_data(stream->conn, STREAM_KEY);
    guint index;

    if (streams != NULL && g_ptr_array_find(streams, stream, &index))
        g_ptr_array_steal_index(streams, index);
}

VtStream *
vt_stream_open(VtCall *call, const VtStreamFuncs *funcs, gpointer user)
{
    VtConn *conn = vt_call_conn(call);
    GPtrArray *streams = vt_conn_get_data(conn, STREAM_KEY);
    VtStream *stream = g_new0(VtStream, 1);

    stream->conn = conn;
    stream->header = *vt_call_header(call);
    stream->header.type = VT_MESSAGE_STREAM;
    stream->funcs = funcs;
    stream->user = user;
    if (streams == NULL) {
        streams = g_ptr_array_new();
        vt_conn_set_data(conn, STREAM_KEY, streams, streams_end);
    }
    g_ptr_array_add(streams, stream);
    return stream;
}

static void
stream_send_frame(VtStream *stream, VtMessageStatus status, const guint8 *data, gsize size)
{
    VtMessageHeader header = stream->header;
    GByteArray *frame;

    header.status = (gint32)status;
    frame = vt_message_begin(&header);
    if (size > 0)
        g_byte_array_append(frame, data, (guint)size);
    vt_conn_send(stream->conn, frame);
}

gboolean
vt_stream_send(VtStream *stream, const guint8 *data, gsize size)
{
    while (size > 0) {
        gsize part = MIN(size, VT_MESSAGE_STREAM_MAX);

        stream_send_frame(stream, VT_MESSAGE_CONTINUE, data, part);
        data += part;
        size -= part;
    }
    stream->paused = vt_conn_queued(stream->conn) > STREAM_QUEUE_MAX;
    return !stream->paused;
}

void
vt_stream_eof(VtStream *stream)
{
    stream_send_frame(stream, VT_MESSAGE_CONTINUE, NULL, 0);
}

void
vt_stream_fail(VtStream *stream, const GError *error)
{
    VtProtoError wire;

    vt_error_map(error, &wire);
    vt_conn_send(stream->conn, vt_call_reply_error(&stream->header, VT_MESSAGE_STREAM, &wire));
    vt_xdr_type_clear(&vt_proto_error, &wire);
    stream_forget(stream);
    stream_free(stream);
}

void
vt_stream_incoming(VtConn *conn, const VtMessageHeader *header, GBytes *payload)
{
    VtStream *stream = stream_find(conn, header);
    gsize size;
    const guint8 *data = g_bytes_get_data(payload, &size);

    if (stream == NULL)
        return;
    if (header->type == VT_MESSAGE_STREAM && header->status == VT_MESSAGE_CONTINUE) {
        if (size > 0)
            stream->funcs->data(stream, data, size, stream->user);
        return;
    }
    /* Finish and abort get the same answer; a hole, or a status that does not exist, ends the stream too. */
    if (header->type != VT_MESSAGE_STREAM || header->status > VT_MESSAGE_CONTINUE || header->status < 0) {
        g_autoptr(GError) error =
            g_error_new_literal(VT_ERROR, VT_ERROR_RPC, "This stream cannot be sparse.");

        stream->funcs->ended(stream, stream->user);
        vt_stream_fail(stream, error);
        return;
    }
    stream_forget(stream);
    stream->funcs->ended(stream, stream->user);
    stream_send_frame(stream, VT_MESSAGE_OK, NULL, 0);
    stream_free(stream);
}

void
vt_stream_drained(VtConn *conn)
{
    GPtrArray *streams = vt_conn_get_data(conn, STREAM_KEY);

    /* Backwards: drained() may end its own stream. */
    for (guint i = streams == NULL ? 0 : streams->len; i > 0; i--) {
        VtStream *stream = i <= streams->len ? g_ptr_array_index(streams, i - 1) : NULL;

        if (stream != NULL && stream->paused) {
            stream->paused = FALSE;
            stream->funcs->drained(stream, stream->user);
        }
        streams = vt_conn_get_data(conn, STREAM_KEY);
        if (streams == NULL)
            return;
    }
}
