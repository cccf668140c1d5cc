/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Domain events: who wants which, and telling them.
 */
#pragma once

#include "driver/domain-obj.h"
#include "util/typed-param.h"

/* libvirt's virDomainEventID for those we send; QEMU monitor events have a list of their own. */
typedef enum {
    VT_EVENT_LIFECYCLE = 0,
    VT_EVENT_REBOOT = 1,
    VT_EVENT_RTC_CHANGE = 2,
    VT_EVENT_WATCHDOG = 3,
    VT_EVENT_IO_ERROR = 4,
    VT_EVENT_CONTROL_ERROR = 7,
    VT_EVENT_BALLOON_CHANGE = 13,
    VT_EVENT_DEVICE_REMOVED = 15,
    VT_EVENT_DEVICE_ADDED = 19,
    VT_EVENT_MIGRATION_ITERATION = 20,
    VT_EVENT_JOB_COMPLETED = 21,
    VT_EVENT_DEVICE_REMOVAL_FAILED = 22,
    VT_EVENT_METADATA_CHANGE = 23,
    VT_EVENT_LAST = 27,
    VT_EVENT_MONITOR = 1000, /* ours: qemu-monitor-event */
} VtEventId;

typedef struct {
    VtEventId id;
    char *dom_name; /* a snapshot: the domain may be gone when it is told */
    VtUuid dom_uuid;
    int dom_id;
    union {
        struct {
            int event, detail;
        } lifecycle;
        struct {
            char *alias;
        } device; /* added, removed, removal-failed */
        struct {
            int iteration;
        } migration;
        struct {
            VtTypedParams *params;
        } job;
        struct {
            char *name, *details;
            gint64 seconds;
            guint32 micros;
        } monitor;
        struct {
            int type;
            char *uri;
        } metadata;
        struct {
            gint64 offset;
        } rtc;
        struct {
            int action;
        } watchdog;
        struct {
            char *path, *alias, *reason;
            int action;
        } io_error;
        struct {
            guint64 actual_kib;
        } balloon;
    };
} VtEvent;

typedef void (*VtEventFunc)(const VtEvent *event, gpointer user);

/**
 * vt_event_subscribe - be told of one kind of event
 * @driver: the driver
 * @id:     which kind; any virDomainEventID is accepted (those never sent are simply never told)
 * @uuid:   (nullable) of one domain only
 * @name:   (nullable) VT_EVENT_MONITOR: QEMU's event name or pattern
 * @flags:  VT_EVENT_MONITOR: 1 @name is a regex, 2 ignore case
 * @func:   called from the main loop, never from within the call that caused the event
 * @user:   for @func
 *
 * Return: a handle > 0 for vt_event_unsubscribe(); 0 when @name is no valid pattern.
 */
guint vt_event_subscribe(VtDriver *driver, int id, const VtUuid *uuid, const char *name, guint flags,
                         VtEventFunc func, gpointer user);
void vt_event_unsubscribe(VtDriver *driver, guint handle);

/** Queue an event about @domain; convenience for each kind. Strings are copied, params are (transfer full). */
void vt_event_lifecycle(VtDriver *driver, VtDomain *domain, int event, int detail);
/** UNDEFINED/RENAMED under the name that it had; DEFINED/RENAMED is vt_event_lifecycle()'s. */
void vt_event_renamed(VtDriver *driver, VtDomain *domain, const char *old_name);
void vt_event_simple(VtDriver *driver, VtDomain *domain, VtEventId id); /* REBOOT, CONTROL_ERROR */
void vt_event_device(VtDriver *driver, VtDomain *domain, VtEventId id, const char *alias);
void vt_event_iteration(VtDriver *driver, VtDomain *domain, int iteration);
void vt_event_job_completed(VtDriver *driver, VtDomain *domain, VtTypedParams *params);
void vt_event_metadata(VtDriver *driver, VtDomain *domain, int type, const char *uri);
void vt_event_rtc_change(VtDriver *driver, VtDomain *domain, gint64 offset);
void vt_event_watchdog(VtDriver *driver, VtDomain *domain, int action);
void vt_event_balloon(VtDriver *driver, VtDomain *domain, guint64 actual_kib);

typedef struct {
    const char *path, *alias, *reason;
    int action; /* virDomainEventIOErrorAction: 0 none, 1 pause, 2 report */
} VtEventIoError;
/** A disk reported an error (VIR_DOMAIN_EVENT_ID_IO_ERROR). */
void vt_event_io_error(VtDriver *driver, VtDomain *domain, const VtEventIoError *what);

/** Any QMP event, for clients that asked for monitor events. */
void vt_event_monitor(VtDriver *driver, VtDomain *domain, const VtQmpEvent *event);
