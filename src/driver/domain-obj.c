/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VT_LOG_DOMAIN "virtteam-driver-domain-obj"

#include "driver/domain-obj.h"
#include "driver/domain-private.h"
#include "util/enum.h"
#include "util/i18n.h"
#include "util/log.h"

#define DOMAIN_STATE_COUNT (VT_DOMAIN_PMSUSPENDED + 1)

static const char *const domain_state_names[] = {
    [VT_DOMAIN_NOSTATE] = "nostate",
    [VT_DOMAIN_RUNNING] = "running",
    [2] = "blocked",
    [VT_DOMAIN_PAUSED] = "paused",
    [VT_DOMAIN_SHUTDOWN] = "in shutdown",
    [VT_DOMAIN_SHUTOFF] = "shut off",
    [VT_DOMAIN_CRASHED] = "crashed",
    [VT_DOMAIN_PMSUSPENDED] = "pmsuspended",
};
VT_ENUM_TABLE(domain_state_names, DOMAIN_STATE_COUNT);

#define TO(state) (1u << (state))
#define TO_UP     (TO(VT_DOMAIN_RUNNING) | TO(VT_DOMAIN_PAUSED))
#define TO_DOWN   (TO(VT_DOMAIN_SHUTDOWN) | TO(VT_DOMAIN_SHUTOFF) | TO(VT_DOMAIN_CRASHED))

/* What may follow a state; the same state with another reason is always allowed. */
static const guint domain_transitions[] = {
    [VT_DOMAIN_NOSTATE] = TO_UP | TO_DOWN | TO(VT_DOMAIN_PMSUSPENDED),
    [VT_DOMAIN_RUNNING] = TO_UP | TO_DOWN | TO(VT_DOMAIN_PMSUSPENDED),
    [2] = 0,
    [VT_DOMAIN_PAUSED] = TO_UP | TO_DOWN,
    [VT_DOMAIN_SHUTDOWN] = TO_UP | TO_DOWN, /* up: the reset that turns a shutdown into a reboot */
    [VT_DOMAIN_SHUTOFF] = TO_UP | TO(VT_DOMAIN_SHUTOFF),
    [VT_DOMAIN_CRASHED] = TO_UP | TO_DOWN, /* up: reset */
    [VT_DOMAIN_PMSUSPENDED] = TO_UP | TO_DOWN | TO(VT_DOMAIN_PMSUSPENDED),
};
VT_ENUM_TABLE(domain_transitions, DOMAIN_STATE_COUNT);

typedef struct {
    VtDomainQmpFuncs funcs;
    gpointer user;
    gboolean removed;
} DomainListener;

VtDomain *
vt_domain_new(VtDriver *driver, const char *name, const VtUuid *uuid)
{
    VtDomain *domain = g_new0(VtDomain, 1);

    domain->refs = 1;
    domain->driver = driver;
    domain->name = g_strdup(name);
    domain->uuid = *uuid;
    domain->id = -1;
    domain->state = VT_DOMAIN_SHUTOFF;
    domain->listeners = g_ptr_array_new_with_free_func(g_free);
    g_datalist_init(&domain->data);
    return domain;
}

VtDomain *
vt_domain_ref(VtDomain *domain)
{
    domain->refs++;
    return domain;
}

void
vt_domain_unref(VtDomain *domain)
{
    if (!domain || --domain->refs > 0)
        return;
    g_datalist_clear(&domain->data);
    vt_process_free(domain->process);
    vt_domain_def_free(domain->live);
    vt_domain_def_free(domain->persistent);
    vt_domain_def_free(domain->last);
    g_ptr_array_unref(domain->listeners);
    g_free(domain->run_dir);
    g_free(domain->name);
    g_free(domain);
}

const char *
vt_domain_name(const VtDomain *domain)
{
    return domain->name;
}

const VtUuid *
vt_domain_uuid(const VtDomain *domain)
{
    return &domain->uuid;
}

int
vt_domain_id(const VtDomain *domain)
{
    return domain->id;
}

gboolean
vt_domain_is_active(const VtDomain *domain)
{
    return domain->id >= 0;
}

gboolean
vt_domain_is_persistent(const VtDomain *domain)
{
    return domain->persistent != NULL;
}

VtDomainState
vt_domain_state(const VtDomain *domain, int *reason)
{
    if (reason)
        *reason = domain->reason;
    return domain->state;
}

VtDomainDef *
vt_domain_def(const VtDomain *domain)
{
    if (domain->live)
        return domain->live;
    return domain->persistent ? domain->persistent : domain->last;
}

void
vt_domain_expect_pause(VtDomain *domain, int reason)
{
    domain->expect_pause = reason;
}

void
vt_domain_expect_resume(VtDomain *domain, int reason)
{
    domain->expect_resume = reason;
}

VtDomainDef *
vt_domain_persistent_def(const VtDomain *domain)
{
    return domain->persistent;
}

void
vt_domain_set_persistent_def(VtDomain *domain, VtDomainDef *def)
{
    if (domain->persistent == def)
        return;
    /* Whoever holds the domain still asks it for a definition. */
    if (!def && !domain->live && !domain->last)
        domain->last = g_steal_pointer(&domain->persistent);
    vt_domain_def_free(domain->persistent);
    domain->persistent = def;
}

VtProcess *
vt_domain_process(const VtDomain *domain)
{
    return domain->process;
}

