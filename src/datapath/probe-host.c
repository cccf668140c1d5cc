/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "datapath/probe-host.h"

#include "datapath/fdb.h"
#include "datapath/port-note.h"
#include "util/fd.h"
#include "util/file.h"
#include "util/i18n.h"
#include "util/json.h"
#include "util/link.h"
#include "util/vf.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/neighbour.h>
#include <string.h>
#include <unistd.h>

#define PROBE_HOST_VALUE_MAX 4096
#define PROBE_HOST_TRIES     30
#define PROBE_HOST_NET_US    5000000 /* for a driver to make its interface */

/* ---- sysfs ---- */

static char *
probe_host_path(const VtPciHost *host, const VtPciBdf *bdf, const char *file)
{
    char address[VT_PCI_BDF_STRING_SIZE];

    return g_strdup_printf("%s/bus/pci/devices/%s/%s", host->root, vt_pci_bdf_format(bdf, address), file);
}

static void
probe_host_read(const VtPciHost *host, const VtPciBdf *bdf, const char *file, char *out, gsize size)
{
    g_autofree char *path = probe_host_path(host, bdf, file);
    g_autofree char *text = vt_file_read(path, PROBE_HOST_VALUE_MAX, NULL, NULL);

    g_strlcpy(out, text ? g_strchomp(text) : "", size);
    if (strcmp(out, "(null)") == 0) /* how the kernel shows that there is no override */
        out[0] = '\0';
}

/* ---- which VFs are free ---- */

/* The name of the domain that has it; NULL: nobody. */
static char *
probe_host_reserved_by(const VtProbeHostSpec *spec, const VtPciBdf *bdf)
{
    char address[VT_PCI_BDF_STRING_SIZE];
    g_autofree char *path = g_strdup_printf("%s/%s.json", spec->reserved, vt_pci_bdf_format(bdf, address));
    g_autoptr(JsonNode) root = NULL;
    g_autofree char *text = NULL;
    gsize length = 0;

    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return NULL;
    text = vt_file_read(path, PROBE_HOST_VALUE_MAX * 16, &length, NULL);
    root = text ? vt_json_parse(text, length, NULL) : NULL;
    return g_strdup(vt_json_string_or(root, "domain", "?"));
}

/* VFIO opens a group for one program at a time. */
static gboolean
probe_host_vfio_open(const VtProbeHostSpec *spec, int group)
{
    g_autofree char *path = g_strdup_printf("%s/vfio/%d", spec->dev ? spec->dev : "/dev", group);
    g_auto(VtFd) fd = open(path, O_RDWR | O_CLOEXEC);

    return fd < 0 && errno == EBUSY;
}

/* Why a VF cannot be used; NULL: it can. */
static char *
probe_host_why_not(const VtProbeHostSpec *spec, VtNetlink *netlink, const VtPciBdf *bdf,
                   const VtPciInfo *info)
{
    g_autofree char *domain = probe_host_reserved_by(spec, bdf);
    VtLinkInfo link;

    if (domain)
        return g_strdup_printf(_("reserved for the domain '%s'"), domain);
    if (strcmp(info->driver, VT_PCI_VFIO) == 0) {
        if (probe_host_vfio_open(spec, info->iommu_group))
            return g_strdup(_("in use by a guest (vfio-pci)"));
        return spec->vf < 0 ? g_strdup(_("bound to vfio-pci (if no guest needs it now, name it with --vf)"))
                            : NULL;
    }
    if (!info->driver[0])
        return NULL;
    if (!info->netdev[0] || !vt_link_get(netlink, info->netdev, &link, NULL))
        return g_strdup_printf(
            _("in use by the driver '%s', in another network namespace or without an interface"),
            info->driver);
    if (link.up || link.master)
        return g_strdup_printf(_("its interface '%s' is in use by the host"), info->netdev);
    return NULL;
}

