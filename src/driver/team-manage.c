/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A primary that QEMU does not know as one of a pair is an ordinary device: device_del asks the guest for it, its
 * netdev and its function of the host stay behind, and device_add of the same line brings it back. On a destination
 * QEMU is started with the netdevs and without the devices, since that of the source has none by then; so bringing
 * it there is the same device_add. driver/team-legs has the sequences.
 *
 * A primary that is QEMU's is here only when QEMU has lost it: its own replug failed, or the guest has let go of it
 * after the migration for which it was asked had been given up, and QEMU took that for an ordinary removal. Then it
 * is plugged by the same device_add, with its failover_pair_id, and is QEMU's again. So is a VF on a destination, which
 * QEMU would plug while it loads the guest's state, with the guest standing still meanwhile.
 */
#define VT_LOG_DOMAIN "virtteam-driver-team"

#include "driver/team-manage.h"

#include "driver/datapath.h"
#include "driver/domain-private.h"
#include "driver/job.h"
#include "driver/journal.h"
#include "driver/team-keep.h"
#include "driver/team-legs.h"
#include "driver/team-state.h"
#include "qemu/argv.h"
#include "util/i18n.h"
#include "util/log.h"
#include "util/message-id.h"

/*
 * A guest that has arrived is asked by QEMU to announce itself, five times in 1.25 s, and answers over virtio-net's registers and
 * control queue. QEMU's main loop serves those, and does nothing else while VFIO takes a function: a guest that asks then
 * stands still, also with vhost-net. Source: QAPI announce-*; virtio 1.2, 5.1.6.5.4; seen in tests/vfio's machine.
 */
guint vt_team_manage_peace_ms = 1500;

#define TEAM_MANAGE_KEY     "team-manage"
#define TEAM_MANAGE_JOB_MS  1000 /* until it is looked again whether a job is over */
#define TEAM_MANAGE_BACKOFF 60   /* seconds, at most */

typedef struct {
    guint refs;
    VtDomain *domain; /* which owns it */
    int run;          /* id of the domain's run that all this is about */
    VtTeamLegs *set;
    gboolean away;   /* a migration or a save wants the guest without them */
    gboolean paused; /* they come when the CPUs run */
    VtDoneFunc done; /* of the sequence, or of the unplug that failed before it */
    gpointer user;
    GError *result;
    VtDoneFunc next; /* an unplug that was asked for while a replug runs */
    gpointer next_user;
    GError *next_error;
    guint timer, backoff_s;
} TeamManage;

static void manage_start_unplug(TeamManage *manage, VtDoneFunc done, gpointer user);
static void manage_start_replug(TeamManage *manage);

/* ---- what there is ---- */

gboolean
vt_team_manage_is(const VtTeam *team)
{
    return team->policy && team->policy->orchestration == VT_ORCHESTRATION_MANAGEMENT;
}

gboolean
vt_team_manage_limits(const VtDriverConfig *config, const VtTeamPolicy *policy, guint *timeout_ms,
                      guint *retries)
{
    VtTeamOnTimeout on_timeout =
        policy && policy->on_timeout != VT_TEAM_ON_TIMEOUT_DEFAULT ? policy->on_timeout : config->on_timeout;

    *timeout_ms = policy && policy->unplug_timeout_ms ? policy->unplug_timeout_ms : config->unplug_timeout_ms;
    *retries = policy && policy->unplug_retries >= 0 ? (guint)policy->unplug_retries : config->unplug_retries;
    return on_timeout == VT_TEAM_ON_TIMEOUT_WAIT;
}

static void
manage_stop(TeamManage *manage)
{
    g_clear_handle_id(&manage->timer, g_source_remove);
    vt_team_legs_clear(manage->set);
    g_clear_error(&manage->result);
    g_clear_error(&manage->next_error);
    manage->done = manage->next = NULL;
    manage->away = manage->paused = FALSE;
    manage->backoff_s = 0;
}

static void
manage_unref(gpointer data)
{
    TeamManage *manage = data;

    if (--manage->refs > 0)
        return;
    manage_stop(manage);
    vt_team_legs_unref(manage->set);
    g_free(manage);
}

