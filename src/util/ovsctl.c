/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/ovsctl.h"

#include "util/command.h"
#include "util/file.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define OVSCTL_TIMEOUT_MS      8000 /* above the programs' own limit, which gives the better message */
#define OVSCTL_LIMIT           "--timeout=5"
#define OVSCTL_TAG_MAX         4094
#define OVSCTL_LINES_OF_PORT   6
#define OVSCTL_LINES_OF_BRIDGE 2
#define OVSCTL_RUNDIR          "/var/run/openvswitch"
#define OVSCTL_PID_MAX         32

/* ---- running the programs ---- */

static char *
ovsctl_words(const char *text)
{
    char *copy = g_strdup(text);

    g_strdelimit(copy, "\r\n", ' ');
    return g_strstrip(copy);
}

static gboolean
ovsctl_run(const char *const *argv, VtCommandEnd *end, GError **error)
{
    const VtCommandSpec spec = { .argv = argv, .timeout_ms = OVSCTL_TIMEOUT_MS };

    if (vt_command_wait(&spec, end, error))
        return TRUE;
    g_prefix_error(error, "Open vSwitch (package openvswitch-switch) cannot be asked: ");
    return FALSE;
}

/* Run to a good end, and give what it wrote. */
static char *
ovsctl_ask(const char *const *argv, GError **error)
{
    g_auto(VtCommandEnd) end = { 0 };
    g_autofree char *said = NULL;

    if (!ovsctl_run(argv, &end, error))
        return NULL;
    if (end.exit_status == 0)
        return g_steal_pointer(&end.out);
    said = ovsctl_words(end.err);
    vt_error_set(error, VT_ERROR_OPERATION_FAILED, "'%s' failed with status %d: %s", argv[0], end.exit_status,
                 said);
    return NULL;
}

static gboolean
ovsctl_do(const char *const *argv, GError **error)
{
    g_autofree char *out = ovsctl_ask(argv, error);

    return out != NULL;
}

/* An argument that is freed with the list. */
static void ovsctl_arg(GPtrArray *argv, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
ovsctl_arg(GPtrArray *argv, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_ptr_array_add(argv, g_strdup_vprintf(format, args));
    va_end(args);
}

char *
vt_ovsctl_run(void)
{
    const char *dir = g_getenv("OVS_RUNDIR");
    g_autofree char *path = g_build_filename(dir ? dir : OVSCTL_RUNDIR, "ovs-vswitchd.pid", NULL);
    g_autofree char *text = vt_file_read(path, OVSCTL_PID_MAX, NULL, NULL);
    gint64 pid = text ? g_ascii_strtoll(text, NULL, 10) : 0;
    struct stat file;

    if (pid <= 0 || pid > G_MAXINT || stat(path, &file) < 0 || (kill((pid_t)pid, 0) < 0 && errno == ESRCH))
        return NULL;
    return g_strdup_printf("%" G_GINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GINT64_FORMAT ".%09ld", pid,
                           (guint64)file.st_ino, (gint64)file.st_mtim.tv_sec, file.st_mtim.tv_nsec);
}

/* ---- ports ---- */

static void
ovsctl_add_vlans(GPtrArray *argv, const VtOvsctlPortSpec *spec)
{
    g_autoptr(GString) trunks = g_string_new("trunks=");

    if (spec->n_tags == 0)
        return;
    if (!spec->trunk) {
        ovsctl_arg(argv, "tag=%u", spec->tags[0]);
        return;
    }
    for (guint i = 0; i < spec->n_tags && i < VT_OVSCTL_VLANS_MAX; i++)
        g_string_append_printf(trunks, "%s%u", i ? "," : "", spec->tags[i]);
    ovsctl_arg(argv, "%s", trunks->str);
    if (spec->mode) {
        ovsctl_arg(argv, "vlan_mode=%s", spec->mode);
        ovsctl_arg(argv, "tag=%u", spec->native);
    }
}

static void
ovsctl_add_id(GPtrArray *argv, const VtOvsctlPortSpec *spec, const char *key, const char *value)
{
    if (!value)
        return;
    ovsctl_arg(argv, "--");
    ovsctl_arg(argv, "set");
    ovsctl_arg(argv, "Interface");
    ovsctl_arg(argv, "%s", spec->name);
    ovsctl_arg(argv, "external_ids:%s=\"%s\"", key, value);
}

gboolean
vt_ovsctl_port_add(const VtOvsctlPortSpec *spec, GError **error)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
    char mac[VT_MAC_STRING_SIZE];

    ovsctl_arg(argv, "ovs-vsctl");
    ovsctl_arg(argv, OVSCTL_LIMIT);
    ovsctl_arg(argv, "--");
    ovsctl_arg(argv, "--if-exists");
    ovsctl_arg(argv, "del-port");
    ovsctl_arg(argv, "%s", spec->name);
    ovsctl_arg(argv, "--");
    ovsctl_arg(argv, "add-port");
    ovsctl_arg(argv, "%s", spec->bridge);
    ovsctl_arg(argv, "%s", spec->name);
    ovsctl_add_vlans(argv, spec);
    if (spec->isolated)
        ovsctl_arg(argv, "other_config:protected=true");
    ovsctl_add_id(argv, spec, "attached-mac", vt_mac_format(&spec->mac, mac));
    ovsctl_add_id(argv, spec, "iface-id", spec->interface_id);
    ovsctl_add_id(argv, spec, "vm-id", spec->vm_id);
    ovsctl_add_id(argv, spec, "port-profile", spec->profile_id);
    ovsctl_add_id(argv, spec, "iface-status", "active");
    g_ptr_array_add(argv, NULL);
    return ovsctl_do((const char *const *)argv->pdata, error);
}

