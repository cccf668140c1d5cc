/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/argv-char.h"

#include <string.h>
#include <sys/un.h>
#include "qemu/alias.h"
#include "util/i18n.h"

#define ARGV_CHAR_SOCKET_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

gboolean
vt_argv_char_monitor(VtArgvBuild *build, GError **error)
{
    VtOpts *opts = vt_opts_new("socket");

    vt_opts_add(opts, "id", "charmonitor");
    if (build->ctx->monitor_fd >= 0 && !build->ctx->standalone) {
        vt_opts_addf(opts, "fd", "%d", build->ctx->monitor_fd);
    } else {
        g_autofree char *path = build->ctx->monitor_path ? g_strdup(build->ctx->monitor_path)
                                                         : vt_argv_ctx_state_path(build, "monitor.sock");

        vt_opts_add(opts, "path", path);
    }
    vt_opts_flag(opts, "server", TRUE);
    vt_opts_flag(opts, "wait", FALSE);
    vt_argv_ctx_add_opts(build, "-chardev", opts);
    vt_argv_ctx_add(build, "-mon", "chardev=charmonitor,id=monitor,mode=control");
    return TRUE;
}

char *
vt_argv_char_channel_path(const VtArgvBuild *build, const VtCharDef *channel)
{
    g_autofree char *name =
        g_strdup_printf("channel-%s", channel->target_name ? channel->target_name : channel->info.alias);

    /* The name is the guest's; it must not lead out of the directory. */
    return vt_argv_ctx_state_path(build, g_strdelimit(name, "/", '_'));
}

static gboolean
argv_char_socket(VtArgvBuild *build, VtOpts *opts, const VtCharDef *chr, GError **error)
{
    g_autofree char *own = chr->path ? NULL : vt_argv_char_channel_path(build, chr);
    const char *path = chr->path ? chr->path : own;

    if (strlen(path) > ARGV_CHAR_SOCKET_MAX)
        return vt_error_set(error, VT_ERROR_CONFIG_UNSUPPORTED,
                            _("the socket path '%s' of '%s' is longer than %d bytes; choose a shorter one"),
                            path, chr->info.alias, (int)ARGV_CHAR_SOCKET_MAX);
    vt_opts_add(opts, "path", path);
    if (chr->listen || !chr->path) {
        vt_opts_flag(opts, "server", TRUE);
        vt_opts_flag(opts, "wait", FALSE);
    }
    return TRUE;
}

static gboolean
argv_char_backend(VtArgvBuild *build, const VtCharDef *chr, GError **error)
{
    static const char *const backends[] = {
        [VT_CHAR_PTY] = "pty",
        [VT_CHAR_FILE] = "file",
        [VT_CHAR_NULL] = "null",
        [VT_CHAR_UNIX] = "socket",
    };
    g_autoptr(VtOpts) opts = vt_opts_new(backends[chr->type]);

    vt_opts_addf(opts, "id", "char%s", chr->info.alias);
    if (chr->type == VT_CHAR_FILE) {
        vt_opts_add(opts, "path", chr->path);
        if (chr->append != VT_TRISTATE_DEFAULT)
            vt_opts_flag(opts, "append", chr->append == VT_TRISTATE_YES);
    }
    if (chr->type == VT_CHAR_UNIX && !argv_char_socket(build, opts, chr, error))
        return FALSE;
    if (chr->log_file) {
        vt_opts_add(opts, "logfile", chr->log_file);
        if (chr->log_append != VT_TRISTATE_DEFAULT)
            vt_opts_flag(opts, "logappend", chr->log_append == VT_TRISTATE_YES);
    }
    vt_argv_ctx_add_opts(build, "-chardev", g_steal_pointer(&opts));
    return TRUE;
}

static gboolean
argv_char_device(VtArgvBuild *build, const VtCharDef *chr, const char *driver, GError **error)
{
    VtOpts *opts;

    if (!argv_char_backend(build, chr, error))
        return FALSE;
    opts = vt_opts_new(driver);
    if (chr->role == VT_CHAR_ROLE_CHANNEL) {
        const VtAddress *address = &chr->info.address;
        const VtControllerDef *controller =
            vt_alias_controller(build->def, VT_CONTROLLER_VIRTIO_SERIAL, (int)address->controller);

        vt_opts_addf(opts, "bus", "%s.0",
                     controller && controller->info.alias ? controller->info.alias : "virtio-serial0");
        vt_opts_addf(opts, "nr", "%u", address->unit);
    }
    vt_opts_addf(opts, "chardev", "char%s", chr->info.alias);
    vt_opts_add(opts, "id", chr->info.alias);
    if (chr->role == VT_CHAR_ROLE_SERIAL)
        vt_opts_addf(opts, "index", "%d", MAX(chr->target_port, 0));
    vt_opts_add(opts, "name", chr->target_name);
    vt_argv_ctx_add_opts(build, "-device", opts);
    return TRUE;
}