static gboolean
probe_host_take_vf(const VtProbeHostSpec *spec, VtProbeHost *out, guint index, VtProbeHostVf *vf, char **why,
                   GError **error)
{
    VtVfSettings settings;
    VtPciInfo info;

    if (!vt_pci_vf(spec->host, &out->bdf, index, &vf->bdf, error) ||
        !vt_pci_get(spec->host, &vf->bdf, &info, error))
        return FALSE;
    *why = probe_host_why_not(spec, out->netlink, &vf->bdf, &info);
    if (*why)
        return TRUE;
    if (!vt_vf_get(out->pf_netlink, out->ifindex, index, &settings, NULL, error))
        return FALSE;
    vf->index = index;
    vf->mac = settings.mac;
    g_strlcpy(vf->driver, info.driver, sizeof vf->driver);
    probe_host_read(spec->host, &vf->bdf, "driver_override", vf->override, sizeof vf->override);
    if (info.netdev[0] && !out->net_driver[0])
        g_strlcpy(out->net_driver, info.driver, sizeof out->net_driver);
    return TRUE;
}

static gboolean
probe_host_pick(const VtProbeHostSpec *spec, VtProbeHost *out, GError **error)
{
    g_autoptr(GString) reasons = g_string_new(NULL);
    VtProbeHostSpec any = *spec;
    gboolean found = FALSE;

    any.vf = -1;
    for (guint index = 0; index < out->info.n_vfs; index++) {
        gboolean wanted = spec->vf >= 0 && index == (guint)spec->vf;
        g_autofree char *why = NULL;
        VtProbeHostVf vf;

        if (!probe_host_take_vf(wanted ? spec : &any, out, index, &vf, &why, error))
            return FALSE;
        if (why) {
            g_string_append_printf(reasons, "\n  VF %u: %s", index, why);
            if (wanted)
                return vt_error_set(error, VT_ERROR_OPERATION_INVALID,
                                    _("The VF %u of '%s' is not free: %s."), index, out->pf, why);
        } else if (wanted || (!found && spec->vf < 0)) {
            out->vf = vf;
            found = TRUE;
        } else if (!out->has_sibling) {
            out->sibling = vf;
            out->has_sibling = TRUE;
        }
    }
    if (found)
        return TRUE;
    if (spec->vf >= 0)
        return vt_error_set(error, VT_ERROR_NO_DEVICE, _("'%s' has no VF %d: it has %u, counted from 0."),
                            out->pf, spec->vf, out->info.n_vfs);
    return vt_error_set(error, VT_ERROR_OPERATION_INVALID,
                        _("No VF of '%s' is free; the probe needs one, and better two:%s"), out->pf,
                        reasons->str);
}

/* ---- their driver ---- */

static gboolean
probe_host_has_driver(const VtPciHost *host, const char *name)
{
    g_autofree char *path = g_strdup_printf("%s/bus/pci/drivers/%s", host->root, name);

    return *name && !strchr(name, '/') && g_file_test(path, G_FILE_TEST_IS_DIR);
}

/* Modules are named with underscores, drivers often with hyphens. */
static gboolean
probe_host_try_driver(VtProbeHost *out, char *name)
{
    gboolean found = probe_host_has_driver(out->host, name);

    if (!found)
        found = probe_host_has_driver(out->host, g_strdelimit(name, "_", '-'));
    if (found)
        g_strlcpy(out->net_driver, name, sizeof out->net_driver);
    return found;
}

static gboolean
probe_host_find_driver(const VtProbeHostSpec *spec, VtProbeHost *out, GError **error)
{
    char alias[256];
    const char *argv[] = { "modprobe", "-R", alias, NULL };
    g_autofree char *text = NULL;
    g_auto(GStrv) names = NULL;

    if (spec->driver && !probe_host_has_driver(spec->host, spec->driver))
        return vt_error_set(error, VT_ERROR_INVALID_ARG,
                            _("This host has no PCI driver '%s': load its module with modprobe."),
                            spec->driver);
    if (spec->driver)
        g_strlcpy(out->net_driver, spec->driver, sizeof out->net_driver);
    if (out->net_driver[0])
        return TRUE;
    probe_host_read(spec->host, &out->vf.bdf, "modalias", alias, sizeof alias);
    if (alias[0])
        g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
                     &text, NULL, NULL, NULL);
    names = g_strsplit(text ? g_strchomp(text) : "", "\n", 0);
    for (guint i = 0; names[i]; i++)
        if (probe_host_try_driver(out, names[i]))
            return TRUE;
    return vt_error_set(
        error, VT_ERROR_UNSUPPORTED,
        _("No network driver for the VFs of '%s' is loaded%s%s: load its module with modprobe, or name "
          "it with --driver."),
        out->pf, names[0] ? _("; it may be ") : "", names[0] ? names[0] : "");
}

