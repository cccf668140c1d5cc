/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where migration data flows: what clients write as migrate_uri, and what QEMU takes. Only sockets pass: QEMU
 * itself would also run commands ("exec:").
 */
#pragma once

#include "util/error.h"

typedef enum {
    VT_MIG_URI_TCP,
    VT_MIG_URI_UNIX,
} VtMigUriKind;

typedef struct {
    VtMigUriKind kind;
    char *host; /* TCP: name or address, IPv6 without brackets */
    guint port; /* TCP: 0 when not said */
    char *path; /* UNIX: absolute */
} VtMigUri;

/**
 * vt_mig_uri_parse - read a migration URI
 * @text:  "tcp://host[:port]", "tcp:host[:port]", "unix:///path" or "unix:/path"
 * @error: (out) INVALID_ARG naming what is wrong and what is possible
 *
 * Return: (transfer full) the parts, or NULL.
 * Source: libvirt virsh(1), migrate --migrateuri; QEMU qapi/migration.json, "migrate".
 */
VtMigUri *vt_mig_uri_parse(const char *text, GError **error);

/** As clients get it: "tcp:host:port" or "unix:///path"; (transfer full). */
char *vt_mig_uri_format(const VtMigUri *uri);

/** As QEMU takes it: "tcp:host:port" with brackets for IPv6, or "unix:/path"; (transfer full). */
char *vt_mig_uri_to_qemu(const VtMigUri *uri);

/** Free it; accepts NULL. */
void vt_mig_uri_free(VtMigUri *uri);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtMigUri, vt_mig_uri_free)
