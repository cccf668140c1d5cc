/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/call-event.h"

#include <string.h>

#include "driver/event.h"

#define VT_LOG_DOMAIN "virtteam-rpc-event"
#include "util/log.h"

#define EVENT_KEY       "events"
#define EVENT_QUEUE_MAX (4u * 1024u * 1024u)
/* Stock's events carry serial 1; clients ignore it. */
#define EVENT_SERIAL 1u

#define EVENT_PROGRAM_REMOTE 0x20008086u
#define EVENT_PROGRAM_QEMU   0x20008087u
#define EVENT_PROC_MONITOR   6

typedef struct {
    VtConn *conn; /* (transfer none): registrations end with it */
    gint32 callback_id;
    int event_id;
    guint handle;
} EventRegistration;

typedef struct {
    GPtrArray *list; /* of EventRegistration */
    gint32 next_id;
} EventRegistrations;

/* ---- messages ---- */

typedef union {
    VtProtoEventDom dom;
    VtProtoEventLifecycle lifecycle;
    VtProtoEventRtc rtc;
    VtProtoEventInt number;
    VtProtoEventUlong ulong_number;
    VtProtoEventIoError io_error;
    VtProtoEventDevice device;
    VtProtoEventJob job;
    VtProtoEventMetadata metadata;
    VtProtoEventMonitor monitor;
} EventMessage;

static void
event_fill_nothing(const VtEvent *event, EventMessage *message)
{
}

static void
event_fill_lifecycle(const VtEvent *event, EventMessage *message)
{
    message->lifecycle.event = event->lifecycle.event;
    message->lifecycle.detail = event->lifecycle.detail;
}

static void
event_fill_rtc(const VtEvent *event, EventMessage *message)
{
    message->rtc.offset = event->rtc.offset;
}

static void
event_fill_watchdog(const VtEvent *event, EventMessage *message)
{
    message->number.value = event->watchdog.action;
}

static void
event_fill_io_error(const VtEvent *event, EventMessage *message)
{
    message->io_error.path = event->io_error.path;
    message->io_error.alias = event->io_error.alias;
    message->io_error.action = event->io_error.action;
}

static void
event_fill_balloon(const VtEvent *event, EventMessage *message)
{
    message->ulong_number.value = event->balloon.actual_kib;
}

static void
event_fill_device(const VtEvent *event, EventMessage *message)
{
    message->device.alias = event->device.alias;
}

static void
event_fill_iteration(const VtEvent *event, EventMessage *message)
{
    message->number.value = event->migration.iteration;
}

static void
event_fill_job(const VtEvent *event, EventMessage *message)
{
    message->job.params = event->job.params;
}

static void
event_fill_metadata(const VtEvent *event, EventMessage *message)
{
    message->metadata.type = event->metadata.type;
    message->metadata.uri = event->metadata.uri;
}

static void
event_fill_monitor(const VtEvent *event, EventMessage *message)
{
    message->monitor.event = event->monitor.name;
    message->monitor.seconds = event->monitor.seconds;
    message->monitor.micros = event->monitor.micros;
    message->monitor.details = event->monitor.details;
}

