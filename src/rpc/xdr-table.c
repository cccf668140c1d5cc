/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/xdr-table.h"

#include <string.h>

#include "util/ident.h"
#include "util/typed-param.h"

/* Size of one element in memory, and the fewest bytes it takes on the wire. */
static const struct {
    gsize memory, wire;
} xdr_kinds[] = {
    [VT_XDR_I32] = { sizeof(gint32), 4 },
    [VT_XDR_U32] = { sizeof(guint32), 4 },
    [VT_XDR_I64] = { sizeof(gint64), 8 },
    [VT_XDR_U64] = { sizeof(guint64), 8 },
    [VT_XDR_U8] = { sizeof(guint8), 4 },
    [VT_XDR_U16] = { sizeof(guint16), 4 },
    [VT_XDR_STRING] = { sizeof(char *), 4 },
    [VT_XDR_OPAQUE] = { sizeof(GBytes *), 4 },
    [VT_XDR_UUID] = { sizeof(VtUuid), 16 },
    [VT_XDR_CHARS] = { sizeof(char *), 4 },
    [VT_XDR_CHARS_FIXED] = { sizeof(char *), 4 },
    [VT_XDR_PARAMS] = { sizeof(VtTypedParams *), 4 },
    [VT_XDR_STRUCT] = { 0, 0 }, /* its type says */
};
G_STATIC_ASSERT(G_N_ELEMENTS(xdr_kinds) == VT_XDR_KIND_COUNT);

/* A field name, a type and the smallest value. */
#define XDR_PARAM_MIN_SIZE 12

const VtXdrType vt_xdr_void = { .name = "void" };

static gsize
xdr_field_memory(const VtXdrField *field)
{
    return field->kind == VT_XDR_STRUCT ? field->type->size : xdr_kinds[field->kind].memory;
}

static gsize
xdr_field_min_wire(const VtXdrField *field)
{
    return field->kind == VT_XDR_STRUCT ? vt_xdr_type_min_size(field->type) : xdr_kinds[field->kind].wire;
}

gsize
vt_xdr_type_min_size(const VtXdrType *type)
{
    gsize size = 0;

    for (gsize i = 0; i < type->n_fields; i++)
        size += type->fields[i].shape == VT_XDR_ONE ? xdr_field_min_wire(&type->fields[i]) : 4;
    return size;
}

/* ---- typed parameters ---- */

static gboolean
xdr_param_decode(VtXdrReader *reader, VtTypedParams *params)
{
    g_autofree char *name = vt_xdr_read_string(reader, VT_PARAM_FIELD_MAX);
    g_autofree char *text = NULL;

    if (name == NULL)
        return FALSE;
    switch ((guint)vt_xdr_read_u32(reader)) {
    case VT_PARAM_INT:
        vt_typed_params_add_int(params, name, vt_xdr_read_i32(reader));
        break;
    case VT_PARAM_UINT:
        vt_typed_params_add_uint(params, name, vt_xdr_read_u32(reader));
        break;
    case VT_PARAM_LLONG:
        vt_typed_params_add_llong(params, name, vt_xdr_read_i64(reader));
        break;
    case VT_PARAM_ULLONG:
        vt_typed_params_add_ullong(params, name, vt_xdr_read_u64(reader));
        break;
    case VT_PARAM_DOUBLE:
        vt_typed_params_add_double(params, name, vt_xdr_read_f64(reader));
        break;
    case VT_PARAM_BOOLEAN:
        vt_typed_params_add_boolean(params, name, vt_xdr_read_i32(reader) != 0);
        break;
    case VT_PARAM_STRING:
        text = vt_xdr_read_string(reader, VT_XDR_STRING_MAX);
        if (text != NULL)
            vt_typed_params_add_string(params, name, text);
        break;
    default:
        reader->failed = TRUE;
    }
    return !reader->failed;
}

static VtTypedParams *
xdr_params_decode(VtXdrReader *reader, guint max)
{
    g_autoptr(VtTypedParams) params = vt_typed_params_new();
    guint32 n = vt_xdr_read_count(reader, max, XDR_PARAM_MIN_SIZE);

    for (guint32 i = 0; i < n; i++)
        if (!xdr_param_decode(reader, params))
            break;
    return g_steal_pointer(&params);
}

