/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/fake-vfs.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>
#include "driver/hostdev.h"
#include "driver/lifecycle.h"
#include "driver/reserve.h"
#include "driver/vf-give.h"

/* ---- the host's PCI devices ---- */

void
fake_vfs_write(const char *text, const char *format, ...)
{
    g_autofree char *path = NULL, *dir = NULL;
    va_list args;

    va_start(args, format);
    path = g_strdup_vprintf(format, args);
    va_end(args);
    dir = g_path_get_dirname(path);
    g_assert_cmpint(g_mkdir_with_parents(dir, 0700), ==, 0);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void G_GNUC_PRINTF(2, 3) fake_vfs_link(const char *target, const char *format, ...)
{
    g_autofree char *path = NULL;
    va_list args;

    va_start(args, format);
    path = g_strdup_vprintf(format, args);
    va_end(args);
    g_unlink(path);
    g_assert_cmpint(symlink(target, path), ==, 0);
}

static void
fake_vfs_device(const FakeVfs *vfs, const char *bdf, const char *vendor, const char *device, int node)
{
    g_autofree char *dir = g_strdup_printf("%s/bus/pci/devices/%s", vfs->sysfs, bdf);
    g_autofree char *node_text = g_strdup_printf("%d\n", node);

    fake_vfs_write(vendor, "%s/vendor", dir);
    fake_vfs_write(device, "%s/device", dir);
    fake_vfs_write("0x020000\n", "%s/class", dir);
    fake_vfs_write(node_text, "%s/numa_node", dir);
    fake_vfs_write("\n", "%s/driver_override", dir);
}

static void
fake_vfs_vf(const FakeVfs *vfs, const char *pf, guint index, const char *bdf, guint group)
{
    g_autofree char *dir = g_strdup_printf("%s/bus/pci/devices/%s", vfs->sysfs, bdf);
    g_autofree char *up = g_strdup_printf("../%s", pf), *down = g_strdup_printf("../%s", bdf);
    g_autofree char *group_text = g_strdup_printf("../../../../kernel/iommu_groups/%u", group);

    fake_vfs_link(up, "%s/physfn", dir);
    fake_vfs_link(down, "%s/bus/pci/devices/%s/virtfn%u", vfs->sysfs, pf, index);
    fake_vfs_link(group_text, "%s/iommu_group", dir);
    fake_vfs_link("../../drivers/igbvf", "%s/driver", dir);
    fake_vfs_write("", "%s/kernel/iommu_groups/%u/devices/%s", vfs->sysfs, group, bdf);
}

/* Near: 01:00.0 'near0' with two VFs of 8086:10ca; far: 81:00.0 'far0' with one of 15b3:1018. */
static void
fake_vfs_tree(const FakeVfs *vfs)
{
    fake_vfs_write("0-1023\n", "%s/devices/system/node/node0/cpulist", vfs->sysfs);
    fake_vfs_write("10 21\n", "%s/devices/system/node/node0/distance", vfs->sysfs);
    fake_vfs_write("\n", "%s/devices/system/node/node1/cpulist", vfs->sysfs);
    fake_vfs_write("21 10\n", "%s/devices/system/node/node1/distance", vfs->sysfs);
    fake_vfs_device(vfs, "0000:01:00.0", "0x8086\n", "0x10c9\n", 0);
    fake_vfs_device(vfs, "0000:81:00.0", "0x15b3\n", "0x1017\n", 1);
    fake_vfs_device(vfs, "0000:01:10.0", "0x8086\n", "0x10ca\n", 0);
    fake_vfs_device(vfs, "0000:01:10.2", "0x8086\n", "0x10ca\n", 0);
    fake_vfs_device(vfs, "0000:81:10.0", "0x15b3\n", "0x1018\n", 1);
    fake_vfs_write("2\n", "%s/bus/pci/devices/0000:01:00.0/sriov_numvfs", vfs->sysfs);
    fake_vfs_write("1\n", "%s/bus/pci/devices/0000:81:00.0/sriov_numvfs", vfs->sysfs);
    fake_vfs_write("", "%s/bus/pci/devices/0000:01:00.0/net/near0/address", vfs->sysfs);
    fake_vfs_write("", "%s/bus/pci/devices/0000:81:00.0/net/far0/address", vfs->sysfs);
    fake_vfs_vf(vfs, "0000:01:00.0", 0, "0000:01:10.0", 10);
    fake_vfs_vf(vfs, "0000:01:00.0", 1, "0000:01:10.2", 11);
    fake_vfs_vf(vfs, "0000:81:00.0", 0, "0000:81:10.0", 20);
}

/* What the kernel does when these files are written. */
static int
fake_vfs_kernel(const char *path, const char *text, gpointer user)
{
    FakeVfs *vfs = user;
    g_autofree char *name = g_path_get_basename(path), *bdf = g_strstrip(g_strdup(text));
    g_autofree char *dir = g_strdup_printf("%s/bus/pci/devices/%s", vfs->sysfs, bdf);
    g_autofree char *driver = g_build_filename(dir, "driver", NULL);
    g_autofree char *override = g_build_filename(dir, "driver_override", NULL);
    g_autofree char *wanted = NULL, *target = NULL;

    if (g_str_equal(name, "driver_override"))
        return g_file_set_contents(path, text, -1, NULL) ? 0 : EIO;
    if (g_str_equal(name, "unbind"))
        return g_unlink(driver) == 0 ? 0 : ENODEV;
    g_assert_cmpstr(name, ==, "drivers_probe");
    g_assert_true(g_file_get_contents(override, &wanted, NULL, NULL));
    if (vfs->stubborn && strstr(vfs->stubborn, bdf) && strcmp(g_strstrip(wanted), "vfio-pci") == 0) {
        vfs->refusals++;
        return ENODEV;
    }
    target = g_strdup_printf("../../drivers/%s", *g_strstrip(wanted) ? wanted : "igbvf");
    fake_vfs_link(target, "%s", driver);
    return 0;
}

char *
fake_vfs_driver(const FakeVfs *vfs, const char *bdf)
{
    g_autofree char *link = g_strdup_printf("%s/bus/pci/devices/%s/driver", vfs->sysfs, bdf);
    g_autofree char *target = g_file_read_link(link, NULL);

    return target ? g_path_get_basename(target) : g_strdup("");
}

/* ---- guests ---- */

void
fake_vfs_set_up(FakeVfs *vfs, gconstpointer user)
{
    fake_host_open(&vfs->host);
    vfs->sysfs = g_build_filename(vfs->host.dir, "sys", NULL);
    fake_vfs_tree(vfs);
    vfs->pci = (VtPciHost){ .root = vfs->sysfs, .write = fake_vfs_kernel, .user = vfs };
    vt_hostdev_set_pci_host(vfs->host.driver, &vfs->pci);
    vt_reserve_load(vfs->host.driver);
}

void
fake_vfs_tear_down(FakeVfs *vfs, gconstpointer user)
{
    vt_seq_set_fault_hook(NULL);
    fake_guest_answer(NULL, NULL);
    fake_guest_refuse(NULL, NULL);
    fake_host_close(&vfs->host);
    g_free(vfs->sysfs);
}

GError *
fake_vfs_start(FakeVfs *vfs, VtDomain *domain)
{
    FakeDone told = { 0 };

    vt_lifecycle_create(vfs->host.driver, domain, 0, NULL, fake_done, &told);
    fake_wait(&told.done);
    fake_settle();
    return told.error;
}

void
fake_vfs_stop(FakeVfs *vfs, VtDomain *domain)
{
    FakeDone told = { 0 };

    vt_lifecycle_destroy(vfs->host.driver, domain, 0, fake_done, &told);
    fake_wait(&told.done);
    g_assert_no_error(told.error);
    fake_settle();
}

const VtNetDef *
fake_vfs_primary(const VtDomain *domain)
{
    return g_ptr_array_index(domain->live->nets, 1);
}

/* The function that a running guest has; "" when it is on standby. */
void
fake_vfs_expect(const FakeVfs *vfs, const VtDomain *domain, const char *bdf)
{
    const VtNetDef *net = fake_vfs_primary(domain);
    const VtReservation *held;
    char text[VT_PCI_BDF_STRING_SIZE];
    g_autofree char *driver = NULL;
    VtPciBdf own = { net->host.domain, (guint8)net->host.bus, (guint8)net->host.slot,
                     (guint8)net->host.function };

    g_assert_cmpint(net->bare, ==, !*bdf);
    g_assert_cmpint(net->has_host, ==, *bdf != '\0');
    if (!*bdf)
        return;
    g_assert_cmpstr(vt_pci_bdf_format(&own, text), ==, bdf);
    held = vt_reserve_find(vfs->host.driver, &own);
    g_assert_nonnull(held);
    g_assert_true(vt_uuid_equal(&held->uuid, &domain->uuid));
    g_assert_cmpstr(held->driver, ==, "igbvf");
    driver = fake_vfs_driver(vfs, bdf);
    g_assert_cmpstr(driver, ==, "vfio-pci");
}

guint
fake_vfs_reservations(const FakeVfs *vfs)
{
    g_autoptr(GPtrArray) all = vt_reserve_all(vfs->host.driver);

    return all->len;
}

void
fake_vfs_assert_all_back(const FakeVfs *vfs)
{
    static const char *const bdfs[] = { "0000:01:10.0", "0000:01:10.2", "0000:81:10.0" };

    g_assert_cmpuint(fake_vfs_reservations(vfs), ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(bdfs); i++) {
        g_autofree char *driver = fake_vfs_driver(vfs, bdfs[i]);

        g_assert_cmpstr(driver, ==, "igbvf");
    }
}

GError *
fake_vfs_try(VtDomain *domain, const char *team)
{
    FakeDone told = { 0 };

    vt_vf_give_try(domain, team, fake_done, &told);
    fake_wait(&told.done);
    fake_settle();
    return told.error;
}
