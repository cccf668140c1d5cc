/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All that is known of each team of a domain, for whoever shows it: the guest's side, the host's side, what keeps it
 * on standby.
 */
#pragma once

#include "driver/domain-obj.h"

/* All strings are its own. */
typedef struct {
    char *name;      /* alias of the persistent leg */
    char *transient; /* alias of the other; NULL: none at present */
    char *mac;
    const char *orchestration; /* "qemu", "management": who unplugs; "" without a transient */
    const char *standby;       /* vt_qemu_standby_name(); "unknown" when the guest does not run */
    const char *primary;       /* vt_qemu_primary_name(); "absent" when the guest does not run */
    const char *active;        /* the leg the guest uses: "standby", "primary"; "changing"; "lost": one that
                                * does not work; "unknown" */
    const char *state;         /* vt_handover_state_name() */
    const char *feed;          /* vt_feed_name() */
    char *backend;             /* "none" when the host cannot switch */
    char *why;                 /* (nullable) why there is none */
    char *error;               /* (nullable) of the last change of the host */
    char *standby_host;        /* "tap vnet0, bridge br0" */
    char *primary_host;        /* (nullable) likewise, or "PCI 0000:01:10.0" */
    const char *kept;          /* (nullable) on standby, and why: vt_team_keep_name() */
    char *kept_since;          /* (nullable) ISO 8601, UTC */
    char *kept_why;            /* (nullable) in words */
    char *watch;               /* (nullable) "up0: well": what is watched, and vt_fallover_state_name() */
    char *settings;            /* (nullable) what the host has set: of the VF, in the FDB */
} VtTeamInfo;

/** Every team of the definition in use, in its order, as VtTeamInfo *. (transfer full) */
GPtrArray *vt_team_info_list(const VtDomain *domain);

/** Also for lists made elsewhere. */
void vt_team_info_free(gpointer info);