/* Which message carries which event. All begin with the callback's id and the domain. */
static const struct {
    int event_id;
    guint32 program;
    gint32 procedure;
    const VtXdrType *type;
    void (*fill)(const VtEvent *event, EventMessage *message);
} event_messages[] = {
    { VT_EVENT_LIFECYCLE, EVENT_PROGRAM_REMOTE, 318, &vt_proto_event_lifecycle, event_fill_lifecycle },
    { VT_EVENT_REBOOT, EVENT_PROGRAM_REMOTE, 319, &vt_proto_event_dom, event_fill_nothing },
    { VT_EVENT_RTC_CHANGE, EVENT_PROGRAM_REMOTE, 320, &vt_proto_event_rtc, event_fill_rtc },
    { VT_EVENT_WATCHDOG, EVENT_PROGRAM_REMOTE, 321, &vt_proto_event_int, event_fill_watchdog },
    { VT_EVENT_IO_ERROR, EVENT_PROGRAM_REMOTE, 322, &vt_proto_event_io_error, event_fill_io_error },
    { VT_EVENT_CONTROL_ERROR, EVENT_PROGRAM_REMOTE, 325, &vt_proto_event_dom, event_fill_nothing },
    { VT_EVENT_BALLOON_CHANGE, EVENT_PROGRAM_REMOTE, 331, &vt_proto_event_ulong, event_fill_balloon },
    { VT_EVENT_DEVICE_REMOVED, EVENT_PROGRAM_REMOTE, 333, &vt_proto_event_device, event_fill_device },
    { VT_EVENT_DEVICE_ADDED, EVENT_PROGRAM_REMOTE, 354, &vt_proto_event_device, event_fill_device },
    { VT_EVENT_MIGRATION_ITERATION, EVENT_PROGRAM_REMOTE, 359, &vt_proto_event_int, event_fill_iteration },
    { VT_EVENT_JOB_COMPLETED, EVENT_PROGRAM_REMOTE, 363, &vt_proto_event_job, event_fill_job },
    { VT_EVENT_DEVICE_REMOVAL_FAILED, EVENT_PROGRAM_REMOTE, 367, &vt_proto_event_device, event_fill_device },
    { VT_EVENT_METADATA_CHANGE, EVENT_PROGRAM_REMOTE, 379, &vt_proto_event_metadata, event_fill_metadata },
    { VT_EVENT_MONITOR, EVENT_PROGRAM_QEMU, EVENT_PROC_MONITOR, &vt_proto_event_monitor, event_fill_monitor },
};

static void
event_send(VtConn *conn, gint32 callback_id, gsize row, const VtEvent *event)
{
    VtMessageHeader header = {
        .program = event_messages[row].program,
        .version = 1,
        .procedure = event_messages[row].procedure,
        .type = VT_MESSAGE_EVENT,
        .serial = EVENT_SERIAL,
    };
    g_autoptr(GByteArray) frame = vt_message_begin(&header);
    g_autoptr(GError) error = NULL;
    EventMessage message;
    VtXdrWriter writer;

    memset(&message, 0, sizeof(message));
    message.dom.callback_id = callback_id;
    message.dom.dom = (VtProtoDom){ .name = event->dom_name, .uuid = event->dom_uuid, .id = event->dom_id };
    event_messages[row].fill(event, &message);
    vt_xdr_writer_init(&writer, frame, VT_MESSAGE_MAX);
    if (vt_xdr_type_encode(event_messages[row].type, &message, &writer, &error))
        vt_conn_send(conn, g_steal_pointer(&frame));
    else
        vt_log_warning("An event of domain '%s' is not sent: %s", event->dom_name, error->message);
}

static void
event_tell(const VtEvent *event, gpointer user)
{
    EventRegistration *registration = user;

    if (vt_conn_is_shut(registration->conn))
        return;
    if (vt_conn_queued(registration->conn) > EVENT_QUEUE_MAX) {
        vt_conn_close(registration->conn, "it does not read its events", FALSE);
        return;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(event_messages); i++)
        if (event_messages[i].event_id == (int)event->id)
            event_send(registration->conn, registration->callback_id, i, event);
}

/* ---- registrations ---- */

static void
event_registration_free(gpointer data)
{
    EventRegistration *registration = data;

    vt_event_unsubscribe(vt_conn_driver(registration->conn), registration->handle);
    g_free(registration);
}

static void
event_registrations_free(gpointer data)
{
    EventRegistrations *registrations = data;

    g_ptr_array_unref(registrations->list);
    g_free(registrations);
}

static EventRegistrations *
event_registrations(VtConn *conn)
{
    EventRegistrations *registrations = vt_conn_get_data(conn, EVENT_KEY);

    if (registrations == NULL) {
        registrations = g_new0(EventRegistrations, 1);
        registrations->list = g_ptr_array_new_with_free_func(event_registration_free);
        vt_conn_set_data(conn, EVENT_KEY, registrations, event_registrations_free);
    }
    return registrations;
}

