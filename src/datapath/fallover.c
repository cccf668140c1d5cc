/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest with net_failover listens to its primary alone for as long as that is registered, whether it has a carrier
 * or not. So feeding standby does not help a guest whose primary is dead: the primary has to leave the guest. That
 * costs an unplug and later a plug, which is why a link that is down for a moment only is waited for, and one that
 * comes back is looked at for a while before it is trusted. A link that goes down again soon after a return is
 * trusted less each time.
 *
 * Whether the primary works is known all the time, also while something is under way. It does not belong to the
 * state; but some states are possible only while it works, others only while it does not. Each of them names the
 * state in whose place it stands (its mate), and a change of the link leads from one to the other:
 *
 *     WELL -- SUSPECT      STUCK -> WELL      HEALING -- LOST      WAITING -> LOST
 *
 * LEAVING and RETURNING are what somebody else does; the link may change meanwhile, and counts when that has ended.
 */
#include "datapath/fallover.h"

#include "util/enum.h"

const VtFalloverParams vt_fallover_params_default = {
    .down_ms = 1000,
    .up_ms = 3000,
    .up_max_ms = 60000,
    .calm_ms = 60000,
    .retry_ms = 2000,
    .retry_max_ms = 60000,
};

static const char *const fallover_state_names[] = {
    [VT_FALLOVER_WELL] = "well",           [VT_FALLOVER_SUSPECT] = "suspect",
    [VT_FALLOVER_LEAVING] = "leaving",     [VT_FALLOVER_STUCK] = "stuck",
    [VT_FALLOVER_LOST] = "lost",           [VT_FALLOVER_HEALING] = "healing",
    [VT_FALLOVER_RETURNING] = "returning", [VT_FALLOVER_WAITING] = "waiting",
};
VT_ENUM_TABLE(fallover_state_names, VT_FALLOVER_STATE_COUNT);

static const char *const fallover_event_names[] = {
    [VT_FALLOVER_LINK_DOWN] = "link-down",
    [VT_FALLOVER_LINK_UP] = "link-up",
    [VT_FALLOVER_BROKEN] = "broken",
    [VT_FALLOVER_LEFT] = "left",
    [VT_FALLOVER_NOT_LEFT] = "not-left",
    [VT_FALLOVER_RETURNED] = "returned",
    [VT_FALLOVER_NOT_RETURNED] = "not-returned",
    [VT_FALLOVER_TICK] = "tick",
};
VT_ENUM_TABLE(fallover_event_names, VT_FALLOVER_EVENT_COUNT);

/* What a state becomes by the link alone. */
static const struct {
    VtFalloverState works, broken;
} fallover_mates[] = {
    [VT_FALLOVER_WELL] = { VT_FALLOVER_WELL, VT_FALLOVER_SUSPECT },
    [VT_FALLOVER_SUSPECT] = { VT_FALLOVER_WELL, VT_FALLOVER_SUSPECT },
    [VT_FALLOVER_LEAVING] = { VT_FALLOVER_LEAVING, VT_FALLOVER_LEAVING },
    [VT_FALLOVER_STUCK] = { VT_FALLOVER_WELL, VT_FALLOVER_STUCK },
    [VT_FALLOVER_LOST] = { VT_FALLOVER_HEALING, VT_FALLOVER_LOST },
    [VT_FALLOVER_HEALING] = { VT_FALLOVER_HEALING, VT_FALLOVER_LOST },
    [VT_FALLOVER_RETURNING] = { VT_FALLOVER_RETURNING, VT_FALLOVER_RETURNING },
    [VT_FALLOVER_WAITING] = { VT_FALLOVER_WAITING, VT_FALLOVER_LOST },
};
VT_ENUM_TABLE(fallover_mates, VT_FALLOVER_STATE_COUNT);

/* The next state + 1; 0: nothing follows from the event itself. */
#define TO(state) (VT_FALLOVER_##state + 1)

