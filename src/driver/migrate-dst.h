/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of a migration that come to the destination.
 */
#pragma once

#include "driver/migrate-common.h"

/* As for the source's calls. */
void vt_migrate_prepare(VtDriver *driver, const VtTypedParams *params, GBytes *cookie, guint flags,
                        VtOwner *owner, VtMigrateDone done, gpointer user);
void vt_migrate_finish(VtDriver *driver, const VtTypedParams *params, GBytes *cookie, guint flags,
                       gboolean cancelled, VtOwner *owner, VtMigrateDone done, gpointer user);

/** A client is gone: per the phase table. */
void vt_migrate_dst_owner_gone(VtDriver *driver, VtOwner *owner);

/** vt_migrate_recover() of a journal of kind "migrate-in". */
void vt_migrate_dst_recover(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user);
