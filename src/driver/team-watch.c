/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VT_LOG_DOMAIN "virtteam-driver-team"

#include "driver/team-watch.h"

#include "conf/teaming.h"
#include "driver/domain-private.h"
#include "driver/event.h"
#include "driver/job.h"
#include "driver/team-keep.h"
#include "driver/team-manage.h"
#include "driver/team-state.h"
#include "driver/team-wait.h"
#include "driver/timeline-log.h"
#include "qemu/orchestration.h"
#include "qemu/qmp-event.h"
#include "util/i18n.h"
#include "util/log.h"
#include "util/message-id.h"

#define TEAM_WATCH_KEY   "team-watch"
#define METADATA_ELEMENT 2 /* virDomainMetadataType */

VtTeamWatchTimes vt_team_watch_times = { .tick_ms = 1000, .no_ms = 5000, .none_ms = 60000 };

/* What is known of a team beside its state. */
typedef struct {
    char *persistent;
    gint64 runs_us; /* since when the guest runs with its primary hidden; 0: it does not */
    gint64 no_us;   /* since when its driver is seen up without STANDBY; 0: it is not */
    gboolean told;  /* that it does not negotiate */
    gboolean reset; /* with its primary plugged; what it negotiates now is not known yet */
    guint missing;  /* looks that did not find what QEMU was to plug */
} WatchTeam;

typedef struct {
    VtDomain *domain; /* which owns it */
    int run;
    GPtrArray *teams; /* of WatchTeam */
    VtTeamWait *wait; /* for an eject that QEMU has asked for */
    guint timer;
    gboolean looking;
} TeamWatch;

static void
watch_team_free(gpointer data)
{
    WatchTeam *team = data;

    g_free(team->persistent);
    g_free(team);
}

static void
watch_stop(TeamWatch *watch)
{
    g_clear_handle_id(&watch->timer, g_source_remove);
    g_clear_pointer(&watch->wait, vt_team_wait_free);
    g_ptr_array_set_size(watch->teams, 0);
    watch->looking = FALSE;
}

static void
watch_free(gpointer data)
{
    TeamWatch *watch = data;

    watch_stop(watch);
    g_ptr_array_unref(watch->teams);
    g_free(watch);
}

static WatchTeam *
watch_team(TeamWatch *watch, const char *persistent)
{
    WatchTeam *team;

    for (guint i = 0; i < watch->teams->len; i++) {
        team = g_ptr_array_index(watch->teams, i);
        if (g_str_equal(team->persistent, persistent))
            return team;
    }
    team = g_new0(WatchTeam, 1);
    team->persistent = g_strdup(persistent);
    g_ptr_array_add(watch->teams, team);
    return team;
}

static guint
watch_count(const TeamWatch *watch)
{
    VtQemuTeaming *teaming = vt_team_state_teaming(watch->domain);

    return teaming ? vt_qemu_teaming_count(teaming) : 0;
}

static const VtQemuTeam *
watch_get(const TeamWatch *watch, guint index)
{
    return vt_qemu_teaming_get(vt_team_state_teaming(watch->domain), index);
}

/* ---- who conducts ---- */

static gboolean
watch_is_auto(const TeamWatch *watch, const char *persistent)
{
    const VtNetDef *net = vt_teaming_find_persistent(watch->domain->live, persistent);
    const VtTeamPolicy *policy = net ? vt_teaming_policy(watch->domain->live, net) : NULL;

    return policy && policy->orchestration == VT_ORCHESTRATION_AUTO;
}

