/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Teams at run time: events and answers as QEMU 7.2 gave them, and the states that follow from them.
 */
#include "qemu/teaming.h"

#include <string.h>
#include <sys/socket.h>
#include "conf/domain-xml.h"
#include "qemu/prepare.h"

#define PERSISTENT(alias, mac)                                                                               \
    "<interface type='user'><mac address='52:54:00:00:00:" mac "'/><model type='virtio'/>"                   \
    "<teaming type='persistent'/><alias name='" alias "'/></interface>"
#define TRANSIENT(of, mac, alias)                                                                            \
    "<interface type='user'><mac address='52:54:00:00:00:" mac "'/><model type='vmxnet3'/>"                  \
    "<teaming type='transient' persistent='" of "'/>" alias "</interface>"
#define TEAM_ONE PERSISTENT("ua-net", "11") TRANSIENT("ua-net", "11", "")
#define TEAM_TWO PERSISTENT("ua-two", "22") TRANSIENT("ua-two", "22", "<alias name='ua-second'/>")

static VtDomainDef *
def_with(const char *policy, const char *devices)
{
    g_autofree char *xml = g_strdup_printf(
        "<domain type='qemu'><name>g</name><uuid>c7a5fdbd-cdaf-9455-926a-000000000001</uuid><metadata>"
        "<virtteam:teaming xmlns:virtteam='urn:virtteam:domain:1'>%s</virtteam:teaming></metadata>"
        "<memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os>"
        "<devices>%s</devices></domain>",
        policy, devices);
    g_autoptr(GError) error = NULL;
    VtDomainDef *def = vt_domain_xml_parse(xml, &error);

    g_assert_no_error(error);
    vt_alias_assign(def);
    return def;
}

#define POLICY_ONE  "<virtteam:team persistent='ua-net' emulated='yes'/>"
#define POLICY_TWO  "<virtteam:team persistent='ua-two' emulated='yes'/>"
#define POLICY_OURS "<virtteam:team persistent='ua-net' emulated='yes' orchestration='management'/>"

static void
note_change(VtQemuTeaming *teaming, const VtQemuTeam *team, VtQemuStandby was_standby,
            VtQemuPrimary was_primary, gpointer user)
{
    g_assert_true(was_standby != team->standby || was_primary != team->primary);
    g_string_append_printf(user, "%s %s-%s ", team->persistent, vt_qemu_standby_name(team->standby),
                           vt_qemu_primary_name(team->primary));
}

static gboolean
feed(VtQemuTeaming *teaming, const char *name, const char *data)
{
    g_autoptr(JsonNode) node = data ? json_from_string(data, NULL) : NULL;
    VtQmpEvent event = { .name = (char *)name, .data = node ? json_node_get_object(node) : NULL };

    return vt_qemu_teaming_event(teaming, &event);
}

#define NEGOTIATED    "FAILOVER_NEGOTIATED", "{\"device-id\": \"ua-net\"}"
#define UNPLUG        "UNPLUG_PRIMARY", "{\"device-id\": \"net0\"}"
#define DELETED       "DEVICE_DELETED", "{\"device\": \"net0\", \"path\": \"/machine/peripheral/net0\"}"
#define MIGRATION(to) "MIGRATION", "{\"status\": \"" to "\"}"