static void
xdr_param_encode(VtXdrWriter *writer, const VtTypedParam *param)
{
    vt_xdr_write_string(writer, param->field, VT_PARAM_FIELD_MAX);
    vt_xdr_write_u32(writer, (guint32)param->type);
    switch (param->type) {
    case VT_PARAM_INT:
        vt_xdr_write_i32(writer, param->value.i);
        break;
    case VT_PARAM_UINT:
        vt_xdr_write_u32(writer, param->value.ui);
        break;
    case VT_PARAM_LLONG:
        vt_xdr_write_i64(writer, param->value.l);
        break;
    case VT_PARAM_ULLONG:
        vt_xdr_write_u64(writer, param->value.ul);
        break;
    case VT_PARAM_DOUBLE:
        vt_xdr_write_f64(writer, param->value.d);
        break;
    case VT_PARAM_BOOLEAN:
        vt_xdr_write_i32(writer, param->value.b != FALSE);
        break;
    case VT_PARAM_STRING:
        vt_xdr_write_string(writer, param->value.s, VT_XDR_STRING_MAX);
        break;
    }
}

static void
xdr_params_encode(VtXdrWriter *writer, const VtTypedParams *params, guint max)
{
    guint n = params == NULL ? 0 : params->items->len;

    if (n > max)
        writer->failed = TRUE;
    vt_xdr_write_u32(writer, n);
    for (guint i = 0; i < n && !writer->failed; i++)
        xdr_param_encode(writer, g_ptr_array_index(params->items, i));
}

/* ---- characters that take a unit each ---- */

