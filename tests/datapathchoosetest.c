/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which back end a team with a VF gets, and when the VF gets its MAC: sysfs is a tree of the test's own, a fake answers for the
 * PF's VFs, and bridge, PF and standby are the kernel's, in a network namespace of its own.
 */
#include "driver/datapath-choose.h"
#include "util/file.h"
#include "util/json.h"
#include "util/link.h"
#include "util/tap.h"

#include "lib/fake-pf.h"
#include "lib/make-bridge.h"

#include <sched.h>
#include <stdio.h>

#define PF_BDF "0000:3b:00.0"
#define VF_BDF "0000:3b:02.0"

typedef struct {
    char *root, *probes;
    VtPciHost pci;
    VtDatapathHost host;
    FakePf fake;
    VtNetlink *netlink;
    VtFd pf_fd, standby_fd;
    char pf[IF_NAMESIZE], standby[IF_NAMESIZE];
    VtNetDef persistent, transient;
    VtTeam team;
} Choice;

static void
put(Choice *c, const char *path, const char *text)
{
    g_autofree char *whole = g_strdup_printf("%s/%s", c->root, path);
    g_autofree char *dir = g_path_get_dirname(whole);

    g_assert_true(vt_file_mkdirs(dir, 0755, NULL));
    g_assert_true(g_file_set_contents(whole, text, -1, NULL));
}

static void
put_link(Choice *c, const char *path, const char *target)
{
    g_autofree char *whole = g_strdup_printf("%s/%s", c->root, path);
    g_autofree char *dir = g_path_get_dirname(whole);

    g_assert_true(vt_file_mkdirs(dir, 0755, NULL));
    g_assert_cmpint(symlink(target, whole), ==, 0);
}

static VtNetlink *
open_fake(gpointer user, GError **error)
{
    return vt_netlink_new_fake(fake_pf_answer, user);
}

static void
make_tree(Choice *c)
{
    g_autofree char *net = g_strdup_printf("bus/pci/devices/" PF_BDF "/net/%s/x", c->pf);
    g_autofree char *device = g_strdup_printf("class/net/%s/device", c->pf);

    put(c, net, "");
    put_link(c, device, "../../../" PF_BDF);
    put(c, "bus/pci/devices/" PF_BDF "/vendor", "0x8086\n");
    put(c, "bus/pci/devices/" PF_BDF "/device", "0x10c9\n");
    put(c, "bus/pci/devices/" PF_BDF "/sriov_numvfs", "1\n");
    put_link(c, "bus/pci/devices/" PF_BDF "/driver", "../../drivers/igb");
    put_link(c, "bus/pci/devices/" PF_BDF "/virtfn0", "../" VF_BDF);
    put(c, "bus/pci/devices/" VF_BDF "/vendor", "0x8086\n");
    put_link(c, "bus/pci/devices/" VF_BDF "/physfn", "../" PF_BDF);
}

static void
set_up(Choice *c, gconstpointer unused)
{
    VtTapSpec pf = { .name = "pf%d" }, standby = { .name = "vnet%d" };
    VtMac mac = { { 0x52, 0x54, 0, 1, 2, 3 } };
    VtLinkInfo link;

    c->root = g_dir_make_tmp("vt-choose-XXXXXX", NULL);
    c->probes = g_strdup_printf("%s/probe", c->root);
    c->pci = (VtPciHost){ .root = c->root };
    c->netlink = vt_netlink_new(NULL);
    make_bridge(c->netlink, "br0");
    g_assert_true(vt_tap_open(&pf, c->pf, &c->pf_fd, NULL));
    g_assert_true(vt_tap_open(&standby, c->standby, &c->standby_fd, NULL));
    g_assert_true(vt_link_set_master(c->netlink, c->pf, "br0", NULL));
    g_assert_true(vt_link_set_master(c->netlink, c->standby, "br0", NULL));
    g_assert_true(vt_link_get(c->netlink, c->pf, &link, NULL));
    fake_pf_init(&c->fake, link.index);
    c->fake.with_kernel = TRUE;
    c->host = (VtDatapathHost){ .pci = &c->pci, .open = open_fake, .user = &c->fake };
    make_tree(c);
    c->persistent = (VtNetDef){ .type = VT_NET_BRIDGE, .mac = mac, .target_dev = c->standby };
    c->transient = (VtNetDef){
        .type = VT_NET_HOSTDEV, .mac = mac, .has_host = TRUE, .host = { .bus = 0x3b, .slot = 2 }
    };
    c->team = (VtTeam){ .persistent = &c->persistent, .transient_net = &c->transient };
}

