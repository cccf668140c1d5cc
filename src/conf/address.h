/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What every device can have: alias, address, boot order and ROM; and which PCI slots are taken.
 */
#pragma once

#include "conf/element.h"
#include "util/pci.h"

/**
 * vt_device_info_parse - read <alias>, <address>, <boot> and <rom> of a device, and its line
 * @ctx:  where problems go; VT_PARSE_STATUS and VT_PARSE_DEVICE (which are to be found by it)
 *        keep automatic aliases, else only those with "ua-" stay
 * @node: the device's element; which of these children it may have is its VtElementSchema's business
 * @info: (out) an empty info (vt_device_info_init())
 *
 * Return: FALSE when there was a problem.
 */
gboolean vt_device_info_parse(VtParseContext *ctx, const xmlNode *node, VtDeviceInfo *info);

/** Write <boot>, <alias>, <rom> and <address>, in libvirt's order, as children of the open element. */
void vt_device_info_format(VtXmlWriter *writer, const VtDeviceInfo *info, guint flags);

/**
 * vt_host_pci_parse - read the address of a host PCI function: <address domain= bus= slot= function=/>
 * @ctx:  where problems go
 * @node: the <address> within <source>
 * @out:  (out) the address
 *
 * type='pci' is optional. Return: FALSE when there was a problem.
 */
gboolean vt_host_pci_parse(VtParseContext *ctx, const xmlNode *node, VtHostPci *out);

/** Write <address type='pci' .../> (type only with @with_type: interfaces have it, hostdevs do not). */
void vt_host_pci_format(VtXmlWriter *writer, const VtHostPci *host, gboolean with_type);

/** The function that it names. */
VtPciBdf vt_host_pci_bdf(const VtHostPci *host);

/** "0000:3b:02.1". (transfer full) */
char *vt_host_pci_to_string(const VtHostPci *host);

/** "0000:01:00.0". (transfer full) */
char *vt_pci_address_to_string(const VtPciAddress *address);

gboolean vt_pci_address_equal(const VtPciAddress *a, const VtPciAddress *b);
gboolean vt_host_pci_equal(const VtHostPci *a, const VtHostPci *b);

/* The PCI functions taken by a guest's devices. */
typedef struct _VtPciSet VtPciSet;

VtPciSet *vt_pci_set_new(void);
/** Free a set; accepts NULL. */
void vt_pci_set_free(VtPciSet *set);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtPciSet, vt_pci_set_free)

/** Take a function; FALSE when it is taken, with (nullable) @holder set to who has it. @name is copied. */
gboolean vt_pci_set_add(VtPciSet *set, const VtPciAddress *address, const char *name, const char **holder);
/** Give a function back. */
void vt_pci_set_remove(VtPciSet *set, const VtPciAddress *address);
/** TRUE when any function of the slot is taken (the function in @address does not matter). */
gboolean vt_pci_set_has_slot(const VtPciSet *set, const VtPciAddress *address);

/**
 * VtDeviceInfoFunc - told each device that has an info
 * @element: its element's name, e.g. "interface"
 * @info:    changeable
 * @device:  the VtXxxDef
 * @user:    as given
 *
 * Return: FALSE to stop.
 */
typedef gboolean (*VtDeviceInfoFunc)(const char *element, VtDeviceInfo *info, gpointer device, gpointer user);

/** Visit the info of every device, in the order of the XML that we write; FALSE when it was stopped. */
gboolean vt_device_info_foreach(const VtDomainDef *def, VtDeviceInfoFunc func, gpointer user);
