/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/pci.h"

#include "util/file.h"

#include <gio/gio.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define PCI_CONFIG_COMMAND    0x04 /* PCI 3.0, 6.1 */
#define PCI_COMMAND_MASTER    0x0004
#define PCI_CLASS_BRIDGE_BASE 0x06
#define PCI_SYSFS_VALUE_MAX   4096
#define PCI_IRQ_COUNT_MAX     65536 /* 4096 CPUs of 16 digits */

const VtPciHost vt_pci_host_system = { .root = "/sys" };

gboolean
vt_pci_bdf_equal(const VtPciBdf *a, const VtPciBdf *b)
{
    return a->domain == b->domain && a->bus == b->bus && a->slot == b->slot && a->function == b->function;
}

/* Exactly the hexadecimal digits up to @end, at most @max of them. */
static gboolean
pci_hex(const char **text, char end, guint max_digits, guint32 *value)
{
    const char *p = *text;
    guint32 out = 0;
    guint digits = 0;

    for (; g_ascii_isxdigit(*p) && digits < max_digits; p++, digits++)
        out = out << 4 | (guint32)g_ascii_xdigit_value(*p);
    if (digits == 0 || *p != end)
        return FALSE;
    *value = out;
    *text = end ? p + 1 : p;
    return TRUE;
}

gboolean
vt_pci_bdf_parse(const char *text, VtPciBdf *bdf)
{
    const char *first = strchr(text, ':');
    guint32 domain = 0, bus, slot, function;

    if (first && strchr(first + 1, ':') && !pci_hex(&text, ':', 6, &domain))
        return FALSE;
    if (!pci_hex(&text, ':', 2, &bus) || !pci_hex(&text, '.', 2, &slot) ||
        !pci_hex(&text, '\0', 1, &function) || slot > 31 || function > 7)
        return FALSE;
    *bdf = (VtPciBdf){ domain, (guint8)bus, (guint8)slot, (guint8)function };
    return TRUE;
}

char *
vt_pci_bdf_format(const VtPciBdf *bdf, char buffer[VT_PCI_BDF_STRING_SIZE])
{
    g_snprintf(buffer, VT_PCI_BDF_STRING_SIZE, "%04x:%02x:%02x.%x", bdf->domain & 0xffffff, bdf->bus,
               bdf->slot, bdf->function);
    return buffer;
}

static char *
pci_path(const VtPciHost *host, const VtPciBdf *bdf, const char *file)
{
    char address[VT_PCI_BDF_STRING_SIZE];

    return g_strdup_printf("%s/bus/pci/devices/%s%s%s", host->root, vt_pci_bdf_format(bdf, address),
                           *file ? "/" : "", file);
}

/* A sysfs file's text without its line end; NULL when it cannot be read. */
static char *
pci_read(const VtPciHost *host, const VtPciBdf *bdf, const char *file)
{
    g_autofree char *path = pci_path(host, bdf, file);
    char *text = vt_file_read(path, PCI_SYSFS_VALUE_MAX, NULL, NULL);

    return text ? g_strchomp(text) : NULL;
}

static gint64
pci_read_number(const VtPciHost *host, const VtPciBdf *bdf, const char *file, gint64 fallback)
{
    g_autofree char *text = pci_read(host, bdf, file);
    char *end = NULL;
    gint64 value;

    if (!text)
        return fallback;
    value = g_ascii_strtoll(text, &end, 0);
    return end != text && *end == '\0' ? value : fallback;
}

/* Last component of a symbolic link's target; NULL when there is no link. */
static char *
pci_link(const VtPciHost *host, const VtPciBdf *bdf, const char *file)
{
    g_autofree char *path = pci_path(host, bdf, file);
    g_autofree char *target = g_file_read_link(path, NULL);

    return target ? g_path_get_basename(target) : NULL;
}

static gboolean
pci_link_bdf(const VtPciHost *host, const VtPciBdf *bdf, const char *file, VtPciBdf *out)
{
    g_autofree char *name = pci_link(host, bdf, file);

    return name && vt_pci_bdf_parse(name, out);
}

static int
pci_vf_index(const VtPciHost *host, const VtPciBdf *pf, const VtPciBdf *vf)
{
    guint n = (guint)CLAMP(pci_read_number(host, pf, "sriov_numvfs", 0), 0, G_MAXUINT16);

    for (guint i = 0; i < n; i++) {
        g_autofree char *file = g_strdup_printf("virtfn%u", i);
        VtPciBdf candidate;

        if (pci_link_bdf(host, pf, file, &candidate) && vt_pci_bdf_equal(&candidate, vf))
            return (int)i;
    }
    return -1;
}

