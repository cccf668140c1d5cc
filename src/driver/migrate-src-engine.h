/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine of an outgoing migration (qemu/mig-src.h), set up from the domain's teams, limits and policies, with its
 * callbacks bound to the domain.
 */
#pragma once

#include "driver/migrate-common.h"
#include "qemu/mig-src.h"

/**
 * vt_migrate_src_engine_new - what migrates a domain away, or takes it back
 * @driver: the driver
 * @domain: active, with its journal and timeline open; must outlive the engine
 * @params: (nullable) of Perform; NULL for a return only
 * @uri:    (nullable) what QEMU's migrate takes; NULL for a return only
 *
 * Return: (transfer full) for vt_mig_src_free().
 */
VtMigSrc *vt_migrate_src_engine_new(VtDriver *driver, VtDomain *domain, const VtMigParams *params,
                                    const char *uri);
