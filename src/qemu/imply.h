/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Controllers that a guest gets without asking, and addresses on buses that are not PCI.
 */
#pragma once

#include "conf/domain-def.h"

/** Append a controller to @def, without an address; @model may be NULL. (transfer none) */
VtControllerDef *vt_imply_controller(VtDomainDef *def, VtControllerType type, int index, const char *model);

/**
 * vt_imply_controllers - add what libvirt adds: the PCI root, USB, SATA and virtio-serial
 * @def: its drives have addresses; controllers without an index get one, USB ones without a model, too
 * @q35: TRUE for q35, FALSE for pc
 *
 * Source: `virsh dumpxml` of libvirt 9.0.
 */
void vt_imply_controllers(VtDomainDef *def, gboolean q35);

/** Controller and unit of each SATA disk that has no address, by its target's name: sda is unit 0. */
void vt_imply_drive_addresses(VtDomainDef *def);

/** A virtio-serial port for each channel that has none; port 0 is a console's. */
void vt_imply_serial_ports(VtDomainDef *def);

/** A port for each USB input that has none. */
void vt_imply_usb_ports(VtDomainDef *def);
