/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Cookies: what the two hosts of a migration tell each other through the client, which does not look inside.
 *
 *     <virtteam-migration version='1'>
 *       <id>UUID of this migration</id>
 *       <name>guest</name>
 *       <uuid>...</uuid>
 *       <host uuid='...' name='...'/>
 *       <machine>pc-q35-7.2</machine>
 *       <emulator version='7002022'/>
 *       <team persistent='ua-net0' transient='ua-vf0' mac='52:54:...' kept='user'/>
 *       <timeline>...</timeline>
 *     </virtteam-migration>
 */
#pragma once

#include "util/error.h"
#include "util/ident.h"

#define VT_MIG_COOKIE_MAX_BYTES ((gsize)1 << 20)
#define VT_MIG_COOKIE_TEAMS_MAX 64

typedef struct {
    char *persistent; /* alias */
    char *transient;  /* alias */
    VtMac mac;
    gboolean kept; /* on standby, by a user's wish */
} VtMigCookieTeam;

typedef struct {
    VtUuid id; /* of the migration */
    char *name;
    VtUuid uuid;
    VtUuid host_uuid;
    char *hostname;
    char *machine;    /* (nullable) canonical */
    guint version;    /* of the emulator; 0: not said */
    GPtrArray *teams; /* of VtMigCookieTeam * */
    char *timeline;   /* (nullable) what this host noted so far */
} VtMigCookie;

VtMigCookie *vt_mig_cookie_new(void);

/** Free it; accepts NULL. */
void vt_mig_cookie_free(VtMigCookie *cookie);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtMigCookie, vt_mig_cookie_free)

/** vt_mig_cookie_add_team - append a team; strings are copied. */
void vt_mig_cookie_add_team(VtMigCookie *cookie, const char *persistent, const char *transient,
                            const VtMac *mac);

/** Mark a team as kept on standby; one that the cookie does not have is ignored. */
void vt_mig_cookie_set_kept(VtMigCookie *cookie, const char *persistent);

/** vt_mig_cookie_format - the bytes, with a trailing NUL as libvirt's have; (transfer full). */
GBytes *vt_mig_cookie_format(const VtMigCookie *cookie);

/**
 * vt_mig_cookie_parse - read a cookie
 * @bytes: as they came; hostile
 * @error: (out) OPERATION_FAILED: empty, of another daemon, of a later version, damaged
 *
 * Return: (transfer full), or NULL.
 */
VtMigCookie *vt_mig_cookie_parse(GBytes *bytes, GError **error);
