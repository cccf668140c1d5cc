/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON texts and, behind a line end, a path into them. */
#include "util/json.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
    const guint8 *newline = memchr(data, '\n', size);
    gsize length = newline ? (gsize)(newline - data) : size;
    g_autofree char *path =
        newline ? g_strndup((const char *)newline + 1, size - length - 1) : g_strdup("a.b[0]");
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) root = vt_json_parse((const char *)data, length, &error);
    const char *text;
    guint64 number;

    if (!root) {
        g_assert_nonnull(error);
        return 0;
    }
    g_free(vt_json_to_string(root));
    vt_json_get_string(root, path, &text, NULL);
    vt_json_get_uint(root, path, &number, NULL);
    return 0;
}
