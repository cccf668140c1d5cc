/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/cmd.h"

#include "qemu/caps.h"
#include "util/i18n.h"

static int
cmd_caps_run(char **argv)
{
    g_auto(GStrv) words = vt_cmd_options(&vt_cmd_caps, argv, NULL, 1);
    g_autoptr(GError) error = NULL;
    g_autoptr(VtQemuCaps) caps = NULL;
    g_autofree char *json = NULL;

    if (!words)
        return VT_CMD_USAGE;
    caps = vt_qemu_caps_probe(words[0], NULL, &error);
    if (!caps) {
        g_printerr("virtteam caps: %s\n", error->message);
        return VT_CMD_FAILED;
    }
    json = vt_qemu_caps_to_json(caps);
    g_print("%s\n", json);
    return VT_CMD_OK;
}

const VtCmd vt_cmd_caps = {
    .name = "caps",
    .args = "EMULATOR",
    .summary = N_("print what a QEMU binary can do, for --caps"),
    .run = cmd_caps_run,
};
