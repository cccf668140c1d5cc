/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any bytes as the arguments or the return of any procedure: decoding is bounded, and what was decoded encodes to bytes
 * that decode again.
 */
#include "rpc/proto-aux.h"

#define XDRFUZZ_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static const VtXdrType *
xdrfuzz_type(guint16 choice)
{
    const VtProgram *program = vt_proto_programs[choice & 1];
    const VtProcedure *row = &program->rows[(choice >> 2) % program->n_rows];

    return choice & 2 ? row->ret : row->args;
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autofree gpointer value = NULL;
    g_autofree gpointer back = NULL;
    g_autoptr(GByteArray) out = g_byte_array_new();
    const VtXdrType *type;
    VtXdrReader reader;
    VtXdrWriter writer;

    if (size < 2)
        return 0;
    type = xdrfuzz_type((guint16)(data[0] << 8 | data[1]));
    value = g_malloc0(type->size + 1);
    back = g_malloc0(type->size + 1);
    vt_xdr_reader_init(&reader, data + 2, size - 2);
    if (vt_xdr_type_decode(type, &reader, value)) {
        vt_xdr_writer_init(&writer, out, XDRFUZZ_MAX);
        /* Characters of a fixed array may fill it wholly; ours always leave room for a NUL. */
        if (vt_xdr_type_encode(type, value, &writer, NULL)) {
            vt_xdr_reader_init(&reader, out->data, out->len);
            g_assert_true(vt_xdr_type_decode(type, &reader, back));
        }
    }
    vt_xdr_type_clear(type, value);
    vt_xdr_type_clear(type, back);
    return 0;
}
