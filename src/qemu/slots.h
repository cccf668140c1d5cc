/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which controllers a guest gets without asking, and which slot each device sits in.
 */
#pragma once

#include "conf/domain-def.h"
#include "conf/element.h"

typedef enum {
    VT_SLOTS_MACHINE_OTHER, /* not supported */
    VT_SLOTS_MACHINE_PC,    /* i440fx: one conventional PCI bus */
    VT_SLOTS_MACHINE_Q35,   /* PCI Express */
} VtSlotsMachine;

/** Kind of a machine type, by its name or alias; NULL is OTHER. */
VtSlotsMachine vt_slots_machine(const char *machine);

/**
 * vt_slots_assign - add implied controllers, and an address to every device that has none
 * @ctx: gets a problem for every address that cannot be and every collision
 * @def: with the canonical machine type; addresses that are there are kept
 *
 * The same definition always gets the same addresses, and running it on its own result changes nothing.
 * Return: FALSE when there was a problem.
 * Source: libvirt pci-addresses.rst and pci-hotplug.rst; `virsh dumpxml` of libvirt 9.0.
 */
gboolean vt_slots_assign(VtParseContext *ctx, VtDomainDef *def);

/**
 * vt_slots_assign_one - find a slot for a device that is plugged into a running guest
 * @def:   its definition, fully addressed; no controller can be added to it
 * @info:  of the new device; an address that is set is checked, else it is set
 * @error: (out) OPERATION_FAILED: no free hot-pluggable port, or the address is taken
 *
 * On q35 that is a PCIe root port, on pc a slot of a PCI bus.
 * Return: FALSE with @info unchanged.
 */
gboolean vt_slots_assign_one(const VtDomainDef *def, VtDeviceInfo *info, GError **error);

/** TRUE for an interface model that sits in a PCIe port on q35; libvirt gives others a conventional slot. */
gboolean vt_slots_net_is_pcie(const VtNetDef *net);
