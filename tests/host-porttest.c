/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What interfaces need on the host: made, noted, removed, and found by the next daemon; with macvtaps on a real interface
 * in a network namespace of this process' own. Ports of Open vSwitch go the same way: tests/e2e/ovs.py.
 */
#include "driver/host-port.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "driver/domain-private.h"
#include "util/file.h"
#include "util/link.h"

#include "lib/make-link.h"

#define PORTTEST_NAME  "web"
#define PORTTEST_LOWER "lower0"

typedef struct {
    VtDriver driver;
    VtDriverConfig config;
    VtDomain domain;
    VtNetlink *netlink;
    char *dir, *path;
    gboolean told;
    GError *error;
} Fixture;

static void
porttest_make_veth(VtNetlink *netlink)
{
    make_link(netlink, PORTTEST_LOWER, "veth");
    g_assert_true(vt_link_set_up(netlink, PORTTEST_LOWER, TRUE, NULL));
}

static VtNetDef *
porttest_net(guint8 number, const char *lower)
{
    VtNetDef *net = g_new0(VtNetDef, 1);

    net->type = VT_NET_DIRECT;
    net->mac = (VtMac){ { 0x52, 0x54, 0, 0x77, 0, number } };
    net->has_mac = TRUE;
    net->direct_dev = g_strdup(lower);
    net->direct_mode = g_strdup("bridge");
    net->info.alias = g_strdup_printf("net%u", number);
    return net;
}

static void
porttest_set_up(Fixture *fixture, gconstpointer user)
{
    g_autoptr(GError) error = NULL;

    fixture->netlink = vt_netlink_new(&error);
    g_assert_no_error(error);
    fixture->dir = g_dir_make_tmp("vt-port-XXXXXX", &error);
    g_assert_no_error(error);
    fixture->path = g_build_filename(fixture->dir, PORTTEST_NAME ".ports", NULL);
    porttest_make_veth(fixture->netlink);
    fixture->config.state_dir = fixture->dir;
    fixture->driver.config = &fixture->config;
    vt_domain_list_init(&fixture->driver);
    fixture->domain = (VtDomain){ .refs = 1,
                                  .driver = &fixture->driver,
                                  .name = (char *)PORTTEST_NAME,
                                  .uuid = { { 1 } },
                                  .id = 1,
                                  .state = VT_DOMAIN_RUNNING };
    fixture->domain.live = vt_domain_def_new();
    fixture->domain.listeners = g_ptr_array_new_with_free_func(g_free);
    g_datalist_init(&fixture->domain.data);
    g_ptr_array_add(fixture->domain.live->nets, porttest_net(1, PORTTEST_LOWER));
    g_ptr_array_add(fixture->domain.live->nets, porttest_net(2, PORTTEST_LOWER));
    g_assert_true(vt_domain_list_insert(&fixture->driver, &fixture->domain));
}

static void
porttest_tear_down(Fixture *fixture, gconstpointer user)
{
    g_assert_true(vt_link_delete(fixture->netlink, PORTTEST_LOWER, NULL));
    vt_netlink_free(fixture->netlink);
    g_datalist_clear(&fixture->domain.data);
    g_clear_pointer(&fixture->domain.live, vt_domain_def_free);
    g_ptr_array_unref(fixture->domain.listeners);
    fixture->domain.refs = 2; /* it is not the heap's: the list must not free it */
    vt_domain_list_clear(&fixture->driver);
    g_clear_error(&fixture->error);
    vt_file_flush_async();
    g_assert_cmpint(rmdir(fixture->dir), ==, 0); /* and nothing is left on the disk */
    g_free(fixture->dir);
    g_free(fixture->path);
}

static void
porttest_done(gpointer user, const GError *error)
{
    Fixture *fixture = user;

    fixture->told = TRUE;
    g_clear_error(&fixture->error);
    if (error)
        fixture->error = g_error_copy(error);
}

