/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * 'team-unplug' runs before QEMU is told to migrate or to save. When it fails, or what comes after it does,
 * 'team-replug' follows: it looks which primaries QEMU has, and adds the others. Nothing needs to be remembered for
 * that, so it is also what a restarted daemon runs, and what answers a guest that lets go too late, after the time
 * limit has passed.
 */
#define VT_LOG_DOMAIN "virtteam-driver-team"

#include "driver/team-legs.h"

#include "driver/datapath.h"
#include "driver/domain-private.h"
#include "driver/job.h"
#include "driver/team-state.h"
#include "driver/team-wait.h"
#include "driver/timeline-log.h"
#include "util/i18n.h"
#include "util/json.h"
#include "util/log.h"
#include "util/message-id.h"

#define TEAM_LEGS_QMP_MS  30000
#define TEAM_LEGS_PLUG_MS 120000
#define TEAM_LEGS_FEED_MS 60000

/* ---- the set ---- */

static VtQmpClient *
legs_qmp(gpointer user)
{
    return vt_domain_qmp(((VtTeamLegs *)user)->domain, NULL);
}

static void
legs_leg_free(gpointer data)
{
    VtTeamLeg *leg = data;

    vt_hotplug_free(leg->op);
    g_free(leg->team);
    g_free(leg->transient);
    g_free(leg->device);
    g_free(leg);
}

VtTeamLegs *
vt_team_legs_new(VtDomain *domain, gpointer owner)
{
    VtTeamLegs *set = g_new0(VtTeamLegs, 1);

    set->refs = 1;
    set->domain = domain;
    set->owner = owner;
    set->legs = g_ptr_array_new_with_free_func(legs_leg_free);
    set->calls = vt_mig_calls_new(legs_qmp, set);
    return set;
}

void
vt_team_legs_clear(VtTeamLegs *set)
{
    g_clear_pointer(&set->seq, vt_seq_free);
    g_clear_pointer(&set->wait, vt_team_wait_free);
    vt_mig_calls_forget(set->calls);
    g_ptr_array_set_size(set->legs, 0);
    g_clear_error(&set->failure);
    set->round++;
}

void
vt_team_legs_unref(VtTeamLegs *set)
{
    if (--set->refs > 0)
        return;
    vt_team_legs_clear(set);
    vt_mig_calls_free(set->calls);
    g_ptr_array_unref(set->legs);
    g_free(set);
}

VtTeamLeg *
vt_team_legs_find(const VtTeamLegs *set, const char *transient)
{
    for (guint i = 0; i < set->legs->len; i++) {
        VtTeamLeg *leg = g_ptr_array_index(set->legs, i);

        if (g_strcmp0(leg->transient, transient) == 0)
            return leg;
    }
    return NULL;
}

VtTeamLeg *
vt_team_legs_get(VtTeamLegs *set, const char *transient)
{
    VtTeamLeg *leg = vt_team_legs_find(set, transient);

    if (leg)
        return leg;
    leg = g_new0(VtTeamLeg, 1);
    leg->set = set;
    leg->transient = g_strdup(transient);
    leg->there = TRUE;
    g_ptr_array_add(set->legs, leg);
    return leg;
}

void
vt_team_legs_event(VtTeamLegs *set, const VtQmpEvent *event)
{
    set->refs++;
    for (guint i = 0; i < set->legs->len; i++) {
        VtTeamLeg *leg = g_ptr_array_index(set->legs, i);

        if (leg->op)
            vt_hotplug_event(leg->op, event);
    }
    vt_team_legs_unref(set);
}

/* ---- steps: small parts ---- */

static void
legs_step_end(VtTeamLegs *set)
{
    if (--set->pending > 0 || !set->seq)
        return;
    if (set->failure)
        vt_seq_step_failed(set->seq, g_steal_pointer(&set->failure));
    else
        vt_seq_step_done(set->seq);
}

/* Several things are begun, and this keeps the step from ending before all are. */
static void
legs_step_begin(VtTeamLegs *set)
{
    vt_mig_calls_forget(set->calls);
    g_clear_error(&set->failure);
    set->pending = 1;
    set->round++;
}

