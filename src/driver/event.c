/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events are queued with a snapshot of the domain's name, UUID and id, and told from an idle source: never
 * from within the call that caused them, so that a subscriber may call anything.
 */
#define VT_LOG_DOMAIN "virtteam-driver-event"

#include "driver/event.h"
#include <string.h>
#include "driver/domain-private.h"
#include "util/log.h"

#define EVENT_KEY "event"

enum {
    EVENT_MONITOR_REGEX = 1 << 0,
    EVENT_MONITOR_NOCASE = 1 << 1,
};

typedef struct {
    guint handle;
    int id;
    gboolean one_domain;
    VtUuid uuid;
    char *name; /* MONITOR: exact name; NULL: all, or see regex */
    gboolean nocase;
    GRegex *regex; /* MONITOR, nullable */
    VtEventFunc func;
    gpointer user;
} EventSubscriber;

typedef struct {
    GPtrArray *subscribers; /* of EventSubscriber *, in order of their handles */
    GQueue pending;         /* of VtEvent * */
    guint idle;
    guint next_handle;
} EventHub;

static void
event_subscriber_free(EventSubscriber *subscriber)
{
    g_free(subscriber->name);
    g_clear_pointer(&subscriber->regex, g_regex_unref);
    g_free(subscriber);
}

static void
event_free(VtEvent *event)
{
    switch (event->id) {
    case VT_EVENT_DEVICE_REMOVED:
    case VT_EVENT_DEVICE_ADDED:
    case VT_EVENT_DEVICE_REMOVAL_FAILED:
        g_free(event->device.alias);
        break;
    case VT_EVENT_JOB_COMPLETED:
        vt_typed_params_free(event->job.params);
        break;
    case VT_EVENT_MONITOR:
        g_free(event->monitor.name);
        g_free(event->monitor.details);
        break;
    case VT_EVENT_METADATA_CHANGE:
        g_free(event->metadata.uri);
        break;
    case VT_EVENT_IO_ERROR:
        g_free(event->io_error.path);
        g_free(event->io_error.alias);
        g_free(event->io_error.reason);
        break;
    case VT_EVENT_LIFECYCLE:
    case VT_EVENT_REBOOT:
    case VT_EVENT_RTC_CHANGE:
    case VT_EVENT_WATCHDOG:
    case VT_EVENT_CONTROL_ERROR:
    case VT_EVENT_BALLOON_CHANGE:
    case VT_EVENT_MIGRATION_ITERATION:
    case VT_EVENT_LAST:
        break;
    }
    g_free(event->dom_name);
    g_free(event);
}

static void
event_hub_free(EventHub *hub)
{
    VtEvent *event;

    if (hub->idle)
        g_source_remove(hub->idle);
    while ((event = g_queue_pop_head(&hub->pending)))
        event_free(event);
    g_ptr_array_unref(hub->subscribers);
    g_free(hub);
}

static EventHub *
event_hub(VtDriver *driver)
{
    EventHub *hub = vt_driver_data(driver, EVENT_KEY);

    if (!hub) {
        hub = g_new0(EventHub, 1);
        hub->subscribers = g_ptr_array_new_with_free_func((GDestroyNotify)event_subscriber_free);
        g_queue_init(&hub->pending);
        vt_driver_set_data(driver, EVENT_KEY, hub, (GDestroyNotify)event_hub_free);
    }
    return hub;
}

guint
vt_event_subscribe(VtDriver *driver, int id, const VtUuid *uuid, const char *name, guint flags,
                   VtEventFunc func, gpointer user)
{
    EventHub *hub = event_hub(driver);
    g_autoptr(GRegex) regex = NULL;
    EventSubscriber *subscriber;

    if (name && flags & EVENT_MONITOR_REGEX) {
        GRegexCompileFlags compile = flags & EVENT_MONITOR_NOCASE ? G_REGEX_CASELESS : 0;

        regex = g_regex_new(name, compile | G_REGEX_OPTIMIZE, 0, NULL);
        if (!regex)
            return 0;
    }
    subscriber = g_new0(EventSubscriber, 1);
    subscriber->handle = ++hub->next_handle;
    subscriber->id = id;
    subscriber->one_domain = uuid != NULL;
    if (uuid)
        subscriber->uuid = *uuid;
    subscriber->name = regex ? NULL : g_strdup(name);
    subscriber->nocase = !!(flags & EVENT_MONITOR_NOCASE);
    subscriber->regex = g_steal_pointer(&regex);
    subscriber->func = func;
    subscriber->user = user;
    g_ptr_array_add(hub->subscribers, subscriber);
    return subscriber->handle;
}

