/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which names libvirt's domain schema knows, and where. Data only; made by tools/libvirt-names.py.
 */
#pragma once

#include <glib.h>

typedef struct {
    const char *place;    /* "parent/element"; "/domain" for the root */
    const char *attrs;    /* space-separated */
    const char *children; /* space-separated */
} VtLibvirtName;

/* Sorted by place. */
extern const VtLibvirtName vt_libvirt_names[];
extern const gsize vt_libvirt_names_count;
