/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Deadlines of decision cores, which know no clock, as timers of the main loop.
 */
#pragma once

#include <glib.h>

/**
 * vt_deadline_set - let a timer run out at a deadline, instead of the one before
 * @source:      (inout) id of the timer; 0: none. @func clears it
 * @deadline_ms: monotonic time; -1: no deadline
 * @func:        told once, when it has passed
 * @user:        for @func
 */
void vt_deadline_set(guint *source, gint64 deadline_ms, GSourceFunc func, gpointer user);
