/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Choosing VFs and restoring them: sysfs is a tree of the test's own in which a write function plays the kernel, a
 * fake answers for the PF's VFs, and the interfaces are taps in a network namespace of its own.
 */
#include "datapath/fdb.h"
#include "datapath/probe-host.h"
#include "util/file.h"
#include "util/json.h"
#include "util/link.h"
#include "util/tap.h"

#include "lib/fake-pf.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>

#define PF_BDF "0000:3b:00.0"

static const char *const vf_bdfs[] = { "0000:3b:02.0", "0000:3b:02.1", "0000:3b:02.2" };

typedef struct {
    char *root, *reserved, *dev;
    VtPciHost host;
    FakePf pf;
    VtNetlink *netlink;
    VtFd pf_fd, vf_fd;
    char pf_name[IF_NAMESIZE], vf_name[IF_NAMESIZE];
    VtProbeHostSpec spec;
} Host;

static void
put(Host *h, const char *path, const char *text)
{
    g_autofree char *whole = g_strdup_printf("%s/%s", h->root, path);
    g_autofree char *dir = g_path_get_dirname(whole);

    g_assert_true(vt_file_mkdirs(dir, 0755, NULL));
    g_assert_true(g_file_set_contents(whole, text, -1, NULL));
}

static void
put_link(Host *h, const char *path, const char *target)
{
    g_autofree char *whole = g_strdup_printf("%s/%s", h->root, path);
    g_autofree char *dir = g_path_get_dirname(whole);

    g_assert_true(vt_file_mkdirs(dir, 0755, NULL));
    unlink(whole);
    if (target)
        g_assert_cmpint(symlink(target, whole), ==, 0);
}

static void
put_device(Host *h, const char *bdf, const char *file, const char *text)
{
    g_autofree char *path = g_strdup_printf("bus/pci/devices/%s/%s", bdf, file);

    put(h, path, text);
}

static void
put_device_link(Host *h, const char *bdf, const char *file, const char *target)
{
    g_autofree char *path = g_strdup_printf("bus/pci/devices/%s/%s", bdf, file);

    put_link(h, path, target);
}

static char *
get_device(Host *h, const char *bdf, const char *file)
{
    g_autofree char *path = g_strdup_printf("%s/bus/pci/devices/%s/%s", h->root, bdf, file);
    g_autofree char *target = g_file_read_link(path, NULL);

    if (target)
        return g_path_get_basename(target);
    return vt_file_read(path, 1000, NULL, NULL);
}

/* The kernel's side of the writable files. */
static int
host_write(const char *path, const char *text, gpointer user)
{
    Host *h = user;
    g_autofree char *base = g_path_get_basename(path);
    g_autofree char *dir = g_path_get_dirname(path);
    g_autofree char *device = g_path_get_basename(dir);

    if (strcmp(base, "unbind") == 0) {
        put_device_link(h, text, "driver", NULL);
    } else if (strcmp(base, "driver_override") == 0) {
        put_device(h, device, "driver_override", strcmp(text, "\n") == 0 ? "(null)\n" : text);
    } else if (strcmp(base, "drivers_probe") == 0) {
        g_autofree char *override = get_device(h, text, "driver_override");
        g_autofree char *driver = g_strdup_printf("../../drivers/%s", override);

        put_device_link(h, text, "driver", driver);
    } else if (strcmp(base, "reset") != 0) {
        return ENOENT;
    }
    return 0;
}

static void
make_tree(Host *h)
{
    g_autofree char *net = g_strdup_printf("class/net/%s/device", h->pf_name);
    g_autofree char *pf_net = g_strdup_printf("net/%s/x", h->pf_name);

    put_link(h, net, "../../../" PF_BDF);
    put_device(h, PF_BDF, "vendor", "0x8086\n");
    put_device(h, PF_BDF, "device", "0x10c9\n");
    put_device(h, PF_BDF, "sriov_numvfs", "3\n");
    put_device(h, PF_BDF, "sriov_totalvfs", "7\n");
    put_device(h, PF_BDF, pf_net, "");
    put_device_link(h, PF_BDF, "driver", "../../drivers/igb");
    for (gsize i = 0; i < G_N_ELEMENTS(vf_bdfs); i++) {
        g_autofree char *name = g_strdup_printf("virtfn%zu", i);
        g_autofree char *target = g_strdup_printf("../%s", vf_bdfs[i]);

        put_device_link(h, PF_BDF, name, target);
        put_device_link(h, vf_bdfs[i], "physfn", "../" PF_BDF);
        put_device(h, vf_bdfs[i], "vendor", "0x8086\n");
        put_device(h, vf_bdfs[i], "device", "0x10ca\n");
        put_device(h, vf_bdfs[i], "modalias", "pci:v00000000d00000000sv00000000sd00000000bc02sc00i00\n");
        put_device(h, vf_bdfs[i], "driver_override", "(null)\n");
    }
    put(h, "bus/pci/drivers/igbvf/bind", "");
}

