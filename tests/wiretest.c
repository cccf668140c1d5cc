/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Recorded frames of a stock client and a stock daemon, all files of tests/data/wire: each is decoded by its procedure's
 * row, and what is encoded from that is the recorded frame again, byte for byte. Between # and the line's end is a comment.
 */
#include <string.h>

#include "lib/rpc-peer.h"
#include "rpc/proto-aux.h"

static GByteArray *
wire_read(const char *path)
{
    GByteArray *bytes = g_byte_array_new();
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i] != NULL; i++)
        for (const char *c = lines[i]; *c != '\0' && *c != '#'; c++) {
            guint8 byte;

            if (g_ascii_isspace(*c))
                continue;
            g_assert_true(g_ascii_isxdigit(c[0]) && g_ascii_isxdigit(c[1]));
            byte = (guint8)(g_ascii_xdigit_value(c[0]) << 4 | g_ascii_xdigit_value(c[1]));
            g_byte_array_append(bytes, &byte, 1);
            c++;
        }
    return bytes;
}

static const VtProcedure *
wire_procedure(const VtMessageHeader *header)
{
    for (guint i = 0; vt_proto_programs[i] != NULL; i++)
        for (gsize j = 0; j < vt_proto_programs[i]->n_rows; j++)
            if (vt_proto_programs[i]->number == header->program &&
                vt_proto_programs[i]->rows[j].number == header->procedure)
                return &vt_proto_programs[i]->rows[j];
    return NULL;
}

static void
test_file(gconstpointer data)
{
    g_autoptr(GByteArray) bytes = wire_read(data);
    g_autoptr(GPtrArray) messages = g_ptr_array_new_with_free_func(rpc_peer_message_free);
    g_autoptr(GByteArray) again = NULL;
    g_autofree gpointer value = NULL;
    const RpcPeerMessage *message;
    const VtProcedure *procedure;
    const VtXdrType *type;
    VtMessageReader reader;

    vt_message_reader_init(&reader);
    rpc_peer_read(&reader, bytes->data, bytes->len, messages);
    vt_message_reader_clear(&reader);
    g_assert_cmpuint(messages->len, ==, 1);
    message = g_ptr_array_index(messages, 0);
    procedure = wire_procedure(&message->header);
    g_assert_nonnull(procedure);
    if (message->header.status == VT_MESSAGE_ERROR)
        type = &vt_proto_error;
    else
        type = message->header.type == VT_MESSAGE_REPLY ? procedure->ret : procedure->args;
    value = g_malloc0(type->size + 1);
    rpc_peer_decode(message, type, value);
    again = rpc_peer_frame(&message->header, type, value);
    g_assert_cmpmem(again->data, again->len, bytes->data, bytes->len);
    vt_xdr_type_clear(type, value);
}

int
main(int argc, char **argv)
{
    g_autofree char *dir_path = g_build_filename(VT_TEST_DATA_DIR, "data", "wire", NULL);
    g_autoptr(GDir) dir = NULL;
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    g_test_init(&argc, &argv, NULL);
    dir = g_dir_open(dir_path, 0, NULL);
    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_strdup_printf("/rpc/wire/%s", name);

        g_assert_true(g_str_has_suffix(name, ".hex"));
        g_ptr_array_add(paths, g_build_filename(dir_path, name, NULL));
        g_test_add_data_func(path, g_ptr_array_index(paths, paths->len - 1), test_file);
    }
    g_assert_cmpuint(paths->len, >, 100);
    return g_test_run();
}
