/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is known of each team of a domain: the guest's side (qemu/teaming), fed from QEMU's events, and the host's
 * (driver/datapath), put together for whoever shows it.
 */
#pragma once

#include "driver/domain-obj.h"
#include "qemu/teaming.h"

/* All strings are its own. */
typedef struct {
    char *name;      /* alias of the persistent leg */
    char *transient; /* alias of the other; NULL: none at present */
    char *mac;
    const char *orchestration; /* "qemu", "management": who unplugs; "" without a transient */
    const char *standby;       /* vt_qemu_standby_name(); "unknown" when the guest does not run */
    const char *primary;       /* vt_qemu_primary_name(); "absent" when the guest does not run */
    const char *active;        /* "standby", "primary", "changing", "unknown": the leg the guest uses */
    const char *state;         /* vt_handover_state_name() */
    const char *feed;          /* vt_feed_name() */
    char *backend;             /* "none" when the host cannot switch */
    char *why;                 /* (nullable) why there is none */
    char *error;               /* (nullable) of the last change of the host */
    char *standby_host;        /* "tap vnet0, bridge br0" */
    char *primary_host;        /* (nullable) likewise, or "PCI 0000:01:10.0" */
} VtTeamInfo;

/** Begin with the live definition's teams; its aliases are set. What another run knew is forgotten. */
void vt_team_state_open(VtDomain *domain);

/** The guest is gone: those who still wait for vt_team_state_ask() are told. */
void vt_team_state_close(VtDomain *domain);

/** Take over what a former daemon knew, as vt_team_state_text() gave it; NULL or nonsense: begin anew. */
void vt_team_state_restore(VtDomain *domain, const char *text);

/** The guest's side alone; NULL when the guest does not run. (transfer none) */
VtQemuTeaming *vt_team_state_teaming(const VtDomain *domain);

/** For the status file; NULL when there are no teams. (transfer full) */
char *vt_team_state_text(const VtDomain *domain);

/** Any event of the domain's QEMU. */
void vt_team_state_event(VtDomain *domain, const VtQmpEvent *event);

/** A device came to the live definition or left it. */
void vt_team_state_update(VtDomain *domain);

/**
 * vt_team_state_ask - bring up to date what QEMU does not tell by itself
 * @domain: active or not
 * @done:   (nullable) told when QEMU has answered, or there is nobody to ask; never with an error
 * @user:   for @done
 */
void vt_team_state_ask(VtDomain *domain, VtDoneFunc done, gpointer user);

/** Every team of the definition in use, in its order, as VtTeamInfo *. (transfer full) */
GPtrArray *vt_team_state_list(const VtDomain *domain);

/** Also for lists made elsewhere. */
void vt_team_info_free(gpointer info);
