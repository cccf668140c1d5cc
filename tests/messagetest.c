/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames: how they are made, and how a stream of bytes is cut into them. */
#include <string.h>

#include "rpc/message.h"

static const VtMessageHeader message_header = {
    .program = 0x20008086, .version = 1, .procedure = 16, .type = VT_MESSAGE_CALL, .serial = 7, .status = 0
};

static GByteArray *
message_frame(gint32 type, guint32 n_fds, gsize payload)
{
    VtMessageHeader header = message_header;
    GByteArray *frame;

    header.type = type;
    frame = vt_message_begin(&header);
    if (vt_message_has_fds(type)) {
        guint32 wire = GUINT32_TO_BE(n_fds);

        g_byte_array_append(frame, (guint8 *)&wire, sizeof(wire));
    }
    for (gsize i = 0; i < payload; i++)
        g_byte_array_append(frame, (const guint8 *)"x", 1);
    g_assert_true(vt_message_end(frame));
    return frame;
}

static void
test_header_on_the_wire(void)
{
    static const guint8 want[] = { 0,  0, 0, 30, 0x20, 0, 0x80, 0x86, 0, 0, 0, 1, 0, 0,   0,
                                   16, 0, 0, 0,  0,    0, 0,    0,    7, 0, 0, 0, 0, 'x', 'x' };
    g_autoptr(GByteArray) frame = message_frame(VT_MESSAGE_CALL, 0, 2);

    g_assert_cmpmem(frame->data, frame->len, want, sizeof(want));
}

/* Fed one byte, two bytes ... at a time, the same frame comes out. */
static void
test_any_pieces(void)
{
    g_autoptr(GByteArray) frame = message_frame(VT_MESSAGE_CALL, 0, 50);

    for (gsize piece = 1; piece <= frame->len; piece++) {
        VtMessageReader reader;
        VtMessageHeader header;
        g_autoptr(GBytes) payload = NULL;
        gsize at = 0;

        vt_message_reader_init(&reader);
        while (!reader.complete) {
            gsize n = MIN(piece, vt_message_reader_want(&reader));

            g_assert_cmpuint(n, >, 0);
            g_assert_true(vt_message_reader_feed(&reader, frame->data + at, n, NULL));
            at += n;
        }
        g_assert_cmpuint(at, ==, frame->len);
        vt_message_reader_take(&reader, &header, &payload);
        g_assert_cmpmem(&header, sizeof(header), &message_header, sizeof(message_header));
        g_assert_cmpuint(g_bytes_get_size(payload), ==, 50);
        g_assert_false(reader.complete);
        g_assert_cmpuint(vt_message_reader_want(&reader), ==, 4);
        vt_message_reader_clear(&reader);
    }
}

static const struct {
    const char *name;
    guint32 length;
    gboolean good;
} message_length_rows[] = {
    { "zero", 0, FALSE },
    { "less-than-itself", 3, FALSE },
    { "no-header", 4, FALSE },
    { "short-header", 27, FALSE },
    { "smallest", 28, TRUE },
    { "largest", 33554436, TRUE },
    { "too-large", 33554437, FALSE },
    { "negative", 0xffffffff, FALSE },
};

static void
test_length(gconstpointer data)
{
    gsize i = GPOINTER_TO_SIZE(data);
    guint32 wire = GUINT32_TO_BE(message_length_rows[i].length);
    g_autoptr(GError) error = NULL;
    VtMessageReader reader;

    vt_message_reader_init(&reader);
    g_assert_true(vt_message_reader_feed(&reader, (guint8 *)&wire, 4, &error) == message_length_rows[i].good);
    if (message_length_rows[i].good)
        g_assert_cmpuint(vt_message_reader_want(&reader), ==, message_length_rows[i].length - 4);
    else
        g_assert_error(error, VT_ERROR, VT_ERROR_RPC);
    vt_message_reader_clear(&reader);
}

static const struct {
    const char *name;
    gint32 type;
    guint32 n_fds;
    gboolean good;
} message_fd_rows[] = {
    { "call-with-none", VT_MESSAGE_CALL_FDS, 0, TRUE },
    { "call-with-32", VT_MESSAGE_CALL_FDS, 32, TRUE },
    { "call-with-33", VT_MESSAGE_CALL_FDS, 33, FALSE },
    { "call-with-2^32-1", VT_MESSAGE_CALL_FDS, G_MAXUINT32, FALSE },
    { "reply-with-one", VT_MESSAGE_REPLY_FDS, 1, TRUE },
};

static void
test_fds(gconstpointer data)
{
    gsize i = GPOINTER_TO_SIZE(data);
    g_autoptr(GByteArray) frame = message_frame(message_fd_rows[i].type, message_fd_rows[i].n_fds, 8);
    VtMessageReader reader;
    VtMessageHeader header;
    g_autoptr(GBytes) payload = NULL;

    vt_message_reader_init(&reader);
    g_assert_true(vt_message_reader_feed(&reader, frame->data, 4, NULL));
    g_assert_true(vt_message_reader_feed(&reader, frame->data + 4, frame->len - 4, NULL) ==
                  message_fd_rows[i].good);
    if (message_fd_rows[i].good) {
        g_assert_cmpuint(reader.n_fds, ==, message_fd_rows[i].n_fds);
        g_assert_cmpuint(vt_message_reader_want(&reader), ==, 0);
        vt_message_reader_take(&reader, &header, &payload);
        g_assert_cmpuint(g_bytes_get_size(payload), ==, 8);
    }
    vt_message_reader_clear(&reader);
}

/* A frame that says it carries descriptors, but ends before their count. */
static void
test_fds_without_count(void)
{
    VtMessageHeader header = message_header;
    g_autoptr(GByteArray) frame = NULL;
    VtMessageReader reader;

    header.type = VT_MESSAGE_CALL_FDS;
    frame = vt_message_begin(&header);
    g_assert_true(vt_message_end(frame));
    vt_message_reader_init(&reader);
    g_assert_true(vt_message_reader_feed(&reader, frame->data, 4, NULL));
    g_assert_false(vt_message_reader_feed(&reader, frame->data + 4, frame->len - 4, NULL));
    vt_message_reader_clear(&reader);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rpc/message/header-on-the-wire", test_header_on_the_wire);
    g_test_add_func("/rpc/message/any-pieces", test_any_pieces);
    for (gsize i = 0; i < G_N_ELEMENTS(message_length_rows); i++) {
        g_autofree char *path = g_strdup_printf("/rpc/message/length/%s", message_length_rows[i].name);

        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_length);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(message_fd_rows); i++) {
        g_autofree char *path = g_strdup_printf("/rpc/message/descriptors/%s", message_fd_rows[i].name);

        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_fds);
    }
    g_test_add_func("/rpc/message/descriptors/without-a-count", test_fds_without_count);
    return g_test_run();
}
