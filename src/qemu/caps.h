/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What one QEMU binary can do, probed once by QMP and cached on disk by path, size and mtime.
 */
#pragma once

#include <gio/gio.h>
#include "util/error.h"

typedef enum {
    VT_QEMU_CAP_KVM, /* built in and /dev/kvm can be used */
    VT_QEMU_CAP_TCG,
    VT_QEMU_CAP_VIRTIO_NET_FAILOVER, /* virtio-net-pci.failover */
    VT_QEMU_CAP_VFIO_FAILOVER_PAIR,  /* vfio-pci.failover_pair_id */
    VT_QEMU_CAP_NET_FAILOVER_PAIR,   /* emulated PCI NICs take failover_pair_id too */
    VT_QEMU_CAP_QUERY_VIRTIO_STATUS, /* x-query-virtio-status */
    VT_QEMU_CAP_PAUSE_BEFORE_SWITCHOVER,
    VT_QEMU_CAP_VMXNET3,
    VT_QEMU_CAP_E1000E,
    VT_QEMU_CAP_IGB,
    VT_QEMU_CAP_VHOST_NET, /* /dev/vhost-net can be used */
    VT_QEMU_CAP_COUNT
} VtQemuCap;

typedef struct {
    char *name;      /* "pc-q35-7.2" */
    char *canonical; /* for an alias ("q35"): the versioned name; else NULL */
    guint max_cpus;
    gboolean hotpluggable_cpus, deprecated, is_default;
} VtQemuMachine;

typedef struct {
    char *name;            /* "qemu64" */
    int usable;            /* 1, 0, or -1 not known */
    char *const *blockers; /* nullable */
} VtQemuCpu;

typedef struct {
    char *binary;
    guint version; /* major * 1000000 + minor * 1000 + micro, as virConnectGetVersion: 7002022 */
    char *package; /* distribution's version text */
    char *arch;    /* "x86_64" */
    gboolean caps[VT_QEMU_CAP_COUNT];
    GPtrArray *machines; /* of VtQemuMachine * */
    GPtrArray *cpus;     /* of VtQemuCpu * */
    GHashTable *devices; /* set of -device driver names */
} VtQemuCaps;

/**
 * vt_qemu_caps_probe - probe a binary, or read what an earlier probe found
 * @binary:    path of qemu-system-*
 * @cache_dir: directory of cache files, made if absent; nullable: no cache
 * @error:     (out) SYSTEM (cannot run), OPERATION_FAILED (did not answer; its stderr is in the message)
 *
 * Blocking (under a second): call it from a GTask, or at start-up, or in a command-line tool.
 * Return: (transfer full) the capabilities; free with vt_qemu_caps_unref().
 * Source: QAPI query-version, query-machines, query-cpu-definitions, device-list-properties, qom-list-types.
 */
VtQemuCaps *vt_qemu_caps_probe(const char *binary, const char *cache_dir, GError **error);

VtQemuCaps *vt_qemu_caps_ref(VtQemuCaps *caps);
void vt_qemu_caps_unref(VtQemuCaps *caps);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtQemuCaps, vt_qemu_caps_unref)

/** The versioned name of a machine type or alias ("q35" -> "pc-q35-7.2"); NULL when QEMU has no such. */
const char *vt_qemu_caps_machine(const VtQemuCaps *caps, const char *name);
