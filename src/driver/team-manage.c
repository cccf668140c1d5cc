/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A primary that QEMU does not know as one of a pair is an ordinary device: device_del asks the guest for it, its
 * netdev and its function of the host stay behind, and device_add of the same line brings it back. On a destination
 * QEMU is started with the netdevs and without the devices, since that of the source has none by then; so bringing
 * it there is the same device_add.
 *
 * 'team-unplug' runs before QEMU is told to migrate. When it fails, or the migration after it does, 'team-replug'
 * follows: it looks which primaries QEMU has, and adds the others. Nothing needs to be remembered for that, so it is
 * also what a restarted daemon runs, and what answers a guest that lets go too late, after the time limit has passed.
 */
#define VT_LOG_DOMAIN "virtteam-driver-team"

#include "driver/team-manage.h"

#include "driver/datapath.h"
#include "driver/domain-private.h"
#include "driver/journal.h"
#include "driver/timeline-log.h"
#include "qemu/argv.h"
#include "qemu/hotplug.h"
#include "qemu/mig-call.h"
#include "util/i18n.h"
#include "util/json.h"
#include "util/log.h"

#define TEAM_MANAGE_KEY     "team-manage"
#define TEAM_MANAGE_QMP_MS  30000
#define TEAM_MANAGE_PLUG_MS 120000
#define TEAM_MANAGE_FEED_MS 60000
#define TEAM_MANAGE_BACKOFF 60 /* seconds, at most */

typedef struct _TeamManage TeamManage;

typedef struct {
    TeamManage *manage; /* owns it */
    char *team;         /* alias of the persistent leg */
    char *transient;
    char *device; /* value of -device */
    guint timeout_ms, retries;
    gboolean waits;   /* without a limit */
    gboolean wanted;  /* the definition has it */
    gboolean there;   /* QEMU had it when last seen */
    gboolean leaving; /* a client detaches it */
    VtHotplug *op;    /* under way */
} ManageLeg;

struct _TeamManage {
    guint refs;
    VtDomain *domain; /* which owns it */
    int run;          /* id of the domain's run that all this is about */
    GPtrArray *legs;  /* of ManageLeg; none is removed while a run lasts */
    VtMigCalls *calls;
    VtSeq *seq;
    gboolean away; /* a migration wants the guest without them */
    guint pending; /* parts of the step that waits */
    guint round;   /* number of that step: answers to an earlier one mean nothing */
    GError *failure;
    VtDoneFunc done; /* of @seq, or of the unplug that failed before it */
    gpointer user;
    GError *result;
    VtDoneFunc next; /* an unplug that was asked for while a replug runs */
    gpointer next_user;
    GError *next_error;
    guint timer, backoff_s;
};

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
manage_leg_free(gpointer data)
{
    ManageLeg *leg = data;

    vt_hotplug_free(leg->op);
    g_free(leg->team);
    g_free(leg->transient);
    g_free(leg->device);
    g_free(leg);
}

static void
manage_stop(TeamManage *manage)
{
    g_clear_handle_id(&manage->timer, g_source_remove);
    g_clear_pointer(&manage->seq, vt_seq_free);
    vt_mig_calls_forget(manage->calls);
    g_ptr_array_set_size(manage->legs, 0);
    g_clear_error(&manage->failure);
    g_clear_error(&manage->result);
    g_clear_error(&manage->next_error);
    manage->done = manage->next = NULL;
    manage->away = FALSE;
    manage->round++;
    manage->backoff_s = 0;
}

static void
manage_unref(gpointer data)
{
    TeamManage *manage = data;

    if (--manage->refs > 0)
        return;
    manage_stop(manage);
    vt_mig_calls_free(manage->calls);
    g_ptr_array_unref(manage->legs);
    g_free(manage);
}

static VtQmpClient *
manage_qmp(gpointer user)
{
    return vt_domain_qmp(((TeamManage *)user)->domain, NULL);
}

static ManageLeg *
manage_find(const TeamManage *manage, const char *transient)
{
    for (guint i = 0; i < manage->legs->len; i++) {
        ManageLeg *leg = g_ptr_array_index(manage->legs, i);

        if (g_strcmp0(leg->transient, transient) == 0)
            return leg;
    }
    return NULL;
}