static VtTeamLeg *
manage_read_leg(TeamManage *manage, const VtDomainDef *def, const VtTeam *team)
{
    VtTeamLeg *leg = vt_team_legs_get(manage->set, vt_teaming_transient_info(team)->alias);

    g_free(leg->team);
    leg->team = g_strdup(team->persistent->info.alias);
    g_free(leg->device);
    leg->device = team->transient_net ? vt_argv_net_device(def, team->transient_net)
                                      : vt_argv_hostdev_device(def, team->transient_hostdev);
    leg->waits =
        vt_team_manage_limits(manage->domain->driver->config, team->policy, &leg->timeout_ms, &leg->retries);
    leg->by_qemu = !vt_team_manage_is(team);
    leg->wanted = !vt_team_keep_is(manage->domain, leg->team);
    return leg;
}

/* The legs as the definition has them now; of QEMU's only those that it has lost, if @lost. FALSE: there are none. */
static gboolean
manage_read(TeamManage *manage, gboolean lost)
{
    const VtDomainDef *def = manage->domain->live;
    g_autoptr(GPtrArray) teams = vt_teaming_teams(def);
    gboolean any = FALSE;

    for (guint i = 0; i < manage->set->legs->len; i++)
        ((VtTeamLeg *)g_ptr_array_index(manage->set->legs, i))->wanted = FALSE;
    for (guint i = 0; i < teams->len; i++) {
        const VtTeam *team = g_ptr_array_index(teams, i);
        const VtTeamLeg *known = vt_team_legs_find(manage->set, vt_teaming_transient_info(team)->alias);

        if (!vt_team_manage_is(team) && !(lost && known && known->lost))
            continue;
        manage_read_leg(manage, def, team);
        any = TRUE;
    }
    return any;
}

gboolean
vt_team_manage_has(const VtDomain *domain)
{
    g_autoptr(GPtrArray) teams = domain->live ? vt_teaming_teams(domain->live) : NULL;

    for (guint i = 0; teams && i < teams->len; i++)
        if (vt_team_manage_is(g_ptr_array_index(teams, i)))
            return TRUE;
    return FALSE;
}

/* ---- what QEMU says ---- */

static void
manage_event(VtDomain *domain, const VtQmpEvent *event, gpointer user)
{
    TeamManage *manage = user;

    manage->refs++;
    vt_team_legs_event(manage->set, event);
    if (manage->paused && g_str_equal(event->name, "RESUME") && !manage->away && !manage->set->seq)
        manage_start_replug(manage);
    manage_unref(manage);
}

/* Whoever waits is told; the rest of it is about a guest that is no more. */
static void
manage_exited(VtDomain *domain, const char *why, gpointer user)
{
    TeamManage *manage = user;
    VtDoneFunc done = manage->done, next = manage->next;
    gpointer done_user = manage->user, next_user = manage->next_user;
    g_autoptr(GError) error = manage->result ? g_error_copy(manage->result)
                                             : g_error_new(VT_ERROR, VT_ERROR_OPERATION_FAILED,
                                                           _("domain '%s' has ended: %s"), domain->name, why);

    manage_stop(manage);
    manage->run = -1;
    if (done)
        done(done_user, error);
    if (next)
        next(next_user, error);
}

static const VtDomainQmpFuncs manage_listener = { .event = manage_event, .exited = manage_exited };

static TeamManage *
manage_peek(const VtDomain *domain)
{
    TeamManage *manage = vt_domain_data(domain, TEAM_MANAGE_KEY);

    return manage && manage->run == domain->id ? manage : NULL;
}

static TeamManage *
manage_get(VtDomain *domain)
{
    TeamManage *manage = vt_domain_data(domain, TEAM_MANAGE_KEY);

    if (!manage) {
        manage = g_new0(TeamManage, 1);
        manage->refs = 1;
        manage->domain = domain;
        manage->run = domain->id;
        manage->set = vt_team_legs_new(domain, manage);
        vt_domain_set_data(domain, TEAM_MANAGE_KEY, manage, manage_unref);
        vt_domain_add_qmp_listener(domain, &manage_listener, manage);
    } else if (manage->run != domain->id) {
        manage_stop(manage);
        manage->run = domain->id;
    }
    return manage;
}

