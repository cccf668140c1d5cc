/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PCI on a tree of the test's own, in which a write function plays the kernel. */
#include "util/file.h"
#include "util/pci.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PF  "0000:3b:00.0"
#define VF0 "0000:3b:02.0"
#define VF1 "0000:3b:02.1"
#define BR  "0000:3a:00.0"

typedef struct {
    char *root;
    VtPciHost host;
    gboolean stubborn;  /* unbind does nothing */
    gboolean no_module; /* probe binds nothing */
    GString *writes;
} Tree;

static char *
tree_path(Tree *t, const char *device, const char *file)
{
    return g_strdup_printf("%s/bus/pci/devices/%s/%s", t->root, device, file);
}

static void
tree_file(Tree *t, const char *device, const char *file, const char *text, gsize length)
{
    g_autofree char *path = tree_path(t, device, file);
    g_autofree char *dir = g_path_get_dirname(path);

    g_assert_true(vt_file_mkdirs(dir, 0755, NULL));
    g_assert_true(g_file_set_contents(path, text, (gssize)length, NULL));
}

static void
tree_text(Tree *t, const char *device, const char *file, const char *text)
{
    tree_file(t, device, file, text, strlen(text));
}

static void
tree_link(Tree *t, const char *device, const char *file, const char *target)
{
    g_autofree char *path = tree_path(t, device, file);

    unlink(path);
    if (target)
        g_assert_cmpint(symlink(target, path), ==, 0);
}

static void
tree_device(Tree *t, const char *device, const char *id, const char *class_code, const char *driver)
{
    static const char config[64] = { (char)0x86, (char)0x80, 0, 0, 0x06, 0x04 };
    g_autofree char *members = g_strdup_printf("%s/kernel/iommu_groups/7/devices", t->root);
    g_autofree char *member = g_strdup_printf("%s/%s", members, device);

    tree_text(t, device, "vendor", "0x8086\n");
    tree_text(t, device, "device", id);
    tree_text(t, device, "class", class_code);
    tree_text(t, device, "numa_node", "1\n");
    tree_file(t, device, "config", config, sizeof config);
    tree_link(t, device, "iommu_group", "../../../../kernel/iommu_groups/7");
    if (driver)
        tree_link(t, device, "driver", driver);
    g_assert_true(vt_file_mkdirs(members, 0755, NULL));
    g_assert_cmpint(symlink("x", member), ==, 0);
}

/* The kernel's side of the writable files. */
static int
tree_write(const char *path, const char *text, gpointer user)
{
    Tree *t = user;
    g_autofree char *base = g_path_get_basename(path);

    g_string_append_printf(t->writes, "%s=%s ", base, strcmp(text, "\n") == 0 ? "none" : text);
    if (strcmp(base, "unbind") == 0) {
        if (!t->stubborn)
            tree_link(t, text, "driver", NULL);
        return 0;
    }
    if (strcmp(base, "driver_override") == 0) {
        g_autofree char *dir = g_path_get_dirname(path);
        g_autofree char *device = g_path_get_basename(dir);

        tree_text(t, device, "driver_override", text);
        return 0;
    }
    if (strcmp(base, "drivers_probe") == 0) {
        g_autofree char *override_path = tree_path(t, text, "driver_override");
        g_autofree char *override = vt_file_read(override_path, 100, NULL, NULL);
        g_autofree char *driver = g_strdup_printf("../../drivers/%s", override);

        if (t->no_module)
            return EINVAL;
        tree_link(t, text, "driver", driver);
        return 0;
    }
    return ENOENT;
}

static void
set_up(Tree *t, gconstpointer unused)
{
    t->root = g_dir_make_tmp("vt-pci-XXXXXX", NULL);
    g_assert_nonnull(t->root);
    t->host = (VtPciHost){ .root = t->root, .write = tree_write, .user = t };
    t->writes = g_string_new(NULL);
    tree_device(t, BR, "0x1901\n", "0x060400\n", "../../drivers/pcieport");
    tree_device(t, PF, "0x10c9\n", "0x020000\n", "../../drivers/igb");
    tree_device(t, VF0, "0x10ca\n", "0x020000\n", "../../drivers/igbvf");
    tree_device(t, VF1, "0x10ca\n", "0x020000\n", NULL);
    tree_text(t, PF, "sriov_numvfs", "2\n");
    tree_text(t, PF, "sriov_totalvfs", "7\n");
    tree_text(t, PF, "net/enp59s0f1/x", "");
    tree_text(t, PF, "net/enp59s0f0/x", "");
    tree_link(t, PF, "virtfn0", "../" VF0);
    tree_link(t, PF, "virtfn1", "../" VF1);
    tree_link(t, VF0, "physfn", "../" PF);
    tree_link(t, VF1, "physfn", "../" PF);
}

