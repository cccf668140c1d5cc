/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client of the daemon on this host: one call at a time, each waits for its answer. For commands only.
 */
#pragma once

#include "rpc/proto-types.h"

typedef struct _VtClient VtClient;

typedef struct {
    guint32 program, version;
    gint32 procedure;
    const VtXdrType *args_type, *ret_type;
    gconstpointer args; /* nullable: void */
    gpointer ret;       /* zeroed memory of @ret_type; vt_xdr_type_clear() it */
    guint timeout_s;    /* 0: a minute */
} VtClientCall;

/**
 * vt_client_socket - where the daemon listens
 * @root: (nullable) the daemon's --root
 *
 * Return: (transfer full) its socket; without @root that of root's daemon for root, else the user's own.
 */
char *vt_client_socket(const char *root);

/**
 * vt_client_open - connect, and open the driver
 * @path:     of its socket
 * @readonly: ask for a connection that can change nothing
 * @error:    (out) SYSTEM: nobody listens there; AUTH: not for this user
 */
VtClient *vt_client_open(const char *path, gboolean readonly, GError **error);

/** Accepts NULL. */
void vt_client_free(VtClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtClient, vt_client_free)

/**
 * vt_client_call - call, and wait for the answer
 * @client: open
 * @call:   what
 * @error:  (out) OPERATION_FAILED in the daemon's words; RPC: it does not speak as expected; TIMEOUT
 */
gboolean vt_client_call(VtClient *client, const VtClientCall *call, GError **error);

/**
 * vt_client_lookup - a domain's handle
 * @client: open
 * @name:   of the domain
 * @dom:    (out) zeroed; to be cleared by vt_xdr_type_clear() as vt_proto_dom
 * @error:  (out) as for vt_client_call()
 */
gboolean vt_client_lookup(VtClient *client, const char *name, VtProtoDom *dom, GError **error);
