/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why a switch of the host's datapath can be lossless
 *
 * A Linux guest with net_failover listens to exactly one leg at any time, by its own rule (measured, and to be
 * read in drivers/net/net_failover.c): to the primary from the moment it is registered, right after it was
 * opened, whether its link is up or not; to standby from the moment the primary is unregistered. The host sees
 * neither moment. But it need not: while it is not known which leg the guest takes, the host feeds both. The
 * frames on the other leg are dropped by the guest, so a copy too many costs nothing, and a copy missing costs
 * seconds. The states with copies are ARRIVING, UNSURE, STIRRING, SETTLING
 * and LEAVING.
 *
 * What must be known in the end is only when to stop:
 *
 *   - "stirs": the device was enabled (bus master, BARs mapped). Its driver probes; registration follows within
 *     milliseconds to a second. Where this can be seen, copies need not begin earlier (copy_on_stir): what is
 *     queued in a NIC that is not listened to yet comes out late, as a duplicate. A VF has to have the guest's MAC by then,
 *     since its driver reads it when it probes: it is armed (arm_early).
 *   - "speaks": a frame came from the primary. Something in the guest sends over it, so it is open. This may be
 *     the leg's own IPv6 chatter and not yet the master's traffic, therefore SETTLING goes on with the copies.
 *   - neither, for a long time (UNSURE): the guest has no driver for it and is on standby, or it has one and only
 *     receives, on a back end that cannot see it stir. Both legs stay fed; it is reported.
 *
 * A primary that does not work (LOST) is another matter: what is sent to a link without carrier is dropped by the bridge
 * before it could be copied. Standby is fed then, although a guest with net_failover hears it only when its primary has
 * left; a bond hears it at once.
 *
 * A guest that only receives never speaks; after it stirred, a time limit stands for the sign. Whatever the
 * guest happens to send cannot move traffic: the back end pins the guest's address to one leg and switches
 * learning off on both.
 *
 * READY is the same state on both hosts of a migration: everything is noted and prepared, but the guest's address is
 * not pinned, because it runs on the other host. On the source it begins when the CPUs stop (not when the
 * process ends: neighbours on the same bridge must reach the guest at its new place at once), on the destination
 * it ends when they run.
 */
#include "datapath/handover.h"

#include "util/enum.h"

const VtHandoverParams vt_handover_params_default = {
    .life_limit_ms = 30000,
    .stir_limit_ms = 5000,
    .settle_ms = 1000,
};

static const char *const handover_state_names[] = {
    [VT_HANDOVER_IDLE] = "idle",         [VT_HANDOVER_READY] = "ready",
    [VT_HANDOVER_STANDBY] = "standby",   [VT_HANDOVER_ARRIVING] = "arriving",
    [VT_HANDOVER_UNSURE] = "unsure",     [VT_HANDOVER_STIRRING] = "stirring",
    [VT_HANDOVER_SETTLING] = "settling", [VT_HANDOVER_PRIMARY] = "primary",
    [VT_HANDOVER_LEAVING] = "leaving",   [VT_HANDOVER_LOST] = "lost",
};
VT_ENUM_TABLE(handover_state_names, VT_HANDOVER_STATE_COUNT);

static const char *const handover_event_names[] = {
    [VT_HANDOVER_INCOMING] = "incoming",
    [VT_HANDOVER_GUEST_ON_STANDBY] = "guest-on-standby",
    [VT_HANDOVER_GUEST_ARRIVES] = "guest-arrives",
    [VT_HANDOVER_GUEST_RESET] = "guest-reset",
    [VT_HANDOVER_GUEST_LEAVES] = "guest-leaves",
    [VT_HANDOVER_GUEST_GONE] = "guest-gone",
    [VT_HANDOVER_PRIMARY_EXPECTED] = "primary-expected",
    [VT_HANDOVER_PRIMARY_STIRS] = "primary-stirs",
    [VT_HANDOVER_PRIMARY_SPEAKS] = "primary-speaks",
    [VT_HANDOVER_PRIMARY_LOST] = "primary-lost",
    [VT_HANDOVER_PRIMARY_GONE] = "primary-gone",
    [VT_HANDOVER_UNPLUG_PLANNED] = "unplug-planned",
    [VT_HANDOVER_UNPLUG_REVOKED] = "unplug-revoked",
    [VT_HANDOVER_TICK] = "tick",
};
VT_ENUM_TABLE(handover_event_names, VT_HANDOVER_EVENT_COUNT);

