/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VT_LOG_DOMAIN "virtteam-driver-device"

#include "driver/device-recover.h"

#include <string.h>
#include "driver/datapath.h"
#include "driver/device-find.h"
#include "driver/device-leaving.h"
#include "driver/device-live.h"
#include "driver/device.h"
#include "driver/domain-private.h"
#include "driver/event.h"
#include "driver/host-port.h"
#include "driver/hostdev.h"
#include "driver/journal.h"
#include "driver/net-port.h"
#include "util/json.h"
#include "util/log.h"

#define DEVICE_RECOVER_QMP_MS 30000

typedef struct {
    VtDriver *driver;
    VtDomain *domain; /* with a reference */
    VtDoneFunc done;
    gpointer user;
    JsonNode *devices; /* QEMU's list */
    VtDevice *remains; /* (nullable) to be cleaned up after, once the definition is saved */
} DeviceRecovery;

static gboolean
device_recover_is_there(const DeviceRecovery *recovery, const char *alias)
{
    JsonArray *array = recovery->devices && JSON_NODE_HOLDS_ARRAY(recovery->devices)
                           ? json_node_get_array(recovery->devices)
                           : NULL;

    for (guint i = 0; array && i < json_array_get_length(array); i++)
        if (g_strcmp0(vt_json_string_or(json_array_get_element(array, i), "name", NULL), alias) == 0)
            return TRUE;
    return FALSE;
}

static gboolean
device_recover_is_kind(const DeviceRecovery *recovery, const char *kind)
{
    return g_strcmp0(vt_journal_kind(recovery->domain), kind) == 0;
}

static gboolean
device_recover_at(const DeviceRecovery *recovery, const char *step)
{
    return g_strcmp0(vt_journal_get(recovery->domain, "step"), step) == 0;
}

/* It had gone, and the clean-up behind it was interrupted: what bears its name goes, and what nobody has any more. */
static void
device_recover_remains(DeviceRecovery *recovery, const char *alias)
{
    VtDomain *domain = recovery->domain;
    VtQmpClient *qmp = vt_domain_qmp(domain, NULL);
    g_autofree char *netdev = g_strconcat("host", alias, NULL);

    if (qmp)
        vt_qmp_client_callv(qmp, "netdev_del", DEVICE_RECOVER_QMP_MS, NULL, NULL, "id", "s", netdev, NULL);
    vt_hostdev_give_back_unused(recovery->driver, domain, NULL, NULL);
    vt_net_port_release_unused(recovery->driver, &domain->uuid, NULL, NULL);
    vt_device_leaving_remove(domain, alias);
}

/* Devices that were asked for and have gone, or may still go. */
static void
device_recover_leaving(DeviceRecovery *recovery)
{
    g_auto(GStrv) aliases = vt_device_leaving_list(recovery->domain);
    VtDevice found;
    guint index = 0;

    for (guint i = 0; aliases[i]; i++) {
        vt_device_live_forget(recovery->domain, aliases[i]);
        if (!recovery->devices || device_recover_is_there(recovery, aliases[i]))
            continue;
        if (vt_device_find_alias(recovery->domain->live, aliases[i], &found, &index))
            vt_device_live_gone(recovery->domain, aliases[i]);
        else
            device_recover_remains(recovery, aliases[i]);
    }
}

static void
device_recover_end(gpointer user, const GError *nothing)
{
    DeviceRecovery *recovery = user;

    if (device_recover_is_kind(recovery, "attach") || device_recover_is_kind(recovery, "detach"))
        vt_journal_end(recovery->domain);
    if (vt_domain_is_active(recovery->domain))
        device_recover_leaving(recovery);
    recovery->done(recovery->user, NULL);
    g_clear_pointer(&recovery->devices, json_node_unref);
    vt_domain_unref(recovery->domain);
    g_free(recovery);
}

static void
device_recover_configured(gpointer user, const GError *error)
{
    DeviceRecovery *recovery = user;

    if (error)
        vt_log_warning(
            "domain '%s': the change of device '%s' was interrupted, and its persistent definition "
            "stays as it is: %s",
            recovery->domain->name, vt_journal_get(recovery->domain, "alias"), error->message);
    if (recovery->remains)
        vt_device_live_take_back(recovery->domain, g_steal_pointer(&recovery->remains), device_recover_end,
                                 recovery);
    else
        device_recover_end(recovery, NULL);
}

/* The definition's part, and then the end. */
static void
device_recover_config(DeviceRecovery *recovery)
{
    vt_device_recover_config(recovery->driver, recovery->domain, device_recover_configured, recovery);
}

/* ---- attach ---- */

static void
device_recover_adopt(DeviceRecovery *recovery, VtDevice *device, const char *alias)
{
    VtDomain *domain = recovery->domain;
    VtDevice found;
    guint index = 0;

    vt_log_info("domain '%s': the attach of device '%s' was interrupted: the guest has it", domain->name,
                alias);
    if (!vt_device_find_alias(domain->live, alias, &found, &index)) {
        g_ptr_array_add(vt_device_find_list(domain->live, device), g_steal_pointer(&device->any));
        vt_domain_status_changed(domain);
        vt_event_device(domain->driver, domain, VT_EVENT_DEVICE_ADDED, alias);
    }
    device_recover_config(recovery);
}

