/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/vf.h"

#include "lib/fake-pf.h"

static const VtVfSettings full = {
    .fields = VT_VF_FIELDS_ALL,
    .mac = { { 0x52, 0x54, 0, 1, 2, 3 } },
    .vlan = 42,
    .qos = 3,
    .vlan_proto = 0x8100,
    .spoofchk = FALSE,
    .trust = TRUE,
    .link_state = VT_VF_LINK_ENABLE,
    .min_rate_mbit_per_s = 100,
    .max_rate_mbit_per_s = 1000,
};

typedef struct {
    FakePf pf;
    VtNetlink *netlink;
} Fixture;

static void
set_up(Fixture *f, gconstpointer unused)
{
    fake_pf_init(&f->pf, 7);
    f->netlink = vt_netlink_new_fake(fake_pf_answer, &f->pf);
}

static void
tear_down(Fixture *f, gconstpointer unused)
{
    vt_netlink_free(f->netlink);
}

static void
test_round_trip(Fixture *f, gconstpointer unused)
{
    VtVfSettings qinq = { .fields = VT_VF_VLAN, .vlan = 100, .qos = 1, .vlan_proto = 0x88a8 };
    g_autoptr(GError) error = NULL;
    VtVfCounters counters = { 0 };
    VtVfSettings got;

    f->pf.sent[2] = 99;
    g_assert_true(vt_vf_program(f->netlink, 7, 2, &full, 1, &error));
    g_assert_no_error(error);
    g_assert_true(vt_vf_get(f->netlink, 7, 2, &got, &counters, &error));
    g_assert_cmphex(vt_vf_diff(&full, &got), ==, 0);
    g_assert_cmphex(got.fields, ==, VT_VF_FIELDS_ALL);
    g_assert_true(counters.known);
    g_assert_cmpuint(counters.tx_packets, ==, 99);
    /* Its neighbours are untouched. */
    g_assert_true(vt_vf_get(f->netlink, 7, 1, &got, NULL, &error));
    g_assert_true(vt_mac_is_zero(&got.mac));
    g_assert_true(vt_vf_program(f->netlink, 7, 2, &qinq, 1, &error));
    g_assert_true(vt_vf_get(f->netlink, 7, 2, &got, NULL, &error));
    g_assert_cmphex(got.vlan_proto, ==, 0x88a8);
    g_assert_cmphex(vt_vf_diff(&full, &got), ==, VT_VF_VLAN);
}

static void
test_missing(Fixture *f, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    VtVfSettings got;

    g_assert_false(vt_vf_get(f->netlink, 7, FAKE_PF_VFS, &got, NULL, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_NO_DEVICE);
    g_clear_error(&error);
    g_assert_false(vt_vf_get(f->netlink, 8, 0, &got, NULL, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_SYSTEM);
}

static void
test_retry(Fixture *f, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;

    f->pf.busy = 2;
    g_assert_true(vt_vf_program(f->netlink, 7, 0, &full, 3, &error));
    g_assert_no_error(error);
    f->pf.busy = 2;
    g_assert_false(vt_vf_program(f->netlink, 7, 0, &full, 2, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_SYSTEM);
    g_assert_nonnull(strstr(error->message, "Cannot set the trust of virtual function 0"));
}

static void
test_unsupported(Fixture *f, gconstpointer unused)
{
    VtVfSettings without = full;
    g_autoptr(GError) error = NULL;

    f->pf.unsupported = VT_VF_LINK_STATE; /* as igb */
    g_assert_false(vt_vf_program(f->netlink, 7, 0, &full, 5, &error));
    g_assert_nonnull(strstr(error->message, "link state"));
    g_clear_error(&error);
    f->pf.requests = 0;
    without.fields &= ~(guint)VT_VF_LINK_STATE;
    g_assert_true(vt_vf_program(f->netlink, 7, 0, &without, 5, &error));
    g_assert_cmpuint(f->pf.requests, ==, 5);
}

static void
test_lies(Fixture *f, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;

    f->pf.lies = VT_VF_MAC | VT_VF_RATE;
    g_assert_false(vt_vf_program(f->netlink, 7, 0, &full, 2, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    g_assert_nonnull(strstr(error->message, "mac, rate"));
}

static void
test_silence(Fixture *f, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    VtVfSettings got;

    f->pf.silent = VT_VF_TRUST | VT_VF_SPOOFCHK;
    g_assert_true(vt_vf_program(f->netlink, 7, 0, &full, 1, &error));
    g_assert_true(vt_vf_get(f->netlink, 7, 0, &got, NULL, &error));
    g_assert_cmphex(got.fields, ==, VT_VF_FIELDS_ALL & ~(guint)(VT_VF_TRUST | VT_VF_SPOOFCHK));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, func) g_test_add(path, Fixture, NULL, set_up, func, tear_down)
    ADD("/util/vf/set-and-read-back", test_round_trip);
    ADD("/util/vf/missing", test_missing);
    ADD("/util/vf/retry-while-in-reset", test_retry);
    ADD("/util/vf/unsupported-is-named", test_unsupported);
    ADD("/util/vf/a-driver-that-lies-is-found-out", test_lies);
    ADD("/util/vf/a-driver-that-does-not-report-is-believed", test_silence);
    return g_test_run();
}