gboolean
vt_ovsctl_port_delete(const char *name, GError **error)
{
    const char *const argv[] = { "ovs-vsctl", OVSCTL_LIMIT, "--", "--if-exists", "del-port", name, NULL };

    return ovsctl_do(argv, error);
}

/* Numbers of a set as ovs-vsctl prints it: "[]", "5", "[5, 6]". */
static void
ovsctl_add_numbers(const char *set, VtOvsctlPort *port)
{
    for (const char *p = set; *p;) {
        char *end = NULL;
        gulong number;

        if (!g_ascii_isdigit(*p)) {
            p++;
            continue;
        }
        number = strtoul(p, &end, 10);
        p = end;
        for (guint i = 0; i < port->n_vlans; i++)
            if (port->vlans[i] == number)
                number = G_MAXULONG;
        if (number <= OVSCTL_TAG_MAX && port->n_vlans < VT_OVSCTL_VLANS_MAX)
            port->vlans[port->n_vlans++] = (guint16)number;
    }
}

/* Copies are made where the kernel's interface sends; other types of ports send past the kernel. */
static gboolean
ovsctl_check_type(const char *name, const char *type, GError **error)
{
    static const char *const kernels[] = { "\"\"", "system", "internal", "tap" };

    for (gsize i = 0; i < G_N_ELEMENTS(kernels); i++)
        if (strcmp(type, kernels[i]) == 0)
            return TRUE;
    return vt_error_set(
        error, VT_ERROR_UNSUPPORTED,
        "The port '%s' of Open vSwitch has the type '%s', which sends past the kernel: only interfaces "
        "of the kernel can be legs of a team.",
        name, type);
}

static gboolean
ovsctl_read_port(const char *name, const char *text, VtOvsctlPort *port, GError **error)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", OVSCTL_LINES_OF_PORT + 1);

    if (g_strv_length(lines) < OVSCTL_LINES_OF_PORT || !*lines[0] || strlen(lines[0]) >= sizeof port->bridge)
        return vt_error_set(error, VT_ERROR_OPERATION_FAILED,
                            "What 'ovs-vsctl' says about the port '%s' is not understood.", name);
    g_strlcpy(port->bridge, lines[0], sizeof port->bridge);
    g_snprintf(port->settings, sizeof port->settings, "tag=%s trunks=%s vlan_mode=%s", lines[1], lines[2],
               lines[3]);
    ovsctl_add_numbers(lines[1], port);
    ovsctl_add_numbers(lines[2], port);
    if (port->n_vlans == 0)
        port->vlans[port->n_vlans++] = 0;
    port->number = g_ascii_strtoll(lines[4], NULL, 10);
    if (!ovsctl_check_type(name, lines[5], error))
        return FALSE;
    return port->number > 0 ||
           vt_error_set(error, VT_ERROR_NO_DEVICE,
                        "Open vSwitch has no interface behind the port '%s' of bridge '%s'.", name,
                        port->bridge);
}