void
vt_event_unsubscribe(VtDriver *driver, guint handle)
{
    EventHub *hub = event_hub(driver);

    for (guint i = 0; i < hub->subscribers->len; i++) {
        EventSubscriber *subscriber = g_ptr_array_index(hub->subscribers, i);

        if (subscriber->handle == handle) {
            g_ptr_array_remove_index(hub->subscribers, i);
            return;
        }
    }
}

static gboolean
event_wanted(const EventSubscriber *subscriber, const VtEvent *event)
{
    if (subscriber->id != (int)event->id)
        return FALSE;
    if (subscriber->one_domain && !vt_uuid_equal(&subscriber->uuid, &event->dom_uuid))
        return FALSE;
    if (event->id != VT_EVENT_MONITOR)
        return TRUE;
    if (subscriber->regex)
        return g_regex_match(subscriber->regex, event->monitor.name, 0, NULL);
    if (!subscriber->name)
        return TRUE;
    return subscriber->nocase ? g_ascii_strcasecmp(subscriber->name, event->monitor.name) == 0
                              : g_str_equal(subscriber->name, event->monitor.name);
}

/* A subscriber may subscribe and unsubscribe others (and itself): look the next one up by its handle. */
static EventSubscriber *
event_next_subscriber(EventHub *hub, guint after)
{
    for (guint i = 0; i < hub->subscribers->len; i++) {
        EventSubscriber *subscriber = g_ptr_array_index(hub->subscribers, i);

        if (subscriber->handle > after)
            return subscriber;
    }
    return NULL;
}

static gboolean
event_deliver(gpointer user)
{
    EventHub *hub = user;
    VtEvent *event;

    hub->idle = 0;
    while ((event = g_queue_pop_head(&hub->pending))) {
        guint last = hub->next_handle;
        EventSubscriber *subscriber = event_next_subscriber(hub, 0);

        while (subscriber && subscriber->handle <= last) {
            guint handle = subscriber->handle;

            if (event_wanted(subscriber, event))
                subscriber->func(event, subscriber->user);
            subscriber = event_next_subscriber(hub, handle);
        }
        event_free(event);
    }
    return G_SOURCE_REMOVE;
}

/* NULL when nobody listens to that kind: most monitor events cost nothing then. */
static VtEvent *
event_new(VtDriver *driver, VtDomain *domain, VtEventId id)
{
    EventHub *hub = event_hub(driver);
    gboolean wanted = FALSE;
    VtEvent *event;

    for (guint i = 0; i < hub->subscribers->len && !wanted; i++)
        wanted = ((EventSubscriber *)g_ptr_array_index(hub->subscribers, i))->id == (int)id;
    if (!wanted)
        return NULL;
    event = g_new0(VtEvent, 1);
    event->id = id;
    event->dom_name = g_strdup(domain->name);
    event->dom_uuid = domain->uuid;
    event->dom_id = domain->id;
    return event;
}

static void
event_push(VtDriver *driver, VtEvent *event)
{
    EventHub *hub = event_hub(driver);

    g_queue_push_tail(&hub->pending, event);
    if (!hub->idle)
        hub->idle = g_idle_add_full(G_PRIORITY_DEFAULT, event_deliver, hub, NULL);
}

void
vt_event_lifecycle(VtDriver *driver, VtDomain *domain, int kind, int detail)
{
    VtEvent *event = event_new(driver, domain, VT_EVENT_LIFECYCLE);

    vt_log_debug("dom=%s lifecycle event %d detail %d", domain->name, kind, detail);
    if (!event)
        return;
    event->lifecycle.event = kind;
    event->lifecycle.detail = detail;
    event_push(driver, event);
}

