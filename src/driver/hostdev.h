/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Host PCI functions on their way to a guest and back: reserved, bound to VFIO, and given back as they were,
 * also by the daemon after next.
 */
#pragma once

#include "driver/domain-obj.h"
#include "util/pci.h"
#include "util/seq.h"

typedef struct {
    VtPciBdf bdf;
    gboolean managed;    /* bind to VFIO ourselves */
    const char *alias;   /* (nullable) of the device in the guest, for messages */
    const VtNetDef *net; /* (nullable) the <interface> it is of; NULL: a plain <hostdev> */
} VtHostdevWant;

/** What host functions a definition needs, in the order of its XML; (transfer full) of VtHostdevWant. */
GArray *vt_hostdev_wants(const VtDomainDef *def);

/**
 * vt_hostdev_take - get all host functions of a domain's live definition ready for its QEMU
 * @driver: the driver
 * @domain: with a live definition
 * @done:   told when all are bound and their IOMMU groups are whole; on failure all are as they were. NO_DEVICE,
 *          BUSY (naming the other domain), UNSUPPORTED (the group, naming the member), OPERATION_FAILED
 * @user:   for @done
 */
void vt_hostdev_take(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user);

/**
 * vt_hostdev_give_back - give back all that is reserved for a domain
 * @driver: the driver
 * @uuid:   of the domain, which may be gone
 * @done:   (nullable) told when everything was tried; the first failure. What could not be given back stays
 *          reserved, so that nobody else gets it, and is tried again at the next start of the daemon
 * @user:   for @done
 */
void vt_hostdev_give_back(VtDriver *driver, const VtUuid *uuid, VtDoneFunc done, gpointer user);

/**
 * As vt_hostdev_take(), for one function, which may be the domain's already; @want is copied. On failure it is as it
 * was, and nobody's.
 */
void vt_hostdev_take_one(VtDriver *driver, VtDomain *domain, const VtHostdevWant *want, VtDoneFunc done,
                         gpointer user);

/** As vt_hostdev_give_back(), for one function that has left its guest; one that is not reserved is no error. */
void vt_hostdev_give_back_one(VtDriver *driver, const VtUuid *uuid, const VtPciBdf *bdf, VtDoneFunc done,
                              gpointer user);

/** As vt_hostdev_give_back(), for those functions that nothing of the domain's live definition has. */
void vt_hostdev_give_back_unused(VtDriver *driver, const VtDomain *domain, VtDoneFunc done, gpointer user);

/**
 * vt_hostdev_recover - after a restart: give back what belongs to domains that do not run
 * @driver: with its reservations loaded and its running domains found
 */
void vt_hostdev_recover(VtDriver *driver);

/** The sysfs in use. */
const VtPciHost *vt_hostdev_pci_host(VtDriver *driver);

/** Use another sysfs, for tests; @host must outlive the driver. */
void vt_hostdev_set_pci_host(VtDriver *driver, const VtPciHost *host);

/** The tables of one function's way to the guest and back, for docs and for tests that walk them. */
const VtSeqTable *vt_hostdev_take_table(void);
const VtSeqTable *vt_hostdev_return_table(void);
