/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What one QEMU binary can do, probed once by QMP and cached on disk by path, size and mtime.
 */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>
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
    VT_QEMU_CAP_SANDBOX,   /* -sandbox (built with seccomp) */
    VT_QEMU_CAP_COUNT
} VtQemuCap;

typedef struct {
    char *name;        /* "pc-q35-7.2" */
    char *canonical;   /* for an alias ("q35"): the versioned name; else NULL */
    char *default_cpu; /* "qemu64"; nullable */
    char *ram_id;      /* "pc.ram", for memory-backend=; NULL before QEMU 5.0 */
    guint max_cpus;
    gboolean hotpluggable_cpus, deprecated, is_default;
} VtQemuMachine;

typedef struct {
    char *name;      /* "qemu64" */
    int usable;      /* 1, 0, or -1 not known */
    char **blockers; /* nullable */
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

/**
 * vt_qemu_caps_from_replies - capabilities from what QEMU answered, without a QEMU
 * @binary:  path to note in the result
 * @replies: answers to vt_qemu_caps_commands(), in that order; a NULL is a command that QEMU refused
 * @n:       their number
 * @error:   (out) INTERNAL: an answer that every QEMU gives is missing or has another form
 *
 * Host-dependent members (KVM, VHOST_NET) are left FALSE.
 * Return: (transfer full) the capabilities.
 */
VtQemuCaps *vt_qemu_caps_from_replies(const char *binary, JsonNode *const *replies, gsize n, GError **error);

/** The QMP commands of a probe as text, in order; NULL-terminated. */
const char *const *vt_qemu_caps_commands(void);

/** As JSON text, for the cache and for tests; (transfer full). */
char *vt_qemu_caps_to_json(const VtQemuCaps *caps);

/**
 * vt_qemu_caps_from_json - read what vt_qemu_caps_to_json() wrote
 * @json:  text, at most 4 MiB
 * @error: (out) INVALID_ARG: not of our form
 *
 * Return: (transfer full) the capabilities as they were written, host-dependent ones included.
 */
VtQemuCaps *vt_qemu_caps_from_json(const char *json, GError **error);

/** Name of a capability in the cache and in messages: "virtio-net-failover". */
const char *vt_qemu_cap_name(VtQemuCap cap);

/** The machine of that versioned name or alias; NULL when QEMU has no such. (transfer none) */
const VtQemuMachine *vt_qemu_caps_find_machine(const VtQemuCaps *caps, const char *name);

/** TRUE when -device takes that driver. */
gboolean vt_qemu_caps_has_device(const VtQemuCaps *caps, const char *driver);

/** The versioned name of a machine type or alias ("q35" -> "pc-q35-7.2"); NULL when QEMU has no such. */
const char *vt_qemu_caps_machine(const VtQemuCaps *caps, const char *name);