/* ---- begin and end ---- */

/* A sequence is over: tell its caller, then go on with what was asked for meanwhile. */
static void
manage_ended(TeamManage *manage, const GError *error)
{
    VtDoneFunc done = manage->done;

    manage->refs++;
    manage->done = NULL;
    if (done)
        done(manage->user, error);
    if (manage->next && !manage->set->seq) {
        VtDoneFunc next = g_steal_pointer(&manage->next);
        g_autoptr(GError) cancelled = g_steal_pointer(&manage->next_error);

        if (cancelled)
            next(manage->next_user, cancelled);
        else
            manage_start_unplug(manage, next, manage->next_user);
    }
    manage_unref(manage);
}

static void
manage_unplug_ended(VtSeq *seq, gpointer data, const GError *error)
{
    VtTeamLegs *set = data;
    TeamManage *manage = set->owner;

    set->seq = NULL;
    if (!error || manage->domain->qemu_gone) {
        manage_ended(manage, error);
        return;
    }
    /* Those that had left come back before the failure is told. */
    manage->result = g_error_copy(error);
    manage->away = FALSE;
    manage_start_replug(manage);
}

static void
manage_start_unplug(TeamManage *manage, VtDoneFunc done, gpointer user)
{
    VtSeqHooks hooks;

    if (!manage_read(manage, FALSE)) {
        done(user, NULL);
        return;
    }
    g_clear_handle_id(&manage->timer, g_source_remove);
    for (guint i = 0; i < manage->set->legs->len; i++)
        ((VtTeamLeg *)g_ptr_array_index(manage->set->legs, i))->leaving = FALSE;
    manage->away = TRUE;
    manage->paused = FALSE;
    manage->done = done;
    manage->user = user;
    vt_journal_hooks(manage->domain, &hooks);
    manage->set->seq = vt_seq_new(vt_team_legs_unplug_table(), manage->set, &hooks, manage_unplug_ended);
    vt_seq_run(manage->set->seq);
}

static gboolean
manage_tick(gpointer user)
{
    TeamManage *manage = user;

    manage->timer = 0;
    if (manage->run != manage->domain->id || !manage->domain->live || manage->set->seq || manage->away)
        return G_SOURCE_REMOVE;
    /* QEMU plugs nothing while it migrates or saves a guest. */
    if (vt_job_kind(manage->domain) != VT_JOB_NONE) {
        manage->timer = g_timeout_add(TEAM_MANAGE_JOB_MS, manage_tick, manage);
        return G_SOURCE_REMOVE;
    }
    if (manage->domain->state == VT_DOMAIN_RUNNING)
        manage_start_replug(manage);
    else
        manage->paused = TRUE;
    return G_SOURCE_REMOVE;
}

static void
manage_try_later(TeamManage *manage)
{
    manage->backoff_s = CLAMP(manage->backoff_s * 2, 1, TEAM_MANAGE_BACKOFF);
    if (!manage->timer)
        manage->timer = g_timeout_add(manage->backoff_s * 1000, manage_tick, manage);
}

static void
manage_replug_ended(VtSeq *seq, gpointer data, const GError *error)
{
    VtTeamLegs *set = data;
    TeamManage *manage = set->owner;
    g_autoptr(GError) result = g_steal_pointer(&manage->result);

    set->seq = NULL;
    if (error && !manage->next && !manage->domain->qemu_gone) {
        manage_try_later(manage);
        vt_log_id_warning(
            VT_MESSAGE_REPLUG_FAILED, manage->domain->name,
            "domain '%s': a primary could not be plugged in, the guest is on standby, it is tried "
            "again in %u s: %s",
            manage->domain->name, manage->backoff_s, error->message);
    } else if (!error) {
        manage->backoff_s = 0;
    }
    manage_ended(manage, result ? result : error);
}

static void
manage_start_replug(TeamManage *manage)
{
    g_clear_handle_id(&manage->timer, g_source_remove);
    manage->paused = FALSE;
    manage_read(manage, TRUE);
    manage->set->seq = vt_seq_new(vt_team_legs_replug_table(), manage->set, NULL, manage_replug_ended);
    vt_seq_run(manage->set->seq);
}

