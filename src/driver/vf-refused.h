/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VFs that were tried and could not be had. Guests on standby try again and again: each VF is complained about once,
 * until it could be had.
 */
#pragma once

#include "driver/domain-obj.h"
#include "util/pci.h"

/** Say that a VF cannot be had, if that is news; the domain is of a driver. */
void vt_vf_refused_tell(const VtDomain *domain, const VtPciBdf *bdf, const GError *why);

/** It could be had: the next refusal is news again. */
void vt_vf_refused_over(VtDriver *driver, const VtPciBdf *bdf);
