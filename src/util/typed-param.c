/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/typed-param.h"

#include "util/enum.h"
#include "util/i18n.h"

#include <string.h>

static const char *const param_type_names[] = {
    [VT_PARAM_INT] = "int",       [VT_PARAM_UINT] = "uint",     [VT_PARAM_LLONG] = "llong",
    [VT_PARAM_ULLONG] = "ullong", [VT_PARAM_DOUBLE] = "double", [VT_PARAM_BOOLEAN] = "boolean",
    [VT_PARAM_STRING] = "string",
};
VT_ENUM_TABLE(param_type_names, VT_PARAM_STRING + 1);

static void
typed_param_free(gpointer data)
{
    VtTypedParam *param = data;

    if (param->type == VT_PARAM_STRING)
        g_free(param->value.s);
    g_free(param->field);
    g_free(param);
}

VtTypedParams *
vt_typed_params_new(void)
{
    VtTypedParams *params = g_new0(VtTypedParams, 1);

    params->items = g_ptr_array_new_with_free_func(typed_param_free);
    return params;
}

void
vt_typed_params_free(VtTypedParams *params)
{
    if (!params)
        return;
    g_ptr_array_unref(params->items);
    g_free(params);
}

static VtTypedParam *
typed_param_append(VtTypedParams *params, const char *field, VtParamType type)
{
    VtTypedParam *param = g_new0(VtTypedParam, 1);

    param->field = g_strdup(field);
    param->type = type;
    g_ptr_array_add(params->items, param);
    return param;
}

VtTypedParams *
vt_typed_params_copy(const VtTypedParams *params)
{
    VtTypedParams *copy = vt_typed_params_new();

    for (guint i = 0; params && i < params->items->len; i++) {
        const VtTypedParam *from = g_ptr_array_index(params->items, i);
        VtTypedParam *to = typed_param_append(copy, from->field, from->type);

        to->value = from->value;
        if (from->type == VT_PARAM_STRING)
            to->value.s = g_strdup(from->value.s);
    }
    return copy;
}

void
vt_typed_params_add_int(VtTypedParams *params, const char *field, gint32 value)
{
    typed_param_append(params, field, VT_PARAM_INT)->value.i = value;
}

void
vt_typed_params_add_uint(VtTypedParams *params, const char *field, guint32 value)
{
    typed_param_append(params, field, VT_PARAM_UINT)->value.ui = value;
}

void
vt_typed_params_add_llong(VtTypedParams *params, const char *field, gint64 value)
{
    typed_param_append(params, field, VT_PARAM_LLONG)->value.l = value;
}

void
vt_typed_params_add_ullong(VtTypedParams *params, const char *field, guint64 value)
{
    typed_param_append(params, field, VT_PARAM_ULLONG)->value.ul = value;
}

void
vt_typed_params_add_double(VtTypedParams *params, const char *field, double value)
{
    typed_param_append(params, field, VT_PARAM_DOUBLE)->value.d = value;
}

void
vt_typed_params_add_boolean(VtTypedParams *params, const char *field, gboolean value)
{
    typed_param_append(params, field, VT_PARAM_BOOLEAN)->value.b = value != FALSE;
}

void
vt_typed_params_add_string(VtTypedParams *params, const char *field, const char *value)
{
    typed_param_append(params, field, VT_PARAM_STRING)->value.s = g_strdup(value ? value : "");
}

const VtTypedParam *
vt_typed_params_get(const VtTypedParams *params, const char *field)
{
    for (guint i = 0; params && i < params->items->len; i++) {
        const VtTypedParam *param = g_ptr_array_index(params->items, i);

        if (strcmp(param->field, field) == 0)
            return param;
    }
    return NULL;
}

const char *
vt_typed_params_get_string(const VtTypedParams *params, const char *field)
{
    const VtTypedParam *param = vt_typed_params_get(params, field);

    return param && param->type == VT_PARAM_STRING ? param->value.s : NULL;
}

gboolean
vt_typed_params_get_ullong(const VtTypedParams *params, const char *field, guint64 *value)
{
    const VtTypedParam *param = vt_typed_params_get(params, field);

    if (!param || param->type != VT_PARAM_ULLONG)
        return FALSE;
    *value = param->value.ul;
    return TRUE;
}

gboolean
vt_typed_params_get_int(const VtTypedParams *params, const char *field, gint32 *value)
{
    const VtTypedParam *param = vt_typed_params_get(params, field);

    if (!param || param->type != VT_PARAM_INT)
        return FALSE;
    *value = param->value.i;
    return TRUE;
}

static const char *
typed_param_type_name(VtParamType type)
{
    const char *name = vt_enum_name(param_type_names, G_N_ELEMENTS(param_type_names), (int)type);

    return name ? name : "unknown";
}

gboolean
vt_typed_params_check(const VtTypedParams *params, const VtParamSpec *table, gsize n, GError **error)
{
    g_autofree gboolean *seen = g_new0(gboolean, n ? n : 1);

    for (guint i = 0; params && i < params->items->len; i++) {
        const VtTypedParam *param = g_ptr_array_index(params->items, i);
        gsize row = 0;

        while (row < n && strcmp(table[row].field, param->field) != 0)
            row++;
        if (row == n)
            return vt_error_set(error, VT_ERROR_INVALID_ARG, _("The parameter '%s' is not supported."),
                                param->field);
        if (param->type != table[row].type)
            return vt_error_set(error, VT_ERROR_INVALID_ARG,
                                _("The parameter '%s' must be of type '%s', but is of type '%s'."),
                                param->field, typed_param_type_name(table[row].type),
                                typed_param_type_name(param->type));
        if (seen[row] && !table[row].repeatable)
            return vt_error_set(error, VT_ERROR_INVALID_ARG, _("The parameter '%s' is given more than once."),
                                param->field);
        seen[row] = TRUE;
    }
    return TRUE;
}