/* One client needs one registration for each kind of event and domain; this bounds one that is out of its mind. */
#define EVENT_REGISTRATIONS_MAX 4096u

static void
event_subscribe(VtCall *call, int event_id, const VtProtoDom *dom, const char *name, guint flags)
{
    VtConn *conn = vt_call_conn(call);
    EventRegistrations *registrations = event_registrations(conn);
    g_autofree EventRegistration *registration = g_new0(EventRegistration, 1);

    if (registrations->list->len >= EVENT_REGISTRATIONS_MAX) {
        vt_call_fail_exact(call, VT_ERROR_MAP_INTERNAL_ERROR, VT_ERROR_MAP_FROM_RPC,
                           "internal error: too many event callbacks on one connection (%u)",
                           EVENT_REGISTRATIONS_MAX);
        return;
    }
    registration->conn = conn;
    registration->callback_id = registrations->next_id;
    registration->event_id = event_id;
    registration->handle = vt_event_subscribe(vt_conn_driver(conn), event_id, dom == NULL ? NULL : &dom->uuid,
                                              name, flags, event_tell, registration);
    if (registration->handle == 0) {
        vt_call_fail_exact(call, VT_ERROR_MAP_INVALID_ARG, VT_ERROR_MAP_FROM_QEMU,
                           "invalid argument: '%s' is not a valid pattern of event names", name);
        return;
    }
    /* A client cannot live through 2^31 of them, but if it does, the numbers begin again. */
    registrations->next_id = registrations->next_id == G_MAXINT32 ? 0 : registrations->next_id + 1;
    vt_call_return_int(call, registration->callback_id);
    g_ptr_array_add(registrations->list, g_steal_pointer(&registration));
}

static void
event_unsubscribe(VtCall *call, gboolean monitor)
{
    const VtProtoInt *args = vt_call_args(call);
    EventRegistrations *registrations = event_registrations(vt_call_conn(call));

    for (guint i = 0; i < registrations->list->len; i++) {
        const EventRegistration *registration = g_ptr_array_index(registrations->list, i);

        if (registration->callback_id == args->value &&
            (registration->event_id == VT_EVENT_MONITOR) == monitor) {
            g_ptr_array_remove_index(registrations->list, i);
            vt_call_return(call, NULL);
            return;
        }
    }
    vt_call_fail_exact(call, VT_ERROR_MAP_INTERNAL_ERROR, VT_ERROR_MAP_FROM_RPC,
                       "internal error: domain %s callback %d not registered",
                       monitor ? "monitor event" : "event", args->value);
}

void
vt_call_event_register(VtCall *call)
{
    const VtProtoEventRegister *args = vt_call_args(call);

    if (args->event_id < 0 || args->event_id >= VT_EVENT_LAST) {
        vt_call_fail_exact(call, VT_ERROR_MAP_INTERNAL_ERROR, VT_ERROR_MAP_FROM_RPC,
                           "internal error: unsupported event ID %d", args->event_id);
        return;
    }
    event_subscribe(call, args->event_id, args->dom, NULL, 0);
}

void
vt_call_event_deregister(VtCall *call)
{
    event_unsubscribe(call, FALSE);
}

void
vt_call_event_monitor_register(VtCall *call)
{
    const VtProtoMonitorRegister *args = vt_call_args(call);

    if (args->flags & ~3u) {
        vt_call_fail_exact(call, VT_ERROR_MAP_INVALID_ARG, VT_ERROR_MAP_FROM_QEMU,
                           "invalid argument: unsupported flags (0x%x) of a monitor event", args->flags);
        return;
    }
    event_subscribe(call, VT_EVENT_MONITOR, args->dom, args->event, args->flags);
}

void
vt_call_event_monitor_deregister(VtCall *call)
{
    event_unsubscribe(call, TRUE);
}