/* A life: events in order, and the states after each. */
static const struct {
    const char *event, *data;
    gboolean look;
    const char *state;
} life_by_qemu[] = {
    { "RESUME", NULL, FALSE, "ua-net:unknown:hidden" },
    { NEGOTIATED, TRUE, "ua-net:yes:plugging" },
    { NEGOTIATED, FALSE, "ua-net:yes:plugging" },
    { "FAILOVER_NEGOTIATED", "{\"device-id\": \"stranger\"}", FALSE, "ua-net:yes:plugging" },
    { "FAILOVER_NEGOTIATED", "{}", FALSE, "ua-net:yes:plugging" },
    /* cancelled before the guest ejected */
    { MIGRATION("setup"), FALSE, "ua-net:yes:plugging" },
    { UNPLUG, FALSE, "ua-net:yes:unplugging" },
    { MIGRATION("wait-unplug"), FALSE, "ua-net:yes:unplugging" },
    { MIGRATION("cancelling"), FALSE, "ua-net:yes:unplugging" },
    { MIGRATION("cancelled"), TRUE, "ua-net:yes:plugging" },
    /* failed after it */
    { UNPLUG, FALSE, "ua-net:yes:unplugging" },
    { MIGRATION("active"), FALSE, "ua-net:yes:unplugged" },
    { MIGRATION("failed"), TRUE, "ua-net:yes:plugging" },
    /* the guest reboots in the middle */
    { UNPLUG, FALSE, "ua-net:yes:unplugging" },
    { "RESET", "{\"guest\": true, \"reason\": \"guest-reset\"}", FALSE, "ua-net:unknown:unplugging" },
    { MIGRATION("active"), FALSE, "ua-net:unknown:unplugged" },
    { NEGOTIATED, TRUE, "ua-net:yes:plugging" },
    /* completed */
    { UNPLUG, FALSE, "ua-net:yes:unplugging" },
    { MIGRATION("device"), FALSE, "ua-net:yes:unplugged" },
    { MIGRATION("completed"), FALSE, "ua-net:yes:unplugged" },
    /* what cannot be is not believed */
    { UNPLUG, FALSE, "ua-net:yes:unplugged" },
    { "UNPLUG_PRIMARY", "{\"device-id\": 5}", FALSE, "ua-net:yes:unplugged" },
};

static void
test_events_by_qemu(void)
{
    g_autoptr(VtDomainDef) def = def_with(POLICY_ONE, TEAM_ONE);
    g_autoptr(GString) told = g_string_new(NULL);
    g_autoptr(VtQemuTeaming) teaming = vt_qemu_teaming_new(def, note_change, told);
    gsize i;

    g_assert_cmpuint(vt_qemu_teaming_count(teaming), ==, 1);
    g_assert_true(vt_qemu_teaming_get(teaming, 0)->by_qemu);
    for (i = 0; i < G_N_ELEMENTS(life_by_qemu); i++) {
        g_autofree char *state = NULL;

        g_test_message("%zu: %s %s", i, life_by_qemu[i].event,
                       life_by_qemu[i].data ? life_by_qemu[i].data : "");
        g_assert_cmpint(feed(teaming, life_by_qemu[i].event, life_by_qemu[i].data), ==, life_by_qemu[i].look);
        state = vt_qemu_teaming_to_text(teaming);
        g_assert_cmpstr(state, ==, life_by_qemu[i].state);
    }
    g_assert_true(
        g_str_has_prefix(told->str, "ua-net yes-hidden ua-net yes-plugging ua-net yes-unplugging "));
}

