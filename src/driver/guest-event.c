/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QEMU runs with -no-shutdown: a guest that powers off is only stopped, and says SHUTDOWN. What then happens is
 * ours to choose: end the process (on_poweroff destroy), reset it and let it run again (restart, and every reboot
 * through ACPI, which a guest cannot tell from a shutdown), or leave it for inspection (preserve).
 *
 * The order in which one event is worked off: the state, then clients' events, then listeners inside the driver
 * (migration, devices, teams), then those who watch the monitor. A listener thus sees the state as it is.
 */
#define VT_LOG_DOMAIN "virtteam-driver-guest-event"

#include "driver/guest-event.h"
#include "driver/device-live.h"
#include "driver/domain-private.h"
#include "driver/event.h"
#include "driver/job.h"
#include "driver/stop.h"
#include "driver/team-enforce.h"
#include "driver/team-state.h"
#include "driver/team-guard.h"
#include "util/enum.h"
#include "util/i18n.h"
#include "util/json.h"
#include "util/log.h"
#include "util/message-id.h"

/* virDomainEventType */
enum {
    EVENT_STARTED = 2,
    EVENT_SUSPENDED = 3,
    EVENT_RESUMED = 4,
    EVENT_SHUTDOWN = 6,
    EVENT_PMSUSPENDED = 7,
    EVENT_CRASHED = 8,
};

/* virDomainPausedReason, virDomainRunningReason: the ones used here */
enum {
    PAUSED_UNKNOWN = 0,
    PAUSED_MIGRATION = 2,
    PAUSED_IOERROR = 5,
    PAUSED_WATCHDOG = 6,
    PAUSED_CRASHED = 10,
    RUNNING_UNKNOWN = 0,
    RUNNING_BOOTED = 1,
    RUNNING_MIGRATED = 2,
    RUNNING_UNPAUSED = 5,
    RUNNING_WAKEUP = 8,
    CRASHED_PANICKED = 1,
};

/* virDomainEventStoppedDetailType */
enum {
    STOPPED_SHUTDOWN = 0,
    STOPPED_CRASHED = 2,
    STOPPED_FAILED = 5,
};

#define GUEST_EVENT_QMP_TIMEOUT_MS 30000

static const char *
guest_event_string(const VtQmpEvent *event, const char *member)
{
    JsonNode *node = event->data ? json_object_get_member(event->data, member) : NULL;

    if (!node || json_node_get_node_type(node) != JSON_NODE_VALUE ||
        json_node_get_value_type(node) != G_TYPE_STRING)
        return NULL;
    return json_node_get_string(node);
}

static gboolean
guest_event_int(const VtQmpEvent *event, const char *member, gint64 *value)
{
    JsonNode *node = event->data ? json_object_get_member(event->data, member) : NULL;

    if (!node || json_node_get_node_type(node) != JSON_NODE_VALUE ||
        json_node_get_value_type(node) != G_TYPE_INT64)
        return FALSE;
    *value = json_node_get_int(node);
    return TRUE;
}

static gboolean
guest_event_bool(const VtQmpEvent *event, const char *member)
{
    JsonNode *node = event->data ? json_object_get_member(event->data, member) : NULL;

    return node && json_node_get_node_type(node) == JSON_NODE_VALUE &&
           json_node_get_value_type(node) == G_TYPE_BOOLEAN && json_node_get_boolean(node);
}

/* ---- power off, reset ---- */

static void
guest_event_stop(VtDomain *domain, VtShutoffReason reason, int detail)
{
    const VtStopParams params = {
        .driver = domain->driver,
        .domain = domain,
        .reason = reason,
        .detail = detail,
    };

    if (domain->driver)
        vt_stop_run(&params, NULL, NULL);
}

static void
guest_event_restarted(gpointer user, JsonNode *result, const GError *error)
{
    g_autoptr(VtDomain) domain = user;

    if (!error)
        return;
    vt_log_warning("domain '%s' could not be started again after its reset: %s", domain->name,
                   error->message);
    guest_event_stop(domain, VT_SHUTOFF_FAILED, STOPPED_FAILED);
}

