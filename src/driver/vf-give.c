/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The 'give-vf' sequence is that of an attach, for a device that the definition has already: it is worked out on a
 * copy of the live definition, in which the transient is not bare any more, and moves into the live one when QEMU has
 * the device. The journal holds the finished interface from before the plug on, so that a successor who finds the
 * device in QEMU knows what it is, and otherwise takes back what was reserved.
 */
#define VT_LOG_DOMAIN "virtteam-driver-vf-give"

#include "driver/vf-give.h"

#include <string.h>
#include "conf/address.h"
#include "conf/net.h"
#include "conf/teaming.h"
#include "driver/datapath.h"
#include "driver/domain-private.h"
#include "driver/event.h"
#include "driver/hostdev.h"
#include "driver/job.h"
#include "driver/journal.h"
#include "driver/net-port.h"
#include "driver/reserve.h"
#include "driver/start-host.h"
#include "driver/team-keep.h"
#include "driver/team-state.h"
#include "driver/vf-take.h"
#include "qemu/argv.h"
#include "qemu/hotplug.h"
#include "util/i18n.h"
#include "util/json.h"
#include "util/log.h"
#include "util/message-id.h"

#define VF_GIVE_KEY       "vf-give"
#define VF_GIVE_AGAIN_S   30
#define VF_GIVE_JOB_MS    1000
#define VF_GIVE_QMP_MS    30000
#define VF_GIVE_PLUG_MS   120000
#define VF_GIVE_TAKE_MS   180000
#define VF_GIVE_INTERFACE "interface" /* key in the journal */

typedef struct {
    guint refs;
    VtDomain *domain;  /* with a reference */
    VtDomainDef *next; /* the live definition with the VF in it */
    char *team, *alias;
    gboolean own_journal;
    VtHotplug *plug; /* under way */
    VtSeq *seq;      /* NULL: over */
    VtDoneFunc done;
    gpointer user;
} GiveRun;

static void
give_run_unref(gpointer data)
{
    GiveRun *run = data;

    if (--run->refs > 0)
        return;
    vt_domain_def_free(run->next);
    vt_domain_unref(run->domain);
    g_free(run->team);
    g_free(run->alias);
    g_free(run);
}

static VtSeqAct *
give_act(GiveRun *run)
{
    run->refs++;
    return vt_seq_act_new(run->seq, run, give_run_unref);
}

static VtNetDef *
give_by_alias(const VtDomainDef *def, const char *alias)
{
    for (guint i = 0; def && i < def->nets->len; i++) {
        VtNetDef *net = g_ptr_array_index(def->nets, i);

        if (g_strcmp0(net->info.alias, alias) == 0)
            return net;
    }
    return NULL;
}

/* The first transient without a VF, of any team or of that one. */
static VtNetDef *
give_bare(const VtDomainDef *def, const char *team)
{
    for (guint i = 0; def && i < def->nets->len; i++) {
        VtNetDef *net = g_ptr_array_index(def->nets, i);

        if (net->bare && (!team || g_strcmp0(net->teaming.persistent, team) == 0))
            return net;
    }
    return NULL;
}

/* As give_bare(), of the teams that are not kept on standby. */
static const VtNetDef *
give_due(const VtDomain *domain, const char *team)
{
    for (guint i = 0; domain->live && i < domain->live->nets->len; i++) {
        const VtNetDef *net = g_ptr_array_index(domain->live->nets, i);

        if (net->bare && (!team || g_strcmp0(net->teaming.persistent, team) == 0) &&
            !vt_team_keep_is(domain, net->teaming.persistent))
            return net;
    }
    return NULL;
}

gboolean
vt_vf_give_is_due(const VtDomain *domain, const char *team)
{
    return give_due(domain, team) != NULL;
}

/* Put the interface in the place of the one of its alias. FALSE: the domain has none any more. */
static gboolean
give_put(VtDomainDef *def, const VtNetDef *net)
{
    VtNetDef *old = give_by_alias(def, net->info.alias);
    guint index = 0;

    if (!old || !g_ptr_array_find(def->nets, old, &index))
        return FALSE;
    def->nets->pdata[index] = vt_net_def_copy(net);
    vt_net_def_free(old);
    return TRUE;
}

