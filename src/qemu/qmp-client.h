/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A QMP connection: greeting, capabilities, commands with ids and time limits, events.
 */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include "util/error.h"

typedef struct _VtQmpClient VtQmpClient;

typedef struct {
    char *name;       /* "UNPLUG_PRIMARY" */
    JsonObject *data; /* (nullable) */
    gint64 seconds;   /* QEMU's clock */
    guint32 micros;
} VtQmpEvent;

typedef struct {
    /* An asynchronous event, in order of arrival. */
    void (*event)(VtQmpClient *client, const VtQmpEvent *event, gpointer user);
    /* The connection is gone (EOF or a protocol error); every pending call has been failed before. Once. */
    void (*closed)(VtQmpClient *client, const GError *why, gpointer user);
} VtQmpClientFuncs;

/**
 * VtQmpReplyFunc - the answer to one command, exactly once
 * @user:   as given
 * @result: (nullable) (transfer none) value of "return"
 * @error:  (nullable) (transfer none) OPERATION_FAILED with QEMU's class and desc, TIMEOUT, or ABORTED when
 *          the connection closed; @result is NULL then
 */
typedef void (*VtQmpReplyFunc)(gpointer user, JsonNode *result, const GError *error);

/**
 * vt_qmp_client_new - take over a connected stream socket and negotiate
 * @fd:    connected, non-blocking or not; owned from here on
 * @funcs: copied
 * @user:  for @funcs
 * @timeout_ms: for greeting and negotiation together
 * @ready: told when qmp_capabilities was answered, or why not (TIMEOUT: no greeting in @timeout_ms)
 * @ready_user: for @ready
 *
 * Return: (transfer full) the client; vt_qmp_client_free() from any callback is allowed.
 */
VtQmpClient *vt_qmp_client_new(int fd, const VtQmpClientFuncs *funcs, gpointer user, guint timeout_ms,
                               VtDoneFunc ready, gpointer ready_user);

/** Close and free; pending calls are told ABORTED; no callback comes afterwards. Accepts NULL. */
void vt_qmp_client_free(VtQmpClient *client);

/**
 * vt_qmp_client_call - send one command
 * @client:     ready or not yet (then it waits for readiness)
 * @command:    QAPI name
 * @args:       (nullable) (transfer full) an object
 * @timeout_ms: 0: no limit
 * @reply:      (nullable) told the answer
 * @user:       for @reply
 */
void vt_qmp_client_call(VtQmpClient *client, const char *command, JsonNode *args, guint timeout_ms,
                        VtQmpReplyFunc reply, gpointer user);

/**
 * vt_qmp_client_pass_fd - give QEMU a descriptor under a name ("getfd")
 * @client:     ready
 * @name:       does not begin with a digit
 * @fd:         (transfer none) duplicated
 * @timeout_ms: 0: no limit
 * @reply:      told the answer, or before this returns that it cannot be sent
 * @user:       for @reply
 *
 * One at a time: QEMU drops a descriptor that was not named yet when the next one comes.
 * Source: QAPI getfd; unix(7), SCM_RIGHTS.
 */
void vt_qmp_client_pass_fd(VtQmpClient *client, const char *name, int fd, guint timeout_ms,
                           VtQmpReplyFunc reply, gpointer user);

/** As above with a whole command as text ({"execute": ...}), for qemu-monitor-command. FALSE: not JSON. */
gboolean vt_qmp_client_call_raw(VtQmpClient *client, const char *json, guint timeout_ms, VtQmpReplyFunc reply,
                                gpointer user, GError **error);

/** vt_qmp_client_call() with arguments as a list without JSON: name, type, value, ..., NULL.
 *  Types are strings: "s" string, "b" gboolean, "i" gint64, "d" double, "n" JsonNode * (transfer full). */
void vt_qmp_client_callv(VtQmpClient *client, const char *command, guint timeout_ms, VtQmpReplyFunc reply,
                         gpointer user, ...) G_GNUC_NULL_TERMINATED;

/** While a VtQmpReplyFunc runs: the whole answer as QEMU sent it, for qemu-monitor-command; NULL otherwise. */
const char *vt_qmp_client_reply_text(const VtQmpClient *client);