/* We conduct: QEMU says only that the device is gone. */
static void
test_events_by_management(void)
{
    g_autoptr(VtDomainDef) def = def_with(POLICY_OURS, TEAM_ONE);
    g_autoptr(VtQemuTeaming) teaming = vt_qemu_teaming_new(def, NULL, NULL);
    const VtQemuTeam *team = vt_qemu_teaming_get(teaming, 0);
    g_autoptr(GError) error = NULL;

    g_assert_false(team->by_qemu);
    g_assert_cmpint(team->primary, ==, VT_QEMU_PRIMARY_PLUGGING);
    g_assert_false(feed(teaming, NEGOTIATED));
    g_assert_cmpint(team->primary, ==, VT_QEMU_PRIMARY_PLUGGING);
    g_assert_cmpint(team->standby, ==, VT_QEMU_STANDBY_YES);
    g_assert_true(vt_qemu_teaming_set_primary(teaming, "ua-net", VT_QEMU_PRIMARY_PLUGGED, &error));
    g_assert_true(vt_qemu_teaming_set_primary(teaming, "ua-net", VT_QEMU_PRIMARY_UNPLUGGING, &error));
    g_assert_no_error(error);
    feed(teaming, MIGRATION("active"));
    g_assert_cmpint(team->primary, ==, VT_QEMU_PRIMARY_UNPLUGGING);
    feed(teaming, DELETED);
    g_assert_cmpint(team->primary, ==, VT_QEMU_PRIMARY_UNPLUGGED);
    g_assert_false(feed(teaming, MIGRATION("failed")));
    g_assert_cmpint(team->primary, ==, VT_QEMU_PRIMARY_UNPLUGGED);
    g_assert_false(vt_qemu_teaming_set_primary(teaming, "ua-net", VT_QEMU_PRIMARY_UNPLUGGING, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_INTERNAL);
    g_clear_error(&error);
    g_assert_false(vt_qemu_teaming_set_primary(teaming, "ua-none", VT_QEMU_PRIMARY_PLUGGED, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_INTERNAL);
}

static void
test_transitions(void)
{
    static const struct {
        VtQemuPrimary from, to;
    } illegal[] = {
        { VT_QEMU_PRIMARY_ABSENT, VT_QEMU_PRIMARY_PLUGGED },
        { VT_QEMU_PRIMARY_ABSENT, VT_QEMU_PRIMARY_UNPLUGGING },
        { VT_QEMU_PRIMARY_HIDDEN, VT_QEMU_PRIMARY_UNPLUGGING },
        { VT_QEMU_PRIMARY_HIDDEN, VT_QEMU_PRIMARY_UNPLUGGED },
        { VT_QEMU_PRIMARY_PLUGGED, VT_QEMU_PRIMARY_PLUGGING },
        { VT_QEMU_PRIMARY_UNPLUGGING, VT_QEMU_PRIMARY_HIDDEN },
        { VT_QEMU_PRIMARY_UNPLUGGED, VT_QEMU_PRIMARY_UNPLUGGING },
    };
    guint from, to, n_illegal = 0;
    gsize i;

    for (from = 0; from < VT_QEMU_PRIMARY_COUNT; from++)
        for (to = 0; to < VT_QEMU_PRIMARY_COUNT; to++)
            n_illegal += from != to && !vt_qemu_primary_may_become((VtQemuPrimary)from, (VtQemuPrimary)to);
    for (i = 0; i < G_N_ELEMENTS(illegal); i++)
        g_assert_false(vt_qemu_primary_may_become(illegal[i].from, illegal[i].to));
    g_assert_cmpuint(n_illegal, ==, G_N_ELEMENTS(illegal));
    g_assert_false(vt_qemu_primary_may_become(VT_QEMU_PRIMARY_COUNT, VT_QEMU_PRIMARY_ABSENT));
    g_assert_false(vt_qemu_primary_may_become(VT_QEMU_PRIMARY_ABSENT, VT_QEMU_PRIMARY_COUNT));
}

#define YES                                                                                                  \
    "{\"guest-features\":{\"dev-features\":[\"VIRTIO_NET_F_STANDBY: text\"]},\"status\":{\"statuses\":[]}}"
#define NO                                                                                                   \
    "{\"guest-features\":{\"dev-features\":[\"VIRTIO_NET_F_MAC: x\"]},"                                      \
    "\"status\":{\"statuses\":[\"VIRTIO_CONFIG_S_DRIVER_OK: y\"]}}"
#define BOOTING        "{\"guest-features\":{\"dev-features\":[]},\"status\":{\"statuses\":[]}}"
#define THERE          "[{\"name\":\"type\"},{\"name\":\"net0\"}]"
#define AWAY           "[{\"name\":\"type\"},{\"name\":\"ua-net\"}]"
#define SOURCE(status) "{\"status\":\"" status "\",\"ram\":{\"total\":1}}"
#define STATUS(status) "{\"status\":\"" status "\"}"

/* What was known, what QEMU answers, what is known then. */
static const struct {
    const char *before, *virtio, *peripherals, *migration, *after;
} looks[] = {
    { "ua-net:unknown:hidden", YES, THERE, "{}", "ua-net:yes:plugged" },
    { "ua-net:unknown:hidden", BOOTING, AWAY, "{}", "ua-net:unknown:hidden" },
    { "ua-net:unknown:hidden", NO, AWAY, "{}", "ua-net:no:hidden" },
    { "ua-net:yes:plugging", YES, THERE, "{}", "ua-net:yes:plugged" },
    { "ua-net:yes:plugging", YES, AWAY, "{}", "ua-net:yes:hidden" },
    { "ua-net:yes:plugged", YES, THERE, "{}", "ua-net:yes:plugged" },
    { "ua-net:yes:plugged", YES, THERE, STATUS("wait-unplug"), "ua-net:yes:unplugging" },
    { "ua-net:yes:plugged", YES, THERE, SOURCE("active"), "ua-net:yes:unplugged" },
    { "ua-net:yes:plugged", YES, THERE, SOURCE("completed"), "ua-net:yes:unplugged" },
    { "ua-net:yes:unplugging", YES, THERE, SOURCE("cancelled"), "ua-net:yes:plugged" },
    { "ua-net:yes:unplugged", YES, THERE, STATUS("failed"), "ua-net:yes:plugged" },
    { "ua-net:yes:unplugging", YES, THERE, STATUS("cancelling"), "ua-net:yes:unplugging" },
    { "ua-net:yes:hidden", YES, THERE, SOURCE("active"), "ua-net:yes:unplugged" },
    /* the destination of a migration tells the same states, without RAM */
    { "ua-net:unknown:hidden", BOOTING, AWAY, STATUS("active"), "ua-net:unknown:hidden" },
    { "ua-net:yes:plugging", YES, THERE, STATUS("active"), "ua-net:yes:plugged" },
    { "ua-net:yes:plugging", YES, THERE, STATUS("completed"), "ua-net:yes:plugged" },
    /* not answered, or not as expected: nothing is concluded */
    { "ua-net:yes:plugging", NULL, THERE, NULL, "ua-net:yes:plugging" },
    { "ua-net:yes:plugging", NULL, NULL, "{}", "ua-net:yes:plugging" },
    { "ua-net:yes:plugged", "5", "{}", "[]", "ua-net:yes:hidden" },
    { "ua-net:yes:plugged", "{}", THERE, "{\"status\":5}", "ua-net:unknown:plugged" },
};

static JsonNode *
json_or_null(const char *text)
{
    return text ? json_from_string(text, NULL) : NULL;
}

static void
test_conclusions(void)
{
    g_autoptr(VtDomainDef) def = def_with(POLICY_ONE, TEAM_ONE);
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(looks); i++) {
        g_autoptr(VtQemuTeaming) teaming = vt_qemu_teaming_new(def, NULL, NULL);
        g_autoptr(JsonNode) virtio = json_or_null(looks[i].virtio),
                            migration = json_or_null(looks[i].migration);
        g_autoptr(JsonNode) peripherals = json_or_null(looks[i].peripherals);
        VtQemuTeamingSight sight = { peripherals, migration, &virtio, 1 };
        g_autofree char *after = NULL;

        g_test_message("%zu: %s", i, looks[i].before);
        g_assert_true(vt_qemu_teaming_restore(teaming, looks[i].before));
        vt_qemu_teaming_saw(teaming, &sight);
        after = vt_qemu_teaming_to_text(teaming);
        g_assert_cmpstr(after, ==, looks[i].after);
        /* A second look at the same sees no change. */
        vt_qemu_teaming_saw(teaming, &sight);
        g_free(after);
        after = vt_qemu_teaming_to_text(teaming);
        g_assert_cmpstr(after, ==, looks[i].after);
    }
}

static void
test_status_text(void)
{
    static const char *const bad[] = { "ua-net",
                                       "ua-net:yes",
                                       "ua-net:yes:plugged:x",
                                       ":yes:plugged",
                                       "ua-net:maybe:plugged",
                                       "ua-net:yes:lost",
                                       "ua-net:yes:plugged  x",
                                       " " };
    g_autoptr(VtDomainDef) def = def_with(POLICY_ONE POLICY_TWO, TEAM_ONE TEAM_TWO);
    g_autoptr(VtQemuTeaming) teaming = vt_qemu_teaming_new(def, NULL, NULL);
    g_autofree char *text = NULL;
    gsize i;

    g_assert_true(vt_qemu_teaming_restore(teaming, ""));
    g_assert_true(vt_qemu_teaming_restore(teaming, "ua-two:no:unplugged gone:yes:plugged ua-net:yes:absent"));
    for (i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(vt_qemu_teaming_restore(teaming, bad[i]));
    text = vt_qemu_teaming_to_text(teaming);
    g_assert_cmpstr(text, ==, "ua-net:unknown:hidden ua-two:no:unplugged");
    g_assert_cmpstr(vt_qemu_teaming_find(teaming, "ua-second")->persistent, ==, "ua-two");
    g_assert_cmpstr(vt_qemu_teaming_find(teaming, "ua-two")->transient, ==, "ua-second");
    g_assert_null(vt_qemu_teaming_find(teaming, "net9"));
}

/* Legs that are plugged and unplugged for good. */
static void
test_legs_come_and_go(void)
{
    g_autoptr(VtDomainDef) none = def_with("", "");
    g_autoptr(VtDomainDef) alone = def_with("", PERSISTENT("ua-net", "11"));
    g_autoptr(VtDomainDef) both = def_with(POLICY_ONE, TEAM_ONE);
    g_autoptr(VtQemuTeaming) teaming = vt_qemu_teaming_new(alone, NULL, NULL);
    const VtQemuTeam *team = vt_qemu_teaming_get(teaming, 0);

    g_assert_cmpint(team->primary, ==, VT_QEMU_PRIMARY_ABSENT);
    feed(teaming, NEGOTIATED);
    g_assert_cmpint(team->standby, ==, VT_QEMU_STANDBY_YES);
    vt_qemu_teaming_update(teaming, both);
    g_assert_cmpint(team->primary, ==, VT_QEMU_PRIMARY_PLUGGING);
    g_assert_cmpstr(team->transient, ==, "net0");
    vt_qemu_teaming_update(teaming, both);
    g_assert_cmpint(team->primary, ==, VT_QEMU_PRIMARY_PLUGGING);
    vt_qemu_teaming_update(teaming, alone);
    g_assert_cmpint(team->primary, ==, VT_QEMU_PRIMARY_ABSENT);
    vt_qemu_teaming_update(teaming, none);
    g_assert_cmpuint(vt_qemu_teaming_count(teaming), ==, 0);
    g_assert_null(vt_qemu_teaming_get(teaming, 0));
}

/* ---- over the wire ---- */

typedef struct {
    GSubprocess *peer;
    VtQmpClient *client;
    GString *told;
} Wire;

static void
wire_ready(gpointer user, const GError *error)
{
    g_assert_no_error(error);
}

static void
wire_done(gpointer user, const GError *error)
{
    g_string_append_printf(user, "done %s", error ? vt_error_code_name((VtErrorCode)error->code) : "ok");
}

static void
wire_open(Wire *wire, const char *transcript)
{
    const VtQmpClientFuncs funcs = { NULL, NULL };
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
    g_autofree char *path = g_strdup_printf("%s/data/qmp/%s.qmp", VT_TEST_DATA_DIR, transcript);
    g_autoptr(GError) error = NULL;
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    g_subprocess_launcher_take_fd(launcher, pair[1], 3);
    wire->peer = g_subprocess_launcher_spawn(launcher, &error, VT_FAKE_QEMU, path, "--fd", "3", NULL);
    g_assert_no_error(error);
    g_subprocess_launcher_close(launcher);
    wire->told = g_string_new(NULL);
    wire->client = vt_qmp_client_new(pair[0], &funcs, NULL, 5000, wire_ready, NULL);
}

static void
wire_close(Wire *wire)
{
    vt_qmp_client_free(wire->client);
    g_subprocess_wait(wire->peer, NULL, NULL);
    g_object_unref(wire->peer);
    g_string_free(wire->told, TRUE);
}

static void
wire_wait(Wire *wire)
{
    gint64 deadline = g_get_monotonic_time() + 120 * G_USEC_PER_SEC;

    while (!strstr(wire->told->str, "done")) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        g_main_context_iteration(NULL, FALSE);
        g_usleep(500);
    }
}

static void
test_look(void)
{
    static const struct {
        const char *transcript, *told, *after;
    } rows[] = {
        { "teaming-look", "ua-net yes-hidden ua-net yes-plugged ua-two no-hidden done ok",
          "ua-net:yes:plugged ua-two:no:hidden" },
        { "teaming-look-old", "done operation-failed", "ua-net:unknown:hidden ua-two:unknown:hidden" },
    };
    g_autoptr(VtDomainDef) def = def_with(POLICY_ONE POLICY_TWO, TEAM_ONE TEAM_TWO);
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(rows); i++) {
        Wire wire;
        g_autoptr(VtQemuTeaming) teaming = NULL;
        g_autofree char *after = NULL;

        wire_open(&wire, rows[i].transcript);
        teaming = vt_qemu_teaming_new(def, note_change, wire.told);
        vt_qemu_teaming_look(teaming, wire.client, wire_done, wire.told);
        wire_wait(&wire);
        after = vt_qemu_teaming_to_text(teaming);
        g_assert_cmpstr(wire.told->str, ==, rows[i].told);
        g_assert_cmpstr(after, ==, rows[i].after);
        wire_close(&wire);
    }
}

