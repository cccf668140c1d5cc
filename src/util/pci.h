/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PCI devices of the host as sysfs shows them: identity, VF and PF, IOMMU group, driver.
 *
 * Every function takes a VtPciHost, so that tests can put a tree of their own in sysfs' place. Reading sysfs
 * is quick; binding a driver is not (a VF is reset, which may take seconds) and has an asynchronous form.
 */
#pragma once

#include "util/error.h"

#define VT_PCI_VFIO "vfio-pci"

typedef struct {
    guint32 domain;
    guint8 bus;
    guint8 slot;
    guint8 function;
} VtPciBdf;

#define VT_PCI_BDF_STRING_SIZE                                                                               \
    16 /* "ffffffff"-wide domains do not exist on PCs: 4 to 6 digits, and ":bb:dd.f" */

typedef struct {
    const char *root; /* "/sys", or a test's tree */
    /* (nullable) What a write of @text to a sysfs file does, for tests; NULL: write it. errno on failure. */
    int (*write)(const char *path, const char *text, gpointer user);
    gpointer user;
} VtPciHost;

/** The real sysfs. */
extern const VtPciHost vt_pci_host_system;

/**
 * vt_pci_bdf_parse - an address as lspci and sysfs print it
 * @text: "0000:3b:02.1" or "3b:02.1"
 * @bdf:  (out) set only on success
 *
 * Return: FALSE when @text is no PCI address.
 */
gboolean vt_pci_bdf_parse(const char *text, VtPciBdf *bdf);

/** "0000:3b:02.1" into @buffer; returns @buffer. */
char *vt_pci_bdf_format(const VtPciBdf *bdf, char buffer[VT_PCI_BDF_STRING_SIZE]);

gboolean vt_pci_bdf_equal(const VtPciBdf *a, const VtPciBdf *b);

typedef struct {
    guint16 vendor;
    guint16 device;
    guint32 class_code; /* 0x020000: Ethernet */
    int numa_node;      /* -1: unknown */
    int iommu_group;    /* -1: none, and so no VFIO */
    gboolean is_vf;
    VtPciBdf pf;     /* when is_vf */
    int vf_index;    /* when is_vf; -1 when the PF does not list it */
    guint n_vfs;     /* of a PF: enabled VFs */
    guint max_vfs;   /* of a PF: possible VFs */
    char driver[32]; /* "" when no driver is bound */
    char netdev[16]; /* "" when its driver made no network interface */
} VtPciInfo;

/**
 * vt_pci_get - everything about a device
 * @host:  which sysfs
 * @bdf:   the device
 * @info:  (out) set only on success
 * @error: (out) NO_DEVICE naming the address
 *
 * Return: FALSE when there is no such device.
 * Source: kernel's Documentation/ABI/testing/sysfs-bus-pci.
 */
gboolean vt_pci_get(const VtPciHost *host, const VtPciBdf *bdf, VtPciInfo *info, GError **error);

/**
 * vt_pci_vf - the address of a PF's VF
 * @host:  which sysfs
 * @pf:    the PF
 * @index: number of the VF
 * @vf:    (out) set only on success
 * @error: (out) NO_DEVICE
 *
 * Return: FALSE when the PF has no such VF.
 */
gboolean vt_pci_vf(const VtPciHost *host, const VtPciBdf *pf, guint index, VtPciBdf *vf, GError **error);

/**
 * vt_pci_of_netdev - the device behind a network interface
 * @host:   which sysfs
 * @netdev: name of the interface
 * @bdf:    (out) set only on success
 * @error:  (out) NO_DEVICE
 *
 * Return: FALSE when there is no such interface or it is not of a PCI device.
 */
gboolean vt_pci_of_netdev(const VtPciHost *host, const char *netdev, VtPciBdf *bdf, GError **error);

/**
 * vt_pci_group_members - all devices of an IOMMU group
 * @host:  which sysfs
 * @group: its number
 *
 * Return: (transfer full) array of VtPciBdf, empty when there is no such group.
 */
GArray *vt_pci_group_members(const VtPciHost *host, int group);

/**
 * vt_pci_check_group - whether VFIO may give a device to a guest
 * @host:  which sysfs
 * @bdf:   the device
 * @error: (out) UNSUPPORTED: no IOMMU group, or naming the member that a driver of the host holds
 *
 * Every member of the group must be ours (vfio-pci), unbound, or a bridge.
 * Return: FALSE with @error set.
 */
gboolean vt_pci_check_group(const VtPciHost *host, const VtPciBdf *bdf, GError **error);

typedef enum {
    VT_PCI_PRESENT,
    VT_PCI_IN_RESET, /* its configuration space answers nothing yet */
    VT_PCI_GONE,     /* sysfs has it no more */
} VtPciState;

/**
 * vt_pci_write - write to one of a device's files
 * @host:  which sysfs
 * @bdf:   the device
 * @file:  name, such as "reset"
 * @text:  what
 * @error: (out) SYSTEM naming the file
 *
 * Return: FALSE on failure.
 */
gboolean vt_pci_write(const VtPciHost *host, const VtPciBdf *bdf, const char *file, const char *text,
                      GError **error);

/** Whether a device answers; for retries while a VF is being reset. */
VtPciState vt_pci_state(const VtPciHost *host, const VtPciBdf *bdf);

/**
 * vt_pci_bus_master - whether a driver has enabled the device's DMA
 * @host: which sysfs
 * @bdf:  the device
 *
 * The earliest sign of life of a guest's driver that a host can see.
 * Return: the bus-master bit of the command register; FALSE when it cannot be read.
 */
gboolean vt_pci_bus_master(const VtPciHost *host, const VtPciBdf *bdf);

/**
 * vt_pci_interrupts - how many message-signalled interrupts of a device the host has taken
 * @host:  which sysfs
 * @bdf:   the device
 * @count: (out) the sum over all its vectors since they were set up; set only on success
 *
 * A guest's driver asks for the vectors when it probes; they fire once its interface has been opened. Where the hardware
 * posts them to the guest, they are not counted here.
 * Return: FALSE when the device has no such interrupts now.
 * Source: kernel's Documentation/ABI/testing/sysfs-bus-pci (msi_irqs) and sysfs-kernel-irq.
 */
gboolean vt_pci_interrupts(const VtPciHost *host, const VtPciBdf *bdf, guint64 *count);

/**
 * vt_pci_bind - give a device to a driver
 * @host:   which sysfs
 * @bdf:    the device
 * @driver: (nullable) VT_PCI_VFIO or the driver's name to bind; NULL: no driver
 * @error:  (out) NO_DEVICE, OPERATION_FAILED (it is bound to another driver afterwards), SYSTEM
 *
 * Uses driver_override, so that no other device changes its driver; for a driver other than VFIO's the override is
 * taken back. Blocks for as long as the drivers take.
 * Return: TRUE when it is bound as asked, also when it was before.
 */
gboolean vt_pci_bind(const VtPciHost *host, const VtPciBdf *bdf, const char *driver, GError **error);

/**
 * vt_pci_bind_async - the same in a thread
 * @host:   must outlive the operation
 * @bdf:    the device
 * @driver: (nullable) as above
 * @done:   told from the main loop
 * @user:   for @done
 */
void vt_pci_bind_async(const VtPciHost *host, const VtPciBdf *bdf, const char *driver, VtDoneFunc done,
                       gpointer user);
