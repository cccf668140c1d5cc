/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a kernel with a NIC in switchdev mode has answered: conversations recorded with netdevsim (tests/switchdev/run.py),
 * played back here. With VT_RECORD this program makes the recordings, and the same is asserted then.
 *
 * The machine that records has ens1, a NIC with two ports and three VFs in switchdev mode (ens1f0, ens1f1; ens1f0_0 to
 * ens1f0_2 stand for the VFs), ens2 of the same make in legacy mode, and ens3, in switchdev mode with two VFs.
 */
#include "datapath/fdb.h"
#include "datapath/mirror.h"
#include "datapath/switchdev.h"
#include "driver/datapath-choose.h"
#include "util/file.h"
#include "util/json.h"
#include "util/link.h"
#include "util/representor.h"
#include "util/tap.h"

#include "lib/feed.h"
#include "lib/netlink-tape.h"
#include "lib/make-link.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <unistd.h>

#define BRIDGE      "br0"
#define STANDBY     "stand0"
#define PF          "ens1f0"
#define REPRESENTOR "ens1f0_1"
#define VF          1

static const VtMac guest_mac = { { 0x52, 0x54, 0, 0xaa, 0xbb, 0xcc } };

/* ---- the machine, when it is there ---- */

typedef struct {
    NetlinkTape *tape;
    VtNetlink *netlink; /* asks the tape */
    VtNetlink *kernel;  /* (nullable) nobody writes down what is said to it */
    VtFd standby;
    VtBackend backend;
} Machine;

static void
machine_up(Machine *machine, const char *tape, gboolean is_port)
{
    VtTapSpec tap = { .name = STANDBY };
    char name[IF_NAMESIZE];

    *machine = (Machine){ .tape = netlink_tape_open(tape), .standby = -1 };
    machine->netlink = netlink_tape_netlink(machine->tape);
    if (!netlink_tape_records())
        return;
    machine->kernel = vt_netlink_new(NULL);
    make_link(machine->kernel, BRIDGE, "bridge");
    g_assert_true(vt_link_set_up(machine->kernel, BRIDGE, TRUE, NULL));
    g_assert_true(vt_tap_open(&tap, name, &machine->standby, NULL));
    g_assert_true(vt_link_set_master(machine->kernel, STANDBY, BRIDGE, NULL));
    g_assert_true(vt_link_set_up(machine->kernel, STANDBY, TRUE, NULL));
    if (is_port) {
        g_assert_true(vt_link_set_master(machine->kernel, REPRESENTOR, BRIDGE, NULL));
        g_assert_true(vt_link_set_up(machine->kernel, REPRESENTOR, TRUE, NULL));
    }
}

static void
machine_down(Machine *machine)
{
    vt_backend_clear(&machine->backend);
    vt_netlink_free(machine->netlink);
    netlink_tape_close(machine->tape);
    if (!machine->kernel)
        return;
    vt_fd_clear(&machine->standby);
    g_assert_true(vt_link_delete(machine->kernel, BRIDGE, NULL));
    g_assert_true(vt_link_set_up(machine->kernel, REPRESENTOR, FALSE, NULL));
    vt_netlink_free(machine->kernel);
}

/* ---- representors ---- */

static void
test_find(void)
{
    static const struct {
        const char *uplink;
        guint pf, vf;
        const char *found; /* NULL: none */
    } rows[] = {
        { "ens1f0", 0, 0, "ens1f0_0" }, { "ens1f0", 0, 1, "ens1f0_1" },
        { "ens1f0", 0, 2, "ens1f0_2" }, { "ens1f1", 0, 2, "ens1f0_2" }, /* both ports are of one switch */
        { "ens3", 0, 1, "ens3_1" },     { "ens1f0", 0, 3, NULL },
        { "ens1f0", 1, 1, NULL },       { "ens2", 0, 0, NULL }, /* its switch has an id in legacy mode, too */
        { "lo", 0, 0, NULL },           { "nothing", 0, 0, NULL },
    };
    NetlinkTape *tape = netlink_tape_open("representors");
    VtNetlink *netlink = netlink_tape_netlink(tape);

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        VtRepresentor port;

        if (vt_representor_find(netlink, rows[i].uplink, rows[i].pf, rows[i].vf, &port, &error)) {
            g_assert_cmpstr(port.name, ==, rows[i].found);
            g_assert_cmpuint(port.switch_id_length, ==, VT_REPRESENTOR_ID_MAX);
            continue;
        }
        g_assert_null(rows[i].found);
        g_assert_error(error, VT_ERROR, VT_ERROR_NO_DEVICE);
    }
    vt_netlink_free(netlink);
    netlink_tape_close(tape);
}

