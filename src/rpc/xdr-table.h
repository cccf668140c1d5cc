/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Structs on the wire, declared as tables of fields: one encoder, one decoder and one free for all of them.
 *
 *   kind         C member               on the wire
 *   I32, U32     gint32, guint32        one unit
 *   I64, U64     gint64, guint64        two units
 *   U8, U16      guint8, guint16        one unit
 *   STRING       char *                 count, bytes, padding
 *   OPAQUE       GBytes *               count, bytes, padding (NULL: none)
 *   UUID         VtUuid                 16 bytes
 *   CHARS        char *                 count, then one unit a character, the NUL counted (NULL: none)
 *   CHARS_FIXED  char *                 exactly .max units, one a character, padded with zeros
 *   PARAMS       VtTypedParams *        count, then field, type, value of each (NULL: none)
 *   STRUCT       the struct itself      its fields
 *
 * .shape OPTIONAL puts a unit 0 or 1 before it (STRING: NULL is absent; STRUCT: the member is a pointer);
 * .shape LIST makes the member a VtXdrList of .max elements at most.
 */
#pragma once

#include "rpc/xdr.h"
#include "util/error.h"

typedef enum {
    VT_XDR_I32,
    VT_XDR_U32,
    VT_XDR_I64,
    VT_XDR_U64,
    VT_XDR_U8,
    VT_XDR_U16,
    VT_XDR_STRING,
    VT_XDR_OPAQUE,
    VT_XDR_UUID,
    VT_XDR_CHARS,
    VT_XDR_CHARS_FIXED,
    VT_XDR_PARAMS,
    VT_XDR_STRUCT,
    VT_XDR_KIND_COUNT
} VtXdrKind;

typedef enum {
    VT_XDR_ONE,
    VT_XDR_OPTIONAL,
    VT_XDR_LIST,
} VtXdrShape;

/* An array of elements laid out one behind the other: structs, char *, gint32 ... */
typedef struct {
    guint n;
    gpointer items;
} VtXdrList;

typedef struct _VtXdrType VtXdrType;

typedef struct {
    const char *name;
    VtXdrKind kind;
    VtXdrShape shape;
    guint max;             /* STRING, OPAQUE, CHARS*, PARAMS: bytes or items; LIST: elements */
    guint offset, size;    /* of the member */
    const VtXdrType *type; /* STRUCT */
} VtXdrField;

struct _VtXdrType {
    const char *name;
    gsize size; /* of the C struct */
    const VtXdrField *fields;
    gsize n_fields;
};

#define VT_XDR_MEMBER(struct_type, member)                                                                   \
    .name = #member, .offset = G_STRUCT_OFFSET(struct_type, member),                                         \
    .size = sizeof(((struct_type *)NULL)->member)

/* What an empty struct (a void argument or return) is. */
extern const VtXdrType vt_xdr_void;

/**
 * vt_xdr_type_decode - read a struct
 * @type:   its table
 * @reader: where from
 * @value:  (out) @type->size zeroed bytes; on failure whatever was read stays for vt_xdr_type_clear()
 *
 * Return: FALSE when the bytes are too few or break a limit.
 */
gboolean vt_xdr_type_decode(const VtXdrType *type, VtXdrReader *reader, gpointer value);

/**
 * vt_xdr_type_encode - write a struct
 * @type:   its table
 * @value:  (nullable) the struct; NULL only for an empty @type
 * @writer: where to
 * @error:  (out) INTERNAL, naming the field that breaks a limit or is missing
 */
gboolean vt_xdr_type_encode(const VtXdrType *type, gconstpointer value, VtXdrWriter *writer, GError **error);

/** Free what the members own and zero the struct; NULL is accepted. */
void vt_xdr_type_clear(const VtXdrType *type, gpointer value);

/** The fewest bytes a struct can take on the wire. */
gsize vt_xdr_type_min_size(const VtXdrType *type);
