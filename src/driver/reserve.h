/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which guest a host PCI function belongs to. A function belongs to one guest at most; the reservation also
 * holds what the function was before, so that it can be given back after any crash. It is on disk (one file
 * a function below LIB_DIR/reservations) before anything is done to the function, and is removed only when
 * everything was taken back.
 */
#pragma once

#include "driver/domain-obj.h"
#include "util/pci.h"

typedef struct {
    VtPciBdf bdf;
    VtUuid uuid;      /* of the domain */
    char *domain;     /* its name, for messages */
    gboolean managed; /* bind to VFIO before, to @driver after */
    char *driver;     /* what was bound before; "" none */
    char *pf;         /* interface of the PF; "" when it is no VF */
    int vf_index;     /* -1 when it is no VF */
    char *settings;   /* (nullable) the VF's settings from before, as whoever changes them wrote them */
    char *network;    /* (nullable) virtual network that lent it */
    char *port;       /* (nullable) UUID of the port there */
} VtReservation;

/**
 * vt_reserve_load - read the reservations that an earlier daemon left
 * @driver: with its configuration set; its LIB_DIR exists
 *
 * A file that cannot be read is reported, renamed to *.corrupt and left out.
 */
void vt_reserve_load(VtDriver *driver);

/** Who has a function; NULL: it is free. (transfer none) */
const VtReservation *vt_reserve_find(VtDriver *driver, const VtPciBdf *bdf);

/** Whether virtteam probe has a function just now, or had it when it was killed and not restored since. */
gboolean vt_reserve_is_probed(VtDriver *driver, const VtPciBdf *bdf);

/** All reservations of a domain; (transfer container) of const VtReservation *, in the order of their addresses. */
GPtrArray *vt_reserve_of(VtDriver *driver, const VtUuid *uuid);

/** All reservations; (transfer container), as above. */
GPtrArray *vt_reserve_all(VtDriver *driver);

/**
 * vt_reserve_take - reserve a function, or change the record of one reserved for the same domain
 * @driver:      the driver
 * @reservation: copied
 * @done:        told when it is on disk; BUSY naming the domain that has it (nothing changed), SYSTEM (not taken)
 * @user:        for @done
 */
void vt_reserve_take(VtDriver *driver, const VtReservation *reservation, VtDoneFunc done, gpointer user);

/** Tell @dropped (one for the driver) whenever a function has become free, and which domain had it. */
void vt_reserve_set_dropped(VtDriver *driver, void (*dropped)(VtDriver *driver, const VtUuid *domain));

/**
 * vt_reserve_drop - the function is free again; one that is not reserved is no error
 * @driver: the driver
 * @bdf:    the function
 * @done:   (nullable) told when the file is gone
 * @user:   for @done
 */
void vt_reserve_drop(VtDriver *driver, const VtPciBdf *bdf, VtDoneFunc done, gpointer user);
