/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/error.h"

#include <stdarg.h>

G_DEFINE_QUARK(virtteam - error, vt_error)

static const char *const error_names[] = {
    [VT_ERROR_INTERNAL] = "internal",
    [VT_ERROR_INVALID_ARG] = "invalid-arg",
    [VT_ERROR_XML] = "xml",
    [VT_ERROR_XML_DETAIL] = "xml-detail",
    [VT_ERROR_CONFIG_UNSUPPORTED] = "config-unsupported",
    [VT_ERROR_NO_SUPPORT] = "no-support",
    [VT_ERROR_UNSUPPORTED] = "unsupported",
    [VT_ERROR_NO_DOMAIN] = "no-domain",
    [VT_ERROR_DOMAIN_EXISTS] = "domain-exists",
    [VT_ERROR_OPERATION_INVALID] = "operation-invalid",
    [VT_ERROR_OPERATION_FAILED] = "operation-failed",
    [VT_ERROR_BUSY] = "busy",
    [VT_ERROR_TIMEOUT] = "timeout",
    [VT_ERROR_ABORTED] = "aborted",
    [VT_ERROR_DENIED] = "denied",
    [VT_ERROR_AUTH] = "auth",
    [VT_ERROR_RPC] = "rpc",
    [VT_ERROR_NO_METADATA] = "no-metadata",
    [VT_ERROR_NO_DEVICE] = "no-device",
    [VT_ERROR_MIGRATE_UNSAFE] = "migrate-unsafe",
    [VT_ERROR_MIGRATE_FINISH_OK] = "migrate-finish-ok",
    [VT_ERROR_AGENT] = "agent",
    [VT_ERROR_SYSTEM] = "system",
    [VT_ERROR_NO_NETWORK] = "no-network",
};
G_STATIC_ASSERT(G_N_ELEMENTS(error_names) == VT_ERROR_COUNT);

const char *
vt_error_code_name(VtErrorCode code)
{
    if ((guint)code >= VT_ERROR_COUNT)
        return "unknown";
    return error_names[code];
}

gboolean
vt_error_set(GError **error, VtErrorCode code, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, VT_ERROR, code, text);
    return FALSE;
}

gboolean
vt_error_set_errno(GError **error, int errnum, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, VT_ERROR, VT_ERROR_SYSTEM, "%s: %s", text, g_strerror(errnum));
    return FALSE;
}