VtDriver *
vt_domain_driver(const VtDomain *domain)
{
    return domain->driver;
}

VtQmpClient *
vt_domain_qmp(const VtDomain *domain, GError **error)
{
    VtQmpClient *qmp;

    if (!vt_domain_is_active(domain) || !domain->process) {
        vt_error_set(error, VT_ERROR_OPERATION_INVALID, _("domain is not running"));
        return NULL;
    }
    qmp = vt_process_qmp(domain->process);
    if (!qmp)
        vt_error_set(error, VT_ERROR_OPERATION_FAILED, _("the monitor of domain '%s' does not answer"),
                     domain->name);
    return qmp;
}

void
vt_domain_set_state(VtDomain *domain, VtDomainState state, int reason)
{
    VtDomainState old = domain->state;

    if (state == old && reason == domain->reason)
        return;
    if ((guint)state >= DOMAIN_STATE_COUNT || (state != old && !(domain_transitions[old] & TO(state)))) {
        vt_log_warning("domain '%s': refusing the change of state from '%s' to '%s', which is no legal one",
                       domain->name, domain_state_names[old],
                       (guint)state < DOMAIN_STATE_COUNT ? domain_state_names[state] : "?");
        return;
    }
    vt_log_debug("dom=%s %s(%d) -> %s(%d)", domain->name, domain_state_names[old], domain->reason,
                 domain_state_names[state], reason);
    domain->state = state;
    domain->reason = reason;
    vt_domain_status_changed(domain);
}

void
vt_domain_end_run(VtDomain *domain, int reason)
{
    domain->id = -1;
    vt_domain_set_state(domain, VT_DOMAIN_SHUTOFF, reason);
    vt_domain_def_free(domain->last);
    domain->last = g_steal_pointer(&domain->live);
    domain->autodestroy = NULL;
    domain->autodestroy_lost = FALSE;
    domain->fake_reboot = FALSE;
    domain->expect_pause = 0;
    domain->expect_resume = 0;
}

void
vt_domain_status_changed(VtDomain *domain)
{
    /* The start and stop sequences say themselves when there is to be a status file. */
    if (domain->starting || domain->stopping)
        return;
    if (domain->driver && domain->driver->status_changed && vt_domain_is_active(domain))
        domain->driver->status_changed(domain->driver, domain);
}

void
vt_domain_set_data(VtDomain *domain, const char *key, gpointer data, GDestroyNotify destroy)
{
    g_datalist_id_set_data_full(&domain->data, g_quark_from_static_string(key), data, data ? destroy : NULL);
}

gpointer
vt_domain_data(const VtDomain *domain, const char *key)
{
    return g_datalist_id_get_data((GData **)&domain->data, g_quark_from_static_string(key));
}

void
vt_driver_set_data(VtDriver *driver, const char *key, gpointer data, GDestroyNotify destroy)
{
    g_datalist_id_set_data_full(&driver->data, g_quark_from_static_string(key), data, data ? destroy : NULL);
}

gpointer
vt_driver_data(const VtDriver *driver, const char *key)
{
    return g_datalist_id_get_data((GData **)&driver->data, g_quark_from_static_string(key));
}

void
vt_domain_add_qmp_listener(VtDomain *domain, const VtDomainQmpFuncs *funcs, gpointer user)
{
    DomainListener *listener = g_new0(DomainListener, 1);

    listener->funcs = *funcs;
    listener->user = user;
    g_ptr_array_add(domain->listeners, listener);
}

void
vt_domain_remove_qmp_listener(VtDomain *domain, const VtDomainQmpFuncs *funcs, gpointer user)
{
    for (guint i = 0; i < domain->listeners->len; i++) {
        DomainListener *listener = g_ptr_array_index(domain->listeners, i);

        if (!listener->removed && listener->user == user && listener->funcs.event == funcs->event &&
            listener->funcs.exited == funcs->exited) {
            /* Only marked: a loop over the array may be under way. */
            listener->removed = TRUE;
            return;
        }
    }
}

static void
domain_sweep_listeners(VtDomain *domain)
{
    for (guint i = domain->listeners->len; i > 0; i--) {
        DomainListener *listener = g_ptr_array_index(domain->listeners, i - 1);

        if (listener->removed)
            g_ptr_array_remove_index(domain->listeners, i - 1);
    }
}

/* A listener may end the domain, add listeners and remove any: only those there at the beginning are told, and
 * the marked ones are swept by the outermost loop. */
static void
domain_tell(VtDomain *domain, const VtQmpEvent *event, const char *why)
{
    g_autoptr(VtDomain) keep = vt_domain_ref(domain);
    static guint depth;
    guint n = domain->listeners->len;

    depth++;
    for (guint i = 0; i < n; i++) {
        DomainListener *listener = g_ptr_array_index(domain->listeners, i);

        if (listener->removed)
            continue;
        if (event && listener->funcs.event)
            listener->funcs.event(keep, event, listener->user);
        if (why && listener->funcs.exited)
            listener->funcs.exited(keep, why, listener->user);
    }
    if (--depth == 0)
        domain_sweep_listeners(keep);
}

void
vt_domain_tell_event(VtDomain *domain, const VtQmpEvent *event)
{
    domain_tell(domain, event, NULL);
}

void
vt_domain_tell_exited(VtDomain *domain, const char *why)
{
    domain_tell(domain, NULL, why);
}