static const guint8 fallover_next[VT_FALLOVER_EVENT_COUNT][VT_FALLOVER_STATE_COUNT] = {
    [VT_FALLOVER_BROKEN] = { [VT_FALLOVER_WELL] = TO(LEAVING), [VT_FALLOVER_SUSPECT] = TO(LEAVING) },
    /* Also one that let go too late, after it was given up. */
    [VT_FALLOVER_LEFT] = { [VT_FALLOVER_SUSPECT] = TO(LOST),
                           [VT_FALLOVER_LEAVING] = TO(LOST),
                           [VT_FALLOVER_STUCK] = TO(LOST) },
    [VT_FALLOVER_NOT_LEFT] = { [VT_FALLOVER_LEAVING] = TO(STUCK) },
    [VT_FALLOVER_RETURNED] = { [VT_FALLOVER_RETURNING] = TO(WELL) },
    [VT_FALLOVER_NOT_RETURNED] = { [VT_FALLOVER_RETURNING] = TO(WAITING) },
    /* Only where the deadline has passed. */
    [VT_FALLOVER_TICK] = { [VT_FALLOVER_SUSPECT] = TO(LEAVING),
                           [VT_FALLOVER_STUCK] = TO(LEAVING),
                           [VT_FALLOVER_HEALING] = TO(RETURNING),
                           [VT_FALLOVER_WAITING] = TO(RETURNING) },
};

const char *
vt_fallover_state_name(VtFalloverState state)
{
    const char *name = vt_enum_name(fallover_state_names, G_N_ELEMENTS(fallover_state_names), (int)state);

    return name ? name : "unknown";
}

const char *
vt_fallover_event_name(VtFalloverEvent event)
{
    const char *name = vt_enum_name(fallover_event_names, G_N_ELEMENTS(fallover_event_names), (int)event);

    return name ? name : "unknown";
}

/* @base doubled @times times, but not beyond @most. */
static guint
fallover_doubled(guint base, guint times, guint most)
{
    return (guint)MIN((guint64)base << MIN(times, 20), MAX(base, most));
}

/* How long the present state waits for a tick; 0: it does not. */
static guint
fallover_limit(const VtFallover *fallover)
{
    const VtFalloverParams *params = &fallover->params;
    guint failures = fallover->failures ? fallover->failures - 1 : 0;

    switch (fallover->state) {
    case VT_FALLOVER_SUSPECT:
        return MAX(params->down_ms, 1);
    case VT_FALLOVER_HEALING:
        return MAX(fallover_doubled(params->up_ms, fallover->flaps, params->up_max_ms), 1);
    case VT_FALLOVER_STUCK:
    case VT_FALLOVER_WAITING:
        return MAX(fallover_doubled(params->retry_ms, failures, params->retry_max_ms), 1);
    case VT_FALLOVER_WELL:
    case VT_FALLOVER_LEAVING:
    case VT_FALLOVER_LOST:
    case VT_FALLOVER_RETURNING:
    case VT_FALLOVER_STATE_COUNT:
        break;
    }
    return 0;
}

static void
fallover_count(VtFallover *fallover, VtFalloverEvent event, VtFalloverState from, gint64 now_ms)
{
    gboolean soon =
        fallover->returned_ms >= 0 && now_ms - fallover->returned_ms < (gint64)fallover->params.calm_ms;

    if (event == VT_FALLOVER_NOT_LEFT || event == VT_FALLOVER_NOT_RETURNED)
        fallover->failures++;
    else if (fallover->state == VT_FALLOVER_WELL || fallover->state == VT_FALLOVER_LOST)
        fallover->failures = 0;
    if (event == VT_FALLOVER_RETURNED && from == VT_FALLOVER_RETURNING)
        fallover->returned_ms = now_ms;
    /* A loss is counted once, however often the guest has to be asked. */
    if (fallover->state == VT_FALLOVER_LEAVING && from != VT_FALLOVER_STUCK)
        fallover->flaps = soon ? fallover->flaps + 1 : 0;
}

/* The one place where the state changes. */
static void
fallover_set(VtFallover *fallover, VtFalloverState to, gint64 now_ms)
{
    guint limit;

    fallover->state = to;
    limit = fallover_limit(fallover);
    fallover->deadline_ms = limit ? now_ms + limit : -1;
}