static void
tear_down(Choice *c, gconstpointer unused)
{
    const char *argv[] = { "rm", "-rf", c->root, NULL };

    g_assert_true(
        g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
    vt_fd_clear(&c->pf_fd);
    vt_fd_clear(&c->standby_fd);
    g_assert_true(vt_link_delete(c->netlink, "br0", NULL));
    vt_netlink_free(c->netlink);
    g_free(c->root);
    g_free(c->probes);
}

static const struct {
    const char *name;
    const char *report; /* NULL: never probed */
    gboolean ahead;
    const char *why; /* a part of it */
} reports[] = {
    { "never-probed", NULL, FALSE, "it gets its MAC at the handover (it was never probed)" },
    { "early",
      "{\"vendor\":32902,\"device\":4297,\"driver\":\"igb\",\"verdict\":\"early\",\"late-filter\":false}",
      FALSE, "at the handover (its probe says 'early')" },
    { "late",
      "{\"vendor\":32902,\"device\":4297,\"driver\":\"igb\",\"verdict\":\"late\",\"late-filter\":true}", TRUE,
      "ahead (its probe says 'late')" },
    { "both",
      "{\"vendor\":32902,\"device\":4297,\"driver\":\"igb\",\"verdict\":\"both\",\"late-filter\":true}", TRUE,
      "ahead (its probe says 'both')" },
    { "another-driver",
      "{\"vendor\":32902,\"device\":4297,\"driver\":\"dpdk\",\"verdict\":\"late\",\"late-filter\":true}",
      FALSE, "is about another NIC or driver" },
    { "nonsense", "]", FALSE, "cannot be read" },
};

static void
test_report(Choice *c, gconstpointer row)
{
    gsize i = GPOINTER_TO_SIZE(row);
    g_autoptr(JsonNode) note = NULL;
    g_autofree char *why = NULL;
    VtBackend backend = { NULL };

    if (reports[i].report)
        put(c, "probe/" PF_BDF ".json", reports[i].report);
    g_assert_true(vt_datapath_choose_on(&c->host, &c->team, c->probes, &backend, &why));
    g_assert_cmpstr(backend.funcs->name, ==, "sriov");
    if (!strstr(why, reports[i].why))
        g_error("'%s' is not in '%s'", reports[i].why, why);
    note = vt_json_node_new(backend.funcs->note(backend.state));
    g_assert_cmpint(vt_json_bool_or(note, "late-filter", !reports[i].ahead), ==, reports[i].ahead);
    vt_backend_clear(&backend);
}

/* A PF beside the bridge, or a function that is no VF, cannot be switched. */
static void
test_no_uplink(Choice *c, gconstpointer unused)
{
    VtBackend backend = { NULL };
    g_autofree char *why = NULL;
    g_autofree char *again = NULL;

    g_assert_true(vt_link_set_master(c->netlink, c->pf, NULL, NULL));
    g_assert_false(vt_datapath_choose_on(&c->host, &c->team, c->probes, &backend, &why));
    g_assert_cmpstr(why, ==, "the primary's PF 'pf0' is no port of the standby's bridge");
    c->transient.host.slot = 0;
    g_assert_false(vt_datapath_choose_on(&c->host, &c->team, c->probes, &backend, &again));
    g_assert_nonnull(strstr(again, "is no virtual function"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (unshare(CLONE_NEWNET) < 0) {
        fprintf(stderr, "datapathchoosetest needs root for a network namespace of its own: %s\n",
                g_strerror(errno));
        return 1;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(reports); i++) {
        g_autofree char *path =
            g_strdup_printf("/driver/datapath-choose/the-probe-is-heard/%s", reports[i].name);

        g_test_add(path, Choice, GSIZE_TO_POINTER(i), set_up, test_report, tear_down);
    }
    g_test_add("/driver/datapath-choose/no-uplink", Choice, NULL, set_up, test_no_uplink, tear_down);
    return g_test_run();
}
