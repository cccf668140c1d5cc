/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Persistent definitions on their way to the disk, without the main loop waiting for it. What is in memory changes at
 * once, so that changes which follow each other closely build on each other; who asked is answered when it is on the
 * disk. docs/files.md says what a crash in between leaves.
 */
#pragma once

#include "driver/domain-obj.h"

/**
 * vt_store_def_save - write the persistent definition: temporary file, fsync, rename, fsync of the directory
 * @driver: the driver
 * @domain: with a persistent definition, already the new one
 * @former: (nullable) (transfer full) what it was before; NULL: there was none
 * @done:   (nullable) told when the definition, or a later one made from it, is on the disk; or SYSTEM: then @former
 *          is the definition again, with the file that was there, and a domain that has none and does not run is gone
 * @user:   for @done
 */
void vt_store_def_save(VtDriver *driver, VtDomain *domain, VtDomainDef *former, VtDoneFunc done,
                       gpointer user);

/**
 * vt_store_def_remove - remove the definition's file and the autostart link
 * @driver: the driver
 * @domain: the domain; what is in memory is the caller's to take away
 * @done:   (nullable) told when the disk knows; never, where FALSE is returned
 * @user:   for @done
 * @error:  (out) SYSTEM: the file is still there
 */
gboolean vt_store_def_remove(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user,
                             GError **error);

/**
 * vt_store_def_rename - write it under the domain's name, then remove the files under its former one
 * @driver:   the driver
 * @domain:   with the new name already; nobody starts it meanwhile
 * @old_name: whose files go, unless another domain has taken the name meanwhile
 * @done:     told when it is on the disk; or SYSTEM, and the files under @old_name count
 * @user:     for @done
 */
void vt_store_def_rename(VtDriver *driver, VtDomain *domain, const char *old_name, VtDoneFunc done,
                         gpointer user);
