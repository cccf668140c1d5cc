/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Interfaces of type='network': the ports that they hold at a libvirt network daemon. A port is noted on disk (one
 * file below LIB_DIR/network-ports), under a UUID of our choice, before the daemon is asked for it, and the note goes
 * when the daemon has no such port any more: no crash of ours leaves a port, or the VF that it stands for, to nobody.
 *
 * The daemon is a stranger: it may be absent, and it may hang. Each call has a thread of its own and a time limit.
 */
#pragma once

#include "driver/domain-obj.h"
#include "driver/net-port-libvirt.h"
#include "util/seq.h"

/** Read the notes that an earlier daemon left. A file that cannot be read is reported and renamed to *.corrupt. */
void vt_net_port_load(VtDriver *driver);

/**
 * vt_net_port_recover - after a restart: delete the ports of interfaces that do not run
 * @driver: with its notes loaded and its running domains found
 */
void vt_net_port_recover(VtDriver *driver);

/** TRUE for a definition with an interface that vt_net_port_take() would ask for. */
gboolean vt_net_port_wanted(const VtDomainDef *def);

/**
 * VtNetPortTaken - how vt_net_port_take() ends
 * @user:  what the caller gave
 * @taken: (transfer none) a copy of what it was given, in which the interfaces are what the networks made of them:
 *         for vt_net_adopt()
 * @error: (nullable) why it failed
 */
typedef void (*VtNetPortTaken)(gpointer user, const VtDomainDef *taken, const GError *error);

/**
 * vt_net_port_take - get a port for each interface of type NETWORK that has none
 * @driver:      the driver
 * @domain:      whose ports they are
 * @def:         its definition, or a part of it; copied
 * @may_be_bare: a transient whose team may do without (standby-only='yes') becomes bare instead of failing
 * @done:        told when all have theirs; NO_NETWORK, SYSTEM (no daemon), TIMEOUT, OPERATION_FAILED (the daemon's
 *               words), CONFIG_UNSUPPORTED. What was taken before a failure stays: vt_net_port_release()
 * @user:        for @done
 */
void vt_net_port_take(VtDriver *driver, VtDomain *domain, const VtDomainDef *def, gboolean may_be_bare,
                      VtNetPortTaken done, gpointer user);

/**
 * vt_net_port_release - delete all ports of a domain
 * @driver: the driver
 * @uuid:   of the domain, which may be gone
 * @done:   (nullable) told when everything was tried, never with an error: what could not be deleted is said in a
 *          message, stays noted and is tried again every minute
 * @user:   for @done
 */
void vt_net_port_release(VtDriver *driver, const VtUuid *uuid, VtDoneFunc done, gpointer user);

/** As vt_net_port_release(), for those ports that no interface of its live definition has. */
void vt_net_port_release_unused(VtDriver *driver, const VtUuid *uuid, VtDoneFunc done, gpointer user);

/** As vt_net_port_release(), for the port of one interface; @port: (nullable) its UUID, as VtNetDef has it. */
void vt_net_port_release_one(VtDriver *driver, const char *port, VtDoneFunc done, gpointer user);

/** Whether a port is noted, and was not released. */
gboolean vt_net_port_is_kept(VtDriver *driver, const char *port);

/** How many ports are noted. */
guint vt_net_port_count(VtDriver *driver);

/** Ask another daemon, with another patience, for tests; @client must outlive the driver. */
void vt_net_port_set_client(VtDriver *driver, const VtNetPortClient *client, guint timeout_ms);