static const VtFeed handover_feeds[] = {
    [VT_HANDOVER_IDLE] = VT_FEED_RELEASED,           [VT_HANDOVER_READY] = VT_FEED_READY,
    [VT_HANDOVER_STANDBY] = VT_FEED_STANDBY,         [VT_HANDOVER_ARRIVING] = VT_FEED_STANDBY_COPIED,
    [VT_HANDOVER_UNSURE] = VT_FEED_STANDBY_COPIED,   [VT_HANDOVER_STIRRING] = VT_FEED_STANDBY_COPIED,
    [VT_HANDOVER_SETTLING] = VT_FEED_PRIMARY_COPIED, [VT_HANDOVER_PRIMARY] = VT_FEED_PRIMARY,
    [VT_HANDOVER_LEAVING] = VT_FEED_PRIMARY_COPIED,  [VT_HANDOVER_LOST] = VT_FEED_FALLBACK,
};
VT_ENUM_TABLE(handover_feeds, VT_HANDOVER_STATE_COUNT);

/* A row of the table below: the next state + 1, so that 0 is "makes no sense here". */
#define TO(state) (VT_HANDOVER_##state + 1)

/* An event that is true but changes nothing stays in its state: signs may be seen again, the guest may have been faster. */
static const guint8 handover_next[VT_HANDOVER_EVENT_COUNT][VT_HANDOVER_STATE_COUNT] = {
    [VT_HANDOVER_INCOMING] = {
        [VT_HANDOVER_IDLE] = TO(READY),
    },
    [VT_HANDOVER_GUEST_ON_STANDBY] = {
        [VT_HANDOVER_IDLE] = TO(STANDBY), [VT_HANDOVER_READY] = TO(STANDBY), [VT_HANDOVER_STANDBY] = TO(STANDBY),
    },
    [VT_HANDOVER_GUEST_ARRIVES] = { [VT_HANDOVER_UNSURE] = TO(ARRIVING),
        [VT_HANDOVER_IDLE] = TO(ARRIVING), [VT_HANDOVER_READY] = TO(ARRIVING),
        [VT_HANDOVER_STANDBY] = TO(ARRIVING), [VT_HANDOVER_ARRIVING] = TO(ARRIVING),
        /* After a restart of the daemon in a migration: who knows what QEMU has done meanwhile. */
        [VT_HANDOVER_STIRRING] = TO(ARRIVING), [VT_HANDOVER_SETTLING] = TO(ARRIVING),
        [VT_HANDOVER_PRIMARY] = TO(ARRIVING), [VT_HANDOVER_LEAVING] = TO(ARRIVING),
        [VT_HANDOVER_LOST] = TO(ARRIVING),
    },
    [VT_HANDOVER_GUEST_RESET] = { [VT_HANDOVER_UNSURE] = TO(ARRIVING),
        [VT_HANDOVER_STANDBY] = TO(STANDBY), [VT_HANDOVER_ARRIVING] = TO(ARRIVING),
        [VT_HANDOVER_STIRRING] = TO(ARRIVING), [VT_HANDOVER_SETTLING] = TO(ARRIVING),
        [VT_HANDOVER_PRIMARY] = TO(ARRIVING), [VT_HANDOVER_LEAVING] = TO(LEAVING),
        [VT_HANDOVER_LOST] = TO(LOST),
    },
    [VT_HANDOVER_GUEST_LEAVES] = { [VT_HANDOVER_UNSURE] = TO(READY),
        [VT_HANDOVER_READY] = TO(READY), [VT_HANDOVER_STANDBY] = TO(READY), [VT_HANDOVER_ARRIVING] = TO(READY),
        [VT_HANDOVER_STIRRING] = TO(READY), [VT_HANDOVER_SETTLING] = TO(READY), [VT_HANDOVER_PRIMARY] = TO(READY),
        [VT_HANDOVER_LEAVING] = TO(READY),
        [VT_HANDOVER_LOST] = TO(READY),
    },
    [VT_HANDOVER_GUEST_GONE] = { [VT_HANDOVER_UNSURE] = TO(IDLE),
        [VT_HANDOVER_IDLE] = TO(IDLE), [VT_HANDOVER_READY] = TO(IDLE), [VT_HANDOVER_STANDBY] = TO(IDLE),
        [VT_HANDOVER_ARRIVING] = TO(IDLE), [VT_HANDOVER_STIRRING] = TO(IDLE), [VT_HANDOVER_SETTLING] = TO(IDLE),
        [VT_HANDOVER_PRIMARY] = TO(IDLE), [VT_HANDOVER_LEAVING] = TO(IDLE),
        [VT_HANDOVER_LOST] = TO(IDLE),
    },
    [VT_HANDOVER_PRIMARY_EXPECTED] = { [VT_HANDOVER_UNSURE] = TO(ARRIVING),
        [VT_HANDOVER_READY] = TO(READY), [VT_HANDOVER_STANDBY] = TO(ARRIVING), [VT_HANDOVER_ARRIVING] = TO(ARRIVING),
        [VT_HANDOVER_STIRRING] = TO(STIRRING), [VT_HANDOVER_SETTLING] = TO(SETTLING),
        [VT_HANDOVER_PRIMARY] = TO(PRIMARY),
    },
    [VT_HANDOVER_PRIMARY_STIRS] = { [VT_HANDOVER_UNSURE] = TO(STIRRING),
        [VT_HANDOVER_STANDBY] = TO(STIRRING), [VT_HANDOVER_ARRIVING] = TO(STIRRING),
        [VT_HANDOVER_STIRRING] = TO(STIRRING), [VT_HANDOVER_SETTLING] = TO(SETTLING),
        [VT_HANDOVER_PRIMARY] = TO(PRIMARY), [VT_HANDOVER_LEAVING] = TO(LEAVING),
        [VT_HANDOVER_LOST] = TO(LOST),
    },
    [VT_HANDOVER_PRIMARY_SPEAKS] = { [VT_HANDOVER_UNSURE] = TO(SETTLING),
        [VT_HANDOVER_STANDBY] = TO(SETTLING), [VT_HANDOVER_ARRIVING] = TO(SETTLING),
        [VT_HANDOVER_STIRRING] = TO(SETTLING), [VT_HANDOVER_SETTLING] = TO(SETTLING),
        [VT_HANDOVER_PRIMARY] = TO(PRIMARY), [VT_HANDOVER_LEAVING] = TO(LEAVING),
        [VT_HANDOVER_LOST] = TO(LOST),
    },
    [VT_HANDOVER_PRIMARY_LOST] = { [VT_HANDOVER_UNSURE] = TO(UNSURE),
        [VT_HANDOVER_STANDBY] = TO(STANDBY), [VT_HANDOVER_ARRIVING] = TO(ARRIVING),
        [VT_HANDOVER_STIRRING] = TO(STIRRING), [VT_HANDOVER_SETTLING] = TO(LOST),
        [VT_HANDOVER_PRIMARY] = TO(LOST), [VT_HANDOVER_LEAVING] = TO(LOST),
        [VT_HANDOVER_LOST] = TO(LOST),
    },
    [VT_HANDOVER_PRIMARY_GONE] = { [VT_HANDOVER_UNSURE] = TO(STANDBY),
        [VT_HANDOVER_READY] = TO(READY), [VT_HANDOVER_STANDBY] = TO(STANDBY), [VT_HANDOVER_ARRIVING] = TO(STANDBY),
        [VT_HANDOVER_STIRRING] = TO(STANDBY), [VT_HANDOVER_SETTLING] = TO(STANDBY),
        [VT_HANDOVER_PRIMARY] = TO(STANDBY), [VT_HANDOVER_LEAVING] = TO(STANDBY),
        [VT_HANDOVER_LOST] = TO(STANDBY),
    },
    [VT_HANDOVER_UNPLUG_PLANNED] = { [VT_HANDOVER_UNSURE] = TO(UNSURE),
        [VT_HANDOVER_STANDBY] = TO(STANDBY), [VT_HANDOVER_ARRIVING] = TO(UNSURE),
        [VT_HANDOVER_STIRRING] = TO(LEAVING), [VT_HANDOVER_SETTLING] = TO(LEAVING),
        [VT_HANDOVER_PRIMARY] = TO(LEAVING), [VT_HANDOVER_LEAVING] = TO(LEAVING),
        [VT_HANDOVER_LOST] = TO(LOST),
    },
    [VT_HANDOVER_UNPLUG_REVOKED] = { [VT_HANDOVER_UNSURE] = TO(UNSURE),
        [VT_HANDOVER_STANDBY] = TO(STANDBY), [VT_HANDOVER_ARRIVING] = TO(ARRIVING),
        [VT_HANDOVER_STIRRING] = TO(STIRRING), [VT_HANDOVER_SETTLING] = TO(SETTLING),
        [VT_HANDOVER_PRIMARY] = TO(PRIMARY), [VT_HANDOVER_LEAVING] = TO(SETTLING),
        [VT_HANDOVER_LOST] = TO(SETTLING),
    },
    /* Only where the deadline has passed; before it, nothing changes. */
    [VT_HANDOVER_TICK] = { [VT_HANDOVER_UNSURE] = TO(UNSURE),
        [VT_HANDOVER_IDLE] = TO(IDLE), [VT_HANDOVER_READY] = TO(READY), [VT_HANDOVER_STANDBY] = TO(STANDBY),
        [VT_HANDOVER_ARRIVING] = TO(UNSURE), [VT_HANDOVER_STIRRING] = TO(SETTLING),
        [VT_HANDOVER_SETTLING] = TO(PRIMARY), [VT_HANDOVER_PRIMARY] = TO(PRIMARY), [VT_HANDOVER_LEAVING] = TO(LEAVING),
        [VT_HANDOVER_LOST] = TO(LOST),
    },
};

