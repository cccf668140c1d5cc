/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The XDR cursor and the table codec, each value in one row with its bytes. */
#include <string.h>

#include "rpc/xdr-table.h"
#include "util/ident.h"
#include "util/typed-param.h"

typedef struct {
    char *name;
    gint32 number;
} XdrInner;

typedef struct {
    gint32 i;
    guint64 ul;
    guint8 small;
    char *text, *maybe;
    GBytes *bytes;
    VtUuid uuid;
    char *chars, *fixed;
    VtTypedParams *params;
    XdrInner inner, *optional;
    VtXdrList list, names;
} XdrOuter;

static const VtXdrField xdr_inner_fields[] = {
    { .kind = VT_XDR_STRING, .max = 8, VT_XDR_MEMBER(XdrInner, name) },
    { .kind = VT_XDR_I32, VT_XDR_MEMBER(XdrInner, number) },
};
static const VtXdrType xdr_inner = { "inner", sizeof(XdrInner), xdr_inner_fields,
                                     G_N_ELEMENTS(xdr_inner_fields) };

static const VtXdrField xdr_outer_fields[] = {
    { .kind = VT_XDR_I32, VT_XDR_MEMBER(XdrOuter, i) },
    { .kind = VT_XDR_U64, VT_XDR_MEMBER(XdrOuter, ul) },
    { .kind = VT_XDR_U8, VT_XDR_MEMBER(XdrOuter, small) },
    { .kind = VT_XDR_STRING, .max = 8, VT_XDR_MEMBER(XdrOuter, text) },
    { .kind = VT_XDR_STRING, .shape = VT_XDR_OPTIONAL, .max = 8, VT_XDR_MEMBER(XdrOuter, maybe) },
    { .kind = VT_XDR_OPAQUE, .max = 8, VT_XDR_MEMBER(XdrOuter, bytes) },
    { .kind = VT_XDR_UUID, VT_XDR_MEMBER(XdrOuter, uuid) },
    { .kind = VT_XDR_CHARS, .max = 4, VT_XDR_MEMBER(XdrOuter, chars) },
    { .kind = VT_XDR_CHARS_FIXED, .max = 3, VT_XDR_MEMBER(XdrOuter, fixed) },
    { .kind = VT_XDR_PARAMS, .max = 7, VT_XDR_MEMBER(XdrOuter, params) },
    { .kind = VT_XDR_STRUCT, .type = &xdr_inner, VT_XDR_MEMBER(XdrOuter, inner) },
    { .kind = VT_XDR_STRUCT,
      .shape = VT_XDR_OPTIONAL,
      .type = &xdr_inner,
      VT_XDR_MEMBER(XdrOuter, optional) },
    { .kind = VT_XDR_STRUCT,
      .shape = VT_XDR_LIST,
      .max = 2,
      .type = &xdr_inner,
      VT_XDR_MEMBER(XdrOuter, list) },
    { .kind = VT_XDR_STRING, .shape = VT_XDR_LIST, .max = 2, VT_XDR_MEMBER(XdrOuter, names) },
};
static const VtXdrType xdr_outer = { "outer", sizeof(XdrOuter), xdr_outer_fields,
                                     G_N_ELEMENTS(xdr_outer_fields) };

static GByteArray *
xdr_bytes(const char *hex)
{
    GByteArray *out = g_byte_array_new();

    while (*hex != '\0') {
        guint8 byte;

        if (*hex == ' ') {
            hex++;
            continue;
        }
        byte = (guint8)(g_ascii_xdigit_value(hex[0]) << 4 | g_ascii_xdigit_value(hex[1]));
        g_byte_array_append(out, &byte, 1);
        hex += 2;
    }
    return out;
}

/* ---- the cursor ---- */

static void
test_numbers(void)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GByteArray) want =
        xdr_bytes("00000001 ffffffff 8000000000000000 7fffffffffffffff 3ff8000000000000");
    VtXdrWriter writer;
    VtXdrReader reader;

    vt_xdr_writer_init(&writer, out, 64);
    vt_xdr_write_u32(&writer, 1);
    vt_xdr_write_i32(&writer, -1);
    vt_xdr_write_i64(&writer, G_MININT64);
    vt_xdr_write_u64(&writer, G_MAXINT64);
    vt_xdr_write_f64(&writer, 1.5);
    g_assert_cmpmem(out->data, out->len, want->data, want->len);
    vt_xdr_reader_init(&reader, out->data, out->len);
    g_assert_cmpuint(vt_xdr_read_u32(&reader), ==, 1);
    g_assert_cmpint(vt_xdr_read_i32(&reader), ==, -1);
    g_assert_cmpint(vt_xdr_read_i64(&reader), ==, G_MININT64);
    g_assert_cmpuint(vt_xdr_read_u64(&reader), ==, G_MAXINT64);
    g_assert_cmpfloat(vt_xdr_read_f64(&reader), ==, 1.5);
    g_assert_cmpuint(vt_xdr_reader_left(&reader), ==, 0);
    vt_xdr_read_u32(&reader);
    g_assert_true(reader.failed);
}