/* ---- the back end ---- */

static void
make_backend(Machine *machine)
{
    VtSwitchdevSpec spec = {
        .mac = guest_mac, .standby = STANDBY, .representor = REPRESENTOR, .pf = PF, .vf = VF, .tries = 2
    };

    machine->backend =
        vt_switchdev_new(&spec, netlink_tape_netlink(machine->tape), netlink_tape_netlink(machine->tape));
}

static gboolean
try_apply(Machine *machine, VtFeed feed, GError **error)
{
    netlink_tape_say(machine->tape, vt_feed_name(feed));
    return feed_try(&machine->backend, feed, error);
}

static void
apply(Machine *machine, VtFeed feed)
{
    g_autoptr(GError) error = NULL;

    try_apply(machine, feed, &error);
    g_assert_no_error(error);
}

static gboolean
is_pinned(Machine *machine, const VtLinkInfo *port)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) entries = vt_fdb_list(machine->netlink, port->master, port->index, &guest_mac, &error);
    gboolean pinned = FALSE;

    g_assert_no_error(error);
    for (guint i = 0; i < entries->len; i++)
        pinned |= g_array_index(entries, VtFdbEntry, i).state == NUD_NOARP;
    return pinned;
}

/* The kernel's own words about what it has now. */
static void
expect_fed(Machine *machine, VtFeed feed)
{
    gboolean on_primary = feed == VT_FEED_PRIMARY, here = feed != VT_FEED_READY;
    VtMirrorQdisc qdisc;
    VtVfSettings vf;
    VtLinkInfo pf, standby, primary;

    netlink_tape_say(machine->tape, "and what there is then");
    g_assert_true(vt_link_get(machine->netlink, PF, &pf, NULL));
    g_assert_true(vt_link_get(machine->netlink, STANDBY, &standby, NULL));
    g_assert_true(vt_link_get(machine->netlink, REPRESENTOR, &primary, NULL));
    g_assert_true(primary.up && primary.is_bridge_port);
    g_assert_cmpint(primary.master, ==, standby.master);
    g_assert_cmpuint(primary.port.learning | standby.port.learning, ==, 0);
    g_assert_cmpuint(primary.port.flood, ==, on_primary);
    g_assert_cmpuint(primary.port.bcast_flood, ==, on_primary);
    g_assert_cmpuint(primary.port.mcast_flood, ==, on_primary);
    g_assert_cmpuint(standby.port.bcast_flood, ==, !on_primary);
    g_assert_cmpint(is_pinned(machine, &primary), ==, on_primary);
    g_assert_cmpint(is_pinned(machine, &standby), ==, here && !on_primary);
    g_assert_true(vt_mirror_qdisc(machine->netlink, primary.index, &qdisc, NULL));
    g_assert_cmpint(qdisc, ==, VT_MIRROR_CLSACT);
    g_assert_true(vt_vf_get(machine->netlink, pf.index, VF, &vf, NULL, NULL));
    g_assert_true(vt_mac_equal(&vf.mac, &guest_mac));
}

static void
expect_untouched(Machine *machine, gboolean was_port)
{
    static const VtMac none;
    VtMirrorQdisc qdisc;
    VtVfSettings vf;
    VtLinkInfo pf, primary;

    netlink_tape_say(machine->tape, "and what there is then");
    g_assert_true(vt_link_get(machine->netlink, PF, &pf, NULL));
    g_assert_true(vt_link_get(machine->netlink, REPRESENTOR, &primary, NULL));
    g_assert_cmpint(primary.up, ==, was_port);
    g_assert_cmpint(primary.is_bridge_port, ==, was_port);
    if (was_port) {
        g_assert_cmpuint(primary.port.learning, ==, 1);
        g_assert_cmpuint(primary.port.flood, ==, 1);
        g_assert_false(is_pinned(machine, &primary));
    }
    g_assert_true(vt_mirror_qdisc(machine->netlink, primary.index, &qdisc, NULL));
    g_assert_cmpint(qdisc, ==, VT_MIRROR_NO_QDISC);
    g_assert_true(vt_vf_get(machine->netlink, pf.index, VF, &vf, NULL, NULL));
    g_assert_true(vt_mac_equal(&vf.mac, &none));
}

