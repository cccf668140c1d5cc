/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/cmd.h"

#include <json-glib/json-glib.h>
#include <string.h>
#include "cli/client.h"
#include "rpc/proto-team.h"
#include "util/enum.h"
#include "util/i18n.h"

static gboolean
cmd_team_fetch(const char *socket, const char *domain, VtProtoItems *teams, GError **error)
{
    g_autoptr(VtClient) client = vt_client_open(socket, TRUE, error);
    VtProtoDomArg args = { .dom = { .name = NULL } };
    const VtClientCall call = {
        .program = VT_PROTO_TEAM_PROGRAM,
        .version = VT_PROTO_TEAM_VERSION,
        .procedure = VT_PROTO_TEAM_LIST,
        .args_type = &vt_proto_dom_arg,
        .args = &args,
        .ret_type = &vt_proto_team_list,
        .ret = teams,
    };
    gboolean ok =
        client && vt_client_lookup(client, domain, &args.dom, error) && vt_client_call(client, &call, error);

    vt_xdr_type_clear(&vt_proto_dom, &args.dom);
    return ok;
}

/* ---- for people ---- */

static void
cmd_team_line(const char *label, const char *value)
{
    if (value && *value)
        g_print("  %-14s %s\n", label, value);
}

static void
cmd_team_kept(const VtProtoTeam *team)
{
    g_autofree char *text = NULL;

    if (!team->kept || !*team->kept)
        return;
    text = g_strdup_printf(_("%s, since %s%s%s"), team->kept, team->kept_since ? team->kept_since : "?",
                           team->kept_why ? ": " : "", team->kept_why ? team->kept_why : "");
    cmd_team_line(_("kept by"), text);
}

static void
cmd_team_show(const VtProtoTeam *team)
{
    g_autofree char *standby = g_strdup_printf("%s (%s)", team->name, team->standby_host);
    g_autofree char *primary =
        team->transient ? g_strdup_printf("%s (%s), %s", team->transient,
                                          team->primary_host ? team->primary_host : "", team->primary)
                        : g_strdup(_("none at present"));
    g_autofree char *host =
        g_strdup_printf(_("back end %s, state %s, feed %s"), team->backend, team->state, team->feed);

    g_print(_("Team %s, MAC %s\n"), team->name, team->mac);
    cmd_team_line(_("active leg"), team->active);
    cmd_team_line(_("standby"), standby);
    cmd_team_line(_("primary"), primary);
    cmd_team_line(_("negotiated"), team->standby);
    cmd_team_line(_("orchestration"), team->orchestration);
    cmd_team_line(_("host"), host);
    cmd_team_kept(team);
    cmd_team_line(_("watched"), team->watch);
    cmd_team_line(_("host settings"), team->settings);
    cmd_team_line(strcmp(team->backend, "none") == 0 ? _("no back end") : _("because"), team->why);
    cmd_team_line(_("last error"), team->error);
}

/* ---- for programs ---- */

/* Each field of the wire's table under its own name; what is absent is null. */
static void
cmd_team_to_json(JsonBuilder *builder, const VtProtoTeam *team)
{
    json_builder_begin_object(builder);
    for (gsize i = 0; i < vt_proto_team.n_fields; i++) {
        const VtXdrField *field = &vt_proto_team.fields[i];
        const char *value = *(char *const *)((const char *)team + field->offset);

        json_builder_set_member_name(builder, field->name);
        if (value)
            json_builder_add_string_value(builder, value);
        else
            json_builder_add_null_value(builder);
    }
    json_builder_end_object(builder);
}

static void
cmd_team_print_json(const VtProtoItems *teams)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(JsonGenerator) generator = json_generator_new();
    g_autoptr(JsonNode) root = NULL;
    g_autofree char *text = NULL;

    json_builder_begin_array(builder);
    for (guint i = 0; i < teams->items.n; i++)
        cmd_team_to_json(builder, (const VtProtoTeam *)teams->items.items + i);
    json_builder_end_array(builder);
    root = json_builder_get_root(builder);
    json_generator_set_root(generator, root);
    json_generator_set_pretty(generator, TRUE);
    text = json_generator_to_data(generator, NULL);
    g_print("%s\n", text);
}