static void
watch_take_over(TeamWatch *watch, const VtQemuTeam *team, const char *why)
{
    VtDomain *domain = watch->domain;
    g_autofree char *persistent = g_strdup(team->persistent);
    g_autoptr(GError) error = NULL;

    if (!vt_orchestration_write(domain->live, persistent, VT_ORCHESTRATION_MANAGEMENT, &error)) {
        vt_log_warning("domain '%s', team '%s' stays QEMU's: %s", domain->name, persistent, error->message);
        return;
    }
    vt_log_id_info(
        VT_MESSAGE_TEAM_TAKEN_OVER, domain->name,
        "domain '%s', team '%s': %s; from now on the driver plugs '%s', and unplugs it for migrations "
        "(orchestration 'management')",
        domain->name, persistent, why, team->transient);
    vt_team_state_update(domain);
    vt_domain_status_changed(domain);
    vt_event_metadata(domain->driver, domain, METADATA_ELEMENT, VT_TEAMING_URI);
    vt_team_manage_replug(domain, NULL, NULL);
}

static void
watch_conclude(TeamWatch *watch, WatchTeam *known, const VtQemuTeam *team, const char *why)
{
    if (watch_is_auto(watch, team->persistent)) {
        watch_take_over(watch, team, why);
        return;
    }
    if (!known->told)
        vt_log_id_warning(
            VT_MESSAGE_STANDBY_NOT_NEGOTIATED, watch->domain->name,
            "domain '%s', team '%s': %s, so QEMU keeps the primary '%s' away from it: it has its standby only. "
            "With orchestration 'auto' or 'management' it would get it (virsh metadata --config, next start)",
            watch->domain->name, team->persistent, why, team->transient);
    known->told = TRUE;
}

/* QEMU said that it plugs it, or has been told to, and it is not there. */
static void
watch_is_missing(TeamWatch *watch, WatchTeam *known, const VtQemuTeam *team)
{
    if (known->missing++ == 0)
        return; /* it may have been on its way */
    known->missing = 0;
    if (!vt_team_manage_rescue(watch->domain, team->transient))
        return;
    vt_log_id_warning(VT_MESSAGE_PRIMARY_NOT_PLUGGED, watch->domain->name,
                      "domain '%s', team '%s': QEMU could not plug the primary '%s' (its log says why); the "
                      "guest is on standby, and the driver tries it",
                      watch->domain->name, team->persistent, team->transient);
}

/* Another system may have booted. QEMU waits for an eject only where STANDBY is negotiated. TRUE: look again. */
static gboolean
watch_judge_reset(TeamWatch *watch, WatchTeam *known, const VtQemuTeam *team)
{
    gint64 now_us = g_get_monotonic_time();
    gboolean no = FALSE, none = FALSE;

    known->runs_us = known->runs_us ? known->runs_us : now_us;
    if (team->standby != VT_QEMU_STANDBY_NO)
        known->no_us = 0;
    else if (!known->no_us)
        known->no_us = now_us;
    no = known->no_us && now_us - known->no_us >= (gint64)vt_team_watch_times.no_ms * 1000;
    none = now_us - known->runs_us >= (gint64)vt_team_watch_times.none_ms * 1000;
    known->reset = team->standby != VT_QEMU_STANDBY_YES && !no && !none;
    if (known->reset || team->standby == VT_QEMU_STANDBY_YES)
        return known->reset;
    known->runs_us = known->no_us = 0;
    if (watch_is_auto(watch, team->persistent))
        watch_take_over(watch, team,
                        _("since its reset the guest has not negotiated STANDBY, so QEMU would not wait "
                          "until it has let go of its primary"));
    else
        vt_log_id_warning(
            VT_MESSAGE_EJECT_NOT_WAITED_FOR, watch->domain->name,
            "domain '%s', team '%s': since its reset the guest has not negotiated STANDBY, so QEMU "
            "migrates without waiting until it has let go of '%s': detach that before a migration",
            watch->domain->name, team->persistent, team->transient);
    return FALSE;
}

