/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QEMU's events as structs: which one, and the values of it that we use.
 */
#pragma once

#include "qemu/qmp-client.h"

typedef enum {
    VT_QMP_EVENT_OTHER, /* none of ours, or one of ours without what it must carry */
    VT_QMP_EVENT_BALLOON_CHANGE,
    VT_QMP_EVENT_BLOCK_IO_ERROR,
    VT_QMP_EVENT_DEVICE_DELETED,
    VT_QMP_EVENT_DEVICE_UNPLUG_GUEST_ERROR,
    VT_QMP_EVENT_FAILOVER_NEGOTIATED,
    VT_QMP_EVENT_GUEST_PANICKED,
    VT_QMP_EVENT_MIGRATION,
    VT_QMP_EVENT_MIGRATION_PASS,
    VT_QMP_EVENT_NIC_RX_FILTER_CHANGED,
    VT_QMP_EVENT_POWERDOWN,
    VT_QMP_EVENT_RESET,
    VT_QMP_EVENT_RESUME,
    VT_QMP_EVENT_RTC_CHANGE,
    VT_QMP_EVENT_SHUTDOWN,
    VT_QMP_EVENT_STOP,
    VT_QMP_EVENT_SUSPEND,
    VT_QMP_EVENT_SUSPEND_DISK,
    VT_QMP_EVENT_UNPLUG_PRIMARY,
    VT_QMP_EVENT_VSERPORT_CHANGE,
    VT_QMP_EVENT_WAKEUP,
    VT_QMP_EVENT_WATCHDOG,
    VT_QMP_EVENT_COUNT
} VtQmpEventKind;

typedef struct {
    VtQmpEventKind kind;
    /* (nullable) (transfer none) strings of the event's data */
    const char *device;    /* id of the device or port; node name for BLOCK_IO_ERROR */
    const char *path;      /* QOM path */
    const char *status;    /* MIGRATION */
    const char *action;    /* WATCHDOG, GUEST_PANICKED, BLOCK_IO_ERROR */
    const char *reason;    /* SHUTDOWN, RESET, BLOCK_IO_ERROR */
    const char *operation; /* BLOCK_IO_ERROR: read or write */
    gint64 number;         /* BALLOON_CHANGE bytes, MIGRATION_PASS pass, RTC_CHANGE seconds */
    gboolean guest;        /* SHUTDOWN, RESET: the guest did it */
    gboolean open;         /* VSERPORT_CHANGE */
    gboolean nospace;      /* BLOCK_IO_ERROR */
} VtQmpEventInfo;

/** Name of an event as QEMU writes it; NULL for OTHER and numbers outside the enum. */
const char *vt_qmp_event_name(VtQmpEventKind kind);

/**
 * vt_qmp_event_decode - what an event says
 * @event: as it came; the strings of @info stay its property
 * @info:  (out) filled in any case
 *
 * Return: its kind; VT_QMP_EVENT_OTHER when we do not know it or a value it must carry is missing or of
 * another type.
 * Source: QEMU qapi/run-state.json, migration.json, net.json, qdev.json, block-core.json, misc.json.
 */
VtQmpEventKind vt_qmp_event_decode(const VtQmpEvent *event, VtQmpEventInfo *info);
