/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One VtHandover (pure) and one back end a team. An event goes to the handover; where that wants another feed
 * than the one in force, a thread makes it so, in three parts: the back end reads and notes what it will change
 * (thread), the note goes to the disk (only when it grew), the back end applies (thread). What is wanted while
 * that goes on is done next, and only the newest of it.
 *
 * Everything noted stands in STATE_DIR/NAME.datapath, one array of teams; the file goes when all is taken back.
 */
#define VT_LOG_DOMAIN "virtteam-driver-datapath"

#include "driver/datapath.h"

#include <string.h>
#include "conf/teaming.h"
#include "datapath/bridge.h"
#include "driver/datapath-choose.h"
#include "driver/disk-file.h"
#include "driver/domain-private.h"
#include "driver/job.h"
#include "driver/timeline-log.h"
#include "util/file.h"
#include "util/json.h"
#include "util/log.h"

#define DATAPATH_KEY       "datapath"
#define DATAPATH_SUFFIX    ".datapath"
#define DATAPATH_LOOK_MS   20
#define DATAPATH_UNSURE    50 /* one look of so many when nothing has been seen for a long time */
#define DATAPATH_MAX_BYTES (1024 * 1024)

typedef struct _Datapath Datapath;

typedef struct {
    VtDoneFunc done;
    gpointer user;
} DatapathWaiter;

typedef struct {
    Datapath *datapath; /* with a reference while busy */
    char *team;
    char *transient;
    char *why; /* no back end: the reason */
    char *error;
    VtHandover handover;
    VtBackend backend; /* funcs NULL: none */
    VtFeed in_force;
    VtFeed wanted;
    VtFeed applying; /* while busy */
    gboolean busy;
    gboolean noted;      /* by the last prepare() */
    gboolean has_frames; /* a first look has told where the counter stands */
    guint64 frames;
    gboolean negotiated; /* QEMU has plugged, or will plug, the primary */
    guint tick;          /* source id */
    guint look;          /* source id */
    guint looks;
    GArray *waiters; /* of DatapathWaiter: told when in_force is wanted */
} DatapathTeam;

struct _Datapath {
    guint refs;
    VtDomain *domain; /* NULL once closed, or when it is a stranger's remains */
    char *name;       /* of the domain, for messages */
    VtDiskFile *file;
    GPtrArray *teams; /* of DatapathTeam */
};

static void datapath_drive(DatapathTeam *team);
static void datapath_tell(DatapathTeam *team, VtHandoverEvent event);

static void
datapath_team_free(gpointer data)
{
    DatapathTeam *team = data;

    g_clear_handle_id(&team->tick, g_source_remove);
    g_clear_handle_id(&team->look, g_source_remove);
    if (team->backend.funcs)
        team->backend.funcs->free(team->backend.state);
    g_array_unref(team->waiters);
    g_free(team->team);
    g_free(team->transient);
    g_free(team->why);
    g_free(team->error);
    g_free(team);
}

static void
datapath_unref(gpointer data)
{
    Datapath *datapath = data;

    if (--datapath->refs > 0)
        return;
    g_ptr_array_unref(datapath->teams);
    vt_disk_file_free(datapath->file);
    g_free(datapath->name);
    g_free(datapath);
}

static Datapath *
datapath_new(VtDriver *driver, const char *name, VtDomain *domain)
{
    Datapath *datapath = g_new0(Datapath, 1);
    g_autofree char *base = g_strconcat(name, DATAPATH_SUFFIX, NULL);
    g_autofree char *path = g_build_filename(driver->config->state_dir, base, NULL);

    datapath->refs = 1;
    datapath->domain = domain;
    datapath->name = g_strdup(name);
    datapath->file = vt_disk_file_new(path);
    datapath->teams = g_ptr_array_new_with_free_func(datapath_team_free);
    return datapath;
}

static DatapathTeam *
datapath_team_new(Datapath *datapath, const char *alias, const char *transient)
{
    DatapathTeam *team = g_new0(DatapathTeam, 1);

    team->datapath = datapath;
    team->team = g_strdup(alias);
    team->transient = g_strdup(transient);
    team->waiters = g_array_new(FALSE, FALSE, sizeof(DatapathWaiter));
    vt_handover_init(&team->handover, &vt_handover_params_default);
    g_ptr_array_add(datapath->teams, team);
    return team;
}

