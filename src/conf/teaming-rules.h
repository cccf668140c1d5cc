/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rules across the devices of a team.
 */
#pragma once

#include "conf/element.h"

/**
 * vt_teaming_rules_check - judge every team of a domain
 * @ctx: gets a problem for each rule that is broken, with the element, the value and the remedy
 * @def: parsed, and completed as far as postparse does
 *
 * Source: QEMU 7.2 hw/net/virtio-net.c and hw/pci/pci.c (what a failover primary must be); Linux 6.1
 * net/core/failover.c (pairing by permanent MAC address); libvirt formatdomain.rst, "Teaming".
 */
void vt_teaming_rules_check(VtParseContext *ctx, const VtDomainDef *def);
