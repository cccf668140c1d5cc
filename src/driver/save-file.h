/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The files of saved guests (qemu/save-image.h) on disk. What waits for a disk is done in a thread.
 */
#pragma once

#include "conf/domain-def.h"
#include "driver/driver.h"
#include "qemu/save-image.h"

/** Path of the managed image of a domain of that name. (transfer full) */
char *vt_save_file_managed(VtDriver *driver, const char *name);

/** Whether a domain of that name has a managed image. */
gboolean vt_save_file_has_managed(VtDriver *driver, const char *name);

/** Path of a managed image whose guest is about to run on from it: no start uses it any more. (transfer full) */
char *vt_save_file_used(VtDriver *driver, const char *name);

/**
 * VtSaveFileOpened - a file was opened
 * @user:  as given
 * @fd:    (transfer full) at the beginning of QEMU's stream; -1 with @error
 * @image: (nullable) (transfer none) head of a file that was opened for reading
 * @error: (nullable) (transfer none) SYSTEM, OPERATION_FAILED, INVALID_ARG
 */
typedef void (*VtSaveFileOpened)(gpointer user, int fd, const VtSaveImage *image, const GError *error);

/**
 * vt_save_file_create - make or replace a file and write the head that says that it is not complete
 * @path: absolute; its directory is made when it is missing and @mkdir; what is no regular file is refused
 * @mkdir: for managed images
 * @head: from vt_save_image_head(), not complete; copied
 * @opened: told when the head is on the disk; on failure nothing of it is left
 * @user: for @opened
 */
void vt_save_file_create(const char *path, gboolean mkdir, GBytes *head, VtSaveFileOpened opened,
                         gpointer user);

/**
 * vt_save_file_complete - all of QEMU's stream was written: put it on the disk, then say so in the head
 * @fd:   of the file; duplicated
 * @path: for messages
 * @done: told when a crash cannot undo it any more
 * @user: for @done
 */
void vt_save_file_complete(int fd, const char *path, VtDoneFunc done, gpointer user);

/** Open a complete file for a restore. */
void vt_save_file_open(const char *path, VtSaveFileOpened opened, gpointer user);

/** vt_save_image_read() of what is a regular file; blocks for the time of reading the XML. */
gboolean vt_save_file_read(const char *path, VtSaveImage *image, GError **error);

/**
 * vt_save_file_rename - rename within a directory, and fsync that
 * @from: what must be there
 * @to:   replaced
 * @done: (nullable) told when it is on the disk
 * @user: for @done
 */
void vt_save_file_rename(const char *from, const char *to, VtDoneFunc done, gpointer user);

/** TRUE when @path is a file of ours that was never completed: it can be removed without a loss. Blocks shortly. */
gboolean vt_save_file_is_partial(const char *path);

/**
 * vt_save_file_define - put another XML, and whether the guest is to run, into the head of a complete file
 * @path:  the file
 * @xml:   the guest, as text; it must fit into the room that the head has
 * @flags: VtSaveImageFlags
 * @error: (out) also OPERATION_FAILED when it does not fit
 *
 * Blocks for one fsync of the head.
 */
gboolean vt_save_file_define(const char *path, const char *xml, guint flags, GError **error);

/** XML as text for a head, with room behind it for a later, longer one. (transfer full) */
char *vt_save_file_pad(const char *xml);

/**
 * vt_save_file_same_machine - is a definition the machine that was saved?
 * @saved: definition of the image
 * @given: what somebody wants to restore it with: paths, bridges and the like may differ
 * @error: (out) UNSUPPORTED naming what differs and is part of the saved state
 */
gboolean vt_save_file_same_machine(const VtDomainDef *saved, const VtDomainDef *given, GError **error);
