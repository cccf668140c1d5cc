/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A network daemon's pool of VFs, some of which cannot be had. */
#include "driver/vf-lent.h"

#include <string.h>
#include "driver/job.h"
#include "driver/net-port.h"
#include "lib/fake-vfs.h"

/* A network that lends these, each to one port at a time, the first that is free. */
#define VF_LENTTEST_POOL_MAX 12

static struct {
    GMutex lock;
    guint n; /* VFs in the pool: that of far0, and then those of near0, and then some that are not there */
    gboolean forgetful; /* lends the first again and again */
    guint lent;         /* ever */
    char *ports[VF_LENTTEST_POOL_MAX];
} vf_lenttest_pool;

static gboolean
vf_lenttest_port_create(const char *uri, const char *network, const char *xml, char **port_xml,
                        GError **error)
{
    static const char *const functions[] = { "bus='0x81' slot='0x10' function='0x0'",
                                             "bus='0x01' slot='0x10' function='0x0'",
                                             "bus='0x01' slot='0x10' function='0x2'" };
    const char *uuid = strstr(xml, "<uuid>");
    guint i = 0;

    g_mutex_lock(&vf_lenttest_pool.lock);
    while (i < vf_lenttest_pool.n && vf_lenttest_pool.ports[i] && !vf_lenttest_pool.forgetful)
        i++;
    if (i < vf_lenttest_pool.n && uuid) {
        g_autofree char *absent = g_strdup_printf("bus='0x02' slot='0x10' function='0x%x'", i % 8);

        g_free(vf_lenttest_pool.ports[i]);
        vf_lenttest_pool.ports[i] = g_strndup(uuid + strlen("<uuid>"), VT_UUID_STRING_SIZE - 1);
        vf_lenttest_pool.lent++;
        *port_xml =
            g_strdup_printf("<networkport><plug type='hostdev-pci' managed='yes'><driver name='vfio'/>"
                            "<address domain='0x0000' %s/></plug></networkport>",
                            i < G_N_ELEMENTS(functions) ? functions[i] : absent);
    } else {
        vt_error_set(error, VT_ERROR_OPERATION_INVALID, "the pool is empty");
    }
    g_mutex_unlock(&vf_lenttest_pool.lock);
    return *port_xml != NULL;
}

static gboolean
vf_lenttest_port_remove(const char *uri, const char *network, const char *port, GError **error)
{
    g_mutex_lock(&vf_lenttest_pool.lock);
    for (guint i = 0; i < VF_LENTTEST_POOL_MAX; i++)
        if (g_strcmp0(vf_lenttest_pool.ports[i], port) == 0)
            g_clear_pointer(&vf_lenttest_pool.ports[i], g_free);
    g_mutex_unlock(&vf_lenttest_pool.lock);
    return TRUE;
}

/* How many ports the network daemon has given. */
static guint
vf_lenttest_ports(void)
{
    guint n = 0;

    g_mutex_lock(&vf_lenttest_pool.lock);
    for (guint i = 0; i < VF_LENTTEST_POOL_MAX; i++)
        n += vf_lenttest_pool.ports[i] != NULL;
    g_mutex_unlock(&vf_lenttest_pool.lock);
    return n;
}

/* Nobody is at it any more, neither the guest itself, which tries whenever a VF is given back, nor the daemon. */
static gboolean
vf_lenttest_is_settled(const FakeVfs *fixture, VtDomain *domain, guint ports)
{
    return vf_lenttest_ports() == ports && vt_net_port_count(fixture->host.driver) == ports &&
           vt_job_kind(domain) == VT_JOB_NONE;
}

static void
vf_lenttest_wait_ports(const FakeVfs *fixture, VtDomain *domain, guint ports)
{
    fake_settle();
    for (guint i = 0; i < 6000 && !vf_lenttest_is_settled(fixture, domain, ports); i++) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(10000);
    }
    g_assert_true(vf_lenttest_is_settled(fixture, domain, ports));
}

static const VtNetPortClient vf_lenttest_client = { .create = vf_lenttest_port_create,
                                                    .remove = vf_lenttest_port_remove };