/* Its one network interface, and of several the first by name, so that the answer is stable. */
static void
pci_netdev(const VtPciHost *host, const VtPciBdf *bdf, char out[16])
{
    g_autofree char *path = pci_path(host, bdf, "net");
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    out[0] = '\0';
    while (dir && (name = g_dir_read_name(dir)))
        if (!out[0] || strcmp(name, out) < 0)
            g_strlcpy(out, name, 16);
}

static gboolean
pci_no_device(const VtPciBdf *bdf, GError **error)
{
    char address[VT_PCI_BDF_STRING_SIZE];

    return vt_error_set(error, VT_ERROR_NO_DEVICE, "There is no PCI device '%s' on this host.",
                        vt_pci_bdf_format(bdf, address));
}

gboolean
vt_pci_get(const VtPciHost *host, const VtPciBdf *bdf, VtPciInfo *info, GError **error)
{
    g_autofree char *driver = pci_link(host, bdf, "driver");
    g_autofree char *group = pci_link(host, bdf, "iommu_group");
    gint64 vendor = pci_read_number(host, bdf, "vendor", -1);
    VtPciInfo out = { .vf_index = -1, .iommu_group = -1 };

    if (vendor < 0)
        return pci_no_device(bdf, error);
    out.vendor = (guint16)vendor;
    out.device = (guint16)pci_read_number(host, bdf, "device", 0);
    out.class_code = (guint32)pci_read_number(host, bdf, "class", 0);
    out.numa_node = (int)CLAMP(pci_read_number(host, bdf, "numa_node", -1), -1, G_MAXINT);
    if (group)
        out.iommu_group = (int)CLAMP(g_ascii_strtoll(group, NULL, 10), 0, G_MAXINT);
    out.is_vf = pci_link_bdf(host, bdf, "physfn", &out.pf);
    if (out.is_vf)
        out.vf_index = pci_vf_index(host, &out.pf, bdf);
    out.n_vfs = (guint)CLAMP(pci_read_number(host, bdf, "sriov_numvfs", 0), 0, G_MAXUINT16);
    out.max_vfs = (guint)CLAMP(pci_read_number(host, bdf, "sriov_totalvfs", 0), 0, G_MAXUINT16);
    g_strlcpy(out.driver, driver ? driver : "", sizeof out.driver);
    pci_netdev(host, bdf, out.netdev);
    *info = out;
    return TRUE;
}

gboolean
vt_pci_vf(const VtPciHost *host, const VtPciBdf *pf, guint index, VtPciBdf *vf, GError **error)
{
    g_autofree char *file = g_strdup_printf("virtfn%u", index);
    char address[VT_PCI_BDF_STRING_SIZE];

    if (pci_link_bdf(host, pf, file, vf))
        return TRUE;
    return vt_error_set(error, VT_ERROR_NO_DEVICE, "The PCI device '%s' has no virtual function %u.",
                        vt_pci_bdf_format(pf, address), index);
}

gboolean
vt_pci_of_netdev(const VtPciHost *host, const char *netdev, VtPciBdf *bdf, GError **error)
{
    g_autofree char *path = g_strdup_printf("%s/class/net/%s/device", host->root, netdev);
    g_autofree char *target = strchr(netdev, '/') ? NULL : g_file_read_link(path, NULL);
    g_autofree char *name = target ? g_path_get_basename(target) : NULL;

    if (name && vt_pci_bdf_parse(name, bdf))
        return TRUE;
    return vt_error_set(error, VT_ERROR_NO_DEVICE,
                        "The network interface '%s' does not belong to a PCI device.", netdev);
}

static int
pci_compare_bdf(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(VtPciBdf));
}

GArray *
vt_pci_group_members(const VtPciHost *host, int group)
{
    g_autofree char *path = g_strdup_printf("%s/kernel/iommu_groups/%d/devices", host->root, group);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    GArray *members = g_array_new(FALSE, TRUE, sizeof(VtPciBdf));
    const char *name;
    VtPciBdf bdf;

    while (dir && (name = g_dir_read_name(dir)))
        if (vt_pci_bdf_parse(name, &bdf))
            g_array_append_val(members, bdf);
    g_array_sort(members, pci_compare_bdf);
    return members;
}

