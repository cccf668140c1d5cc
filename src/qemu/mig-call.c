/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/mig-call.h"

#include "util/i18n.h"

struct _VtMigCalls {
    guint refs; /* the owner's, and one a call under way */
    gboolean freed;
    guint epoch;
    VtMigQmpFunc qmp;
    gpointer user;
};

typedef struct {
    VtMigCalls *calls;
    guint epoch;
    VtQmpReplyFunc reply;
    gpointer user;
} MigCall;

static void
mig_calls_unref(VtMigCalls *calls)
{
    if (--calls->refs == 0)
        g_free(calls);
}

VtMigCalls *
vt_mig_calls_new(VtMigQmpFunc qmp, gpointer user)
{
    VtMigCalls *calls = g_new0(VtMigCalls, 1);

    calls->refs = 1;
    calls->qmp = qmp;
    calls->user = user;
    return calls;
}

void
vt_mig_calls_free(VtMigCalls *calls)
{
    if (!calls)
        return;
    calls->freed = TRUE;
    mig_calls_unref(calls);
}

void
vt_mig_calls_forget(VtMigCalls *calls)
{
    calls->epoch++;
}

static void
mig_call_replied(gpointer user, JsonNode *result, const GError *error)
{
    MigCall *call = user;
    g_autoptr(GError) lost = NULL;

    /* Of a migration, "aborted" says that somebody cancelled it; a lost monitor is a failure. */
    if (g_error_matches(error, VT_ERROR, VT_ERROR_ABORTED))
        lost = g_error_new_literal(VT_ERROR, VT_ERROR_OPERATION_FAILED, error->message);
    if (!call->calls->freed && call->epoch == call->calls->epoch && call->reply)
        call->reply(call->user, result, lost ? lost : error);
    mig_calls_unref(call->calls);
    g_free(call);
}

gboolean
vt_mig_calls_ask(VtMigCalls *calls, const char *command, JsonNode *args, guint timeout_ms,
                 VtQmpReplyFunc reply, gpointer user, GError **error)
{
    VtQmpClient *qmp = calls->qmp(calls->user);
    MigCall *call;

    if (!qmp) {
        if (args)
            json_node_unref(args);
        return vt_error_set(error, VT_ERROR_OPERATION_FAILED,
                            _("QEMU cannot be asked '%s': its monitor is not connected"), command);
    }
    call = g_new0(MigCall, 1);
    call->calls = calls;
    call->epoch = calls->epoch;
    call->reply = reply;
    call->user = user;
    calls->refs++;
    vt_qmp_client_call(qmp, command, args, timeout_ms, mig_call_replied, call);
    return TRUE;
}