const char *
vt_handover_state_name(VtHandoverState state)
{
    const char *name = vt_enum_name(handover_state_names, G_N_ELEMENTS(handover_state_names), (int)state);

    return name ? name : "unknown";
}

const char *
vt_handover_event_name(VtHandoverEvent event)
{
    const char *name = vt_enum_name(handover_event_names, G_N_ELEMENTS(handover_event_names), (int)event);

    return name ? name : "unknown";
}

gboolean
vt_handover_state_parse(const char *name, VtHandoverState *state)
{
    int value = vt_enum_value(handover_state_names, G_N_ELEMENTS(handover_state_names), name);

    if (value < 0)
        return FALSE;
    *state = (VtHandoverState)value;
    return TRUE;
}

void
vt_handover_init(VtHandover *handover, const VtHandoverParams *params)
{
    *handover = (VtHandover){ .params = *params, .state = VT_HANDOVER_IDLE, .deadline_ms = -1 };
}

VtFeed
vt_handover_feed(const VtHandover *handover)
{
    if (handover->params.copy_on_stir &&
        (handover->state == VT_HANDOVER_ARRIVING || handover->state == VT_HANDOVER_UNSURE))
        return handover->params.arm_early ? VT_FEED_STANDBY_ARMED : VT_FEED_STANDBY;
    return handover_feeds[handover->state];
}

