/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one way a guest ends: the 'stop' sequence, for destroy, a guest that powered off, a QEMU that died, a
 * source whose guest has moved, and a destination that gave up.
 */
#pragma once

#include "driver/domain-obj.h"
#include "util/seq.h"

/* virDomainShutoffReason */
typedef enum {
    VT_SHUTOFF_UNKNOWN = 0,
    VT_SHUTOFF_SHUTDOWN = 1,
    VT_SHUTOFF_DESTROYED = 2,
    VT_SHUTOFF_CRASHED = 3,
    VT_SHUTOFF_MIGRATED = 4,
    VT_SHUTOFF_SAVED = 5,
    VT_SHUTOFF_FAILED = 6,
    VT_SHUTOFF_DAEMON = 8,
} VtShutoffReason;

typedef struct {
    VtDriver *driver;
    VtDomain *domain;
    VtShutoffReason reason; /* of the state SHUTOFF */
    int detail;             /* of the lifecycle event STOPPED; -1: no event */
    guint grace_ms; /* time between SIGTERM and SIGKILL; 0: SIGKILL at once is never done, 10 s is meant */
} VtStopParams;

/**
 * vt_stop_run - end a guest: QEMU, its run-time files, its status, its place in the list if it is transient
 * @params: copied
 * @done:   (nullable) told when it is all gone; may be told before this returns
 * @user:   for @done
 *
 * Needs no job (QEMU may die whenever it likes), and leaves a job that is held with its holder. If a stop is
 * under way already, @done is told its end and @params are not used. It goes on where a step fails; the first failure is reported.
 */
void vt_stop_run(const VtStopParams *params, VtDoneFunc done, gpointer user);

/** The daemon goes away in the middle of a stop: the successor finds the status file and stops what is left. */
void vt_stop_abandon(VtDomain *domain);

const VtSeqTable *vt_stop_table(void);