/* Nobody is told of answers that come too late, and a closed monitor is the end of a look. */
static void
test_look_cut_short(void)
{
    g_autoptr(VtDomainDef) def = def_with(POLICY_ONE POLICY_TWO, TEAM_ONE TEAM_TWO);
    g_autoptr(VtQemuTeaming) teaming = NULL;
    Wire wire;

    wire_open(&wire, "teaming-look");
    teaming = vt_qemu_teaming_new(def, note_change, wire.told);
    vt_qemu_teaming_look(teaming, wire.client, wire_done, wire.told);
    g_clear_pointer(&teaming, vt_qemu_teaming_free);
    vt_qmp_client_free(g_steal_pointer(&wire.client));
    g_assert_cmpstr(wire.told->str, ==, "");
    wire_close(&wire);

    wire_open(&wire, "teaming-look");
    teaming = vt_qemu_teaming_new(def, note_change, wire.told);
    vt_qemu_teaming_look(teaming, wire.client, wire_done, wire.told);
    vt_qmp_client_free(g_steal_pointer(&wire.client));
    g_assert_cmpstr(wire.told->str, ==, "done aborted");
    wire_close(&wire);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* QEMU that tells what cannot be is a warning, and a case here. */
    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
    g_test_add_func("/qemu/teaming/events-when-qemu-conducts", test_events_by_qemu);
    g_test_add_func("/qemu/teaming/events-when-we-conduct", test_events_by_management);
    g_test_add_func("/qemu/teaming/transitions-that-cannot-be-are-refused", test_transitions);
    g_test_add_func("/qemu/teaming/conclusions-from-a-look", test_conclusions);
    g_test_add_func("/qemu/teaming/status-text-is-read-back", test_status_text);
    g_test_add_func("/qemu/teaming/legs-come-and-go", test_legs_come_and_go);
    g_test_add_func("/qemu/teaming/a-look-asks-and-concludes", test_look);
    g_test_add_func("/qemu/teaming/a-look-that-is-cut-short", test_look_cut_short);
    return g_test_run();
}
