/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is late: emulated NICs by what a QEMU of the test's own says of their registers, functions of the host by a sysfs
 * tree of the test's own.
 */
#include "qemu/mig-late.h"

#include <glib-unix.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "qemu/mig-src.h"

#define TEAMS 3

typedef struct {
    const char *name;
    const char *devices[TEAMS]; /* what each is plugged in with; NULL: no such team */
    const char *registers;      /* of e1000e, one a team: '+' receives, '-' does not, 'x' QEMU cannot say */
    const char *said;           /* with a "?" before it where that is not sure */
    const char *team;           /* the one */
} LateCase;

#define NIC "e1000e,netdev=n,id=x"
#define VF1 "vfio-pci,host=0000:3b:10.1,id=x" /* enabled */
#define VF2 "vfio-pci,host=0000:3b:10.2,id=x" /* not */
#define A   "'a-fast' (team 'a-slow')"
#define B   "'b-fast' (team 'b-slow')"
#define C   "'c-fast' (team 'c-slow')"

static const LateCase late_cases[] = {
    { "only-one", { NIC }, "-", A, "a-slow" },
    { "the-first", { NIC, NIC }, "+-", A, "a-slow" },
    { "the-last", { NIC, NIC, NIC }, "--+", C, "c-slow" },
    { "two-of-three", { NIC, NIC, NIC }, "+-+", A ", " C, NULL },
    { "all", { NIC, NIC }, "++", A ", " B, NULL },
    { "none-is-seen", { NIC, NIC }, "--", "?" A ", " B, NULL },
    { "qemu-does-not-know", { NIC, NIC }, "xx", "?" A ", " B, NULL },
    { "one-is-seen-of-the-unknown", { NIC, NIC, "rtl8139,id=x" }, "x+-", B, "b-slow" },
    { "functions", { VF2, VF1 }, "--", B, "b-slow" },
    { "functions-that-are-off", { VF2, VF2 }, "--", "?" A ", " B, NULL },
    { "function-and-nic", { VF2, NIC }, "-+", B, "b-slow" },
    { "not-known-how", { "vfio-pci,host=nonsense,id=x", "" }, "--", "?" A ", " B, NULL },
};

typedef struct {
    const LateCase *row;
    char *dir;
    int fd; /* QEMU's end */
    GString *input;
    VtQmpClient *client;
    gboolean ready, told;
} LateTest;

/* ---- the host ---- */

static void
latetest_function(const LateTest *test, const char *bdf, const char *config)
{
    g_autofree char *dir = g_build_filename(test->dir, "bus/pci/devices", bdf, NULL);
    g_autofree char *path = g_build_filename(dir, "config", NULL);

    g_assert_cmpint(g_mkdir_with_parents(dir, 0700), ==, 0);
    g_assert_true(g_file_set_contents(path, config, 8, NULL));
}

static void
latetest_remove(const LateTest *test)
{
    static const char *const paths[] = {
        "bus/pci/devices/0000:3b:10.1/config",
        "bus/pci/devices/0000:3b:10.2/config",
        "bus/pci/devices/0000:3b:10.1",
        "bus/pci/devices/0000:3b:10.2",
        "bus/pci/devices",
        "bus/pci",
        "bus",
        "",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autofree char *path = g_build_filename(test->dir, paths[i], NULL);

        g_assert_cmpint(g_remove(path), ==, 0);
    }
}

/* ---- QEMU ---- */

static void
latetest_send(const LateTest *test, const char *text)
{
    g_assert_cmpint(send(test->fd, text, strlen(text), MSG_NOSIGNAL), ==, (gssize)strlen(text));
}

/* Each NIC's registers are at (its number + 1) * 0x100000. */
static char *
latetest_answer(const LateTest *test, const char *line)
{
    const char *address = strstr(line, "0x");
    guint64 at = address ? g_ascii_strtoull(address, NULL, 16) : 0;
    char is = at >= 0x100000 && at < 0x400000 ? test->row->registers[(at >> 20) - 1] : 'x';

    if (strstr(line, "query-pci"))
        return g_strdup("[{\"devices\":["
                        "{\"qdev_id\":\"a-fast\",\"regions\":[{\"bar\":0,\"address\":1048576}]},"
                        "{\"qdev_id\":\"b-fast\",\"regions\":[{\"bar\":0,\"address\":2097152}]},"
                        "{\"qdev_id\":\"c-fast\",\"regions\":[{\"bar\":0,\"address\":3145728}]}]}]");
    if (strstr(line, "xp"))
        return is == 'x' ? g_strdup("\"Cannot access memory\"")
                         : g_strdup_printf("\"%" G_GINT64_MODIFIER "x: 0x%x\"", at, is == '+' ? 2 : 0);
    return g_strdup("{}");
}

