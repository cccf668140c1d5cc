/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which back end feeds a team, from its XML and from what the host has.
 *
 * Quick: asks the kernel only. What has to be asked of programs is looked at by the chosen back end's prepare(),
 * which refuses with UNSUPPORTED where it cannot work.
 */
#pragma once

#include "conf/teaming.h"
#include "datapath/backend.h"
#include "util/netlink.h"
#include "util/pci.h"

/**
 * vt_datapath_choose - the back end for one team of a guest that runs, or is about to
 * @team:    with the names of its taps filled in
 * @probes:  where virtteam probe keeps its reports
 * @backend: (out) (transfer full) set only on success
 * @why:     (out) (transfer full) why this one, or why there is none
 *
 * Return: FALSE when the host's side of this team cannot be switched.
 */
gboolean vt_datapath_choose(const VtTeam *team, const char *probes, VtBackend *backend, char **why);

/** What a choice is made from. */
typedef struct {
    const VtPciHost *pci;                              /* whose sysfs; outlives the back end */
    VtNetlink *(*open)(gpointer user, GError **error); /* (transfer full) a handle to the kernel */
    gpointer user;
} VtDatapathHost;

/** As vt_datapath_choose(), on another host than this one, for tests. */
gboolean vt_datapath_choose_on(const VtDatapathHost *host, const VtTeam *team, const char *probes,
                               VtBackend *backend, char **why);

/**
 * vt_datapath_restore - the back end that an earlier daemon has noted
 * @node:    with members "backend" and "note"
 * @backend: (out) (transfer full) set only on success
 * @error:   (out) INVALID_ARG
 */
gboolean vt_datapath_restore(JsonNode *node, VtBackend *backend, GError **error);
