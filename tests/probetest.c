/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Probes of NICs of the test's own (lib/fake-nic.h), in a network namespace of its own. */
#include "datapath/probe.h"

#include "lib/fake-nic.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>

static const VtMac guest = { { 0x52, 0x54, 0, 0, 0, 1 } };
static const VtMac behind = { { 0x52, 0x54, 0, 0, 0, 2 } };
static const VtMac other = { { 0x52, 0x54, 0, 0, 0, 3 } };
static const VtMac brother = { { 0x52, 0x54, 0, 0, 0, 4 } };

static VtProbeSpec
spec_of(FakeNic *nic)
{
    return (VtProbeSpec){
        .nic = fake_nic_of(nic),
        .pf = nic->pf,
        .vf = 1,
        .sibling = 0,
        .wire = nic->wire,
        .guest = guest,
        .behind = behind,
        .other = other,
        .brother = brother,
        .shots = 12,
        .interval_us = 2000,
        .rest_us = 100000, /* other tests run beside this one */
    };
}

static void
probe(VtProbeSpec *spec, VtProbeResult *result)
{
    g_autoptr(GError) error = NULL;

    vt_probe_measure(spec, result, &error);
    g_assert_no_error(error);
}

static void
set_up(FakeNic *nic, gconstpointer unused)
{
    fake_nic_init(nic);
}

static void
tear_down(FakeNic *nic, gconstpointer unused)
{
    /* A probe leaves the VFs without drivers and the PF without addresses. */
    g_assert_cmpint(nic->fds[FAKE_NIC_VF0], ==, -1);
    g_assert_cmpint(nic->fds[FAKE_NIC_VF0 + 1], ==, -1);
    g_assert_cmpuint(nic->self->len, ==, 0);
    fake_nic_clear(nic);
}

#define CELL(stage, self, from) (result.cells[VT_PROBE_STAGE_##stage][self][VT_PROBE_FROM_##from].at)

static void
test_early(FakeNic *nic, gconstpointer unused)
{
    VtProbeSpec spec = spec_of(nic);
    VtProbeConclusion conclusion;
    VtProbeResult result;

    nic->early = TRUE;
    nic->copies = FALSE;
    nic->spoofchk = TRUE;
    nic->reset_ms = 30;
    probe(&spec, &result);
    conclusion = vt_probe_plan_conclude(&result);
    g_assert_cmpint(conclusion.verdict, ==, VT_PROBE_EARLY);
    g_assert_cmpint(conclusion.from, ==, VT_PROBE_FROM_WIRE);
    g_assert_false(conclusion.late_filter);
    g_assert_false(conclusion.copies);
    g_assert_cmpuint(CELL(BEFORE, 0, WIRE), ==, VT_PROBE_AT_PF);
    g_assert_cmpuint(CELL(BEFORE, 0, SIBLING), ==, VT_PROBE_AT_WIRE);
    g_assert_cmpuint(CELL(BEFORE, 1, SIBLING), ==, VT_PROBE_AT_PF);
    g_assert_cmpuint(CELL(BEFORE, 0, PF), ==, VT_PROBE_AT_WIRE);
    g_assert_cmpuint(CELL(MAC_SET, 0, WIRE), ==, 0);
    g_assert_cmpuint(CELL(MAC_SET, 1, WIRE), ==, 0);
    g_assert_cmpuint(CELL(RESET, 0, WIRE), ==, 0);
    g_assert_cmpuint(CELL(DRIVER_UP, 0, WIRE), ==, VT_PROBE_AT_VF);
    g_assert_cmpuint(CELL(DRIVER_UP, 0, PF), ==, VT_PROBE_AT_VF);
    g_assert_cmpuint(CELL(DRIVER_GONE, 0, WIRE), ==, 0);
    g_assert_cmpuint(CELL(MAC_ZEROED, 0, WIRE), ==, VT_PROBE_AT_PF);
    g_assert_cmpuint(result.asks[VT_PROBE_ASK_VF_BROADCAST].at, ==,
                     VT_PROBE_AT_PF | VT_PROBE_AT_SIBLING | VT_PROBE_AT_WIRE);
    g_assert_true(result.asks[VT_PROBE_ASK_VF_AS_OTHER].asked);
    g_assert_cmpuint(result.asks[VT_PROBE_ASK_VF_AS_OTHER].at, ==, 0);
    g_assert_cmpuint(result.asks[VT_PROBE_ASK_VF_TO_BRIDGE].at, ==, VT_PROBE_AT_WIRE);
    g_assert_cmpuint(result.asks[VT_PROBE_ASK_VF_TO_BRIDGE_SELF].at, ==, VT_PROBE_AT_PF);
    g_assert_cmpuint(result.asks[VT_PROBE_ASK_PF_AS_GUEST_UP].at, ==,
                     VT_PROBE_AT_VF | VT_PROBE_AT_SIBLING | VT_PROBE_AT_WIRE);
    g_assert_true(result.driver_up && result.driver_mac && !result.no_self && !result.no_zero);
    g_assert_true(result.reset.asked && result.reset.kept);
    g_assert_cmpuint(result.reset.refused, >, 0);
    g_assert_cmpuint(result.reset.tries, >=, result.reset.refused);
}