static VtFalloverState
fallover_settle(VtFalloverState state, gboolean works)
{
    return works ? fallover_mates[state].works : fallover_mates[state].broken;
}

void
vt_fallover_init(VtFallover *fallover, const VtFalloverParams *params, gboolean lost, gboolean works,
                 gint64 now_ms)
{
    *fallover = (VtFallover){ .params = *params, .works = works, .returned_ms = -1, .deadline_ms = -1 };
    fallover_set(fallover, fallover_settle(lost ? VT_FALLOVER_LOST : VT_FALLOVER_WELL, works), now_ms);
}

gboolean
vt_fallover_event(VtFallover *fallover, VtFalloverEvent event, gint64 now_ms, VtFalloverOutcome *outcome)
{
    VtFalloverState from = fallover->state, to = from;
    guint8 row = (guint)event < VT_FALLOVER_EVENT_COUNT ? fallover_next[event][from] : 0;

    if (event == VT_FALLOVER_TICK && (fallover->deadline_ms < 0 || now_ms < fallover->deadline_ms))
        row = 0;
    if (event == VT_FALLOVER_LINK_UP)
        fallover->works = TRUE;
    if (event == VT_FALLOVER_LINK_DOWN || event == VT_FALLOVER_BROKEN)
        fallover->works = FALSE;
    to = fallover_settle(row ? (VtFalloverState)(row - 1) : from, fallover->works);
    *outcome = (VtFalloverOutcome){ .from = from, .to = to, .act = VT_FALLOVER_DO_NOTHING };
    if (to == from)
        return FALSE;
    fallover->state = to;
    fallover_count(fallover, event, from, now_ms);
    fallover_set(fallover, to, now_ms);
    if (to == VT_FALLOVER_LEAVING)
        outcome->act = VT_FALLOVER_DO_LEAVE;
    else if (to == VT_FALLOVER_RETURNING)
        outcome->act = VT_FALLOVER_DO_RETURN;
    return TRUE;
}

/* ---- the table, printed ---- */

/* Whether a state can be while the primary works (or does not). */
static gboolean
fallover_possible(VtFalloverState state, gboolean works)
{
    return fallover_settle(state, works) == state;
}

static VtFalloverState
fallover_try(VtFalloverState state, gboolean works, VtFalloverEvent event)
{
    VtFallover fallover = {
        .params = vt_fallover_params_default, .state = state, .works = works, .returned_ms = -1
    };
    VtFalloverOutcome outcome;

    vt_fallover_event(&fallover, event, 0, &outcome);
    return outcome.to;
}

static void
fallover_print_cell(GString *out, VtFalloverState state, VtFalloverEvent event)
{
    gboolean both = fallover_possible(state, TRUE) && fallover_possible(state, FALSE);
    VtFalloverState first = fallover_try(state, fallover_possible(state, TRUE), event);
    VtFalloverState second = both ? fallover_try(state, FALSE, event) : first;

    if (first == state && second == state)
        g_string_append(out, " - |");
    else if (first == second)
        g_string_append_printf(out, " **%s** |", fallover_state_names[first]);
    else
        g_string_append_printf(out, " **%s** or **%s** |", fallover_state_names[first],
                               fallover_state_names[second]);
}

char *
vt_fallover_to_markdown(void)
{
    GString *out = g_string_new("| event |");

    for (guint state = 0; state < VT_FALLOVER_STATE_COUNT; state++)
        g_string_append_printf(out, " in %s |", fallover_state_names[state]);
    g_string_append(out, "\n| --- |");
    for (guint state = 0; state < VT_FALLOVER_STATE_COUNT; state++)
        g_string_append(out, " --- |");
    g_string_append_c(out, '\n');
    for (guint event = 0; event < VT_FALLOVER_EVENT_COUNT; event++) {
        g_string_append_printf(out, "| `%s` |", fallover_event_names[event]);
        for (guint state = 0; state < VT_FALLOVER_STATE_COUNT; state++)
            fallover_print_cell(out, (VtFalloverState)state, (VtFalloverEvent)event);
        g_string_append_c(out, '\n');
    }
    return g_string_free(out, FALSE);
}
