/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is late: emulated NICs by what a QEMU of the test's own says of their registers, functions of the host by a sysfs
 * tree of the test's own.
 */
#include "qemu/mig-late.h"

#include <glib/gstdio.h>
#include <string.h>
#include "lib/qmp-peer.h"
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
    QmpPeer qemu;
    gboolean told;
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

/* Each NIC's registers are at (its number + 1) * 0x100000. */
static char *
latetest_answer(gpointer user, const char *line)
{
    const LateTest *test = user;
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
    LateTest test = { .row = user, .dir = g_dir_make_tmp("vt-late-XXXXXX", NULL) };
    const VtPciHost host = { .root = test.dir };
    g_autoptr(GArray) teams = g_array_new(FALSE, TRUE, sizeof(VtMigSrcTeam));

    latetest_function(&test, "0000:3b:10.1", "\x86\x80\xca\x10\x06\x00\x10\x00");
    latetest_function(&test, "0000:3b:10.2", "\x86\x80\xca\x10\x02\x00\x10\x00");
    qmp_peer_open(&test.qemu, latetest_answer, &test);
    for (guint i = 0; i < TEAMS && test.row->devices[i]; i++) {
        const VtMigSrcTeam team = { (char *)names[i][0], (char *)names[i][1],
                                    *test.row->devices[i] ? (char *)test.row->devices[i] : NULL };

        g_array_append_val(teams, team);
    }
    /* One that nobody waits for any more, at once or in the middle. */
    vt_mig_late_free(vt_mig_late_ask(test.qemu.client, teams, &host, latetest_told, &test));
    vt_mig_late_ask(test.qemu.client, teams, &host, latetest_told, &test);
    while (!test.told)
        g_main_context_iteration(NULL, TRUE);
    qmp_peer_close(&test.qemu);
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
