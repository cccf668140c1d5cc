/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An event goes to the handover; where that wants another feed than the one in force, a thread makes it so, in three
 * parts: the back end reads and notes what it will change (thread), the note goes to the disk (only when it grew), the
 * back end applies (thread). What is wanted while that goes on is done next, and only the newest of it.
 */
#define VT_LOG_DOMAIN "virtteam-driver-datapath"

#include "driver/datapath-team.h"

#include "driver/job.h"
#include "driver/team-keep.h"
#include "qemu/net-buffer.h"
#include "util/deadline.h"
#include "util/log.h"
#include "util/message-id.h"

#define DATAPATH_TEAM_LOOK_MS 20
#define DATAPATH_TEAM_SIGHT_MS                                                                               \
    5 /* an emulated NIC: what the guest is sent between its taking it and our look is lost */
#define DATAPATH_TEAM_UNSURE_SIGHT 20
#define DATAPATH_TEAM_WATCH_MS     1000
#define DATAPATH_TEAM_KEEP_MS      1000 /* a guest that takes longer to give up its primary is not waited for */
#define DATAPATH_TEAM_HOLD_MS      2000
#define DATAPATH_TEAM_HOLD_LOOKS   2 /* what was started anew needs a moment before it can be told anything */
#define DATAPATH_TEAM_HOLD_RARE    32 /* so many looks between two attempts at the most */
#define DATAPATH_TEAM_SILENT       2  /* a driver that resets its device is silent for a moment */
#define DATAPATH_TEAM_UNSURE       50 /* one look of so many when nothing has been seen for a long time */

typedef struct {
    VtDoneFunc done;
    gpointer user;
} DatapathTeamWaiter;

/* A question to QEMU, which may be answered when the team is no more. */
typedef struct _VtDatapathTeamSight {
    VtDatapathTeam *team; /* NULL: it is gone */
} DatapathTeamSight;

static void datapath_team_drive(VtDatapathTeam *team);

VtDatapathTeam *
vt_datapath_team_new(const VtDatapathTeamFuncs *funcs, gpointer owner, const char *domain, const char *alias,
                     const char *transient)
{
    VtDatapathTeam *team = g_new0(VtDatapathTeam, 1);

    team->funcs = funcs;
    team->owner = owner;
    team->domain = g_strdup(domain);
    team->team = g_strdup(alias);
    team->transient = g_strdup(transient);
    team->waiters = g_array_new(FALSE, FALSE, sizeof(DatapathTeamWaiter));
    vt_handover_init(&team->handover, &vt_handover_params_default);
    return team;
}

void
vt_datapath_team_free(gpointer data)
{
    VtDatapathTeam *team = data;

    g_clear_handle_id(&team->tick, g_source_remove);
    g_clear_handle_id(&team->look, g_source_remove);
    g_clear_handle_id(&team->watch, g_source_remove);
    g_clear_handle_id(&team->hold, g_source_remove);
    vt_datapath_eject_free(team->eject);
    if (team->asking)
        team->asking->team = NULL;
    if (team->backend.funcs)
        team->backend.funcs->free(team->backend.state);
    g_clear_pointer(&team->note, json_object_unref);
    g_array_unref(team->waiters);
    g_free(team->domain);
    g_free(team->team);
    g_free(team->transient);
    g_free(team->model);
    g_free(team->why);
    g_free(team->error);
    g_free(team);
}

/* ---- making it so ---- */

void
vt_datapath_team_keep_note(VtDatapathTeam *team)
{
    g_clear_pointer(&team->note, json_object_unref);
    if (team->backend.funcs)
        team->note = team->backend.funcs->note(team->backend.state);
}

static void
datapath_team_tell_waiters(VtDatapathTeam *team)
{
    g_autoptr(GArray) waiters = g_steal_pointer(&team->waiters);

    team->waiters = g_array_new(FALSE, FALSE, sizeof(DatapathTeamWaiter));
    for (guint i = 0; i < waiters->len; i++) {
        const DatapathTeamWaiter *waiter = &g_array_index(waiters, DatapathTeamWaiter, i);

        waiter->done(waiter->user, NULL);
    }
}