static void
test_late(FakeNic *nic, gconstpointer unused)
{
    VtProbeSpec spec = spec_of(nic);
    VtProbeConclusion conclusion;
    VtProbeResult result;

    nic->open_pf = TRUE;
    probe(&spec, &result);
    conclusion = vt_probe_plan_conclude(&result);
    g_assert_cmpint(conclusion.verdict, ==, VT_PROBE_LATE);
    g_assert_true(conclusion.late_filter);
    g_assert_cmpuint(CELL(MAC_SET, 0, WIRE), ==, VT_PROBE_AT_PF);
    g_assert_cmpuint(CELL(BEFORE, 0, SIBLING), ==, VT_PROBE_AT_PF | VT_PROBE_AT_WIRE);
    g_assert_cmpuint(CELL(DRIVER_UP, 1, WIRE), ==, VT_PROBE_AT_VF);
    g_assert_cmpuint(CELL(DRIVER_GONE, 0, WIRE), ==, VT_PROBE_AT_PF);
    g_assert_cmpuint(result.asks[VT_PROBE_ASK_VF_AS_OTHER].at, ==,
                     VT_PROBE_AT_PF | VT_PROBE_AT_SIBLING | VT_PROBE_AT_WIRE);
}

static void
test_both(FakeNic *nic, gconstpointer unused)
{
    VtProbeSpec spec = spec_of(nic);
    VtProbeConclusion conclusion;
    VtProbeResult result;

    nic->copies = TRUE;
    probe(&spec, &result);
    conclusion = vt_probe_plan_conclude(&result);
    g_assert_cmpint(conclusion.verdict, ==, VT_PROBE_BOTH);
    g_assert_true(conclusion.late_filter);
    g_assert_true(conclusion.copies);
    g_assert_cmpuint(CELL(DRIVER_UP, 0, WIRE), ==, VT_PROBE_AT_PF | VT_PROBE_AT_VF);
}

/* Without a cable, and with a PF that does not hear what VFs send: the `self` entry makes it a witness. */
static void
test_without_wire(FakeNic *nic, gconstpointer unused)
{
    VtProbeSpec spec = spec_of(nic);
    VtProbeConclusion conclusion;
    VtProbeResult result;

    nic->early = TRUE;
    spec.wire = 0;
    probe(&spec, &result);
    conclusion = vt_probe_plan_conclude(&result);
    g_assert_cmpint(conclusion.verdict, ==, VT_PROBE_EARLY);
    g_assert_cmpint(conclusion.from, ==, VT_PROBE_FROM_SIBLING);
    g_assert_true(conclusion.self);
    g_assert_false(result.cells[VT_PROBE_STAGE_BEFORE][0][VT_PROBE_FROM_WIRE].asked);
    g_assert_cmpuint(CELL(BEFORE, 0, SIBLING), ==, 0);
}

/* One VF, no cable: nothing can be seen but that the VF works. */
static void
test_alone(FakeNic *nic, gconstpointer unused)
{
    VtProbeSpec spec = spec_of(nic);
    VtProbeResult result;

    nic->no_self = TRUE;
    nic->no_zero = TRUE;
    spec.wire = 0;
    spec.sibling = -1;
    probe(&spec, &result);
    g_assert_cmpint(vt_probe_plan_conclude(&result).verdict, ==, VT_PROBE_UNKNOWN);
    g_assert_cmpuint(CELL(DRIVER_UP, 0, PF), ==, VT_PROBE_AT_VF);
    g_assert_true(result.no_self && result.no_zero);
    g_assert_false(result.cells[VT_PROBE_STAGE_BEFORE][1][VT_PROBE_FROM_PF].asked);
    g_assert_false(result.asks[VT_PROBE_ASK_VF_TO_BRIDGE_SELF].asked);
    g_assert_false(result.cells[VT_PROBE_STAGE_MAC_ZEROED][0][VT_PROBE_FROM_PF].asked);
}

static void
test_dead_vf(FakeNic *nic, gconstpointer unused)
{
    VtProbeSpec spec = spec_of(nic);
    VtProbeConclusion conclusion;
    VtProbeResult result;

    nic->early = TRUE;
    nic->dead_vfs = TRUE;
    probe(&spec, &result);
    conclusion = vt_probe_plan_conclude(&result);
    g_assert_cmpint(conclusion.verdict, ==, VT_PROBE_UNKNOWN);
    g_assert_nonnull(strstr(conclusion.reason, "got no frames"));
}

static gboolean
stopped(gpointer user)
{
    guint *left = user;

    return *left == 0 || --*left == 0;
}

/* Wherever it is interrupted, no driver keeps a VF, and it says so; the rest is the note's affair. */
static void
test_interrupted(FakeNic *nic, gconstpointer unused)
{
    static const guint moments[] = { 1, 2, 20, 45, 60, 80, 110 };

    for (gsize i = 0; i < G_N_ELEMENTS(moments); i++) {
        VtProbeSpec spec = spec_of(nic);
        g_autoptr(GError) error = NULL;
        VtProbeResult result;
        guint left = moments[i];

        spec.rest_us = 1000;
        spec.stopped = stopped;
        spec.user = &left;
        g_assert_false(vt_probe_measure(&spec, &result, &error));
        g_assert_error(error, VT_ERROR, VT_ERROR_ABORTED);
        g_assert_cmpint(nic->fds[FAKE_NIC_VF0], ==, -1);
        g_assert_cmpint(nic->fds[FAKE_NIC_VF0 + 1], ==, -1);
    }
    g_array_set_size(nic->self, 0);
}

#define PROBE(name, test) g_test_add("/datapath/probe/" name, FakeNic, NULL, set_up, test, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (unshare(CLONE_NEWNET) < 0) {
        fprintf(stderr, "probetest needs root for a network namespace of its own: %s\n", g_strerror(errno));
        return 1;
    }
    PROBE("a-nic-that-filters-early", test_early);
    PROBE("a-nic-that-filters-late", test_late);
    PROBE("a-nic-that-copies", test_both);
    PROBE("another-vf-is-enough", test_without_wire);
    PROBE("one-vf-alone-says-nothing", test_alone);
    PROBE("a-vf-that-gets-nothing-says-nothing", test_dead_vf);
    PROBE("interrupted-anywhere", test_interrupted);
    return g_test_run();
}
