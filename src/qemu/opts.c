/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/opts.h"

VtOpts *
vt_opts_new(const char *head)
{
    return g_string_new(head);
}

void
vt_opts_free(VtOpts *opts)
{
    if (opts)
        g_string_free(opts, TRUE);
}

void
vt_opts_add(VtOpts *opts, const char *key, const char *value)
{
    if (!value)
        return;
    if (opts->len)
        g_string_append_c(opts, ',');
    g_string_append(opts, key);
    g_string_append_c(opts, '=');
    for (; *value; value++) {
        if (*value == ',')
            g_string_append_c(opts, ',');
        g_string_append_c(opts, *value);
    }
}

void
vt_opts_addf(VtOpts *opts, const char *key, const char *format, ...)
{
    g_autofree char *value = NULL;
    va_list args;

    va_start(args, format);
    value = g_strdup_vprintf(format, args);
    va_end(args);
    vt_opts_add(opts, key, value);
}

void
vt_opts_flag(VtOpts *opts, const char *key, gboolean on)
{
    vt_opts_add(opts, key, on ? "on" : "off");
}

char *
vt_opts_end(VtOpts *opts)
{
    return g_string_free(opts, FALSE);
}
