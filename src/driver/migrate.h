/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Client-managed migration, version 3 with parameters: the five calls of the protocol, each told its end
 * through a callback. docs/migration.md has the phases of both sides and who cleans up when a peer vanishes.
 */
#pragma once

#include "driver/migrate-dst.h"
#include "driver/migrate-src.h"

/** migrate-setspeed/-getspeed (MiB/s; flag 1: post-copy), kept for the next migration, applied to this one. */
void vt_migrate_set_speed(VtDriver *driver, VtDomain *domain, guint64 mib_per_s, guint flags, VtDoneFunc done,
                          gpointer user);
guint64 vt_migrate_get_speed(VtDriver *driver, VtDomain *domain);
void vt_migrate_set_downtime(VtDriver *driver, VtDomain *domain, guint64 ms, guint flags, VtDoneFunc done,
                             gpointer user);
guint64 vt_migrate_get_downtime(VtDriver *driver, VtDomain *domain);

/** Called by vt_driver_owner_gone(): end or detach what @owner began, per the phase table. */
void vt_migrate_owner_gone(VtDriver *driver, VtOwner *owner);

/**
 * vt_migrate_recover - finish or undo a migration that an earlier daemon was killed in
 * @driver:  the driver
 * @domain:  found again: QMP connected, state known, journal loaded (kind "migrate-out" or "migrate-in"), its job
 *           held for MODIFY by the caller until @done
 * @done:    told when the guest is in a defined state again; the journal has been ended
 * @user:    for @done
 */
void vt_migrate_recover(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user);
