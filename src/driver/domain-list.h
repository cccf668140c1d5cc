/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The domains of a driver, by name, UUID and id. Lookups for clients are in driver/driver.h.
 */
#pragma once

#include "driver/domain-obj.h"

/**
 * vt_domain_list_admit - find or make the domain that a definition speaks of
 * @driver: the driver
 * @def:    (transfer full) validated and prepared
 * @live:   TRUE: @def is about to run (create-xml, migrate-in): it becomes the live definition, and a domain that
 *          is active or about to start is refused; FALSE: @def becomes the persistent definition
 * @error:  (out) OPERATION_FAILED (name or UUID belongs to another), OPERATION_INVALID (already active)
 *
 * Return: (transfer none) the domain, in the list.
 */
VtDomain *vt_domain_list_admit(VtDriver *driver, VtDomainDef *def, gboolean live, GError **error);

/** Take a domain off the list if nothing keeps it there: not active, no persistent definition. */
void vt_domain_list_prune(VtDriver *driver, VtDomain *domain);

/** Give a domain another name; DOMAIN_EXISTS. The definitions are changed too. */
gboolean vt_domain_list_rename(VtDriver *driver, VtDomain *domain, const char *name, GError **error);

/** The next id that no domain had since the driver was opened. */
int vt_domain_list_next_id(VtDriver *driver);

/** Found again after a restart with this id: later ones are above it. */
void vt_domain_list_reserve_id(VtDriver *driver, int id);