static void
set_up(Host *h, gconstpointer unused)
{
    VtTapSpec pf = { .name = "pf%d" }, vf = { .name = "vf%d" };
    VtLinkInfo link;

    h->root = g_dir_make_tmp("vt-probe-XXXXXX", NULL);
    g_assert_nonnull(h->root);
    h->reserved = g_strdup_printf("%s/reservations", h->root);
    h->dev = g_strdup_printf("%s/dev", h->root);
    h->host = (VtPciHost){ .root = h->root, .write = host_write, .user = h };
    g_assert_true(vt_tap_open(&pf, h->pf_name, &h->pf_fd, NULL));
    g_assert_true(vt_tap_open(&vf, h->vf_name, &h->vf_fd, NULL));
    h->netlink = vt_netlink_new_fake(fake_pf_answer, &h->pf);
    h->pf.with_kernel = TRUE;
    g_assert_true(vt_link_set_up(h->netlink, h->pf_name, TRUE, NULL));
    g_assert_true(vt_link_get(h->netlink, h->pf_name, &link, NULL));
    fake_pf_init(&h->pf, link.index);
    h->pf.with_kernel = TRUE;
    make_tree(h);
    h->spec = (VtProbeHostSpec){ .host = &h->host,
                                 .dev = h->dev,
                                 .pf = h->pf_name,
                                 .vf = -1,
                                 .driver = "igbvf",
                                 .reserved = h->reserved };
}

