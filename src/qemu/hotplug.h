/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices that come to a running QEMU and leave it: the QMP side alone. What stands behind them on the host
 * (taps, VFs) is the caller's, before a plug and after an unplug.
 */
#pragma once

#include "qemu/qmp-client.h"
#include "util/seq.h"

typedef struct _VtHotplug VtHotplug;

typedef enum {
    VT_HOTPLUG_BACKEND_NONE,
    VT_HOTPLUG_BACKEND_TAP,  /* netdev of passed descriptors */
    VT_HOTPLUG_BACKEND_USER, /* netdev of QEMU's own NAT */
    VT_HOTPLUG_BACKEND_BLOCK,
} VtHotplugBackend;

/* Everything is copied; descriptors are duplicated. */
typedef struct {
    VtQmpClient *qmp;   /* ready; the operation ends by itself when it is closed */
    const char *device; /* value of -device with its id=, e.g. "virtio-net-pci,netdev=hostnet1,id=net1" */
    VtHotplugBackend backend;
    const char *netdev_id; /* TAP, USER: "hostnet1" */
    const int *tap_fds;    /* TAP: one a queue */
    const int *vhost_fds;  /* (nullable) TAP: one a queue */
    gsize n_queues;
    GPtrArray *blockdevs; /* BLOCK: of JsonNode *, arguments of blockdev-add, in their order */
    gboolean link_down;   /* take the link down as soon as the NIC is there */
} VtHotplugPlug;

typedef struct {
    VtQmpClient *qmp;
    const char *alias;     /* id of the device */
    const char *netdev_id; /* (nullable) removed after the device */
    GPtrArray *nodes;      /* (nullable) of char *: block nodes removed after the device, in this order */
    guint timeout_ms;      /* how long the guest may take */
    guint retry_ms;        /* ask again after each of these; 0: ask once */
} VtHotplugUnplug;

/**
 * vt_hotplug_args - the value of -device as the arguments of device_add
 * @option: "driver,key=value,...", with ",," for a comma in a value
 * @error:  (out) INTERNAL when it is malformed
 *
 * Numbers and booleans become such, as QEMU 9.2 and later insist on.
 * Return: (transfer full) an object's node.
 */
JsonNode *vt_hotplug_args(const char *option, GError **error);

/** The same for the value of -blockdev ("key=value,..."), as the arguments of blockdev-add. */
JsonNode *vt_hotplug_node_args(const char *option, GError **error);

/**
 * vt_hotplug_plug - add the back end, then the device
 * @params: as above
 * @done:   told when the device is there; OPERATION_FAILED with QEMU's words, and nothing of it left
 * @user:   for @done
 *
 * Return: (transfer none) the operation, gone once @done was told; NULL when it was told before this returned.
 * Source: QAPI getfd, netdev_add, blockdev-add, device_add, set_link.
 */
VtHotplug *vt_hotplug_plug(const VtHotplugPlug *params, VtDoneFunc done, gpointer user);

/**
 * vt_hotplug_unplug - ask the guest to let go of a device, wait until it has, remove the back end
 * @params: as above
 * @done:   told when it is gone; TIMEOUT: the guest still has it, and may yet let go; OPERATION_FAILED: QEMU or
 *          the guest refused
 * @user:   for @done
 *
 * A device that is not there any more counts as let go.
 * Return: as vt_hotplug_plug().
 * Source: QAPI device_del, DEVICE_DELETED, DEVICE_UNPLUG_GUEST_ERROR, netdev_del, blockdev-del.
 */
VtHotplug *vt_hotplug_unplug(const VtHotplugUnplug *params, VtDoneFunc done, gpointer user);

/**
 * vt_hotplug_remove_backend - remove what a device that is gone already has left
 * @params: alias and the times are not used
 * @done:   (nullable) told the end
 * @user:   for @done
 */
VtHotplug *vt_hotplug_remove_backend(const VtHotplugUnplug *params, VtDoneFunc done, gpointer user);

/** An event of the QEMU that an operation is about. @op may be gone when this returns. */
void vt_hotplug_event(VtHotplug *op, const VtQmpEvent *event);

/** Forget an operation; @done is not told. QEMU keeps what was done so far. Accepts NULL. */
void vt_hotplug_free(VtHotplug *op);

/** The tables, for docs and tests. */
const VtSeqTable *vt_hotplug_plug_table(void);
const VtSeqTable *vt_hotplug_unplug_table(void);
