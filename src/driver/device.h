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