static VtDomain *
vf_lenttest_define_pool(FakeVfs *fixture, const char *policy, guint n)
{
    g_autofree char *extra = g_strdup_printf(
        "<metadata><v:teaming xmlns:v='urn:virtteam:domain:1'><v:team persistent='ua-standby' %s/></v:teaming>"
        "</metadata><devices><interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/>"
        "<teaming type='persistent'/><alias name='ua-standby'/></interface>"
        "<interface type='network'><source network='pool'/><mac address='52:54:00:00:00:01'/>"
        "<teaming type='transient' persistent='ua-standby'/><alias name='ua-primary'/></interface></devices>",
        policy);
    g_autofree char *xml = fake_guest_xml("pooled", "11111111-2222-3333-4444-000000000009", extra);
    g_autoptr(GError) error = NULL;
    VtDomain *domain = fake_define(fixture->host.driver, xml, 0, &error);

    g_assert_no_error(error);
    vt_net_port_set_client(fixture->host.driver, &vf_lenttest_client, 10000);
    vf_lenttest_pool.n = n;
    vf_lenttest_pool.forgetful = FALSE;
    vf_lenttest_pool.lent = 0;
    return domain;
}

/* The start of a guest for which no VF can be had, after so many were lent; nothing is left of it. (transfer full) */
static GError *
vf_lenttest_refused(FakeVfs *fixture, VtDomain *domain, guint lent)
{
    GError *error = NULL;

    vf_lenttest_pool.lent = 0;
    error = fake_vfs_start(fixture, domain);
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    g_assert_cmpuint(vf_lenttest_pool.lent, ==, lent);
    vf_lenttest_wait_ports(fixture, domain, 0);
    fake_vfs_assert_all_back(fixture);
    return error;
}

static void
test_a_vf_of_a_pool_that_cannot_be_bound(FakeVfs *fixture, gconstpointer user)
{
    VtDomain *domain = vf_lenttest_define_pool(fixture, "", 1);
    g_autoptr(GError) error = NULL;

    fixture->stubborn = "0000:81:10.0";
    error = vf_lenttest_refused(fixture, domain, 1);
    g_assert_nonnull(strstr(error->message, "interface 'ua-primary': no VF of the network 'pool' can be had: "
                                            "0000:81:10.0: "));
    g_assert_true(g_str_has_suffix(error->message, "; the pool is empty"));
}

static void
test_another_vf_of_the_pool_is_tried(FakeVfs *fixture, gconstpointer user)
{
    VtDomain *domain = vf_lenttest_define_pool(fixture, "", 3);

    fixture->stubborn = "0000:81:10.0 0000:01:10.0";
    g_assert_no_error(fake_vfs_start(fixture, domain));
    fake_vfs_expect(fixture, domain, "0000:01:10.2");
    g_assert_cmpuint(vf_lenttest_pool.lent, ==, 3);
    g_assert_cmpuint(fake_vfs_reservations(fixture), ==, 1);
    vf_lenttest_wait_ports(fixture, domain, 1);
    g_assert_nonnull(vf_lenttest_pool.ports[2]);
    g_assert_cmpstr(fake_vfs_primary(domain)->port, ==, vf_lenttest_pool.ports[2]);
    fake_vfs_stop(fixture, domain);
    vf_lenttest_wait_ports(fixture, domain, 0);
    fake_vfs_assert_all_back(fixture);
}

static void
test_all_of_the_pool_are_refused(FakeVfs *fixture, gconstpointer user)
{
    VtDomain *domain = vf_lenttest_define_pool(fixture, "", 3);
    g_autoptr(GError) error = NULL;

    fixture->stubborn = "0000:81:10.0 0000:01:10.0 0000:01:10.2";
    error = vf_lenttest_refused(fixture, domain, 3);
    g_assert_nonnull(strstr(error->message, "0000:81:10.0: "));
    g_assert_nonnull(strstr(error->message, "0000:01:10.0: "));
    g_assert_nonnull(strstr(error->message, "0000:01:10.2: "));
}