static Datapath *
datapath_of(const VtDomain *domain)
{
    return vt_domain_data(domain, DATAPATH_KEY);
}

/* ---- the note on disk ---- */

static char *
datapath_to_text(const Datapath *datapath)
{
    g_autoptr(JsonObject) root = json_object_new();
    JsonArray *teams = json_array_new();

    for (guint i = 0; i < datapath->teams->len; i++) {
        const DatapathTeam *team = g_ptr_array_index(datapath->teams, i);
        JsonObject *object;

        if (!team->backend.funcs)
            continue;
        object = json_object_new();
        json_object_set_string_member(object, "team", team->team);
        json_object_set_string_member(object, "transient", team->transient);
        json_object_set_string_member(object, "backend", team->backend.funcs->name);
        json_object_set_string_member(object, "state", vt_handover_state_name(team->handover.state));
        json_object_set_boolean_member(object, "negotiated", team->negotiated);
        json_object_set_object_member(object, "note", team->backend.funcs->note(team->backend.state));
        json_array_add_object_element(teams, object);
    }
    json_object_set_array_member(root, "teams", teams);
    return vt_json_object_to_string(root);
}

static void
datapath_save(Datapath *datapath, VtDoneFunc done, gpointer user)
{
    vt_disk_file_write(datapath->file, datapath_to_text(datapath), done, user);
}

/* A back end's note may not be read while its thread works; the state alone is not worth waiting for. */
static void
datapath_save_state(Datapath *datapath)
{
    for (guint i = 0; i < datapath->teams->len; i++)
        if (((DatapathTeam *)g_ptr_array_index(datapath->teams, i))->busy)
            return;
    datapath_save(datapath, NULL, NULL);
}

/* ---- making it so ---- */

static void
datapath_tell_waiters(DatapathTeam *team)
{
    g_autoptr(GArray) waiters = g_steal_pointer(&team->waiters);

    team->waiters = g_array_new(FALSE, FALSE, sizeof(DatapathWaiter));
    for (guint i = 0; i < waiters->len; i++) {
        const DatapathWaiter *waiter = &g_array_index(waiters, DatapathWaiter, i);

        waiter->done(waiter->user, NULL);
    }
}

/* In the timeline of the migration that the guest is in, or came by. */
static void
datapath_note(const DatapathTeam *team, VtTimelineWhat what, const char *detail)
{
    if (team->datapath->domain)
        vt_timeline_log_note(vt_domain_data(team->datapath->domain, VT_TIMELINE_LOG_KEY), what, team->team,
                             detail);
}

static void
datapath_applied(DatapathTeam *team, const GError *error)
{
    Datapath *datapath = team->datapath;

    team->busy = FALSE;
    g_clear_pointer(&team->error, g_free);
    if (error) {
        team->error = g_strdup(error->message);
        vt_log_warning("domain '%s', team '%s': the host cannot be set to feed '%s': %s", datapath->name,
                       team->team, vt_feed_name(team->applying), error->message);
    } else {
        datapath_note(team, VT_TIMELINE_DATAPATH, vt_feed_name(team->applying));
        vt_log_debug("dom=%s team=%s feed=%s", datapath->name, team->team, vt_feed_name(team->applying));
    }
    /* Also after a failure: trying the same again would fail again, and the next event wants something else. */
    team->in_force = team->applying;
    datapath_drive(team);
    if (team->in_force != VT_FEED_RELEASED)
        datapath_save_state(datapath);
    datapath_unref(datapath);
}

static void
datapath_apply_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    DatapathTeam *team = data;
    GError *error = NULL;

    if (team->backend.funcs->apply(team->backend.state, team->applying, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static void
datapath_apply_done(GObject *source, GAsyncResult *result, gpointer user)
{
    g_autoptr(GError) error = NULL;

    g_task_propagate_boolean(G_TASK(result), &error);
    datapath_applied(user, error);
}

static void
datapath_apply(DatapathTeam *team)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, datapath_apply_done, team);

    g_task_set_task_data(task, team, NULL);
    g_task_run_in_thread(task, datapath_apply_thread);
}

static void
datapath_on_disk(gpointer user, const GError *error)
{
    DatapathTeam *team = user;

    /* What is not on disk could not be taken back after a crash: then rather leave the host alone. */
    if (error)
        datapath_applied(team, error);
    else
        datapath_apply(team);
}

