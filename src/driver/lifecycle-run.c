/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls on a running guest. All have one shape: take the job, look whether the guest still runs, act (most with
 * one QMP command), give the job back, tell the end. The state changes where the event comes in
 * (driver/guest-event.c), not here; QEMU sends the event before the reply.
 */
#define VT_LOG_DOMAIN "virtteam-driver-lifecycle"

#include "driver/domain-private.h"
#include "driver/job.h"
#include "driver/lifecycle.h"
#include "driver/start.h"
#include "driver/stop.h"
#include "util/i18n.h"
#include "util/log.h"

#define LIFECYCLE_JOB_MS   30000
#define LIFECYCLE_GRACE_MS 15000 /* that a QEMU has which is only asked to end; libvirt's is of this order */
#define LIFECYCLE_LOOK_MS  50
#define LIFECYCLE_QMP_MS   30000

#define LIFECYCLE_ASKED_KEY "lifecycle-asked"

/* virDomainShutdownFlagValues and virDomainRebootFlagValues are the same numbers */
enum {
    POWER_DEFAULT = 0,
    POWER_ACPI = 1 << 0,
    POWER_AGENT = 1 << 1,
    DESTROY_GRACEFUL = 1 << 0,
    DESTROY_REMOVE_LOGS = 1 << 1,
    PAUSED_USER = 1,
    PAUSED_MIGRATION = 2,
    RUNNING_UNPAUSED = 5,
    STOPPED_DESTROYED = 1,
    MONITOR_HMP = 1 << 0,
};

typedef struct LifecycleCall LifecycleCall;
struct LifecycleCall {
    VtDriver *driver;
    VtDomain *domain; /* with a reference */
    gboolean side;    /* holds the side seat, beside a migration */
    gboolean reboot;  /* power: what ACPI's button is for */
    guint looks;      /* destroy: at a QEMU that was asked to end */
    guint timer;      /* destroy: of the next of them; the domain has the call then */
    void (*act)(LifecycleCall *call);
    VtDoneFunc done;
    gpointer user;
};

static void
lifecycle_call_end(LifecycleCall *call, const GError *error)
{
    if (call->side)
        vt_job_end_during_migration(call->domain);
    else
        vt_job_end(call->domain);
    call->done(call->user, error);
    vt_domain_unref(call->domain);
    g_free(call);
}

static void
lifecycle_call_has_job(gpointer user, const GError *error)
{
    LifecycleCall *call = user;
    g_autoptr(GError) gone = NULL;

    if (error) {
        call->done(call->user, error);
        vt_domain_unref(call->domain);
        g_free(call);
        return;
    }
    if (!vt_domain_is_active(call->domain)) {
        vt_error_set(&gone, VT_ERROR_OPERATION_INVALID, _("domain is not running"));
        lifecycle_call_end(call, gone);
        return;
    }
    call->act(call);
}

static void
lifecycle_call(VtDriver *driver, VtDomain *domain, gboolean side, void (*act)(LifecycleCall *call),
               VtDoneFunc done, gpointer user)
{
    g_autoptr(GError) error = NULL;
    LifecycleCall *call;

    if (!vt_domain_is_active(domain)) {
        vt_error_set(&error, VT_ERROR_OPERATION_INVALID, _("domain is not running"));
        done(user, error);
        return;
    }
    call = g_new0(LifecycleCall, 1);
    call->driver = driver;
    call->domain = vt_domain_ref(domain);
    call->side = side;
    call->act = act;
    call->done = done;
    call->user = user;
    if (side)
        vt_job_begin_during_migration(domain, LIFECYCLE_JOB_MS, lifecycle_call_has_job, call);
    else
        vt_job_begin(domain, VT_JOB_MODIFY, LIFECYCLE_JOB_MS, lifecycle_call_has_job, call);
}

static void
lifecycle_call_replied(gpointer user, JsonNode *result, const GError *error)
{
    lifecycle_call_end(user, error);
}

static void
lifecycle_call_qmp(LifecycleCall *call, const char *command)
{
    g_autoptr(GError) error = NULL;
    VtQmpClient *qmp = vt_domain_qmp(call->domain, &error);

    if (qmp)
        vt_qmp_client_call(qmp, command, NULL, LIFECYCLE_QMP_MS, lifecycle_call_replied, call);
    else
        lifecycle_call_end(call, error);
}