/* At the second look, the fourth, the eighth ..., as long as it fails. */
static gboolean
datapath_team_sets_again(guint looks)
{
    return looks >= DATAPATH_TEAM_HOLD_LOOKS &&
           (looks % DATAPATH_TEAM_HOLD_RARE == 0 ||
            (looks < DATAPATH_TEAM_HOLD_RARE && (looks & (looks - 1)) == 0));
}

/* What was set on the host may be lost with a program of it that ends (Open vSwitch), and no event tells that. */
static gboolean
datapath_team_hold(gpointer user)
{
    VtDatapathTeam *team = user;

    if (team->busy || team->in_force != team->wanted)
        return G_SOURCE_CONTINUE;
    team->forgotten = team->backend.funcs->holds(team->backend.state) ? 0 : team->forgotten + 1;
    if (!datapath_team_sets_again(team->forgotten))
        return G_SOURCE_CONTINUE;
    vt_log_id_info(
        VT_MESSAGE_DATAPATH_FORGOTTEN, team->domain,
        "domain '%s', team '%s': what was set on the host for the team was lost when Open vSwitch was started "
        "anew; it is set again",
        team->domain, team->team);
    team->in_force = VT_FEED_COUNT;
    datapath_team_drive(team);
    return G_SOURCE_CONTINUE;
}

static void
datapath_team_set_hold(VtDatapathTeam *team)
{
    if (team->in_force == VT_FEED_RELEASED)
        g_clear_handle_id(&team->hold, g_source_remove);
    else if (!team->hold && team->backend.funcs && team->backend.funcs->holds)
        team->hold = g_timeout_add(DATAPATH_TEAM_HOLD_MS, datapath_team_hold, team);
}

static void
datapath_team_applied(VtDatapathTeam *team, const GError *error)
{
    const VtDatapathTeamFuncs *funcs = team->funcs;
    gpointer owner = team->owner;

    team->busy = FALSE;
    vt_datapath_team_keep_note(team);
    g_clear_pointer(&team->error, g_free);
    if (error) {
        team->error = g_strdup(error->message);
        vt_log_id_warning(VT_MESSAGE_DATAPATH_FAILED, team->domain,
                          "domain '%s', team '%s': the host cannot be set to feed '%s': %s", team->domain,
                          team->team, vt_feed_name(team->applying), error->message);
    } else {
        team->funcs->note(team->owner, VT_TIMELINE_DATAPATH, team->team, vt_feed_name(team->applying));
        vt_log_debug("dom=%s team=%s feed=%s", team->domain, team->team, vt_feed_name(team->applying));
    }
    /* Also after a failure: trying the same again would fail again, and the next event wants something else. */
    team->in_force = team->applying;
    datapath_team_set_hold(team);
    datapath_team_drive(team);
    if (team->in_force != VT_FEED_RELEASED)
        funcs->save_state(owner);
    funcs->unref(owner);
}

static void
datapath_team_apply_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    VtDatapathTeam *team = data;
    GError *error = NULL;

    if (team->backend.funcs->apply(team->backend.state, team->applying, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static void
datapath_team_apply_done(GObject *source, GAsyncResult *result, gpointer user)
{
    g_autoptr(GError) error = NULL;

    g_task_propagate_boolean(G_TASK(result), &error);
    datapath_team_applied(user, error);
}

static void
datapath_team_apply(VtDatapathTeam *team)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, datapath_team_apply_done, team);

    g_task_set_task_data(task, team, NULL);
    g_task_run_in_thread(task, datapath_team_apply_thread);
}

static void
datapath_team_on_disk(gpointer user, const GError *error)
{
    VtDatapathTeam *team = user;

    /* What is not on disk could not be taken back after a crash: then rather leave the host alone. */
    if (error)
        datapath_team_applied(team, error);
    else
        datapath_team_apply(team);
}

