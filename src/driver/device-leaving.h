/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices that a client has asked a guest to let go of, and that the guest may still have. They stand in the status
 * file: when one is gone, also under a later daemon, it is gone for good.
 */
#pragma once

#include "driver/domain-obj.h"

/** The guest is about to be asked for a device; known already: nothing. */
void vt_device_leaving_add(VtDomain *domain, const char *alias);

/** It is gone, was plugged anew, or stays after all. */
void vt_device_leaving_remove(VtDomain *domain, const char *alias);

/** Whether it is to leave. */
gboolean vt_device_leaving_has(const VtDomain *domain, const char *alias);

/** All of this run of the guest; (transfer full) NULL-terminated, empty when there are none. */
char **vt_device_leaving_list(const VtDomain *domain);

/** What a status file said; @aliases may be NULL. */
void vt_device_leaving_restore(VtDomain *domain, const char *const *aliases);
