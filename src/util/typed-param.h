/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt's typed parameters: an ordered list of (field, typed value); a field may repeat.
 */
#pragma once

#include "util/error.h"

typedef enum {
    VT_PARAM_INT = 1, /* numbers are virTypedParameterType */
    VT_PARAM_UINT = 2,
    VT_PARAM_LLONG = 3,
    VT_PARAM_ULLONG = 4,
    VT_PARAM_DOUBLE = 5,
    VT_PARAM_BOOLEAN = 6,
    VT_PARAM_STRING = 7,
} VtParamType;

#define VT_PARAM_FIELD_MAX 79 /* the client's buffer is 80 bytes with its NUL */

typedef struct {
    char *field;
    VtParamType type;
    union {
        gint32 i;
        guint32 ui;
        gint64 l;
        guint64 ul;
        double d;
        gboolean b;
        char *s;
    } value;
} VtTypedParam;

typedef struct {
    GPtrArray *items; /* of VtTypedParam * */
} VtTypedParams;

VtTypedParams *vt_typed_params_new(void);
void vt_typed_params_free(VtTypedParams *params);
VtTypedParams *vt_typed_params_copy(const VtTypedParams *params);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtTypedParams, vt_typed_params_free)

void vt_typed_params_add_int(VtTypedParams *params, const char *field, gint32 value);
void vt_typed_params_add_uint(VtTypedParams *params, const char *field, guint32 value);
void vt_typed_params_add_llong(VtTypedParams *params, const char *field, gint64 value);
void vt_typed_params_add_ullong(VtTypedParams *params, const char *field, guint64 value);
void vt_typed_params_add_double(VtTypedParams *params, const char *field, double value);
void vt_typed_params_add_boolean(VtTypedParams *params, const char *field, gboolean value);
void vt_typed_params_add_string(VtTypedParams *params, const char *field, const char *value);

/** First parameter of that field; NULL when absent. (transfer none) */
const VtTypedParam *vt_typed_params_get(const VtTypedParams *params, const char *field);
/** Its string, or NULL when absent or of another type. */
const char *vt_typed_params_get_string(const VtTypedParams *params, const char *field);
/** TRUE with @value set when the field is there with that type. */
gboolean vt_typed_params_get_ullong(const VtTypedParams *params, const char *field, guint64 *value);
gboolean vt_typed_params_get_int(const VtTypedParams *params, const char *field, gint32 *value);

typedef struct {
    const char *field;
    VtParamType type;
    gboolean repeatable;
} VtParamSpec;

/**
 * vt_typed_params_check - that every parameter is in a table, of its type, and not repeated
 * @params: what came in
 * @table:  what is allowed
 * @n:      rows of @table
 * @error:  (out) INVALID_ARG, naming the parameter and what is expected
 */
gboolean vt_typed_params_check(const VtTypedParams *params, const VtParamSpec *table, gsize n,
                               GError **error);
