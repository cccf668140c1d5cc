/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Name <-> value tables. A table is a designated array of names indexed by the enum and pinned to its
 * length by VT_ENUM_TABLE; a hole (NULL) is a value without a name.
 */
#pragma once

#include <glib.h>

#define VT_ENUM_TABLE(table, count) G_STATIC_ASSERT(G_N_ELEMENTS(table) == (gsize)(count))

/**
 * vt_enum_name - the name of a value
 * @table: designated names
 * @count: length of @table
 * @value: any number
 *
 * Return: (nullable) the name, or NULL for a hole or a number outside the table.
 */
const char *vt_enum_name(const char *const *table, gsize count, int value);

/**
 * vt_enum_value - the value of a name
 * @table: designated names
 * @count: length of @table
 * @name:  (nullable) what to look for, compared byte by byte
 *
 * Return: index into @table, or -1 when there is no such name.
 */
int vt_enum_value(const char *const *table, gsize count, const char *name);
