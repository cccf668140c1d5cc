/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/xml-input.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "util/i18n.h"

#define XML_INPUT_MAX (4 * 1024 * 1024)

char *
vt_xml_input_read(const char *path, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    gboolean own = !g_str_equal(path, "-");
    FILE *file = own ? fopen(path, "re") : stdin;
    char buffer[65536];
    int errnum = 0;
    gsize n;

    if (!file) {
        vt_error_set_errno(error, errno, _("cannot open '%s'"), path);
        return NULL;
    }
    while ((n = fread(buffer, 1, sizeof(buffer), file)) > 0 && text->len <= XML_INPUT_MAX)
        g_string_append_len(text, buffer, (gssize)n);
    if (ferror(file))
        errnum = errno ? errno : EIO;
    if (own)
        fclose(file);
    if (errnum) {
        vt_error_set_errno(error, errnum, _("cannot read '%s'"), path);
        return NULL;
    }
    if (text->len > XML_INPUT_MAX || strlen(text->str) != text->len) {
        vt_error_set(error, VT_ERROR_INVALID_ARG, _("'%s' is no text of at most 4 MiB"), path);
        return NULL;
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

VtQemuCaps *
vt_xml_input_caps(VtDomainDef *def, const char *caps_file, GError **error)
{
    g_autofree char *text = NULL;

    if (caps_file) {
        VtQemuCaps *caps;

        text = vt_xml_input_read(caps_file, error);
        caps = text ? vt_qemu_caps_from_json(text, error) : NULL;
        if (caps && !def->emulator)
            def->emulator = g_strdup(caps->binary);
        return caps;
    }
    if (!def->emulator) {
        g_autofree char *name = g_strdup_printf("qemu-system-%s", def->os.arch ? def->os.arch : "x86_64");

        def->emulator = g_find_program_in_path(name);
        if (!def->emulator) {
            vt_error_set(error, VT_ERROR_SYSTEM,
                         _("there is no '%s' in PATH; install it or name an <emulator>"), name);
            return NULL;
        }
    }
    return vt_qemu_caps_probe(def->emulator, NULL, error);
}