static const struct {
    const char *name, *hex;
    guint max;
    const char *text; /* NULL: refused */
} xdr_string_rows[] = {
    { "empty", "00000000", 8, "" },
    { "one-byte-is-padded-by-three", "00000001 61000000", 8, "a" },
    { "four-bytes-need-no-padding", "00000004 61626364", 8, "abcd" },
    { "as-long-as-allowed", "00000008 6162636465666768", 8, "abcdefgh" },
    { "longer-than-allowed", "00000009 616263646566676869000000", 8, NULL },
    { "padding-cut-off", "00000001 610000", 8, NULL },
    { "bytes-cut-off", "00000004 6162", 8, NULL },
    { "count-cut-off", "0000", 8, NULL },
    { "huge-count", "ffffffff 61626364", 0xffffffff, NULL },
    { "nul-inside", "00000003 61006200", 8, NULL },
};

static void
test_string(gconstpointer data)
{
    gsize i = GPOINTER_TO_SIZE(data);
    g_autoptr(GByteArray) bytes = xdr_bytes(xdr_string_rows[i].hex);
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autofree char *text = NULL;
    VtXdrReader reader;
    VtXdrWriter writer;

    vt_xdr_reader_init(&reader, bytes->data, bytes->len);
    text = vt_xdr_read_string(&reader, xdr_string_rows[i].max);
    g_assert_cmpstr(text, ==, xdr_string_rows[i].text);
    g_assert_true(reader.failed == (text == NULL));
    if (text == NULL)
        return;
    vt_xdr_writer_init(&writer, out, 64);
    vt_xdr_write_string(&writer, text, xdr_string_rows[i].max);
    g_assert_false(writer.failed);
    g_assert_cmpmem(out->data, out->len, bytes->data, bytes->len);
}

static void
test_writer_limit(void)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    VtXdrWriter writer;

    vt_xdr_writer_init(&writer, out, 6);
    vt_xdr_write_u32(&writer, 1);
    vt_xdr_write_u32(&writer, 2);
    g_assert_true(writer.failed);
    g_assert_cmpuint(out->len, ==, 4);
    vt_xdr_writer_init(&writer, out, 64);
    vt_xdr_write_string(&writer, NULL, 8);
    g_assert_true(writer.failed);
    vt_xdr_writer_init(&writer, out, 64);
    vt_xdr_write_string(&writer, "123456789", 8);
    g_assert_true(writer.failed);
}

/* ---- tables ---- */

static void
xdr_outer_fill(XdrOuter *value)
{
    *value = (XdrOuter){ .i = G_MININT32, .ul = G_MAXUINT64, .small = 255 };
    value->text = g_strdup("12345678");
    value->maybe = g_strdup("");
    value->bytes = g_bytes_new("\0\1\2", 3);
    memset(value->uuid.bytes, 0xab, 16);
    value->chars = g_strdup("abc");
    value->fixed = g_strdup("x");
    value->params = vt_typed_params_new();
    vt_typed_params_add_int(value->params, "i", G_MININT32);
    vt_typed_params_add_uint(value->params, "ui", G_MAXUINT32);
    vt_typed_params_add_llong(value->params, "l", G_MININT64);
    vt_typed_params_add_ullong(value->params, "ul", G_MAXUINT64);
    vt_typed_params_add_double(value->params, "d", -0.5);
    vt_typed_params_add_boolean(value->params, "b", TRUE);
    vt_typed_params_add_string(value->params, "s", "text");
    value->inner.name = g_strdup("in");
    value->optional = g_new0(XdrInner, 1);
    value->optional->name = g_strdup("opt");
    value->list.n = 2;
    value->list.items = g_new0(XdrInner, 2);
    ((XdrInner *)value->list.items)[0].name = g_strdup("a");
    ((XdrInner *)value->list.items)[1].name = g_strdup("b");
    value->names.n = 1;
    value->names.items = g_new0(char *, 1);
    ((char **)value->names.items)[0] = g_strdup("n");
}

