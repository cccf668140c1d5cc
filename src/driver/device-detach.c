/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The going of devices; the head of device-live.c says how it is arranged. */
#define VT_LOG_DOMAIN "virtteam-driver-device"

#include <stdio.h>
#include <string.h>
#include "conf/address.h"
#include "conf/validate.h"
#include "driver/datapath.h"
#include "driver/device-find.h"
#include "driver/device-leaving.h"
#include "driver/device-live.h"
#include "driver/domain-private.h"
#include "driver/event.h"
#include "driver/host-port.h"
#include "driver/hostdev.h"
#include "driver/journal.h"
#include "driver/net-port.h"
#include "driver/team-enforce.h"
#include "driver/team-manage.h"
#include "driver/team-state.h"
#include "driver/team-guard.h"
#include "qemu/hotplug.h"
#include "util/i18n.h"
#include "util/json.h"
#include "util/log.h"

#define DEVICE_DETACH_KEY      "device-detach"
#define DEVICE_DETACH_QMP_MS   30000
#define DEVICE_DETACH_FEED_MS  60000
#define DEVICE_DETACH_CLEAN_MS 180000
#define DEVICE_DETACH_WAIT_MS  5000 /* what a client waits, as under libvirt; the guest may take longer */

/* ---- clean-up behind a device that is gone ---- */

/* Held by the list of its domain; removed from it at its end. */
typedef struct {
    VtDomain *domain;
    char *alias;
    VtDevice *device;
    gboolean was_there; /* clients are told that it is gone */
    VtDoneFunc waiter;  /* nullable */
    gpointer waiter_user;
} DeviceCleanup;

static GPtrArray *
device_detach_cleanups(VtDomain *domain)
{
    GPtrArray *list = vt_domain_data(domain, DEVICE_DETACH_KEY);

    if (!list) {
        list = g_ptr_array_new();
        vt_domain_set_data(domain, DEVICE_DETACH_KEY, list, (GDestroyNotify)g_ptr_array_unref);
    }
    return list;
}

static void
device_detach_cleanup_end(gpointer user, const GError *nothing)
{
    DeviceCleanup *cleanup = user;
    VtDomain *domain = cleanup->domain;

    g_ptr_array_remove(device_detach_cleanups(domain), cleanup);
    vt_device_leaving_remove(domain, cleanup->alias);
    if (domain->driver && cleanup->was_there)
        vt_event_device(domain->driver, domain, VT_EVENT_DEVICE_REMOVED, cleanup->alias);
    if (cleanup->waiter)
        cleanup->waiter(cleanup->waiter_user, NULL);
    vt_device_free(cleanup->device);
    g_free(cleanup->alias);
    g_free(cleanup);
    vt_domain_unref(domain);
}

static void
device_detach_remove_port(gpointer user, const GError *nothing)
{
    DeviceCleanup *cleanup = user;
    const VtDevice *device = cleanup->device;

    /* A standby that stays has no back end any more that keeps it up. */
    if (cleanup->domain->state == VT_DOMAIN_RUNNING)
        vt_host_port_set_up(cleanup->domain, TRUE);
    if (device->kind == VT_DEVICE_NET && device->net->target_dev)
        vt_host_port_remove(cleanup->domain, device->net->target_dev, device_detach_cleanup_end, cleanup);
    else
        device_detach_cleanup_end(cleanup, NULL);
}

/* QEMU and the device's driver have nothing of it any more: last goes what was set for its team, and its port. */
static void
device_detach_clean(gpointer user, const GError *error)
{
    DeviceCleanup *cleanup = user;
    const char *team = vt_device_find_team(cleanup->device);

    if (cleanup->device->kind == VT_DEVICE_NET)
        vt_net_port_release_one(cleanup->domain->driver, cleanup->device->net->port, NULL, NULL);
    if (error)
        vt_log_warning("dom=%s device %s left something behind: %s", cleanup->domain->name, cleanup->alias,
                       error->message);
    if (team)
        vt_datapath_close_team(cleanup->domain, team, device_detach_remove_port, cleanup);
    else
        device_detach_remove_port(cleanup, NULL);
}

static gboolean
device_detach_is_host(const VtDevice *device, VtHostPci *host)
{
    if (device->kind == VT_DEVICE_NET && device->net->type == VT_NET_HOSTDEV && device->net->has_host)
        *host = device->net->host;
    else if (device->kind == VT_DEVICE_HOSTDEV)
        *host = device->hostdev->host;
    else
        return FALSE;
    return TRUE;
}

