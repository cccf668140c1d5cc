/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the builders of a command line share: run-time values that come in, and the list that goes out.
 */
#pragma once

#include "conf/domain-def.h"
#include "qemu/caps.h"
#include "qemu/opts.h"

typedef struct {
    int tap_fd;                /* number in the child; -1: print a placeholder (domxml-to-native) */
    int vhost_fd;              /* -1: without vhost */
    const int *more_tap_fds;   /* of queues 2, 3, ...; @n_more entries */
    const int *more_vhost_fds; /* likewise; NULL without vhost */
    gsize n_more;
} VtArgvNetFd;

typedef struct {
    const char *monitor_path; /* socket path, when monitor_fd is -1 */
    int monitor_fd;           /* listening socket inherited by QEMU, or -1 */
    const char *state_dir;    /* per-guest run-time directory (sockets of channels) */
    const char *incoming;     /* "defer" or NULL */
    const char *const
        *without_teams; /* (nullable) persistents whose primaries are left out, not their netdevs */
    gboolean
        without_managed; /* leave out primaries, not their netdevs: those that the driver itself plugs, and VFs */
    gboolean start_paused;      /* -S */
    const VtArgvNetFd *net_fds; /* one per def->nets entry; NULL: none opened */
    gsize n_net_fds;
    gboolean standalone; /* for people: domxml-to-native, `virtteam argv` */
} VtArgvContext;

/* One command line being built. */
typedef struct {
    const VtDomainDef *def;
    const VtQemuCaps *caps;
    const VtArgvContext *ctx;
    GPtrArray *args; /* of char * */
} VtArgvBuild;

/** Append an option and (nullable) its value. */
void vt_argv_ctx_add(VtArgvBuild *build, const char *option, const char *value);

/** Append an option whose value is @opts, which is gone then. */
void vt_argv_ctx_add_opts(VtArgvBuild *build, const char *option, VtOpts *opts);

/**
 * vt_argv_ctx_add_nic - append -device of a NIC
 * @build:   the command line
 * @device:  value of -device
 * @primary: it has failover_pair_id=
 * @error:   (out) INTERNAL when @device is malformed
 *
 * QEMU keeps the id of a primary given as key=value reserved for good, since the device was hidden when that was
 * read: once unplugged it could never be plugged again ("Duplicate ID"). Given as JSON it can, so what really runs
 * says it so, from QEMU 6.2 on; command lines for people stay as people write them.
 * Return: FALSE with @error set.
 * Source: measured with QEMU 7.2; its softmmu/vl.c, qdev-monitor.c.
 */
gboolean vt_argv_ctx_add_nic(VtArgvBuild *build, const char *device, gboolean primary, GError **error);

/** bus= and addr= (and multifunction=on) of a PCI device; nothing for one without a PCI address. */
void vt_argv_ctx_pci(VtOpts *opts, const VtDomainDef *def, const VtDeviceInfo *info);

/** bootindex=, where the device has a <boot order=> or is the one that <os><boot dev=> means. */
void vt_argv_ctx_bootindex(VtOpts *opts, const VtDomainDef *def, const VtDeviceInfo *info);

/** rombar= and romfile= as <rom> says; @no_rom: without one when <rom> says nothing. */
void vt_argv_ctx_rom(VtOpts *opts, const VtDeviceInfo *info, gboolean no_rom);

/** A file in the guest's run-time directory, or where it would be in a command line for people. (transfer full) */
char *vt_argv_ctx_state_path(const VtArgvBuild *build, const char *name);
