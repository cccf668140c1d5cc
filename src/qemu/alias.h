/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names of devices: libvirt's aliases, which are QEMU's ids, and the ids made from them.
 */
#pragma once

#include "conf/domain-def.h"

/**
 * vt_alias_assign - give every device without one its libvirt alias: net0, hostdev0, pci.1, virtio-disk0, ...
 * @def: with controllers' indexes and drives' addresses (vt_slots_assign)
 *
 * Numbers go on behind the highest one in use, so that a device that is plugged later gets a new name.
 * Source: libvirt 9.0's aliases as `virsh dumpxml` shows them.
 */
void vt_alias_assign(VtDomainDef *def);

/** QEMU's id of PCI bus number @bus ("pcie.0", "pci.1", "ua-port"); NULL when there is no such controller. */
const char *vt_alias_pci_bus(const VtDomainDef *def, guint bus);

/** The controller of a type and index; NULL when there is none. (transfer none) */
VtControllerDef *vt_alias_controller(const VtDomainDef *def, VtControllerType type, int index);