static void
datapath_prepare_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    DatapathTeam *team = data;
    GError *error = NULL;

    if (team->backend.funcs->prepare(team->backend.state, team->applying, &team->noted, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static void
datapath_prepare_done(GObject *source, GAsyncResult *result, gpointer user)
{
    DatapathTeam *team = user;
    g_autoptr(GError) error = NULL;

    if (!g_task_propagate_boolean(G_TASK(result), &error))
        datapath_applied(team, error);
    else if (team->noted)
        datapath_save(team->datapath, datapath_on_disk, team);
    else
        datapath_apply(team);
}

static void
datapath_drive(DatapathTeam *team)
{
    g_autoptr(GTask) task = NULL;

    if (team->busy)
        return;
    if (!team->backend.funcs || team->in_force == team->wanted) {
        datapath_tell_waiters(team);
        return;
    }
    team->busy = TRUE;
    team->noted = FALSE;
    team->applying = team->wanted;
    team->datapath->refs++;
    task = g_task_new(NULL, NULL, datapath_prepare_done, team);
    g_task_set_task_data(task, team, NULL);
    g_task_run_in_thread(task, datapath_prepare_thread);
}

/* ---- events ---- */

static gboolean
datapath_look(gpointer user)
{
    DatapathTeam *team = user;
    VtLifeSigns signs;

    if (team->handover.state == VT_HANDOVER_UNSURE && ++team->looks % DATAPATH_UNSURE != 0)
        return G_SOURCE_CONTINUE;
    /* The handle of the back end belongs to the thread while one works. */
    if (team->busy || !team->backend.funcs->look || !team->backend.funcs->look(team->backend.state, &signs))
        return G_SOURCE_CONTINUE;
    if (!team->has_frames) {
        team->has_frames = TRUE;
        team->frames = signs.frames;
    }
    if (signs.frames > team->frames) {
        team->frames = signs.frames;
        datapath_tell(team, VT_HANDOVER_PRIMARY_SPEAKS);
    } else if (signs.stirs) {
        datapath_tell(team, VT_HANDOVER_PRIMARY_STIRS);
    }
    return G_SOURCE_CONTINUE;
}

/* Where the counter stands before the guest has had time to speak: a frame that comes later is a sign. */
static void
datapath_look_first(DatapathTeam *team)
{
    VtLifeSigns signs;

    if (team->busy || team->has_frames || !team->backend.funcs->look(team->backend.state, &signs))
        return;
    team->has_frames = TRUE;
    team->frames = signs.frames;
}

static gboolean
datapath_tick(gpointer user)
{
    DatapathTeam *team = user;

    team->tick = 0;
    datapath_tell(team, VT_HANDOVER_TICK);
    return G_SOURCE_REMOVE;
}

static void
datapath_set_timers(DatapathTeam *team)
{
    gint64 now_ms = g_get_monotonic_time() / 1000;

    g_clear_handle_id(&team->tick, g_source_remove);
    if (team->handover.deadline_ms >= 0)
        team->tick =
            g_timeout_add((guint)MAX(team->handover.deadline_ms - now_ms, 0) + 1, datapath_tick, team);
    if (!vt_handover_wants_signs(&team->handover)) {
        g_clear_handle_id(&team->look, g_source_remove);
        team->has_frames = FALSE;
    } else if (!team->look && team->backend.funcs && team->backend.funcs->look) {
        team->look = g_timeout_add(DATAPATH_LOOK_MS, datapath_look, team);
        datapath_look_first(team);
    }
}

static void
datapath_report(const DatapathTeam *team, VtHandoverReport report)
{
    const char *name = team->datapath->name;

    switch (report) {
    case VT_HANDOVER_NOTHING_TO_REPORT:
        break;
    case VT_HANDOVER_NO_LIFE:
        vt_log_warning(
            "domain '%s', team '%s': the primary '%s' was plugged, but the guest shows no sign of using "
            "it; both legs stay fed. Has it a driver for the device?",
            name, team->team, team->transient);
        break;
    case VT_HANDOVER_TOOK_OVER:
        vt_log_info("domain '%s', team '%s': the guest has its primary '%s'", name, team->team,
                    team->transient);
        break;
    case VT_HANDOVER_FELL_BACK:
        vt_log_info("domain '%s', team '%s': the guest is on standby", name, team->team);
        break;
    }
}

static void
datapath_tell(DatapathTeam *team, VtHandoverEvent event)
{
    VtHandoverOutcome outcome;

    if (!vt_handover_event(&team->handover, event, g_get_monotonic_time() / 1000, &outcome))
        return;
    if (outcome.from != outcome.to)
        vt_log_debug("dom=%s team=%s %s -> %s (%s)", team->datapath->name, team->team,
                     vt_handover_state_name(outcome.from), vt_handover_state_name(outcome.to),
                     vt_handover_event_name(event));
    if (outcome.to == VT_HANDOVER_SETTLING && outcome.from != outcome.to)
        datapath_note(team, VT_TIMELINE_REPLUGGED, NULL);
    team->wanted = outcome.feed;
    datapath_set_timers(team);
    datapath_report(team, outcome.report);
    if (team->in_force == team->wanted && !team->busy && outcome.from != outcome.to && team->backend.funcs &&
        outcome.to != VT_HANDOVER_IDLE)
        datapath_save_state(team->datapath);
    datapath_drive(team);
}

/* ---- what QEMU says ---- */

static gboolean
datapath_names(const VtQmpEvent *event, const char *member, const char *alias)
{
    JsonNode *node = event->data ? json_object_get_member(event->data, member) : NULL;

    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING &&
           g_strcmp0(json_node_get_string(node), alias) == 0;
}

/* Source: QAPI MigrationStatus. On a destination the states are READY, where none of this means anything. */
static void
datapath_migration(DatapathTeam *team, const VtQmpEvent *event)
{
    VtHandoverState state = team->handover.state;

    if (datapath_names(event, "status", "active") && state == VT_HANDOVER_LEAVING) {
        datapath_tell(team, VT_HANDOVER_PRIMARY_GONE); /* wait-unplug is over */
    } else if (datapath_names(event, "status", "failed") || datapath_names(event, "status", "cancelled")) {
        /* QEMU plugs again what it had unplugged, and what never went is still there. */
        if (state == VT_HANDOVER_LEAVING)
            datapath_tell(team, VT_HANDOVER_UNPLUG_REVOKED);
        else if (state == VT_HANDOVER_STANDBY && team->negotiated)
            datapath_tell(team, VT_HANDOVER_PRIMARY_EXPECTED);
    }
}

static void
datapath_resumed(DatapathTeam *team)
{
    if (team->handover.state == VT_HANDOVER_READY)
        datapath_tell(team, team->negotiated ? VT_HANDOVER_GUEST_ARRIVES : VT_HANDOVER_GUEST_ON_STANDBY);
}

static void
datapath_qmp_team(VtDomain *domain, DatapathTeam *team, const VtQmpEvent *event)
{
    if (g_str_equal(event->name, "FAILOVER_NEGOTIATED")) {
        if (!datapath_names(event, "device-id", team->team))
            return;
        team->negotiated = TRUE;
        datapath_tell(team, VT_HANDOVER_PRIMARY_EXPECTED);
    } else if (g_str_equal(event->name, "UNPLUG_PRIMARY")) {
        if (datapath_names(event, "device-id", team->transient))
            datapath_tell(team, VT_HANDOVER_UNPLUG_PLANNED);
    } else if (g_str_equal(event->name, "DEVICE_DELETED")) {
        if (datapath_names(event, "device", team->transient))
            datapath_tell(team, VT_HANDOVER_PRIMARY_GONE);
    } else if (g_str_equal(event->name, "MIGRATION")) {
        datapath_migration(team, event);
    } else if (g_str_equal(event->name, "STOP")) {
        if (vt_job_kind(domain) == VT_JOB_MIGRATION_OUT)
            datapath_tell(team, VT_HANDOVER_GUEST_LEAVES);
    } else if (g_str_equal(event->name, "RESUME")) {
        datapath_resumed(team);
    } else if (g_str_equal(event->name, "RESET")) {
        datapath_tell(team, VT_HANDOVER_GUEST_RESET);
    }
}

static void
datapath_qmp(VtDomain *domain, const VtQmpEvent *event, gpointer user)
{
    Datapath *datapath = user;

    datapath->refs++;
    for (guint i = 0; i < datapath->teams->len; i++)
        datapath_qmp_team(domain, g_ptr_array_index(datapath->teams, i), event);
    datapath_unref(datapath);
}

static const VtDomainQmpFuncs datapath_listener = { .event = datapath_qmp };

/* ---- open, tell, close ---- */

/* Told when all of several teams are set. */
typedef struct {
    guint pending;
    VtDoneFunc done;
    gpointer user;
} DatapathAll;

static void
datapath_all_done(gpointer user, const GError *error)
{
    DatapathAll *all = user;

    if (--all->pending > 0)
        return;
    if (all->done)
        all->done(all->user, NULL);
    g_free(all);
}

static void
datapath_tell_all(Datapath *datapath, const char *team, VtHandoverEvent event, VtDoneFunc done, gpointer user)
{
    DatapathAll *all = g_new0(DatapathAll, 1);

    all->pending = 1;
    all->done = done;
    all->user = user;
    if (datapath)
        datapath->refs++;
    for (guint i = 0; datapath && i < datapath->teams->len; i++) {
        DatapathTeam *one = g_ptr_array_index(datapath->teams, i);
        DatapathWaiter waiter = { .done = datapath_all_done, .user = all };

        if (team && g_strcmp0(one->team, team) != 0)
            continue;
        all->pending++;
        datapath_tell(one, event);
        g_array_append_val(one->waiters, waiter);
        datapath_drive(one);
    }
    if (datapath)
        datapath_unref(datapath);
    datapath_all_done(all, NULL);
}

static void
datapath_attach(VtDomain *domain, Datapath *datapath)
{
    vt_domain_set_data(domain, DATAPATH_KEY, datapath, datapath_unref);
    vt_domain_add_qmp_listener(domain, &datapath_listener, datapath);
}

static void
datapath_open_one(Datapath *datapath, const VtTeam *def)
{
    const VtDeviceInfo *transient =
        def->transient_net ? &def->transient_net->info : &def->transient_hostdev->info;
    DatapathTeam *team = datapath_team_new(datapath, def->persistent->info.alias, transient->alias);

    if (!vt_datapath_choose(def, &team->backend, &team->why))
        vt_log_info("domain '%s', team '%s': the host's side is left as it is: %s", datapath->name,
                    team->team, team->why);
}

void
vt_datapath_open(VtDriver *driver, VtDomain *domain, gboolean incoming, VtDoneFunc done, gpointer user)
{
    g_autoptr(GPtrArray) teams = vt_teaming_teams(domain->live);
    Datapath *datapath;

    if (!teams->len || datapath_of(domain)) {
        done(user, NULL);
        return;
    }
    datapath = datapath_new(driver, domain->name, domain);
    for (guint i = 0; i < teams->len; i++)
        datapath_open_one(datapath, g_ptr_array_index(teams, i));
    datapath_attach(domain, datapath);
    datapath_tell_all(datapath, NULL, incoming ? VT_HANDOVER_INCOMING : VT_HANDOVER_GUEST_ON_STANDBY, done,
                      user);
}

void
vt_datapath_event(VtDomain *domain, const char *team, VtHandoverEvent event, VtDoneFunc done, gpointer user)
{
    datapath_tell_all(datapath_of(domain), team, event, done, user);
}

typedef struct {
    Datapath *datapath; /* with a reference */
    VtDoneFunc done;    /* nullable */
    gpointer user;
} DatapathClose;

static void
datapath_closed(gpointer user, const GError *nothing)
{
    DatapathClose *closing = user;
    Datapath *datapath = closing->datapath;
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < datapath->teams->len && !error; i++) {
        const DatapathTeam *team = g_ptr_array_index(datapath->teams, i);

        if (team->error)
            vt_error_set(&error, VT_ERROR_OPERATION_FAILED, "team '%s': %s", team->team, team->error);
    }
    /* The note stays where something could not be taken back: the next daemon tries again. */
    if (!error)
        vt_disk_file_remove(datapath->file);
    if (closing->done)
        closing->done(closing->user, error);
    datapath_unref(datapath);
    g_free(closing);
}

static void
datapath_close(Datapath *datapath, VtDoneFunc done, gpointer user)
{
    DatapathClose *closing = g_new0(DatapathClose, 1);

    datapath->refs++;
    closing->datapath = datapath;
    closing->done = done;
    closing->user = user;
    datapath_tell_all(datapath, NULL, VT_HANDOVER_GUEST_GONE, datapath_closed, closing);
}

void
vt_datapath_close(VtDomain *domain, VtDoneFunc done, gpointer user)
{
    Datapath *datapath = datapath_of(domain);

    if (!datapath) {
        done(user, NULL);
        return;
    }
    datapath->refs++;
    vt_domain_remove_qmp_listener(domain, &datapath_listener, datapath);
    datapath->domain = NULL;
    datapath_close(datapath, done, user);
    vt_domain_set_data(domain, DATAPATH_KEY, NULL, NULL); /* drops its reference */
    datapath_unref(datapath);
}

/* ---- one team, of a leg that comes or goes ---- */

typedef struct {
    Datapath *datapath; /* with a reference */
    DatapathTeam *team;
    VtDoneFunc done;
    gpointer user;
} DatapathDrop;

/* From the main loop, since whoever told us the end still works with the team. */
static gboolean
datapath_drop(gpointer user)
{
    DatapathDrop *drop = user;
    Datapath *datapath = drop->datapath;

    if (datapath->domain) {
        g_ptr_array_remove(datapath->teams, drop->team);
        if (datapath->teams->len)
            datapath_save_state(datapath);
        else
            vt_disk_file_remove(datapath->file);
    }
    drop->done(drop->user, NULL);
    datapath_unref(datapath);
    g_free(drop);
    return G_SOURCE_REMOVE;
}

static void
datapath_released(gpointer user, const GError *nothing)
{
    g_idle_add(datapath_drop, user);
}

static DatapathTeam *
datapath_find(Datapath *datapath, const char *alias)
{
    for (guint i = 0; datapath && i < datapath->teams->len; i++) {
        DatapathTeam *team = g_ptr_array_index(datapath->teams, i);

        if (g_strcmp0(team->team, alias) == 0)
            return team;
    }
    return NULL;
}

void
vt_datapath_close_team(VtDomain *domain, const char *alias, VtDoneFunc done, gpointer user)
{
    Datapath *datapath = datapath_of(domain);
    DatapathTeam *team = datapath_find(datapath, alias);
    DatapathDrop *drop;

    if (!team) {
        done(user, NULL);
        return;
    }
    drop = g_new0(DatapathDrop, 1);
    datapath->refs++;
    drop->datapath = datapath;
    drop->team = team;
    drop->done = done;
    drop->user = user;
    datapath_tell_all(datapath, alias, VT_HANDOVER_GUEST_GONE, datapath_released, drop);
}

/* Wait for the former team of that name to be gone, then open it anew. */
typedef struct {
    VtDomain *domain; /* with a reference */
    VtDomainDef *def;
    char *alias;
    VtDoneFunc done;
    gpointer user;
} DatapathReopen;

static void
datapath_reopen(gpointer user, const GError *nothing)
{
    DatapathReopen *reopen = user;
    VtDomain *domain = reopen->domain;
    g_autoptr(GPtrArray) teams = vt_teaming_teams(reopen->def);
    Datapath *datapath = datapath_of(domain);

    if (!datapath && domain->driver)
        datapath_attach(domain, datapath = datapath_new(domain->driver, domain->name, domain));
    for (guint i = 0; datapath && i < teams->len; i++) {
        const VtTeam *team = g_ptr_array_index(teams, i);

        if (g_strcmp0(team->persistent->info.alias, reopen->alias) == 0)
            datapath_open_one(datapath, team);
    }
    if (datapath_find(datapath, reopen->alias)) {
        /* Where the guest has not negotiated yet no sign of life comes, and both legs stay fed. */
        datapath_find(datapath, reopen->alias)->negotiated = TRUE;
        datapath_tell_all(datapath, reopen->alias, VT_HANDOVER_GUEST_ON_STANDBY, NULL, NULL);
    }
    datapath_tell_all(datapath, reopen->alias, VT_HANDOVER_PRIMARY_EXPECTED, reopen->done, reopen->user);
    vt_domain_def_free(reopen->def);
    vt_domain_unref(domain);
    g_free(reopen->alias);
    g_free(reopen);
}

void
vt_datapath_open_team(VtDomain *domain, const VtDomainDef *def, const char *alias, VtDoneFunc done,
                      gpointer user)
{
    DatapathReopen *reopen = g_new0(DatapathReopen, 1);

    reopen->domain = vt_domain_ref(domain);
    reopen->def = vt_domain_def_copy(def);
    reopen->alias = g_strdup(alias);
    reopen->done = done;
    reopen->user = user;
    vt_datapath_close_team(domain, alias, datapath_reopen, reopen);
}

/* ---- after a restart ---- */

static gboolean
datapath_load_team(Datapath *datapath, JsonNode *node, GError **error)
{
    const char *alias, *transient, *state;
    VtHandoverState was;
    VtBackend backend = { 0 };
    DatapathTeam *team;

    if (!vt_json_get_string(node, "team", &alias, error) ||
        !vt_json_get_string(node, "transient", &transient, error) ||
        !vt_json_get_string(node, "state", &state, error))
        return FALSE;
    if (!vt_handover_state_parse(state, &was))
        return vt_error_set(error, VT_ERROR_INVALID_ARG, "'%s' is no state of a team", state);
    if (!vt_datapath_restore(node, &backend, error))
        return FALSE;
    team = datapath_team_new(datapath, alias, transient);
    team->backend = backend;
    team->negotiated = vt_json_bool_or(node, "negotiated", FALSE);
    vt_handover_resume(&team->handover, was, g_get_monotonic_time() / 1000);
    /* Where exactly the former daemon was interrupted is not known: everything is applied again. */
    team->in_force = VT_FEED_COUNT;
    team->wanted = vt_handover_feed(&team->handover);
    return TRUE;
}

static gboolean
datapath_load(Datapath *datapath, const char *path, GError **error)
{
    gsize length = 0;
    g_autofree char *text = vt_file_read(path, DATAPATH_MAX_BYTES, &length, error);
    g_autoptr(JsonNode) root = text ? vt_json_parse(text, length, error) : NULL;
    JsonArray *teams;

    if (!root || !vt_json_get_array(root, "teams", &teams, error))
        return FALSE;
    for (guint i = 0; i < json_array_get_length(teams); i++)
        if (!datapath_load_team(datapath, json_array_get_element(teams, i), error))
            return FALSE;
    return TRUE;
}

static void
datapath_recover_one(VtDriver *driver, const char *name, const char *path)
{
    VtDomain *domain = vt_driver_lookup_name(driver, name, NULL);
    gboolean active = domain && vt_domain_is_active(domain);
    Datapath *datapath = datapath_new(driver, name, active ? domain : NULL);
    g_autoptr(GError) error = NULL;

    if (!datapath_load(datapath, path, &error))
        vt_log_error(
            "'%s' cannot be read: %s What was set on the host for the teams of domain '%s' has to be taken "
            "back by hand (bridge fdb, bridge link, tc).",
            path, error->message, name);
    if (!active) {
        datapath_close(datapath, NULL, NULL);
        datapath_unref(datapath);
        return;
    }
    datapath_attach(domain, datapath);
    for (guint i = 0; i < datapath->teams->len; i++) {
        DatapathTeam *team = g_ptr_array_index(datapath->teams, i);

        datapath_set_timers(team);
        datapath_drive(team);
    }
}

void
vt_datapath_recover(VtDriver *driver)
{
    const char *dir_path = driver->config->state_dir;
    g_autoptr(GDir) dir = g_dir_open(dir_path, 0, NULL);
    const char *file;

    while (dir && (file = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(dir_path, file, NULL);
        g_autofree char *name = NULL;

        if (!g_str_has_suffix(file, DATAPATH_SUFFIX))
            continue;
        name = g_strndup(file, strlen(file) - strlen(DATAPATH_SUFFIX));
        datapath_recover_one(driver, name, path);
    }
}

/* ---- for whoever shows it ---- */

guint
vt_datapath_count(const VtDomain *domain)
{
    const Datapath *datapath = datapath_of(domain);

    return datapath ? datapath->teams->len : 0;
}

void
vt_datapath_info(const VtDomain *domain, guint index, VtDatapathInfo *info)
{
    const DatapathTeam *team = g_ptr_array_index(datapath_of(domain)->teams, index);

    *info = (VtDatapathInfo){
        .team = team->team,
        .transient = team->transient,
        .backend = team->backend.funcs ? team->backend.funcs->name : "none",
        .why = team->why,
        .state = team->handover.state,
        .feed = team->in_force < VT_FEED_COUNT ? team->in_force : VT_FEED_RELEASED,
        .error = team->error,
    };
}
