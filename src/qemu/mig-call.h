/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QMP calls of the steps of a sequence. A step that has timed out or was cancelled must not hear the answer to
 * what it asked, and a migration that is gone must hear nothing at all; QMP calls cannot be taken back, so
 * the answers are dropped here.
 */
#pragma once

#include "qemu/qmp-client.h"

typedef struct _VtMigCalls VtMigCalls;

/** Gives the present monitor connection; NULL while there is none. */
typedef VtQmpClient *(*VtMigQmpFunc)(gpointer user);

/**
 * vt_mig_calls_new - calls for one migration
 * @qmp:  asked before each call, since the connection may be another by then
 * @user: for @qmp
 *
 * Return: (transfer full).
 */
VtMigCalls *vt_mig_calls_new(VtMigQmpFunc qmp, gpointer user);

/** Answers still on their way are dropped. Accepts NULL. */
void vt_mig_calls_free(VtMigCalls *calls);

/** Another step begins: answers to what was asked so far are dropped. */
void vt_mig_calls_forget(VtMigCalls *calls);

/**
 * vt_mig_calls_ask - as vt_qmp_client_call()
 * @calls:      the calls
 * @command:    QAPI name
 * @args:       (nullable) (transfer full) an object
 * @timeout_ms: 0: no limit
 * @reply:      (nullable) told the answer unless it is dropped; a lost monitor is OPERATION_FAILED, not ABORTED
 * @user:       for @reply
 * @error:      (out) OPERATION_FAILED: the monitor is not connected; @reply will not be told
 */
gboolean vt_mig_calls_ask(VtMigCalls *calls, const char *command, JsonNode *args, guint timeout_ms,
                          VtQmpReplyFunc reply, gpointer user, GError **error);