gboolean
vt_handover_wants_signs(const VtHandover *handover)
{
    return handover->state == VT_HANDOVER_ARRIVING || handover->state == VT_HANDOVER_UNSURE ||
           handover->state == VT_HANDOVER_STIRRING;
}

/* How long a state may last; 0: for ever. A guest that was reset takes its time to boot. */
static guint
handover_limit(const VtHandover *handover, VtHandoverState state, VtHandoverEvent event)
{
    if (state == VT_HANDOVER_ARRIVING && event != VT_HANDOVER_GUEST_RESET)
        return handover->params.life_limit_ms;
    if (state == VT_HANDOVER_STIRRING)
        return MAX(handover->params.stir_limit_ms, 1);
    if (state == VT_HANDOVER_SETTLING)
        return MAX(handover->params.settle_ms, 1);
    return 0;
}

static VtHandoverReport
handover_report(VtHandoverState from, VtHandoverState to, VtHandoverEvent event)
{
    if (from == to)
        return VT_HANDOVER_NOTHING_TO_REPORT;
    if (event == VT_HANDOVER_TICK && to == VT_HANDOVER_UNSURE)
        return VT_HANDOVER_NO_LIFE;
    if (to == VT_HANDOVER_PRIMARY)
        return VT_HANDOVER_TOOK_OVER;
    if (to == VT_HANDOVER_STANDBY && event == VT_HANDOVER_PRIMARY_GONE)
        return VT_HANDOVER_FELL_BACK;
    return VT_HANDOVER_NOTHING_TO_REPORT;
}

