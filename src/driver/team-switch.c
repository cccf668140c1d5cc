/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * That a team is kept on standby is written down first, and taken away last. So a daemon that finds it in the status
 * file after a restart only has to look: a primary that is there leaves, one that is not stays away (driver/team-keep).
 *
 * A guest that was asked to let go cannot be told to forget it. When it does so after its time limit, the primary is
 * plugged in again, as is one of which a killed daemon does not know how far its way back had come (bit AWAY).
 */
#define VT_LOG_DOMAIN "virtteam-driver-team"

#include "driver/team-switch.h"

#include "conf/address.h"
#include "driver/datapath.h"
#include "driver/domain-private.h"
#include "driver/hostdev.h"
#include "driver/job.h"
#include "driver/journal.h"
#include "driver/store.h"
#include "driver/team-manage.h"
#include "driver/team-state.h"
#include "driver/vf-give.h"
#include "qemu/argv.h"
#include "qemu/hotplug.h"
#include "qemu/qmp-event.h"
#include "util/i18n.h"
#include "util/json.h"
#include "util/log.h"
#include "util/message-id.h"

#define TEAM_SWITCH_KEY      "team-switch"
#define TEAM_SWITCH_JOB_MS   30000
#define TEAM_SWITCH_QMP_MS   30000
#define TEAM_SWITCH_PLUG_MS  120000
#define TEAM_SWITCH_FEED_MS  60000
#define TEAM_SWITCH_TAKE_MS  180000
#define TEAM_SWITCH_DISK_MS  60000
#define TEAM_SWITCH_RETRY_MS 5000 /* the guest is asked again at least this often */

typedef struct {
    guint refs;
    VtDomain *domain; /* with a reference */
    VtTeamSwitchTo to;
    guint bit, timeout_ms;
    char *why;                       /* nullable */
    char *asked;                     /* (nullable) the team, as the caller named it */
    char *team, *transient, *device; /* aliases, value of -device */
    gboolean has_job, managed;       /* orchestration='management' */
    gboolean bare;                   /* the host has no VF for it: there is nothing to take out */
    gboolean is_host, binds;         /* a function of the host, which we bind to VFIO */
    VtPciBdf bdf;                    /* of it */
    gboolean left, came;             /* the guest has let go of it, was given it */
    gboolean there, stays;           /* QEMU has it; it stays away for another reason */
    guint before;                    /* what kept it */
    VtHotplug *op;                   /* under way */
    VtSeqAct *act;                   /* of @op */
    VtSeq *seq;                      /* NULL: over */
    VtTeamSwitchDone done;
    gpointer user;
} TeamSwitch;

static void
switch_unref(gpointer data)
{
    TeamSwitch *run = data;

    if (--run->refs > 0)
        return;
    vt_domain_unref(run->domain);
    g_free(run->why);
    g_free(run->asked);
    g_free(run->team);
    g_free(run->transient);
    g_free(run->device);
    g_free(run);
}

static VtSeqAct *
switch_act(TeamSwitch *run)
{
    run->refs++;
    return vt_seq_act_new(run->seq, run, switch_unref);
}

/* ---- which team ---- */

static char *
switch_names(const VtDomainDef *def)
{
    GString *names = g_string_new(NULL);

    for (guint i = 0; i < def->nets->len; i++) {
        const VtNetDef *net = g_ptr_array_index(def->nets, i);

        if (net->teaming.type == VT_TEAMING_PERSISTENT)
            g_string_append_printf(names, "%s'%s'", names->len ? ", " : "", net->info.alias);
    }
    return g_string_free(names, FALSE);
}

