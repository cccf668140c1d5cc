/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Defaults that do not depend on QEMU: what libvirt would have written where the XML says nothing.
 */
#pragma once

#include "conf/domain-def.h"

/**
 * vt_postparse_domain - complete a parsed definition
 * @def: changed in place; doing it twice changes nothing more
 *
 * Generated UUID and MACs (a transient inherits its persistent's), machine type, boot device, clock, current
 * memory, serial and console as one pair, PS/2 input, balloon, models, indexes of controllers, addresses on
 * SATA and virtio-serial.
 * Source: libvirt 9.0, what `virsh define` and `virsh dumpxml` make of a minimal document.
 */
void vt_postparse_domain(VtDomainDef *def);