static void
guest_event_was_reset(gpointer user, JsonNode *result, const GError *error)
{
    g_autoptr(VtDomain) domain = user;
    VtQmpClient *qmp = vt_domain_qmp(domain, NULL);

    if (error || !qmp) {
        vt_log_warning("domain '%s' could not be reset: %s", domain->name,
                       error ? error->message : "its monitor is lost");
        guest_event_stop(domain, VT_SHUTOFF_FAILED, STOPPED_FAILED);
        return;
    }
    domain->expect_resume = RUNNING_BOOTED;
    vt_qmp_client_call(qmp, "cont", NULL, GUEST_EVENT_QMP_TIMEOUT_MS, guest_event_restarted,
                       vt_domain_ref(domain));
}

static void
guest_event_restart(VtDomain *domain)
{
    VtQmpClient *qmp = vt_domain_qmp(domain, NULL);

    if (qmp)
        vt_qmp_client_call(qmp, "system_reset", NULL, GUEST_EVENT_QMP_TIMEOUT_MS, guest_event_was_reset,
                           vt_domain_ref(domain));
}

static gboolean
guest_event_restarts(VtLifecycleAction action)
{
    return action == VT_LIFECYCLE_RESTART || action == VT_LIFECYCLE_RENAME_RESTART;
}

static void
guest_event_shutdown(VtDomain *domain, const VtQmpEvent *event)
{
    const char *reason = guest_event_string(event, "reason");
    gboolean by_reset =
        reason && g_str_has_suffix(reason, "-reset"); /* on_reboot destroy, under -no-reboot */
    VtLifecycleAction action = by_reset ? domain->live->on_reboot : domain->live->on_poweroff;

    /* The start sequence is ending it, or will find it off at its end. */
    if (domain->starting) {
        vt_domain_set_state(domain, VT_DOMAIN_SHUTDOWN, 0);
        return;
    }
    if (domain->state == VT_DOMAIN_SHUTDOWN)
        return; /* the SIGTERM that ends a QEMU whose guest is off says it once more */
    if (!domain->stopping && !by_reset && (domain->fake_reboot || guest_event_restarts(action))) {
        domain->fake_reboot = FALSE;
        vt_domain_set_state(domain, VT_DOMAIN_SHUTDOWN, 0);
        guest_event_restart(domain);
        return;
    }
    vt_domain_set_state(domain, VT_DOMAIN_SHUTDOWN, 0);
    vt_event_lifecycle(domain->driver, domain, EVENT_SHUTDOWN, guest_event_bool(event, "guest") ? 1 : 2);
    /* A guest that is being migrated in or out ends as its migration decides, unless it powered off itself. */
    if (!domain->stopping && action != VT_LIFECYCLE_PRESERVE)
        guest_event_stop(domain, VT_SHUTOFF_SHUTDOWN, STOPPED_SHUTDOWN);
}

static void
guest_event_reset(VtDomain *domain, const VtQmpEvent *event)
{
    if (domain->starting)
        return; /* the one that every machine begins with */
    vt_event_simple(domain->driver, domain, VT_EVENT_REBOOT);
    if (guest_event_bool(event, "guest") && domain->live->on_reboot == VT_LIFECYCLE_DESTROY &&
        !domain->stopping)
        guest_event_stop(domain, VT_SHUTOFF_SHUTDOWN, STOPPED_SHUTDOWN);
}

static void
guest_event_panicked(VtDomain *domain, const VtQmpEvent *event)
{
    VtLifecycleAction action = domain->live->on_crash;

    vt_domain_set_state(domain, VT_DOMAIN_CRASHED, 1);
    vt_event_lifecycle(domain->driver, domain, EVENT_CRASHED, 0);
    if (guest_event_restarts(action) || action == VT_LIFECYCLE_COREDUMP_RESTART)
        guest_event_restart(domain);
    else if (action != VT_LIFECYCLE_PRESERVE)
        guest_event_stop(domain, VT_SHUTOFF_CRASHED, STOPPED_CRASHED);
}

/* To QEMU, a device that reports an error has made the guest crash: it goes on only after a reset. */
static void
guest_event_device_failed(VtDomain *domain)
{
    if (!guest_event_restarts(domain->live->on_crash) || domain->state != VT_DOMAIN_PAUSED ||
        domain->stopping || vt_job_kind(domain) == VT_JOB_MIGRATION_OUT)
        return;
    vt_log_info("domain '%s' is reset for that, as its <on_crash> says", domain->name);
    guest_event_restart(domain);
}

