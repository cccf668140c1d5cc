/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The order of options is libvirt's. Most of it does not matter to the guest, but that of devices on buses
 * without addresses does, and equal order makes the two command lines easy to compare.
 */
#include "qemu/argv.h"

#include <string.h>
#include "qemu/argv-char.h"
#include "qemu/argv-disk.h"
#include "qemu/argv-hostdev.h"
#include "qemu/argv-machine.h"
#include "qemu/argv-net.h"

static gboolean
argv_incoming(VtArgvBuild *build, GError **error)
{
    if (build->ctx->incoming)
        vt_argv_ctx_add(build, "-incoming", build->ctx->incoming);
    return TRUE;
}

static gboolean (*const argv_builders[])(VtArgvBuild *build, GError **error) = {
    vt_argv_machine_name,  vt_argv_machine_type,     vt_argv_machine_cpu,         vt_argv_machine_memory,
    vt_argv_machine_smp,   vt_argv_machine_identity, vt_argv_char_monitor,        vt_argv_machine_clock,
    vt_argv_machine_power, vt_argv_machine_boot,     vt_argv_machine_controllers, vt_argv_disk_all,
    vt_argv_net_all,       vt_argv_char_all,         vt_argv_char_inputs,         vt_argv_hostdev_all,
    argv_incoming,         vt_argv_char_balloon,     vt_argv_char_rngs,           vt_argv_machine_process,
};

char **
vt_argv_build(const VtDomainDef *def, const VtQemuCaps *caps, const VtArgvContext *ctx, GError **error)
{
    g_autoptr(GPtrArray) args = g_ptr_array_new_with_free_func(g_free);
    VtArgvBuild build = { .def = def, .caps = caps, .ctx = ctx, .args = args };
    gsize i;

    g_ptr_array_add(args, g_strdup(caps->binary));
    for (i = 0; i < G_N_ELEMENTS(argv_builders); i++)
        if (!argv_builders[i](&build, error))
            return NULL;
    g_ptr_array_add(args, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&args), FALSE);
}

/* Shell quoting only where a shell would read the word otherwise. */
static void
argv_append_quoted(GString *text, const char *word)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=:,./@%";
    g_autofree char *quoted = NULL;

    if (*word && word[strspn(word, plain)] == '\0') {
        g_string_append(text, word);
        return;
    }
    quoted = g_shell_quote(word);
    g_string_append(text, quoted);
}

static gboolean
argv_takes_value(const char *option)
{
    static const char *const flags[] = { "-S",       "-no-user-config", "-nodefaults", "-no-shutdown",
                                         "-no-acpi", "-no-hpet",        NULL };

    return !g_strv_contains(flags, option);
}

char *
vt_argv_to_text(char *const *argv)
{
    g_autoptr(GString) text = g_string_new(NULL);
    gsize i;

    for (i = 0; argv[i]; i++) {
        if (i)
            g_string_append(text, " \\\n");
        argv_append_quoted(text, argv[i]);
        if (i && argv_takes_value(argv[i]) && argv[i + 1]) {
            g_string_append_c(text, ' ');
            argv_append_quoted(text, argv[++i]);
        }
    }
    g_string_append_c(text, '\n');
    return g_string_free(g_steal_pointer(&text), FALSE);
}

char *
vt_argv_net_device(const VtDomainDef *def, const VtNetDef *net)
{
    if (net->type == VT_NET_HOSTDEV)
        return vt_argv_hostdev_vfio(def, &net->host, &net->info, &net->teaming);
    return vt_argv_net_nic(def, net);
}

char *
vt_argv_hostdev_device(const VtDomainDef *def, const VtHostdevDef *hostdev)
{
    return vt_argv_hostdev_vfio(def, &hostdev->host, &hostdev->info, &hostdev->teaming);
}
