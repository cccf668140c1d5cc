/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/rpc-peer.h"

GByteArray *
rpc_peer_frame(const VtMessageHeader *header, const VtXdrType *type, gconstpointer args)
{
    GByteArray *frame = vt_message_begin(header);
    g_autoptr(GError) error = NULL;
    VtXdrWriter writer;

    vt_xdr_writer_init(&writer, frame, VT_MESSAGE_MAX);
    if (type != NULL)
        vt_xdr_type_encode(type, args, &writer, &error);
    g_assert_no_error(error);
    g_assert_true(vt_message_end(frame));
    return frame;
}

GByteArray *
rpc_peer_call(gint32 procedure, guint32 serial, const VtXdrType *type, gconstpointer args)
{
    const VtMessageHeader header = {
        .program = RPC_PEER_REMOTE, .version = 1, .procedure = procedure, .serial = serial
    };

    return rpc_peer_frame(&header, type, args);
}

void
rpc_peer_message_free(gpointer message)
{
    g_bytes_unref(((RpcPeerMessage *)message)->payload);
    g_free(message);
}

void
rpc_peer_read(VtMessageReader *reader, const guint8 *data, gsize size, GPtrArray *messages)
{
    while (size > 0) {
        gsize n = MIN(size, vt_message_reader_want(reader));
        RpcPeerMessage *message;

        g_assert_true(vt_message_reader_feed(reader, data, n, NULL));
        data += n;
        size -= n;
        if (!reader->complete)
            continue;
        message = g_new0(RpcPeerMessage, 1);
        vt_message_reader_take(reader, &message->header, &message->payload);
        g_ptr_array_add(messages, message);
    }
}

void
rpc_peer_decode(const RpcPeerMessage *message, const VtXdrType *type, gpointer value)
{
    VtXdrReader reader;
    gsize size;
    const guint8 *data = g_bytes_get_data(message->payload, &size);

    vt_xdr_reader_init(&reader, data, size);
    g_assert_true(vt_xdr_type_decode(type, &reader, value));
    g_assert_cmpuint(vt_xdr_reader_left(&reader), ==, 0);
}

char *
rpc_peer_describe(const RpcPeerMessage *message)
{
    static const char *const types[] = { "call", "reply", "message", "stream" };
    const VtMessageHeader *header = &message->header;
    const char *type = header->type >= 0 && header->type < 4 ? types[header->type] : "other";
    const char *program = header->program == RPC_PEER_REMOTE ? ""
                          : header->program == RPC_PEER_QEMU ? "qemu:"
                                                             : "x:";
    VtProtoError error = { .code = 0 };
    char *text;

    if (header->status != VT_MESSAGE_ERROR)
        return g_strdup_printf("%s %s%d serial %u %s %zu bytes", type, program, header->procedure,
                               header->serial, header->status == VT_MESSAGE_OK ? "ok" : "continue",
                               g_bytes_get_size(message->payload));
    rpc_peer_decode(message, &vt_proto_error, &error);
    text = g_strdup_printf("%s %s%d serial %u error %d/%d %s", type, program, header->procedure,
                           header->serial, error.code, error.domain, error.message);
    vt_xdr_type_clear(&vt_proto_error, &error);
    return text;
}

static gboolean
rpc_peer_stop(gpointer user)
{
    *(gboolean *)user = TRUE;
    return G_SOURCE_REMOVE;
}

void
rpc_peer_run(guint ms)
{
    gboolean over = FALSE;

    if (ms > 0) {
        g_timeout_add(ms, rpc_peer_stop, &over);
        while (!over)
            g_main_context_iteration(NULL, TRUE);
    }
    while (g_main_context_iteration(NULL, FALSE))
        ;
}