static void
legs_note(const VtTeamLeg *leg, VtTimelineWhat what)
{
    VtTimelineLog *log = vt_domain_data(leg->set->domain, VT_TIMELINE_LOG_KEY);

    if (what == VT_TIMELINE_UNPLUG_ASKED)
        vt_job_team_asked(leg->set->domain, leg->team);
    else if (what == VT_TIMELINE_EJECTED)
        vt_job_team_ejected(leg->set->domain, leg->team);
    if (log)
        vt_timeline_log_note(log, what, leg->team, NULL);
}

static void
legs_looked(gpointer user, JsonNode *result, const GError *error)
{
    VtTeamLegs *set = user;
    JsonArray *array = result && JSON_NODE_HOLDS_ARRAY(result) ? json_node_get_array(result) : NULL;

    if (error)
        set->failure = g_error_copy(error);
    for (guint i = 0; array && i < set->legs->len; i++) {
        VtTeamLeg *leg = g_ptr_array_index(set->legs, i);

        leg->there = FALSE;
        for (guint j = 0; j < json_array_get_length(array) && !leg->there; j++)
            leg->there = g_strcmp0(vt_json_string_or(json_array_get_element(array, j), "name", NULL),
                                   leg->transient) == 0;
        if (leg->there)
            leg->lost = FALSE;
    }
    legs_step_end(set);
}

static VtStepResult
step_look(VtSeq *seq, gpointer data, GError **error)
{
    VtTeamLegs *set = data;

    legs_step_begin(set);
    return vt_mig_calls_ask(set->calls, "qom-list",
                            vt_json_node_new(vt_json_object_new("s:path", "/machine/peripheral", NULL)),
                            TEAM_LEGS_QMP_MS, legs_looked, set, error)
               ? VT_STEP_WAIT
               : VT_STEP_FAILED;
}

typedef struct {
    VtTeamLegs *set; /* with a reference */
    guint round;     /* the step that asked */
} LegsFeed;

static void
legs_fed(gpointer user, const GError *nothing)
{
    LegsFeed *feed = user;

    if (feed->set->round == feed->round)
        legs_step_end(feed->set);
    vt_team_legs_unref(feed->set);
    g_free(feed);
}

static void
legs_feed(VtTeamLegs *set, const VtTeamLeg *leg, VtHandoverEvent event)
{
    LegsFeed *feed = g_new0(LegsFeed, 1);

    feed->set = set;
    feed->round = set->round;
    set->refs++;
    set->pending++;
    vt_datapath_event(set->domain, leg->team, event, legs_fed, feed);
}

/* ---- team-unplug ---- */

static VtStepResult
legs_feed_all(VtTeamLegs *set, gboolean there, VtHandoverEvent event)
{
    legs_step_begin(set);
    for (guint i = 0; i < set->legs->len; i++) {
        const VtTeamLeg *leg = g_ptr_array_index(set->legs, i);

        if (leg->wanted && leg->there == there)
            legs_feed(set, leg, event);
    }
    legs_step_end(set);
    return VT_STEP_WAIT;
}

static VtStepResult
step_plan(VtSeq *seq, gpointer data, GError **error)
{
    return legs_feed_all(data, TRUE, VT_HANDOVER_UNPLUG_PLANNED);
}

static VtStepResult
undo_plan(VtSeq *seq, gpointer data, GError **error)
{
    return legs_feed_all(data, TRUE, VT_HANDOVER_UNPLUG_REVOKED);
}

/* Those that are in the guest, or (@late) that had their time: "'ua-a' (team 'ua-x'), 'ua-b' (team 'ua-y')". */
static char *
legs_names(const VtTeamLegs *set, gboolean late)
{
    GString *names = g_string_new(NULL);

    for (guint i = 0; i < set->legs->len; i++) {
        const VtTeamLeg *leg = g_ptr_array_index(set->legs, i);

        if (leg->wanted && leg->there && (!late || leg->late))
            g_string_append_printf(names, "%s'%s' (team '%s')", names->len ? ", " : "", leg->transient,
                                   leg->team);
    }
    return g_string_free(names, FALSE);
}