/* The persistent leg that is meant. */
static const VtNetDef *
switch_persistent(const VtDomain *domain, const char *asked, GError **error)
{
    g_autofree char *names = switch_names(domain->live);
    const VtNetDef *found = NULL;
    VtTeam team;
    guint count = 0;

    for (guint i = 0; i < domain->live->nets->len; i++) {
        const VtNetDef *net = g_ptr_array_index(domain->live->nets, i);

        if (net->teaming.type != VT_TEAMING_PERSISTENT || (asked && g_strcmp0(net->info.alias, asked) != 0))
            continue;
        found = net;
        count++;
    }
    if (asked && !found && vt_teaming_find(domain->live, asked, &team))
        found = team.persistent;
    if (!*names)
        vt_error_set(error, VT_ERROR_OPERATION_INVALID, _("domain '%s' has no team"), domain->name);
    else if (!found)
        vt_error_set(error, VT_ERROR_INVALID_ARG, _("domain '%s' has no team '%s'; it has %s"), domain->name,
                     asked, names);
    else if (count > 1)
        vt_error_set(error, VT_ERROR_INVALID_ARG, _("domain '%s' has several teams: say which of %s"),
                     domain->name, names);
    else
        return found;
    return NULL;
}

static gboolean
switch_read_team(TeamSwitch *run, const VtTeam *team)
{
    VtDomain *domain = run->domain;
    const VtHostPci *host = NULL;
    gboolean waits;
    guint retries = 0, timeout_ms = 0;

    run->transient = g_strdup(vt_teaming_transient_info(team)->alias);
    run->managed = vt_team_manage_is(team);
    if (team->transient_net) {
        run->device = vt_argv_net_device(domain->live, team->transient_net);
        run->is_host = vt_teaming_net_is_host(team->transient_net) && team->transient_net->has_host;
        run->binds = team->transient_net->managed != VT_TRISTATE_NO;
        host = &team->transient_net->host;
    } else {
        run->device = vt_argv_hostdev_device(domain->live, team->transient_hostdev);
        run->is_host = TRUE;
        run->binds = team->transient_hostdev->managed == VT_TRISTATE_YES;
        host = &team->transient_hostdev->host;
    }
    if (run->is_host)
        run->bdf = vt_host_pci_bdf(host);
    waits = vt_team_manage_limits(domain->driver->config, team->policy, &timeout_ms, &retries);
    if (!run->timeout_ms)
        run->timeout_ms = waits ? MAX(timeout_ms, 30000) : timeout_ms;
    return TRUE;
}

static gboolean
switch_is_bare(const VtDomainDef *def, const char *persistent)
{
    for (guint i = 0; i < def->nets->len; i++) {
        const VtNetDef *net = g_ptr_array_index(def->nets, i);

        if (net->bare && g_strcmp0(net->teaming.persistent, persistent) == 0)
            return TRUE;
    }
    return FALSE;
}

/* What the switch is about, as the definition has it now. */
static gboolean
switch_read(TeamSwitch *run, GError **error)
{
    VtDomain *domain = run->domain;
    g_autoptr(GPtrArray) teams = NULL;
    const VtNetDef *persistent;

    if (!vt_domain_is_active(domain) || !domain->live || domain->stopping)
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID, _("domain '%s' is not running"), domain->name);
    persistent = switch_persistent(domain, run->asked, error);
    if (!persistent)
        return FALSE;
    run->team = g_strdup(persistent->info.alias);
    teams = vt_teaming_teams(domain->live);
    for (guint i = 0; i < teams->len; i++) {
        const VtTeam *team = g_ptr_array_index(teams, i);

        if (team->persistent == persistent)
            return switch_read_team(run, team);
    }
    run->bare = switch_is_bare(domain->live, run->team);
    if (run->bare)
        return TRUE;
    return vt_error_set(
        error, VT_ERROR_OPERATION_INVALID,
        _("team '%s' of domain '%s' has no transient at present: attach one ('virsh attach-device')"),
        run->team, domain->name);
}

/* ---- steps ---- */

static gboolean
switch_has(JsonNode *list, const char *alias)
{
    JsonArray *array = list && JSON_NODE_HOLDS_ARRAY(list) ? json_node_get_array(list) : NULL;

    for (guint i = 0; array && i < json_array_get_length(array); i++)
        if (g_strcmp0(vt_json_string_or(json_array_get_element(array, i), "name", NULL), alias) == 0)
            return TRUE;
    return FALSE;
}

static void
switch_looked(gpointer user, JsonNode *result, const GError *error)
{
    TeamSwitch *run = vt_seq_act_data(user);

    if (!error && vt_seq_act_is_current(user))
        run->there = switch_has(result, run->transient);
    vt_seq_act_done(user, error);
}

