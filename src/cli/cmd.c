/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/cmd.h"

#include "util/i18n.h"

char **
vt_cmd_options_more(const VtCmd *cmd, char **argv, const GOptionEntry *entries, guint n_words, guint n_more)
{
    g_autofree char *usage = g_strdup_printf("%s %s", cmd->name, cmd->args);
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) words = NULL;

    /* The parser takes the first word for the program's name. */
    g_strv_builder_add(builder, cmd->name);
    g_strv_builder_addv(builder, (const char **)argv);
    words = g_strv_builder_end(builder);
    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_set_translation_domain(context, "virtteam");
    if (entries)
        g_option_context_add_main_entries(context, entries, "virtteam");
    if (!g_option_context_parse_strv(context, &words, &error)) {
        g_printerr("virtteam %s: %s\n", cmd->name, error->message);
    } else {
        guint first = words[0] && words[1] && g_str_equal(words[1], "--") ? 2 : 1;

        guint count = g_strv_length(words) - first;

        if (count >= n_words && count <= n_words + n_more)
            return g_strdupv(words + first);
    }
    g_printerr(_("usage: virtteam %s\n"), usage);
    return NULL;
}

char **
vt_cmd_options(const VtCmd *cmd, char **argv, const GOptionEntry *entries, guint n_words)
{
    return vt_cmd_options_more(cmd, argv, entries, n_words, 0);
}
