/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a guest can leave at all: what the source refuses in Begin, before anything is touched.
 */
#pragma once

#include "driver/migrate-common.h"

/**
 * vt_migrate_src_check_state - whether the guest can leave in the state it is in
 * @domain: any
 * @error:  OPERATION_INVALID: it does not run, or it is paused and would have to eject a primary
 */
gboolean vt_migrate_src_check_state(const VtDomain *domain, GError **error);

/**
 * vt_migrate_src_check - everything that Begin refuses
 * @domain: any
 * @params: of Begin
 * @error:  OPERATION_INVALID, as above, a device cannot leave this host, or what was asked for cannot be with this
 *          domain; CONFIG_UNSUPPORTED, XML_DETAIL: an XML that was given is not of this guest
 */
gboolean vt_migrate_src_check(VtDomain *domain, const VtMigParams *params, GError **error);

/**
 * vt_migrate_src_check_disks - whether the destination can take over the disks as they are
 * @domain: active
 * @done:   told at once where there is nothing to look at; MIGRATE_UNSAFE naming the disk that is on this host alone,
 *          or whose data another host may have an old copy of; SYSTEM
 * @user:   for @done
 *
 * Source: libvirt's VIR_MIGRATE_UNSAFE: what virDomainMigrate3 refuses without it.
 */
void vt_migrate_src_check_disks(const VtDomain *domain, VtDoneFunc done, gpointer user);
