/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/mig-cookie.h"

#include <string.h>

#include "util/i18n.h"
#include "util/xml-writer.h"
#include "util/xml.h"

#define MIG_COOKIE_ROOT    "virtteam-migration"
#define MIG_COOKIE_VERSION 1

static void
mig_cookie_team_free(VtMigCookieTeam *team)
{
    g_free(team->persistent);
    g_free(team->transient);
    g_free(team);
}

VtMigCookie *
vt_mig_cookie_new(void)
{
    VtMigCookie *cookie = g_new0(VtMigCookie, 1);

    cookie->teams = g_ptr_array_new_with_free_func((GDestroyNotify)mig_cookie_team_free);
    return cookie;
}

void
vt_mig_cookie_free(VtMigCookie *cookie)
{
    if (!cookie)
        return;
    g_free(cookie->name);
    g_free(cookie->hostname);
    g_free(cookie->machine);
    g_free(cookie->timeline);
    g_ptr_array_unref(cookie->teams);
    g_free(cookie);
}

void
vt_mig_cookie_add_team(VtMigCookie *cookie, const char *persistent, const char *transient, const VtMac *mac)
{
    VtMigCookieTeam *team = g_new0(VtMigCookieTeam, 1);

    team->persistent = g_strdup(persistent);
    team->transient = g_strdup(transient);
    team->mac = *mac;
    g_ptr_array_add(cookie->teams, team);
}

void
vt_mig_cookie_set_kept(VtMigCookie *cookie, const char *persistent)
{
    for (guint i = 0; i < cookie->teams->len; i++) {
        VtMigCookieTeam *team = g_ptr_array_index(cookie->teams, i);

        if (g_strcmp0(team->persistent, persistent) == 0)
            team->kept = TRUE;
    }
}

GBytes *
vt_mig_cookie_format(const VtMigCookie *cookie)
{
    VtXmlWriter *writer = vt_xml_writer_new();
    char uuid[VT_UUID_STRING_SIZE], mac[VT_MAC_STRING_SIZE];
    char *text;

    vt_xml_writer_start(writer, MIG_COOKIE_ROOT);
    vt_xml_writer_attr_uint(writer, "version", MIG_COOKIE_VERSION);
    vt_xml_writer_text(writer, "id", vt_uuid_format(&cookie->id, uuid));
    vt_xml_writer_text(writer, "name", cookie->name);
    vt_xml_writer_text(writer, "uuid", vt_uuid_format(&cookie->uuid, uuid));
    vt_xml_writer_empty(writer, "host", "uuid", vt_uuid_format(&cookie->host_uuid, uuid), "name",
                        cookie->hostname, NULL);
    vt_xml_writer_text(writer, "machine", cookie->machine);
    if (cookie->version) {
        vt_xml_writer_start(writer, "emulator");
        vt_xml_writer_attr_uint(writer, "version", cookie->version);
        vt_xml_writer_end(writer);
    }
    for (guint i = 0; i < cookie->teams->len; i++) {
        const VtMigCookieTeam *team = g_ptr_array_index(cookie->teams, i);

        vt_xml_writer_empty(writer, "team", "persistent", team->persistent, "transient", team->transient,
                            "mac", vt_mac_format(&team->mac, mac), "kept", team->kept ? "user" : NULL, NULL);
    }
    vt_xml_writer_text(writer, "timeline", cookie->timeline);
    vt_xml_writer_end(writer);
    text = vt_xml_writer_finish(writer);
    return g_bytes_new_take(text, strlen(text) + 1);
}

/* ---- reading ---- */

static gboolean
mig_cookie_damaged(GError **error, const char *what)
{
    return vt_error_set(error, VT_ERROR_OPERATION_FAILED,
                        _("the migration cookie of the other host is damaged: %s"), what);
}

static gboolean
mig_cookie_read_uuid(const xmlNode *root, const char *name, VtUuid *uuid, GError **error)
{
    g_autofree char *text = vt_xml_child_text(root, name);

    return (text && vt_uuid_parse(text, uuid)) || mig_cookie_damaged(error, name);
}