static void
tear_down(Host *h, gconstpointer unused)
{
    const char *argv[] = { "rm", "-rf", h->root, NULL };

    g_assert_true(
        g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
    vt_netlink_free(h->netlink);
    vt_fd_clear(&h->pf_fd);
    vt_fd_clear(&h->vf_fd);
    g_free(h->root);
    g_free(h->reserved);
    g_free(h->dev);
}

/* ---- what is refused ---- */

static void
spoil_stranger(Host *h)
{
    h->spec.pf = "lo";
}

static void
spoil_no_sriov(Host *h)
{
    put_device(h, PF_BDF, "sriov_totalvfs", "0\n");
}

static void
spoil_is_vf(Host *h)
{
    put_device_link(h, PF_BDF, "physfn", "../0000:3a:00.0");
}

static void
spoil_no_vfs(Host *h)
{
    put_device(h, PF_BDF, "sriov_numvfs", "0\n");
}

static void
spoil_switchdev(Host *h)
{
    put(h, "class/net/pf0/phys_switch_id", "0011223344\n");
}

static void
spoil_down(Host *h)
{
    g_assert_true(vt_link_set_up(h->netlink, h->pf_name, FALSE, NULL));
}

static void
spoil_wire_is_pf(Host *h)
{
    h->spec.wire = h->pf_name;
}

static void
spoil_wire_down(Host *h)
{
    h->spec.wire = h->vf_name;
}

static void
spoil_vf_number(Host *h)
{
    h->spec.vf = 3;
}

static void
spoil_reserved(Host *h)
{
    put(h, "reservations/0000:3b:02.1.json", "{\"domain\":\"web\"}");
    h->spec.vf = 1;
}

static void
spoil_all_in_use(Host *h)
{
    g_autofree char *net = g_strdup_printf("net/%s/x", h->vf_name);

    put(h, "reservations/0000:3b:02.0.json", "{\"domain\":\"web\"}");
    put_device_link(h, vf_bdfs[1], "driver", "../../drivers/vfio-pci");
    put_device_link(h, vf_bdfs[2], "driver", "../../drivers/igbvf");
    put_device(h, vf_bdfs[2], net, "");
    g_assert_true(vt_link_set_up(h->netlink, h->vf_name, TRUE, NULL));
}

static void
spoil_no_interface(Host *h)
{
    put_device_link(h, vf_bdfs[0], "driver", "../../drivers/uio");
    h->spec.vf = 0;
}

static void
spoil_driver_name(Host *h)
{
    h->spec.driver = "ixgbevf";
}

static void
spoil_driver_path(Host *h)
{
    h->spec.driver = "../drivers/igbvf";
}

static void
spoil_no_driver(Host *h)
{
    h->spec.driver = NULL;
}

static const struct {
    const char *name;
    void (*spoil)(Host *h);
    int code;            /* VtErrorCode */
    const char *message; /* a part of it */
} refusals[] = {
    { "no-pci-device", spoil_stranger, VT_ERROR_NO_DEVICE, "'lo' does not belong to a PCI device" },
    { "no-sr-iov", spoil_no_sriov, VT_ERROR_UNSUPPORTED,
      "'pf0' is not a PF: its PCI device 0000:3b:00.0 has no" },
    { "a-vf", spoil_is_vf, VT_ERROR_UNSUPPORTED, "but a VF of the PF 0000:3a:00.0" },
    { "no-vfs", spoil_no_vfs, VT_ERROR_OPERATION_INVALID,
      "echo 2 > /sys/class/net/pf0/device/sriov_numvfs (at most 7)" },
    { "switchdev", spoil_switchdev, VT_ERROR_UNSUPPORTED, "'pf0' is in switchdev mode" },
    { "down", spoil_down, VT_ERROR_OPERATION_INVALID,
      "'pf0' is down, and its VFs with it: ip link set pf0 up." },
    { "wire-is-the-pf", spoil_wire_is_pf, VT_ERROR_INVALID_ARG, "'pf0' is the PF itself" },
    { "wire-is-down", spoil_wire_down, VT_ERROR_OPERATION_INVALID, "'vf0' is down" },
    { "no-such-vf", spoil_vf_number, VT_ERROR_NO_DEVICE, "'pf0' has no VF 3: it has 3, counted from 0." },
    { "reserved", spoil_reserved, VT_ERROR_OPERATION_INVALID,
      "The VF 1 of 'pf0' is not free: reserved for the domain 'web'." },
    { "all-in-use", spoil_all_in_use, VT_ERROR_OPERATION_INVALID,
      "\n  VF 0: reserved for the domain 'web'\n  VF 1: bound to vfio-pci (if no guest needs it now, name it with "
      "--vf)\n  VF 2: its interface 'vf0' is in use by the host" },
    { "no-interface", spoil_no_interface, VT_ERROR_OPERATION_INVALID, "in use by the driver 'uio'" },
    { "no-such-driver", spoil_driver_name, VT_ERROR_INVALID_ARG, "no PCI driver 'ixgbevf'" },
    { "driver-is-a-path", spoil_driver_path, VT_ERROR_INVALID_ARG, "no PCI driver '../drivers/igbvf'" },
    { "no-driver", spoil_no_driver, VT_ERROR_UNSUPPORTED,
      "No network driver for the VFs of 'pf0' is loaded" },
};

static void
test_refused(Host *h, gconstpointer row)
{
    gsize i = GPOINTER_TO_SIZE(row);
    g_autoptr(GError) error = NULL;
    VtProbeHost host;

    refusals[i].spoil(h);
    g_assert_false(vt_probe_host_open(&h->spec, h->netlink, &host, &error));
    g_assert_error(error, VT_ERROR, refusals[i].code);
    if (!strstr(error->message, refusals[i].message))
        g_error("'%s' is not in '%s'", refusals[i].message, error->message);
    g_assert_cmpuint(h->pf.requests, ==, 0);
}

/* ---- what is chosen ---- */

static void
open_host(Host *h, VtProbeHost *host)
{
    g_autoptr(GError) error = NULL;

    vt_probe_host_open(&h->spec, h->netlink, host, &error);
    g_assert_no_error(error);
}

static void
test_choice(Host *h, gconstpointer unused)
{
    VtProbeHost host;

    open_host(h, &host);
    g_assert_cmpuint(host.vf.index, ==, 0);
    g_assert_true(host.has_sibling);
    g_assert_cmpuint(host.sibling.index, ==, 1);
    put(h, "reservations/0000:3b:02.0.json", "{\"domain\":\"web\"}");
    put_device_link(h, vf_bdfs[1], "driver", "../../drivers/vfio-pci");
    open_host(h, &host);
    g_assert_cmpuint(host.vf.index, ==, 2);
    g_assert_false(host.has_sibling);
    /* Named, it may be one of VFIO's that no guest has. */
    h->spec.vf = 1;
    open_host(h, &host);
    g_assert_cmpuint(host.vf.index, ==, 1);
    g_assert_cmpstr(host.vf.driver, ==, "vfio-pci");
    g_assert_cmpuint(host.sibling.index, ==, 2);
}

/* ---- what is restored ---- */

static void
disturb(Host *h, VtProbeHost *host)
{
    VtProbeNic nic = vt_probe_host_nic(host);
    g_autoptr(GError) error = NULL;
    VtMac mac;

    nic.funcs->undrive(nic.state, host->vf.index, &error);
    g_assert_no_error(error);
    nic.funcs->set_mac(nic.state, host->vf.index, &host->guest, 3, &error);
    g_assert_no_error(error);
    g_assert_true(nic.funcs->get_mac(nic.state, host->vf.index, &mac, NULL));
    g_assert_true(vt_mac_equal(&mac, &host->guest));
    nic.funcs->set_mac(nic.state, host->sibling.index, &host->brother, 3, &error);
    g_assert_no_error(error);
    nic.funcs->set_self(nic.state, &host->guest, TRUE, &error);
    g_assert_no_error(error);
    nic.funcs->set_self(nic.state, &host->behind, TRUE, &error);
    g_assert_no_error(error);
    nic.funcs->reset(nic.state, host->vf.index, &error);
    g_assert_no_error(error);
    g_assert_true(vt_pci_bind(&h->host, &host->vf.bdf, "igbvf", NULL));
}

static guint
count_self(Host *h)
{
    g_autoptr(GArray) entries = vt_fdb_list(h->netlink, 0, h->pf.ifindex, NULL, NULL);
    guint count = 0;

    for (guint i = 0; i < entries->len; i++) /* the kernel joins multicast groups whenever it likes */
        count += !vt_mac_is_multicast(&g_array_index(entries, VtFdbEntry, i).mac);
    return count;
}

static void
test_restored(Host *h, gconstpointer unused)
{
    g_autoptr(JsonObject) object = NULL;
    g_autoptr(JsonNode) note = NULL;
    g_autofree char *text = NULL;
    g_autofree char *driver = NULL;
    g_autofree char *override = NULL;
    g_autofree char *idle = NULL;
    g_autoptr(GError) error = NULL;
    guint self = count_self(h);
    VtProbeHost host;

    put_device_link(h, vf_bdfs[1], "driver", "../../drivers/vfio-pci");
    put_device(h, vf_bdfs[1], "driver_override", "vfio-pci\n");
    h->pf.vfs[1].mac = (VtMac){ { 2, 0, 0, 0, 0, 9 } };
    h->spec.vf = 1;
    open_host(h, &host);
    object = vt_probe_host_note(&host);
    text = vt_json_object_to_string(object);
    disturb(h, &host);
    g_assert_cmpuint(count_self(h), ==, self + 2);

    note = vt_json_parse(text, strlen(text), &error);
    for (int again = 0; again < 2; again++) { /* a second time changes nothing */
        vt_probe_host_restore(note, &h->host, NULL, h->netlink, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(count_self(h), ==, self);
        g_assert_cmpint(h->pf.vfs[1].mac.bytes[5], ==, 9);
        g_assert_true(vt_mac_is_zero(&h->pf.vfs[0].mac));
    }
    driver = get_device(h, vf_bdfs[1], "driver");
    override = get_device(h, vf_bdfs[1], "driver_override");
    idle = get_device(h, vf_bdfs[0], "driver");
    g_assert_cmpstr(driver, ==, "vfio-pci");
    g_assert_cmpstr(override, ==, "vfio-pci");
    g_assert_null(idle);
}

/* Restoring goes on behind what fails, and says what failed first. */
static void
test_restored_in_part(Host *h, gconstpointer unused)
{
    g_autoptr(JsonObject) object = NULL;
    g_autoptr(JsonNode) note = NULL;
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    guint self = count_self(h);
    VtProbeHost host;

    open_host(h, &host);
    object = vt_probe_host_note(&host);
    text = vt_json_object_to_string(object);
    note = vt_json_parse(text, strlen(text), NULL);
    disturb(h, &host);
    h->pf.unsupported = VT_VF_MAC;
    g_assert_false(vt_probe_host_restore(note, &h->host, NULL, h->netlink, &error));
    g_assert_nonnull(strstr(error->message, "Cannot set the mac of virtual function 0"));
    g_assert_cmpuint(count_self(h), ==, self);
}

static void
test_bad_notes(Host *h, gconstpointer unused)
{
    static const char *const notes[] = {
        "{}",
        "{\"bdf\":\"x\",\"vfs\":[],\"macs\":[]}",
        "{\"bdf\":\"0000:3b:00.0\",\"vfs\":{},\"macs\":[]}",
        "{\"bdf\":\"0000:3b:00.0\",\"vfs\":[1],\"macs\":[]}",
        "{\"bdf\":\"0000:3b:00.0\",\"vfs\":[{\"vf\":-1,\"bdf\":\"0000:3b:02.0\",\"driver\":\"\",\"override\":\"\","
        "\"mac\":\"00:00:00:00:00:00\"}],\"macs\":[]}",
        "{\"bdf\":\"0000:3b:00.0\",\"vfs\":[{\"vf\":0,\"bdf\":\"0000:3b:02.0\",\"driver\":\"../x\",\"override\":\"\","
        "\"mac\":\"00:00:00:00:00:00\"}],\"macs\":[]}",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(notes); i++) {
        g_autoptr(JsonNode) note = vt_json_parse(notes[i], strlen(notes[i]), NULL);
        g_autoptr(GError) error = NULL;

        g_test_message("%s", notes[i]);
        g_assert_false(vt_probe_host_restore(note, &h->host, NULL, h->netlink, &error));
        g_assert_nonnull(error);
    }
    g_assert_cmpuint(h->pf.requests, ==, 0);
}

/* VFs of a PF that is gone, or other devices at their addresses, are left alone. */
static void
test_gone(Host *h, gconstpointer unused)
{
    g_autoptr(JsonObject) object = NULL;
    g_autoptr(JsonNode) note = NULL;
    g_autofree char *text = NULL;
    g_autofree char *driver = NULL;
    g_autoptr(GError) error = NULL;
    VtProbeHost host;

    open_host(h, &host);
    object = vt_probe_host_note(&host);
    text = vt_json_object_to_string(object);
    note = vt_json_parse(text, strlen(text), NULL);
    put_device_link(h, vf_bdfs[0], "physfn", NULL);
    put_device_link(h, vf_bdfs[1], "physfn", NULL);
    put_device_link(h, vf_bdfs[0], "driver", "../../drivers/nvme");
    g_assert_true(vt_probe_host_restore(note, &h->host, NULL, h->netlink, &error));
    g_assert_no_error(error);
    driver = get_device(h, vf_bdfs[0], "driver");
    g_assert_cmpstr(driver, ==, "nvme");
    g_assert_cmpuint(h->pf.requests, ==, 0);
}

#define HOST(name, test) g_test_add("/datapath/probe-host/" name, Host, NULL, set_up, test, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (unshare(CLONE_NEWNET) < 0) {
        fprintf(stderr, "probehosttest needs root for a network namespace of its own: %s\n",
                g_strerror(errno));
        return 1;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(refusals); i++) {
        g_autofree char *path = g_strdup_printf("/datapath/probe-host/refused/%s", refusals[i].name);

        g_test_add(path, Host, GSIZE_TO_POINTER(i), set_up, test_refused, tear_down);
    }
    HOST("free-vfs-are-chosen", test_choice);
    HOST("everything-is-restored", test_restored);
    HOST("as-much-as-can-be-is-restored", test_restored_in_part);
    HOST("bad-notes-change-nothing", test_bad_notes);
    HOST("what-is-gone-is-left-alone", test_gone);
    return g_test_run();
}
