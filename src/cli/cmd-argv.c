/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/cmd.h"

#include <stdio.h>
#include "cli/xml-input.h"
#include "conf/domain-xml.h"
#include "qemu/argv.h"
#include "qemu/prepare.h"
#include "util/i18n.h"

static char *
cmd_argv_text(const char *path, const char *caps_file, GError **error)
{
    VtArgvContext ctx = { .monitor_fd = -1, .standalone = TRUE };
    g_autofree char *xml = vt_xml_input_read(path, error);
    g_autoptr(VtDomainDef) def = xml ? vt_domain_xml_parse(xml, error) : NULL;
    g_autoptr(VtQemuCaps) caps = def ? vt_xml_input_caps(def, caps_file, error) : NULL;
    g_auto(GStrv) argv = NULL;

    if (!caps || !vt_qemu_prepare_define(def, caps, error))
        return NULL;
    vt_alias_assign(def);
    argv = vt_argv_build(def, caps, &ctx, error);
    return argv ? vt_argv_to_text(argv) : NULL;
}

static int
cmd_argv_run(char **argv)
{
    g_autofree char *caps_file = NULL, *text = NULL;
    const GOptionEntry entries[] = {
        { "caps", 0, 0, G_OPTION_ARG_FILENAME, &caps_file,
          N_("use stored capabilities, do not start the emulator"), "FILE" },
        { NULL },
    };
    g_auto(GStrv) words = vt_cmd_options(&vt_cmd_argv, argv, entries, 1);
    g_autoptr(GError) error = NULL;

    if (!words)
        return VT_CMD_USAGE;
    text = cmd_argv_text(words[0], caps_file, &error);
    if (!text) {
        g_printerr("virtteam argv: %s\n", error->message);
        return VT_CMD_FAILED;
    }
    fputs(text, stdout);
    return VT_CMD_OK;
}

const VtCmd vt_cmd_argv = {
    .name = "argv",
    .args = "[--caps FILE] FILE",
    .summary = N_("print the QEMU command line of a domain's XML"),
    .run = cmd_argv_run,
};
