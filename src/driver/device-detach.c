/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The going of devices; the head of device-live.c says how it is arranged. */
#define VT_LOG_DOMAIN "virtteam-driver-device"

#include <stdio.h>
#include <string.h>
#include "conf/validate.h"
#include "driver/datapath.h"
#include "driver/device-find.h"
#include "driver/device-live.h"
#include "driver/domain-private.h"
#include "driver/event.h"
#include "driver/host-port.h"
#include "driver/hostdev.h"
#include "driver/net-port.h"
#include "driver/team-enforce.h"
#include "driver/team-manage.h"
#include "driver/team-state.h"
#include "driver/team-guard.h"
#include "qemu/hotplug.h"
#include "util/i18n.h"
#include "util/json.h"
#include "util/log.h"

#define DEVICE_DETACH_KEY     "device-detach"
#define DEVICE_DETACH_QMP_MS  30000
#define DEVICE_DETACH_WAIT_MS 5000 /* what a client waits, as under libvirt; the guest may take longer */

/* ---- clean-up behind a device that is gone ---- */

/* Held by the list of its domain; removed from it at its end. */
typedef struct {
    VtDomain *domain;
    char *alias;
    VtDevice *device;
    VtDoneFunc waiter; /* nullable */
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
    if (domain->driver)
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

/* The nodes of a disk by the image they are of. One that another disk still uses is refused by QEMU, and stays. */
static GPtrArray *
device_detach_nodes(const VtDiskDef *disk, JsonNode *result)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    JsonArray *nodes = JSON_NODE_HOLDS_ARRAY(result) ? json_node_get_array(result) : NULL;

    for (guint i = 0; nodes && i < json_array_get_length(nodes); i++) {
        JsonNode *node = json_array_get_element(nodes, i);
        const char *name = vt_json_string_or(node, "node-name", "");
        const char *file = vt_json_string_or(node, "file", "");
        guint number = 0;
        int length = 0;

        if (sscanf(name, "libvirt-%u-format%n", &number, &length) != 1 || length == 0 || name[length] ||
            g_strcmp0(file, disk->source_file) != 0)
            continue;
        g_ptr_array_add(names, g_strdup(name));
        g_ptr_array_add(names, g_strdup_printf("libvirt-%u-storage", number));
    }
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
        const VtPciBdf bdf = { host.domain, (guint8)host.bus, (guint8)host.slot, (guint8)host.function };

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

void
vt_device_live_gone(VtDomain *domain, const char *alias)
{
    DeviceCleanup *cleanup;
    VtDevice found;
    guint index = 0;

    if (!domain->live || !domain->driver || vt_team_enforce_gone(domain, alias) ||
        vt_team_manage_gone(domain, alias) || vt_team_guard_gone(domain, alias) ||
        !vt_device_find_alias(domain->live, alias, &found, &index))
        return;
    g_ptr_array_steal_index(vt_device_find_list(domain->live, &found), index);
    vt_log_info("dom=%s device %s is gone", domain->name, alias);
    vt_domain_status_changed(domain);
    vt_team_state_update(domain);
    vt_team_guard_open(domain);
    cleanup = g_new0(DeviceCleanup, 1);
    cleanup->domain = vt_domain_ref(domain);
    cleanup->alias = g_strdup(alias);
    cleanup->device = g_memdup2(&found, sizeof found);
    g_ptr_array_add(device_detach_cleanups(domain), cleanup);
    device_detach_start_cleanup(cleanup);
}

/* ---- detach ---- */

typedef struct {
    guint refs;
    VtDomain *domain;
    char *alias;
    char *team; /* (nullable) of the device, when it is a transient */
    gboolean wait;
    VtHotplug *op; /* under way */
    VtDoneFunc done;
    gpointer user;
} DeviceDetach;

static void
device_detach_unref(DeviceDetach *run)
{
    if (--run->refs > 0)
        return;
    vt_domain_unref(run->domain);
    g_free(run->alias);
    g_free(run->team);
    g_free(run);
}

static void
device_detach_event(VtDomain *domain, const VtQmpEvent *event, gpointer user)
{
    DeviceDetach *run = user;

    if (run->op)
        vt_hotplug_event(run->op, event);
}

static void device_detach_exited(VtDomain *domain, const char *why, gpointer user);

static const VtDomainQmpFuncs device_detach_funcs = {
    .event = device_detach_event,
    .exited = device_detach_exited,
};

static void
device_detach_end(DeviceDetach *run, const GError *error)
{
    VtDoneFunc done = g_steal_pointer(&run->done);

    if (!done)
        return;
    if (error && run->team)
        vt_datapath_event(run->domain, run->team, VT_HANDOVER_UNPLUG_REVOKED, NULL, NULL);
    vt_domain_remove_qmp_listener(run->domain, &device_detach_funcs, run);
    done(run->user, error);
    device_detach_unref(run);
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
    device_detach_end(run, error);
    device_detach_unref(run); /* the operation's */
}

static void
device_detach_cleaned(gpointer user, const GError *error)
{
    device_detach_end(user, NULL);
}

/* QEMU has it no more. The event has begun the clean-up; without an event (it was gone before) we do. */
static void
device_detach_let_go(DeviceDetach *run)
{
    GPtrArray *list;

    vt_device_live_gone(run->domain, run->alias);
    list = device_detach_cleanups(run->domain);
    for (guint i = 0; i < list->len; i++) {
        DeviceCleanup *cleanup = g_ptr_array_index(list, i);

        if (!cleanup->waiter && strcmp(cleanup->alias, run->alias) == 0) {
            cleanup->waiter = device_detach_cleaned;
            cleanup->waiter_user = run;
            return;
        }
    }
    device_detach_end(run, NULL);
}

static void
device_detach_unplugged(gpointer user, const GError *error)
{
    DeviceDetach *run = user;

    run->op = NULL;
    if (!error) {
        device_detach_let_go(run);
    } else if (g_error_matches(error, VT_ERROR, VT_ERROR_TIMEOUT) && vt_domain_is_active(run->domain)) {
        vt_log_info("dom=%s the guest has not let go of %s yet; it may do so later", run->domain->name,
                    run->alias);
        device_detach_end(run, NULL);
    } else {
        device_detach_end(run, error);
    }
    device_detach_unref(run);
}

static void
device_detach_asked(gpointer user, JsonNode *result, const GError *error)
{
    DeviceDetach *run = user;

    if (error && strstr(error->message, "(DeviceNotFound)"))
        device_detach_let_go(run);
    else
        device_detach_end(run, error);
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

/* The host is set for the guest to be on standby at any moment: now ask. */
static void
device_detach_ask(gpointer user, const GError *nothing)
{
    DeviceDetach *run = user;
    g_autoptr(GError) error = NULL;
    VtQmpClient *qmp = run->done ? vt_domain_qmp(run->domain, &error) : NULL;

    if (!qmp) {
        device_detach_end(run, error);
        device_detach_unref(run);
        return;
    }
    run->refs++; /* of the one call below */
    if (run->wait)
        run->op = vt_hotplug_unplug(
            &(VtHotplugUnplug){ .qmp = qmp, .alias = run->alias, .timeout_ms = DEVICE_DETACH_WAIT_MS },
            device_detach_unplugged, run);
    else
        vt_qmp_client_callv(qmp, "device_del", DEVICE_DETACH_QMP_MS, device_detach_asked, run, "id", "s",
                            run->alias, NULL);
    device_detach_unref(run);
}

void
vt_device_live_detach(VtDomain *domain, const char *alias, gboolean wait, VtDoneFunc done, gpointer user)
{
    g_autoptr(GError) error = NULL;
    DeviceDetach *run;
    VtDevice found;
    guint index = 0;

    if (!vt_domain_qmp(domain, &error) || !device_detach_check(domain, alias, &error)) {
        done(user, error);
        return;
    }
    vt_device_find_alias(domain->live, alias, &found, &index);
    vt_team_manage_forget(domain, alias);
    vt_team_enforce_forget(domain, alias);
    vt_team_guard_forget(domain, alias);
    run = g_new0(DeviceDetach, 1);
    run->refs = 2; /* the run's, and that of what comes next */
    run->domain = vt_domain_ref(domain);
    run->alias = g_strdup(alias);
    run->team = g_strdup(vt_device_find_team(&found));
    run->wait = wait;
    run->done = done;
    run->user = user;
    vt_domain_add_qmp_listener(domain, &device_detach_funcs, run);
    if (run->team)
        vt_datapath_event(domain, run->team, VT_HANDOVER_UNPLUG_PLANNED, device_detach_ask, run);
    else
        device_detach_ask(run, NULL);
}