static const struct {
    const char *name;
    gboolean is_port; /* the representor, before */
    VtFeed feeds[9];  /* up to VT_FEED_RELEASED */
} stories[] = {
    { "a-guest-boots-and-leaves",
      FALSE,
      { VT_FEED_STANDBY, VT_FEED_STANDBY_COPIED, VT_FEED_PRIMARY_COPIED, VT_FEED_PRIMARY, VT_FEED_FALLBACK,
        VT_FEED_PRIMARY, VT_FEED_PRIMARY_COPIED, VT_FEED_STANDBY } },
    { "a-guest-arrives", FALSE, { VT_FEED_READY, VT_FEED_STANDBY_COPIED, VT_FEED_PRIMARY } },
    { "a-representor-that-is-a-port", TRUE, { VT_FEED_STANDBY, VT_FEED_STANDBY_COPIED, VT_FEED_PRIMARY } },
};

static void
test_story(gconstpointer row)
{
    gsize i = GPOINTER_TO_SIZE(row);
    Machine machine;

    machine_up(&machine, stories[i].name, stories[i].is_port);
    make_backend(&machine);
    for (const VtFeed *feed = stories[i].feeds; *feed != VT_FEED_RELEASED; feed++) {
        apply(&machine, *feed);
        expect_fed(&machine, *feed);
    }
    apply(&machine, VT_FEED_RELEASED);
    expect_untouched(&machine, stories[i].is_port);
    machine_down(&machine);
}

/* The daemon dies; the next one goes on, and takes everything back. */
static void
test_heir(void)
{
    g_autoptr(JsonNode) note = NULL;
    g_autoptr(GError) error = NULL;
    Machine machine;
    VtBackend heir;

    machine_up(&machine, "the-next-daemon", FALSE);
    make_backend(&machine);
    apply(&machine, VT_FEED_STANDBY_COPIED);
    note = vt_json_node_new(machine.backend.funcs->note(machine.backend.state));
    vt_backend_clear(&machine.backend);
    vt_switchdev_from_note(note, NULL, netlink_tape_netlink(machine.tape), netlink_tape_netlink(machine.tape),
                           &heir, &error);
    g_assert_no_error(error);
    machine.backend = heir;
    apply(&machine, VT_FEED_PRIMARY);
    expect_fed(&machine, VT_FEED_PRIMARY);
    apply(&machine, VT_FEED_RELEASED);
    expect_untouched(&machine, FALSE);
    machine_down(&machine);
}