static VtStepResult
switch_step_look(VtSeq *seq, gpointer data, GError **error)
{
    TeamSwitch *run = data;
    VtQmpClient *qmp = vt_domain_qmp(run->domain, error);

    if (!qmp)
        return VT_STEP_FAILED;
    vt_qmp_client_callv(qmp, "qom-list", TEAM_SWITCH_QMP_MS, switch_looked, switch_act(run), "path", "s",
                        "/machine/peripheral", NULL);
    return VT_STEP_WAIT;
}

static VtStepResult
switch_write(TeamSwitch *run)
{
    if (!run->domain->driver)
        return VT_STEP_DONE;
    vt_store_status_write(run->domain->driver, run->domain, vt_seq_act_done, switch_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
switch_feed(TeamSwitch *run, VtHandoverEvent event)
{
    vt_datapath_event(run->domain, run->team, event, vt_seq_act_done, switch_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
switch_step_remember(VtSeq *seq, gpointer data, GError **error)
{
    TeamSwitch *run = data;

    run->before = vt_team_keep_get(run->domain, run->team);
    if (run->bit)
        vt_team_keep_add(run->domain, run->team, (VtTeamKeep)run->bit, run->why);
    if (run->there)
        vt_team_keep_add(run->domain, run->team, VT_TEAM_KEEP_ASKED, NULL);
    return switch_write(run);
}

/* That it was asked stays true. */
static VtStepResult
switch_undo_remember(VtSeq *seq, gpointer data, GError **error)
{
    TeamSwitch *run = data;

    vt_team_keep_remove(run->domain, run->team, run->bit & ~run->before);
    if (run->left)
        vt_team_keep_add(run->domain, run->team, VT_TEAM_KEEP_AWAY, NULL);
    return switch_write(run);
}

static VtStepResult
switch_step_plan(VtSeq *seq, gpointer data, GError **error)
{
    TeamSwitch *run = data;

    if (!run->there)
        return VT_STEP_DONE;
    return switch_feed(run,
                       run->bit == VT_TEAM_KEEP_LOST ? VT_HANDOVER_PRIMARY_LOST : VT_HANDOVER_UNPLUG_PLANNED);
}

static VtStepResult
switch_undo_plan(VtSeq *seq, gpointer data, GError **error)
{
    TeamSwitch *run = data;

    return run->there ? switch_feed(run, VT_HANDOVER_UNPLUG_REVOKED) : VT_STEP_DONE;
}

static void
switch_unplugged(gpointer user, const GError *error)
{
    TeamSwitch *run = user;
    VtSeqAct *act = g_steal_pointer(&run->act);
    g_autoptr(GError) why = NULL;

    run->op = NULL;
    if (g_error_matches(error, VT_ERROR, VT_ERROR_TIMEOUT))
        vt_error_set(&why, VT_ERROR_OPERATION_FAILED,
                     _("the guest did not eject its primary network device '%s' (team '%s') within %u s, and "
                       "keeps it; a guest needs its driver of PCI hotplug and must run to eject it"),
                     run->transient, run->team, (run->timeout_ms + 500) / 1000);
    else if (error)
        why = g_error_new(error->domain, error->code, _("primary network device '%s' (team '%s'): %s"),
                          run->transient, run->team, error->message);
    else
        run->left = TRUE;
    vt_seq_act_done(act, why);
}

static VtStepResult
switch_step_ask(VtSeq *seq, gpointer data, GError **error)
{
    TeamSwitch *run = data;
    VtHotplugUnplug params = { .alias = run->transient, .timeout_ms = run->timeout_ms };

    if (!run->there)
        return VT_STEP_DONE;
    params.qmp = vt_domain_qmp(run->domain, error);
    params.retry_ms = MIN(TEAM_SWITCH_RETRY_MS, run->timeout_ms / 2);
    if (!params.qmp)
        return VT_STEP_FAILED;
    run->act = switch_act(run);
    run->op = vt_hotplug_unplug(&params, switch_unplugged, run);
    return VT_STEP_WAIT;
}

static VtStepResult
switch_undo_op(VtSeq *seq, gpointer data, GError **error)
{
    TeamSwitch *run = data;

    g_clear_pointer(&run->op, vt_hotplug_free);
    g_clear_pointer(&run->act, vt_seq_act_free);
    return VT_STEP_DONE;
}

static void switch_plugged(gpointer user, const GError *error);

static void
switch_plug_again(gpointer user, const GError *nothing)
{
    TeamSwitch *run = vt_seq_act_data(user);
    const VtHotplugPlug params = { .qmp = vt_domain_qmp(run->domain, NULL),
                                   .device = run->device,
                                   .backend = VT_HOTPLUG_BACKEND_NONE };

    if (!params.qmp || !vt_seq_act_is_current(user)) {
        vt_seq_act_done(user, NULL);
        return;
    }
    run->act = user;
    run->op = vt_hotplug_plug(&params, switch_plugged, run);
}

static VtStepResult
switch_undo_ask(VtSeq *seq, gpointer data, GError **error)
{
    TeamSwitch *run = data;

    switch_undo_op(seq, data, error);
    if (!run->left)
        return VT_STEP_DONE;
    vt_datapath_event(run->domain, run->team, VT_HANDOVER_PRIMARY_EXPECTED, switch_plug_again,
                      switch_act(run));
    return VT_STEP_WAIT;
}

/* DEVICE_DELETED has told it already, where it came while we were there. */
static VtStepResult
switch_step_settle(VtSeq *seq, gpointer data, GError **error)
{
    return switch_feed(data, VT_HANDOVER_PRIMARY_GONE);
}

/* After an update of the PF's firmware its functions may be new ones, which nobody has bound to VFIO. */
static VtStepResult
switch_step_take(VtSeq *seq, gpointer data, GError **error)
{
    TeamSwitch *run = data;
    VtHostdevWant want = { .bdf = run->bdf, .managed = run->binds, .alias = run->transient };
    VtDriver *driver = run->domain->driver;
    VtPciInfo info;

    run->stays = (vt_team_keep_get(run->domain, run->team) & VT_TEAM_KEEP_REASONS & ~run->bit) != 0;
    if (run->there || run->stays || !run->is_host || !driver)
        return VT_STEP_DONE;
    if (!vt_pci_get(vt_hostdev_pci_host(driver), &run->bdf, &info, error)) {
        g_prefix_error(error, _("the primary of team '%s' cannot come back: "), run->team);
        return VT_STEP_FAILED;
    }
    if (g_str_equal(info.driver, VT_PCI_VFIO))
        return VT_STEP_DONE;
    vt_hostdev_take_one(driver, run->domain, &want, vt_seq_act_done, switch_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
switch_step_expect(VtSeq *seq, gpointer data, GError **error)
{
    TeamSwitch *run = data;

    if (run->stays)
        return VT_STEP_DONE;
    /* One that never left: whatever was planned is not any more. */
    return switch_feed(run, run->there ? VT_HANDOVER_UNPLUG_REVOKED : VT_HANDOVER_PRIMARY_EXPECTED);
}

static VtStepResult
switch_undo_expect(VtSeq *seq, gpointer data, GError **error)
{
    TeamSwitch *run = data;

    return run->there || run->stays ? VT_STEP_DONE : switch_feed(run, VT_HANDOVER_PRIMARY_GONE);
}

static void
switch_plugged(gpointer user, const GError *error)
{
    TeamSwitch *run = user;
    VtSeqAct *act = g_steal_pointer(&run->act);
    g_autoptr(GError) why = NULL;

    run->op = NULL;
    if (error)
        why = g_error_new(
            error->domain, error->code,
            _("the primary '%s' of team '%s' could not be plugged in, the guest stays on standby: %s"),
            run->transient, run->team, error->message);
    else
        vt_team_manage_came(run->domain, run->transient);
    run->left = error != NULL && run->left;
    run->came = error == NULL;
    vt_seq_act_done(act, why);
}

static VtStepResult
switch_step_plug(VtSeq *seq, gpointer data, GError **error)
{
    TeamSwitch *run = data;
    VtHotplugPlug params = { .device = run->device, .backend = VT_HOTPLUG_BACKEND_NONE };

    if (run->there || run->stays)
        return VT_STEP_DONE;
    params.qmp = vt_domain_qmp(run->domain, error);
    if (!params.qmp)
        return VT_STEP_FAILED;
    run->act = switch_act(run);
    run->op = vt_hotplug_plug(&params, switch_plugged, run);
    return VT_STEP_WAIT;
}

static VtStepResult
switch_undo_plug(VtSeq *seq, gpointer data, GError **error)
{
    TeamSwitch *run = data;
    VtHotplugUnplug params = { .alias = run->transient, .timeout_ms = run->timeout_ms };

    switch_undo_op(seq, data, error);
    if (!run->came)
        return VT_STEP_DONE;
    params.qmp = vt_domain_qmp(run->domain, error);
    if (!params.qmp)
        return VT_STEP_FAILED;
    run->act = switch_act(run);
    run->op = vt_hotplug_unplug(&params, switch_unplugged, run);
    return VT_STEP_WAIT;
}

static VtStepResult
switch_step_release(VtSeq *seq, gpointer data, GError **error)
{
    TeamSwitch *run = data;

    vt_team_keep_remove(run->domain, run->team, run->bit | VT_TEAM_KEEP_AWAY | VT_TEAM_KEEP_ASKED);
    return switch_write(run);
}

/* ---- tables ---- */

static const VtStep switch_standby_steps[] = {
    { .name = "look-for-primary",
      .waits_for = "QEMU's list of devices",
      .start = switch_step_look,
      .timeout_ms = TEAM_SWITCH_QMP_MS + 1000 },
    { .name = "remember",
      .waits_for = "the status file says that the team is kept on standby",
      .start = switch_step_remember,
      .undo = switch_undo_remember,
      .timeout_ms = TEAM_SWITCH_DISK_MS,
      .undo_timeout_ms = TEAM_SWITCH_DISK_MS },
    { .name = "plan-unplug",
      .waits_for = "the host feeds both legs",
      .start = switch_step_plan,
      .undo = switch_undo_plan,
      .timeout_ms = TEAM_SWITCH_FEED_MS,
      .undo_timeout_ms = TEAM_SWITCH_FEED_MS },
    { .name = "ask-guest",
      .waits_for = "the primary ejected, or the time limit",
      .start = switch_step_ask,
      .undo = switch_undo_ask,
      .undo_timeout_ms = TEAM_SWITCH_PLUG_MS },
    { .name = "settle",
      .waits_for = "the host feeds standby",
      .start = switch_step_settle,
      .timeout_ms = TEAM_SWITCH_FEED_MS,
      .commit = TRUE },
};

static const VtStep switch_primary_steps[] = {
    { .name = "look-for-primary",
      .waits_for = "QEMU's list of devices",
      .start = switch_step_look,
      .timeout_ms = TEAM_SWITCH_QMP_MS + 1000 },
    { .name = "take-host-device",
      .waits_for = "the host's function is bound to vfio-pci",
      .start = switch_step_take,
      .timeout_ms = TEAM_SWITCH_TAKE_MS },
    { .name = "expect-primary",
      .waits_for = "the host feeds both legs",
      .start = switch_step_expect,
      .undo = switch_undo_expect,
      .timeout_ms = TEAM_SWITCH_FEED_MS,
      .undo_timeout_ms = TEAM_SWITCH_FEED_MS },
    { .name = "plug",
      .waits_for = "QEMU has the device",
      .start = switch_step_plug,
      .undo = switch_undo_plug,
      .timeout_ms = TEAM_SWITCH_PLUG_MS },
    { .name = "release",
      .waits_for = "the status file says that nothing keeps the team on standby",
      .start = switch_step_release,
      .timeout_ms = TEAM_SWITCH_DISK_MS,
      .commit = TRUE },
};

static const VtSeqTable switch_standby_table = {
    .name = "team-standby",
    .steps = switch_standby_steps,
    .n_steps = G_N_ELEMENTS(switch_standby_steps),
};

static const VtSeqTable switch_primary_table = {
    .name = "team-primary",
    .steps = switch_primary_steps,
    .n_steps = G_N_ELEMENTS(switch_primary_steps),
};

const VtSeqTable *
vt_team_switch_standby_table(void)
{
    return &switch_standby_table;
}

const VtSeqTable *
vt_team_switch_primary_table(void)
{
    return &switch_primary_table;
}

/* ---- begin and end ---- */

static void
switch_event(VtDomain *domain, const VtQmpEvent *event, gpointer user)
{
    TeamSwitch *run = user;

    if (run->op)
        vt_hotplug_event(run->op, event);
}

static void
switch_exited(VtDomain *domain, const char *why, gpointer user)
{
    TeamSwitch *run = user;

    if (run->seq)
        vt_seq_cancel(run->seq, g_error_new(VT_ERROR, VT_ERROR_OPERATION_FAILED,
                                            _("domain '%s' has ended: %s"), domain->name, why));
}

static const VtDomainQmpFuncs switch_listener = { .event = switch_event, .exited = switch_exited };

static char *
switch_said(const TeamSwitch *run)
{
    guint bits = vt_team_keep_get(run->domain, run->team);
    const char *why = vt_team_keep_why(run->domain, run->team);

    if (run->bare && run->to == VT_TEAM_SWITCH_PRIMARY)
        return g_strdup_printf(_("team '%s' has been given a VF: it has its primary"), run->team);
    if (run->to == VT_TEAM_SWITCH_STANDBY && !run->there)
        return g_strdup_printf(_("team '%s' is on standby already, and is kept there"), run->team);
    if (run->to == VT_TEAM_SWITCH_STANDBY)
        return g_strdup_printf(_("team '%s' is on standby, and is kept there"), run->team);
    if (run->stays && (bits & VT_TEAM_KEEP_LOST))
        return g_strdup_printf(_("team '%s' returns to its primary when that works again: %s"), run->team,
                               why ? why : _("it does not at present"));
    if (run->stays)
        return g_strdup_printf(_("team '%s' stays on standby, where it is kept by a user's wish"), run->team);
    if (run->there)
        return g_strdup_printf(_("team '%s' has its primary '%s' already"), run->team, run->transient);
    return g_strdup_printf(_("team '%s' has its primary '%s' again"), run->team, run->transient);
}

static void
switch_log(const TeamSwitch *run, const char *said)
{
    if (run->bit != VT_TEAM_KEEP_USER)
        vt_log_info("dom=%s %s", run->domain->name, said);
    else if (run->to == VT_TEAM_SWITCH_STANDBY)
        vt_log_id_info(VT_MESSAGE_TEAM_KEPT, run->domain->name, "domain '%s': %s", run->domain->name, said);
    else
        vt_log_id_info(VT_MESSAGE_TEAM_RELEASED, run->domain->name, "domain '%s': %s", run->domain->name,
                       said);
}

static void
switch_end(TeamSwitch *run, const GError *error)
{
    g_autofree char *said = error ? NULL : switch_said(run);

    if (said)
        switch_log(run, said);
    if (run->has_job) {
        vt_domain_set_data(run->domain, TEAM_SWITCH_KEY, NULL, NULL);
        vt_job_end(run->domain);
    }
    run->done(run->user, said, error);
    switch_unref(run);
}

static void
switch_ended(VtSeq *seq, gpointer data, const GError *error)
{
    TeamSwitch *run = data;

    run->seq = NULL;
    switch_undo_op(NULL, run, NULL);
    vt_domain_remove_qmp_listener(run->domain, &switch_listener, run);
    vt_journal_end(run->domain);
    /* What QEMU does not tell by itself: that it has the device. */
    vt_team_state_ask(run->domain, NULL, NULL);
    switch_end(run, error);
}

/* A paused guest can be given a device, but lets go of none. */
static gboolean
switch_may_begin(TeamSwitch *run, GError **error)
{
    VtDomain *domain = run->domain;

    if (!switch_read(run, error))
        return FALSE;
    if (run->to == VT_TEAM_SWITCH_STANDBY && vt_domain_state(domain, NULL) != VT_DOMAIN_RUNNING)
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID,
                            _("domain '%s' is paused: its guest cannot eject the primary; resume it first "
                              "('virsh resume')"),
                            domain->name);
    if (run->managed && vt_team_manage_is_busy(domain))
        return vt_error_set(error, VT_ERROR_BUSY,
                            _("a primary of domain '%s' is being plugged in or out: try again"),
                            domain->name);
    return TRUE;
}

/* ---- a team whose host has no VF for it ---- */

static void
switch_given(gpointer user, const GError *error)
{
    TeamSwitch *run = user;

    if (error && (run->before & run->bit))
        vt_team_keep_add(run->domain, run->team, (VtTeamKeep)run->bit, NULL);
    switch_end(run, error);
}

static void
switch_bare(TeamSwitch *run)
{
    run->before = vt_team_keep_get(run->domain, run->team);
    if (run->to == VT_TEAM_SWITCH_STANDBY) {
        if (run->bit)
            vt_team_keep_add(run->domain, run->team, (VtTeamKeep)run->bit, run->why);
        switch_end(run, NULL);
        return;
    }
    vt_team_keep_remove(run->domain, run->team, run->bit | VT_TEAM_KEEP_AWAY);
    vt_vf_give_try(run->domain, run->team, switch_given, run);
}

static void
switch_has_job(gpointer user, const GError *error)
{
    TeamSwitch *run = user;
    g_autoptr(GError) local = NULL;
    VtSeqHooks hooks;

    run->has_job = error == NULL;
    if (run->has_job)
        vt_domain_set_data(run->domain, TEAM_SWITCH_KEY, run, NULL);
    if (error || !switch_may_begin(run, &local)) {
        switch_end(run, error ? error : local);
        return;
    }
    if (run->bare) {
        switch_bare(run);
        return;
    }
    vt_journal_begin(run->domain, "team-switch");
    vt_journal_set(run->domain, "team", run->team);
    vt_journal_hooks(run->domain, &hooks);
    vt_domain_add_qmp_listener(run->domain, &switch_listener, run);
    run->seq = vt_seq_new(run->to == VT_TEAM_SWITCH_STANDBY ? &switch_standby_table : &switch_primary_table,
                          run, &hooks, switch_ended);
    vt_seq_run(run->seq);
}

void
vt_team_switch(VtDomain *domain, const VtTeamSwitchParams *params, VtTeamSwitchDone done, gpointer user)
{
    TeamSwitch *run = g_new0(TeamSwitch, 1);
    g_autoptr(GError) error = NULL;

    run->refs = 1;
    run->domain = vt_domain_ref(domain);
    run->to = params->to;
    run->bit = params->bit;
    run->why = g_strdup(params->why);
    run->asked = g_strdup(params->team);
    run->timeout_ms = params->timeout_ms;
    run->done = done;
    run->user = user;
    if (!vt_domain_is_active(domain)) {
        vt_error_set(&error, VT_ERROR_OPERATION_INVALID, _("domain '%s' is not running"), domain->name);
        switch_end(run, error);
        return;
    }
    vt_job_begin(domain, VT_JOB_MODIFY, TEAM_SWITCH_JOB_MS, switch_has_job, run);
}

void
vt_team_switch_abandon(VtDomain *domain)
{
    TeamSwitch *run = vt_domain_data(domain, TEAM_SWITCH_KEY);
    g_autoptr(GError) error = NULL;

    if (!run)
        return;
    vt_domain_set_data(domain, TEAM_SWITCH_KEY, NULL, NULL);
    g_clear_pointer(&run->seq, vt_seq_free);
    switch_undo_op(NULL, run, NULL);
    vt_domain_remove_qmp_listener(domain, &switch_listener, run);
    vt_error_set(&error, VT_ERROR_ABORTED, "the daemon ends");
    /* Calls of clients are dropped as a whole; others free what they have. */
    if (run->bit != VT_TEAM_KEEP_USER)
        run->done(run->user, NULL, error);
    switch_unref(run);
}