/* ---- opening ---- */

/* Only in that mode has a PF a number that it shares with the VFs' representors. */
static gboolean
probe_host_in_switchdev(const VtProbeHostSpec *spec)
{
    const VtPciHost *host = spec->pf_host ? spec->pf_host : spec->host;
    g_autofree char *path = g_strdup_printf("%s/class/net/%s/phys_switch_id", host->root, spec->pf);
    g_autofree char *id = vt_file_read(path, PROBE_HOST_VALUE_MAX, NULL, NULL);

    return id && *g_strstrip(id);
}

static gboolean
probe_host_check_pf(const VtProbeHostSpec *spec, VtProbeHost *out, GError **error)
{
    const VtPciHost *host = spec->pf_host ? spec->pf_host : spec->host;
    char address[VT_PCI_BDF_STRING_SIZE];
    VtLinkInfo link;

    if (!vt_link_get(out->pf_netlink, spec->pf, &link, error) ||
        !vt_pci_of_netdev(host, spec->pf, &out->bdf, error) ||
        !vt_pci_get(spec->host, &out->bdf, &out->info, error))
        return FALSE;
    g_strlcpy(out->pf, link.name, sizeof out->pf);
    out->ifindex = link.index;
    if (out->info.is_vf)
        return vt_error_set(error, VT_ERROR_UNSUPPORTED,
                            _("'%s' is not a PF, but a VF of the PF %s: name the interface of that one."),
                            out->pf, vt_pci_bdf_format(&out->info.pf, address));
    if (out->info.max_vfs == 0)
        return vt_error_set(
            error, VT_ERROR_UNSUPPORTED,
            _("'%s' is not a PF: its PCI device %s has no SR-IOV (or it is switched off in the "
              "firmware)."),
            out->pf, vt_pci_bdf_format(&out->bdf, address));
    if (out->info.n_vfs == 0)
        return vt_error_set(
            error, VT_ERROR_OPERATION_INVALID,
            _("'%s' has no VFs enabled: echo 2 > /sys/class/net/%s/device/sriov_numvfs (at most "
              "%u)."),
            out->pf, out->pf, out->info.max_vfs);
    if (probe_host_in_switchdev(spec))
        return vt_error_set(
            error, VT_ERROR_UNSUPPORTED,
            _("'%s' is in switchdev mode: frames to a VF go to its representor, a port like any other, "
              "and there is no filter to ask about."),
            out->pf);
    if (!link.up)
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID,
                            _("'%s' is down, and its VFs with it: ip link set %s up."), out->pf, out->pf);
    if (!link.running)
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID,
                            _("'%s' has no carrier, so its VFs have none: connect its cable."), out->pf);
    return TRUE;
}

static gboolean
probe_host_check_wire(const VtProbeHostSpec *spec, VtProbeHost *out, GError **error)
{
    VtLinkInfo link;

    if (!spec->wire)
        return TRUE;
    if (!vt_link_get(out->netlink, spec->wire, &link, error))
        return FALSE;
    if (link.index == out->ifindex && out->netlink == out->pf_netlink)
        return vt_error_set(error, VT_ERROR_INVALID_ARG,
                            _("'%s' is the PF itself: --from names an interface that is cabled to it."),
                            out->pf);
    if (link.master)
        return vt_error_set(error, VT_ERROR_INVALID_ARG,
                            _("'%s' belongs to a bridge or bond: --from needs an interface of its own."),
                            link.name);
    if (!link.up || !link.running)
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID, _("'%s' is down, or has no carrier."),
                            link.name);
    out->wire = link.index;
    out->wire_mac = link.mac;
    return TRUE;
}

