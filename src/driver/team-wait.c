/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VT_LOG_DOMAIN "virtteam-driver-team"

#include "driver/team-wait.h"

#include "util/log.h"
#include "util/message-id.h"

struct _VtTeamWait {
    char *domain, *what;
    gint64 since_us;
    guint timer;
};

static gboolean
team_wait_tick(gpointer user)
{
    const VtTeamWait *wait = user;

    vt_log_id_info(VT_MESSAGE_UNPLUG_WAITED_FOR, wait->domain,
                   "domain '%s' still has its primary %s: the guest was asked to eject it %u s ago and is "
                   "waited for; 'virsh domjobabort %s' ends that",
                   wait->domain, wait->what,
                   (guint)((g_get_monotonic_time() - wait->since_us + 500000) / G_USEC_PER_SEC),
                   wait->domain);
    return G_SOURCE_CONTINUE;
}

VtTeamWait *
vt_team_wait_new(const char *domain, const char *what, guint interval_ms)
{
    VtTeamWait *wait = g_new0(VtTeamWait, 1);

    wait->domain = g_strdup(domain);
    wait->what = g_strdup(what);
    wait->since_us = g_get_monotonic_time();
    wait->timer = g_timeout_add(interval_ms, team_wait_tick, wait);
    return wait;
}

void
vt_team_wait_free(VtTeamWait *wait)
{
    if (!wait)
        return;
    g_source_remove(wait->timer);
    g_free(wait->domain);
    g_free(wait->what);
    g_free(wait);
}
