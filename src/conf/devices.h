/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of device elements: which file parses, validates and formats each.
 */
#pragma once

#include "conf/element.h"

#define VT_DEVICES_MAX 512 /* in one domain */

typedef enum {
    VT_DEVICE_DISK,
    VT_DEVICE_NET,
    VT_DEVICE_HOSTDEV,
    VT_DEVICE_CONTROLLER,
    VT_DEVICE_CHAR,
    VT_DEVICE_RNG,
    VT_DEVICE_MEMBALLOON,
    VT_DEVICE_COUNT
} VtDeviceKind;

typedef struct {
    const char *element;
    int kind;    /* VtDeviceKind; -1: cannot come alone (attach-device) */
    gsize array; /* offset of its GPtrArray in VtDomainDef; 0: memballoon */
    gboolean (*parse)(VtParseContext *ctx, xmlNode *node, gpointer *out);
    void (*validate)(VtParseContext *ctx, const VtDomainDef *def, gconstpointer device);
    void (*format)(VtXmlWriter *writer, gconstpointer device, guint flags);
    GDestroyNotify free;
} VtDevicesElement;

/** The row of an element's name; NULL when there is none. */
const VtDevicesElement *vt_devices_element(const char *name);

/** Read <devices> into @def; FALSE when there was a problem. */
gboolean vt_devices_parse(VtParseContext *ctx, const xmlNode *node, VtDomainDef *def);

/** Write <devices> in libvirt's order. */
void vt_devices_format(VtXmlWriter *writer, const VtDomainDef *def, guint flags);

/** Every device's own rules. */
void vt_devices_validate(VtParseContext *ctx, const VtDomainDef *def);
