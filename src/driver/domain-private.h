/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the modules of the driver share about a domain and the driver itself. Nobody outside src/driver
 * includes this, and inside it each field names who may write it; everybody may read.
 */
#pragma once

#include "driver/domain-obj.h"

struct _VtDomain {
    guint refs;                /* domain-obj */
    VtDriver *driver;          /* domain-list: NULL when off the list */
    char *name;                /* domain-list */
    VtUuid uuid;               /* domain-list, once */
    int id;                    /* start, stop, recover */
    VtDomainState state;       /* domain-obj: vt_domain_set_state() alone */
    int reason;                /* as state */
    VtDomainDef *live;         /* domain-list (admit), start, recover set it; stop takes it away */
    VtDomainDef *persistent;   /* domain-obj: vt_domain_set_persistent_def() */
    VtDomainDef *last;         /* stop: what a transient domain was, for those who still hold it */
    VtProcess *process;        /* start, recover set it; stop frees it */
    char *run_dir;             /* start, recover: directory of this run's sockets; stop frees it */
    VtOwner *autodestroy;      /* start; cleared by stop */
    gboolean autodestroy_lost; /* recover: the status file says that a client now gone wanted autodestroy */
    gboolean autostart;        /* store: a link to the definition exists */
    gboolean starting;         /* start: its sequence runs; QEMU's death is that sequence's business */
    gboolean qemu_gone;        /* guest-event: its process has ended; start clears it */
    gboolean stopping;         /* stop */
    int expect_pause;          /* who stops the CPUs by QMP: reason of PAUSED to be set at STOP; 0: nobody */
    int expect_resume;         /* who sends cont: reason of RUNNING to be set at RESUME; 0: nobody */
    gboolean fake_reboot;      /* lifecycle (reboot), guest-event: a SHUTDOWN is to become a reset */
    GPtrArray *listeners;      /* domain-obj */
    GData *data;               /* domain-obj */
};

struct _VtDriver {
    VtDriverConfig *config; /* driver-open */
    GHashTable *by_uuid;    /* domain-list: VtUuid * in the domain -> VtDomain */
    GHashTable *by_name;    /* domain-list: name in the domain -> VtDomain */
    int next_id;            /* domain-list */
    GHashTable *caps;       /* driver-open: path -> its cached capabilities */
    void (*status_changed)(VtDriver *driver, VtDomain *domain); /* driver-open; NULL: nothing is written */
    int lock_fd; /* driver-open: held while the directories are ours */
    GData *data; /* driver-private data of modules, as a domain's */
};

/** A domain without definitions; the list takes it. (transfer full) */
VtDomain *vt_domain_new(VtDriver *driver, const char *name, const VtUuid *uuid);

/** A run is over: no id, no live definition (kept in .last for holders), state SHUTOFF with that reason. */
void vt_domain_end_run(VtDomain *domain, int reason);

/** Tell the listeners, in the order in which they were added. */
void vt_domain_tell_event(VtDomain *domain, const VtQmpEvent *event);
void vt_domain_tell_exited(VtDomain *domain, const char *why);

/** As vt_domain_set_data(), for the driver. */
void vt_driver_set_data(VtDriver *driver, const char *key, gpointer data, GDestroyNotify destroy);
gpointer vt_driver_data(const VtDriver *driver, const char *key);

/** An empty list, and its end; for driver-open and for tests. */
void vt_domain_list_init(VtDriver *driver);
void vt_domain_list_clear(VtDriver *driver);

/** Put a domain found at start-up on the list. FALSE: its name or UUID is taken. */
gboolean vt_domain_list_insert(VtDriver *driver, VtDomain *domain);
