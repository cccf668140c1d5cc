/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which back end is chosen, the reason that is told, and when a VF gets its MAC: links are the kernel's, in a network namespace;
 * the VF and its PF stand in a sysfs of the test's own, and representors in answers of a fake.
 */
#include "driver/datapath-choose.h"

#include <glib/gstdio.h>
#include <sched.h>
#include <stdio.h>
#include "util/file.h"
#include "util/json.h"
#include "util/link.h"
#include "util/tap.h"

#include "lib/fake-pf.h"
#include "lib/make-link.h"

#define PF_BDF "0000:3b:00.0"
#define VF_BDF "0000:3b:02.1"

enum { STANDBY, PRIMARY, PF, LONER, LINKS };

static const char *const link_names[LINKS] = { "stand0", "prim0", "pf0", "loner0" };
static const VtMac team_mac = { { 0x52, 0x54, 0, 0xaa, 0xbb, 0xcc } };

typedef struct {
    VtNetlink *netlink;
    VtFd fds[LINKS];
    char *sysfs;
    VtPciHost pci;
    gboolean switchdev;
} Host;

/* ---- the host ---- */

static void
host_file(Host *host, const char *device, const char *file, const char *text)
{
    g_autofree char *path = g_strdup_printf("%s/bus/pci/devices/%s/%s", host->sysfs, device, file);
    g_autofree char *dir = g_path_get_dirname(path);

    g_assert_true(vt_file_mkdirs(dir, 0755, NULL));
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void
host_link(Host *host, const char *device, const char *file, const char *target)
{
    g_autofree char *path = g_strdup_printf("%s/bus/pci/devices/%s/%s", host->sysfs, device, file);

    g_assert_cmpint(symlink(target, path), ==, 0);
}

static void
host_make_sysfs(Host *host)
{
    static const char *const devices[] = { PF_BDF, VF_BDF };
    g_autofree char *net = NULL;
    g_autofree char *device = NULL;
    GError *error = NULL;

    host->sysfs = g_dir_make_tmp("vt-choose-XXXXXX", &error);
    g_assert_no_error(error);
    host->pci = (VtPciHost){ .root = host->sysfs };
    for (gsize i = 0; i < G_N_ELEMENTS(devices); i++) {
        host_file(host, devices[i], "vendor", "0x8086\n");
        host_file(host, devices[i], "device", "0x10ca\n");
        host_file(host, devices[i], "class", "0x020000\n");
    }
    host_file(host, PF_BDF, "sriov_numvfs", "4\n");
    host_file(host, PF_BDF, "sriov_totalvfs", "8\n");
    host_file(host, PF_BDF, "net/pf0/ifindex", "1\n");
    net = g_build_filename(host->sysfs, "class/net/pf0", NULL);
    device = g_build_filename(net, "device", NULL);
    g_assert_true(vt_file_mkdirs(net, 0755, NULL));
    g_assert_cmpint(symlink("../../../" PF_BDF, device), ==, 0);
    host_link(host, PF_BDF, "driver", "../../drivers/igb");
    host_link(host, PF_BDF, "virtfn1", "../" VF_BDF);
    host_link(host, VF_BDF, "physfn", "../" PF_BDF);
}

static void
host_put_port(GByteArray *reply, int index, const char *name, const char *port)
{
    struct ifinfomsg header = { .ifi_index = index };
    struct nl_msg *message = nlmsg_alloc_size(4096);

    nlmsg_put(message, 0, 0, RTM_NEWLINK, 0, NLM_F_MULTI);
    nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO);
    nla_put_string(message, IFLA_IFNAME, name);
    nla_put(message, IFLA_PHYS_SWITCH_ID, 4, "\x01\x02\x03\x04");
    nla_put_string(message, IFLA_PHYS_PORT_NAME, port);
    g_byte_array_append(reply, (guint8 *)nlmsg_hdr(message), nlmsg_hdr(message)->nlmsg_len);
    nlmsg_free(message);
}