/* ---- stop and go ---- */

static void
guest_event_pause(VtDomain *domain, int reason)
{
    static const int details[] = {
        [PAUSED_MIGRATION] = 1,
        [PAUSED_IOERROR] = 2,
        [PAUSED_WATCHDOG] = 3,
        [PAUSED_CRASHED] = 0,
    };

    vt_domain_set_state(domain, VT_DOMAIN_PAUSED, reason);
    vt_event_lifecycle(domain->driver, domain, EVENT_SUSPENDED,
                       reason < (int)G_N_ELEMENTS(details) ? details[reason] : 0);
}

static void
guest_event_stopped(VtDomain *domain, const VtQmpEvent *event)
{
    int reason = domain->expect_pause;

    domain->expect_pause = 0;
    if (domain->state != VT_DOMAIN_RUNNING)
        return; /* it powered off, crashed, or has said why before (watchdog, I/O error) */
    if (!reason)
        reason = vt_job_kind(domain) == VT_JOB_MIGRATION_OUT ? PAUSED_MIGRATION : PAUSED_UNKNOWN;
    guest_event_pause(domain, reason);
}

static void
guest_event_resumed(VtDomain *domain, const VtQmpEvent *event)
{
    int reason = domain->expect_resume ? domain->expect_resume : RUNNING_UNPAUSED;
    gboolean known = domain->state == VT_DOMAIN_RUNNING;

    domain->expect_resume = 0;
    if (known)
        return;
    vt_domain_set_state(domain, VT_DOMAIN_RUNNING, reason);
    vt_event_lifecycle(domain->driver, domain, EVENT_RESUMED, reason == RUNNING_MIGRATED ? 1 : 0);
}

static void
guest_event_suspended(VtDomain *domain, const VtQmpEvent *event)
{
    gboolean disk = g_str_equal(event->name, "SUSPEND_DISK");

    vt_domain_set_state(domain, VT_DOMAIN_PMSUSPENDED, 0);
    vt_event_lifecycle(domain->driver, domain, EVENT_PMSUSPENDED, disk ? 1 : 0);
}

static void
guest_event_wakeup(VtDomain *domain, const VtQmpEvent *event)
{
    if (domain->state != VT_DOMAIN_PMSUSPENDED)
        return;
    vt_domain_set_state(domain, VT_DOMAIN_RUNNING, RUNNING_WAKEUP);
    vt_event_lifecycle(domain->driver, domain, EVENT_STARTED, 4);
}

/* ---- devices ---- */

static void
guest_event_rtc(VtDomain *domain, const VtQmpEvent *event)
{
    gint64 offset = 0;

    if (guest_event_int(event, "offset", &offset))
        vt_event_rtc_change(domain->driver, domain, offset);
}

static void
guest_event_watchdog(VtDomain *domain, const VtQmpEvent *event)
{
    /* virDomainEventWatchdogAction */
    static const char *const actions[] = { "none",     "pause", "reset",     "poweroff",
                                           "shutdown", "debug", "inject-nmi" };
    const char *name = guest_event_string(event, "action");
    int action = vt_enum_value(actions, G_N_ELEMENTS(actions), name);

    if (action < 0)
        return;
    vt_event_watchdog(domain->driver, domain, action);
    if (g_str_equal(actions[action], "pause") && domain->state == VT_DOMAIN_RUNNING)
        guest_event_pause(domain, PAUSED_WATCHDOG);
}

/* "device" is a drive's name ("drive-..."), or empty for -blockdev; then the device's id is in "qom-path" (QEMU
 * from 8.0 on) or nowhere, and the node name leads to the disk. */
static const VtDiskDef *
guest_event_disk(VtDomain *domain, const VtQmpEvent *event)
{
    const char *device = guest_event_string(event, "device");
    const char *node = guest_event_string(event, "node-name");

    for (guint i = 0; i < domain->live->disks->len; i++) {
        const VtDiskDef *disk = g_ptr_array_index(domain->live->disks, i);
        const char *alias = disk->info.alias;

        if (alias && ((device && g_str_has_suffix(device, alias)) || (node && strstr(node, alias))))
            return disk;
    }
    return NULL;
}