/* ---- public ---- */

void
vt_team_manage_boots(VtDomain *domain)
{
    g_autoptr(GPtrArray) teams = vt_teaming_teams(domain->live);

    for (guint i = 0; i < teams->len; i++) {
        const VtTeam *team = g_ptr_array_index(teams, i);

        if (vt_team_manage_is(team))
            vt_datapath_event(domain, team->persistent->info.alias, VT_HANDOVER_PRIMARY_EXPECTED, NULL, NULL);
    }
}

void
vt_team_manage_unplug(VtDomain *domain, VtDoneFunc done, gpointer user)
{
    TeamManage *manage = manage_peek(domain);

    /* A primary that is QEMU's may still be on its way, and QEMU plugs nothing during a migration. */
    if (!vt_team_manage_has(domain) && !(manage && manage->set->seq)) {
        done(user, NULL);
        return;
    }
    manage = manage_get(domain);
    if (!manage->set->seq) {
        manage_start_unplug(manage, done, user);
        return;
    }
    manage->next = done;
    manage->next_user = user;
}

gboolean
vt_team_manage_cancel(VtDomain *domain, GError *error)
{
    TeamManage *manage = manage_peek(domain);
    VtSeq *seq = manage ? manage->set->seq : NULL;

    if (seq && vt_seq_table(seq) == vt_team_legs_unplug_table())
        return vt_seq_cancel(seq, error);
    if (manage && manage->next && !manage->next_error) {
        manage->next_error = error;
        return TRUE;
    }
    g_error_free(error);
    return FALSE;
}

static gboolean
manage_may_plug(const VtDomain *domain)
{
    return domain->driver && domain->live && !domain->qemu_gone && !domain->stopping;
}

/* As soon as the guest runs. */
static void
manage_replug(TeamManage *manage, VtDoneFunc done, gpointer user)
{
    const VtDomain *domain = manage ? manage->domain : NULL;

    if (manage)
        manage->away = FALSE;
    if (manage && !manage->set->seq && domain->state == VT_DOMAIN_RUNNING) {
        manage->done = done;
        manage->user = user;
        manage_start_replug(manage);
        return;
    }
    /* The host cannot know which leg a guest takes that stands still: it is plugged once that runs. */
    if (manage && !manage->set->seq)
        manage->paused = TRUE;
    if (done)
        done(user, NULL); /* nothing to do, or it is being done */
}

void
vt_team_manage_replug(VtDomain *domain, VtDoneFunc done, gpointer user)
{
    manage_replug(manage_may_plug(domain) && vt_team_manage_has(domain) ? manage_get(domain) : NULL, done,
                  user);
}

/* QEMU shows a primary to a guest that has negotiated STANDBY only. Of others driver/team-watch knows what to do. */
static gboolean
manage_is_negotiated(const VtDomain *domain, const char *persistent)
{
    VtQemuTeaming *teaming = vt_team_state_teaming(domain);
    guint count = teaming ? vt_qemu_teaming_count(teaming) : 0;

    for (guint i = 0; i < count; i++) {
        const VtQemuTeam *team = vt_qemu_teaming_get(teaming, i);

        if (g_strcmp0(team->persistent, persistent) == 0)
            return team->standby == VT_QEMU_STANDBY_YES;
    }
    return FALSE;
}

void
vt_team_manage_arrived(VtDomain *domain)
{
    g_autoptr(GPtrArray) teams = manage_may_plug(domain) ? vt_teaming_teams(domain->live) : NULL;
    TeamManage *manage = NULL;
    gboolean vf = FALSE;

    for (guint i = 0; teams && i < teams->len; i++) {
        const VtTeam *team = g_ptr_array_index(teams, i);
        VtTeamLeg *leg;

        vf |= vt_teaming_is_host(team);
        if (vt_team_manage_is(team)) {
            manage = manage_get(domain);
        } else if (vt_teaming_is_host(team) && manage_is_negotiated(domain, team->persistent->info.alias) &&
                   !vt_team_keep_is(domain, team->persistent->info.alias)) {
            manage = manage_get(domain);
            leg = manage_read_leg(manage, domain->live, team);
            leg->lost = TRUE;
            leg->there = FALSE;
        }
    }
    if (manage && vf && !manage->set->seq && !manage->timer && domain->state == VT_DOMAIN_RUNNING) {
        manage->away = FALSE;
        manage->timer = g_timeout_add(vt_team_manage_peace_ms, manage_tick, manage);
        return;
    }
    manage_replug(manage, NULL, NULL);
}