/* Of all ports: " 2(tap1): addr:..." and in the lines below it "config: NO_FLOOD". */
static gboolean
ovsctl_read_flood(VtOvsctlPort *port, GError **error)
{
    const char *const argv[] = { "ovs-ofctl", OVSCTL_LIMIT, "dump-ports-desc", port->bridge, NULL };
    g_autofree char *out = ovsctl_ask(argv, error);
    g_auto(GStrv) lines = out ? g_strsplit(out, "\n", -1) : NULL;
    gboolean mine = FALSE;

    for (guint i = 0; lines && lines[i]; i++) {
        gint64 number;
        char bracket;

        if (sscanf(lines[i], " %" G_GINT64_FORMAT "%c", &number, &bracket) == 2 && bracket == '(')
            mine = number == port->number;
        else if (strstr(lines[i], "LOCAL("))
            mine = FALSE;
        if (mine && strstr(lines[i], "config:"))
            port->no_flood = strstr(lines[i], "NO_FLOOD") != NULL;
    }
    return lines != NULL;
}

gboolean
vt_ovsctl_port_get(const char *name, VtOvsctlPort *port, GError **error)
{
    const char *const argv[] = { "ovs-vsctl", OVSCTL_LIMIT, "--",     "iface-to-br", name,        "--", "get",
                                 "Port",      name,         "tag",    "trunks",      "vlan_mode", "--", "get",
                                 "Interface", name,         "ofport", "type",        NULL };
    VtOvsctlPort got = { .n_vlans = 0 };
    g_autoptr(GError) inner = NULL;
    g_autofree char *out = ovsctl_ask(argv, &inner);

    if (!out) {
        if (strstr(inner->message, "no interface named") || strstr(inner->message, "no row"))
            return vt_error_set(
                error, VT_ERROR_UNSUPPORTED,
                "The interface '%s' is no port of Open vSwitch: add it with 'ovs-vsctl add-port', as an "
                "interface of the kernel (not of DPDK).",
                name);
        g_propagate_error(error, g_steal_pointer(&inner));
        return FALSE;
    }
    if (!ovsctl_read_port(name, out, &got, error) || !ovsctl_read_flood(&got, error))
        return FALSE;
    *port = got;
    return TRUE;
}

gboolean
vt_ovsctl_set_flood(const char *bridge, const char *port, gboolean flood, GError **error)
{
    const char *const argv[] = { "ovs-ofctl", OVSCTL_LIMIT, "mod-port",
                                 bridge,      port,         flood ? "flood" : "no-flood",
                                 NULL };

    return ovsctl_do(argv, error);
}

char *
vt_ovsctl_port_name(const char *bridge, gint64 number)
{
    g_autofree char *condition = g_strdup_printf("ofport=%" G_GINT64_FORMAT, number);
    const char *const argv[] = { "ovs-vsctl", OVSCTL_LIMIT, "--bare",  "--columns=name",
                                 "find",      "Interface",  condition, NULL };
    g_autofree char *out = ovsctl_ask(argv, NULL);
    g_auto(GStrv) names = g_strsplit(out ? out : "", "\n", -1);

    /* Numbers are a bridge's own: of those that fit, the one that is on this bridge. */
    for (guint i = 0; names[i]; i++) {
        const char *const where[] = { "ovs-vsctl", OVSCTL_LIMIT, "iface-to-br", names[i], NULL };
        g_autofree char *found = *names[i] ? ovsctl_ask(where, NULL) : NULL;

        if (found && strcmp(g_strchomp(found), bridge) == 0)
            return g_strdup(names[i]);
    }
    return NULL;
}

/* ---- bridges ---- */

static gboolean
ovsctl_check_control(const char *bridge, GError **error)
{
    const char *const argv[] = { "ovs-vsctl", OVSCTL_LIMIT, "get",       "Bridge",
                                 bridge,      "controller", "fail_mode", NULL };
    g_autofree char *out = ovsctl_ask(argv, error);
    g_auto(GStrv) lines = out ? g_strsplit(out, "\n", -1) : NULL;

    if (!lines)
        return FALSE;
    if (g_strv_length(lines) < OVSCTL_LINES_OF_BRIDGE)
        return vt_error_set(error, VT_ERROR_OPERATION_FAILED,
                            "What 'ovs-vsctl' says about the bridge '%s' is not understood.", bridge);
    if (strcmp(lines[0], "[]") != 0)
        return vt_error_set(
            error, VT_ERROR_UNSUPPORTED,
            "The bridge '%s' of Open vSwitch belongs to a controller, which decides where frames "
            "go: it has to do the handover, too.",
            bridge);
    if (strstr(lines[1], "secure"))
        return vt_error_set(
            error, VT_ERROR_UNSUPPORTED,
            "The bridge '%s' of Open vSwitch has fail_mode=secure: its flows decide where frames "
            "go, not its MAC table.",
            bridge);
    return TRUE;
}