/* Those of one layer. */
static void
device_detach_add_nodes(GPtrArray *names, const VtDiskDef *disk, JsonNode *result, const char *layer)
{
    JsonArray *nodes = JSON_NODE_HOLDS_ARRAY(result) ? json_node_get_array(result) : NULL;

    for (guint i = 0; nodes && i < json_array_get_length(nodes); i++) {
        JsonNode *node = json_array_get_element(nodes, i);
        const char *name = vt_json_string_or(node, "node-name", "");
        const char *file = vt_json_string_or(node, "file", "");
        guint number = 0;
        int length = 0;

        if (sscanf(name, "libvirt-%u-%n", &number, &length) == 1 && length > 0 &&
            strcmp(&name[length], layer) == 0 && g_strcmp0(file, disk->source_file) == 0)
            g_ptr_array_add(names, g_strdup(name));
    }
}

/*
 * The nodes of a disk by the image they are of, those on top first. A daemon killed meanwhile may have removed only
 * these. One that another disk still uses is refused by QEMU, and stays.
 */
static GPtrArray *
device_detach_nodes(const VtDiskDef *disk, JsonNode *result)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);

    device_detach_add_nodes(names, disk, result, "format");
    device_detach_add_nodes(names, disk, result, "storage");
    return names;
}

static void
device_detach_nodes_told(gpointer user, JsonNode *result, const GError *error)
{
    DeviceCleanup *cleanup = user;
    VtQmpClient *qmp = vt_domain_qmp(cleanup->domain, NULL);
    g_autoptr(GPtrArray) nodes = NULL;

    if (error || !qmp) {
        device_detach_clean(cleanup, error);
        return;
    }
    nodes = device_detach_nodes(cleanup->device->disk, result);
    vt_hotplug_remove_backend(&(VtHotplugUnplug){ .qmp = qmp, .alias = cleanup->alias, .nodes = nodes },
                              device_detach_clean, cleanup);
}

static void
device_detach_start_cleanup(DeviceCleanup *cleanup)
{
    VtDomain *domain = cleanup->domain;
    const VtDevice *device = cleanup->device;
    VtQmpClient *qmp = vt_domain_qmp(domain, NULL);
    VtHostPci host;

    if (device_detach_is_host(device, &host)) {
        const VtPciBdf bdf = vt_host_pci_bdf(&host);

        vt_hostdev_give_back_one(domain->driver, &domain->uuid, &bdf, device_detach_clean, cleanup);
    } else if (qmp && device->kind == VT_DEVICE_NET && device->net->type != VT_NET_HOSTDEV) {
        g_autofree char *netdev = g_strconcat("host", cleanup->alias, NULL);

        vt_hotplug_remove_backend(
            &(VtHotplugUnplug){ .qmp = qmp, .alias = cleanup->alias, .netdev_id = netdev },
            device_detach_clean, cleanup);
    } else if (qmp && device->kind == VT_DEVICE_DISK && device->disk->source_file) {
        vt_qmp_client_call(qmp, "query-named-block-nodes", NULL, DEVICE_DETACH_QMP_MS,
                           device_detach_nodes_told, cleanup);
    } else {
        device_detach_clean(cleanup, NULL);
    }
}

static DeviceCleanup *
device_detach_add_cleanup(VtDomain *domain, VtDevice *device, gboolean was_there)
{
    DeviceCleanup *cleanup = g_new0(DeviceCleanup, 1);

    cleanup->domain = vt_domain_ref(domain);
    cleanup->alias = g_strdup(vt_device_find_info(device)->alias);
    cleanup->device = device;
    cleanup->was_there = was_there;
    g_ptr_array_add(device_detach_cleanups(domain), cleanup);
    return cleanup;
}

void
vt_device_live_gone(VtDomain *domain, const char *alias)
{
    VtDevice found;
    guint index = 0;

    gboolean taken = domain->live && domain->driver && vt_team_guard_taken(domain, alias);

    if (!domain->live || !domain->driver || vt_team_enforce_gone(domain, alias) ||
        vt_team_manage_gone(domain, alias) || taken || vt_team_guard_gone(domain, alias) ||
        !vt_device_find_alias(domain->live, alias, &found, &index))
        return;
    g_ptr_array_steal_index(vt_device_find_list(domain->live, &found), index);
    vt_log_info("dom=%s device %s is gone", domain->name, alias);
    vt_domain_status_changed(domain);
    vt_team_state_update(domain);
    vt_team_guard_open(domain);
    device_detach_start_cleanup(device_detach_add_cleanup(domain, g_memdup2(&found, sizeof found), TRUE));
}

void
vt_device_live_take_back(VtDomain *domain, VtDevice *device, VtDoneFunc done, gpointer user)
{
    DeviceCleanup *cleanup = device_detach_add_cleanup(domain, device, FALSE);

    cleanup->waiter = done;
    cleanup->waiter_user = user;
    device_detach_start_cleanup(cleanup);
}

/* ---- detach ---- */

