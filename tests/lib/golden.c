/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "golden.h"

#include <stdlib.h>
#include <string.h>
#include <glib/gstdio.h>

static gboolean
golden_regenerates(void)
{
    return g_strcmp0(g_getenv("VT_REGENERATE"), "1") == 0;
}

/* The first line that differs tells more than two whole texts. */
static void
golden_report(const char *path, const char *expected, const char *actual)
{
    g_auto(GStrv) a = g_strsplit(expected, "\n", -1);
    g_auto(GStrv) b = g_strsplit(actual, "\n", -1);
    guint i;

    for (i = 0; a[i] && b[i] && g_str_equal(a[i], b[i]); i++)
        continue;
    g_test_message("%s:%u: expected: %s", path, i + 1, a[i] ? a[i] : "(end of file)");
    g_test_message("%s:%u: actual:   %s", path, i + 1, b[i] ? b[i] : "(end of file)");
    g_test_fail();
}

void
vt_golden_check(const char *path, const char *actual)
{
    g_autofree char *expected = NULL;
    gboolean there = g_file_get_contents(path, &expected, NULL, NULL);

    if (!actual ? !there : there && g_str_equal(expected, actual))
        return;
    if (golden_regenerates()) {
        if (actual)
            g_file_set_contents(path, actual, -1, NULL);
        else
            g_unlink(path);
        g_test_message("%s: regenerated; look at the difference and run again", path);
        g_test_fail();
    } else if (!actual) {
        g_test_message("%s: expected, but there is no such result", path);
        g_test_fail();
    } else if (!there) {
        g_test_message("%s: is missing; VT_REGENERATE=1 writes it", path);
        g_test_fail();
    } else {
        golden_report(path, expected, actual);
    }
}

static gint
golden_compare(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* TRUE when @name is "<case><one of the suffixes>" and the case is there. */
static gboolean
golden_belongs(const char *dir, const char *name, const char *suffix, const char *const *others)
{
    gsize i;

    for (i = 0; others[i]; i++) {
        g_autofree char *stem = NULL, *path = NULL;

        if (!g_str_has_suffix(name, others[i]))
            continue;
        stem = g_strndup(name, strlen(name) - strlen(others[i]));
        path = g_strdup_printf("%s/%s%s", dir, stem, suffix);
        if (g_file_test(path, G_FILE_TEST_EXISTS))
            return TRUE;
    }
    return FALSE;
}

char **
vt_golden_list(const char *dir, const char *suffix, const char *const *others, GError **error)
{
    g_autoptr(GDir) handle = g_dir_open(dir, 0, error);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    while (handle && (name = g_dir_read_name(handle))) {
        if (golden_belongs(dir, name, suffix, others))
            continue;
        if (!g_str_has_suffix(name, suffix)) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s/%s belongs to no case", dir, name);
            return NULL;
        }
        g_ptr_array_add(names, g_strndup(name, strlen(name) - strlen(suffix)));
    }
    if (!handle)
        return NULL;
    g_ptr_array_sort(names, golden_compare);
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&names), FALSE);
}