static void
guest_event_io_error(VtDomain *domain, const VtQmpEvent *event)
{
    /* virDomainEventIOErrorAction */
    static const char *const actions[] = { "ignore", "stop", "report" };
    const VtDiskDef *disk = guest_event_disk(domain, event);
    int action = vt_enum_value(actions, G_N_ELEMENTS(actions), guest_event_string(event, "action"));
    VtEventIoError what = {
        .path = disk && disk->source_file ? disk->source_file : "",
        .alias = disk && disk->info.alias ? disk->info.alias : "",
        .reason = guest_event_bool(event, "nospace") ? "enospc" : "",
        .action = action,
    };

    if (action < 0)
        return;
    vt_event_io_error(domain->driver, domain, &what);
    if (g_str_equal(actions[action], "stop") && domain->state == VT_DOMAIN_RUNNING)
        guest_event_pause(domain, PAUSED_IOERROR);
}

static void
guest_event_balloon(VtDomain *domain, const VtQmpEvent *event)
{
    gint64 actual = 0;

    if (!guest_event_int(event, "actual", &actual) || actual < 0)
        return;
    domain->live->current_memory_kib = (guint64)actual / 1024;
    vt_domain_status_changed(domain);
    vt_event_balloon(domain->driver, domain, domain->live->current_memory_kib);
}

/* A part of a device that has an id of its own (a port's bus) comes without "device". */
static void
guest_event_device_deleted(VtDomain *domain, const VtQmpEvent *event)
{
    const char *alias = guest_event_string(event, "device");

    if (alias)
        vt_device_live_gone(domain, alias);
}

static void
guest_event_device_refused(VtDomain *domain, const VtQmpEvent *event)
{
    const char *alias = guest_event_string(event, "device");

    if (alias)
        vt_event_device(domain->driver, domain, VT_EVENT_DEVICE_REMOVAL_FAILED, alias);
}

static const struct {
    const char *name;
    void (*handle)(VtDomain *domain, const VtQmpEvent *event);
} guest_event_table[] = {
    { .name = "SHUTDOWN", .handle = guest_event_shutdown },
    { .name = "RESET", .handle = guest_event_reset },
    { .name = "GUEST_PANICKED", .handle = guest_event_panicked },
    { .name = "STOP", .handle = guest_event_stopped },
    { .name = "RESUME", .handle = guest_event_resumed },
    { .name = "SUSPEND", .handle = guest_event_suspended },
    { .name = "SUSPEND_DISK", .handle = guest_event_suspended },
    { .name = "WAKEUP", .handle = guest_event_wakeup },
    { .name = "RTC_CHANGE", .handle = guest_event_rtc },
    { .name = "WATCHDOG", .handle = guest_event_watchdog },
    { .name = "BLOCK_IO_ERROR", .handle = guest_event_io_error },
    { .name = "BALLOON_CHANGE", .handle = guest_event_balloon },
    { .name = "DEVICE_DELETED", .handle = guest_event_device_deleted },
    { .name = "DEVICE_UNPLUG_GUEST_ERROR", .handle = guest_event_device_refused },
};

void
vt_guest_event_handle(VtDomain *domain, const VtQmpEvent *event)
{
    g_autoptr(VtDomain) keep = vt_domain_ref(domain);

    if (!domain->driver || !domain->live)
        return;
    vt_log_debug("dom=%s QMP event %s", domain->name, event->name);
    for (guint i = 0; i < G_N_ELEMENTS(guest_event_table); i++) {
        if (g_str_equal(guest_event_table[i].name, event->name))
            guest_event_table[i].handle(keep, event);
    }
    vt_team_state_event(keep, event);
    vt_team_enforce_event(keep, event);
    vt_team_guard_event(keep, event, guest_event_device_failed);
    vt_domain_tell_event(keep, event);
    if (keep->driver)
        vt_event_monitor(keep->driver, keep, event);
}

static void
guest_event_from_process(VtProcess *process, const VtQmpEvent *event, gpointer user)
{
    vt_guest_event_handle(user, event);
}