gboolean
vt_probe_host_open(const VtProbeHostSpec *spec, VtNetlink *netlink, VtProbeHost *out, GError **error)
{
    VtProbeHost made = { .host = spec->host,
                         .netlink = netlink,
                         .pf_netlink = spec->pf_netlink ? spec->pf_netlink : netlink };

    if (!probe_host_check_pf(spec, &made, error) || !probe_host_check_wire(spec, &made, error) ||
        !probe_host_pick(spec, &made, error) || !probe_host_find_driver(spec, &made, error))
        return FALSE;
    vt_mac_generate(&made.guest);
    vt_mac_generate(&made.behind);
    vt_mac_generate(&made.other);
    vt_mac_generate(&made.brother);
    *out = made;
    return TRUE;
}

/* ---- what a probe does to it ---- */

static const VtProbeHostVf *
probe_host_vf(const VtProbeHost *host, guint vf)
{
    return host->has_sibling && host->sibling.index == vf ? &host->sibling : &host->vf;
}

static gboolean
probe_host_set_mac(gpointer nic, guint vf, const VtMac *mac, guint tries, GError **error)
{
    VtProbeHost *host = nic;
    VtVfSettings settings = { .fields = VT_VF_MAC, .mac = *mac };

    return vt_vf_program(host->pf_netlink, host->ifindex, vf, &settings, tries, error);
}

static gboolean
probe_host_get_mac(gpointer nic, guint vf, VtMac *mac, GError **error)
{
    VtProbeHost *host = nic;
    VtVfSettings settings;

    if (!vt_vf_get(host->pf_netlink, host->ifindex, vf, &settings, NULL, error))
        return FALSE;
    *mac = settings.mac;
    return TRUE;
}

static gboolean
probe_host_set_self(gpointer nic, const VtMac *mac, gboolean on, GError **error)
{
    VtProbeHost *host = nic;
    VtFdbEntry entry = { .ifindex = host->ifindex, .mac = *mac, .state = NUD_PERMANENT, .flags = NTF_SELF };

    return on ? vt_fdb_set(host->pf_netlink, &entry, error) : vt_fdb_delete(host->pf_netlink, &entry, error);
}

static int
probe_host_drive(gpointer nic, guint vf, GError **error)
{
    VtProbeHost *host = nic;
    const VtPciBdf *bdf = &probe_host_vf(host, vf)->bdf;
    gint64 deadline = g_get_monotonic_time() + PROBE_HOST_NET_US;

    if (!vt_pci_bind(host->host, bdf, host->net_driver, error))
        return 0;
    do { /* the host's rules may rename it between the two questions */
        VtPciInfo info;
        VtLinkInfo link;

        if (!vt_pci_get(host->host, bdf, &info, error))
            return 0;
        if (info.netdev[0] && vt_link_get(host->netlink, info.netdev, &link, NULL))
            return link.index;
        g_usleep(10000);
    } while (g_get_monotonic_time() < deadline);
    vt_error_set(error, VT_ERROR_OPERATION_FAILED,
                 _("The driver '%s' made no network interface for the VF %u of '%s'."), host->net_driver, vf,
                 host->pf);
    return 0;
}

static gboolean
probe_host_undrive(gpointer nic, guint vf, GError **error)
{
    VtProbeHost *host = nic;

    return vt_pci_bind(host->host, &probe_host_vf(host, vf)->bdf, NULL, error);
}

static gboolean
probe_host_reset(gpointer nic, guint vf, GError **error)
{
    VtProbeHost *host = nic;

    return vt_pci_write(host->host, &probe_host_vf(host, vf)->bdf, "reset", "1", error);
}

VtProbeNic
vt_probe_host_nic(VtProbeHost *host)
{
    static const VtProbeNicFuncs funcs = {
        .set_mac = probe_host_set_mac,
        .get_mac = probe_host_get_mac,
        .set_self = probe_host_set_self,
        .drive = probe_host_drive,
        .undrive = probe_host_undrive,
        .reset = probe_host_reset,
    };

    return (VtProbeNic){ .funcs = &funcs, .state = host };
}