/* TRUE: it has to be looked at again. */
static gboolean
watch_judge(TeamWatch *watch, const VtQemuTeam *team)
{
    WatchTeam *known = watch_team(watch, team->persistent);
    gint64 now_us = g_get_monotonic_time();
    /* No job is under way and nobody keeps it away: QEMU has lost it, and a former daemon did not see to that. */
    gboolean lost = team->primary == VT_QEMU_PRIMARY_UNPLUGGED && team->standby == VT_QEMU_STANDBY_YES;

    if (team->transient && team->by_qemu && team->primary == VT_QEMU_PRIMARY_PLUGGED && known->reset)
        return watch_judge_reset(watch, known, team);
    if (!team->transient || !team->by_qemu || (team->primary != VT_QEMU_PRIMARY_HIDDEN && !lost) ||
        vt_team_keep_is(watch->domain, team->persistent)) {
        known->runs_us = known->no_us = 0;
        known->missing = 0;
        return team->by_qemu && team->primary == VT_QEMU_PRIMARY_PLUGGING;
    }
    if (!known->runs_us)
        known->runs_us = now_us;
    if (team->standby != VT_QEMU_STANDBY_NO)
        known->no_us = 0;
    else if (!known->no_us)
        known->no_us = now_us;
    if (team->standby == VT_QEMU_STANDBY_YES)
        watch_is_missing(watch, known, team);
    else if (known->no_us && now_us - known->no_us >= (gint64)vt_team_watch_times.no_ms * 1000)
        watch_conclude(watch, known, team, _("the guest's virtio driver has not negotiated STANDBY"));
    else if (now_us - known->runs_us >= (gint64)vt_team_watch_times.none_ms * 1000)
        watch_conclude(watch, known, team, _("the guest has not negotiated STANDBY"));
    return !known->told;
}

/* A job looks after its guest's primaries itself; a guest that stands still does nothing. */
static gboolean
watch_may_act(const TeamWatch *watch)
{
    const VtDomain *domain = watch->domain;

    return watch->run == domain->id && domain->live && domain->driver && !domain->starting &&
           !domain->stopping && !domain->qemu_gone && domain->state == VT_DOMAIN_RUNNING &&
           vt_job_kind(domain) == VT_JOB_NONE;
}

static gboolean watch_tick(gpointer user);

static void
watch_start(TeamWatch *watch)
{
    if (!watch->timer)
        watch->timer = g_timeout_add(vt_team_watch_times.tick_ms, watch_tick, watch);
}

/* Without any error: what was not answered is asked again. */
static void
watch_looked(gpointer user, const GError *error)
{
    TeamWatch *watch = user;
    gboolean again = FALSE;

    watch->looking = FALSE;
    if (!watch_may_act(watch))
        return; /* the timer goes on */
    for (guint i = 0; i < watch_count(watch); i++)
        again |= watch_judge(watch, watch_get(watch, i));
    if (!again)
        g_clear_handle_id(&watch->timer, g_source_remove);
}

/* Whether there is a team that a look could tell something about. */
static gboolean
watch_is_open_question(TeamWatch *watch)
{
    for (guint i = 0; i < watch_count(watch); i++) {
        const VtQemuTeam *team = watch_get(watch, i);

        if (team->by_qemu &&
            (team->primary != VT_QEMU_PRIMARY_PLUGGED || watch_team(watch, team->persistent)->reset))
            return TRUE;
    }
    return FALSE;
}

static gboolean
watch_tick(gpointer user)
{
    TeamWatch *watch = user;
    VtQmpClient *qmp = watch_may_act(watch) ? vt_domain_qmp(watch->domain, NULL) : NULL;

    if (watch->run != watch->domain->id || !watch_is_open_question(watch)) {
        watch->timer = 0;
        return G_SOURCE_REMOVE;
    }
    if (qmp && !watch->looking) {
        watch->looking = TRUE;
        vt_team_state_ask(watch->domain, watch_looked, watch);
    }
    return G_SOURCE_CONTINUE;
}

/* ---- what QEMU says ---- */

static char *
watch_names(const TeamWatch *watch)
{
    GString *names = g_string_new(NULL);

    for (guint i = 0; i < watch_count(watch); i++) {
        const VtQemuTeam *team = watch_get(watch, i);

        if (team->by_qemu && team->transient)
            g_string_append_printf(names, "%s'%s' (team '%s')", names->len ? ", " : "", team->transient,
                                   team->persistent);
    }
    return g_string_free(names, FALSE);
}