static gboolean
mig_cookie_read_host(const xmlNode *root, VtMigCookie *cookie, GError **error)
{
    xmlNode *host = vt_xml_child(root, "host");
    g_autofree char *uuid = host ? vt_xml_attr(host, "uuid") : NULL;

    if (!uuid || !vt_uuid_parse(uuid, &cookie->host_uuid))
        return mig_cookie_damaged(error, "host");
    cookie->hostname = vt_xml_attr(host, "name");
    return cookie->hostname || mig_cookie_damaged(error, "host");
}

static gboolean
mig_cookie_read_teams(const xmlNode *root, VtMigCookie *cookie, GError **error)
{
    VT_XML_FOREACH(node, root, "team")
    {
        g_autofree char *persistent = vt_xml_attr(node, "persistent");
        g_autofree char *transient = vt_xml_attr(node, "transient");
        g_autofree char *mac_text = vt_xml_attr(node, "mac");
        g_autofree char *kept = vt_xml_attr(node, "kept");
        VtMac mac;

        if (!persistent || !transient || !mac_text || !vt_mac_parse(mac_text, &mac) ||
            cookie->teams->len >= VT_MIG_COOKIE_TEAMS_MAX)
            return mig_cookie_damaged(error, "team");
        vt_mig_cookie_add_team(cookie, persistent, transient, &mac);
        if (kept)
            vt_mig_cookie_set_kept(cookie, persistent);
    }
    return TRUE;
}

static gboolean
mig_cookie_read(const xmlNode *root, VtMigCookie *cookie, GError **error)
{
    xmlNode *emulator = vt_xml_child(root, "emulator");
    g_autoptr(GPtrArray) problems = vt_xml_problems_new();

    if (!mig_cookie_read_uuid(root, "id", &cookie->id, error) ||
        !mig_cookie_read_uuid(root, "uuid", &cookie->uuid, error) ||
        !mig_cookie_read_host(root, cookie, error) || !mig_cookie_read_teams(root, cookie, error))
        return FALSE;
    cookie->name = vt_xml_child_text(root, "name");
    cookie->machine = vt_xml_child_text(root, "machine");
    cookie->timeline = vt_xml_child_text(root, "timeline");
    if (emulator && !vt_xml_attr_uint(problems, emulator, "version", 0, G_MAXINT32, &cookie->version))
        return mig_cookie_damaged(error, "emulator");
    return (cookie->name && *cookie->name) || mig_cookie_damaged(error, "name");
}

VtMigCookie *
vt_mig_cookie_parse(GBytes *bytes, GError **error)
{
    gsize size = 0;
    const char *data = g_bytes_get_data(bytes, &size);
    g_autofree char *text = NULL;
    g_autoptr(VtXmlDoc) doc = NULL;
    g_autoptr(VtMigCookie) cookie = vt_mig_cookie_new();
    g_autoptr(GPtrArray) problems = vt_xml_problems_new();
    xmlNode *root;
    guint version = 0;

    if (size == 0 || size > VT_MIG_COOKIE_MAX_BYTES) {
        vt_error_set(error, VT_ERROR_OPERATION_FAILED,
                     _("the other host sent a migration cookie of %" G_GSIZE_FORMAT
                       " bytes; both hosts must run virtteamd"),
                     size);
        return NULL;
    }
    text = g_strndup(data, size);
    doc = vt_xml_parse(text, NULL);
    root = doc ? xmlDocGetRootElement(doc) : NULL;
    if (!root || !vt_xml_is(root, MIG_COOKIE_ROOT)) {
        vt_error_set(error, VT_ERROR_OPERATION_FAILED,
                     _("the migration cookie is not virtteam's; both hosts must run virtteamd"));
        return NULL;
    }
    if (!vt_xml_attr_uint(problems, root, "version", 1, MIG_COOKIE_VERSION, &version) || version == 0) {
        vt_error_set(error, VT_ERROR_OPERATION_FAILED,
                     _("the migration cookie has a version that this virtteamd does not know; update it"));
        return NULL;
    }
    return mig_cookie_read(root, cookie, error) ? g_steal_pointer(&cookie) : NULL;
}