static void
porttest_wait(Fixture *fixture)
{
    while (!fixture->told)
        g_main_context_iteration(NULL, TRUE);
    fixture->told = FALSE;
}

static const char *
porttest_dev(const Fixture *fixture, guint index)
{
    return ((const VtNetDef *)g_ptr_array_index(fixture->domain.live->nets, index))->target_dev;
}

static void
porttest_add(Fixture *fixture)
{
    vt_host_port_add(&fixture->domain, fixture->domain.live, VT_HOST_PORT_MACVTAP, porttest_done, fixture);
    porttest_wait(fixture);
}

static gboolean
porttest_is_up(Fixture *fixture, const char *name)
{
    VtLinkInfo info;

    g_assert_true(vt_link_get(fixture->netlink, name, &info, NULL));
    return info.up;
}

static void
porttest_qmp(Fixture *fixture, const char *name)
{
    g_autoptr(JsonObject) data = json_object_new();
    VtQmpEvent event = { .name = (char *)name, .data = data };

    vt_domain_tell_event(&fixture->domain, &event);
}

static void
porttest_remove(Fixture *fixture, const char *name)
{
    vt_host_port_remove(&fixture->domain, name, porttest_done, fixture);
    porttest_wait(fixture);
    g_assert_no_error(fixture->error);
}

static void
test_life(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *text = NULL, *first = NULL, *second = NULL;

    porttest_add(fixture);
    g_assert_no_error(fixture->error);
    first = g_strdup(porttest_dev(fixture, 0));
    second = g_strdup(porttest_dev(fixture, 1));
    g_assert_cmpstr(first, !=, second);
    text = vt_file_read(fixture->path, 65536, NULL, NULL);
    g_assert_nonnull(strstr(text, first));
    g_assert_nonnull(strstr(text, second));
    g_assert_nonnull(strstr(text, "52:54:00:77:00:02"));
    /* They are up exactly while the guest's CPUs run. */
    g_assert_false(porttest_is_up(fixture, first));
    porttest_qmp(fixture, "RESUME");
    g_assert_true(porttest_is_up(fixture, first) && porttest_is_up(fixture, second));
    porttest_qmp(fixture, "STOP");
    g_assert_false(porttest_is_up(fixture, first) || porttest_is_up(fixture, second));
    porttest_remove(fixture, first);
    g_assert_false(vt_link_exists(fixture->netlink, first));
    g_assert_true(vt_link_exists(fixture->netlink, second));
    porttest_remove(fixture, NULL);
    g_assert_false(vt_link_exists(fixture->netlink, second));
    vt_file_flush_async();
    g_assert_cmpint(access(fixture->path, F_OK), !=, 0);
    porttest_remove(fixture, NULL);
    porttest_qmp(fixture, "RESUME");
}

/* The second cannot be made: the first goes again. */
static void
test_failure(Fixture *fixture, gconstpointer unused)
{
    VtNetDef *second = g_ptr_array_index(fixture->domain.live->nets, 1);

    g_free(second->direct_dev);
    second->direct_dev = g_strdup("nowhere0");
    porttest_add(fixture);
    g_assert_error(fixture->error, VT_ERROR, VT_ERROR_NO_DEVICE);
    g_assert_nonnull(strstr(fixture->error->message, "net2"));
    g_assert_nonnull(strstr(fixture->error->message, "nowhere0"));
    g_assert_false(vt_link_exists(fixture->netlink, porttest_dev(fixture, 0)));
}

/* A note that cannot be written: nothing is made. */
static void
test_disk(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *elsewhere = g_strconcat(fixture->dir, "-moved", NULL);

    g_assert_cmpint(rename(fixture->dir, elsewhere), ==, 0);
    porttest_add(fixture);
    g_assert_nonnull(fixture->error);
    g_assert_false(vt_link_exists(fixture->netlink, porttest_dev(fixture, 0)));
    g_assert_cmpint(rename(elsewhere, fixture->dir), ==, 0);
}