void
vt_team_manage_abandon(VtDomain *domain)
{
    TeamManage *manage = manage_peek(domain);

    if (manage)
        manage_stop(manage);
}

static gboolean
manage_team_of(const VtDomain *domain, const char *transient, VtTeam *team)
{
    return domain->driver && vt_teaming_find(domain->live, transient, team);
}

gboolean
vt_team_manage_gone(VtDomain *domain, const char *alias)
{
    VtTeam team;
    TeamManage *manage = manage_team_of(domain, alias, &team) ? manage_get(domain) : NULL;
    VtTeamLeg *leg = manage ? manage_read_leg(manage, domain->live, &team) : NULL;

    if (!leg)
        return FALSE;
    if (leg->leaving || (leg->by_qemu && !leg->owes && !leg->lost)) {
        leg->leaving = leg->wanted = leg->owes = leg->lost = FALSE;
        leg->there = TRUE; /* as one that has never been seen: it may be attached again */
        return FALSE;
    }
    leg->there = leg->owes = FALSE;
    leg->lost = leg->by_qemu;
    if (!manage->away && !leg->op && leg->wanted) {
        vt_log_id_warning(
            VT_MESSAGE_PRIMARY_LET_GO, domain->name,
            "domain '%s': the guest has let go of '%s' (team '%s') unasked, or after it was no more "
            "waited for: it is plugged in again",
            domain->name, alias, leg->team);
        manage_try_later(manage);
    }
    return TRUE;
}

void
vt_team_manage_forget(VtDomain *domain, const char *alias)
{
    VtTeam team;

    if (manage_team_of(domain, alias, &team))
        manage_read_leg(manage_get(domain), domain->live, &team)->leaving = TRUE;
}

void
vt_team_manage_came(VtDomain *domain, const char *alias)
{
    TeamManage *manage = manage_peek(domain);
    VtTeamLeg *leg = manage ? vt_team_legs_find(manage->set, alias) : NULL;

    if (!leg)
        return;
    leg->there = leg->wanted = TRUE;
    leg->lost = leg->owes = FALSE;
}

gboolean
vt_team_manage_is_busy(const VtDomain *domain)
{
    const TeamManage *manage = manage_peek(domain);

    return manage && manage->set->seq;
}

gboolean
vt_team_manage_is_away(const VtDomain *domain, const char *alias)
{
    TeamManage *manage = manage_peek(domain);
    VtTeamLeg *leg = manage ? vt_team_legs_find(manage->set, alias) : NULL;

    return leg && !leg->there && (leg->wanted || vt_team_keep_is(domain, leg->team));
}

void
vt_team_manage_qemu_asks(VtDomain *domain, const char *alias, gboolean asks)
{
    VtTeam team;

    if (manage_team_of(domain, alias, &team) && !vt_team_manage_is(&team))
        manage_read_leg(manage_get(domain), domain->live, &team)->owes = asks;
}

gboolean
vt_team_manage_rescue(VtDomain *domain, const char *alias)
{
    VtTeam team;
    TeamManage *manage;
    VtTeamLeg *leg;

    if (!manage_team_of(domain, alias, &team) || vt_team_manage_is(&team) || domain->qemu_gone ||
        domain->stopping || vt_team_keep_is(domain, team.persistent->info.alias))
        return FALSE;
    manage = manage_get(domain);
    leg = manage_read_leg(manage, domain->live, &team);
    if (leg->lost)
        return FALSE;
    leg->lost = TRUE;
    leg->there = FALSE;
    if (!manage->set->seq && !manage->away && !manage->timer)
        manage_start_replug(manage);
    else
        manage_try_later(manage);
    return TRUE;
}