/* Descriptors that QEMU got a name for and made nothing of keep a tap alive. */
static void
device_recover_close_fds(VtDomain *domain, const char *alias, guint queues)
{
    VtQmpClient *qmp = vt_domain_qmp(domain, NULL);

    for (guint i = 0; qmp && i < MAX(queues, 1); i++) {
        g_autofree char *tap = g_strdup_printf("tapfd-host%s%u", alias, i);
        g_autofree char *vhost = g_strdup_printf("vhostfd-host%s%u", alias, i);

        vt_qmp_client_callv(qmp, "closefd", DEVICE_RECOVER_QMP_MS, NULL, NULL, "fdname", "s", tap, NULL);
        vt_qmp_client_callv(qmp, "closefd", DEVICE_RECOVER_QMP_MS, NULL, NULL, "fdname", "s", vhost, NULL);
    }
}

/* So may be a macvtap, whose name was chosen in the step that made it. */
static void
device_recover_released(gpointer user, const GError *error)
{
    DeviceRecovery *recovery = user;

    vt_host_port_remove_unused(recovery->domain, device_recover_end, recovery);
}

/* And a port of a network, whose UUID nobody came to know. */
static void
device_recover_given_back(gpointer user, const GError *error)
{
    DeviceRecovery *recovery = user;

    vt_net_port_release_unused(recovery->driver, &recovery->domain->uuid, device_recover_released, recovery);
}

/* A VF that a policy had chosen may not stand in the journal yet. */
static void
device_recover_taken_back(gpointer user, const GError *error)
{
    DeviceRecovery *recovery = user;

    vt_hostdev_give_back_unused(recovery->driver, recovery->domain, device_recover_given_back, recovery);
}

static void
device_recover_attach(DeviceRecovery *recovery)
{
    VtDomain *domain = recovery->domain;
    const char *alias = vt_journal_get(domain, "alias");
    const char *xml = vt_journal_get(domain, "device");
    g_autoptr(GError) error = NULL;
    g_autoptr(VtDevice) device = alias && xml ? vt_device_xml_parse_status(xml, &error) : NULL;

    if (!device) {
        if (error)
            vt_log_warning("domain '%s': the attach of device '%s' was interrupted: %s", domain->name, alias,
                           error->message);
        device_recover_end(recovery, NULL);
        return;
    }
    /* A primary that QEMU hides is not on its list. */
    if (device_recover_is_there(recovery, alias) || device_recover_at(recovery, "adopt")) {
        device_recover_adopt(recovery, device, alias);
        return;
    }
    vt_log_info("domain '%s': the attach of device '%s' was interrupted: it is taken back", domain->name,
                alias);
    if (device->kind == VT_DEVICE_NET)
        device_recover_close_fds(domain, alias, device->net->queues);
    vt_device_live_take_back(domain, g_steal_pointer(&device), device_recover_taken_back, recovery);
}

/* ---- detach ---- */

static void
device_recover_detach(DeviceRecovery *recovery)
{
    VtDomain *domain = recovery->domain;
    const char *alias = vt_journal_get(domain, "alias");
    VtQmpClient *qmp = vt_domain_qmp(domain, NULL);
    const char *xml = vt_journal_get(domain, "device");
    VtDevice found = { 0 };
    guint index = 0;

    if (!alias || (!device_recover_at(recovery, "ask-guest") && !device_recover_at(recovery, "clean-up"))) {
        /* The guest was not asked: it keeps the device. */
        if (alias && vt_device_find_alias(domain->live, alias, &found, &index) && vt_device_find_team(&found))
            vt_datapath_event(domain, vt_device_find_team(&found), VT_HANDOVER_UNPLUG_REVOKED, NULL, NULL);
        device_recover_end(recovery, NULL);
        return;
    }
    vt_log_info("domain '%s': the detach of device '%s' was interrupted: it goes on", domain->name, alias);
    if (vt_device_find_alias(domain->live, alias, &found, &index))
        vt_device_leaving_add(domain, alias);
    else if (xml && !device_recover_is_there(recovery, alias))
        recovery->remains = vt_device_xml_parse_status(xml, NULL);
    if (qmp && device_recover_is_there(recovery, alias))
        vt_qmp_client_callv(qmp, "device_del", DEVICE_RECOVER_QMP_MS, NULL, NULL, "id", "s", alias, NULL);
    device_recover_config(recovery);
}

/* ---- begin ---- */

static void
device_recover_listed(gpointer user, JsonNode *result, const GError *error)
{
    DeviceRecovery *recovery = user;

    recovery->devices = result && !error ? json_node_ref(result) : NULL;
    if (!recovery->devices || !vt_domain_is_active(recovery->domain)) {
        vt_log_warning("domain '%s': QEMU does not say which devices it has: %s", recovery->domain->name,
                       error ? error->message : "it has ended");
        device_recover_end(recovery, NULL);
    } else if (device_recover_is_kind(recovery, "attach")) {
        device_recover_attach(recovery);
    } else if (device_recover_is_kind(recovery, "detach")) {
        device_recover_detach(recovery);
    } else {
        device_recover_end(recovery, NULL);
    }
}

void
vt_device_recover(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user)
{
    g_auto(GStrv) leaving = vt_device_leaving_list(domain);
    const char *kind = vt_journal_kind(domain);
    VtQmpClient *qmp = vt_domain_qmp(domain, NULL);
    DeviceRecovery *recovery;

    if (!qmp || !(leaving[0] || g_strcmp0(kind, "attach") == 0 || g_strcmp0(kind, "detach") == 0)) {
        done(user, NULL);
        return;
    }
    recovery = g_new0(DeviceRecovery, 1);
    recovery->driver = driver;
    recovery->domain = vt_domain_ref(domain);
    recovery->done = done;
    recovery->user = user;
    vt_qmp_client_callv(qmp, "qom-list", DEVICE_RECOVER_QMP_MS, device_recover_listed, recovery, "path", "s",
                        "/machine/peripheral", NULL);
}
