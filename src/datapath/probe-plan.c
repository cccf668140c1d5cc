/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a NIC gives itself away
 *
 * Somebody sends frames to a MAC. Before a VF has it, they go somewhere: to the PF (promiscuous, or with the MAC as
 * a `self` entry), to other VFs, or out to the wire. Then the VF gets the MAC, but nobody drives the VF:
 *
 *     they go where they went:  the NIC does not filter yet
 *     they do not:              it does; they went into a VF that nobody drives     -> early
 *
 * Then a driver takes the VF, and it gets them. Where they went before,
 *
 *     they come no more:        the filter came with the driver                     -> late
 *     they still come:          everybody who has the address gets a copy           -> both
 *
 * A NIC may do differently with a VF that never had a driver since it was made (QEMU's igb does), or that was reset: the
 * VF has had one, and is looked at before and after a reset, since a guest may find it either way.
 *
 * So a witness is a sender and those who get its frames before. Which there are depends on the NIC (does a promiscuous
 * PF get what VFs send?) and on what there is to try with. What one of them says is early, is early. Else
 * they are asked in the order of their weight: frames from the wire are what a handover is about; the `self` entry changes
 * the question a little, since a NIC that copies to everybody shows "both" with it and may still filter early. Such a
 * NIC's MAC is not set ahead: while the guest is elsewhere the PF does not have the entry.
 */
#include "datapath/probe-plan.h"

#include "util/enum.h"
#include "util/i18n.h"

static const char *const probe_plan_stage_names[] = {
    [VT_PROBE_STAGE_BEFORE] = "before",
    [VT_PROBE_STAGE_MAC_SET] = "mac-set",
    [VT_PROBE_STAGE_RESET] = "reset",
    [VT_PROBE_STAGE_DRIVER_UP] = "driver-up",
    [VT_PROBE_STAGE_DRIVER_GONE] = "driver-gone",
    [VT_PROBE_STAGE_MAC_ZEROED] = "mac-zeroed",
};
VT_ENUM_TABLE(probe_plan_stage_names, VT_PROBE_STAGE_COUNT);

static const char *const probe_plan_from_names[] = {
    [VT_PROBE_FROM_WIRE] = "wire",
    [VT_PROBE_FROM_SIBLING] = "other-vf",
    [VT_PROBE_FROM_PF] = "pf",
};
VT_ENUM_TABLE(probe_plan_from_names, VT_PROBE_FROM_COUNT);

static const char *const probe_plan_ask_names[] = {
    [VT_PROBE_ASK_PF_AS_GUEST] = "pf-sends-as-guest",
    [VT_PROBE_ASK_PF_AS_GUEST_UP] = "pf-sends-as-guest-vf-up",
    [VT_PROBE_ASK_VF_BROADCAST] = "vf-broadcast",
    [VT_PROBE_ASK_VF_AS_OTHER] = "vf-sends-as-other",
    [VT_PROBE_ASK_VF_TO_BRIDGE] = "vf-to-bridge",
    [VT_PROBE_ASK_VF_TO_BRIDGE_SELF] = "vf-to-bridge-self",
};
VT_ENUM_TABLE(probe_plan_ask_names, VT_PROBE_ASK_COUNT);

static const char *const probe_plan_verdict_names[] = {
    [VT_PROBE_UNKNOWN] = "unknown",
    [VT_PROBE_EARLY] = "early",
    [VT_PROBE_LATE] = "late",
    [VT_PROBE_BOTH] = "both",
};
VT_ENUM_TABLE(probe_plan_verdict_names, VT_PROBE_VERDICT_COUNT);

static const char *const probe_plan_reasons[] = {
    [VT_PROBE_UNKNOWN] = N_("no frame that this host can see changed its way"),
    [VT_PROBE_EARLY] =
        N_("frames to the VF's MAC did not arrive where they did before as soon as it was set, "
           "with no driver on the VF"),
    [VT_PROBE_LATE] =
        N_("frames to the VF's MAC arrived where they did before until a driver had the VF, and then "
           "at the VF alone"),
    [VT_PROBE_BOTH] =
        N_("with its driver up, frames to the VF's MAC arrived at the VF and where they did before"),
};
VT_ENUM_TABLE(probe_plan_reasons, VT_PROBE_VERDICT_COUNT);

/* In the order of their weight. */
static const struct {
    VtProbeFrom from;
    gboolean self;
    guint to; /* VtProbeAt: any of them */
} probe_plan_witnesses[] = {
    { .from = VT_PROBE_FROM_WIRE, .self = FALSE, .to = VT_PROBE_AT_PF | VT_PROBE_AT_SIBLING },
    { .from = VT_PROBE_FROM_SIBLING, .self = FALSE, .to = VT_PROBE_AT_PF | VT_PROBE_AT_WIRE },
    { .from = VT_PROBE_FROM_PF, .self = FALSE, .to = VT_PROBE_AT_WIRE | VT_PROBE_AT_SIBLING },
    { .from = VT_PROBE_FROM_WIRE, .self = TRUE, .to = VT_PROBE_AT_PF },
    { .from = VT_PROBE_FROM_SIBLING, .self = TRUE, .to = VT_PROBE_AT_PF },
};

void
vt_probe_plan_judge(const VtProbeShot *shots, guint n, guint listening, VtProbeCell *cell)
{
    VtProbeCell out = { .asked = n > 0, .listening = listening };
    guint first = n / 2;

    for (guint bit = 0; bit < 32; bit++) {
        guint got = 0;

        for (guint i = first; i < n; i++)
            got += (shots[i].at >> bit) & 1;
        if (got * 2 > n - first)
            out.at |= 1u << bit;
    }
    out.at &= listening;
    for (guint i = n; i >= 2 && out.settled_us == 0; i--)
        if ((shots[i - 1].at & listening) != out.at && (shots[i - 2].at & listening) != out.at)
            out.settled_us = shots[MIN(i, n - 1)].after_us;
    *cell = out;
}

static VtProbeVerdict
probe_plan_hear(const VtProbeResult *result, gsize row)
{
    VtProbeFrom from = probe_plan_witnesses[row].from;
    gsize self = probe_plan_witnesses[row].self ? 1 : 0;
    const VtProbeCell *before = &result->cells[VT_PROBE_STAGE_BEFORE][self][from];
    const VtProbeCell *set = &result->cells[VT_PROBE_STAGE_MAC_SET][self][from];
    const VtProbeCell *reset = &result->cells[VT_PROBE_STAGE_RESET][self][from];
    const VtProbeCell *up = &result->cells[VT_PROBE_STAGE_DRIVER_UP][self][from];
    guint went = before->at & probe_plan_witnesses[row].to;

    if (!before->asked || !set->asked || !up->asked || !went)
        return VT_PROBE_UNKNOWN;
    /* A VF that gets nothing in the end says nothing: there may be no filter at all. */
    if (!(up->at & VT_PROBE_AT_VF))
        return VT_PROBE_UNKNOWN;
    if ((went & ~set->at) || (reset->asked && (went & ~reset->at)))
        return VT_PROBE_EARLY;
    return up->at & went ? VT_PROBE_BOTH : VT_PROBE_LATE;
}

static gboolean
probe_plan_vf_ever_got(const VtProbeResult *result)
{
    for (gsize self = 0; self < 2; self++)
        for (gsize from = 0; from < VT_PROBE_FROM_COUNT; from++)
            if (result->cells[VT_PROBE_STAGE_DRIVER_UP][self][from].at & VT_PROBE_AT_VF)
                return TRUE;
    return FALSE;
}

static gboolean
probe_plan_copies(const VtProbeResult *result)
{
    const VtProbeCell *up = result->cells[VT_PROBE_STAGE_DRIVER_UP][1];
    const VtProbeCell *cell =
        up[VT_PROBE_FROM_WIRE].asked ? &up[VT_PROBE_FROM_WIRE] : &up[VT_PROBE_FROM_SIBLING];

    return (cell->at & VT_PROBE_AT_PF) && (cell->at & VT_PROBE_AT_VF);
}

VtProbeConclusion
vt_probe_plan_conclude(const VtProbeResult *result)
{
    VtProbeConclusion out = { .verdict = VT_PROBE_UNKNOWN, .copies = probe_plan_copies(result) };

    for (gsize i = 0; i < G_N_ELEMENTS(probe_plan_witnesses); i++) {
        VtProbeVerdict verdict = probe_plan_hear(result, i);
        gboolean early = verdict == VT_PROBE_EARLY && out.verdict != VT_PROBE_EARLY;

        /* With the entry, early says no more than that the VF goes before the PF. */
        if (verdict == VT_PROBE_UNKNOWN ||
            (out.verdict != VT_PROBE_UNKNOWN && !(early && !probe_plan_witnesses[i].self)))
            continue;
        out.verdict = verdict;
        out.from = probe_plan_witnesses[i].from;
        out.self = probe_plan_witnesses[i].self;
    }
    out.late_filter = out.verdict == VT_PROBE_LATE || (out.verdict == VT_PROBE_BOTH && !out.self);
    out.reason = probe_plan_reasons[out.verdict];
    if (out.verdict == VT_PROBE_UNKNOWN && !result->driver_up)
        out.reason = N_("the VF did not come up with its driver");
    else if (out.verdict == VT_PROBE_UNKNOWN && !probe_plan_vf_ever_got(result))
        out.reason = N_("the VF got no frames even with its driver up");
    return out;
}

const char *
vt_probe_plan_strategy(const VtProbeConclusion *conclusion)
{
    if (conclusion->late_filter)
        return N_(
            "the VF gets the guest's MAC when a guest is prepared: nothing has to be set at the handover");
    if (conclusion->copies)
        return N_(
            "the VF gets the guest's MAC at the handover, with a `self` entry on the PF: both legs are fed "
            "meanwhile");
    return N_(
        "the VF gets the guest's MAC at the handover, as late as its driver allows: frames from the wire are "
        "lost from then until the guest's driver is up");
}

static const char *
probe_plan_name(const char *const *table, gsize count, int value)
{
    const char *name = vt_enum_name(table, count, value);

    return name ? name : "unknown";
}

const char *
vt_probe_plan_stage_name(VtProbeStage stage)
{
    return probe_plan_name(probe_plan_stage_names, VT_PROBE_STAGE_COUNT, (int)stage);
}

const char *
vt_probe_plan_from_name(VtProbeFrom from)
{
    return probe_plan_name(probe_plan_from_names, VT_PROBE_FROM_COUNT, (int)from);
}

const char *
vt_probe_plan_ask_name(VtProbeAsk ask)
{
    return probe_plan_name(probe_plan_ask_names, VT_PROBE_ASK_COUNT, (int)ask);
}

const char *
vt_probe_plan_verdict_name(VtProbeVerdict verdict)
{
    return probe_plan_name(probe_plan_verdict_names, VT_PROBE_VERDICT_COUNT, (int)verdict);
}

gboolean
vt_probe_plan_verdict_parse(const char *name, VtProbeVerdict *verdict)
{
    int value = vt_enum_value(probe_plan_verdict_names, VT_PROBE_VERDICT_COUNT, name);

    if (value < 0)
        return FALSE;
    *verdict = (VtProbeVerdict)value;
    return TRUE;
}