static GByteArray *
xdr_outer_encode(const XdrOuter *value)
{
    GByteArray *out = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    VtXdrWriter writer;

    vt_xdr_writer_init(&writer, out, 4096);
    g_assert_true(vt_xdr_type_encode(&xdr_outer, value, &writer, &error));
    g_assert_no_error(error);
    return out;
}

static void
test_round_trip(void)
{
    g_autoptr(GByteArray) first = NULL, second = NULL;
    XdrOuter value, back = { .i = 0 };
    VtXdrReader reader;

    xdr_outer_fill(&value);
    first = xdr_outer_encode(&value);
    vt_xdr_reader_init(&reader, first->data, first->len);
    g_assert_true(vt_xdr_type_decode(&xdr_outer, &reader, &back));
    g_assert_cmpuint(vt_xdr_reader_left(&reader), ==, 0);
    g_assert_cmpint(back.i, ==, G_MININT32);
    g_assert_cmpuint(back.small, ==, 255);
    g_assert_cmpstr(back.chars, ==, "abc");
    g_assert_cmpstr(back.fixed, ==, "x");
    g_assert_cmpuint(back.params->items->len, ==, 7);
    second = xdr_outer_encode(&back);
    g_assert_cmpmem(first->data, first->len, second->data, second->len);
    vt_xdr_type_clear(&xdr_outer, &value);
    vt_xdr_type_clear(&xdr_outer, &back);
}

/* Whatever is cut off, the decoder says so, and what it read is freed (the sanitizer watches). */
static void
test_every_cut_is_refused(void)
{
    g_autoptr(GByteArray) bytes = NULL;
    XdrOuter value, back;
    VtXdrReader reader;

    xdr_outer_fill(&value);
    bytes = xdr_outer_encode(&value);
    for (gsize size = 0; size < bytes->len; size++) {
        g_autofree guint8 *exact = g_memdup2(bytes->data, size);

        back = (XdrOuter){ .i = 0 };
        vt_xdr_reader_init(&reader, exact, size);
        g_assert_false(vt_xdr_type_decode(&xdr_outer, &reader, &back));
        vt_xdr_type_clear(&xdr_outer, &back);
    }
    vt_xdr_type_clear(&xdr_outer, &value);
}

static void
test_too_much_is_not_sent(void)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    XdrOuter value;
    VtXdrWriter writer;

    xdr_outer_fill(&value);
    vt_typed_params_add_int(value.params, "one-more", 1);
    vt_xdr_writer_init(&writer, out, 4096);
    g_assert_false(vt_xdr_type_encode(&xdr_outer, &value, &writer, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_INTERNAL);
    g_assert_nonnull(strstr(error->message, "'params'"));
    vt_xdr_type_clear(&xdr_outer, &value);
}

/* A count that the bytes cannot hold must not allocate: 2^31 inner structs would be 32 GiB. */
static void
test_count_is_checked_before_allocating(void)
{
    static const VtXdrField fields[] = {
        { .kind = VT_XDR_STRUCT,
          .shape = VT_XDR_LIST,
          .max = G_MAXUINT32,
          .type = &xdr_inner,
          VT_XDR_MEMBER(XdrOuter, list) },
    };
    const VtXdrType type = { "list", sizeof(XdrOuter), fields, 1 };
    g_autoptr(GByteArray) bytes = xdr_bytes("80000000 00000000 00000000 00000000");
    XdrOuter value = { .i = 0 };
    VtXdrReader reader;

    vt_xdr_reader_init(&reader, bytes->data, bytes->len);
    g_assert_false(vt_xdr_type_decode(&type, &reader, &value));
    g_assert_cmpuint(value.list.n, ==, 0);
    vt_xdr_type_clear(&type, &value);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rpc/xdr/numbers", test_numbers);
    for (gsize i = 0; i < G_N_ELEMENTS(xdr_string_rows); i++) {
        g_autofree char *path = g_strdup_printf("/rpc/xdr/string/%s", xdr_string_rows[i].name);

        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_string);
    }
    g_test_add_func("/rpc/xdr/writer-stops-at-its-limit", test_writer_limit);
    g_test_add_func("/rpc/xdr-table/round-trip", test_round_trip);
    g_test_add_func("/rpc/xdr-table/every-cut-is-refused", test_every_cut_is_refused);
    g_test_add_func("/rpc/xdr-table/too-much-is-not-sent", test_too_much_is_not_sent);
    g_test_add_func("/rpc/xdr-table/count-is-checked-before-allocating",
                    test_count_is_checked_before_allocating);
    return g_test_run();
}