static char *
xdr_chars_decode(VtXdrReader *reader, guint max, gboolean fixed)
{
    guint32 n = fixed ? max : vt_xdr_read_count(reader, max, 4);
    g_autoptr(GString) text = g_string_new(NULL);
    gboolean ended = FALSE;

    if (n == 0)
        return NULL;
    for (guint32 i = 0; i < n && !reader->failed; i++) {
        char c = (char)(guint8)vt_xdr_read_u32(reader);

        ended = ended || c == '\0';
        if (!ended)
            g_string_append_c(text, c);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void
xdr_chars_encode(VtXdrWriter *writer, const char *text, guint max, gboolean fixed)
{
    gsize length = text == NULL ? 0 : strlen(text);
    gsize n = fixed ? max : text == NULL ? 0 : length + 1;

    if (length >= max) {
        writer->failed = TRUE;
        return;
    }
    if (!fixed)
        vt_xdr_write_u32(writer, (guint32)n);
    for (gsize i = 0; i < n; i++)
        vt_xdr_write_u32(writer, i < length ? (guint8)text[i] : 0);
}

/* ---- one element, a field, a struct ---- */

static gboolean
xdr_element_decode(const VtXdrField *field, VtXdrReader *reader, gpointer at)
{
    const guint8 *bytes;

    switch (field->kind) {
    case VT_XDR_I32:
    case VT_XDR_U32:
        *(guint32 *)at = vt_xdr_read_u32(reader);
        break;
    case VT_XDR_I64:
    case VT_XDR_U64:
        *(guint64 *)at = vt_xdr_read_u64(reader);
        break;
    case VT_XDR_U8:
        *(guint8 *)at = (guint8)vt_xdr_read_u32(reader);
        break;
    case VT_XDR_U16:
        *(guint16 *)at = (guint16)vt_xdr_read_u32(reader);
        break;
    case VT_XDR_STRING:
        *(char **)at = vt_xdr_read_string(
            reader, field->shape == VT_XDR_LIST ? VT_XDR_STRING_MAX : MIN(field->max, VT_XDR_STRING_MAX));
        break;
    case VT_XDR_OPAQUE:
        *(GBytes **)at = vt_xdr_read_opaque(reader, field->max);
        break;
    case VT_XDR_UUID:
        bytes = vt_xdr_read_fixed(reader, sizeof(VtUuid));
        if (bytes != NULL)
            memcpy(at, bytes, sizeof(VtUuid));
        break;
    case VT_XDR_CHARS:
    case VT_XDR_CHARS_FIXED:
        *(char **)at = xdr_chars_decode(reader, field->max, field->kind == VT_XDR_CHARS_FIXED);
        break;
    case VT_XDR_PARAMS:
        *(VtTypedParams **)at = xdr_params_decode(reader, field->max);
        break;
    case VT_XDR_STRUCT:
        return vt_xdr_type_decode(field->type, reader, at);
    case VT_XDR_KIND_COUNT:
        reader->failed = TRUE;
    }
    return !reader->failed;
}

static void
xdr_element_encode(const VtXdrField *field, gconstpointer at, VtXdrWriter *writer, GError **error)
{
    switch (field->kind) {
    case VT_XDR_I32:
    case VT_XDR_U32:
        vt_xdr_write_u32(writer, *(const guint32 *)at);
        break;
    case VT_XDR_I64:
    case VT_XDR_U64:
        vt_xdr_write_u64(writer, *(const guint64 *)at);
        break;
    case VT_XDR_U8:
        vt_xdr_write_u32(writer, *(const guint8 *)at);
        break;
    case VT_XDR_U16:
        vt_xdr_write_u32(writer, *(const guint16 *)at);
        break;
    case VT_XDR_STRING:
        vt_xdr_write_string(writer, *(char *const *)at,
                            field->shape == VT_XDR_LIST ? VT_XDR_STRING_MAX
                                                        : MIN(field->max, VT_XDR_STRING_MAX));
        break;
    case VT_XDR_OPAQUE:
        vt_xdr_write_opaque(writer, *(GBytes *const *)at, field->max);
        break;
    case VT_XDR_UUID:
        vt_xdr_write_fixed(writer, at, sizeof(VtUuid));
        break;
    case VT_XDR_CHARS:
    case VT_XDR_CHARS_FIXED:
        xdr_chars_encode(writer, *(char *const *)at, field->max, field->kind == VT_XDR_CHARS_FIXED);
        break;
    case VT_XDR_PARAMS:
        xdr_params_encode(writer, *(VtTypedParams *const *)at, field->max);
        break;
    case VT_XDR_STRUCT:
        if (!vt_xdr_type_encode(field->type, at, writer, error))
            writer->failed = TRUE;
        break;
    case VT_XDR_KIND_COUNT:
        writer->failed = TRUE;
    }
}

static void
xdr_element_clear(const VtXdrField *field, gpointer at)
{
    switch (field->kind) {
    case VT_XDR_I32:
    case VT_XDR_U32:
    case VT_XDR_I64:
    case VT_XDR_U64:
    case VT_XDR_U8:
    case VT_XDR_U16:
    case VT_XDR_UUID:
    case VT_XDR_KIND_COUNT:
        break;
    case VT_XDR_STRING:
    case VT_XDR_CHARS:
    case VT_XDR_CHARS_FIXED:
        g_free(*(char **)at);
        break;
    case VT_XDR_OPAQUE:
        if (*(GBytes **)at != NULL)
            g_bytes_unref(*(GBytes **)at);
        break;
    case VT_XDR_PARAMS:
        vt_typed_params_free(*(VtTypedParams **)at);
        break;
    case VT_XDR_STRUCT:
        vt_xdr_type_clear(field->type, at);
        break;
    }
}

static gboolean
xdr_optional_decode(const VtXdrField *field, VtXdrReader *reader, gpointer at)
{
    guint32 present = vt_xdr_read_u32(reader);

    if (reader->failed || present == 0)
        return !reader->failed;
    if (present != 1) {
        reader->failed = TRUE;
        return FALSE;
    }
    if (field->kind != VT_XDR_STRUCT)
        return xdr_element_decode(field, reader, at);
    *(gpointer *)at = g_malloc0(field->type->size);
    return vt_xdr_type_decode(field->type, reader, *(gpointer *)at);
}

static gboolean
xdr_list_decode(const VtXdrField *field, VtXdrReader *reader, VtXdrList *list)
{
    gsize step = xdr_field_memory(field);
    guint32 n = vt_xdr_read_count(reader, field->max, xdr_field_min_wire(field));

    if (reader->failed)
        return FALSE;
    list->items = n > 0 ? g_malloc0_n(n, step) : NULL;
    for (list->n = 0; list->n < n;) {
        guint8 *at = (guint8 *)list->items + list->n * step;

        list->n++; /* counted before it is read, so that what a half-read element owns is freed */
        if (!xdr_element_decode(field, reader, at))
            return FALSE;
    }
    return TRUE;
}

gboolean
vt_xdr_type_decode(const VtXdrType *type, VtXdrReader *reader, gpointer value)
{
    for (gsize i = 0; i < type->n_fields && !reader->failed; i++) {
        const VtXdrField *field = &type->fields[i];
        gpointer at = (guint8 *)value + field->offset;

        switch (field->shape) {
        case VT_XDR_ONE:
            xdr_element_decode(field, reader, at);
            break;
        case VT_XDR_OPTIONAL:
            xdr_optional_decode(field, reader, at);
            break;
        case VT_XDR_LIST:
            xdr_list_decode(field, reader, at);
            break;
        }
    }
    return !reader->failed;
}

static void
xdr_optional_encode(const VtXdrField *field, gconstpointer at, VtXdrWriter *writer, GError **error)
{
    gconstpointer pointer = *(gconstpointer const *)at;

    vt_xdr_write_u32(writer, pointer != NULL);
    if (pointer != NULL)
        xdr_element_encode(field, field->kind == VT_XDR_STRUCT ? pointer : at, writer, error);
}

static void
xdr_list_encode(const VtXdrField *field, const VtXdrList *list, VtXdrWriter *writer, GError **error)
{
    gsize step = xdr_field_memory(field);

    if (list->n > field->max)
        writer->failed = TRUE;
    vt_xdr_write_u32(writer, list->n);
    for (guint i = 0; i < list->n && !writer->failed; i++)
        xdr_element_encode(field, (const guint8 *)list->items + i * step, writer, error);
}

gboolean
vt_xdr_type_encode(const VtXdrType *type, gconstpointer value, VtXdrWriter *writer, GError **error)
{
    g_autoptr(GError) inner = NULL;

    for (gsize i = 0; i < type->n_fields; i++) {
        const VtXdrField *field = &type->fields[i];
        gconstpointer at = (const guint8 *)value + field->offset;

        switch (field->shape) {
        case VT_XDR_ONE:
            xdr_element_encode(field, at, writer, &inner);
            break;
        case VT_XDR_OPTIONAL:
            xdr_optional_encode(field, at, writer, &inner);
            break;
        case VT_XDR_LIST:
            xdr_list_encode(field, at, writer, &inner);
            break;
        }
        if (inner != NULL) {
            g_propagate_error(error, g_steal_pointer(&inner));
            return FALSE;
        }
        if (writer->failed)
            return vt_error_set(error, VT_ERROR_INTERNAL,
                                "Field '%s' of '%s' is missing or larger than the protocol allows.",
                                field->name, type->name);
    }
    return TRUE;
}

void
vt_xdr_type_clear(const VtXdrType *type, gpointer value)
{
    if (value == NULL)
        return;
    for (gsize i = 0; i < type->n_fields; i++) {
        const VtXdrField *field = &type->fields[i];
        guint8 *at = (guint8 *)value + field->offset;

        if (field->shape == VT_XDR_LIST) {
            VtXdrList *list = (VtXdrList *)(gpointer)at;
            gsize step = xdr_field_memory(field);

            for (guint j = 0; j < list->n; j++)
                xdr_element_clear(field, (guint8 *)list->items + j * step);
            g_free(list->items);
        } else if (field->shape == VT_XDR_OPTIONAL && field->kind == VT_XDR_STRUCT) {
            vt_xdr_type_clear(field->type, *(gpointer *)(gpointer)at);
            g_free(*(gpointer *)(gpointer)at);
        } else {
            xdr_element_clear(field, at);
        }
    }
    memset(value, 0, type->size);
}
