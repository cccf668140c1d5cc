/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One device's XML, as attach-device, detach-device and update-device send it.
 */
#pragma once

#include "conf/devices.h"

typedef struct {
    VtDeviceKind kind;
    union {
        gpointer any;
        VtDiskDef *disk;
        VtNetDef *net;
        VtHostdevDef *hostdev;
        VtControllerDef *controller;
        VtCharDef *chr;
        VtRngDef *rng;
        VtMemballoonDef *memballoon;
    };
} VtDevice;

/** Free a device and what it holds; accepts NULL. */
void vt_device_free(VtDevice *device);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtDevice, vt_device_free)

/**
 * vt_device_xml_parse - read the XML of one device
 * @xml:   the element alone
 * @error: (out) as vt_domain_xml_parse()
 *
 * No defaults that need the domain are given (addresses, inherited MACs).
 * Return: (transfer full) the device, or NULL.
 */
VtDevice *vt_device_xml_parse(const char *xml, GError **error);

/** As vt_device_xml_parse(), of what vt_device_xml_format() wrote with VT_XML_FORMAT_STATUS. */
VtDevice *vt_device_xml_parse_status(const char *xml, GError **error);

/**
 * vt_device_xml_format - write one device as it stands in a domain's XML
 * @device: the device
 * @flags:  VtXmlFormatFlags
 *
 * Return: (transfer full) the element.
 */
char *vt_device_xml_format(const VtDevice *device, guint flags);