/* As long as a pool may be: not all of it is tried, and nothing twice. */
static void
test_the_search_in_a_pool_has_an_end(FakeVfs *fixture, gconstpointer user)
{
    VtDomain *domain = vf_lenttest_define_pool(fixture, "", VF_LENTTEST_POOL_MAX);
    g_autoptr(GError) error = NULL, again = NULL;

    fixture->stubborn = "0000:81:10.0 0000:01:10.0 0000:01:10.2";
    error = vf_lenttest_refused(fixture, domain, 8);
    vf_lenttest_pool.forgetful = TRUE;
    again = vf_lenttest_refused(fixture, domain, 2);
}

/* Each of the guest's own tries goes through the pool, too. */
static void
test_a_bare_guest_is_given_another_vf_of_the_pool(FakeVfs *fixture, gconstpointer user)
{
    VtDomain *domain = vf_lenttest_define_pool(fixture, "standby-only='yes'", 2);
    g_autoptr(GError) error = NULL;

    fixture->stubborn = "0000:81:10.0 0000:01:10.0";
    g_assert_no_error(fake_vfs_start(fixture, domain));
    fake_vfs_expect(fixture, domain, "");
    vf_lenttest_wait_ports(fixture, domain, 0);
    error = fake_vfs_try(domain, "ua-standby");
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    g_assert_nonnull(strstr(error->message, "0000:01:10.0: "));
    vf_lenttest_wait_ports(fixture, domain, 0);
    fixture->stubborn = "0000:81:10.0";
    g_assert_no_error(fake_vfs_try(domain, "ua-standby"));
    fake_vfs_expect(fixture, domain, "0000:01:10.0");
    vf_lenttest_wait_ports(fixture, domain, 1);
    fake_vfs_stop(fixture, domain);
    vf_lenttest_wait_ports(fixture, domain, 0);
    fake_vfs_assert_all_back(fixture);
}

static void
test_a_pool_and_standby_only(FakeVfs *fixture, gconstpointer user)
{
    VtDomain *domain = vf_lenttest_define_pool(fixture, "standby-only='yes'", 1);

    fixture->stubborn = "0000:81:10.0";
    g_assert_no_error(fake_vfs_start(fixture, domain));
    fake_vfs_expect(fixture, domain, "");
    g_assert_cmpint(fake_vfs_primary(domain)->type, ==, VT_NET_NETWORK);
    vf_lenttest_wait_ports(fixture, domain, 0);
    g_assert_cmpuint(fake_vfs_reservations(fixture), ==, 0);
    fixture->stubborn = NULL;
    g_assert_no_error(fake_vfs_try(domain, "ua-standby"));
    fake_vfs_expect(fixture, domain, "0000:81:10.0");
    vf_lenttest_wait_ports(fixture, domain, 1);
    fake_vfs_stop(fixture, domain);
    vf_lenttest_wait_ports(fixture, domain, 0);
    fake_vfs_assert_all_back(fixture);
}

#define VF_LENTTEST_ADD(path, func)                                                                          \
    g_test_add("/driver/vf-lent/" path, FakeVfs, NULL, fake_vfs_set_up, func, fake_vfs_tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK); /* what is refused is said, as it should be */
    VF_LENTTEST_ADD("a-vf-of-a-pool-that-cannot-be-bound", test_a_vf_of_a_pool_that_cannot_be_bound);
    VF_LENTTEST_ADD("another-vf-of-the-pool-is-tried", test_another_vf_of_the_pool_is_tried);
    VF_LENTTEST_ADD("all-of-the-pool-are-refused", test_all_of_the_pool_are_refused);
    VF_LENTTEST_ADD("the-search-in-a-pool-has-an-end", test_the_search_in_a_pool_has_an_end);
    VF_LENTTEST_ADD("a-pool-and-standby-only", test_a_pool_and_standby_only);
    VF_LENTTEST_ADD("a-bare-guest-is-given-another-vf-of-the-pool",
                    test_a_bare_guest_is_given_another_vf_of_the_pool);
    return g_test_run();
}
