/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest that closes its primary, by what a QEMU of the test's own shows of its registers; what QEMU is told to keep back. */
#include "driver/datapath-eject.h"

#include "lib/qmp-peer.h"
#include "util/json.h"

/* What a look shows: '+' the sender is on, '-' it is off, '0' nothing is mapped there, 'x' QEMU cannot say. */
typedef struct {
    const char *name;
    const char *looks; /* the last one stays */
    const char *told;  /* to QEMU, until the primary is gone: '(' keep back, ')' let go */
    const char *then;  /* when it is gone */
} EjectCase;

static const EjectCase eject_cases[] = {
    { "closed-and-gone", "+-", "(", ")" },
    { "open-all-the-time", "++", "", "" },
    { "closed-from-the-start", "--", "", "" }, /* nobody saw it close */
    { "opened-again", "+-+", "()", "" },
    { "closed-twice", "+-+-", "()(", ")" },
    { "qemu-cannot-say", "+x", "", "" },
    { "qemu-cannot-say-any-more", "+-x", "()", "" },
    { "not-mapped", "+0", "", "" },
    { "not-mapped-for-a-moment", "+0-", "(", ")" },
};

typedef struct {
    const char *looks;
    guint keep_ms;
    guint seen;
    GString *told;
    QmpPeer qemu;
} EjectTest;

static void
ejecttest_check_start(const EjectTest *test, const char *line)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node = vt_json_parse(line, strlen(line), &error);

    g_assert_no_error(error);
    g_assert_cmpstr(vt_json_string_or(node, "arguments.qom-type", NULL), ==, "filter-buffer");
    g_assert_cmpstr(vt_json_string_or(node, "arguments.id", NULL), ==, "buffer-ua-slow");
    g_assert_cmpstr(vt_json_string_or(node, "arguments.netdev", NULL), ==, "hostua-slow");
    g_assert_cmpstr(vt_json_string_or(node, "arguments.queue", NULL), ==, "tx");
    g_assert_cmpint(vt_json_int_or(node, "arguments.interval", 0), ==, test->keep_ms * 1000);
}

static char *
ejecttest_look(EjectTest *test)
{
    char is = test->looks[MIN(test->seen, strlen(test->looks) - 1)];

    test->seen++;
    if (is == '0')
        return g_strdup("\"100400: Cannot access memory\"");
    return is == 'x' ? g_strdup("\"unknown command: 'xp'\"")
                     : g_strdup_printf("\"100400: 0x%x\"", is == '+' ? 0x0103f0fa : 0x0103f0f8);
}

static char *
ejecttest_answer(gpointer user, const char *line)
{
    EjectTest *test = user;

    if (strstr(line, "query-pci"))
        return g_strdup(
            "[{\"devices\":[{\"qdev_id\":\"ua-fast\",\"regions\":[{\"bar\":0,\"address\":1048576}]}]}]");
    if (strstr(line, "xp /1wx 0x100400"))
        return ejecttest_look(test);
    if (strstr(line, "object-add")) {
        ejecttest_check_start(test, line);
        g_string_append_c(test->told, '(');
    } else if (strstr(line, "object-del")) {
        g_assert_nonnull(strstr(line, "\"buffer-ua-slow\""));
        g_string_append_c(test->told, ')');
    }
    return g_strdup("{}");
}

static VtQmpClient *
ejecttest_monitor(gpointer owner)
{
    return ((EjectTest *)owner)->qemu.client;
}

static void
ejecttest_answered(gpointer user, JsonNode *result, const GError *error)
{
    g_assert_no_error(error);
    *(gboolean *)user = TRUE;
}

/* Until everything that was said to QEMU has been answered. */
static void
ejecttest_flush(EjectTest *test)
{
    gboolean answered = FALSE;

    vt_qmp_client_call(test->qemu.client, "query-status", NULL, 0, ejecttest_answered, &answered);
    while (!answered)
        g_main_context_iteration(NULL, TRUE);
}

static VtDatapathEject *
ejecttest_open(EjectTest *test, const char *looks, guint keep_ms)
{
    const VtDatapathEjectSpec spec = { .domain = "guest",
                                       .persistent = "ua-slow",
                                       .transient = "ua-fast",
                                       .model = "e1000e",
                                       .keep_ms = keep_ms };

    *test = (EjectTest){ .looks = looks, .keep_ms = keep_ms, .told = g_string_new(NULL) };
    qmp_peer_open(&test->qemu, ejecttest_answer, test);
    return vt_datapath_eject_new(&spec, ejecttest_monitor, test);
}

static void
ejecttest_close(EjectTest *test)
{
    qmp_peer_close(&test->qemu);
    g_string_free(test->told, TRUE);
}

static void
test_eject(gconstpointer user)
{
    const EjectCase *row = user;
    EjectTest test;
    VtDatapathEject *eject = ejecttest_open(&test, row->looks, 600000);

    while (test.seen < strlen(row->looks))
        g_main_context_iteration(NULL, TRUE);
    ejecttest_flush(&test); /* the last look has been answered */
    ejecttest_flush(&test); /* and what followed from it */
    g_assert_cmpstr(test.told->str, ==, row->told);
    g_string_truncate(test.told, 0);
    vt_datapath_eject_free(eject);
    ejecttest_flush(&test);
    g_assert_cmpstr(test.told->str, ==, row->then);
    ejecttest_close(&test);
}

/* A guest that goes no further: its standby works again. */
static void
test_limit(void)
{
    EjectTest test;
    VtDatapathEject *eject = ejecttest_open(&test, "+-", 50);

    while (g_strcmp0(test.told->str, "()") != 0)
        g_main_context_iteration(NULL, TRUE);
    vt_datapath_eject_free(eject);
    ejecttest_flush(&test);
    g_assert_cmpstr(test.told->str, ==, "()");
    ejecttest_close(&test);
}

/* It is gone while QEMU is being asked. */
static void
test_gone_in_between(void)
{
    EjectTest test;
    VtDatapathEject *eject = ejecttest_open(&test, "+", 600000);

    vt_datapath_eject_free(eject);
    ejecttest_flush(&test);
    g_assert_cmpstr(test.told->str, ==, "");
    ejecttest_close(&test);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(eject_cases); i++) {
        g_autofree char *path = g_strdup_printf("/driver/datapath-eject/%s", eject_cases[i].name);

        g_test_add_data_func(path, &eject_cases[i], test_eject);
    }
    g_test_add_func("/driver/datapath-eject/not-for-ever", test_limit);
    g_test_add_func("/driver/datapath-eject/gone-in-between", test_gone_in_between);
    return g_test_run();
}