/* ---- shutdown, reboot, reset ---- */

static gboolean
lifecycle_check_power(guint flags, const char *what, GError **error)
{
    if (flags & ~(guint)(POWER_ACPI | POWER_AGENT))
        return vt_error_set(error, VT_ERROR_UNSUPPORTED, _("a %s is possible through ACPI only (flags 0x%x)"),
                            what, flags);
    if (flags == POWER_AGENT)
        return vt_error_set(error, VT_ERROR_AGENT, _("QEMU guest agent is not connected"));
    return TRUE;
}

static void
lifecycle_press_button(LifecycleCall *call)
{
    g_autoptr(GError) error = NULL;

    if (call->domain->state != VT_DOMAIN_RUNNING) {
        vt_error_set(&error, VT_ERROR_OPERATION_INVALID, _("domain is not running"));
        lifecycle_call_end(call, error);
        return;
    }
    call->domain->fake_reboot = FALSE;
    lifecycle_call_qmp(call, "system_powerdown");
}

void
vt_lifecycle_shutdown(VtDriver *driver, VtDomain *domain, guint flags, VtDoneFunc done, gpointer user)
{
    g_autoptr(GError) error = NULL;

    if (!lifecycle_check_power(flags, _("shutdown"), &error))
        done(user, error);
    else
        lifecycle_call(driver, domain, FALSE, lifecycle_press_button, done, user);
}

/* To the guest it is a power-off; when it is done with it, guest-event.c resets it instead of ending QEMU. */
static void
lifecycle_press_button_for_reboot(LifecycleCall *call)
{
    VtLifecycleAction action = call->domain->live->on_reboot;
    g_autoptr(GError) error = NULL;

    if (call->domain->state != VT_DOMAIN_RUNNING) {
        vt_error_set(&error, VT_ERROR_OPERATION_INVALID, _("domain is not running"));
        lifecycle_call_end(call, error);
        return;
    }
    call->domain->fake_reboot = action != VT_LIFECYCLE_DESTROY && action != VT_LIFECYCLE_PRESERVE;
    lifecycle_call_qmp(call, "system_powerdown");
}

void
vt_lifecycle_reboot(VtDriver *driver, VtDomain *domain, guint flags, VtDoneFunc done, gpointer user)
{
    g_autoptr(GError) error = NULL;

    if (!lifecycle_check_power(flags, _("reboot"), &error))
        done(user, error);
    else
        lifecycle_call(driver, domain, FALSE, lifecycle_press_button_for_reboot, done, user);
}

static void
lifecycle_reset(LifecycleCall *call)
{
    lifecycle_call_qmp(call, "system_reset");
}

void
vt_lifecycle_reset(VtDriver *driver, VtDomain *domain, guint flags, VtDoneFunc done, gpointer user)
{
    g_autoptr(GError) error = NULL;

    if (flags)
        vt_error_set(&error, VT_ERROR_UNSUPPORTED, _("flags 0x%x of virDomainReset are not supported"),
                     flags);
    if (error)
        done(user, error);
    else
        lifecycle_call(driver, domain, FALSE, lifecycle_reset, done, user);
}

/* ---- suspend, resume ---- */

static void
lifecycle_suspended(gpointer user, JsonNode *result, const GError *error)
{
    LifecycleCall *call = user;

    if (error)
        vt_domain_expect_pause(call->domain, 0);
    lifecycle_call_end(call, error);
}

static void
lifecycle_suspend(LifecycleCall *call)
{
    g_autoptr(GError) error = NULL;
    VtQmpClient *qmp = vt_domain_qmp(call->domain, &error);
    gboolean migrating = vt_job_kind(call->domain) == VT_JOB_MIGRATION_OUT;

    if (call->domain->state == VT_DOMAIN_PAUSED || !qmp) {
        lifecycle_call_end(call, error);
        return;
    }
    if (call->domain->state == VT_DOMAIN_PMSUSPENDED) {
        vt_error_set(&error, VT_ERROR_OPERATION_INVALID, _("domain is pmsuspended"));
        lifecycle_call_end(call, error);
        return;
    }
    vt_domain_expect_pause(call->domain, migrating ? PAUSED_MIGRATION : PAUSED_USER);
    vt_qmp_client_call(qmp, "stop", NULL, LIFECYCLE_QMP_MS, lifecycle_suspended, call);
}

