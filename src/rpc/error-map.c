/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/error-map.h"

/* virErrorLevel: error. */
#define ERROR_MAP_LEVEL 2

static const struct {
    VtErrorMapCode code;
    VtErrorMapDomain domain;
    const char *prefix; /* what libvirt puts before the detail */
} error_map_rows[] = {
    [VT_ERROR_INTERNAL] = { VT_ERROR_MAP_INTERNAL_ERROR, VT_ERROR_MAP_FROM_QEMU, "internal error: " },
    [VT_ERROR_INVALID_ARG] = { VT_ERROR_MAP_INVALID_ARG, VT_ERROR_MAP_FROM_QEMU, "invalid argument: " },
    [VT_ERROR_XML] = { VT_ERROR_MAP_XML_DETAIL, VT_ERROR_MAP_FROM_DOMAIN, "" },
    [VT_ERROR_XML_DETAIL] = { VT_ERROR_MAP_XML_ERROR, VT_ERROR_MAP_FROM_DOMAIN, "XML error: " },
    [VT_ERROR_CONFIG_UNSUPPORTED] = { VT_ERROR_MAP_CONFIG_UNSUPPORTED, VT_ERROR_MAP_FROM_QEMU,
                                      "unsupported configuration: " },
    [VT_ERROR_NO_SUPPORT] = { VT_ERROR_MAP_NO_SUPPORT, VT_ERROR_MAP_FROM_QEMU,
                              "this function is not supported by the connection driver: " },
    [VT_ERROR_UNSUPPORTED] = { VT_ERROR_MAP_OPERATION_UNSUPPORTED, VT_ERROR_MAP_FROM_QEMU,
                               "Operation not supported: " },
    [VT_ERROR_NO_DOMAIN] = { VT_ERROR_MAP_NO_DOMAIN, VT_ERROR_MAP_FROM_QEMU, "Domain not found: " },
    [VT_ERROR_DOMAIN_EXISTS] = { VT_ERROR_MAP_OPERATION_FAILED, VT_ERROR_MAP_FROM_DOMAIN,
                                 "operation failed: " },
    [VT_ERROR_OPERATION_INVALID] = { VT_ERROR_MAP_OPERATION_INVALID, VT_ERROR_MAP_FROM_QEMU,
                                     "Requested operation is not valid: " },
    [VT_ERROR_OPERATION_FAILED] = { VT_ERROR_MAP_OPERATION_FAILED, VT_ERROR_MAP_FROM_QEMU,
                                    "operation failed: " },
    [VT_ERROR_BUSY] = { VT_ERROR_MAP_OPERATION_TIMEOUT, VT_ERROR_MAP_FROM_QEMU,
                        "Timed out during operation: " },
    [VT_ERROR_TIMEOUT] = { VT_ERROR_MAP_OPERATION_TIMEOUT, VT_ERROR_MAP_FROM_QEMU,
                           "Timed out during operation: " },
    [VT_ERROR_ABORTED] = { VT_ERROR_MAP_OPERATION_ABORTED, VT_ERROR_MAP_FROM_QEMU, "operation aborted: " },
    [VT_ERROR_DENIED] = { VT_ERROR_MAP_OPERATION_DENIED, VT_ERROR_MAP_FROM_NONE, "operation forbidden: " },
    [VT_ERROR_AUTH] = { VT_ERROR_MAP_AUTH_FAILED, VT_ERROR_MAP_FROM_RPC, "authentication failed: " },
    [VT_ERROR_RPC] = { VT_ERROR_MAP_RPC, VT_ERROR_MAP_FROM_RPC, "" },
    [VT_ERROR_NO_METADATA] = { VT_ERROR_MAP_NO_DOMAIN_METADATA, VT_ERROR_MAP_FROM_DOMAIN,
                               "metadata not found: " },
    [VT_ERROR_NO_DEVICE] = { VT_ERROR_MAP_DEVICE_MISSING, VT_ERROR_MAP_FROM_QEMU, "device not found: " },
    [VT_ERROR_MIGRATE_UNSAFE] = { VT_ERROR_MAP_MIGRATE_UNSAFE, VT_ERROR_MAP_FROM_QEMU, "Unsafe migration: " },
    [VT_ERROR_MIGRATE_FINISH_OK] = { VT_ERROR_MAP_MIGRATE_FINISH_OK, VT_ERROR_MAP_FROM_QEMU,
                                     "migration successfully aborted: " },
    [VT_ERROR_AGENT] = { VT_ERROR_MAP_AGENT_UNRESPONSIVE, VT_ERROR_MAP_FROM_QEMU,
                         "Guest agent is not responding: " },
    [VT_ERROR_SYSTEM] = { VT_ERROR_MAP_SYSTEM_ERROR, VT_ERROR_MAP_FROM_QEMU, "" },
    [VT_ERROR_NO_NETWORK] = { VT_ERROR_MAP_NO_NETWORK, VT_ERROR_MAP_FROM_NETWORK, "Network not found: " },
};
G_STATIC_ASSERT(G_N_ELEMENTS(error_map_rows) == VT_ERROR_COUNT);

static void
error_map_fill(gint32 code, gint32 domain, const char *prefix, const char *detail, VtProtoError *wire)
{
    *wire = (VtProtoError){
        .code = code,
        .domain = domain,
        .message = g_strconcat(prefix, detail, NULL),
        .level = ERROR_MAP_LEVEL,
        .str1 = g_strconcat(prefix, "%s", NULL),
        .str2 = g_strdup(detail),
        .int1 = -1,
        .int2 = -1,
    };
}

void
vt_error_map(const GError *error, VtProtoError *wire)
{
    guint row = VT_ERROR_INTERNAL;

    if (error->domain == VT_ERROR && error->code >= 0 && error->code < VT_ERROR_COUNT)
        row = (guint)error->code;
    error_map_fill((gint32)error_map_rows[row].code, (gint32)error_map_rows[row].domain,
                   error_map_rows[row].prefix, error->message, wire);
}

void
vt_error_map_exact(VtErrorMapCode code, VtErrorMapDomain domain, const char *text, VtProtoError *wire)
{
    error_map_fill((gint32)code, (gint32)domain, "", text, wire);
}
