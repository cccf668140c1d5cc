/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Open vSwitch through its own programs: ovs-vsctl (ports), ovs-ofctl (flooding, flows), ovs-appctl (MAC table).
 *
 * Each call runs a program or a few and waits for them, five seconds each at most: for threads, never for the main
 * loop's. The programs find the switch as they do for an administrator (OVS_RUNDIR and its like are inherited).
 */
#pragma once

#include "util/error.h"
#include "util/ident.h"

#include <net/if.h>

#define VT_OVSCTL_VLANS_MAX 16

typedef struct {
    const char *bridge;
    const char *name; /* of an interface of the host */
    VtMac mac;        /* the guest's */
    guint16 tags[VT_OVSCTL_VLANS_MAX];
    guint n_tags;             /* 0: no VLAN, every VLAN */
    gboolean trunk;           /* .tags are those that pass, with their tags */
    const char *mode;         /* (nullable) of a trunk: "native-tagged" or "native-untagged" */
    guint16 native;           /* with .mode */
    gboolean isolated;        /* no frames between two such ports */
    const char *interface_id; /* (nullable) for controllers */
    const char *profile_id;   /* (nullable) likewise */
    const char *vm_id;        /* (nullable) likewise */
} VtOvsctlPortSpec;

/**
 * vt_ovsctl_port_add - make an interface a port of a bridge
 * @spec:  what; a port of that name, left by somebody on any bridge, is replaced
 * @error: (out) SYSTEM (no ovs-vsctl), OPERATION_FAILED with what it said, TIMEOUT
 *
 * Return: FALSE on failure, with no such port.
 * Source: ovs-vsctl(8); ovs-vswitchd.conf.db(5), tables Port and Interface; docs/topics/integration.
 */
gboolean vt_ovsctl_port_add(const VtOvsctlPortSpec *spec, GError **error);

/** Remove a port; one that is not there is no error. Errors as vt_ovsctl_port_add(). */
gboolean vt_ovsctl_port_delete(const char *name, GError **error);

typedef struct {
    char bridge[64];
    char settings[256]; /* tag, trunks and mode as Open vSwitch says them: equal for ports that are alike */
    guint16 vlans[VT_OVSCTL_VLANS_MAX];
    guint n_vlans;     /* at least 1: the VLANs in which the port is known to be; 0 is "untagged" */
    gint64 number;     /* OpenFlow's */
    gboolean no_flood; /* it gets no frames for everybody, and none to unknown addresses */
} VtOvsctlPort;

/**
 * vt_ovsctl_port_get - what is set for a port
 * @name:  its name
 * @port:  (out) set only on success
 * @error: (out) UNSUPPORTED when it is no port of Open vSwitch, or not one of a kernel's interface (DPDK), and as vt_ovsctl_port_add()
 *
 * Return: FALSE on failure.
 */
gboolean vt_ovsctl_port_get(const char *name, VtOvsctlPort *port, GError **error);

/**
 * vt_ovsctl_bridge_check - whether a bridge forwards by its MAC table, which is what we can steer
 * @bridge: its name
 * @mac:    that is going to be steered
 * @error:  (out) UNSUPPORTED: it belongs to a controller, fails securely, has no flow with the action NORMAL, has a
 *          flow for @mac, or this version knows no static entries; and as vt_ovsctl_port_add()
 *
 * Return: TRUE when it does.
 */
gboolean vt_ovsctl_bridge_check(const char *bridge, const VtMac *mac, GError **error);

/**
 * vt_ovsctl_run - what tells one run of ovs-vswitchd from the next
 *
 * With each run MAC tables and flooding begin anew; ports are in the database. Quick: the pid file is looked at, which the
 * programs need to find the daemon, too.
 * Return: (transfer full) a text that no other run has, or NULL when none runs.
 * Source: ovs-appctl(8), ovs-vswitchd(8): RUNDIR/ovs-vswitchd.pid; OVS_RUNDIR in the environment.
 */
char *vt_ovsctl_run(void);

/** Let a port get frames for everybody, or not. Errors as vt_ovsctl_port_add(). */
gboolean vt_ovsctl_set_flood(const char *bridge, const char *port, gboolean flood, GError **error);

/**
 * vt_ovsctl_pin - a static entry in the MAC table: no frame moves it, and it does not age
 * @bridge: the bridge
 * @port:   name of the port that @mac is at from now on
 * @vlan:   in which VLAN; 0: untagged
 * @mac:    the address
 * @error:  (out) as vt_ovsctl_port_add()
 *
 * Return: FALSE on failure.
 * Source: ovs-vswitchd(8), fdb/add (Open vSwitch 2.17 and later).
 */
gboolean vt_ovsctl_pin(const char *bridge, const char *port, guint16 vlan, const VtMac *mac, GError **error);

/**
 * vt_ovsctl_wait_flows - wait until frames go the way that the MAC table says
 *
 * The switch keeps what it has decided for a kind of frame, and looks through all of that after a change. When it does not
 * say that it is done, what was decided before may go on for a while.
 * Source: ovs-vswitchd(8), revalidator/wait.
 */
void vt_ovsctl_wait_flows(void);

/** Remove a static entry; one that is not there is no error. */
gboolean vt_ovsctl_unpin(const char *bridge, guint16 vlan, const VtMac *mac, GError **error);

/** A static entry: OpenFlow's number of its port. */
typedef struct {
    gint64 number;
    guint16 vlan;
} VtOvsctlPin;

/** The static entries of an address; (transfer full) array of VtOvsctlPin, or NULL with an error. */
GArray *vt_ovsctl_pins(const char *bridge, const VtMac *mac, GError **error);

/** Name of the port of that number; NULL when there is none. (transfer full) */
char *vt_ovsctl_port_name(const char *bridge, gint64 number);
