/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/mig-uri.h"

#include <string.h>
#include <sys/un.h>

#include "util/i18n.h"

#define MIG_URI_HOST_MAX 255

void
vt_mig_uri_free(VtMigUri *uri)
{
    if (!uri)
        return;
    g_free(uri->host);
    g_free(uri->path);
    g_free(uri);
}

/* Letters, digits and what addresses consist of: nothing that QEMU's option syntax would read as more. */
static gboolean
mig_uri_host_ok(const char *host)
{
    gsize size = strlen(host);

    if (size == 0 || size > MIG_URI_HOST_MAX)
        return FALSE;
    for (const char *at = host; *at; at++)
        if (!g_ascii_isalnum(*at) && !strchr(".-_:%", *at))
            return FALSE;
    return TRUE;
}

static gboolean
mig_uri_path_ok(const char *path)
{
    struct sockaddr_un address;

    if (*path != '/' || strlen(path) >= sizeof(address.sun_path))
        return FALSE;
    for (const char *at = path; *at; at++)
        if ((guchar)*at < 0x20 || *at == ',')
            return FALSE;
    return TRUE;
}

/* Split "host", "host:port", "[v6]" or "[v6]:port". */
static gboolean
mig_uri_split_host(const char *text, VtMigUri *uri)
{
    const char *port = NULL;
    guint64 value = 0;

    if (*text == '[') {
        const char *end = strchr(text, ']');

        if (!end || (end[1] && end[1] != ':') || !memchr(text, ':', (gsize)(end - text)))
            return FALSE;
        uri->host = g_strndup(text + 1, (gsize)(end - text - 1));
        port = end[1] ? end + 2 : NULL;
    } else {
        const char *colon = strchr(text, ':');

        uri->host = colon ? g_strndup(text, (gsize)(colon - text)) : g_strdup(text);
        port = colon ? colon + 1 : NULL;
    }
    if (port && !g_ascii_string_to_unsigned(port, 10, 1, G_MAXUINT16, &value, NULL))
        return FALSE;
    uri->port = (guint)value;
    return mig_uri_host_ok(uri->host);
}

VtMigUri *
vt_mig_uri_parse(const char *text, GError **error)
{
    g_autoptr(VtMigUri) uri = g_new0(VtMigUri, 1);
    gboolean ok = FALSE;

    if (g_str_has_prefix(text, "tcp:")) {
        g_autofree char *rest = g_strdup(g_str_has_prefix(text, "tcp://") ? text + 6 : text + 4);

        /* A URI with an authority may end in "/". */
        if (g_str_has_prefix(text, "tcp://") && g_str_has_suffix(rest, "/"))
            rest[strlen(rest) - 1] = '\0';
        uri->kind = VT_MIG_URI_TCP;
        ok = mig_uri_split_host(rest, uri);
    } else if (g_str_has_prefix(text, "unix:")) {
        uri->kind = VT_MIG_URI_UNIX;
        uri->path = g_strdup(g_str_has_prefix(text, "unix://") ? text + 7 : text + 5);
        ok = mig_uri_path_ok(uri->path);
    }
    if (ok)
        return g_steal_pointer(&uri);
    vt_error_set(error, VT_ERROR_INVALID_ARG,
                 _("the migration URI '%.200s' is not supported: use tcp://HOST:PORT or unix:///PATH"), text);
    return NULL;
}

static char *
mig_uri_tcp(const VtMigUri *uri)
{

    gboolean v6 = strchr(uri->host, ':') != NULL;

    return g_strdup_printf("tcp:%s%s%s:%u", v6 ? "[" : "", uri->host, v6 ? "]" : "", uri->port);
}

char *
vt_mig_uri_format(const VtMigUri *uri)
{
    return uri->kind == VT_MIG_URI_TCP ? mig_uri_tcp(uri) : g_strconcat("unix://", uri->path, NULL);
}

char *
vt_mig_uri_to_qemu(const VtMigUri *uri)
{
    return uri->kind == VT_MIG_URI_TCP ? mig_uri_tcp(uri) : g_strconcat("unix:", uri->path, NULL);
}
