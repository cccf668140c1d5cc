/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Taps and vhost-net: the descriptors that QEMU's network back ends are made of.
 */
#pragma once

#include "util/fd.h"

#include <net/if.h>

#define VT_TAP_PATTERN    "vnet%d" /* the kernel puts in the first free number */
#define VT_TAP_QUEUES_MAX 16       /* ours, for fixed-size arrays; the kernel's is 256 */

typedef struct {
    const char *name;   /* a name, or a pattern with one %d; libvirt's VT_TAP_PATTERN when NULL */
    gboolean vnet_hdr;  /* offloads; wanted by virtio-net, harmless to others in QEMU */
    guint n_queues;     /* 0 and 1: a single queue */
    const char *device; /* (nullable) "/dev/net/tun" */
} VtTapSpec;

/**
 * vt_tap_open - make a tap that lives as long as its descriptors
 * @spec:  what to make
 * @name:  (out) its name
 * @fds:   (out) (transfer full) one descriptor a queue, close-on-exec, @spec.n_queues (at least 1) of them
 * @error: (out) INVALID_ARG (name, queues), SYSTEM (also when the name is taken)
 *
 * Return: FALSE with nothing left behind.
 * Source: linux/if_tun.h, TUNSETIFF.
 */
gboolean vt_tap_open(const VtTapSpec *spec, char name[IF_NAMESIZE], VtFd *fds, GError **error);

/**
 * vt_tap_vhost_open - open the kernel's vhost-net
 * @device: (nullable) "/dev/vhost-net"
 * @error:  (out) SYSTEM
 *
 * Return: (transfer full) a close-on-exec descriptor, or -1.
 */
VtFd vt_tap_vhost_open(const char *device, GError **error);

/** TRUE when vhost-net can be opened; a host without it runs guests more slowly, not less well. */
gboolean vt_tap_has_vhost(void);