static GError *
legs_unplug_late(const VtTeamLegs *set)
{
    g_autofree char *names = legs_names(set, TRUE);
    guint longest_ms = 0;

    for (guint i = 0; i < set->legs->len; i++) {
        const VtTeamLeg *leg = g_ptr_array_index(set->legs, i);

        if (leg->late)
            longest_ms = MAX(longest_ms, leg->timeout_ms);
    }
    return g_error_new(VT_ERROR, VT_ERROR_OPERATION_FAILED,
                       _("the guest did not eject its primary network device %s within %u s, so the guest "
                         "stays here; a guest needs its driver of PCI hotplug and must run to eject it"),
                       names, (longest_ms + 500) / 1000);
}

/* One has failed, so those that have no time limit are not waited for any more. */
static void
legs_give_up_waiting(VtTeamLegs *set)
{
    for (guint i = 0; i < set->legs->len; i++) {
        VtTeamLeg *leg = g_ptr_array_index(set->legs, i);

        if (!leg->op || !leg->waits)
            continue;
        g_clear_pointer(&leg->op, vt_hotplug_free);
        set->pending--;
    }
}

static void
legs_unplugged(gpointer user, const GError *error)
{
    VtTeamLeg *leg = user;
    VtTeamLegs *set = leg->set;

    leg->op = NULL;
    if (g_error_matches(error, VT_ERROR, VT_ERROR_TIMEOUT)) {
        leg->late = TRUE;
        legs_note(leg, VT_TIMELINE_UNPLUG_TIMEOUT);
        vt_log_id_warning(VT_MESSAGE_UNPLUG_LATE, set->domain->name,
                          "domain '%s', team '%s': the guest did not let go of its primary '%s' within %u ms",
                          set->domain->name, leg->team, leg->transient, leg->timeout_ms);
        g_clear_error(&set->failure);
        set->failure = legs_unplug_late(set);
        legs_give_up_waiting(set);
    } else if (error) {
        if (!set->failure)
            set->failure =
                g_error_new(error->domain, error->code, _("primary network device '%s' (team '%s'): %s"),
                            leg->transient, leg->team, error->message);
        legs_give_up_waiting(set);
    } else {
        leg->there = FALSE;
        legs_note(leg, VT_TIMELINE_EJECTED);
    }
    if (set->pending == 1)
        g_clear_pointer(&set->wait, vt_team_wait_free);
    legs_step_end(set);
}

static VtStepResult
step_ask_guest(VtSeq *seq, gpointer data, GError **error)
{
    VtTeamLegs *set = data;
    g_autofree char *names = legs_names(set, FALSE);

    legs_step_begin(set);
    if (*names)
        set->wait = vt_team_wait_new(set->domain->name, names, VT_TEAM_WAIT_MS);
    for (guint i = 0; i < set->legs->len; i++) {
        VtTeamLeg *leg = g_ptr_array_index(set->legs, i);
        VtHotplugUnplug params = { .qmp = legs_qmp(set), .alias = leg->transient };

        leg->late = FALSE;
        if (!leg->wanted || !leg->there)
            continue;
        if (!params.qmp) {
            vt_domain_qmp(set->domain, &set->failure);
            break;
        }
        params.timeout_ms = leg->waits ? 0 : leg->timeout_ms;
        params.retry_ms = leg->retries ? leg->timeout_ms / (leg->retries + 1) : 0;
        set->pending++;
        legs_note(leg, VT_TIMELINE_UNPLUG_ASKED);
        leg->op = vt_hotplug_unplug(&params, legs_unplugged, leg);
    }
    legs_step_end(set);
    return VT_STEP_WAIT;
}

/* A guest that was asked cannot be told to forget it; should it let go later, the primary is plugged again. */
static VtStepResult
undo_ask_guest(VtSeq *seq, gpointer data, GError **error)
{
    VtTeamLegs *set = data;

    g_clear_pointer(&set->wait, vt_team_wait_free);
    for (guint i = 0; i < set->legs->len; i++)
        g_clear_pointer(&((VtTeamLeg *)g_ptr_array_index(set->legs, i))->op, vt_hotplug_free);
    return VT_STEP_DONE;
}

/* ---- team-replug ---- */