static gboolean
give_want(const GiveRun *run, VtHostdevWant *want)
{
    g_autoptr(GArray) wants = vt_hostdev_wants(run->next);

    for (guint i = 0; i < wants->len; i++) {
        *want = g_array_index(wants, VtHostdevWant, i);
        if (g_strcmp0(want->alias, run->alias) == 0)
            return TRUE;
    }
    return FALSE;
}

/* ---- steps ---- */

static void
give_took(gpointer user, const VtDomainDef *taken, const GError *error)
{
    GiveRun *run = vt_seq_act_data(user);

    if (!error && vt_seq_act_is_current(user))
        vt_net_adopt(run->next, taken);
    vt_seq_act_done(user, error);
}

static VtStepResult
give_take_port(VtSeq *seq, gpointer data, GError **error)
{
    GiveRun *run = data;

    vt_net_port_take(run->domain->driver, run->domain, run->next, FALSE, give_took, give_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
give_take_port_undo(VtSeq *seq, gpointer data, GError **error)
{
    GiveRun *run = data;

    vt_net_port_release_unused(run->domain->driver, &run->domain->uuid, vt_seq_act_done, give_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
give_choose_vf(VtSeq *seq, gpointer data, GError **error)
{
    GiveRun *run = data;

    vt_vf_take(run->domain->driver, run->domain, run->next, FALSE, give_took, give_act(run));
    return VT_STEP_WAIT;
}

/* What cannot be given back was logged, and is tried again later. */
static void
give_returned(gpointer user, const GError *error)
{
    vt_seq_act_done(user, NULL);
}

static VtStepResult
give_return_vf(VtSeq *seq, gpointer data, GError **error)
{
    GiveRun *run = data;

    vt_hostdev_give_back_unused(run->domain->driver, run->domain, give_returned, give_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
give_bind(VtSeq *seq, gpointer data, GError **error)
{
    GiveRun *run = data;
    VtHostdevWant want;

    if (!give_want(run, &want)) {
        vt_error_set(error, VT_ERROR_OPERATION_FAILED,
                     _("team '%s' has neither a network nor a policy to get a VF from"), run->team);
        return VT_STEP_FAILED;
    }
    vt_hostdev_take_one(run->domain->driver, run->domain, &want, vt_seq_act_done, give_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
give_raise_memlock(VtSeq *seq, gpointer data, GError **error)
{
    GiveRun *run = data;

    vt_start_host_raise_memlock(run->next, vt_process_pid(run->domain->process));
    return VT_STEP_DONE;
}

static void
give_on_disk(gpointer user, const GError *error)
{
    vt_seq_act_done(user, error);
}

static VtStepResult
give_note(VtSeq *seq, gpointer data, GError **error)
{
    GiveRun *run = data;
    g_autoptr(VtXmlWriter) writer = vt_xml_writer_new();
    g_autofree char *text = NULL;

    if (!run->own_journal)
        return VT_STEP_DONE;
    vt_net_format(writer, give_by_alias(run->next, run->alias), VT_XML_FORMAT_STATUS);
    text = vt_xml_writer_finish(g_steal_pointer(&writer));
    vt_journal_set(run->domain, VF_GIVE_INTERFACE, text);
    vt_journal_sync(run->domain, give_on_disk, give_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
give_set_datapath(VtSeq *seq, gpointer data, GError **error)
{
    GiveRun *run = data;

    vt_datapath_open_team(run->domain, run->next, run->team, vt_seq_act_done, give_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
give_set_datapath_undo(VtSeq *seq, gpointer data, GError **error)
{
    GiveRun *run = data;

    vt_datapath_close_team(run->domain, run->team, vt_seq_act_done, give_act(run));
    return VT_STEP_WAIT;
}

static void
give_plugged(gpointer user, const GError *error)
{
    ((GiveRun *)vt_seq_act_data(user))->plug = NULL;
    vt_seq_act_done(user, error);
}

static VtStepResult
give_plug(VtSeq *seq, gpointer data, GError **error)
{
    GiveRun *run = data;
    g_autofree char *device = vt_argv_net_device(run->next, give_by_alias(run->next, run->alias));
    const VtHotplugPlug params = { .qmp = vt_domain_qmp(run->domain, error),
                                   .device = device,
                                   .backend = VT_HOTPLUG_BACKEND_NONE };

    if (!params.qmp)
        return VT_STEP_FAILED;
    run->plug = vt_hotplug_plug(&params, give_plugged, give_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
give_adopt(VtSeq *seq, gpointer data, GError **error)
{
    GiveRun *run = data;
    VtDomain *domain = run->domain;
    const VtNetDef *net = give_by_alias(run->next, run->alias);
    g_autofree char *host = NULL;

    if (!domain->live || !domain->driver || !give_put(domain->live, net)) {
        vt_error_set(error, VT_ERROR_OPERATION_FAILED, _("domain '%s' ended while it was given a VF"),
                     domain->name);
        return VT_STEP_FAILED;
    }
    host = vt_host_pci_to_string(&net->host);
    vt_team_state_update(domain);
    vt_domain_status_changed(domain);
    vt_log_id_info(VT_MESSAGE_TEAM_GIVEN, domain->name,
                   "domain '%s', team '%s': the guest is given the VF %s", domain->name, run->team, host);
    vt_event_device(domain->driver, domain, VT_EVENT_DEVICE_ADDED, run->alias);
    return VT_STEP_DONE;
}

static const VtStep give_steps[] = {
    { .name = "take-port",
      .waits_for = "the network daemon has given a port, if the VF comes from a network",
      .start = give_take_port,
      .undo = give_take_port_undo,
      .timeout_ms = VF_GIVE_TAKE_MS,
      .undo_timeout_ms = VF_GIVE_TAKE_MS },
    { .name = "choose-vf",
      .waits_for = "a VF is reserved and bound, if a policy chooses it or a network has lent it",
      .start = give_choose_vf,
      .undo = give_return_vf,
      .timeout_ms = VF_GIVE_TAKE_MS,
      .undo_timeout_ms = VF_GIVE_TAKE_MS },
    { .name = "take-host-device",
      .waits_for = "the VF is bound to vfio-pci",
      .start = give_bind,
      .undo = give_return_vf,
      .timeout_ms = VF_GIVE_TAKE_MS,
      .undo_timeout_ms = VF_GIVE_TAKE_MS },
    { .name = "raise-memlock", .start = give_raise_memlock },
    { .name = "note",
      .waits_for = "the journal has what will be plugged",
      .start = give_note,
      .timeout_ms = VF_GIVE_QMP_MS },
    { .name = "set-datapath",
      .waits_for = "the host feeds both legs of the team",
      .start = give_set_datapath,
      .undo = give_set_datapath_undo,
      .timeout_ms = VF_GIVE_QMP_MS,
      .undo_timeout_ms = VF_GIVE_QMP_MS },
    { .name = "plug", .waits_for = "QEMU has the device", .start = give_plug, .timeout_ms = VF_GIVE_PLUG_MS },
    { .name = "adopt", .start = give_adopt, .commit = TRUE },
};

static const VtSeqTable give_table = {
    .name = "give-vf",
    .steps = give_steps,
    .n_steps = G_N_ELEMENTS(give_steps),
};

const VtSeqTable *
vt_vf_give_table(void)
{
    return &give_table;
}

/* ---- running it ---- */

static void
give_event(VtDomain *domain, const VtQmpEvent *event, gpointer user)
{
    GiveRun *run = user;

    if (run->plug)
        vt_hotplug_event(run->plug, event);
}

static const VtDomainQmpFuncs give_listener = { .event = give_event };

static void
give_ended(VtSeq *seq, gpointer data, const GError *error)
{
    GiveRun *run = data;

    run->seq = NULL;
    vt_domain_remove_qmp_listener(run->domain, &give_listener, run);
    vt_domain_set_data(run->domain, VF_GIVE_KEY, NULL, NULL);
    if (run->own_journal)
        vt_journal_end(run->domain);
    run->done(run->user, error);
    give_run_unref(run);
}

static gboolean
give_refuse(const VtDomain *domain, const char *team, GError **error)
{
    if (!vt_domain_is_active(domain) || domain->stopping || domain->state != VT_DOMAIN_RUNNING)
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID,
                            _("domain '%s' is not running: it cannot be given a VF now"), domain->name);
    if (vt_domain_data(domain, VF_GIVE_KEY))
        return vt_error_set(error, VT_ERROR_BUSY, _("team '%s' of domain '%s' is being given a VF already"),
                            team, domain->name);
    return vt_domain_qmp(domain, error) != NULL;
}

void
vt_vf_give_try(VtDomain *domain, const char *team, VtDoneFunc done, gpointer user)
{
    g_autoptr(GError) refusal = NULL;
    VtNetDef *bare;
    VtSeqHooks hooks;
    GiveRun *run;

    if (!give_refuse(domain, team, &refusal) || !vt_vf_give_is_due(domain, team)) {
        done(user, refusal);
        return;
    }
    run = g_new0(GiveRun, 1);
    run->refs = 1;
    run->domain = vt_domain_ref(domain);
    run->next = vt_domain_def_copy(domain->live);
    bare = give_bare(run->next, team);
    bare->bare = FALSE;
    run->team = g_strdup(bare->teaming.persistent);
    run->alias = g_strdup(bare->info.alias);
    run->done = done;
    run->user = user;
    if (!vt_journal_kind(domain)) {
        vt_journal_begin(domain, VT_VF_GIVE_JOURNAL);
        run->own_journal = TRUE;
    }
    vt_domain_set_data(domain, VF_GIVE_KEY, run, NULL);
    vt_domain_add_qmp_listener(domain, &give_listener, run);
    vt_journal_hooks(domain, &hooks);
    run->seq = vt_seq_new(&give_table, run, &hooks, give_ended);
    vt_seq_run(run->seq);
}

void
vt_vf_give_abandon(VtDomain *domain)
{
    GiveRun *run = vt_domain_data(domain, VF_GIVE_KEY);

    if (!run)
        return;
    vt_seq_free(g_steal_pointer(&run->seq));
    vt_domain_remove_qmp_listener(domain, &give_listener, run);
    vt_domain_set_data(domain, VF_GIVE_KEY, NULL, NULL);
    give_run_unref(run);
}

/* ---- by itself ---- */

typedef struct {
    VtDriver *driver;
    guint timer, soon;
} GiveWatch;

static void give_scan(GiveWatch *watch);

static void
give_watch_free(gpointer data)
{
    GiveWatch *watch = data;

    g_clear_handle_id(&watch->timer, g_source_remove);
    g_clear_handle_id(&watch->soon, g_source_remove);
    g_free(watch);
}

static gboolean
give_soon(gpointer user)
{
    GiveWatch *watch = user;

    watch->soon = 0;
    give_scan(watch);
    return G_SOURCE_REMOVE;
}

static gboolean
give_tick(gpointer user)
{
    GiveWatch *watch = user;

    watch->timer = 0;
    give_scan(watch);
    return G_SOURCE_REMOVE;
}

/* What a guest could not be given after all is no news: it would be tried again at once, for ever. */
static void
give_reservation_dropped(VtDriver *driver, const VtUuid *uuid)
{
    GiveWatch *watch = vt_driver_data(driver, VF_GIVE_KEY);
    const VtDomain *domain = vt_driver_lookup_uuid(driver, uuid, NULL);

    if (domain && vt_domain_data(domain, VF_GIVE_KEY))
        return;
    if (watch && !watch->soon)
        watch->soon = g_idle_add(give_soon, watch);
}

static void
give_tried(gpointer user, const GError *error)
{
    g_autoptr(VtDomain) domain = user;

    if (error)
        vt_log_debug("dom=%s still without a VF: %s", domain->name, error->message);
    vt_job_end(domain);
}

static void
give_has_job(gpointer user, const GError *error)
{
    g_autoptr(VtDomain) domain = user;
    const VtNetDef *bare = error ? NULL : give_due(domain, NULL);
    g_autofree char *team = bare ? g_strdup(bare->teaming.persistent) : NULL;

    if (error)
        return;
    if (!team)
        vt_job_end(domain);
    else
        vt_vf_give_try(domain, team, give_tried, vt_domain_ref(domain));
}

static void
give_scan(GiveWatch *watch)
{
    g_autoptr(GPtrArray) domains = vt_driver_list(watch->driver, 0);
    gboolean any = FALSE;

    for (guint i = 0; i < domains->len; i++)
        vt_domain_ref(g_ptr_array_index(domains, i));
    g_ptr_array_set_free_func(domains, (GDestroyNotify)vt_domain_unref);
    for (guint i = 0; i < domains->len; i++) {
        VtDomain *domain = g_ptr_array_index(domains, i);

        if (!vt_domain_is_active(domain) || !vt_vf_give_is_due(domain, NULL))
            continue;
        any = TRUE;
        if (domain->state == VT_DOMAIN_RUNNING && !domain->starting && !domain->stopping &&
            vt_job_kind(domain) == VT_JOB_NONE)
            vt_job_begin(domain, VT_JOB_MODIFY, VF_GIVE_JOB_MS, give_has_job, vt_domain_ref(domain));
    }
    if (any && !watch->timer)
        watch->timer = g_timeout_add_seconds(VF_GIVE_AGAIN_S, give_tick, watch);
}

void
vt_vf_give_watch(VtDriver *driver)
{
    GiveWatch *watch = vt_driver_data(driver, VF_GIVE_KEY);

    if (!watch) {
        watch = g_new0(GiveWatch, 1);
        watch->driver = driver;
        vt_driver_set_data(driver, VF_GIVE_KEY, watch, give_watch_free);
        vt_reserve_set_dropped(driver, give_reservation_dropped);
    }
    if (!watch->timer)
        watch->timer = g_timeout_add_seconds(VF_GIVE_AGAIN_S, give_tick, watch);
}

/* ---- after a restart ---- */

typedef struct {
    VtDomain *domain; /* with a reference */
    VtDoneFunc done;
    gpointer user;
} GiveRecovery;

static void
give_recovered(gpointer user, const GError *error)
{
    GiveRecovery *recovery = user;

    vt_journal_end(recovery->domain);
    recovery->done(recovery->user, NULL);
    vt_domain_unref(recovery->domain);
    g_free(recovery);
}

static void
give_recover_ports(gpointer user, const GError *error)
{
    GiveRecovery *recovery = user;

    vt_net_port_release_unused(recovery->domain->driver, &recovery->domain->uuid, give_recovered, recovery);
}

/* The interface that was to be plugged; NULL: it had not come to that. */
static VtNetDef *
give_read_note(VtDomain *domain)
{
    const char *text = vt_journal_get(domain, VF_GIVE_INTERFACE);
    g_autoptr(GPtrArray) problems = vt_xml_problems_new();
    VtParseContext ctx = { .problems = problems, .flags = VT_PARSE_STATUS };
    g_autoptr(VtXmlDoc) doc = text ? vt_xml_parse(text, NULL) : NULL;
    g_autoptr(VtNetDef) net = NULL;

    if (!doc || !vt_net_parse(&ctx, xmlDocGetRootElement(doc), &net) || problems->len > 0)
        return NULL;
    return g_steal_pointer(&net);
}

static void
give_recover_looked(gpointer user, JsonNode *result, const GError *error)
{
    GiveRecovery *recovery = user;
    VtDomain *domain = recovery->domain;
    g_autoptr(VtNetDef) net = give_read_note(domain);
    JsonArray *devices = result && JSON_NODE_HOLDS_ARRAY(result) ? json_node_get_array(result) : NULL;
    /* A primary that QEMU hides is not on its list. */
    gboolean there = g_strcmp0(vt_journal_get(domain, "step"), "adopt") == 0;

    for (guint i = 0; net && devices && i < json_array_get_length(devices) && !there; i++)
        there = g_strcmp0(vt_json_string_or(json_array_get_element(devices, i), "name", NULL),
                          net->info.alias) == 0;
    /* A QEMU that does not say is believed to have it: its VF must not go to another guest. */
    if (net && (there || error) && domain->live && give_put(domain->live, net)) {
        vt_team_state_update(domain);
        vt_domain_status_changed(domain);
        vt_log_info("domain '%s': the VF that it was being given is in the guest", domain->name);
    }
    if (domain->driver)
        vt_hostdev_give_back_unused(domain->driver, domain, give_recover_ports, recovery);
    else
        give_recovered(recovery, NULL);
}

void
vt_vf_give_recover(VtDomain *domain, VtDoneFunc done, gpointer user)
{
    GiveRecovery *recovery = g_new0(GiveRecovery, 1);
    VtQmpClient *qmp = vt_domain_qmp(domain, NULL);
    g_autoptr(GError) lost = NULL;

    recovery->domain = vt_domain_ref(domain);
    recovery->done = done;
    recovery->user = user;
    if (qmp) {
        vt_qmp_client_callv(qmp, "qom-list", VF_GIVE_QMP_MS, give_recover_looked, recovery, "path", "s",
                            "/machine/peripheral", NULL);
        return;
    }
    vt_error_set(&lost, VT_ERROR_OPERATION_FAILED, "the monitor is lost");
    give_recover_looked(recovery, NULL, lost);
}