gboolean
vt_argv_char_all(VtArgvBuild *build, GError **error)
{
    const VtDomainDef *def = build->def;
    guint i;

    for (i = 0; i < def->serials->len; i++)
        if (!argv_char_device(build, def->serials->pdata[i], "isa-serial", error))
            return FALSE;
    for (i = 0; i < def->channels->len; i++)
        if (!argv_char_device(build, def->channels->pdata[i], "virtserialport", error))
            return FALSE;
    for (i = 0; i < def->consoles->len; i++) {
        const VtCharDef *console = def->consoles->pdata[i];

        /* A serial console is nothing but another view of the first serial port. */
        if (g_strcmp0(console->target_type, "virtio") == 0 &&
            !argv_char_device(build, console, "virtconsole", error))
            return FALSE;
    }
    return TRUE;
}

static void
argv_char_input(VtArgvBuild *build, const VtInputDef *input)
{
    gboolean usb = g_strcmp0(input->bus, "usb") == 0;
    const char *type = g_strcmp0(input->type, "keyboard") == 0 && usb ? "kbd" : input->type;
    g_autofree char *driver = g_strdup_printf(usb ? "usb-%s" : "virtio-%s-pci", type);
    VtOpts *opts = vt_opts_new(driver);

    vt_opts_add(opts, "id", input->info.alias);
    if (usb && input->info.address.type == VT_ADDRESS_USB) {
        const VtControllerDef *bus =
            vt_alias_controller(build->def, VT_CONTROLLER_USB, (int)input->info.address.bus);

        vt_opts_addf(opts, "bus", "%s.0", bus && bus->info.alias ? bus->info.alias : "usb");
        vt_opts_add(opts, "port", input->info.address.port);
    }
    vt_argv_ctx_pci(opts, build->def, &input->info);
    vt_argv_ctx_add_opts(build, "-device", opts);
}

gboolean
vt_argv_char_inputs(VtArgvBuild *build, GError **error)
{
    const VtDomainDef *def = build->def;
    guint i;

    for (i = 0; i < def->inputs->len; i++) {
        const VtInputDef *input = def->inputs->pdata[i];

        if (g_strcmp0(input->bus, "usb") == 0 || g_strcmp0(input->bus, "virtio") == 0)
            argv_char_input(build, input);
    }
    vt_argv_ctx_add(build, "-audiodev", "driver=none,id=audio1");
    for (i = 0; i < def->watchdogs->len; i++) {
        const VtWatchdogDef *watchdog = def->watchdogs->pdata[i];
        const char *action = watchdog->action ? watchdog->action : "reset";

        if (g_strcmp0(watchdog->model, "i6300esb") == 0) {
            VtOpts *opts = vt_opts_new("i6300esb");

            vt_opts_add(opts, "id", watchdog->info.alias);
            vt_argv_ctx_pci(opts, def, &watchdog->info);
            vt_argv_ctx_add_opts(build, "-device", opts);
        } else if (g_strcmp0(watchdog->model, "itco") == 0) {
            vt_argv_ctx_add(build, "-global", "ICH9-LPC.noreboot=off");
        }
        vt_argv_ctx_add(build, "-watchdog-action", action);
    }
    return TRUE;
}

gboolean
vt_argv_char_balloon(VtArgvBuild *build, GError **error)
{
    const VtMemballoonDef *balloon = build->def->memballoon;
    VtOpts *opts;

    if (!balloon || g_strcmp0(balloon->model, "none") == 0)
        return TRUE;
    opts = vt_opts_new("virtio-balloon-pci");
    vt_opts_add(opts, "id", balloon->info.alias);
    if (balloon->autodeflate != VT_TRISTATE_DEFAULT)
        vt_opts_flag(opts, "deflate-on-oom", balloon->autodeflate == VT_TRISTATE_YES);
    if (balloon->free_page_reporting != VT_TRISTATE_DEFAULT)
        vt_opts_flag(opts, "free-page-reporting", balloon->free_page_reporting == VT_TRISTATE_YES);
    vt_argv_ctx_pci(opts, build->def, &balloon->info);
    vt_argv_ctx_add_opts(build, "-device", opts);
    return TRUE;
}

static void
argv_char_rng(VtArgvBuild *build, const VtRngDef *rng)
{
    gboolean builtin = g_strcmp0(rng->backend_model, "builtin") == 0;
    VtOpts *object = vt_opts_new(builtin ? "rng-builtin" : "rng-random"),
           *opts = vt_opts_new("virtio-rng-pci");

    vt_opts_addf(object, "id", "obj%s", rng->info.alias);
    if (!builtin)
        vt_opts_add(object, "filename", rng->backend_path ? rng->backend_path : "/dev/urandom");
    vt_argv_ctx_add_opts(build, "-object", object);
    vt_opts_addf(opts, "rng", "obj%s", rng->info.alias);
    vt_opts_add(opts, "id", rng->info.alias);
    if (rng->rate_bytes) {
        vt_opts_addf(opts, "max-bytes", "%u", rng->rate_bytes);
        vt_opts_addf(opts, "period", "%u", rng->rate_period_ms ? rng->rate_period_ms : 1000);
    }
    vt_argv_ctx_pci(opts, build->def, &rng->info);
    vt_argv_ctx_add_opts(build, "-device", opts);
}

gboolean
vt_argv_char_rngs(VtArgvBuild *build, GError **error)
{
    guint i;

    for (i = 0; i < build->def->rngs->len; i++)
        argv_char_rng(build, build->def->rngs->pdata[i]);
    return TRUE;
}
