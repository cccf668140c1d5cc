/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is on disk about domains: persistent definitions, autostart links, status of running guests.
 * docs/files.md lists the paths.
 */
#pragma once

#include "driver/domain-obj.h"

/** Where the definition of a domain of that name is, and its autostart link; store-def.h writes it. (transfer full) */
char *vt_store_path(VtDriver *driver, const char *name);
char *vt_store_autostart_path(VtDriver *driver, const char *name);

/** The autostart link of a definition. */
gboolean vt_store_set_autostart(VtDriver *driver, VtDomain *domain, gboolean on, GError **error);
gboolean vt_store_get_autostart(VtDriver *driver, VtDomain *domain);

/** Load every definition. A file that cannot be read is reported, set aside as NAME.xml.corrupt and skipped. */
void vt_store_load(VtDriver *driver);

/**
 * vt_store_status_write - write the status file of a running domain, in a thread
 * @driver: the driver
 * @domain: active
 * @done:   (nullable) told when it is on disk, or SYSTEM
 * @user:   for @done
 */
void vt_store_status_write(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user);

/** Write it from an idle source: several changes of one turn of the loop make one write. */
void vt_store_status_soon(VtDriver *driver, VtDomain *domain);

/** Remove the status file; a write under way will not bring it back. */
void vt_store_status_remove(VtDriver *driver, VtDomain *domain);

/* One status file, read back. */
typedef struct {
    VtDomainDef *def; /* live */
    int id;
    int pid;
    guint64 start_time; /* field 22 of /proc/PID/stat */
    VtDomainState state;
    int reason;
    gboolean autodestroy;
    gboolean persistent; /* it had a persistent definition too */
    char *teams;         /* (nullable) as vt_team_state_text() gave it */
    char *kept;          /* (nullable) as vt_team_keep_text() gave it */
    char *run_dir;       /* of this run: monitor socket, sockets of channels */
    char **leaving;      /* (nullable) aliases: driver/device-leaving.h */
    char *boot_id;       /* of the host; another one: nothing of it runs any more */
} VtStoreStatus;

void vt_store_status_free(VtStoreStatus *status);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtStoreStatus, vt_store_status_free)

/** Every status file that can be read; those that cannot are set aside. (transfer full) of VtStoreStatus *. */
GPtrArray *vt_store_status_load(VtDriver *driver);