/* ---- the note ---- */

static void
probe_host_note_vf(JsonArray *vfs, const VtProbeHostVf *vf)
{
    char bdf[VT_PCI_BDF_STRING_SIZE], mac[VT_MAC_STRING_SIZE];

    json_array_add_object_element(vfs, vt_json_object_new("i:vf", (int)vf->index, "s:bdf",
                                                          vt_pci_bdf_format(&vf->bdf, bdf), "s:driver",
                                                          vf->driver, "s:override", vf->override, "s:mac",
                                                          vt_mac_format(&vf->mac, mac), NULL));
}

JsonObject *
vt_probe_host_note(const VtProbeHost *host)
{
    const VtMac *macs[] = { &host->guest, &host->behind, &host->other, &host->brother };
    JsonArray *vfs = json_array_new(), *ours = json_array_new();
    char bdf[VT_PCI_BDF_STRING_SIZE], mac[VT_MAC_STRING_SIZE];

    probe_host_note_vf(vfs, &host->vf);
    if (host->has_sibling)
        probe_host_note_vf(vfs, &host->sibling);
    for (gsize i = 0; i < G_N_ELEMENTS(macs); i++)
        json_array_add_string_element(ours, vt_mac_format(macs[i], mac));
    return vt_json_object_new("s:probe", "virtteam", "s:bdf", vt_pci_bdf_format(&host->bdf, bdf), "a:vfs",
                              vfs, "a:macs", ours, NULL);
}

static gboolean
probe_host_read_vf(JsonNode *node, VtProbeHostVf *vf, GError **error)
{
    VtProbeHostVf out = { .index = 0 };
    const char *bdf, *mac, *driver, *override;
    gint64 index;

    if (!vt_json_get_string(node, "bdf", &bdf, error) || !vt_json_get_string(node, "mac", &mac, error) ||
        !vt_json_get_string(node, "driver", &driver, error) ||
        !vt_json_get_string(node, "override", &override, error) ||
        !vt_json_get_int(node, "vf", &index, error))
        return FALSE;
    if (!vt_pci_bdf_parse(bdf, &out.bdf) || !vt_mac_parse(mac, &out.mac) || index < 0 ||
        index > G_MAXUINT16 || strchr(driver, '/') || strlen(driver) >= sizeof out.driver ||
        strlen(override) >= sizeof out.override)
        return vt_error_set(error, VT_ERROR_INVALID_ARG, _("This is not the note of a probe."));
    out.index = (guint)index;
    g_strlcpy(out.driver, driver, sizeof out.driver);
    g_strlcpy(out.override, override, sizeof out.override);
    *vf = out;
    return TRUE;
}

/* ---- restoring ---- */

static void
probe_host_restore_vf(const VtPciHost *host, VtNetlink *netlink, int pf, const VtProbeHostVf *vf,
                      GError **first)
{
    VtVfSettings settings = { .fields = VT_VF_MAC, .mac = vf->mac };
    VtPciInfo info;

    /* Only a device that is still the one that the note speaks of. */
    if (!vt_pci_get(host, &vf->bdf, &info, NULL) || info.vf_index != (int)vf->index)
        return;
    vt_pci_bind(host, &vf->bdf, NULL, vt_port_note_first(first));
    if (pf)
        vt_vf_program(netlink, pf, vf->index, &settings, PROBE_HOST_TRIES, vt_port_note_first(first));
    if (vf->driver[0])
        vt_pci_bind(host, &vf->bdf, vf->driver, vt_port_note_first(first));
    vt_pci_write(host, &vf->bdf, "driver_override", vf->override[0] ? vf->override : "\n",
                 vt_port_note_first(first));
}

