/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Saying, while a guest is waited for, that it is: a line in the log after each VT_TEAM_WAIT_MS, whoever has asked the
 * guest to let go of its primaries.
 */
#pragma once

#include <glib.h>

#define VT_TEAM_WAIT_MS 10000

typedef struct _VtTeamWait VtTeamWait;

/**
 * vt_team_wait_new - begin to wait
 * @domain:      name of the domain
 * @what:        the primaries, for people: "'ua-vf' (team 'ua-net')"
 * @interval_ms: VT_TEAM_WAIT_MS, but for tests
 *
 * Return: (transfer full) the wait is over with vt_team_wait_free().
 */
VtTeamWait *vt_team_wait_new(const char *domain, const char *what, guint interval_ms);

/** The guest has let go, or is not waited for any more. Accepts NULL. */
void vt_team_wait_free(VtTeamWait *wait);
