/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames of our own, sent and received at an interface of this or another network namespace.
 *
 * They have an EtherType for experiments and are told apart by a number of the run, so that neither the network nor
 * a second probe is mistaken for one. Everything a port sets on the host (promiscuity) belongs to its socket, so the
 * kernel takes it back whatever ends the process.
 */
#pragma once

#include "util/fd.h"
#include "util/ident.h"
#include "util/netlink.h"

#define VT_PROBE_PORT_ETHERTYPE 0x88b5 /* IEEE Std 802: local experimental EtherType 1 */
#define VT_PROBE_PORT_FRAME     64     /* bytes of each frame, without its checksum */

/** Which frame it is. */
typedef struct {
    guint64 run; /* random */
    guint16 series;
    guint16 from; /* which sender of the series */
    guint32 number;
} VtProbeTag;

/**
 * vt_probe_port_build - a frame, pure
 * @to:     destination
 * @source: source
 * @tag:    which one
 * @frame:  (out) the bytes
 */
void vt_probe_port_build(const VtMac *to, const VtMac *source, const VtProbeTag *tag,
                         guint8 frame[VT_PROBE_PORT_FRAME]);

/**
 * vt_probe_port_parse - whether bytes are a frame of ours, pure
 * @bytes:  from the network
 * @length: how many
 * @tag:    (out) set only on success
 *
 * Return: FALSE when it is none.
 */
gboolean vt_probe_port_parse(const guint8 *bytes, gsize length, VtProbeTag *tag);

/**
 * vt_probe_port_space - a network namespace of its own
 * @error: (out) DENIED without the right to make one, SYSTEM
 *
 * It ends with the last descriptor of it; hardware interfaces that are in it then go back to the first namespace.
 * Return: (transfer full) its descriptor, or -1.
 */
VtFd vt_probe_port_space(GError **error);

/**
 * vt_probe_port_named - a network namespace that there is
 * @name:  as `ip netns` knows it, or a path ("/proc/1234/ns/net")
 * @error: (out) NO_DEVICE: there is none of that name; SYSTEM
 *
 * Return: (transfer full) its descriptor, or -1.
 */
VtFd vt_probe_port_named(const char *name, GError **error);

/**
 * vt_probe_port_sysfs - sysfs as it is seen in a namespace: with the interfaces of that one
 * @space: the namespace
 * @error: (out) SYSTEM
 *
 * It is mounted nowhere, and read below "/proc/self/fd/DESCRIPTOR".
 * Return: (transfer full) a descriptor, or -1.
 * Source: sysfs shows the interfaces of the namespace that mounted it; fsmount(2), Linux 5.2.
 */
VtFd vt_probe_port_sysfs(int space, GError **error);

/**
 * vt_probe_port_netlink - rtnetlink of a namespace
 * @space: of vt_probe_port_space(), or -1 for the one we are in
 * @error: (out) SYSTEM
 *
 * Return: (transfer full) the handle, or NULL.
 */
VtNetlink *vt_probe_port_netlink(int space, GError **error);

/**
 * vt_probe_port_move - move an interface of our namespace into another
 * @netlink: of our namespace
 * @ifindex: the interface
 * @space:   where to
 * @error:   (out) SYSTEM
 *
 * Its number usually stays; it gets a name made of that.
 * Return: FALSE on failure.
 */
gboolean vt_probe_port_move(VtNetlink *netlink, int ifindex, int space, GError **error);

typedef struct _VtProbePort VtProbePort;

/**
 * vt_probe_port_open - a socket at an interface
 * @space:   its namespace, or -1 for the one we are in
 * @ifindex: the interface; it should be up
 * @promisc: ask for frames to other addresses too
 * @run:     frames of this run are received
 * @error:   (out) SYSTEM
 *
 * Return: (transfer full) the port, or NULL.
 */
VtProbePort *vt_probe_port_open(int space, int ifindex, gboolean promisc, guint64 run, GError **error);
void vt_probe_port_free(VtProbePort *port);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtProbePort, vt_probe_port_free)

/**
 * vt_probe_port_send - send one frame out of the interface
 * @port:   (nullable) NULL: nothing is sent
 * @to:     destination
 * @source: source
 * @tag:    its run is the port's
 *
 * Return: FALSE when the kernel did not take it (the interface is down, its queue is full).
 */
gboolean vt_probe_port_send(VtProbePort *port, const VtMac *to, const VtMac *source, const VtProbeTag *tag);

/**
 * vt_probe_port_drain - take what has arrived, without waiting
 * @port: (nullable) the port
 * @each: told every frame of the run
 * @user: for @each
 */
void vt_probe_port_drain(VtProbePort *port, void (*each)(const VtProbeTag *tag, gpointer user),
                         gpointer user);
