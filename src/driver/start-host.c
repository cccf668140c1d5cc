/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VT_LOG_DOMAIN "virtteam-driver-start"

#include "driver/start-host.h"
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "util/i18n.h"
#include "util/log.h"
#include "util/units.h"

static gboolean
start_host_check_file(const char *what, const char *path, int mode, GError **error)
{
    if (!path || access(path, mode) == 0)
        return TRUE;
    return vt_error_set(error, VT_ERROR_OPERATION_FAILED, _("Cannot access %s '%s': %s"), what, path,
                        g_strerror(errno));
}

static gboolean
start_host_check_disks(const VtDomainDef *def, GError **error)
{
    for (guint i = 0; i < def->disks->len; i++) {
        const VtDiskDef *disk = g_ptr_array_index(def->disks, i);
        gboolean readonly = disk->readonly || g_strcmp0(disk->device, "cdrom") == 0;

        if (!start_host_check_file(_("storage file"), disk->source_file, readonly ? R_OK : R_OK | W_OK,
                                   error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
start_host_check_nets(const VtDomainDef *def, GError **error)
{
    for (guint i = 0; i < def->nets->len; i++) {
        const VtNetDef *net = g_ptr_array_index(def->nets, i);

        if (net->type == VT_NET_BRIDGE && net->bridge && if_nametoindex(net->bridge) == 0)
            return vt_error_set(error, VT_ERROR_OPERATION_FAILED,
                                _("bridge '%s' of interface '%s' does not exist on this host"), net->bridge,
                                net->info.alias ? net->info.alias : net->bridge);
    }
    return TRUE;
}

gboolean
vt_start_host_check(const VtDomainDef *def, const VtQemuCaps *caps, GError **error)
{
    if (def->virt_type == VT_VIRT_KVM && !caps->caps[VT_QEMU_CAP_KVM])
        return vt_error_set(
            error, VT_ERROR_CONFIG_UNSUPPORTED,
            _("domain '%s' wants KVM, which cannot be used here: /dev/kvm or the emulator '%s' lacks "
              "it; use <domain type='qemu'>"),
            def->name, caps->binary);
    return start_host_check_file(_("kernel"), def->os.kernel, R_OK, error) &&
           start_host_check_file(_("initial ramdisk"), def->os.initrd, R_OK, error) &&
           start_host_check_disks(def, error) && start_host_check_nets(def, error);
}

guint64
vt_start_host_memlock_bytes(const VtDomainDef *def)
{
    gboolean vfio = def->hostdevs->len > 0;

    /* A guest on standby alone is raised when it is given a VF. */
    for (guint i = 0; i < def->nets->len && !vfio; i++) {
        const VtNetDef *net = g_ptr_array_index(def->nets, i);

        vfio = net->type == VT_NET_HOSTDEV && !net->bare;
    }
    return vfio ? vt_units_kib_to_bytes(def->memory_kib) + VT_UNITS_GIB : 0;
}

void
vt_start_host_raise_memlock(const VtDomainDef *def, pid_t pid)
{
    rlim_t want = vt_start_host_memlock_bytes(def);
    struct rlimit limit;

    if (want == 0 || prlimit(pid, RLIMIT_MEMLOCK, NULL, &limit) < 0)
        return;
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < want) {
        limit.rlim_cur = want;
        limit.rlim_max = MAX(limit.rlim_max, want);
        if (prlimit(pid, RLIMIT_MEMLOCK, &limit, NULL) < 0)
            vt_log_warning("dom=%s cannot raise the limit of locked memory: %m", def->name);
    }
}

/* ---- terminals ---- */

static void
start_host_set_pty(GPtrArray *chars, const char *label, const char *path)
{
    for (guint i = 0; i < chars->len; i++) {
        VtCharDef *chr = g_ptr_array_index(chars, i);

        if (chr->type != VT_CHAR_PTY || g_strcmp0(chr->info.alias, label) != 0)
            continue;
        g_free(chr->path);
        chr->path = g_strdup(path);
    }
}

/* A first <console> of type serial is the first <serial> under another name. */
static void
start_host_share_pty(VtDomainDef *def)
{
    const VtCharDef *serial = def->serials->len ? g_ptr_array_index(def->serials, 0) : NULL;
    VtCharDef *console = def->consoles->len ? g_ptr_array_index(def->consoles, 0) : NULL;

    if (!serial || !console || serial->type != VT_CHAR_PTY || console->type != VT_CHAR_PTY)
        return;
    if (console->target_type && !g_str_equal(console->target_type, "serial"))
        return;
    g_free(console->path);
    console->path = g_strdup(serial->path);
}

static const char *
start_host_member(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);

    if (!node || json_node_get_node_type(node) != JSON_NODE_VALUE ||
        json_node_get_value_type(node) != G_TYPE_STRING)
        return NULL;
    return json_node_get_string(node);
}

/* Source: QAPI ChardevInfo: label is "char" and our alias, filename is "pty:/dev/pts/N". */
void
vt_start_host_read_chardevs(VtDomainDef *def, JsonNode *chardevs)
{
    JsonArray *array = chardevs && json_node_get_node_type(chardevs) == JSON_NODE_ARRAY
                           ? json_node_get_array(chardevs)
                           : NULL;

    for (guint i = 0; array && i < json_array_get_length(array); i++) {
        JsonNode *node = json_array_get_element(array, i);
        JsonObject *object =
            json_node_get_node_type(node) == JSON_NODE_OBJECT ? json_node_get_object(node) : NULL;
        const char *label = object ? start_host_member(object, "label") : NULL;
        const char *file = object ? start_host_member(object, "filename") : NULL;

        if (!label || !file || !g_str_has_prefix(label, "char") || !g_str_has_prefix(file, "pty:"))
            continue;
        start_host_set_pty(def->serials, label + strlen("char"), file + strlen("pty:"));
        start_host_set_pty(def->consoles, label + strlen("char"), file + strlen("pty:"));
        start_host_set_pty(def->channels, label + strlen("char"), file + strlen("pty:"));
    }
    start_host_share_pty(def);
}
