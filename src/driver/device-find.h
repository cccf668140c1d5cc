/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which device of a domain a client means. Pure: definitions in, an index out.
 */
#pragma once

#include "conf/device-xml.h"
#include "util/error.h"

/** The name that libvirt's messages have for a kind: "interface", "disk", ... */
const char *vt_device_find_name(VtDeviceKind kind);

/** The array of @def that holds devices of the kind (for a char device also by its role); NULL: there is none. */
GPtrArray *vt_device_find_list(const VtDomainDef *def, const VtDevice *device);

/** Alias, address and the rest of any device. (transfer none) */
VtDeviceInfo *vt_device_find_info(const VtDevice *device);

/** A deep copy; NULL for a kind that cannot be changed at run time. (transfer full) */
VtDevice *vt_device_find_copy(const VtDevice *device);

/** Alias of the persistent leg of the team that the device is the transient of; NULL: it is none. (transfer none) */
const char *vt_device_find_team(const VtDevice *device);

/**
 * vt_device_find - the device that an XML speaks of
 * @def:    where to look
 * @device: what the client sent: interfaces are found by MAC, address and alias (each only if said), disks by
 *          target, host devices by their address on the host
 * @live:   whether @def is the live definition (for the words of the message)
 * @index:  (out) within vt_device_find_list()
 * @error:  (out) NO_DEVICE; OPERATION_FAILED when several match; UNSUPPORTED for other kinds
 *
 * Return: FALSE when not exactly one matches.
 * Source: libvirt 9.0's virDomainDetachDeviceFlags, as a stock daemon answers.
 */
gboolean vt_device_find(const VtDomainDef *def, const VtDevice *device, gboolean live, guint *index,
                        GError **error);

/**
 * vt_device_find_alias - the disk, interface or host device of an alias
 * @def:   where to look
 * @alias: "net0", "ua-x"
 * @found: (out) kind and device; the device stays @def's
 * @index: (out) within vt_device_find_list()
 *
 * Return: FALSE when there is none.
 */
gboolean vt_device_find_alias(const VtDomainDef *def, const char *alias, VtDevice *found, guint *index);

/**
 * vt_device_find_drop_policies - forget the policies of teams whose persistent leg is not plugged just now
 * @def: a copy of a live definition, about to be judged
 *
 * They stay in the metadata for when it comes back, and must not keep other devices from coming and going.
 */
void vt_device_find_drop_policies(VtDomainDef *def);