void
vt_lifecycle_suspend(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user)
{
    lifecycle_call(driver, domain, TRUE, lifecycle_suspend, done, user);
}

static void
lifecycle_resumed(gpointer user, JsonNode *result, const GError *error)
{
    LifecycleCall *call = user;

    if (error)
        vt_domain_expect_resume(call->domain, 0);
    lifecycle_call_end(call, error);
}

static void
lifecycle_resume(LifecycleCall *call)
{
    g_autoptr(GError) error = NULL;
    VtQmpClient *qmp = vt_domain_qmp(call->domain, &error);

    if (call->domain->state == VT_DOMAIN_RUNNING)
        vt_error_set(&error, VT_ERROR_OPERATION_INVALID, _("domain is already running"));
    else if (call->domain->state == VT_DOMAIN_PMSUSPENDED)
        vt_error_set(&error, VT_ERROR_OPERATION_INVALID, _("domain is pmsuspended"));
    if (error || !qmp) {
        lifecycle_call_end(call, error);
        return;
    }
    vt_domain_expect_resume(call->domain, RUNNING_UNPAUSED);
    vt_qmp_client_call(qmp, "cont", NULL, LIFECYCLE_QMP_MS, lifecycle_resumed, call);
}

void
vt_lifecycle_resume(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user)
{
    lifecycle_call(driver, domain, FALSE, lifecycle_resume, done, user);
}

/* ---- destroy ---- */

static void
lifecycle_destroyed(gpointer user, const GError *error)
{
    lifecycle_call_end(user, error);
}

static VtStopParams
lifecycle_destroy_params(VtDriver *driver, VtDomain *domain)
{
    return (VtStopParams){
        .driver = driver,
        .domain = domain,
        .reason = VT_SHUTOFF_DESTROYED,
        .detail = STOPPED_DESTROYED,
    };
}

static void
lifecycle_destroy(LifecycleCall *call)
{
    const VtStopParams params = lifecycle_destroy_params(call->driver, call->domain);

    vt_stop_run(&params, lifecycle_destroyed, call);
}

static gboolean
lifecycle_destroy_look(gpointer user)
{
    LifecycleCall *call = user;
    VtDomain *domain = call->domain;
    g_autoptr(GError) error = NULL;

    if (domain->process && !domain->qemu_gone && ++call->looks < LIFECYCLE_GRACE_MS / LIFECYCLE_LOOK_MS)
        return G_SOURCE_CONTINUE;
    domain->stopping = FALSE;
    vt_domain_set_data(domain, LIFECYCLE_ASKED_KEY, NULL, NULL);
    if (!domain->process || domain->qemu_gone) {
        lifecycle_destroy(call);
        return G_SOURCE_REMOVE;
    }
    vt_error_set(
        &error, VT_ERROR_OPERATION_FAILED,
        _("QEMU of domain '%s' (process %d) has not ended %d s after SIGTERM: the guest is left as it is; 'virsh "
          "destroy' without --graceful ends it"),
        domain->name, (int)vt_process_pid(domain->process), LIFECYCLE_GRACE_MS / 1000);
    lifecycle_call_end(call, error);
    return G_SOURCE_REMOVE;
}

/* Its end is looked for, since there may be none. */
static void
lifecycle_asked_to_end(gpointer user, const GError *error)
{
}

/* QEMU writes out what it has; whether it ends is up to it. */
static void
lifecycle_destroy_gracefully(LifecycleCall *call)
{
    VtDomain *domain = call->domain;

    if (!domain->process || domain->stopping) {
        lifecycle_destroy(call);
        return;
    }
    domain->stopping = TRUE; /* its end is expected */
    vt_process_kill(domain->process, G_MAXINT, lifecycle_asked_to_end, NULL);
    call->timer = g_timeout_add(LIFECYCLE_LOOK_MS, lifecycle_destroy_look, call);
    vt_domain_set_data(domain, LIFECYCLE_ASKED_KEY, call, NULL);
}