void
vt_event_renamed(VtDriver *driver, VtDomain *domain, const char *old_name)
{
    VtEvent *event = event_new(driver, domain, VT_EVENT_LIFECYCLE);

    if (!event)
        return;
    g_free(event->dom_name);
    event->dom_name = g_strdup(old_name);
    event->lifecycle.event = 1;  /* VIR_DOMAIN_EVENT_UNDEFINED */
    event->lifecycle.detail = 1; /* VIR_DOMAIN_EVENT_UNDEFINED_RENAMED */
    event_push(driver, event);
}

void
vt_event_simple(VtDriver *driver, VtDomain *domain, VtEventId id)
{
    VtEvent *event = event_new(driver, domain, id);

    if (event)
        event_push(driver, event);
}

void
vt_event_device(VtDriver *driver, VtDomain *domain, VtEventId id, const char *alias)
{
    VtEvent *event = event_new(driver, domain, id);

    if (!event)
        return;
    event->device.alias = g_strdup(alias);
    event_push(driver, event);
}

void
vt_event_iteration(VtDriver *driver, VtDomain *domain, int iteration)
{
    VtEvent *event = event_new(driver, domain, VT_EVENT_MIGRATION_ITERATION);

    if (!event)
        return;
    event->migration.iteration = iteration;
    event_push(driver, event);
}

void
vt_event_job_completed(VtDriver *driver, VtDomain *domain, VtTypedParams *params)
{
    g_autoptr(VtTypedParams) owned = params;
    VtEvent *event = event_new(driver, domain, VT_EVENT_JOB_COMPLETED);

    if (!event)
        return;
    event->job.params = g_steal_pointer(&owned);
    event_push(driver, event);
}

void
vt_event_metadata(VtDriver *driver, VtDomain *domain, int type, const char *uri)
{
    VtEvent *event = event_new(driver, domain, VT_EVENT_METADATA_CHANGE);

    if (!event)
        return;
    event->metadata.type = type;
    event->metadata.uri = g_strdup(uri);
    event_push(driver, event);
}

void
vt_event_rtc_change(VtDriver *driver, VtDomain *domain, gint64 offset)
{
    VtEvent *event = event_new(driver, domain, VT_EVENT_RTC_CHANGE);

    if (!event)
        return;
    event->rtc.offset = offset;
    event_push(driver, event);
}

void
vt_event_watchdog(VtDriver *driver, VtDomain *domain, int action)
{
    VtEvent *event = event_new(driver, domain, VT_EVENT_WATCHDOG);

    if (!event)
        return;
    event->watchdog.action = action;
    event_push(driver, event);
}

void
vt_event_io_error(VtDriver *driver, VtDomain *domain, const VtEventIoError *what)
{
    VtEvent *event = event_new(driver, domain, VT_EVENT_IO_ERROR);

    if (!event)
        return;
    event->io_error.path = g_strdup(what->path);
    event->io_error.alias = g_strdup(what->alias);
    event->io_error.reason = g_strdup(what->reason);
    event->io_error.action = what->action;
    event_push(driver, event);
}

void
vt_event_balloon(VtDriver *driver, VtDomain *domain, guint64 actual_kib)
{
    VtEvent *event = event_new(driver, domain, VT_EVENT_BALLOON_CHANGE);

    if (!event)
        return;
    event->balloon.actual_kib = actual_kib;
    event_push(driver, event);
}

void
vt_event_monitor(VtDriver *driver, VtDomain *domain, const VtQmpEvent *qmp)
{
    VtEvent *event = event_new(driver, domain, VT_EVENT_MONITOR);

    if (!event)
        return;
    event->monitor.name = g_strdup(qmp->name);
    event->monitor.seconds = qmp->seconds;
    event->monitor.micros = qmp->micros;
    if (qmp->data) {
        g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);

        json_node_set_object(node, qmp->data);
        event->monitor.details = json_to_string(node, FALSE);
    }
    event_push(driver, event);
}
