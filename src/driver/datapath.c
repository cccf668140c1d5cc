/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All teams of a domain (each is a VtDatapathTeam), from its start to its end and over restarts of the daemon.
 * Everything that their back ends note stands in STATE_DIR/NAME.datapath, one array of teams; the file goes when all is taken back.
 */
#define VT_LOG_DOMAIN "virtteam-driver-datapath"

#include "driver/datapath.h"

#include <string.h>
#include "conf/teaming.h"
#include "driver/datapath-announce.h"
#include "driver/datapath-choose.h"
#include "driver/datapath-team.h"
#include "driver/disk-file.h"
#include "driver/domain-private.h"
#include "driver/job.h"
#include "driver/team-keep.h"
#include "driver/timeline-log.h"
#include "util/file.h"
#include "util/json.h"
#include "util/log.h"
#include "util/message-id.h"

#define DATAPATH_KEY       "datapath"
#define DATAPATH_SUFFIX    ".datapath"
#define DATAPATH_MAX_BYTES (1024 * 1024)

typedef struct {
    guint refs;
    VtDomain *domain; /* NULL once closed, or when it is a stranger's remains */
    char *name;       /* of the domain, for messages */
    char *probes;     /* directory of virtteam probe's reports */
    VtDiskFile *file;
    GPtrArray *teams; /* of VtDatapathTeam */
    guint next_serial;
} Datapath;

static void
datapath_unref(gpointer data)
{
    Datapath *datapath = data;

    if (--datapath->refs > 0)
        return;
    g_ptr_array_unref(datapath->teams);
    vt_disk_file_free(datapath->file);
    g_free(datapath->name);
    g_free(datapath->probes);
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
    datapath->probes = g_build_filename(driver->config->lib_dir, "probe", NULL);
    datapath->file = vt_disk_file_new(path);
    datapath->teams = g_ptr_array_new_with_free_func(vt_datapath_team_free);
    return datapath;
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
        const VtDatapathTeam *team = g_ptr_array_index(datapath->teams, i);
        JsonObject *object;

        /* The copy: the note itself belongs to the team's thread while one works. */
        if (!team->note)
            continue;
        object = json_object_new();
        json_object_set_string_member(object, "team", team->team);
        json_object_set_string_member(object, "transient", team->transient);
        json_object_set_string_member(object, "backend", team->backend.funcs->name);
        json_object_set_string_member(object, "state", vt_handover_state_name(team->handover.state));
        json_object_set_boolean_member(object, "negotiated", team->negotiated);
        json_object_set_string_member(object, "why", team->why ? team->why : "");
        if (team->model)
            json_object_set_string_member(object, "model", team->model);
        json_object_set_object_member(object, "note", json_object_ref(team->note));
        json_array_add_object_element(teams, object);
    }
    json_object_set_array_member(root, "teams", teams);
    return vt_json_object_to_string(root);
}

static void
datapath_save(gpointer data, VtDoneFunc done, gpointer user)
{
    Datapath *datapath = data;

    vt_disk_file_write(datapath->file, datapath_to_text(datapath), done, user);
}

static void
datapath_save_state(gpointer data)
{
    datapath_save(data, NULL, NULL);
}

/* In the timeline of the migration that the guest is in, or came by. */
static void
datapath_note(gpointer data, VtTimelineWhat what, const char *team, const char *detail)
{
    Datapath *datapath = data;

    if (datapath->domain)
        vt_timeline_log_note(vt_domain_data(datapath->domain, VT_TIMELINE_LOG_KEY), what, team, detail);
}

static void
datapath_ref(gpointer data)
{
    ((Datapath *)data)->refs++;
}

static VtQmpClient *
datapath_monitor(gpointer data)
{
    Datapath *datapath = data;

    return datapath->domain ? vt_domain_qmp(datapath->domain, NULL) : NULL;
}

static const VtDatapathTeamFuncs datapath_team_funcs = {
    .save = datapath_save,
    .save_state = datapath_save_state,
    .note = datapath_note,
    .ref = datapath_ref,
    .unref = datapath_unref,
    .monitor = datapath_monitor,
};

static VtDatapathTeam *
datapath_add_team(Datapath *datapath, const char *alias, const char *transient)
{
    VtDatapathTeam *team =
        vt_datapath_team_new(&datapath_team_funcs, datapath, datapath->name, alias, transient);

    team->serial = datapath->next_serial++;
    g_ptr_array_add(datapath->teams, team);
    return team;
}

