/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The VF that is a team's primary: what its PF had set for it before us, what the team wants, and back.
 */
#pragma once

#include "datapath/backend.h"
#include "util/link.h"
#include "util/netlink.h"
#include "util/pci.h"
#include "util/vf.h"

/* The first interrupt is a sure sign, except where the hardware posts them to the guest; copies cost nothing meanwhile. */
#define VT_VF_NOTE_STIR_LIMIT_MS 30000

typedef struct {
    gboolean noted;
    char pf[IF_NAMESIZE]; /* the PF's interface */
    int ifindex;          /* of it, when noted */
    guint vf;
    VtPciBdf bdf;          /* of the VF */
    guint tries;           /* of a setting, 100 ms apart, while the VF is in reset; 0: 30 */
    VtVfSettings wanted;   /* with the team's MAC */
    VtVfSettings original; /* when noted */
    guint64 interrupts;    /* of the VF, when last looked; not for the disk */
    guint64 alive;         /* interrupts in all, over resets of the device; not for the disk */
} VtVfNote;

/**
 * vt_vf_note_take - read what is set for the VF, unless that was done
 * @netlink: handle
 * @note:    .pf, .vf are set
 * @grew:    set to TRUE when something was noted; else left alone
 * @error:   (out) NO_DEVICE, UNSUPPORTED (the PF is down), SYSTEM, TIMEOUT
 *
 * Return: FALSE on failure.
 */
gboolean vt_vf_note_take(VtNetlink *netlink, VtVfNote *note, gboolean *grew, GError **error);

/**
 * vt_vf_note_arm - give the VF the guest's MAC and settings, or take the MAC away from it
 * @netlink: handle
 * @note:    noted
 * @armed:   TRUE: it has them
 * @error:   (out) as vt_vf_program()
 *
 * Return: FALSE on failure.
 */
gboolean vt_vf_note_arm(VtNetlink *netlink, const VtVfNote *note, gboolean armed, GError **error);

/** Put back what was noted, if the PF is still there; keeps the first failure in @first. */
void vt_vf_note_restore(VtNetlink *netlink, VtVfNote *note, GError **first);

/**
 * vt_vf_note_look - signs of life of the guest's driver
 * @netlink: handle
 * @note:    noted, or nothing is seen; counts what was seen
 * @host:    (nullable) whose sysfs shows the VF; NULL: no early signs
 * @signs:   (out) set only on success
 *
 * The driver "stirs" for as long as it has interrupts set up, and the device may use DMA. Its frames, and its
 * interrupts beside them, are what grows when it works.
 * Return: FALSE when nothing can be seen.
 */
gboolean vt_vf_note_look(VtNetlink *netlink, VtVfNote *note, const VtPciHost *host, VtLifeSigns *signs);

/** For the disk. (transfer full) */
JsonObject *vt_vf_note_to_json(const VtVfNote *note);

/**
 * vt_vf_note_from_json - read what vt_vf_note_to_json() has written
 * @node:  (nullable) the object
 * @note:  (out) set only on success
 * @error: (out) INTERNAL, INVALID_ARG
 *
 * Return: FALSE on failure.
 */
gboolean vt_vf_note_from_json(JsonNode *node, VtVfNote *note, GError **error);
