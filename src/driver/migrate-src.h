/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of a migration that come to the source.
 */
#pragma once

#include "driver/migrate-common.h"

/* Parameters are checked against the tables of qemu/mig-params.h: unknown names and bad types are refused.
 * Flags are virDomainMigrateFlags; CHANGE_PROTECTION (256) is accepted everywhere. */
void vt_migrate_begin(VtDriver *driver, VtDomain *domain, const VtTypedParams *params, guint flags,
                      VtOwner *owner, VtMigrateDone done, gpointer user);
void vt_migrate_perform(VtDriver *driver, VtDomain *domain, const char *dconnuri, const VtTypedParams *params,
                        GBytes *cookie, guint flags, VtOwner *owner, VtMigrateDone done, gpointer user);
void vt_migrate_confirm(VtDriver *driver, VtDomain *domain, const VtTypedParams *params, GBytes *cookie,
                        guint flags, gboolean cancelled, VtOwner *owner, VtMigrateDone done, gpointer user);

/** A client is gone: per the phase table. */
void vt_migrate_src_owner_gone(VtDriver *driver, VtDomain *domain, VtOwner *owner);

/** vt_migrate_recover() of a journal of kind "migrate-out". */
void vt_migrate_src_recover(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user);

/** New limits for a migration that runs. */
void vt_migrate_src_set_limits(VtDomain *domain);