/* Whether QEMU ends is seen by the next daemon. */
void
vt_lifecycle_abandon(VtDomain *domain)
{
    LifecycleCall *call = vt_domain_data(domain, LIFECYCLE_ASKED_KEY);

    if (!call)
        return;
    g_source_remove(call->timer);
    domain->stopping = FALSE;
    vt_domain_set_data(domain, LIFECYCLE_ASKED_KEY, NULL, NULL);
    vt_domain_unref(domain);
    g_free(call);
}

void
vt_lifecycle_destroy(VtDriver *driver, VtDomain *domain, guint flags, VtDoneFunc done, gpointer user)
{
    g_autoptr(GError) error = NULL;

    if (flags & ~(guint)(DESTROY_GRACEFUL | DESTROY_REMOVE_LOGS)) {
        vt_error_set(&error, VT_ERROR_UNSUPPORTED, _("flags 0x%x of virDomainDestroyFlags are not supported"),
                     flags);
        done(user, error);
        return;
    }
    if (vt_start_cancel(domain, done, user))
        return;
    /* A save fails with its guest. A short job waits for an answer of a QEMU that may hang; its end is the answer it gets. */
    if ((vt_job_kind(domain) == VT_JOB_MODIFY || vt_job_kind(domain) == VT_JOB_SAVE) &&
        vt_domain_is_active(domain)) {
        const VtStopParams params = lifecycle_destroy_params(driver, domain);

        vt_stop_run(&params, done, user);
        return;
    }
    lifecycle_call(driver, domain, TRUE,
                   flags & DESTROY_GRACEFUL ? lifecycle_destroy_gracefully : lifecycle_destroy, done, user);
}

/* ---- the monitor ---- */

typedef struct {
    VtDomain *domain; /* with a reference */
    gboolean hmp;
    VtTextDone done;
    gpointer user;
} LifecycleMonitor;

/* A JSON command gets QEMU's whole answer, also where that is an error: it is the client's conversation. */
static void
lifecycle_monitor_replied(gpointer user, JsonNode *result, const GError *error)
{
    LifecycleMonitor *monitor = user;
    VtQmpClient *qmp = vt_domain_qmp(monitor->domain, NULL);
    const char *text = qmp && !monitor->hmp ? vt_qmp_client_reply_text(qmp) : NULL;
    g_autofree char *line = g_strdup(text);

    if (monitor->hmp && !error)
        line =
            g_strdup(json_node_get_value_type(result) == G_TYPE_STRING ? json_node_get_string(result) : "");
    monitor->done(monitor->user, line, line ? NULL : error);
    vt_domain_unref(monitor->domain);
    g_free(monitor);
}

void
vt_lifecycle_monitor_command(VtDriver *driver, VtDomain *domain, const char *command, guint flags,
                             VtTextDone done, gpointer user)
{
    g_autoptr(GError) error = NULL;
    VtQmpClient *qmp = vt_domain_qmp(domain, &error);
    LifecycleMonitor *monitor;

    if (flags & ~(guint)MONITOR_HMP)
        vt_error_set(error ? NULL : &error, VT_ERROR_UNSUPPORTED,
                     _("flags 0x%x of a monitor command are not supported"), flags);
    if (error || !qmp) {
        done(user, NULL, error);
        return;
    }
    monitor = g_new0(LifecycleMonitor, 1);
    monitor->domain = vt_domain_ref(domain);
    monitor->hmp = !!(flags & MONITOR_HMP);
    monitor->done = done;
    monitor->user = user;
    if (monitor->hmp) {
        vt_qmp_client_callv(qmp, "human-monitor-command", 0, lifecycle_monitor_replied, monitor,
                            "command-line", "s", command, NULL);
    } else if (!vt_qmp_client_call_raw(qmp, command, 0, lifecycle_monitor_replied, monitor, &error)) {
        done(user, NULL, error);
        vt_domain_unref(monitor->domain);
        g_free(monitor);
    }
}
