/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/deadline.h"

void
vt_deadline_set(guint *source, gint64 deadline_ms, GSourceFunc func, gpointer user)
{
    gint64 now_ms = g_get_monotonic_time() / 1000;

    g_clear_handle_id(source, g_source_remove);
    /* One more: the timer may fire within the millisecond in which the deadline lies. */
    if (deadline_ms >= 0)
        *source = g_timeout_add((guint)CLAMP(deadline_ms - now_ms, 0, G_MAXINT) + 1, func, user);
}
