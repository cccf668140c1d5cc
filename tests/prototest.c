/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every row of the procedure tables: bounded, ordered, and what is encoded is decoded again. */
#include <string.h>

#include "rpc/call-connect.h"
#include "rpc/proto-aux.h"
#include "util/typed-param.h"

typedef void (*ProtoTypeFunc)(const VtXdrType *type);

static void
proto_each_type(ProtoTypeFunc func)
{
    for (guint i = 0; vt_proto_programs[i] != NULL; i++)
        for (gsize j = 0; j < vt_proto_programs[i]->n_rows; j++) {
            func(vt_proto_programs[i]->rows[j].args);
            func(vt_proto_programs[i]->rows[j].ret);
        }
    func(&vt_proto_error);
}

static void
test_rows_are_ordered_and_complete(void)
{
    for (guint i = 0; vt_proto_programs[i] != NULL; i++) {
        const VtProgram *program = vt_proto_programs[i];

        g_assert_cmpuint(program->version, ==, 1);
        for (gsize j = 0; j < program->n_rows; j++) {
            const VtProcedure *row = &program->rows[j];

            if (j > 0)
                g_assert_cmpint(row->number, >, program->rows[j - 1].number);
            g_assert_nonnull(row->name);
            g_assert_nonnull(row->args);
            g_assert_nonnull(row->ret);
            /* Only what asks nothing of the driver may come before authentication. */
            if (row->flags & VT_CALL_BEFORE_AUTH)
                g_assert_true(g_str_has_prefix(row->name, "AUTH_"));
            if (strstr(row->name, "_EVENT_CALLBACK_") != NULL && !g_str_has_suffix(row->name, "REGISTER_ANY"))
                g_assert_null(row->handler);
        }
    }
}

/* What changes something must not be allowed to read-only clients. */
static void
test_changes_are_refused_read_only(void)
{
    static const char *const words[] = { "_CREATE",   "_DESTROY", "_DEFINE",   "_UNDEFINE", "_SET_",
                                         "_ATTACH",   "_DETACH",  "_UPDATE_",  "_ABORT",    "_SUSPEND",
                                         "_RESUME",   "_REBOOT",  "_SHUTDOWN", "_RESET",    "_RENAME",
                                         "_MIGRATE_", "_COMMAND", "_CONSOLE" };

    for (guint i = 0; vt_proto_programs[i] != NULL; i++)
        for (gsize j = 0; j < vt_proto_programs[i]->n_rows; j++) {
            const VtProcedure *row = &vt_proto_programs[i]->rows[j];

            if (row->handler == NULL || row->handler == vt_call_connect_no_support ||
                !g_str_has_prefix(row->name, "DOMAIN_") ||
                g_str_equal(row->name, "DOMAIN_MIGRATE_GET_MAX_DOWNTIME"))
                continue;
            for (gsize k = 0; k < G_N_ELEMENTS(words); k++)
                if (strstr(row->name, words[k]) != NULL)
                    g_assert_cmpint(row->access, ==, VT_CALL_WRITE);
        }
}

/* ---- bounds ---- */

static gsize
proto_memory(const VtXdrField *field)
{
    static const gsize sizes[] = {
        [VT_XDR_I32] = 4,
        [VT_XDR_U32] = 4,
        [VT_XDR_I64] = 8,
        [VT_XDR_U64] = 8,
        [VT_XDR_U8] = 1,
        [VT_XDR_U16] = 2,
        [VT_XDR_STRING] = sizeof(char *),
        [VT_XDR_OPAQUE] = sizeof(GBytes *),
        [VT_XDR_UUID] = 16,
        [VT_XDR_CHARS] = sizeof(char *),
        [VT_XDR_CHARS_FIXED] = sizeof(char *),
        [VT_XDR_PARAMS] = sizeof(VtTypedParams *),
        [VT_XDR_STRUCT] = 0,
    };
    G_STATIC_ASSERT(G_N_ELEMENTS(sizes) == VT_XDR_KIND_COUNT);

    if (field->shape == VT_XDR_LIST)
        return sizeof(VtXdrList);
    if (field->kind == VT_XDR_STRUCT)
        return field->shape == VT_XDR_OPTIONAL ? sizeof(gpointer) : field->type->size;
    return sizes[field->kind];
}

static void
proto_check_bounds(const VtXdrType *type)
{
    gsize end = 0;

    for (gsize i = 0; i < type->n_fields; i++) {
        const VtXdrField *field = &type->fields[i];
        gboolean counted = field->shape == VT_XDR_LIST || field->kind == VT_XDR_STRING ||
                           field->kind == VT_XDR_OPAQUE || field->kind == VT_XDR_CHARS ||
                           field->kind == VT_XDR_CHARS_FIXED || field->kind == VT_XDR_PARAMS;

        g_test_message("%s.%s", type->name, field->name);
        g_assert_cmpuint(field->size, ==, proto_memory(field));
        g_assert_cmpuint(field->offset, >=, end); /* members in wire order, none twice */
        end = field->offset + field->size;
        g_assert_cmpuint(end, <=, type->size);
        g_assert_true((field->max > 0) == counted);
        if (field->shape == VT_XDR_OPTIONAL)
            g_assert_true(field->kind == VT_XDR_STRING || field->kind == VT_XDR_STRUCT);
        g_assert_true((field->kind == VT_XDR_STRUCT) == (field->type != NULL));
        if (field->type != NULL)
            proto_check_bounds(field->type);
    }
}