static void
datapath_team_prepare_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    VtDatapathTeam *team = data;
    GError *error = NULL;

    if (team->backend.funcs->prepare(team->backend.state, team->applying, &team->noted, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static void
datapath_team_prepare_done(GObject *source, GAsyncResult *result, gpointer user)
{
    VtDatapathTeam *team = user;
    g_autoptr(GError) error = NULL;

    if (!g_task_propagate_boolean(G_TASK(result), &error)) {
        datapath_team_applied(team, error);
        return;
    }
    vt_datapath_team_keep_note(team);
    if (team->noted)
        team->funcs->save(team->owner, datapath_team_on_disk, team);
    else
        datapath_team_apply(team);
}

static void
datapath_team_drive(VtDatapathTeam *team)
{
    g_autoptr(GTask) task = NULL;

    if (team->busy)
        return;
    if (!team->backend.funcs || team->in_force == team->wanted) {
        datapath_team_tell_waiters(team);
        return;
    }
    team->busy = TRUE;
    team->noted = FALSE;
    team->applying = team->wanted;
    team->funcs->ref(team->owner);
    task = g_task_new(NULL, NULL, datapath_team_prepare_done, team);
    g_task_set_task_data(task, team, NULL);
    g_task_run_in_thread(task, datapath_team_prepare_thread);
}

/* ---- events ---- */

void
vt_datapath_team_set_model(VtDatapathTeam *team, const char *model)
{
    if (!vt_nic_sight_knows(model))
        return;
    team->model = g_strdup(model);
    team->handover.params.copy_on_stir = TRUE;
}

void
vt_datapath_team_heed_backend(VtDatapathTeam *team)
{
    if (team->backend.funcs && team->backend.funcs->stir_limit_ms)
        team->handover.params.stir_limit_ms = team->backend.funcs->stir_limit_ms;
    if (team->backend.funcs && team->backend.funcs->arms)
        team->handover.params.copy_on_stir = team->handover.params.arm_early = TRUE;
}

/* Without that sign, copies have to begin early. */
static void
datapath_team_blind(VtDatapathTeam *team, const GError *why)
{
    vt_log_debug("dom=%s team=%s: no look at the primary: %s", team->domain, team->team, why->message);
    g_clear_pointer(&team->model, g_free);
    team->handover.params.copy_on_stir = FALSE;
    team->wanted = vt_handover_feed(&team->handover);
    datapath_team_drive(team);
}

static void datapath_team_set_watch(VtDatapathTeam *team);
static void datapath_team_set_eject(VtDatapathTeam *team);

/* A guest whose driver is unloaded takes the frames of standby, and nothing else tells the host. */
static void
datapath_team_watched(VtDatapathTeam *team, gboolean receives)
{
    VtHandoverState state = team->handover.state;

    team->silent = receives || state != VT_HANDOVER_PRIMARY ? 0 : team->silent + 1;
    if (team->silent >= DATAPATH_TEAM_SILENT) {
        vt_log_info(
            "domain '%s', team '%s': the guest's driver has let go of the primary '%s': both legs are fed "
            "until it takes it again",
            team->domain, team->team, team->transient);
        team->silent = 0;
        vt_datapath_team_tell(team, VT_HANDOVER_UNPLUG_PLANNED);
        team->deaf = TRUE;
        datapath_team_set_watch(team);
        datapath_team_set_eject(team);
    } else if (team->deaf && receives && state == VT_HANDOVER_LEAVING) {
        team->deaf = FALSE;
        vt_datapath_team_tell(team, VT_HANDOVER_UNPLUG_REVOKED);
    }
}

static void
datapath_team_seen(gpointer user, const VtNicSight *sight, const GError *error)
{
    DatapathTeamSight *asked = user;
    VtDatapathTeam *team = asked->team;
    gboolean takes;

    g_free(asked);
    if (!team)
        return;
    team->asking = NULL;
    if (error) {
        if (!g_error_matches(error, VT_ERROR, VT_ERROR_ABORTED))
            datapath_team_blind(team, error);
        return;
    }
    team->bar = sight->bar;
    datapath_team_watched(team, sight->receives);
    takes = vt_nic_pace_takes(&team->pace, sight, g_get_monotonic_time() / 1000);
    if (takes && vt_handover_wants_signs(&team->handover))
        vt_datapath_team_tell(team, VT_HANDOVER_PRIMARY_STIRS);
}

static void
datapath_team_ask(VtDatapathTeam *team)
{
    VtQmpClient *monitor = team->funcs->monitor ? team->funcs->monitor(team->owner) : NULL;
    g_autoptr(GError) error = NULL;

    if (team->asking || team->handover.state == VT_HANDOVER_STIRRING)
        return;
    if (!monitor) {
        vt_error_set(&error, VT_ERROR_ABORTED, "QEMU's monitor is not connected.");
        datapath_team_blind(team, error);
        return;
    }
    team->asking = g_new0(DatapathTeamSight, 1);
    team->asking->team = team;
    vt_nic_sight_ask(monitor, team->model, team->transient, team->bar, datapath_team_seen, team->asking);
}

/* QEMU announces a guest that arrives on its emulated primary, too; the driver is seen to open that before it speaks. */
static gboolean
datapath_team_is_spoken_for(const VtDatapathTeam *team)
{
    return team->model && team->handover.state == VT_HANDOVER_ARRIVING;
}

static gboolean
datapath_team_look(gpointer user)
{
    VtDatapathTeam *team = user;
    VtLifeSigns signs;

    if (team->handover.state == VT_HANDOVER_UNSURE &&
        ++team->looks % (team->model ? DATAPATH_TEAM_UNSURE_SIGHT : DATAPATH_TEAM_UNSURE) != 0)
        return G_SOURCE_CONTINUE;
    if (team->model)
        datapath_team_ask(team);
    /* The handle of the back end belongs to the thread while one works. */
    if (team->busy || !team->backend.funcs->look || !team->backend.funcs->look(team->backend.state, &signs))
        return G_SOURCE_CONTINUE;
    if (!team->has_frames) {
        team->has_frames = TRUE;
        team->frames = signs.frames;
    }
    if (signs.frames > team->frames) {
        team->frames = signs.frames;
        if (!datapath_team_is_spoken_for(team))
            vt_datapath_team_tell(team, VT_HANDOVER_PRIMARY_SPEAKS);
    } else if (signs.stirs) {
        vt_datapath_team_tell(team, VT_HANDOVER_PRIMARY_STIRS);
    }
    return G_SOURCE_CONTINUE;
}

/* Where the counter stands before the guest has had time to speak: a frame that comes later is a sign. */
static void
datapath_team_look_first(VtDatapathTeam *team)
{
    VtLifeSigns signs;

    if (team->busy || team->has_frames || !team->backend.funcs->look(team->backend.state, &signs))
        return;
    team->has_frames = TRUE;
    team->frames = signs.frames;
}

static gboolean
datapath_team_tick(gpointer user)
{
    VtDatapathTeam *team = user;

    team->tick = 0;
    vt_datapath_team_tell(team, VT_HANDOVER_TICK);
    return G_SOURCE_REMOVE;
}

static gboolean
datapath_team_can_watch(const VtDatapathTeam *team)
{
    return team->backend.funcs &&
           (team->model || (team->backend.funcs->tells_open && team->backend.funcs->look));
}

static gboolean
datapath_team_watch(gpointer user)
{
    VtDatapathTeam *team = user;
    VtLifeSigns signs;

    if (!datapath_team_can_watch(team)) {
        team->watch = 0;
        return G_SOURCE_REMOVE;
    }
    if (!team->model) {
        if (!team->busy && team->backend.funcs->look(team->backend.state, &signs))
            datapath_team_watched(team, signs.stirs);
    } else if (team->funcs->monitor && team->funcs->monitor(team->owner)) {
        datapath_team_ask(team);
    }
    return G_SOURCE_CONTINUE;
}

static void
datapath_team_set_watch(VtDatapathTeam *team)
{
    if (team->handover.state != VT_HANDOVER_LEAVING)
        team->deaf = FALSE;
    if (team->handover.state != VT_HANDOVER_PRIMARY && !team->deaf)
        g_clear_handle_id(&team->watch, g_source_remove);
    else if (!team->watch && datapath_team_can_watch(team))
        team->watch = g_timeout_add(DATAPATH_TEAM_WATCH_MS, datapath_team_watch, team);
}

/*
 * A primary that the guest has let go of by itself is none that it closes now. And a guest without net_failover hears
 * standby as soon as it has closed the primary.
 */
static void
datapath_team_set_eject(VtDatapathTeam *team)
{
    const VtDatapathEjectSpec spec = { .domain = team->domain,
                                       .persistent = team->team,
                                       .transient = team->transient,
                                       .model = team->model,
                                       .keep_ms = DATAPATH_TEAM_KEEP_MS };

    if (team->handover.state != VT_HANDOVER_LEAVING || team->deaf || !team->negotiated)
        g_clear_pointer(&team->eject, vt_datapath_eject_free);
    else if (!team->eject && vt_nic_sight_tells_closing(team->model) && team->funcs->monitor)
        team->eject = vt_datapath_eject_new(&spec, team->funcs->monitor, team->owner);
}

static void
datapath_team_set_timers(VtDatapathTeam *team)
{
    vt_deadline_set(&team->tick, team->handover.deadline_ms, datapath_team_tick, team);
    if (!vt_handover_wants_signs(&team->handover)) {
        g_clear_handle_id(&team->look, g_source_remove);
        team->has_frames = FALSE;
    } else if (!team->look && team->backend.funcs && team->backend.funcs->look) {
        team->look = g_timeout_add(team->model ? DATAPATH_TEAM_SIGHT_MS : DATAPATH_TEAM_LOOK_MS,
                                   datapath_team_look, team);
        datapath_team_look_first(team);
    }
    datapath_team_set_watch(team);
    datapath_team_set_eject(team);
}

static void
datapath_team_report(const VtDatapathTeam *team, VtHandoverReport report)
{
    const char *name = team->domain;

    switch (report) {
    case VT_HANDOVER_NOTHING_TO_REPORT:
        break;
    case VT_HANDOVER_NO_LIFE:
        vt_log_id_warning(
            VT_MESSAGE_DATAPATH_NO_LIFE, name,
            "domain '%s', team '%s': the primary '%s' was plugged, but the guest shows no sign of using "
            "it; both legs stay fed. Has it a driver for the device?",
            name, team->team, team->transient);
        break;
    case VT_HANDOVER_TOOK_OVER:
        vt_log_id_info(VT_MESSAGE_DATAPATH_TOOK_OVER, name,
                       "domain '%s', team '%s': the guest has its primary '%s'", name, team->team,
                       team->transient);
        break;
    case VT_HANDOVER_FELL_BACK:
        vt_log_id_info(VT_MESSAGE_DATAPATH_FELL_BACK, name, "domain '%s', team '%s': the guest is on standby",
                       name, team->team);
        break;
    }
}

void
vt_datapath_team_tell(VtDatapathTeam *team, VtHandoverEvent event)
{
    VtHandoverOutcome outcome;

    if (event == VT_HANDOVER_UNPLUG_PLANNED)
        team->deaf = FALSE; /* what comes back is told by whoever plans */
    if (!vt_handover_event(&team->handover, event, g_get_monotonic_time() / 1000, &outcome))
        return;
    if (outcome.from != outcome.to)
        vt_log_debug("dom=%s team=%s %s -> %s (%s)", team->domain, team->team,
                     vt_handover_state_name(outcome.from), vt_handover_state_name(outcome.to),
                     vt_handover_event_name(event));
    if (outcome.to == VT_HANDOVER_SETTLING && outcome.from != outcome.to)
        team->funcs->note(team->owner, VT_TIMELINE_REPLUGGED, team->team, NULL);
    if (event == VT_HANDOVER_PRIMARY_EXPECTED || event == VT_HANDOVER_GUEST_RESET ||
        outcome.from != outcome.to) {
        team->bar = 0; /* it may be mapped somewhere else now */
        team->pace = (VtNicPace){ 0 };
    }
    team->wanted = outcome.feed;
    datapath_team_set_timers(team);
    datapath_team_report(team, outcome.report);
    if (team->in_force == team->wanted && !team->busy && outcome.from != outcome.to && team->backend.funcs &&
        outcome.to != VT_HANDOVER_IDLE)
        team->funcs->save_state(team->owner);
    datapath_team_drive(team);
}

/* ---- what QEMU says ---- */

static gboolean
datapath_team_names(const VtQmpEvent *event, const char *member, const char *alias)
{
    JsonNode *node = event->data ? json_object_get_member(event->data, member) : NULL;

    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING &&
           g_strcmp0(json_node_get_string(node), alias) == 0;
}

/* Source: QAPI MigrationStatus. On a destination the states are READY, where none of this means anything. */
static void
datapath_team_migration(VtDatapathTeam *team, const VtDomain *domain, const VtQmpEvent *event)
{
    VtHandoverState state = team->handover.state;

    gboolean leaves = state == VT_HANDOVER_LEAVING || state == VT_HANDOVER_LOST;

    if (datapath_team_names(event, "status", "active") && leaves) {
        vt_datapath_team_tell(team, VT_HANDOVER_PRIMARY_GONE); /* wait-unplug is over */
    } else if (datapath_team_names(event, "status", "failed") ||
               datapath_team_names(event, "status", "cancelled")) {
        /* QEMU plugs again what it had unplugged, and what never went is still there. */
        if (leaves)
            vt_datapath_team_tell(team, VT_HANDOVER_UNPLUG_REVOKED);
        else if (state == VT_HANDOVER_STANDBY && team->negotiated && !vt_team_keep_is(domain, team->team))
            vt_datapath_team_tell(team, VT_HANDOVER_PRIMARY_EXPECTED);
    }
}

static void
datapath_team_resumed(VtDatapathTeam *team, const VtDomain *domain)
{
    if (team->handover.state == VT_HANDOVER_READY)
        vt_datapath_team_tell(team, team->negotiated && !vt_team_keep_is(domain, team->team)
                                        ? VT_HANDOVER_GUEST_ARRIVES
                                        : VT_HANDOVER_GUEST_ON_STANDBY);
}

void
vt_datapath_team_qmp(VtDatapathTeam *team, VtDomain *domain, const VtQmpEvent *event)
{
    if (g_str_equal(event->name, "FAILOVER_NEGOTIATED")) {
        if (!datapath_team_names(event, "device-id", team->team))
            return;
        team->negotiated = TRUE;
        vt_datapath_team_tell(team, VT_HANDOVER_PRIMARY_EXPECTED);
    } else if (g_str_equal(event->name, "UNPLUG_PRIMARY")) {
        if (datapath_team_names(event, "device-id", team->transient))
            vt_datapath_team_tell(team, VT_HANDOVER_UNPLUG_PLANNED);
    } else if (g_str_equal(event->name, "DEVICE_DELETED")) {
        if (datapath_team_names(event, "device", team->transient))
            vt_datapath_team_tell(team, VT_HANDOVER_PRIMARY_GONE);
    } else if (g_str_equal(event->name, "MIGRATION")) {
        datapath_team_migration(team, domain, event);
    } else if (g_str_equal(event->name, "STOP")) {
        if (vt_job_kind(domain) == VT_JOB_MIGRATION_OUT)
            vt_datapath_team_tell(team, VT_HANDOVER_GUEST_LEAVES);
    } else if (g_str_equal(event->name, "RESUME")) {
        datapath_team_resumed(team, domain);
    } else if (g_str_equal(event->name, "RESET")) {
        vt_datapath_team_tell(team, VT_HANDOVER_GUEST_RESET);
    }
}

/* ---- for the owner ---- */

void
vt_datapath_team_wait(VtDatapathTeam *team, VtDoneFunc done, gpointer user)
{
    DatapathTeamWaiter waiter = { .done = done, .user = user };

    g_array_append_val(team->waiters, waiter);
    datapath_team_drive(team);
}

void
vt_datapath_team_resume(VtDatapathTeam *team)
{
    datapath_team_set_timers(team);
    datapath_team_drive(team);
}

void
vt_datapath_team_let_go(VtDatapathTeam *team)
{
    VtQmpClient *monitor = team->funcs->monitor ? team->funcs->monitor(team->owner) : NULL;

    if (monitor && vt_nic_sight_tells_closing(team->model))
        vt_net_buffer_end(monitor, team->team);
}