static int
host_answer(const struct nlmsghdr *request, GByteArray *reply, gpointer user)
{
    Host *host = user;

    if (host->switchdev && request->nlmsg_type == RTM_GETLINK &&
        (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP) {
        host_put_port(reply, 100, "pf0", "p0");
        host_put_port(reply, 101, "pf0npf0vf0", "pf0vf0");
        host_put_port(reply, 102, "pf0npf0vf1", "pf0vf1");
        return 0;
    }
    return kernel_answer(request, reply);
}

static VtNetlink *
host_open(gpointer user, GError **error)
{
    return vt_netlink_new_fake(host_answer, user);
}

static void
set_up(Host *host, gconstpointer unused)
{
    host->netlink = vt_netlink_new(NULL);
    host_make_sysfs(host);
    make_link(host->netlink, "br0", "bridge");
    for (guint i = 0; i < LINKS; i++) {
        VtTapSpec tap = { .name = link_names[i] };
        char name[IF_NAMESIZE];

        g_assert_true(vt_tap_open(&tap, name, &host->fds[i], NULL));
        if (i != LONER)
            g_assert_true(vt_link_set_master(host->netlink, name, "br0", NULL));
    }
}

static void
tear_down(Host *host, gconstpointer unused)
{
    g_autofree char *remove = g_strdup_printf("rm -rf '%s'", host->sysfs);

    for (guint i = 0; i < LINKS; i++)
        vt_fd_clear(&host->fds[i]);
    g_assert_true(vt_link_delete(host->netlink, "br0", NULL));
    vt_netlink_free(host->netlink);
    g_assert_cmpint(system(remove), ==, 0);
    g_free(host->sysfs);
}

/* ---- teams ---- */

typedef struct {
    const char *name;
    /* standby, primary: names of links; primary "vf": the VF, "none": a VF that is not named yet, "pf": the PF itself */
    const char *standby, *primary;
    gboolean standby_ovs, primary_ovs;
    const char *lower; /* the standby is a macvtap on it */
    gboolean switchdev, pf_alone;
    const char *backend; /* NULL: none */
    const char *says;
    const char *report; /* of 'virtteam probe'; NULL: the PF was never probed */
    gboolean ahead;     /* the VF gets its MAC ahead of the handover */
} Row;

#define REPORT(driver, verdict, late)                                                                        \
    "{\"vendor\":32902,\"device\":4298,\"driver\":\"" driver "\",\"verdict\":\"" verdict                     \
    "\",\"late-filter\":" late "}"
#define SRIOV .standby = "stand0", .primary = "vf", .backend = "sriov"

static const Row rows[] = {
    { .name = "two-ports",
      .standby = "stand0",
      .primary = "prim0",
      .backend = "bridge",
      .says = "ports of Linux bridges" },
    { .name = "two-ports-of-ovs",
      .standby = "loner0",
      .primary = "prim0",
      .standby_ovs = TRUE,
      .primary_ovs = TRUE,
      .backend = "ovs",
      .says = "ports of Open vSwitch" },
    { .name = "two-kinds-of-bridges",
      .standby = "loner0",
      .primary = "prim0",
      .standby_ovs = TRUE,
      .says = "the standby is on a bridge of Open vSwitch, the primary on a Linux bridge" },
    { .name = "standby-is-no-port", .standby = "loner0", .primary = "prim0", .says = "'loner0' is no port" },
    { .name = "primary-is-no-port", .standby = "stand0", .primary = "loner0", .says = "'loner0' is no port" },
    { .name = "standby-is-gone", .standby = "nothing0", .primary = "prim0", .says = "'nothing0'" },
    { .name = "standby-has-no-interface", .primary = "prim0", .says = "the standby has no interface" },
    { .name = "vf-of-the-uplink",
      .standby = "stand0",
      .primary = "vf",
      .backend = "sriov",
      .says = "VF 1 of 'pf0'" },
    { .name = "vf-of-another-nic",
      .standby = "stand0",
      .primary = "vf",
      .pf_alone = TRUE,
      .says = "'pf0' is no port of the standby's bridge" },
    { .name = "never-probed", SRIOV, .says = "it gets its MAC at the handover (it was never probed)" },
    { .name = "probed-early",
      SRIOV,
      .report = REPORT("igb", "early", "false"),
      .says = "at the handover (its probe says 'early')" },
    { .name = "probed-late",
      SRIOV,
      .report = REPORT("igb", "late", "true"),
      .ahead = TRUE,
      .says = "ahead (its probe says 'late')" },
    { .name = "probed-both",
      SRIOV,
      .report = REPORT("igb", "both", "true"),
      .ahead = TRUE,
      .says = "ahead (its probe says 'both')" },
    { .name = "probed-with-another-driver",
      SRIOV,
      .report = REPORT("dpdk", "late", "true"),
      .says = "is about another NIC or driver" },
    { .name = "a-probe-that-says-nonsense", SRIOV, .report = "]", .says = "cannot be read" },
    { .name = "no-virtual-function", .standby = "stand0", .primary = "pf", .says = "is no virtual function" },
    { .name = "vf-not-known-yet", .standby = "stand0", .primary = "none", .says = "no host device yet" },
    { .name = "legacy-vf-and-ovs",
      .standby = "loner0",
      .primary = "vf",
      .standby_ovs = TRUE,
      .says = "'pf0' is not in switchdev mode" },
    { .name = "representor",
      .standby = "stand0",
      .primary = "vf",
      .switchdev = TRUE,
      .backend = "switchdev",
      .says = "'pf0npf0vf1' stands for it" },
    { .name = "representor-and-ovs",
      .standby = "loner0",
      .primary = "vf",
      .standby_ovs = TRUE,
      .switchdev = TRUE,
      .backend = "switchdev",
      .says = "'pf0npf0vf1' stands for it" },
    { .name = "macvtap-on-the-pf",
      .standby = "macvtap0",
      .lower = "pf0",
      .primary = "vf",
      .backend = "macvtap",
      .says = "is a macvtap on 'pf0'" },
    { .name = "macvtap-elsewhere",
      .standby = "macvtap0",
      .lower = "prim0",
      .primary = "vf",
      .says = "is a macvtap on 'prim0', the primary is VF 1 of 'pf0'" },
    { .name = "macvtap-and-emulated",
      .standby = "macvtap0",
      .lower = "pf0",
      .primary = "prim0",
      .says = "only a VF of the interface below it" },
};

static VtNetDef *
make_net(const Row *row, gboolean standby)
{
    const char *name = standby ? row->standby : row->primary;
    VtNetDef *net = g_new0(VtNetDef, 1);

    net->type = standby && row->lower ? VT_NET_DIRECT : VT_NET_BRIDGE;
    net->mac = team_mac;
    net->model = g_strdup(standby ? "virtio" : "vmxnet3");
    net->virtualport.openvswitch = standby ? row->standby_ovs : row->primary_ovs;
    net->direct_dev = standby ? g_strdup(row->lower) : NULL;
    if (!standby && (g_str_equal(name, "vf") || g_str_equal(name, "none") || g_str_equal(name, "pf"))) {
        net->type = VT_NET_HOSTDEV;
        net->has_host = !g_str_equal(name, "none");
        net->host = (VtHostPci){ .bus = 0x3b };
        if (!g_str_equal(name, "pf"))
            net->host = (VtHostPci){ .bus = 0x3b, .slot = 2, .function = 1 };
    } else {
        net->target_dev = g_strdup(name);
    }
    net->info.alias = g_strdup(standby ? "ua-standby" : "ua-primary");
    return net;
}

static void
check_when(const VtBackend *backend, gboolean ahead)
{
    g_autoptr(JsonNode) note = vt_json_node_new(backend->funcs->note(backend->state));

    g_assert_cmpint(vt_json_bool_or(note, "late-filter", !ahead), ==, ahead);
}

static void
test_row(Host *host, gconstpointer data)
{
    const Row *row = data;
    const VtDatapathHost on = { .pci = &host->pci, .open = host_open, .user = host };
    g_autoptr(VtNetDef) standby = make_net(row, TRUE);
    g_autoptr(VtNetDef) primary = make_net(row, FALSE);
    const VtTeam team = { .persistent = standby, .transient_net = primary };
    g_autofree char *probes = g_build_filename(host->sysfs, "probe", NULL);
    g_autofree char *report = g_build_filename(probes, PF_BDF ".json", NULL);
    g_autofree char *why = NULL;
    VtBackend backend = { 0 };
    gboolean chosen;

    host->switchdev = row->switchdev;
    if (row->pf_alone)
        g_assert_true(vt_link_set_master(host->netlink, "pf0", NULL, NULL));
    if (row->report) {
        g_assert_true(vt_file_mkdirs(probes, 0755, NULL));
        g_assert_true(g_file_set_contents(report, row->report, -1, NULL));
    }
    chosen = vt_datapath_choose_on(&on, &team, probes, &backend, &why);
    g_test_message("%s: %s", chosen ? backend.funcs->name : "none", why);
    g_assert_cmpstr(chosen ? backend.funcs->name : NULL, ==, row->backend);
    if (!strstr(why, row->says))
        g_error("'%s' is not in '%s'", row->says, why);
    if (chosen && g_str_equal(row->backend, "sriov"))
        check_when(&backend, row->ahead);
    vt_backend_clear(&backend);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (unshare(CLONE_NEWNET) < 0) {
        fprintf(stderr, "datapath-choosetest needs root for a network namespace: %s\n", g_strerror(errno));
        return 1;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strdup_printf("/driver/datapath-choose/%s", rows[i].name);

        g_test_add(path, Host, &rows[i], set_up, test_row, tear_down);
    }
    return g_test_run();
}
