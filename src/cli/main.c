/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libintl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include "cli/cmd.h"
#include "util/i18n.h"
#include "vt-config.h"

static const VtCmd *const main_commands[] = {
    &vt_cmd_argv, &vt_cmd_caps, &vt_cmd_probe, &vt_cmd_team, &vt_cmd_timeline, &vt_cmd_validate,
};

static void
main_help(FILE *to)
{
    gsize i;

    fputs(_("usage: virtteam COMMAND [ARGUMENT...]\n"
            "       virtteam --help | --version\n\n"
            "Commands:\n"),
          to);
    for (i = 0; i < G_N_ELEMENTS(main_commands); i++) {
        g_autofree char *usage = g_strdup_printf("%s %s", main_commands[i]->name, main_commands[i]->args);

        fprintf(to, "  %-34s %s\n", usage, _(main_commands[i]->summary));
    }
    fputs(_("\nA FILE may be '-' for standard input. The manual page is virtteam(1).\n"), to);
}

int
main(int argc, char **argv)
{
    gsize i;

    setlocale(LC_ALL, "");
    bindtextdomain("virtteam", VT_LOCALEDIR);
    if (argc < 2) {
        main_help(stderr);
        return VT_CMD_USAGE;
    }
    if (g_str_equal(argv[1], "--help") || g_str_equal(argv[1], "-h")) {
        main_help(stdout);
        return VT_CMD_OK;
    }
    if (g_str_equal(argv[1], "--version") || g_str_equal(argv[1], "-V")) {
        printf("virtteam %s\n", VT_VERSION);
        return VT_CMD_OK;
    }
    for (i = 0; i < G_N_ELEMENTS(main_commands); i++)
        if (g_str_equal(argv[1], main_commands[i]->name))
            return main_commands[i]->run(argv + 2);
    fprintf(stderr, _("virtteam: there is no command '%s'; `virtteam --help` lists them\n"), argv[1]);
    return VT_CMD_USAGE;
}
