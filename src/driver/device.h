/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices of a domain that clients change. Flags: 1 live, 2 config, 0 current; 4 force.
 */
#pragma once

#include "driver/domain-obj.h"

/** virDomainUpdateDeviceFlags: link state of an interface (domif-setlink), found by MAC, alias or address. */
void vt_device_update(VtDriver *driver, VtDomain *domain, const char *xml, guint flags, VtDoneFunc done,
                      gpointer user);
void vt_device_attach(VtDriver *driver, VtDomain *domain, const char *xml, guint flags, VtDoneFunc done,
                      gpointer user);
void vt_device_detach(VtDriver *driver, VtDomain *domain, const char *xml, guint flags, VtDoneFunc done,
                      gpointer user);
void vt_device_detach_alias(VtDriver *driver, VtDomain *domain, const char *alias, guint flags,
                            VtDoneFunc done, gpointer user);

/**
 * vt_device_recover_config - the persistent definition's part of a change that a former daemon was killed in
 * @driver: the driver
 * @domain: with its journal of kind "attach" or "detach" (device-recover.h) loaded
 * @done:   told when it is on the disk, also where the call did not want it, or it was done; errors as the call's
 * @user:   for @done
 */
void vt_device_recover_config(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user);