static void
cmd_team_print(const char *domain, const VtProtoItems *teams)
{
    if (teams->items.n == 0)
        g_print(_("Domain '%s' has no teams.\n"), domain);
    for (guint i = 0; i < teams->items.n; i++) {
        if (i > 0)
            g_print("\n");
        cmd_team_show((const VtProtoTeam *)teams->items.items + i);
    }
}

/* ---- the switch ---- */

/* 0 and 1 are VtTeamSwitchTo. */
static const char *const cmd_team_goals[] = { "standby", "primary" };

static gboolean
cmd_team_switch(const char *socket, char *const *words, char *team, guint timeout_s, GError **error)
{
    g_autoptr(VtClient) client = NULL;
    VtProtoTeamSwitchArgs args = { .team = team, .timeout_s = timeout_s };
    VtProtoText said = { .text = NULL };
    const VtClientCall call = {
        .program = VT_PROTO_TEAM_PROGRAM,
        .version = VT_PROTO_TEAM_VERSION,
        .procedure = VT_PROTO_TEAM_SWITCH,
        .args_type = &vt_proto_team_switch_args,
        .args = &args,
        .ret_type = &vt_proto_text,
        .ret = &said,
        /* The daemon has limits of its own for all it does; this one is for a daemon that hangs. */
        .timeout_s = 900 + timeout_s,
    };
    gboolean ok;

    args.to = (guint32)vt_enum_value(cmd_team_goals, G_N_ELEMENTS(cmd_team_goals), words[1]);
    client = vt_client_open(socket, FALSE, error);
    ok = client && vt_client_lookup(client, words[0], &args.dom, error) &&
         vt_client_call(client, &call, error);
    if (ok)
        g_print("%s\n", said.text ? said.text : "");
    vt_xdr_type_clear(&vt_proto_text, &said);
    vt_xdr_type_clear(&vt_proto_dom, &args.dom);
    return ok;
}

static gboolean
cmd_team_list(const char *socket, const char *domain, gboolean json, GError **error)
{
    VtProtoItems teams = { .items = { .n = 0 } };
    gboolean ok = cmd_team_fetch(socket, domain, &teams, error);

    if (ok && json)
        cmd_team_print_json(&teams);
    else if (ok)
        cmd_team_print(domain, &teams);
    vt_xdr_type_clear(&vt_proto_team_list, &teams);
    return ok;
}

static int
cmd_team_run(char **argv)
{
    g_autofree char *socket = NULL;
    g_autofree char *root = NULL;
    g_autofree char *team = NULL;
    gboolean json = FALSE;
    int timeout_s = 0;
    const GOptionEntry entries[] = {
        { "socket", 0, 0, G_OPTION_ARG_FILENAME, &socket, N_("the daemon's socket"), "PATH" },
        { "root", 0, 0, G_OPTION_ARG_FILENAME, &root, N_("the daemon's --root"), "DIR" },
        { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_("print JSON"), NULL },
        { "team", 0, 0, G_OPTION_ARG_STRING, &team, N_("which team, by an alias"), "ALIAS" },
        { "timeout", 0, 0, G_OPTION_ARG_INT, &timeout_s, N_("seconds that the guest may take"), "S" },
        { NULL },
    };
    g_auto(GStrv) words = vt_cmd_options_more(&vt_cmd_team, argv, entries, 1, 1);
    g_autoptr(GError) error = NULL;
    gboolean ok;

    if (!words)
        return VT_CMD_USAGE;
    if ((words[1] && vt_enum_value(cmd_team_goals, G_N_ELEMENTS(cmd_team_goals), words[1]) < 0) ||
        timeout_s < 0) {
        g_printerr(_(
            "virtteam team: a team is switched to 'standby' or to 'primary', within a number of seconds\n"));
        return VT_CMD_USAGE;
    }
    if (!socket)
        socket = vt_client_socket(root);
    if (words[1])
        ok = cmd_team_switch(socket, words, team, (guint)timeout_s, &error);
    else
        ok = cmd_team_list(socket, words[0], json, &error);
    if (!ok)
        g_printerr("virtteam team: %s\n", error->message);
    return ok ? VT_CMD_OK : VT_CMD_FAILED;
}

const VtCmd vt_cmd_team = {
    .name = "team",
    .args = "[--socket PATH | --root DIR] [--json] DOM [standby|primary [--team ALIAS] [--timeout S]]",
    .summary = N_("show the teams of a running guest, or switch one"),
    .run = cmd_team_run,
};