/* The daemon dies; the next one finds the guest running, or not. */
static void
test_recover(Fixture *fixture, gconstpointer running)
{
    gint64 deadline = g_get_monotonic_time() + 120 * G_USEC_PER_SEC;
    const char *first;

    porttest_add(fixture);
    g_assert_no_error(fixture->error);
    first = porttest_dev(fixture, 0);
    vt_file_flush_async();
    g_datalist_clear(&fixture->domain.data);
    g_ptr_array_set_size(fixture->domain.listeners, 0);
    if (running) {
        vt_host_port_recover(&fixture->driver);
        g_assert_true(porttest_is_up(fixture, first));
        porttest_qmp(fixture, "STOP");
        g_assert_false(porttest_is_up(fixture, first));
        porttest_remove(fixture, NULL);
        g_assert_false(vt_link_exists(fixture->netlink, first));
        return;
    }
    fixture->domain.state = VT_DOMAIN_SHUTOFF;
    fixture->domain.id = -1;
    vt_host_port_recover(&fixture->driver);
    while (access(fixture->path, F_OK) == 0 && g_get_monotonic_time() < deadline)
        g_main_context_iteration(NULL, FALSE);
    g_assert_false(vt_link_exists(fixture->netlink, first));
    g_assert_false(vt_link_exists(fixture->netlink, porttest_dev(fixture, 1)));
}

/* What others have made under a name that we have noted is theirs. */
static void
test_stranger(Fixture *fixture, gconstpointer unused)
{
    const VtMac other = { { 0x52, 0x54, 0, 0x77, 0, 0x99 } };

    porttest_add(fixture);
    g_assert_no_error(fixture->error);
    g_assert_true(vt_link_set_mac(fixture->netlink, porttest_dev(fixture, 0), &other, NULL));
    porttest_remove(fixture, NULL);
    g_assert_true(vt_link_exists(fixture->netlink, porttest_dev(fixture, 0)));
    g_assert_false(vt_link_exists(fixture->netlink, porttest_dev(fixture, 1)));
}

static void
test_unreadable(Fixture *fixture, gconstpointer unused)
{
    static const char *const texts[] = {
        "nonsense",
        "{}",
        "{\"ports\":[{\"kind\":\"bond\",\"name\":\"x\",\"mac\":\"52:54:00:77:00:01\"}]}",
        "{\"ports\":[{\"kind\":\"ovs\",\"name\":\"a b\",\"mac\":\"52:54:00:77:00:01\"}]}",
        "{\"ports\":[{\"kind\":\"ovs\",\"name\":\"x\",\"mac\":\"nonsense\"}]}",
    };

    fixture->domain.state = VT_DOMAIN_SHUTOFF;
    fixture->domain.id = -1;
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_assert_true(g_file_set_contents(fixture->path, texts[i], -1, NULL));
        vt_host_port_recover(&fixture->driver);
        g_assert_cmpint(access(fixture->path, F_OK), ==, 0); /* for whoever is to look */
    }
    unlink(fixture->path);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK); /* what is unreadable is reported as an error */
    if (unshare(CLONE_NEWNET) < 0) {
        fprintf(stderr, "host-porttest needs root for a network namespace: %s\n", g_strerror(errno));
        return 1;
    }
#define ADD(path, user, func) g_test_add(path, Fixture, user, porttest_set_up, func, porttest_tear_down)
    ADD("/driver/host-port/made-noted-and-removed", NULL, test_life);
    ADD("/driver/host-port/all-or-nothing", NULL, test_failure);
    ADD("/driver/host-port/nothing-is-made-that-is-not-noted", NULL, test_disk);
    ADD("/driver/host-port/a-guest-that-runs-keeps-them", GINT_TO_POINTER(1), test_recover);
    ADD("/driver/host-port/a-guest-that-ended-loses-them", NULL, test_recover);
    ADD("/driver/host-port/what-is-somebody-elses-stays", NULL, test_stranger);
    ADD("/driver/host-port/unreadable-notes-are-kept", NULL, test_unreadable);
    return g_test_run();
}