/* The one place where the state changes. */
static void
handover_set(VtHandover *handover, VtHandoverState to, VtHandoverEvent event, gint64 now_ms)
{
    guint limit = handover_limit(handover, to, event);
    gboolean again = event == VT_HANDOVER_PRIMARY_EXPECTED || event == VT_HANDOVER_GUEST_RESET;

    /* A sign seen again does not prolong the wait; a device plugged again does. */
    if (to == handover->state && !again)
        return;
    if (to == handover->state && to != VT_HANDOVER_ARRIVING)
        return;
    handover->state = to;
    handover->deadline_ms = limit ? now_ms + limit : -1;
}

gboolean
vt_handover_event(VtHandover *handover, VtHandoverEvent event, gint64 now_ms, VtHandoverOutcome *outcome)
{
    VtHandoverState from = handover->state;
    VtHandoverState to = from;
    guint8 row = (guint)event < VT_HANDOVER_EVENT_COUNT ? handover_next[event][from] : 0;
    gboolean early =
        event == VT_HANDOVER_TICK && (handover->deadline_ms < 0 || now_ms < handover->deadline_ms);

    if (row && !early) {
        to = (VtHandoverState)(row - 1);
        handover_set(handover, to, event, now_ms);
    }
    *outcome = (VtHandoverOutcome){
        .from = from,
        .to = to,
        .feed = vt_handover_feed(handover),
        .report = handover_report(from, to, event),
    };
    return row != 0;
}

void
vt_handover_resume(VtHandover *handover, VtHandoverState state, gint64 now_ms)
{
    guint limit = handover_limit(handover, state, VT_HANDOVER_PRIMARY_EXPECTED);

    handover->state = state;
    handover->deadline_ms = limit ? now_ms + limit : -1;
}

char *
vt_handover_to_markdown(void)
{
    GString *out = g_string_new("| event |");

    for (guint state = 0; state < VT_HANDOVER_STATE_COUNT; state++)
        g_string_append_printf(out, " in %s |", handover_state_names[state]);
    g_string_append(out, "\n| --- |");
    for (guint state = 0; state < VT_HANDOVER_STATE_COUNT; state++)
        g_string_append(out, " --- |");
    for (guint event = 0; event < VT_HANDOVER_EVENT_COUNT; event++) {
        g_string_append_printf(out, "\n| `%s` |", handover_event_names[event]);
        for (guint state = 0; state < VT_HANDOVER_STATE_COUNT; state++) {
            guint8 next = handover_next[event][state];

            if (!next)
                g_string_append(out, " - |");
            else if (next - 1u == state)
                g_string_append(out, " stays |");
            else
                g_string_append_printf(out, " **%s** |", handover_state_names[next - 1]);
        }
    }
    g_string_append(out, "\n\n| state | feed |\n| --- | --- |\n");
    for (guint state = 0; state < VT_HANDOVER_STATE_COUNT; state++)
        g_string_append_printf(out, "| %s | %s |\n", handover_state_names[state],
                               vt_feed_name(handover_feeds[state]));
    return g_string_free(out, FALSE);
}