static gboolean
latetest_readable(gint fd, GIOCondition condition, gpointer user)
{
    LateTest *test = user;
    char chunk[4096];
    gssize n = recv(fd, chunk, sizeof chunk, 0);
    char *end;

    if (n <= 0)
        return G_SOURCE_REMOVE;
    g_string_append_len(test->input, chunk, n);
    while ((end = strchr(test->input->str, '\n'))) {
        g_autofree char *line = g_strndup(test->input->str, (gsize)(end - test->input->str));
        g_autofree char *answer = latetest_answer(test, line);
        const char *id = strstr(line, "\"id\":");
        g_autofree char *number = id ? g_strndup(id, strcspn(id, ",}")) : NULL;
        g_autofree char *reply =
            g_strdup_printf("{\"return\":%s,%s}\r\n", answer, number ? number : "\"id\":0");

        g_string_erase(test->input, 0, end - test->input->str + 1);
        latetest_send(test, reply);
    }
    return G_SOURCE_CONTINUE;
}

static void
latetest_event(VtQmpClient *client, const VtQmpEvent *event, gpointer user)
{
}

static void
latetest_closed(VtQmpClient *client, const GError *why, gpointer user)
{
}

static void
latetest_ready(gpointer user, const GError *error)
{
    g_assert_no_error(error);
    ((LateTest *)user)->ready = TRUE;
}

/* ---- the test ---- */

static void
latetest_told(gpointer user, const char *names, gboolean sure, const char *persistent)
{
    LateTest *test = user;
    g_autofree char *said = g_strconcat(sure ? "" : "?", names, NULL);

    g_assert_false(test->told);
    test->told = TRUE;
    g_assert_cmpstr(said, ==, test->row->said);
    g_assert_cmpstr(persistent, ==, test->row->team);
}

static void
test_late(gconstpointer user)
{
    static const char *const names[TEAMS][2] = { { "a-slow", "a-fast" },
                                                 { "b-slow", "b-fast" },
                                                 { "c-slow", "c-fast" } };
    const VtQmpClientFuncs funcs = { .event = latetest_event, .closed = latetest_closed };
    LateTest test = { .row = user,
                      .dir = g_dir_make_tmp("vt-late-XXXXXX", NULL),
                      .input = g_string_new(NULL) };
    const VtPciHost host = { .root = test.dir };
    g_autoptr(GArray) teams = g_array_new(FALSE, TRUE, sizeof(VtMigSrcTeam));
    int pair[2];
    guint watch;

    latetest_function(&test, "0000:3b:10.1", "\x86\x80\xca\x10\x06\x00\x10\x00");
    latetest_function(&test, "0000:3b:10.2", "\x86\x80\xca\x10\x02\x00\x10\x00");
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    test.fd = pair[0];
    watch = g_unix_fd_add(pair[0], G_IO_IN | G_IO_HUP, latetest_readable, &test);
    latetest_send(&test,
                  "{\"QMP\":{\"version\":{\"qemu\":{\"micro\":0,\"minor\":2,\"major\":7},\"package\":\"\"},"
                  "\"capabilities\":[]}}\r\n");
    test.client = vt_qmp_client_new(pair[1], &funcs, &test, 10000, latetest_ready, &test);
    while (!test.ready)
        g_main_context_iteration(NULL, TRUE);
    for (guint i = 0; i < TEAMS && test.row->devices[i]; i++) {
        const VtMigSrcTeam team = { (char *)names[i][0], (char *)names[i][1],
                                    *test.row->devices[i] ? (char *)test.row->devices[i] : NULL };

        g_array_append_val(teams, team);
    }
    /* One that nobody waits for any more, at once or in the middle. */
    vt_mig_late_free(vt_mig_late_ask(test.client, teams, &host, latetest_told, &test));
    vt_mig_late_ask(test.client, teams, &host, latetest_told, &test);
    while (!test.told)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(watch);
    vt_qmp_client_free(test.client);
    while (g_main_context_iteration(NULL, FALSE))
        continue;
    close(test.fd);
    g_string_free(test.input, TRUE);
    latetest_remove(&test);
    g_free(test.dir);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(late_cases); i++) {
        g_autofree char *path = g_strdup_printf("/qemu/mig-late/%s", late_cases[i].name);

        g_test_add_data_func(path, &late_cases[i], test_late);
    }
    return g_test_run();
}