/* One address: on the PF itself (no bridge), or as a bridge has learned it from our frames. */
static void
probe_host_restore_mac(VtNetlink *netlink, int bridge, int pf, const VtMac *mac, GError **first)
{
    g_autoptr(GArray) entries = vt_fdb_list(netlink, bridge, pf, mac, vt_port_note_first(first));

    for (guint i = 0; entries && i < entries->len; i++) {
        const VtFdbEntry *entry = &g_array_index(entries, VtFdbEntry, i);

        if (!bridge || !(entry->state & (NUD_PERMANENT | NUD_NOARP)))
            vt_fdb_delete(netlink, entry, vt_port_note_first(first));
    }
}

static void
probe_host_restore_macs(VtNetlink *netlink, const VtLinkInfo *pf, JsonNode *note, JsonArray *macs,
                        GError **first)
{
    VtMac mac;

    for (guint i = 0; i < json_array_get_length(macs); i++) {
        if (!vt_mac_parse(vt_json_string_or(json_array_get_element(macs, i), "", ""), &mac))
            continue;
        probe_host_restore_mac(netlink, 0, pf->index, &mac, first);
        if (pf->is_bridge_port)
            probe_host_restore_mac(netlink, pf->master, pf->index, &mac, first);
    }
    /* The cabled interface's address is its own; the bridge knows it behind the PF because of our frames. */
    if (pf->is_bridge_port && vt_mac_parse(vt_json_string_or(note, "wire", ""), &mac))
        probe_host_restore_mac(netlink, pf->master, pf->index, &mac, first);
}

gboolean
vt_probe_host_restore(JsonNode *note, const VtPciHost *host, const VtPciHost *pf_host, VtNetlink *netlink,
                      GError **error)
{
    VtLinkInfo link = { .index = 0 };
    GError *first = NULL;
    JsonArray *vfs, *macs;
    const char *address;
    VtPciInfo info;
    VtPciBdf bdf;

    if (!vt_json_get_string(note, "bdf", &address, error) || !vt_json_get_array(note, "vfs", &vfs, error) ||
        !vt_json_get_array(note, "macs", &macs, error))
        return FALSE;
    if (!vt_pci_bdf_parse(address, &bdf))
        return vt_error_set(error, VT_ERROR_INVALID_ARG, _("This is not the note of a probe."));
    if (vt_pci_get(pf_host ? pf_host : host, &bdf, &info, NULL) && info.netdev[0])
        vt_link_get(netlink, info.netdev, &link, vt_port_note_first(&first));
    for (guint i = 0; i < json_array_get_length(vfs); i++) {
        VtProbeHostVf vf;

        if (probe_host_read_vf(json_array_get_element(vfs, i), &vf, vt_port_note_first(&first)))
            probe_host_restore_vf(host, netlink, link.index, &vf, &first);
    }
    if (link.index)
        probe_host_restore_macs(netlink, &link, note, macs, &first);
    if (!first)
        return TRUE;
    g_propagate_error(error, first);
    return FALSE;
}

/* ---- for others ---- */

static gboolean
probe_host_note_has(const char *path, const VtPciBdf *vf)
{
    gsize length = 0;
    g_autofree char *text = vt_file_read(path, PROBE_HOST_VALUE_MAX * 16, &length, NULL);
    g_autoptr(JsonNode) note = text ? vt_json_parse(text, length, NULL) : NULL;
    JsonArray *vfs;

    if (!note || !vt_json_get_array(note, "vfs", &vfs, NULL))
        return FALSE;
    for (guint i = 0; i < json_array_get_length(vfs); i++) {
        const char *address = vt_json_string_or(json_array_get_element(vfs, i), "bdf", "");
        VtPciBdf bdf;

        if (vt_pci_bdf_parse(address, &bdf) && vt_pci_bdf_equal(&bdf, vf))
            return TRUE;
    }
    return FALSE;
}

gboolean
vt_probe_host_uses(const char *dir, const VtPciBdf *vf)
{
    g_autoptr(GDir) notes = g_dir_open(dir, 0, NULL);
    const char *name;

    while (notes && (name = g_dir_read_name(notes))) {
        g_autofree char *path = g_build_filename(dir, name, NULL);

        if (g_str_has_suffix(name, ".json") && probe_host_note_has(path, vf))
            return TRUE;
    }
    return FALSE;
}
