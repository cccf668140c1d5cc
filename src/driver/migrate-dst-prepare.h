/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What Prepare works out before anything is started: which guest comes, and where QEMU is to listen for it.
 */
#pragma once

#include "driver/migrate-common.h"
#include "qemu/mig-uri.h"

/**
 * vt_migrate_dst_def - the guest that comes, as it is to run here
 * @driver: the driver
 * @params: of Prepare
 * @cookie: of Begin
 * @error:  XML_DETAIL, INVALID_ARG, OPERATION_FAILED (it is this host's own, or another one's cookie),
 *          CONFIG_UNSUPPORTED (this host's QEMU cannot run it)
 *
 * Return: (transfer full) NULL with @error set.
 */
VtDomainDef *vt_migrate_dst_def(VtDriver *driver, const VtMigParams *params, const VtMigCookie *cookie,
                                GError **error);

/** Whether another migration listens on that port, or is about to. */
typedef gboolean (*VtMigratePortFunc)(guint port, gpointer user);

/**
 * vt_migrate_dst_listen - where QEMU listens, and what the source is told of it
 * @config: addresses and ports to choose from
 * @params: of Prepare
 * @taken:  asked for each port
 * @user:   for @taken
 * @uri:    (out) for the source
 * @listen: (out) as QEMU takes it
 * @error:  INVALID_ARG, OPERATION_FAILED: no port is free
 */
gboolean vt_migrate_dst_listen(const VtDriverConfig *config, const VtMigParams *params,
                               VtMigratePortFunc taken, gpointer user, VtMigUri **uri, char **listen,
                               GError **error);