typedef struct {
    guint refs;
    VtDomain *domain;
    char *alias;
    char *team; /* (nullable) of the device, when it is a transient */
    gboolean wait;
    gboolean stays; /* the guest has not let go yet */
    gboolean gone;  /* it has, or QEMU never had it */
    VtHotplug *op;  /* under way */
    VtSeqAct *ask;  /* of @op */
    VtSeq *seq;
    VtDoneFunc done;
    gpointer user;
} DeviceDetach;

static void
device_detach_unref(gpointer data)
{
    DeviceDetach *run = data;

    if (--run->refs > 0)
        return;
    vt_domain_unref(run->domain);
    g_free(run->alias);
    g_free(run->team);
    g_free(run);
}

static VtSeqAct *
device_detach_act(DeviceDetach *run)
{
    run->refs++;
    return vt_seq_act_new(run->seq, run, device_detach_unref);
}

/* ---- steps of detach ---- */

static VtStepResult
device_detach_feed(DeviceDetach *run, VtHandoverEvent event)
{
    if (!run->team)
        return VT_STEP_DONE;
    vt_datapath_event(run->domain, run->team, event, vt_seq_act_done, device_detach_act(run));
    return VT_STEP_WAIT;
}

/* The host is set for the guest to be on standby at any moment. */
static VtStepResult
device_detach_plan(VtSeq *seq, gpointer data, GError **error)
{
    return device_detach_feed(data, VT_HANDOVER_UNPLUG_PLANNED);
}

static VtStepResult
device_detach_plan_undo(VtSeq *seq, gpointer data, GError **error)
{
    return device_detach_feed(data, VT_HANDOVER_UNPLUG_REVOKED);
}

static void
device_detach_unplugged(gpointer user, const GError *error)
{
    VtSeqAct *act = user;
    DeviceDetach *run = vt_seq_act_data(act);

    run->op = NULL;
    run->ask = NULL;
    if (error && g_error_matches(error, VT_ERROR, VT_ERROR_TIMEOUT) && vt_domain_is_active(run->domain)) {
        vt_log_info("dom=%s the guest has not let go of %s yet; it may do so later", run->domain->name,
                    run->alias);
        run->stays = TRUE;
        error = NULL;
    }
    run->gone = !error && !run->stays;
    vt_seq_act_done(act, error);
}

static void
device_detach_asked(gpointer user, JsonNode *result, const GError *error)
{
    VtSeqAct *act = user;
    DeviceDetach *run = vt_seq_act_data(act);
    gboolean gone = error && strstr(error->message, "(DeviceNotFound)");

    run->stays = !error;
    run->gone = gone;
    vt_seq_act_done(act, gone ? NULL : error);
}

void
vt_device_live_forget(VtDomain *domain, const char *alias)
{
    vt_team_manage_forget(domain, alias);
    vt_team_enforce_forget(domain, alias);
}

static VtStepResult
device_detach_ask(VtSeq *seq, gpointer data, GError **error)
{
    DeviceDetach *run = data;
    VtQmpClient *qmp = vt_domain_qmp(run->domain, error);

    if (!qmp)
        return VT_STEP_FAILED;
    vt_device_live_forget(run->domain, run->alias);
    vt_device_leaving_add(run->domain, run->alias);
    if (run->wait) {
        run->ask = device_detach_act(run);
        run->op = vt_hotplug_unplug(
            &(VtHotplugUnplug){ .qmp = qmp, .alias = run->alias, .timeout_ms = DEVICE_DETACH_WAIT_MS },
            device_detach_unplugged, run->ask);
    } else {
        vt_qmp_client_callv(qmp, "device_del", DEVICE_DETACH_QMP_MS, device_detach_asked,
                            device_detach_act(run), "id", "s", run->alias, NULL);
    }
    return VT_STEP_WAIT;
}

static VtStepResult
device_detach_ask_undo(VtSeq *seq, gpointer data, GError **error)
{
    DeviceDetach *run = data;

    vt_device_leaving_remove(run->domain, run->alias);
    return VT_STEP_DONE;
}

/* QEMU has it no more. The event has begun the clean-up; without an event (it was gone before) we do. */
static VtStepResult
device_detach_clean_up(VtSeq *seq, gpointer data, GError **error)
{
    DeviceDetach *run = data;
    GPtrArray *list;

    if (run->stays)
        return VT_STEP_DONE;
    vt_device_live_gone(run->domain, run->alias);
    list = device_detach_cleanups(run->domain);
    for (guint i = 0; i < list->len; i++) {
        DeviceCleanup *cleanup = g_ptr_array_index(list, i);

        if (!cleanup->waiter && strcmp(cleanup->alias, run->alias) == 0) {
            cleanup->waiter = vt_seq_act_done;
            cleanup->waiter_user = device_detach_act(run);
            return VT_STEP_WAIT;
        }
    }
    return VT_STEP_DONE;
}

