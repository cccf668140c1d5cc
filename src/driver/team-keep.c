/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/team-keep.h"

#include <string.h>
#include "util/json.h"

#define TEAM_KEEP_KEY "team-keep"
#define TEAM_KEEP_ALL (VT_TEAM_KEEP_REASONS | VT_TEAM_KEEP_ASKED | VT_TEAM_KEEP_AWAY)

typedef struct {
    char *team;
    guint bits;
    gint64 since_s; /* of the first reason */
    char *why;      /* nullable */
} KeepRow;

static void
keep_row_free(gpointer data)
{
    KeepRow *row = data;

    g_free(row->team);
    g_free(row->why);
    g_free(row);
}

static GPtrArray *
keep_rows(const VtDomain *domain)
{
    return vt_domain_data(domain, TEAM_KEEP_KEY);
}

static KeepRow *
keep_find(const VtDomain *domain, const char *team)
{
    GPtrArray *rows = keep_rows(domain);

    for (guint i = 0; rows && team && i < rows->len; i++) {
        KeepRow *row = g_ptr_array_index(rows, i);

        if (g_str_equal(row->team, team))
            return row;
    }
    return NULL;
}

static KeepRow *
keep_row(VtDomain *domain, const char *team)
{
    KeepRow *row = keep_find(domain, team);
    GPtrArray *rows = keep_rows(domain);

    if (row)
        return row;
    if (!rows) {
        rows = g_ptr_array_new_with_free_func(keep_row_free);
        vt_domain_set_data(domain, TEAM_KEEP_KEY, rows, (GDestroyNotify)g_ptr_array_unref);
    }
    row = g_new0(KeepRow, 1);
    row->team = g_strdup(team);
    g_ptr_array_add(rows, row);
    return row;
}

guint
vt_team_keep_get(const VtDomain *domain, const char *team)
{
    const KeepRow *row = keep_find(domain, team);

    return row ? row->bits : 0;
}

gboolean
vt_team_keep_is(const VtDomain *domain, const char *team)
{
    return (vt_team_keep_get(domain, team) & VT_TEAM_KEEP_REASONS) != 0;
}

void
vt_team_keep_add(VtDomain *domain, const char *team, VtTeamKeep bit, const char *why)
{
    KeepRow *row = keep_row(domain, team);

    if ((bit & VT_TEAM_KEEP_REASONS) && !(row->bits & VT_TEAM_KEEP_REASONS))
        row->since_s = g_get_real_time() / G_USEC_PER_SEC;
    row->bits |= bit;
    if (why) {
        g_free(row->why);
        row->why = g_strdup(why);
    }
    vt_domain_status_changed(domain);
}

void
vt_team_keep_remove(VtDomain *domain, const char *team, guint bits)
{
    KeepRow *row = keep_find(domain, team);

    if (!row || !(row->bits & bits))
        return;
    row->bits &= ~bits;
    if (bits & VT_TEAM_KEEP_LOST)
        g_clear_pointer(&row->why, g_free);
    if (!row->bits)
        g_ptr_array_remove(keep_rows(domain), row);
    vt_domain_status_changed(domain);
}

gint64
vt_team_keep_since(const VtDomain *domain, const char *team)
{
    const KeepRow *row = keep_find(domain, team);

    return row && (row->bits & VT_TEAM_KEEP_REASONS) ? row->since_s : 0;
}

const char *
vt_team_keep_why(const VtDomain *domain, const char *team)
{
    const KeepRow *row = keep_find(domain, team);

    return row ? row->why : NULL;
}

char **
vt_team_keep_list(const VtDomain *domain, guint bits)
{
    GPtrArray *rows = keep_rows(domain);
    GPtrArray *found = g_ptr_array_new();

    for (guint i = 0; rows && i < rows->len; i++) {
        const KeepRow *row = g_ptr_array_index(rows, i);

        if (row->bits & bits)
            g_ptr_array_add(found, g_strdup(row->team));
    }
    if (found->len)
        g_ptr_array_add(found, NULL);
    return (char **)g_ptr_array_free(found, found->len == 0);
}

void
vt_team_keep_forget(VtDomain *domain)
{
    vt_domain_set_data(domain, TEAM_KEEP_KEY, NULL, NULL);
}

/* ---- the status file ---- */

char *
vt_team_keep_text(const VtDomain *domain)
{
    GPtrArray *rows = keep_rows(domain);
    g_autoptr(JsonObject) root = NULL;
    JsonArray *teams;

    if (!rows || !rows->len)
        return NULL;
    root = json_object_new();
    teams = json_array_new();
    for (guint i = 0; i < rows->len; i++) {
        const KeepRow *row = g_ptr_array_index(rows, i);
        JsonObject *object = json_object_new();

        json_object_set_string_member(object, "team", row->team);
        json_object_set_int_member(object, "bits", row->bits);
        json_object_set_int_member(object, "since", row->since_s);
        if (row->why)
            json_object_set_string_member(object, "why", row->why);
        json_array_add_object_element(teams, object);
    }
    json_object_set_array_member(root, "teams", teams);
    return vt_json_object_to_string(root);
}

static gboolean
keep_restore_row(VtDomain *domain, JsonNode *node)
{
    const char *team;
    gint64 bits = 0, since = 0;
    KeepRow *row;

    if (!vt_json_get_string(node, "team", &team, NULL) || !vt_json_get_int(node, "bits", &bits, NULL) ||
        !vt_json_get_int(node, "since", &since, NULL) || !*team || bits <= 0 || (bits & ~TEAM_KEEP_ALL) != 0)
        return FALSE;
    row = keep_row(domain, team);
    row->bits = (guint)bits;
    row->since_s = since;
    g_free(row->why);
    row->why = g_strdup(vt_json_string_or(node, "why", NULL));
    return TRUE;
}

gboolean
vt_team_keep_restore(VtDomain *domain, const char *text)
{
    g_autoptr(JsonNode) root = vt_json_parse(text, strlen(text), NULL);
    JsonArray *teams;
    gboolean ok = root && vt_json_get_array(root, "teams", &teams, NULL);

    vt_team_keep_forget(domain);
    for (guint i = 0; ok && i < json_array_get_length(teams); i++)
        ok = keep_restore_row(domain, json_array_get_element(teams, i));
    if (!ok)
        vt_team_keep_forget(domain);
    return ok;
}

const char *
vt_team_keep_name(guint bits)
{
    static const char *const names[] = { "", "user", "lost", "user, lost" };

    return names[bits & VT_TEAM_KEEP_REASONS];
}
