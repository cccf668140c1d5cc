/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Consoles: one byte stream between a client and a guest's serial port.
 */
#pragma once

#include "driver/domain-obj.h"

/**
 * vt_console_open - open a console (virDomainOpenConsole)
 * @driver:  the driver
 * @domain:  running
 * @device:  (nullable) alias; NULL: the first console or serial
 * @flags:   1 FORCE (disconnect who has it), 2 SAFE
 * @evicted: told when another client takes the console by force
 * @user:    for @evicted
 * @fd:      (out) non-blocking descriptor of the pty or socket; owned by the caller
 * @release: (out) opaque handle for vt_console_close()
 * @error:   (out) OPERATION_INVALID (not running), NO_DEVICE, UNSUPPORTED (not a pty), OPERATION_FAILED (in use)
 */
gboolean vt_console_open(VtDriver *driver, VtDomain *domain, const char *device, guint flags,
                         void (*evicted)(gpointer user), gpointer user, int *fd, gpointer *release,
                         GError **error);

/** The stream ended: @fd has been closed by the caller, another client may have the console. */
void vt_console_close(VtDriver *driver, gpointer release);
