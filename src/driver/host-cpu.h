/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's CPU as <capabilities> describes it: a model that QEMU knows, and the features beyond it.
 */
#pragma once

#include "conf/caps-xml.h"

/** Clock of the first CPU; 0 when not known. */
guint vt_host_cpu_mhz(void);

/** Fill in vendor, signature, model and features. */
void vt_host_cpu_read(VtCaps *caps);

/** The same from the text of /proc/cpuinfo. */
void vt_host_cpu_parse(VtCaps *caps, const char *cpuinfo);