gboolean
vt_pci_check_group(const VtPciHost *host, const VtPciBdf *bdf, GError **error)
{
    g_autoptr(GArray) members = NULL;
    char address[VT_PCI_BDF_STRING_SIZE];
    VtPciInfo info;

    if (!vt_pci_get(host, bdf, &info, error))
        return FALSE;
    if (info.iommu_group < 0)
        return vt_error_set(
            error, VT_ERROR_UNSUPPORTED,
            "The PCI device '%s' is in no IOMMU group: switch the IOMMU on in the firmware and on the "
            "kernel's command line (intel_iommu=on or amd_iommu=on).",
            vt_pci_bdf_format(bdf, address));
    members = vt_pci_group_members(host, info.iommu_group);
    for (guint i = 0; i < members->len; i++) {
        const VtPciBdf *member = &g_array_index(members, VtPciBdf, i);
        char other[VT_PCI_BDF_STRING_SIZE];
        VtPciInfo peer;

        if (vt_pci_bdf_equal(member, bdf) || !vt_pci_get(host, member, &peer, NULL))
            continue;
        if (!peer.driver[0] || strcmp(peer.driver, VT_PCI_VFIO) == 0 ||
            peer.class_code >> 16 == PCI_CLASS_BRIDGE_BASE)
            continue;
        return vt_error_set(
            error, VT_ERROR_UNSUPPORTED,
            "The PCI device '%s' shares the IOMMU group %d with '%s', which the host uses with the "
            "driver '%s': unbind that one too.",
            vt_pci_bdf_format(bdf, address), info.iommu_group, vt_pci_bdf_format(member, other), peer.driver);
    }
    return TRUE;
}

static gboolean
pci_read_config(const VtPciHost *host, const VtPciBdf *bdf, guint offset, guint16 *value)
{
    g_autofree char *path = pci_path(host, bdf, "config");
    g_auto(VtFd) fd = open(path, O_RDONLY | O_CLOEXEC);
    guint8 bytes[2];

    if (fd < 0 || pread(fd, bytes, sizeof bytes, (off_t)offset) != sizeof bytes)
        return FALSE;
    *value = (guint16)(bytes[0] | bytes[1] << 8); /* configuration space is little-endian */
    return TRUE;
}

VtPciState
vt_pci_state(const VtPciHost *host, const VtPciBdf *bdf)
{
    g_autofree char *path = pci_path(host, bdf, "");
    guint16 command;

    if (!g_file_test(path, G_FILE_TEST_IS_DIR))
        return VT_PCI_GONE;
    /* Not the vendor: a VF's reads as ffff by the SR-IOV specification, and the kernel fills it in. */
    if (!pci_read_config(host, bdf, PCI_CONFIG_COMMAND, &command) || command == 0xffff)
        return VT_PCI_IN_RESET;
    return VT_PCI_PRESENT;
}

gboolean
vt_pci_bus_master(const VtPciHost *host, const VtPciBdf *bdf)
{
    guint16 command;

    return pci_read_config(host, bdf, PCI_CONFIG_COMMAND, &command) && command != 0xffff &&
           (command & PCI_COMMAND_MASTER);
}

/* The file has one number a CPU, with commas. */
static guint64
pci_irq_count(const VtPciHost *host, const char *irq)
{
    g_autofree char *path = g_strdup_printf("%s/kernel/irq/%s/per_cpu_count", host->root, irq);
    g_autofree char *text = vt_file_read(path, PCI_IRQ_COUNT_MAX, NULL, NULL);
    const char *p = text ? text : "";
    guint64 sum = 0;

    while (g_ascii_isdigit(*p)) {
        char *end = NULL;

        sum += g_ascii_strtoull(p, &end, 10);
        p = *end == ',' ? end + 1 : end;
    }
    return sum;
}

gboolean
vt_pci_interrupts(const VtPciHost *host, const VtPciBdf *bdf, guint64 *count)
{
    g_autofree char *path = pci_path(host, bdf, "msi_irqs");
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint64 sum = 0;
    const char *irq;

    if (!dir)
        return FALSE;
    while ((irq = g_dir_read_name(dir)))
        sum += pci_irq_count(host, irq);
    *count = sum;
    return TRUE;
}