static void
manage_read_leg(TeamManage *manage, const VtDomainDef *def, const VtTeam *team)
{
    const VtDeviceInfo *info =
        team->transient_net ? &team->transient_net->info : &team->transient_hostdev->info;
    ManageLeg *leg = manage_find(manage, info->alias);

    if (!leg) {
        leg = g_new0(ManageLeg, 1);
        leg->manage = manage;
        leg->transient = g_strdup(info->alias);
        leg->there = TRUE;
        g_ptr_array_add(manage->legs, leg);
    }
    g_free(leg->team);
    leg->team = g_strdup(team->persistent->info.alias);
    g_free(leg->device);
    leg->device = team->transient_net ? vt_argv_net_device(def, team->transient_net)
                                      : vt_argv_hostdev_device(def, team->transient_hostdev);
    leg->waits =
        vt_team_manage_limits(manage->domain->driver->config, team->policy, &leg->timeout_ms, &leg->retries);
    leg->wanted = TRUE;
}

/* The legs as the definition has them now. FALSE: there are none. */
static gboolean
manage_read(TeamManage *manage)
{
    const VtDomainDef *def = manage->domain->live;
    g_autoptr(GPtrArray) teams = vt_teaming_teams(def);
    gboolean any = FALSE;

    for (guint i = 0; i < manage->legs->len; i++)
        ((ManageLeg *)g_ptr_array_index(manage->legs, i))->wanted = FALSE;
    for (guint i = 0; i < teams->len; i++) {
        const VtTeam *team = g_ptr_array_index(teams, i);

        if (!vt_team_manage_is(team))
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

/* ---- steps: small parts ---- */

static void
manage_step_end(TeamManage *manage)
{
    if (--manage->pending > 0 || !manage->seq)
        return;
    if (manage->failure)
        vt_seq_step_failed(manage->seq, g_steal_pointer(&manage->failure));
    else
        vt_seq_step_done(manage->seq);
}

/* Several things are begun, and this keeps the step from ending before all are. */
static void
manage_step_begin(TeamManage *manage)
{
    vt_mig_calls_forget(manage->calls);
    g_clear_error(&manage->failure);
    manage->pending = 1;
    manage->round++;
}

static void
manage_note(const ManageLeg *leg, VtTimelineWhat what)
{
    VtTimelineLog *log = vt_domain_data(leg->manage->domain, VT_TIMELINE_LOG_KEY);

    if (log)
        vt_timeline_log_note(log, what, leg->team, NULL);
}

static void
manage_looked(gpointer user, JsonNode *result, const GError *error)
{
    TeamManage *manage = user;
    JsonArray *array = result && JSON_NODE_HOLDS_ARRAY(result) ? json_node_get_array(result) : NULL;

    if (error)
        manage->failure = g_error_copy(error);
    for (guint i = 0; array && i < manage->legs->len; i++) {
        ManageLeg *leg = g_ptr_array_index(manage->legs, i);

        leg->there = FALSE;
        for (guint j = 0; j < json_array_get_length(array) && !leg->there; j++)
            leg->there = g_strcmp0(vt_json_string_or(json_array_get_element(array, j), "name", NULL),
                                   leg->transient) == 0;
    }
    manage_step_end(manage);
}

static VtStepResult
step_look(VtSeq *seq, gpointer data, GError **error)
{
    TeamManage *manage = data;

    manage_step_begin(manage);
    return vt_mig_calls_ask(manage->calls, "qom-list",
                            vt_json_node_new(vt_json_object_new("s:path", "/machine/peripheral", NULL)),
                            TEAM_MANAGE_QMP_MS, manage_looked, manage, error)
               ? VT_STEP_WAIT
               : VT_STEP_FAILED;
}

typedef struct {
    TeamManage *manage; /* with a reference */
    guint round;        /* the step that asked */
} ManageFeed;

static void
manage_fed(gpointer user, const GError *nothing)
{
    ManageFeed *feed = user;

    if (feed->manage->round == feed->round)
        manage_step_end(feed->manage);
    manage_unref(feed->manage);
    g_free(feed);
}

static void
manage_feed(TeamManage *manage, const ManageLeg *leg, VtHandoverEvent event)
{
    ManageFeed *feed = g_new0(ManageFeed, 1);

    feed->manage = manage;
    feed->round = manage->round;
    manage->refs++;
    manage->pending++;
    vt_datapath_event(manage->domain, leg->team, event, manage_fed, feed);
}

/* ---- team-unplug ---- */

static VtStepResult
manage_feed_all(TeamManage *manage, gboolean there, VtHandoverEvent event)
{
    manage_step_begin(manage);
    for (guint i = 0; i < manage->legs->len; i++) {
        const ManageLeg *leg = g_ptr_array_index(manage->legs, i);

        if (leg->wanted && leg->there == there)
            manage_feed(manage, leg, event);
    }
    manage_step_end(manage);
    return VT_STEP_WAIT;
}

static VtStepResult
step_plan(VtSeq *seq, gpointer data, GError **error)
{
    return manage_feed_all(data, TRUE, VT_HANDOVER_UNPLUG_PLANNED);
}

static VtStepResult
undo_plan(VtSeq *seq, gpointer data, GError **error)
{
    return manage_feed_all(data, TRUE, VT_HANDOVER_UNPLUG_REVOKED);
}

static GError *
manage_unplug_error(const ManageLeg *leg, const GError *error)
{
    if (g_error_matches(error, VT_ERROR, VT_ERROR_TIMEOUT))
        return g_error_new(
            VT_ERROR, VT_ERROR_OPERATION_FAILED,
            _("the guest did not eject its primary network device '%s' (team '%s') within %u s, "
              "so the guest stays here; a guest needs its driver of PCI hotplug and must run to "
              "eject it"),
            leg->transient, leg->team, (leg->timeout_ms + 500) / 1000);
    return g_error_new(error->domain, error->code, _("primary network device '%s' (team '%s'): %s"),
                       leg->transient, leg->team, error->message);
}

static void
manage_unplugged(gpointer user, const GError *error)
{
    ManageLeg *leg = user;
    TeamManage *manage = leg->manage;

    leg->op = NULL;
    if (error) {
        if (g_error_matches(error, VT_ERROR, VT_ERROR_TIMEOUT))
            manage_note(leg, VT_TIMELINE_UNPLUG_TIMEOUT);
        if (!manage->failure)
            manage->failure = manage_unplug_error(leg, error);
    } else {
        leg->there = FALSE;
        manage_note(leg, VT_TIMELINE_EJECTED);
    }
    manage_step_end(manage);
}

static VtStepResult
step_ask_guest(VtSeq *seq, gpointer data, GError **error)
{
    TeamManage *manage = data;

    manage_step_begin(manage);
    for (guint i = 0; i < manage->legs->len; i++) {
        ManageLeg *leg = g_ptr_array_index(manage->legs, i);
        VtHotplugUnplug params = { .qmp = manage_qmp(manage), .alias = leg->transient };

        if (!leg->wanted || !leg->there)
            continue;
        if (!params.qmp) {
            vt_domain_qmp(manage->domain, &manage->failure);
            break;
        }
        params.timeout_ms = leg->waits ? 0 : leg->timeout_ms;
        params.retry_ms = leg->retries ? leg->timeout_ms / (leg->retries + 1) : 0;
        manage->pending++;
        manage_note(leg, VT_TIMELINE_UNPLUG_ASKED);
        leg->op = vt_hotplug_unplug(&params, manage_unplugged, leg);
    }
    manage_step_end(manage);
    return VT_STEP_WAIT;
}

/* A guest that was asked cannot be told to forget it; should it let go later, the primary is plugged again. */
static VtStepResult
undo_ask_guest(VtSeq *seq, gpointer data, GError **error)
{
    TeamManage *manage = data;

    for (guint i = 0; i < manage->legs->len; i++)
        g_clear_pointer(&((ManageLeg *)g_ptr_array_index(manage->legs, i))->op, vt_hotplug_free);
    return VT_STEP_DONE;
}

/* ---- team-replug ---- */

static VtStepResult
step_expect(VtSeq *seq, gpointer data, GError **error)
{
    return manage_feed_all(data, FALSE, VT_HANDOVER_PRIMARY_EXPECTED);
}

static VtStepResult
undo_expect(VtSeq *seq, gpointer data, GError **error)
{
    return manage_feed_all(data, FALSE, VT_HANDOVER_PRIMARY_GONE);
}

static void
manage_plugged(gpointer user, const GError *error)
{
    ManageLeg *leg = user;
    TeamManage *manage = leg->manage;

    leg->op = NULL;
    if (error) {
        if (!manage->failure)
            manage->failure = g_error_new(error->domain, error->code, "'%s' (team '%s'): %s", leg->transient,
                                          leg->team, error->message);
    } else {
        leg->there = TRUE;
        manage_note(leg, VT_TIMELINE_REPLUGGED);
        vt_log_info("domain '%s': primary '%s' of team '%s' is plugged in again", manage->domain->name,
                    leg->transient, leg->team);
    }
    manage_step_end(manage);
}

static VtStepResult
step_plug(VtSeq *seq, gpointer data, GError **error)
{
    TeamManage *manage = data;

    manage_step_begin(manage);
    for (guint i = 0; i < manage->legs->len; i++) {
        ManageLeg *leg = g_ptr_array_index(manage->legs, i);
        const VtHotplugPlug params = { .qmp = manage_qmp(manage),
                                       .device = leg->device,
                                       .backend = VT_HOTPLUG_BACKEND_NONE };

        if (!leg->wanted || leg->there)
            continue;
        if (!params.qmp) {
            vt_domain_qmp(manage->domain, &manage->failure);
            break;
        }
        manage->pending++;
        leg->op = vt_hotplug_plug(&params, manage_plugged, leg);
    }
    manage_step_end(manage);
    return VT_STEP_WAIT;
}

static VtStepResult
undo_plug(VtSeq *seq, gpointer data, GError **error)
{
    return undo_ask_guest(seq, data, error);
}

/* ---- the tables ---- */

static const VtStep manage_unplug_steps[] = {
    { .name = "look-for-primaries",
      .waits_for = "QEMU's list of devices",
      .start = step_look,
      .timeout_ms = TEAM_MANAGE_QMP_MS + 1000 },
    { .name = "plan-unplug",
      .waits_for = "the host feeds both legs",
      .start = step_plan,
      .undo = undo_plan,
      .timeout_ms = TEAM_MANAGE_FEED_MS,
      .undo_timeout_ms = TEAM_MANAGE_FEED_MS },
    { .name = "ask-guest",
      .waits_for = "all primaries ejected, or the time limit",
      .start = step_ask_guest,
      .undo = undo_ask_guest },
};

static const VtStep manage_replug_steps[] = {
    { .name = "look-for-primaries",
      .waits_for = "QEMU's list of devices",
      .start = step_look,
      .timeout_ms = TEAM_MANAGE_QMP_MS + 1000 },
    { .name = "expect-primaries",
      .waits_for = "the host feeds both legs",
      .start = step_expect,
      .undo = undo_expect,
      .timeout_ms = TEAM_MANAGE_FEED_MS,
      .undo_timeout_ms = TEAM_MANAGE_FEED_MS },
    { .name = "plug",
      .waits_for = "QEMU has the devices",
      .start = step_plug,
      .undo = undo_plug,
      .timeout_ms = TEAM_MANAGE_PLUG_MS },
};

static const VtSeqTable manage_unplug_table = {
    .name = "team-unplug",
    .steps = manage_unplug_steps,
    .n_steps = G_N_ELEMENTS(manage_unplug_steps),
};

static const VtSeqTable manage_replug_table = {
    .name = "team-replug",
    .steps = manage_replug_steps,
    .n_steps = G_N_ELEMENTS(manage_replug_steps),
};

const VtSeqTable *
vt_team_manage_unplug_table(void)
{
    return &manage_unplug_table;
}

const VtSeqTable *
vt_team_manage_replug_table(void)
{
    return &manage_replug_table;
}

/* ---- what QEMU says ---- */

static void
manage_event(VtDomain *domain, const VtQmpEvent *event, gpointer user)
{
    TeamManage *manage = user;

    manage->refs++;
    for (guint i = 0; i < manage->legs->len; i++) {
        ManageLeg *leg = g_ptr_array_index(manage->legs, i);

        if (leg->op)
            vt_hotplug_event(leg->op, event);
    }
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
        manage->legs = g_ptr_array_new_with_free_func(manage_leg_free);
        manage->calls = vt_mig_calls_new(manage_qmp, manage);
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
    if (manage->next && !manage->seq) {
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
    TeamManage *manage = data;

    manage->seq = NULL;
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

    if (!manage_read(manage)) {
        done(user, NULL);
        return;
    }
    g_clear_handle_id(&manage->timer, g_source_remove);
    for (guint i = 0; i < manage->legs->len; i++)
        ((ManageLeg *)g_ptr_array_index(manage->legs, i))->leaving = FALSE;
    manage->away = TRUE;
    manage->done = done;
    manage->user = user;
    vt_journal_hooks(manage->domain, &hooks);
    manage->seq = vt_seq_new(&manage_unplug_table, manage, &hooks, manage_unplug_ended);
    vt_seq_run(manage->seq);
}

static gboolean
manage_tick(gpointer user)
{
    TeamManage *manage = user;

    manage->timer = 0;
    if (manage->run == manage->domain->id && manage->domain->live && !manage->seq && !manage->away)
        manage_start_replug(manage);
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
    TeamManage *manage = data;
    g_autoptr(GError) result = g_steal_pointer(&manage->result);

    manage->seq = NULL;
    if (error && !manage->next && !manage->domain->qemu_gone) {
        manage_try_later(manage);
        vt_log_warning("domain '%s': a primary could not be plugged in, the guest is on standby, it is tried "
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
    manage_read(manage);
    manage->seq = vt_seq_new(&manage_replug_table, manage, NULL, manage_replug_ended);
    vt_seq_run(manage->seq);
}

/* ---- public ---- */

void
vt_team_manage_unplug(VtDomain *domain, VtDoneFunc done, gpointer user)
{
    TeamManage *manage;

    if (!vt_team_manage_has(domain)) {
        done(user, NULL);
        return;
    }
    manage = manage_get(domain);
    if (!manage->seq) {
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

    if (manage && manage->seq && vt_seq_table(manage->seq) == &manage_unplug_table)
        return vt_seq_cancel(manage->seq, error);
    if (manage && manage->next && !manage->next_error) {
        manage->next_error = error;
        return TRUE;
    }
    g_error_free(error);
    return FALSE;
}

void
vt_team_manage_replug(VtDomain *domain, VtDoneFunc done, gpointer user)
{
    TeamManage *manage = NULL;

    if (domain->driver && !domain->qemu_gone && !domain->stopping && vt_team_manage_has(domain))
        manage = manage_get(domain);
    if (manage && !manage->seq) {
        manage->away = FALSE;
        manage->done = done;
        manage->user = user;
        manage_start_replug(manage);
    } else if (done) {
        done(user, NULL); /* nothing to do, or it is being done */
    }
}

gboolean
vt_team_manage_gone(VtDomain *domain, const char *alias)
{
    g_autoptr(GPtrArray) teams = domain->live && domain->driver ? vt_teaming_teams(domain->live) : NULL;
    TeamManage *manage;
    ManageLeg *leg;

    for (guint i = 0; teams && i < teams->len; i++) {
        const VtTeam *team = g_ptr_array_index(teams, i);
        const VtDeviceInfo *info =
            team->transient_net ? &team->transient_net->info : &team->transient_hostdev->info;

        if (!vt_team_manage_is(team) || g_strcmp0(info->alias, alias) != 0)
            continue;
        manage = manage_get(domain);
        manage_read_leg(manage, domain->live, team);
        leg = manage_find(manage, alias);
        if (leg->leaving) {
            leg->leaving = leg->wanted = FALSE;
            leg->there = TRUE; /* as one that has never been seen: it may be attached again */
            return FALSE;
        }
        leg->there = FALSE;
        if (!manage->away && !leg->op) {
            vt_log_warning("domain '%s': the guest has let go of '%s' (team '%s') unexpectedly", domain->name,
                           alias, leg->team);
            manage_try_later(manage);
        }
        return TRUE;
    }
    return FALSE;
}

void
vt_team_manage_forget(VtDomain *domain, const char *alias)
{
    TeamManage *manage = vt_team_manage_has(domain) ? manage_get(domain) : NULL;
    ManageLeg *leg;

    if (!manage || !domain->driver)
        return;
    manage_read(manage);
    leg = manage_find(manage, alias);
    if (leg)
        leg->leaving = TRUE;
}

gboolean
vt_team_manage_is_away(const VtDomain *domain, const char *alias)
{
    TeamManage *manage = manage_peek(domain);
    ManageLeg *leg = manage ? manage_find(manage, alias) : NULL;

    return leg && leg->wanted && !leg->there;
}
