/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/enum.h"

#include <string.h>

const char *
vt_enum_name(const char *const *table, gsize count, int value)
{
    if (value < 0 || (gsize)value >= count)
        return NULL;
    return table[value];
}

int
vt_enum_value(const char *const *table, gsize count, const char *name)
{
    if (!name)
        return -1;
    for (gsize i = 0; i < count; i++)
        if (table[i] && strcmp(table[i], name) == 0)
            return (int)i;
    return -1;
}