/* Why the guest goes, or comes, without a primary. */
static void
watch_explain(TeamWatch *watch)
{
    VtTimelineLog *log = vt_domain_data(watch->domain, VT_TIMELINE_LOG_KEY);

    for (guint i = 0; i < watch_count(watch); i++) {
        const VtQemuTeam *team = watch_get(watch, i);

        /* Where STANDBY was negotiated it is a VF that is about to be plugged. */
        if (!team->by_qemu || team->primary != VT_QEMU_PRIMARY_HIDDEN ||
            team->standby == VT_QEMU_STANDBY_YES || vt_team_keep_is(watch->domain, team->persistent))
            continue;
        vt_log_id_warning(
            VT_MESSAGE_MIGRATES_WITHOUT_PRIMARY, watch->domain->name,
            "domain '%s' migrates on the standby of team '%s' alone: the guest has never negotiated "
            "STANDBY, so QEMU has never plugged '%s'",
            watch->domain->name, team->persistent, team->transient);
        vt_timeline_log_note(log, VT_TIMELINE_NEGOTIATED, team->persistent,
                             _("never: the guest migrates on its standby alone"));
    }
}

static void
watch_migration(TeamWatch *watch, const char *status)
{
    gboolean waits = g_strcmp0(status, "wait-unplug") == 0;
    gboolean source = vt_job_kind(watch->domain) != VT_JOB_MIGRATION_IN;

    if (source && g_strcmp0(status, "setup") == 0)
        watch_explain(watch);
    if (waits && !watch->wait) {
        g_autofree char *names = watch_names(watch);

        watch->wait = vt_team_wait_new(watch->domain->name, names, VT_TEAM_WAIT_MS);
    } else if (!waits) {
        g_clear_pointer(&watch->wait, vt_team_wait_free);
    }
    if (source && g_strcmp0(status, "active") == 0)
        for (guint i = 0; i < watch_count(watch); i++) {
            const VtQemuTeam *team = watch_get(watch, i);

            if (team->transient)
                vt_team_manage_qemu_asks(watch->domain, team->transient, FALSE);
        }
}

/* A team is known from the first look on, so from before its primary is plugged. */
static void
watch_was_reset(WatchTeam *team)
{
    team->runs_us = team->no_us = 0;
    team->reset = TRUE;
}

static void
watch_event(VtDomain *domain, const VtQmpEvent *event, gpointer user)
{
    TeamWatch *watch = user;
    VtQmpEventInfo info;
    VtQmpEventKind kind = vt_qmp_event_decode(event, &info);

    if (watch->run != domain->id || !domain->live || !domain->driver)
        return;
    if (kind == VT_QMP_EVENT_MIGRATION)
        watch_migration(watch, info.status);
    else if (kind == VT_QMP_EVENT_UNPLUG_PRIMARY)
        vt_team_manage_qemu_asks(domain, info.device, TRUE);
    else if (kind == VT_QMP_EVENT_RESET)
        for (guint i = 0; i < watch->teams->len; i++)
            watch_was_reset(g_ptr_array_index(watch->teams, i));
    if (watch_is_open_question(watch))
        watch_start(watch);
}

static void
watch_exited(VtDomain *domain, const char *why, gpointer user)
{
    TeamWatch *watch = user;

    watch_stop(watch);
    watch->run = -1;
}

static const VtDomainQmpFuncs watch_listener = { .event = watch_event, .exited = watch_exited };

void
vt_team_watch_open(VtDomain *domain)
{
    TeamWatch *watch = vt_domain_data(domain, TEAM_WATCH_KEY);

    if (!watch) {
        watch = g_new0(TeamWatch, 1);
        watch->domain = domain;
        watch->teams = g_ptr_array_new_with_free_func(watch_team_free);
        vt_domain_set_data(domain, TEAM_WATCH_KEY, watch, watch_free);
        vt_domain_add_qmp_listener(domain, &watch_listener, watch);
    }
    watch_stop(watch);
    watch->run = domain->id;
    if (watch_is_open_question(watch))
        watch_start(watch);
}