static VtStepResult
step_expect(VtSeq *seq, gpointer data, GError **error)
{
    return legs_feed_all(data, FALSE, VT_HANDOVER_PRIMARY_EXPECTED);
}

static VtStepResult
undo_expect(VtSeq *seq, gpointer data, GError **error)
{
    return legs_feed_all(data, FALSE, VT_HANDOVER_PRIMARY_GONE);
}

static void
legs_plugged(gpointer user, const GError *error)
{
    VtTeamLeg *leg = user;
    VtTeamLegs *set = leg->set;

    leg->op = NULL;
    if (error) {
        if (!set->failure)
            set->failure = g_error_new(error->domain, error->code, "'%s' (team '%s'): %s", leg->transient,
                                       leg->team, error->message);
    } else {
        leg->there = TRUE;
        leg->lost = FALSE;
        vt_team_state_plugged(set->domain, leg->team);
        legs_note(leg, VT_TIMELINE_REPLUGGED);
        vt_log_info("domain '%s': primary '%s' of team '%s' is plugged in again", set->domain->name,
                    leg->transient, leg->team);
    }
    legs_step_end(set);
}

static VtStepResult
step_plug(VtSeq *seq, gpointer data, GError **error)
{
    VtTeamLegs *set = data;

    legs_step_begin(set);
    for (guint i = 0; i < set->legs->len; i++) {
        VtTeamLeg *leg = g_ptr_array_index(set->legs, i);
        const VtHotplugPlug params = { .qmp = legs_qmp(set),
                                       .device = leg->device,
                                       .backend = VT_HOTPLUG_BACKEND_NONE };

        if (!leg->wanted || leg->there)
            continue;
        if (!params.qmp) {
            vt_domain_qmp(set->domain, &set->failure);
            break;
        }
        set->pending++;
        leg->op = vt_hotplug_plug(&params, legs_plugged, leg);
    }
    legs_step_end(set);
    return VT_STEP_WAIT;
}

static VtStepResult
undo_plug(VtSeq *seq, gpointer data, GError **error)
{
    return undo_ask_guest(seq, data, error);
}

/* ---- the tables ---- */

static const VtStep legs_unplug_steps[] = {
    { .name = "look-for-primaries",
      .waits_for = "QEMU's list of devices",
      .start = step_look,
      .timeout_ms = TEAM_LEGS_QMP_MS + 1000 },
    { .name = "plan-unplug",
      .waits_for = "the host feeds both legs",
      .start = step_plan,
      .undo = undo_plan,
      .timeout_ms = TEAM_LEGS_FEED_MS,
      .undo_timeout_ms = TEAM_LEGS_FEED_MS },
    { .name = "ask-guest",
      .waits_for = "all primaries ejected, or the time limit",
      .start = step_ask_guest,
      .undo = undo_ask_guest },
};

static const VtStep legs_replug_steps[] = {
    { .name = "look-for-primaries",
      .waits_for = "QEMU's list of devices",
      .start = step_look,
      .timeout_ms = TEAM_LEGS_QMP_MS + 1000 },
    { .name = "expect-primaries",
      .waits_for = "the host feeds both legs",
      .start = step_expect,
      .undo = undo_expect,
      .timeout_ms = TEAM_LEGS_FEED_MS,
      .undo_timeout_ms = TEAM_LEGS_FEED_MS },
    { .name = "plug",
      .waits_for = "QEMU has the devices",
      .start = step_plug,
      .undo = undo_plug,
      .timeout_ms = TEAM_LEGS_PLUG_MS },
};

static const VtSeqTable legs_unplug_table = {
    .name = "team-unplug",
    .steps = legs_unplug_steps,
    .n_steps = G_N_ELEMENTS(legs_unplug_steps),
};

static const VtSeqTable legs_replug_table = {
    .name = "team-replug",
    .steps = legs_replug_steps,
    .n_steps = G_N_ELEMENTS(legs_replug_steps),
};

const VtSeqTable *
vt_team_legs_unplug_table(void)
{
    return &legs_unplug_table;
}

const VtSeqTable *
vt_team_legs_replug_table(void)
{
    return &legs_replug_table;
}