/* The guest is expected here, or has left. */
static gboolean
datapath_is_ready(const Datapath *datapath)
{
    for (guint i = 0; i < datapath->teams->len; i++)
        if (((const VtDatapathTeam *)g_ptr_array_index(datapath->teams, i))->handover.state ==
            VT_HANDOVER_READY)
            return TRUE;
    return FALSE;
}

static void
datapath_qmp(VtDomain *domain, const VtQmpEvent *event, gpointer user)
{
    Datapath *datapath = user;

    datapath->refs++;
    if (g_str_equal(event->name, "RESUME") && datapath_is_ready(datapath))
        vt_datapath_announce(domain);
    for (guint i = 0; i < datapath->teams->len; i++)
        vt_datapath_team_qmp(g_ptr_array_index(datapath->teams, i), domain, event);
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

/* A VF is plugged when the guest runs, and what has to be set for it need not be set while that stands still. */
static gboolean
datapath_has_vf(const VtDomain *domain, const char *persistent)
{
    g_autoptr(GPtrArray) teams = domain->live ? vt_teaming_teams(domain->live) : NULL;

    for (guint i = 0; teams && i < teams->len; i++) {
        const VtTeam *team = g_ptr_array_index(teams, i);

        if (g_strcmp0(team->persistent->info.alias, persistent) == 0)
            return vt_teaming_is_host(team);
    }
    return FALSE;
}

/* Some guests arrive without their primary: those whose team is kept on standby, and those that have a VF. */
static VtHandoverEvent
datapath_meant(const Datapath *datapath, const VtDatapathTeam *team, VtHandoverEvent event)
{
    if (event == VT_HANDOVER_GUEST_ARRIVES && datapath->domain &&
        (vt_team_keep_is(datapath->domain, team->team) ||
         (vt_job_kind(datapath->domain) == VT_JOB_MIGRATION_IN &&
          datapath_has_vf(datapath->domain, team->team))))
        return VT_HANDOVER_GUEST_ON_STANDBY;
    return event;
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
        VtDatapathTeam *one = g_ptr_array_index(datapath->teams, i);

        if (team && g_strcmp0(one->team, team) != 0)
            continue;
        all->pending++;
        vt_datapath_team_tell(one, datapath_meant(datapath, one, event));
        vt_datapath_team_wait(one, datapath_all_done, all);
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
    const VtDeviceInfo *transient = vt_teaming_transient_info(def);
    VtDatapathTeam *team = datapath_add_team(datapath, def->persistent->info.alias, transient->alias);

    if (def->transient_net && !vt_teaming_net_is_host(def->transient_net))
        vt_datapath_team_set_model(team, def->transient_net->model);
    if (vt_datapath_choose(def, datapath->probes, &team->backend, &team->why))
        vt_log_debug("domain '%s', team '%s': %s", datapath->name, team->team, team->why);
    else
        vt_log_id_info(VT_MESSAGE_DATAPATH_NONE, datapath->name,
                       "domain '%s', team '%s': the host's side is left as it is: %s", datapath->name,
                       team->team, team->why);
    vt_datapath_team_keep_note(team);
    vt_datapath_team_heed_backend(team);
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
    if (incoming)
        vt_datapath_announce_defer(domain);
    datapath_tell_all(datapath, NULL, incoming ? VT_HANDOVER_INCOMING : VT_HANDOVER_GUEST_ON_STANDBY, done,
                      user);
}

void
vt_datapath_event(VtDomain *domain, const char *team, VtHandoverEvent event, VtDoneFunc done, gpointer user)
{
    Datapath *datapath = datapath_of(domain);

    if (datapath && (event == VT_HANDOVER_GUEST_ARRIVES || event == VT_HANDOVER_GUEST_ON_STANDBY) &&
        datapath_is_ready(datapath))
        vt_datapath_announce(domain);
    datapath_tell_all(datapath, team, event, done, user);
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
        const VtDatapathTeam *team = g_ptr_array_index(datapath->teams, i);

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
    guint serial;       /* of the team: another closing may drop it first */
    VtDoneFunc done;
    gpointer user;
} DatapathDrop;

static void datapath_released(gpointer user, const GError *nothing);

static VtDatapathTeam *
datapath_find_serial(Datapath *datapath, guint serial)
{
    for (guint i = 0; i < datapath->teams->len; i++) {
        VtDatapathTeam *team = g_ptr_array_index(datapath->teams, i);

        if (team->serial == serial)
            return team;
    }
    return NULL;
}

/* From the main loop, since whoever told us the end still works with the team. Something may have woken it since. */
static gboolean
datapath_drop(gpointer user)
{
    DatapathDrop *drop = user;
    Datapath *datapath = drop->datapath;
    VtDatapathTeam *team = datapath->domain ? datapath_find_serial(datapath, drop->serial) : NULL;

    if (team && (team->busy || team->handover.state != VT_HANDOVER_IDLE)) {
        vt_datapath_team_tell(team, VT_HANDOVER_GUEST_GONE);
        vt_datapath_team_wait(team, datapath_released, drop);
        return G_SOURCE_REMOVE;
    }
    if (team) {
        g_ptr_array_remove(datapath->teams, team);
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

static VtDatapathTeam *
datapath_find(Datapath *datapath, const char *alias)
{
    for (guint i = 0; datapath && i < datapath->teams->len; i++) {
        VtDatapathTeam *team = g_ptr_array_index(datapath->teams, i);

        if (g_strcmp0(team->team, alias) == 0)
            return team;
    }
    return NULL;
}

void
vt_datapath_close_team(VtDomain *domain, const char *alias, VtDoneFunc done, gpointer user)
{
    Datapath *datapath = datapath_of(domain);
    VtDatapathTeam *team = datapath_find(datapath, alias);
    DatapathDrop *drop;

    if (!team) {
        done(user, NULL);
        return;
    }
    drop = g_new0(DatapathDrop, 1);
    datapath->refs++;
    drop->datapath = datapath;
    drop->serial = team->serial;
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
    VtDatapathTeam *team;

    if (!vt_json_get_string(node, "team", &alias, error) ||
        !vt_json_get_string(node, "transient", &transient, error) ||
        !vt_json_get_string(node, "state", &state, error))
        return FALSE;
    if (!vt_handover_state_parse(state, &was))
        return vt_error_set(error, VT_ERROR_INVALID_ARG, "'%s' is no state of a team", state);
    if (!vt_datapath_restore(node, &backend, error))
        return FALSE;
    team = datapath_add_team(datapath, alias, transient);
    team->backend = backend;
    vt_datapath_team_heed_backend(team);
    vt_datapath_team_keep_note(team);
    team->negotiated = vt_json_bool_or(node, "negotiated", FALSE);
    team->why = g_strdup(vt_json_string_or(node, "why", NULL));
    vt_datapath_team_set_model(team, vt_json_string_or(node, "model", NULL));
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
datapath_recover_one(const char *name, const char *path, gpointer user)
{
    VtDriver *driver = user;
    VtDomain *domain = vt_driver_lookup_name(driver, name, NULL);
    gboolean active = domain && vt_domain_is_active(domain);
    Datapath *datapath = datapath_new(driver, name, active ? domain : NULL);
    g_autoptr(GError) error = NULL;

    if (!datapath_load(datapath, path, &error))
        vt_log_id_error(
            VT_MESSAGE_DATAPATH_UNREADABLE, name,
            "'%s' cannot be read: %s What was set on the host for the teams of domain '%s' has to be taken "
            "back by hand (bridge fdb, bridge link, tc).",
            path, error->message, name);
    if (!active) {
        datapath_close(datapath, NULL, NULL);
        datapath_unref(datapath);
        return;
    }
    datapath_attach(domain, datapath);
    for (guint i = 0; i < datapath->teams->len; i++)
        vt_datapath_team_resume(g_ptr_array_index(datapath->teams, i));
}

void
vt_datapath_recover_connected(VtDomain *domain)
{
    Datapath *datapath = datapath_of(domain);

    for (guint i = 0; datapath && i < datapath->teams->len; i++) {
        VtDatapathTeam *team = g_ptr_array_index(datapath->teams, i);

        vt_datapath_team_let_go(team);
        if (domain->state == VT_DOMAIN_RUNNING && team->handover.state == VT_HANDOVER_READY)
            datapath_tell_all(datapath, team->team, VT_HANDOVER_GUEST_ARRIVES, NULL, NULL);
    }
}

void
vt_datapath_recover(VtDriver *driver)
{
    vt_disk_file_each(driver->config->state_dir, DATAPATH_SUFFIX, datapath_recover_one, driver);
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
    const VtDatapathTeam *team = g_ptr_array_index(datapath_of(domain)->teams, index);

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

gboolean
vt_datapath_find(const VtDomain *domain, const char *team, VtDatapathInfo *info)
{
    for (guint i = 0; i < vt_datapath_count(domain); i++) {
        vt_datapath_info(domain, i, info);
        if (g_strcmp0(info->team, team) == 0)
            return TRUE;
    }
    return FALSE;
}