static void
test_everything_has_a_maximum(void)
{
    proto_each_type(proto_check_bounds);
}

/* ---- extreme values, both ways ---- */

static void proto_fill(const VtXdrType *type, gpointer value, gboolean full);

static void
proto_fill_element(const VtXdrField *field, gpointer at, gboolean full)
{
    switch (field->kind) {
    case VT_XDR_I32:
    case VT_XDR_U32:
    case VT_XDR_I64:
    case VT_XDR_U64:
    case VT_XDR_U8:
    case VT_XDR_U16:
    case VT_XDR_UUID:
        memset(at, full ? 0xff : 0, proto_memory(field) > 16 ? 4 : proto_memory(field));
        break;
    case VT_XDR_STRING:
        *(char **)at = g_strdup(full ? "ein längerer Text\n<&\"'>" : "");
        break;
    case VT_XDR_OPAQUE:
        *(GBytes **)at = g_bytes_new(full ? "\0\377\0" : "", full ? 3 : 0);
        break;
    case VT_XDR_CHARS:
    case VT_XDR_CHARS_FIXED:
        *(char **)at = g_strnfill(full ? field->max - 1 : 0, '\x7f');
        break;
    case VT_XDR_PARAMS:
        *(VtTypedParams **)at = vt_typed_params_new();
        for (guint i = 0; full && i < MIN(field->max, 100); i++)
            vt_typed_params_add_string(*(VtTypedParams **)at, "field", "value");
        break;
    case VT_XDR_STRUCT:
        proto_fill(field->type, at, full);
        break;
    case VT_XDR_KIND_COUNT:
        g_assert_not_reached();
    }
}

static void
proto_fill_list(const VtXdrField *field, VtXdrList *list)
{
    VtXdrField element = *field;
    gsize step;

    element.shape = VT_XDR_ONE;
    step = proto_memory(&element);
    list->n = MIN(field->max, 50);
    list->items = g_malloc0_n(list->n, step);
    for (guint i = 0; i < list->n; i++)
        proto_fill_element(&element, (guint8 *)list->items + i * step, TRUE);
}

static void
proto_fill(const VtXdrType *type, gpointer value, gboolean full)
{
    for (gsize i = 0; i < type->n_fields; i++) {
        const VtXdrField *field = &type->fields[i];
        gpointer at = (guint8 *)value + field->offset;

        if (field->shape == VT_XDR_LIST) {
            if (full)
                proto_fill_list(field, at);
        } else if (field->shape == VT_XDR_OPTIONAL && field->kind == VT_XDR_STRUCT) {
            if (full) {
                *(gpointer *)at = g_malloc0(field->type->size);
                proto_fill(field->type, *(gpointer *)at, TRUE);
            }
        } else if (field->shape == VT_XDR_ONE || full) {
            proto_fill_element(field, at, full);
        }
    }
}

static GByteArray *
proto_encode(const VtXdrType *type, gconstpointer value)
{
    GByteArray *out = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    VtXdrWriter writer;

    vt_xdr_writer_init(&writer, out, 1 << 25);
    vt_xdr_type_encode(type, value, &writer, &error);
    g_assert_no_error(error);
    return out;
}

static void
proto_check_round_trip(const VtXdrType *type)
{
    for (int full = 0; full <= 1; full++) {
        g_autofree gpointer value = g_malloc0(type->size + 1);
        g_autofree gpointer back = g_malloc0(type->size + 1);
        g_autoptr(GByteArray) first = NULL, second = NULL;
        VtXdrReader reader;

        g_test_message("%s %s", type->name, full ? "full" : "empty");
        proto_fill(type, value, full);
        first = proto_encode(type, value);
        if (!full)
            g_assert_cmpuint(first->len, >=, vt_xdr_type_min_size(type));
        vt_xdr_reader_init(&reader, first->data, first->len);
        g_assert_true(vt_xdr_type_decode(type, &reader, back));
        g_assert_cmpuint(vt_xdr_reader_left(&reader), ==, 0);
        second = proto_encode(type, back);
        g_assert_cmpmem(first->data, first->len, second->data, second->len);
        vt_xdr_type_clear(type, value);
        vt_xdr_type_clear(type, back);
    }
}

static void
test_round_trip_of_extremes(void)
{
    proto_each_type(proto_check_round_trip);
}

static void
test_api_names(void)
{
    static const struct {
        const char *procedure, *api;
    } rows[] = {
        { "DOMAIN_DEFINE_XML", "virDomainDefineXML" },
        { "DOMAIN_GET_XML_DESC", "virDomainGetXMLDesc" },
        { "CONNECT_DOMAIN_XML_TO_NATIVE", "virConnectDomainXMLToNative" },
        { "DOMAIN_LOOKUP_BY_UUID", "virDomainLookupByUUID" },
        { "DOMAIN_DESTROY", "virDomainDestroy" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *api = vt_call_api_name(rows[i].procedure);

        g_assert_cmpstr(api, ==, rows[i].api);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rpc/proto/rows-are-ordered-and-complete", test_rows_are_ordered_and_complete);
    g_test_add_func("/rpc/proto/changes-are-refused-read-only", test_changes_are_refused_read_only);
    g_test_add_func("/rpc/proto/everything-has-a-maximum", test_everything_has_a_maximum);
    g_test_add_func("/rpc/proto/round-trip-of-extremes", test_round_trip_of_extremes);
    g_test_add_func("/rpc/proto/names-of-the-api", test_api_names);
    return g_test_run();
}
