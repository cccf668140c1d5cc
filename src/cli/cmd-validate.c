/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/cmd.h"

#include "cli/xml-input.h"
#include "conf/domain-xml.h"
#include "qemu/prepare.h"
#include "util/i18n.h"

/* The XML's own problems first; what the emulator has to say needs a definition without those. */
static gboolean
cmd_validate_file(const char *path, const char *caps_file, GPtrArray *problems, GError **error)
{
    g_autofree char *xml = vt_xml_input_read(path, error);
    g_autoptr(VtDomainDef) def = NULL;
    g_autoptr(VtQemuCaps) caps = NULL;

    if (!xml)
        return FALSE;
    def = vt_domain_xml_check(xml, problems);
    if (!def)
        return TRUE;
    caps = vt_xml_input_caps(def, caps_file, error);
    if (!caps)
        return FALSE;
    vt_qemu_prepare_check(def, caps, problems);
    return TRUE;
}

static int
cmd_validate_run(char **argv)
{
    g_autofree char *caps_file = NULL;
    const GOptionEntry entries[] = {
        { "caps", 0, 0, G_OPTION_ARG_FILENAME, &caps_file,
          N_("use stored capabilities, do not start the emulator"), "FILE" },
        { NULL },
    };
    g_auto(GStrv) words = vt_cmd_options(&vt_cmd_validate, argv, entries, 1);
    g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    guint i;

    if (!words)
        return VT_CMD_USAGE;
    if (!cmd_validate_file(words[0], caps_file, problems, &error)) {
        g_printerr("virtteam validate: %s\n", error->message);
        return VT_CMD_FAILED;
    }
    for (i = 0; i < problems->len; i++)
        g_print("%s: %s\n", words[0], (const char *)problems->pdata[i]);
    if (problems->len)
        return VT_CMD_FAILED;
    g_print(_("%s: no problems\n"), words[0]);
    return VT_CMD_OK;
}

const VtCmd vt_cmd_validate = {
    .name = "validate",
    .args = "[--caps FILE] FILE",
    .summary = N_("list every problem of a domain's XML"),
    .run = cmd_validate_run,
};