static gboolean
ovsctl_check_flows(const char *bridge, const VtMac *mac, GError **error)
{
    const char *const argv[] = { "ovs-ofctl", OVSCTL_LIMIT, "dump-flows", bridge, NULL };
    g_autofree char *out = ovsctl_ask(argv, error);
    g_auto(GStrv) lines = out ? g_strsplit(out, "\n", -1) : NULL;
    char text[VT_MAC_STRING_SIZE];
    g_autofree char *match = g_strconcat("dl_dst=", vt_mac_format(mac, text), NULL);
    gboolean normal = FALSE;

    for (guint i = 0; lines && lines[i]; i++) {
        const char *actions = strstr(lines[i], "actions=");

        if (actions && strstr(lines[i], match))
            return vt_error_set(
                error, VT_ERROR_UNSUPPORTED,
                "The bridge '%s' of Open vSwitch has a flow for the guest's address, which goes "
                "before its MAC table: %s",
                bridge, g_strstrip(lines[i]));
        normal |= actions && strstr(actions, "NORMAL") != NULL;
    }
    if (lines && !normal)
        return vt_error_set(
            error, VT_ERROR_UNSUPPORTED,
            "The bridge '%s' of Open vSwitch has no flow with the action NORMAL: its MAC table is "
            "not used.",
            bridge);
    return lines != NULL;
}

gboolean
vt_ovsctl_bridge_check(const char *bridge, const VtMac *mac, GError **error)
{
    const char *const argv[] = { "ovs-appctl", OVSCTL_LIMIT, "list-commands", NULL };
    g_autofree char *commands = NULL;

    if (!ovsctl_check_control(bridge, error) || !ovsctl_check_flows(bridge, mac, error))
        return FALSE;
    commands = ovsctl_ask(argv, error);
    if (!commands)
        return FALSE;
    return strstr(commands, "fdb/add") ||
           vt_error_set(error, VT_ERROR_UNSUPPORTED,
                        "This Open vSwitch has no static entries in its MAC tables: version 2.17 is needed.");
}

gboolean
vt_ovsctl_pin(const char *bridge, const char *port, guint16 vlan, const VtMac *mac, GError **error)
{
    g_autofree char *number = g_strdup_printf("%u", vlan);
    char text[VT_MAC_STRING_SIZE];
    const char *const argv[] = {
        "ovs-appctl", OVSCTL_LIMIT, "fdb/add", bridge, port, number, vt_mac_format(mac, text), NULL
    };

    return ovsctl_do(argv, error);
}

void
vt_ovsctl_wait_flows(void)
{
    const char *const argv[] = { "ovs-appctl", OVSCTL_LIMIT, "revalidator/wait", NULL };

    /* The round that is under way may have begun before the change. */
    if (ovsctl_do(argv, NULL))
        ovsctl_do(argv, NULL);
}

GArray *
vt_ovsctl_pins(const char *bridge, const VtMac *mac, GError **error)
{
    const char *const argv[] = { "ovs-appctl", OVSCTL_LIMIT, "fdb/show", bridge, NULL };
    g_autofree char *out = ovsctl_ask(argv, error);
    g_auto(GStrv) lines = out ? g_strsplit(out, "\n", -1) : NULL;
    GArray *pins = lines ? g_array_new(FALSE, FALSE, sizeof(VtOvsctlPin)) : NULL;

    for (guint i = 0; lines && lines[i]; i++) {
        char address[VT_MAC_STRING_SIZE], age[16];
        unsigned int number, vlan;
        VtMac found;

        if (sscanf(lines[i], "%u %u %17s %15s", &number, &vlan, address, age) == 4 &&
            strcmp(age, "static") == 0 && vt_mac_parse(address, &found) && vt_mac_equal(&found, mac)) {
            VtOvsctlPin pin = { .number = number, .vlan = (guint16)vlan };

            g_array_append_val(pins, pin);
        }
    }
    return pins;
}

gboolean
vt_ovsctl_unpin(const char *bridge, guint16 vlan, const VtMac *mac, GError **error)
{
    g_autoptr(GArray) pins = vt_ovsctl_pins(bridge, mac, error);
    g_autofree char *number = g_strdup_printf("%u", vlan);
    char text[VT_MAC_STRING_SIZE];
    const char *const argv[] = { "ovs-appctl", OVSCTL_LIMIT, "fdb/del",
                                 bridge,       number,       vt_mac_format(mac, text),
                                 NULL };

    if (!pins)
        return FALSE;
    for (guint i = 0; i < pins->len; i++)
        if (g_array_index(pins, VtOvsctlPin, i).vlan == vlan)
            return ovsctl_do(argv, error);
    return TRUE;
}
