/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VT_LOG_DOMAIN "virtteam-driver-datapath"

#include "driver/datapath-eject.h"

#include "qemu/net-buffer.h"
#include "qemu/nic-sight.h"
#include "util/log.h"

#define DATAPATH_EJECT_LOOK_MS 5

typedef enum {
    DATAPATH_EJECT_UNSEEN, /* it has not been seen open: nothing can be told from seeing it closed */
    DATAPATH_EJECT_OPEN,
    DATAPATH_EJECT_KEEPS, /* it was closed, and standby's frames are kept back */
    DATAPATH_EJECT_OVER,
} DatapathEjectState;

/* A question to QEMU, which may be answered when nobody asks any more. */
typedef struct {
    VtDatapathEject *eject; /* NULL: gone */
} DatapathEjectAsk;

struct _VtDatapathEject {
    char *domain;
    char *persistent;
    char *transient;
    char *model;
    VtDatapathEjectMonitor monitor;
    gpointer owner;
    DatapathEjectState state;
    guint keep_ms;
    gint64 kept_since_us;
    guint64 bar;
    guint look; /* source id */
    DatapathEjectAsk *asking;
};

static void
datapath_eject_set(VtDatapathEject *eject, DatapathEjectState state)
{
    gboolean kept = eject->state == DATAPATH_EJECT_KEEPS;
    VtQmpClient *monitor;

    if (state == eject->state)
        return;
    eject->state = state;
    monitor = kept || state == DATAPATH_EJECT_KEEPS ? eject->monitor(eject->owner) : NULL;
    if (state == DATAPATH_EJECT_KEEPS) {
        eject->kept_since_us = g_get_monotonic_time();
        vt_log_debug("dom=%s: the guest closes '%s': what comes for '%s' is kept back", eject->domain,
                     eject->transient, eject->persistent);
        if (monitor)
            vt_net_buffer_start(monitor, eject->persistent, eject->keep_ms, NULL, NULL);
    } else if (kept) {
        vt_log_debug("dom=%s: what came for '%s' was kept back for %d ms", eject->domain, eject->persistent,
                     (int)((g_get_monotonic_time() - eject->kept_since_us) / 1000));
        if (monitor)
            vt_net_buffer_end(monitor, eject->persistent);
    }
}

static void
datapath_eject_seen(gpointer user, const VtNicSight *sight, const GError *error)
{
    DatapathEjectAsk *asked = user;
    VtDatapathEject *eject = asked->eject;

    g_free(asked);
    if (!eject)
        return;
    eject->asking = NULL;
    if (error) {
        datapath_eject_set(eject, DATAPATH_EJECT_OVER);
        return;
    }
    eject->bar = sight->bar;
    if (sight->sends)
        datapath_eject_set(eject, DATAPATH_EJECT_OPEN);
    else if (sight->bar && eject->state == DATAPATH_EJECT_OPEN)
        datapath_eject_set(eject, DATAPATH_EJECT_KEEPS);
}

static gboolean
datapath_eject_look(gpointer user)
{
    VtDatapathEject *eject = user;
    VtQmpClient *monitor = eject->monitor(eject->owner);

    if (eject->state == DATAPATH_EJECT_KEEPS &&
        g_get_monotonic_time() - eject->kept_since_us > eject->keep_ms * G_TIME_SPAN_MILLISECOND)
        datapath_eject_set(eject, DATAPATH_EJECT_OVER);
    if (eject->state == DATAPATH_EJECT_OVER) {
        eject->look = 0;
        return G_SOURCE_REMOVE;
    }
    if (!eject->asking && monitor) {
        eject->asking = g_new0(DatapathEjectAsk, 1);
        eject->asking->eject = eject;
        vt_nic_sight_ask_sender(monitor, eject->model, eject->transient, eject->bar, datapath_eject_seen,
                                eject->asking);
    }
    return G_SOURCE_CONTINUE;
}

VtDatapathEject *
vt_datapath_eject_new(const VtDatapathEjectSpec *spec, VtDatapathEjectMonitor monitor, gpointer owner)
{
    VtDatapathEject *eject = g_new0(VtDatapathEject, 1);

    eject->domain = g_strdup(spec->domain);
    eject->persistent = g_strdup(spec->persistent);
    eject->transient = g_strdup(spec->transient);
    eject->model = g_strdup(spec->model);
    eject->keep_ms = spec->keep_ms;
    eject->monitor = monitor;
    eject->owner = owner;
    eject->look = g_timeout_add(DATAPATH_EJECT_LOOK_MS, datapath_eject_look, eject);
    datapath_eject_look(eject);
    return eject;
}

void
vt_datapath_eject_free(VtDatapathEject *eject)
{
    if (!eject)
        return;
    datapath_eject_set(eject, DATAPATH_EJECT_OVER);
    g_clear_handle_id(&eject->look, g_source_remove);
    if (eject->asking)
        eject->asking->eject = NULL;
    g_free(eject->domain);
    g_free(eject->persistent);
    g_free(eject->transient);
    g_free(eject->model);
    g_free(eject);
}
