/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Saving a running guest to a file: the 'save' sequence. driver/restore.h is its counterpart; docs/save.md tells
 * users about both.
 */
#pragma once

#include "driver/domain-obj.h"
#include "util/seq.h"

/* virDomainSaveRestoreFlags */
typedef enum {
    VT_SAVE_BYPASS_CACHE = 1 << 0,
    VT_SAVE_RUNNING = 1 << 1,
    VT_SAVE_PAUSED = 1 << 2,
    VT_SAVE_RESET_NVRAM = 1 << 3,
} VtSaveFlags;

typedef struct {
    VtDriver *driver;
    VtDomain *domain;
    const char *path; /* absolute; NULL: the managed image of the domain */
    const char *xml;  /* nullable: what the image is to say instead of the live definition */
    guint flags;      /* VtSaveFlags: BYPASS_CACHE and RESET_NVRAM are refused */
} VtSaveParams;

/**
 * vt_save_run - write a guest into a file and end it
 * @params: copied
 * @done:   told when the file is complete and the guest has ended (SHUTOFF/SAVED); on failure the guest goes on as
 *          it did, with its primaries, and the file is gone
 * @user:   for @done
 *
 * The guest must run where a team has its primary plugged: it is the guest that lets go of it.
 * Errors: UNSUPPORTED, INVALID_ARG, OPERATION_INVALID (not running, paused with a primary), BUSY,
 * OPERATION_FAILED, SYSTEM, ABORTED (domjobabort).
 * Source: libvirt virDomainSaveFlags, virDomainManagedSave; QAPI migrate, getfd.
 */
void vt_save_run(const VtSaveParams *params, VtDoneFunc done, gpointer user);

/** Whether a domain has a managed image that its next start uses. */
gboolean vt_save_has_managed(VtDriver *driver, VtDomain *domain);

/** Remove the managed image; OPERATION_INVALID when there is none and @must_exist. */
gboolean vt_save_remove_managed(VtDriver *driver, VtDomain *domain, gboolean must_exist, GError **error);

/**
 * vt_save_image_xml - XML of an image
 * @driver: the driver
 * @path:   absolute; or NULL: the managed image of @domain
 * @domain: (nullable)
 * @error:  (out) as vt_save_image_read(); OPERATION_INVALID: no managed image
 *
 * Return: (transfer full).
 */
char *vt_save_image_xml(VtDriver *driver, const char *path, VtDomain *domain, GError **error);

/**
 * vt_save_image_define - change the XML of an image, within what the saved state allows
 * @params: as for vt_save_run(), @xml not NULL; @domain only where @path is NULL; RUNNING and PAUSED say what a
 *          restore does
 * @error:  (out) also UNSUPPORTED: it would be another machine
 */
gboolean vt_save_image_define(const VtSaveParams *params, GError **error);

/**
 * vt_save_recover - undo, or finish, a save that an earlier daemon was killed in
 * @driver: the driver
 * @domain: found again: QMP connected, journal loaded (kind "save"), its job held by the caller
 * @done:   told when the guest runs as before without a file, or has ended with a complete one
 * @user:   for @done
 */
void vt_save_recover(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user);

/** The daemon goes away in the middle of a save: nothing is undone; the journal tells the successor. */
void vt_save_abandon(VtDomain *domain);

/** The guest of an open "save" journal has ended: what it left of the file is removed, unless that is complete. */
void vt_save_sweep(VtDomain *domain);

const VtSeqTable *vt_save_table(void);