/* ---- a monitor that was lost ---- */

void
vt_guest_event_run_state(VtDomain *domain, const char *status)
{
    if (g_str_equal(status, "running")) {
        if (domain->state != VT_DOMAIN_RUNNING)
            vt_domain_set_state(domain, VT_DOMAIN_RUNNING, RUNNING_UNKNOWN);
    } else if (g_str_equal(status, "shutdown")) {
        vt_domain_set_state(domain, VT_DOMAIN_SHUTDOWN, 0);
    } else if (g_str_equal(status, "suspended")) {
        vt_domain_set_state(domain, VT_DOMAIN_PMSUSPENDED, 0);
    } else if (g_str_equal(status, "guest-panicked")) {
        vt_domain_set_state(domain, VT_DOMAIN_CRASHED, CRASHED_PANICKED);
    } else if (domain->state != VT_DOMAIN_PAUSED) {
        /* QAPI RunState: its own migration stopped it, nobody has suspended it. */
        gboolean migration = g_str_equal(status, "finish-migrate") || g_str_equal(status, "postmigrate");

        vt_domain_set_state(domain, VT_DOMAIN_PAUSED, migration ? PAUSED_MIGRATION : PAUSED_UNKNOWN);
    }
}

static void
guest_event_status(gpointer user, JsonNode *result, const GError *error)
{
    g_autoptr(VtDomain) domain = user;

    if (error || !domain->live || domain->starting || domain->stopping)
        return;
    vt_guest_event_run_state(domain, vt_json_string_or(result, "status", ""));
    /* It powered off while nobody listened; a job looks after its guest itself. */
    if (domain->state == VT_DOMAIN_SHUTDOWN && domain->live->on_poweroff != VT_LIFECYCLE_PRESERVE &&
        vt_job_kind(domain) == VT_JOB_NONE)
        guest_event_stop(domain, VT_SHUTOFF_SHUTDOWN, STOPPED_SHUTDOWN);
}

static void
guest_event_reconnected(VtProcess *process, gpointer user)
{
    VtDomain *domain = user;

    if (!domain->driver || !domain->live || domain->starting || domain->stopping)
        return;
    vt_qmp_client_call(vt_process_qmp(process), "query-status", NULL, GUEST_EVENT_QMP_TIMEOUT_MS,
                       guest_event_status, vt_domain_ref(domain));
    vt_team_state_ask(domain, NULL, NULL);
}

/* ---- the end of the process ---- */

static gboolean
guest_event_gone_idle(gpointer user)
{
    VtDomain *domain = user;
    gboolean powered_off = domain->state == VT_DOMAIN_SHUTDOWN;

    if (domain->driver && vt_domain_is_active(domain) && !domain->stopping)
        guest_event_stop(domain, powered_off ? VT_SHUTOFF_SHUTDOWN : VT_SHUTOFF_CRASHED,
                         powered_off ? STOPPED_SHUTDOWN : STOPPED_FAILED);
    return G_SOURCE_REMOVE;
}

static void
guest_event_exited(VtProcess *process, const char *why, gpointer user)
{
    g_autoptr(VtDomain) domain = vt_domain_ref(user);
    gboolean expected = domain->stopping || domain->starting || domain->state == VT_DOMAIN_SHUTDOWN;

    domain->qemu_gone = TRUE;
    if (expected)
        vt_log_debug("dom=%s QEMU has ended: %s", domain->name, why);
    else
        vt_log_id_error(VT_MESSAGE_QEMU_ENDED, domain->name, "domain '%s': QEMU has ended by itself: %s",
                        domain->name, why);
    vt_domain_tell_exited(domain, why);
    /* The stop sequence frees the process, which is calling us. */
    if (!domain->stopping && !domain->starting)
        g_idle_add_full(G_PRIORITY_DEFAULT, guest_event_gone_idle, vt_domain_ref(domain),
                        (GDestroyNotify)vt_domain_unref);
}

static const VtProcessFuncs guest_event_funcs = {
    .event = guest_event_from_process,
    .exited = guest_event_exited,
    .reconnected = guest_event_reconnected,
};

const VtProcessFuncs *
vt_guest_event_funcs(void)
{
    return &guest_event_funcs;
}