static const VtStep device_detach_steps[] = {
    { .name = "plan-unplug",
      .waits_for = "the host feeds both legs of the team",
      .start = device_detach_plan,
      .undo = device_detach_plan_undo,
      .timeout_ms = DEVICE_DETACH_FEED_MS,
      .undo_timeout_ms = DEVICE_DETACH_FEED_MS },
    { .name = "ask-guest",
      .waits_for = "DEVICE_DELETED, or 5 s",
      .start = device_detach_ask,
      .undo = device_detach_ask_undo,
      .commit = TRUE },
    { .name = "clean-up",
      .waits_for = "nothing of the device is left on the host",
      .start = device_detach_clean_up,
      .timeout_ms = DEVICE_DETACH_CLEAN_MS },
};

static const VtSeqTable device_detach_table = {
    .name = "detach",
    .steps = device_detach_steps,
    .n_steps = G_N_ELEMENTS(device_detach_steps),
};

const VtSeqTable *
vt_device_live_detach_table(void)
{
    return &device_detach_table;
}

/* ---- begin and end ---- */

static void
device_detach_event(VtDomain *domain, const VtQmpEvent *event, gpointer user)
{
    DeviceDetach *run = user;

    if (run->op)
        vt_hotplug_event(run->op, event);
}

static void
device_detach_exited(VtDomain *domain, const char *why, gpointer user)
{
    DeviceDetach *run = user;
    g_autoptr(GError) error = NULL;

    if (!run->op)
        return; /* it waits for a clean-up, which ends by itself */
    vt_hotplug_free(g_steal_pointer(&run->op));
    vt_error_set(&error, VT_ERROR_OPERATION_FAILED,
                 _("domain '%s' ended while the device '%s' was detached: %s"), domain->name, run->alias,
                 why);
    vt_seq_act_done(g_steal_pointer(&run->ask), error);
}

static const VtDomainQmpFuncs device_detach_funcs = {
    .event = device_detach_event,
    .exited = device_detach_exited,
};

static void
device_detach_ended(VtSeq *seq, gpointer data, const GError *error)
{
    DeviceDetach *run = data;

    run->seq = NULL;
    vt_domain_remove_qmp_listener(run->domain, &device_detach_funcs, run);
    /* The guest has let go: that is what was asked for. */
    if (error && run->gone)
        vt_log_warning("dom=%s device %s is gone, but not all of it: %s", run->domain->name, run->alias,
                       error->message);
    run->done(run->user, run->gone ? NULL : error);
    device_detach_unref(run);
}

/* What stays must still be a domain: no transient without its persistent. */
static gboolean
device_detach_check(VtDomain *domain, const char *alias, GError **error)
{
    g_autoptr(VtDomainDef) rest = vt_domain_def_copy(domain->live);
    VtDevice found;
    guint index = 0;

    if (!vt_device_find_alias(rest, alias, &found, &index))
        return vt_error_set(error, VT_ERROR_NO_DEVICE, _("no device found with alias %s"), alias);
    g_ptr_array_remove_index(vt_device_find_list(rest, &found), index);
    vt_device_find_drop_policies(rest);
    return vt_validate_first(rest, error);
}

void
vt_device_live_detach(VtDomain *domain, const char *alias, gboolean wait, VtDoneFunc done, gpointer user)
{
    g_autoptr(GError) error = NULL;
    DeviceDetach *run;
    VtSeqHooks hooks;
    VtDevice found;
    gboolean journals;
    guint index = 0;

    if (!vt_domain_qmp(domain, &error) || !device_detach_check(domain, alias, &error)) {
        done(user, error);
        return;
    }
    vt_device_find_alias(domain->live, alias, &found, &index);
    run = g_new0(DeviceDetach, 1);
    run->refs = 1;
    run->domain = vt_domain_ref(domain);
    run->alias = g_strdup(alias);
    run->team = g_strdup(vt_device_find_team(&found));
    run->wait = wait;
    run->done = done;
    run->user = user;
    vt_domain_add_qmp_listener(domain, &device_detach_funcs, run);
    journals = g_strcmp0(vt_journal_kind(domain), "detach") == 0;
    if (journals) {
        g_autofree char *xml = vt_device_xml_format(&found, VT_XML_FORMAT_STATUS | VT_XML_FORMAT_SECURE);

        vt_journal_set(domain, "alias", alias);
        vt_journal_set(domain, "device", xml);
    }
    vt_journal_hooks(domain, &hooks);
    run->seq = vt_seq_new(&device_detach_table, run, journals ? &hooks : NULL, device_detach_ended);
    vt_seq_run(run->seq);
}