static void
tear_down(Tree *t, gconstpointer unused)
{
    const char *argv[] = { "rm", "-rf", t->root, NULL };

    g_assert_true(
        g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
    g_string_free(t->writes, TRUE);
    g_free(t->root);
}

static VtPciBdf
bdf(const char *text)
{
    VtPciBdf out;

    g_assert_true(vt_pci_bdf_parse(text, &out));
    return out;
}

static void
test_bdf(void)
{
    static const struct {
        const char *text;
        const char *printed; /* NULL: refused */
    } rows[] = {
        { "0000:3b:02.1", "0000:3b:02.1" },
        { "3b:2.1", "0000:3b:02.1" },
        { "10000:e1:00.0", "10000:e1:00.0" },
        { "ffffff:ff:1f.7", "ffffff:ff:1f.7" },
        { "0000:3b:20.0", NULL },
        { "0000:3b:02.8", NULL },
        { "0000:3b:02", NULL },
        { "0000:3b:02.1x", NULL },
        { "1000000:3b:02.1", NULL },
        { ":3b:02.1", NULL },
        { "", NULL },
        { "a:b:c:d.e", NULL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        char buffer[VT_PCI_BDF_STRING_SIZE];
        VtPciBdf out;

        g_assert_true(vt_pci_bdf_parse(rows[i].text, &out) == (rows[i].printed != NULL));
        if (rows[i].printed)
            g_assert_cmpstr(vt_pci_bdf_format(&out, buffer), ==, rows[i].printed);
    }
}

static void
test_get(Tree *t, gconstpointer unused)
{
    VtPciBdf pf = bdf(PF), vf1 = bdf(VF1), none = bdf("0000:00:1f.7"), got;
    g_autoptr(GError) error = NULL;
    VtPciInfo info;

    g_assert_true(vt_pci_get(&t->host, &pf, &info, &error));
    g_assert_cmphex(info.vendor, ==, 0x8086);
    g_assert_cmphex(info.device, ==, 0x10c9);
    g_assert_cmphex(info.class_code, ==, 0x020000);
    g_assert_cmpint(info.numa_node, ==, 1);
    g_assert_cmpint(info.iommu_group, ==, 7);
    g_assert_false(info.is_vf);
    g_assert_cmpuint(info.n_vfs, ==, 2);
    g_assert_cmpuint(info.max_vfs, ==, 7);
    g_assert_cmpstr(info.driver, ==, "igb");
    g_assert_cmpstr(info.netdev, ==, "enp59s0f0");

    g_assert_true(vt_pci_get(&t->host, &vf1, &info, &error));
    g_assert_true(info.is_vf);
    g_assert_true(vt_pci_bdf_equal(&info.pf, &pf));
    g_assert_cmpint(info.vf_index, ==, 1);
    g_assert_cmpstr(info.driver, ==, "");
    g_assert_true(vt_pci_vf(&t->host, &pf, 1, &got, &error));
    g_assert_true(vt_pci_bdf_equal(&got, &vf1));
    g_assert_no_error(error);

    g_assert_false(vt_pci_vf(&t->host, &pf, 2, &got, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_NO_DEVICE);
    g_clear_error(&error);
    g_assert_false(vt_pci_get(&t->host, &none, &info, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_NO_DEVICE);
    g_assert_cmpint(vt_pci_state(&t->host, &none), ==, VT_PCI_GONE);
}

static void
test_netdev(Tree *t, gconstpointer unused)
{
    g_autofree char *dir = g_strdup_printf("%s/class/net/enp59s0f0", t->root);
    g_autofree char *link = g_strdup_printf("%s/device", dir);
    g_autoptr(GError) error = NULL;
    VtPciBdf pf = bdf(PF), got;

    g_assert_true(vt_file_mkdirs(dir, 0755, NULL));
    g_assert_cmpint(symlink("../../../" PF, link), ==, 0);
    g_assert_true(vt_pci_of_netdev(&t->host, "enp59s0f0", &got, &error));
    g_assert_true(vt_pci_bdf_equal(&got, &pf));
    g_assert_false(vt_pci_of_netdev(&t->host, "../net/enp59s0f0", &got, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_NO_DEVICE);
}

static void
test_state(Tree *t, gconstpointer unused)
{
    static const char in_reset[64] = { [4] = (char)0xff, [5] = (char)0xff };
    VtPciBdf vf = bdf(VF0);

    g_assert_cmpint(vt_pci_state(&t->host, &vf), ==, VT_PCI_PRESENT);
    g_assert_true(vt_pci_bus_master(&t->host, &vf));
    tree_file(t, VF0, "config", in_reset, sizeof in_reset);
    g_assert_cmpint(vt_pci_state(&t->host, &vf), ==, VT_PCI_IN_RESET);
    g_assert_false(vt_pci_bus_master(&t->host, &vf));
    tree_file(t, VF0, "config", "\0\0\0\0\x02\0", 6);
    g_assert_cmpint(vt_pci_state(&t->host, &vf), ==, VT_PCI_PRESENT);
    g_assert_false(vt_pci_bus_master(&t->host, &vf));
}

static void
test_group(Tree *t, gconstpointer unused)
{
    VtPciBdf vf1 = bdf(VF1);
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) members = vt_pci_group_members(&t->host, 7);
    g_autoptr(GArray) none = vt_pci_group_members(&t->host, 8);

    g_assert_cmpuint(members->len, ==, 4);
    g_assert_cmpuint(none->len, ==, 0);
    g_assert_false(vt_pci_check_group(&t->host, &vf1, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "'" PF "', which the host uses with the driver 'igb'"));
    g_clear_error(&error);
    tree_link(t, PF, "driver", "../../drivers/vfio-pci");
    tree_link(t, VF0, "driver", NULL);
    g_assert_true(vt_pci_check_group(&t->host, &vf1, &error));
    tree_link(t, VF1, "iommu_group", NULL);
    g_assert_false(vt_pci_check_group(&t->host, &vf1, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_UNSUPPORTED);
}

static void
test_bind(Tree *t, gconstpointer unused)
{
    VtPciBdf vf0 = bdf(VF0);
    g_autoptr(GError) error = NULL;

    g_assert_true(vt_pci_bind(&t->host, &vf0, VT_PCI_VFIO, &error));
    g_assert_true(vt_pci_bind(&t->host, &vf0, VT_PCI_VFIO, &error));
    g_assert_cmpstr(t->writes->str, ==, "unbind=" VF0 " driver_override=vfio-pci drivers_probe=" VF0 " ");
    g_string_truncate(t->writes, 0);
    g_assert_true(vt_pci_bind(&t->host, &vf0, "igbvf", &error));
    g_assert_cmpstr(t->writes->str, ==,
                    "unbind=" VF0 " driver_override=igbvf drivers_probe=" VF0 " driver_override=none ");
    g_string_truncate(t->writes, 0);
    g_assert_true(vt_pci_bind(&t->host, &vf0, NULL, &error));
    g_assert_cmpstr(t->writes->str, ==, "unbind=" VF0 " driver_override=none ");
    g_assert_no_error(error);
}

static void
test_bind_failures(Tree *t, gconstpointer unused)
{
    VtPciBdf vf0 = bdf(VF0), none = bdf("0000:00:1f.7");
    g_autoptr(GError) error = NULL;

    t->stubborn = TRUE;
    g_assert_false(vt_pci_bind(&t->host, &vf0, VT_PCI_VFIO, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    g_assert_cmpstr(error->message, ==, "The driver 'igbvf' does not let go of the PCI device '" VF0 "'.");
    g_clear_error(&error);
    t->stubborn = FALSE;
    t->no_module = TRUE;
    g_assert_false(vt_pci_bind(&t->host, &vf0, VT_PCI_VFIO, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    g_clear_error(&error);
    g_assert_false(vt_pci_bind(&t->host, &none, VT_PCI_VFIO, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_NO_DEVICE);
}

static void
bound(gpointer user, const GError *error)
{
    g_assert_no_error(error);
    *(gboolean *)user = TRUE;
}

static void
test_bind_async(Tree *t, gconstpointer unused)
{
    VtPciBdf vf0 = bdf(VF0);
    gboolean done = FALSE;

    vt_pci_bind_async(&t->host, &vf0, VT_PCI_VFIO, bound, &done);
    g_assert_false(done);
    while (!done)
        g_main_context_iteration(NULL, TRUE);
}

static void
set_irq(Tree *t, const char *irq, const char *counts)
{
    g_autofree char *name = g_strconcat("msi_irqs/", irq, NULL);
    g_autofree char *dir = g_strdup_printf("%s/kernel/irq/%s", t->root, irq);
    g_autofree char *path = g_build_filename(dir, "per_cpu_count", NULL);

    tree_text(t, VF0, name, "msix\n");
    g_assert_true(vt_file_mkdirs(dir, 0755, NULL));
    g_assert_true(g_file_set_contents(path, counts, -1, NULL));
}

static void
test_interrupts(Tree *t, gconstpointer unused)
{
    VtPciBdf vf0 = bdf(VF0);
    guint64 count = 99;

    g_assert_false(vt_pci_interrupts(&t->host, &vf0, &count));
    g_assert_cmpuint(count, ==, 99);
    set_irq(t, "40", "0,0,0,0\n");
    g_assert_true(vt_pci_interrupts(&t->host, &vf0, &count));
    g_assert_cmpuint(count, ==, 0);
    set_irq(t, "40", "1,0,20,300\n");
    set_irq(t, "41", "7\n");
    set_irq(t, "42", "x");
    tree_text(t, VF0, "msi_irqs/43", "msix\n"); /* just gone */
    g_assert_true(vt_pci_interrupts(&t->host, &vf0, &count));
    g_assert_cmpuint(count, ==, 328);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, func) g_test_add(path, Tree, NULL, set_up, func, tear_down)
    g_test_add_func("/util/pci/addresses", test_bdf);
    ADD("/util/pci/identity-vf-and-pf", test_get);
    ADD("/util/pci/device-of-an-interface", test_netdev);
    ADD("/util/pci/reset-state-and-bus-master", test_state);
    ADD("/util/pci/interrupts", test_interrupts);
    ADD("/util/pci/group-of-the-host-is-refused", test_group);
    ADD("/util/pci/bind-and-give-back", test_bind);
    ADD("/util/pci/bind-failures", test_bind_failures);
    ADD("/util/pci/bind-in-a-thread", test_bind_async);
    return g_test_run();
}