static gboolean
pci_write(const VtPciHost *host, const char *path, const char *text, GError **error)
{
    int errnum = 0;

    if (host->write) {
        errnum = host->write(path, text, host->user);
    } else {
        g_auto(VtFd) fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
            errnum = errno;
    }
    if (errnum)
        return vt_error_set_errno(error, errnum, "Cannot write '%s' to '%s'", text, path);
    return TRUE;
}

gboolean
vt_pci_write(const VtPciHost *host, const VtPciBdf *bdf, const char *file, const char *text, GError **error)
{
    g_autofree char *path = pci_path(host, bdf, file);

    return pci_write(host, path, text, error);
}

static gboolean
pci_set_override(const VtPciHost *host, const VtPciBdf *bdf, const char *driver, GError **error)
{
    return vt_pci_write(host, bdf, "driver_override", driver, error);
}

static gboolean
pci_unbind(const VtPciHost *host, const VtPciBdf *bdf, GError **error)
{
    char address[VT_PCI_BDF_STRING_SIZE];

    return vt_pci_write(host, bdf, "driver/unbind", vt_pci_bdf_format(bdf, address), error);
}

/* With an override, the kernel's probe binds that driver and no other. */
static gboolean
pci_probe_driver(const VtPciHost *host, const VtPciBdf *bdf, const char *driver, GError **error)
{
    g_autofree char *path = g_strdup_printf("%s/bus/pci/drivers_probe", host->root);
    char address[VT_PCI_BDF_STRING_SIZE];
    gboolean vfio = strcmp(driver, VT_PCI_VFIO) == 0;
    g_autoptr(GError) inner = NULL;
    VtPciInfo info;

    vt_pci_bdf_format(bdf, address);
    if (!pci_set_override(host, bdf, driver, error))
        return FALSE;
    pci_write(host, path, address, &inner); /* what counts is who has the device afterwards */
    if (!vfio && !pci_set_override(host, bdf, "\n", error))
        return FALSE;
    if (!vt_pci_get(host, bdf, &info, error))
        return FALSE;
    if (strcmp(info.driver, driver) == 0)
        return TRUE;
    return vt_error_set(error, VT_ERROR_OPERATION_FAILED,
                        "The PCI device '%s' was not taken by the driver '%s'%s%s: is its module loaded?",
                        address, driver, inner ? ": " : "", inner ? inner->message : "");
}

gboolean
vt_pci_bind(const VtPciHost *host, const VtPciBdf *bdf, const char *driver, GError **error)
{
    char address[VT_PCI_BDF_STRING_SIZE];
    VtPciInfo info;

    if (!vt_pci_get(host, bdf, &info, error))
        return FALSE;
    if (strcmp(info.driver, driver ? driver : "") == 0)
        return TRUE;
    if (info.driver[0]) {
        if (!pci_unbind(host, bdf, error))
            return FALSE;
        if (!vt_pci_get(host, bdf, &info, error))
            return FALSE;
        if (info.driver[0])
            return vt_error_set(error, VT_ERROR_OPERATION_FAILED,
                                "The driver '%s' does not let go of the PCI device '%s'.", info.driver,
                                vt_pci_bdf_format(bdf, address));
    }
    if (!driver)
        return pci_set_override(host, bdf, "\n", error);
    return pci_probe_driver(host, bdf, driver, error);
}

typedef struct {
    const VtPciHost *host;
    VtPciBdf bdf;
    char *driver;
    VtDoneFunc done;
    gpointer user;
} PciBind;

static void
pci_bind_free(gpointer data)
{
    PciBind *bind = data;

    g_free(bind->driver);
    g_free(bind);
}

static void
pci_bind_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    PciBind *bind = data;
    GError *error = NULL;

    if (vt_pci_bind(bind->host, &bind->bdf, bind->driver, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static void
pci_bind_ended(GObject *source, GAsyncResult *result, gpointer user)
{
    PciBind *bind = g_task_get_task_data(G_TASK(result));
    g_autoptr(GError) error = NULL;

    g_task_propagate_boolean(G_TASK(result), &error);
    bind->done(bind->user, error);
}

void
vt_pci_bind_async(const VtPciHost *host, const VtPciBdf *bdf, const char *driver, VtDoneFunc done,
                  gpointer user)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, pci_bind_ended, NULL);
    PciBind *bind = g_new0(PciBind, 1);

    bind->host = host;
    bind->bdf = *bdf;
    bind->driver = g_strdup(driver);
    bind->done = done;
    bind->user = user;
    g_task_set_task_data(task, bind, pci_bind_free);
    g_task_run_in_thread(task, pci_bind_thread);
}