/* What this kernel refuses, in its words. */
static void
test_refusals(void)
{
    g_autoptr(GError) error = NULL;
    VtVfSettings vf = { .fields = VT_VF_MAC, .mac = guest_mac };
    VtLinkInfo pf;
    Machine machine;

    machine_up(&machine, "refusals", FALSE);
    g_assert_true(vt_link_get(machine.netlink, PF, &pf, NULL));
    g_assert_false(vt_vf_get(machine.netlink, pf.index, 7, &vf, NULL, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_NO_DEVICE);
    g_clear_error(&error);
    g_assert_false(vt_vf_set(machine.netlink, pf.index, 7, &vf, NULL, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_SYSTEM);
    g_clear_error(&error);
    g_assert_true(vt_link_set_up(machine.netlink, PF, FALSE, NULL));
    make_backend(&machine);
    g_assert_false(try_apply(&machine, VT_FEED_STANDBY, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "is down"));
    g_clear_error(&error);
    g_assert_true(vt_link_set_up(machine.netlink, PF, TRUE, NULL));
    g_assert_true(vt_link_set_master(machine.netlink, STANDBY, NULL, NULL));
    g_assert_false(try_apply(&machine, VT_FEED_STANDBY, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_UNSUPPORTED);
    machine_down(&machine);
}

/* ---- the choice ---- */

static void
put_file(const char *root, const char *path, const char *text)
{
    g_autofree char *whole = g_build_filename(root, path, NULL);
    g_autofree char *dir = g_path_get_dirname(whole);

    g_assert_true(vt_file_mkdirs(dir, 0755, NULL));
    g_assert_true(g_file_set_contents(whole, text, -1, NULL));
}

static void
put_link(const char *root, const char *path, const char *target)
{
    g_autofree char *whole = g_build_filename(root, path, NULL);

    g_assert_cmpint(symlink(target, whole), ==, 0);
}

/* netdevsim's VFs have no PCI function: sysfs is made up, as it would be. */
static void
put_nic(const char *root, const char *pf, const char *netdev, const char *vf)
{
    g_autofree char *net = g_strdup_printf("bus/pci/devices/%s/net/%s/x", pf, netdev);
    g_autofree char *count = g_strdup_printf("bus/pci/devices/%s/sriov_numvfs", pf);
    g_autofree char *pf_id = g_strdup_printf("bus/pci/devices/%s/vendor", pf);
    g_autofree char *id = g_strdup_printf("bus/pci/devices/%s/vendor", vf);
    g_autofree char *virtfn = g_strdup_printf("bus/pci/devices/%s/virtfn%d", pf, VF);
    g_autofree char *physfn = g_strdup_printf("bus/pci/devices/%s/physfn", vf);
    g_autofree char *to_pf = g_strconcat("../", pf, NULL);
    g_autofree char *to_vf = g_strconcat("../", vf, NULL);

    put_file(root, net, "");
    put_file(root, count, "2\n");
    put_file(root, pf_id, "0x15b3\n");
    put_file(root, id, "0x15b3\n");
    put_link(root, virtfn, to_vf);
    put_link(root, physfn, to_pf);
}

static VtNetlink *
open_tape(gpointer user, GError **error)
{
    return netlink_tape_netlink(user);
}

static void
test_choice(void)
{
    g_autofree char *root = g_dir_make_tmp("vt-netdevsim-XXXXXX", NULL);
    const char *const remove[] = { "rm", "-rf", root, NULL };
    VtPciHost pci = { .root = root };
    VtNetDef persistent = { .type = VT_NET_BRIDGE, .mac = guest_mac, .target_dev = (char *)STANDBY };
    VtNetDef transient = {
        .type = VT_NET_HOSTDEV, .mac = guest_mac, .has_host = TRUE, .host = { .bus = 0x3b, .slot = 2 }
    };
    VtTeam team = { .persistent = &persistent, .transient_net = &transient };
    VtDatapathHost host = { .pci = &pci, .open = open_tape };
    Machine machine;
    g_autofree char *why = NULL, *why_not = NULL;

    put_nic(root, "0000:3b:00.0", PF, "0000:3b:02.0");
    put_nic(root, "0000:5e:00.0", "ens2", "0000:5e:02.0");
    machine_up(&machine, "choice", FALSE);
    host.user = machine.tape;
    if (!vt_datapath_choose_on(&host, &team, root, &machine.backend, &why))
        g_error("%s", why);
    g_assert_cmpstr(machine.backend.funcs->name, ==, "switchdev");
    g_assert_cmpstr(
        why, ==, "the primary is VF 1 of 'ens1f0', which is in switchdev mode, and 'ens1f0_1' stands for it");
    vt_backend_clear(&machine.backend);
    transient.host.bus = 0x5e;
    g_assert_false(vt_datapath_choose_on(&host, &team, root, &machine.backend, &why_not));
    g_assert_cmpstr(why_not, ==, "the primary's PF 'ens2' is no port of the standby's bridge");
    machine_down(&machine);
    g_assert_true(
        g_spawn_sync(NULL, (char **)remove, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (G_BYTE_ORDER != G_LITTLE_ENDIAN) {
        g_print("1..0 # SKIP the recordings are of a little-endian machine\n");
        return 0;
    }
    g_test_add_func("/util/representor/are-found-on-netdevsim", test_find);
    for (gsize i = 0; i < G_N_ELEMENTS(stories); i++) {
        g_autofree char *path = g_strdup_printf("/datapath/switchdev/recorded/%s", stories[i].name);

        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_story);
    }
    g_test_add_func("/datapath/switchdev/recorded/the-next-daemon", test_heir);
    g_test_add_func("/datapath/switchdev/recorded/refusals", test_refusals);
    g_test_add_func("/driver/datapath-choose/recorded", test_choice);
    return g_test_run();
}
