/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Host functions on their way to a guest and back, on a sysfs tree of the test's own, with a failure at every
 * step of the sequence.
 */
#include "driver/hostdev.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>
#include "driver/domain-private.h"
#include "driver/reserve.h"
#include "vt-config.h"

#define HOSTDEVTEST_VF  "0000:3b:10.1"
#define HOSTDEVTEST_DIR "VT_HOSTDEVTEST_DIR"

typedef struct {
    VtDriver driver;
    VtDriverConfig config;
    VtDomain domain;
    VtPciHost pci;
    char *dir;
    gboolean told;
    GError *error;
} Fixture;

static const char *hostdevtest_fail_step;

static void G_GNUC_PRINTF(1, 2) hostdevtest_run(const char *format, ...)
{
    g_autofree char *command = NULL;
    va_list args;
    int status = 0;
    g_autoptr(GError) error = NULL;

    va_start(args, format);
    command = g_strdup_vprintf(format, args);
    va_end(args);
    g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, &status, &error));
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, 0);
}

static void
hostdevtest_set_driver(Fixture *fixture, const char *driver)
{
    g_autofree char *link = g_strdup_printf("%s/bus/pci/devices/" HOSTDEVTEST_VF "/driver", fixture->dir);
    g_autofree char *target = g_strdup_printf("../../drivers/%s", driver);

    g_unlink(link);
    if (*driver)
        g_assert_cmpint(symlink(target, link), ==, 0);
}

static char *
hostdevtest_get_driver(Fixture *fixture)
{
    g_autofree char *link = g_strdup_printf("%s/bus/pci/devices/" HOSTDEVTEST_VF "/driver", fixture->dir);
    g_autofree char *target = g_file_read_link(link, NULL);

    return target ? g_path_get_basename(target) : g_strdup("");
}

/* What the kernel does when these files are written: the override decides who gets the device. */
static int
hostdevtest_write(const char *path, const char *text, gpointer user)
{
    Fixture *fixture = user;
    g_autofree char *override =
        g_strdup_printf("%s/bus/pci/devices/" HOSTDEVTEST_VF "/driver_override", fixture->dir);
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *wanted = NULL;

    if (g_str_equal(name, "driver_override"))
        return g_file_set_contents(path, text, -1, NULL) ? 0 : EIO;
    if (g_str_equal(name, "unbind")) {
        hostdevtest_set_driver(fixture, "");
        return 0;
    }
    if (g_str_equal(name, "drivers_probe") || g_str_equal(name, "bind")) {
        g_file_get_contents(override, &wanted, NULL, NULL);
        if (wanted)
            g_strstrip(wanted);
        hostdevtest_set_driver(fixture, wanted && *wanted ? wanted : "igbvf");
        return 0;
    }
    return 0;
}

static void
hostdevtest_tree(Fixture *fixture)
{
    const char *d = fixture->dir;

    hostdevtest_run("mkdir -p %s/bus/pci/devices/" HOSTDEVTEST_VF " %s/bus/pci/drivers/vfio-pci "
                    "%s/bus/pci/drivers/igbvf %s/kernel/iommu_groups/7/devices",
                    d, d, d, d);
    hostdevtest_run(
        "sh -c 'cd %s/bus/pci/devices/" HOSTDEVTEST_VF " && echo 0x8086 > vendor && echo 0x10ca > device && "
        "echo 0x020000 > class && echo -1 > numa_node && : > driver_override && "
        "printf \"\\206\\200\\312\\020\\000\\000\\020\\000\" > config && "
        "ln -s ../../../../kernel/iommu_groups/7 iommu_group && "
        "ln -s ../../../../bus/pci/devices/" HOSTDEVTEST_VF " ../../../../kernel/iommu_groups/7/devices/'",
        d);
    hostdevtest_set_driver(fixture, "igbvf");
}

static void
hostdevtest_set_up(Fixture *fixture, gconstpointer user)
{
    g_autoptr(GError) error = NULL;
    VtNetDef *net = g_new0(VtNetDef, 1);

    fixture->dir = g_strdup(g_getenv(HOSTDEVTEST_DIR)); /* of the test that this process is killed for */
    if (!fixture->dir) {
        fixture->dir = g_dir_make_tmp("vt-hostdev-XXXXXX", &error);
        g_assert_no_error(error);
        hostdevtest_tree(fixture);
    }
    fixture->pci = (VtPciHost){ .root = fixture->dir, .write = hostdevtest_write, .user = fixture };
    fixture->config.lib_dir = fixture->dir;
    fixture->driver.config = &fixture->config;
    vt_domain_list_init(&fixture->driver);
    vt_hostdev_set_pci_host(&fixture->driver, &fixture->pci);
    vt_reserve_load(&fixture->driver);
    net->type = VT_NET_HOSTDEV;
    net->has_host = TRUE;
    net->host = (VtHostPci){ .bus = 0x3b, .slot = 0x10, .function = 1 };
    net->managed = VT_TRISTATE_YES;
    fixture->domain = (VtDomain){ .refs = 1, .name = (char *)"web", .uuid = { { 1 } }, .id = 1 };
    fixture->domain.live = vt_domain_def_new();
    g_ptr_array_add(fixture->domain.live->nets, net);
}

static void
hostdevtest_tear_down(Fixture *fixture, gconstpointer user)
{
    vt_seq_set_fault_hook(NULL);
    vt_domain_def_free(fixture->domain.live);
    vt_domain_list_clear(&fixture->driver);
    g_datalist_clear(&fixture->driver.data);
    hostdevtest_run("rm -rf %s", fixture->dir);
    g_clear_error(&fixture->error);
    g_free(fixture->dir);
}

static void
hostdevtest_done(gpointer user, const GError *error)
{
    Fixture *fixture = user;

    g_assert_false(fixture->told);
    fixture->told = TRUE;
    g_clear_error(&fixture->error);
    if (error)
        fixture->error = g_error_copy(error);
}

static void
hostdevtest_wait(Fixture *fixture)
{
    while (!fixture->told)
        g_main_context_iteration(NULL, TRUE);
    fixture->told = FALSE;
}

static void
hostdevtest_expect(Fixture *fixture, const char *driver, guint reservations)
{
    g_autofree char *now = hostdevtest_get_driver(fixture);
    g_autoptr(GPtrArray) all = vt_reserve_all(&fixture->driver);

    g_assert_cmpstr(now, ==, driver);
    g_assert_cmpuint(all->len, ==, reservations);
}

static void
test_there_and_back(Fixture *fixture, gconstpointer user)
{
    vt_hostdev_take(&fixture->driver, &fixture->domain, hostdevtest_done, fixture);
    hostdevtest_wait(fixture);
    g_assert_no_error(fixture->error);
    hostdevtest_expect(fixture, "vfio-pci", 1);
    vt_hostdev_give_back(&fixture->driver, &fixture->domain.uuid, hostdevtest_done, fixture);
    hostdevtest_wait(fixture);
    g_assert_no_error(fixture->error);
    hostdevtest_expect(fixture, "igbvf", 0);
}

static void
test_another_guest_has_it(Fixture *fixture, gconstpointer user)
{
    VtReservation theirs = {
        .bdf = { 0, 0x3b, 0x10, 1 }, .uuid = { { 2 } }, .domain = (char *)"db", .vf_index = -1
    };

    vt_reserve_take(&fixture->driver, &theirs, hostdevtest_done, fixture);
    hostdevtest_wait(fixture);
    vt_hostdev_take(&fixture->driver, &fixture->domain, hostdevtest_done, fixture);
    hostdevtest_wait(fixture);
    g_assert_error(fixture->error, VT_ERROR, VT_ERROR_BUSY);
    hostdevtest_expect(fixture, "igbvf", 1);
}

static void
test_what_is_not_managed_must_be_bound(Fixture *fixture, gconstpointer user)
{
    VtNetDef *net = g_ptr_array_index(fixture->domain.live->nets, 0);

    net->managed = VT_TRISTATE_NO;
    vt_hostdev_take(&fixture->driver, &fixture->domain, hostdevtest_done, fixture);
    hostdevtest_wait(fixture);
    g_assert_error(fixture->error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    g_assert_nonnull(strstr(fixture->error->message, "managed='yes'"));
    hostdevtest_expect(fixture, "igbvf", 0);
}

static void
test_an_absent_device_names_the_address(Fixture *fixture, gconstpointer user)
{
    VtNetDef *net = g_ptr_array_index(fixture->domain.live->nets, 0);

    net->host.function = 5;
    vt_hostdev_take(&fixture->driver, &fixture->domain, hostdevtest_done, fixture);
    hostdevtest_wait(fixture);
    g_assert_error(fixture->error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    g_assert_nonnull(strstr(fixture->error->message, "0000:3b:10.5"));
}

static gboolean
hostdevtest_fault(const VtSeqTable *table, const VtStep *step, GError **error)
{
    if (table != vt_hostdev_take_table() || g_strcmp0(step->name, hostdevtest_fail_step) != 0)
        return TRUE;
    return vt_error_set(error, VT_ERROR_OPERATION_FAILED, "injected at '%s'", step->name);
}

static void
test_a_failure_at_any_step_leaves_nothing(Fixture *fixture, gconstpointer user)
{
    const VtSeqTable *table = vt_hostdev_take_table();

    vt_seq_set_fault_hook(hostdevtest_fault);
    for (gsize i = 0; i < table->n_steps; i++) {
        hostdevtest_fail_step = table->steps[i].name;
        vt_hostdev_take(&fixture->driver, &fixture->domain, hostdevtest_done, fixture);
        hostdevtest_wait(fixture);
        g_assert_error(fixture->error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
        hostdevtest_expect(fixture, "igbvf", 0);
    }
}

/* The daemon is gone, and comes back: in the end nobody has the function. */
static void
hostdevtest_restart(Fixture *fixture)
{
    g_datalist_clear(&fixture->driver.data);
    vt_hostdev_set_pci_host(&fixture->driver, &fixture->pci);
    vt_reserve_load(&fixture->driver);
    vt_hostdev_recover(&fixture->driver);
    for (;;) {
        g_autofree char *now = hostdevtest_get_driver(fixture);
        g_autoptr(GPtrArray) all = vt_reserve_all(&fixture->driver);

        if (g_str_equal(now, "igbvf") && all->len == 0)
            break;
        g_main_context_iteration(NULL, TRUE);
    }
    vt_reserve_drop(&fixture->driver, &(VtPciBdf){ 0, 0x3b, 0x10, 1 }, hostdevtest_done, fixture);
    hostdevtest_wait(fixture); /* removals of one file are in order: the earlier one is through, too */
}

static void
test_a_restart_gives_back_what_nobody_runs(Fixture *fixture, gconstpointer user)
{
    vt_hostdev_take(&fixture->driver, &fixture->domain, hostdevtest_done, fixture);
    hostdevtest_wait(fixture);
    hostdevtest_expect(fixture, "vfio-pci", 1);
    hostdevtest_restart(fixture);
}

/* What is done in the process that dies. */
static void
test_killed(Fixture *fixture, gconstpointer user)
{
    if (!g_test_subprocess())
        return;
    vt_hostdev_take(&fixture->driver, &fixture->domain, hostdevtest_done, fixture);
    hostdevtest_wait(fixture);
    vt_hostdev_give_back(&fixture->driver, &fixture->domain.uuid, hostdevtest_done, fixture);
    hostdevtest_wait(fixture);
}

static void
test_a_kill_at_any_step_leaves_nothing(Fixture *fixture, gconstpointer user)
{
    static const char *const actions[] = { "kill-before", "kill-after" };
    const VtSeqTable *const tables[] = { vt_hostdev_take_table(), vt_hostdev_return_table() };

    if (!VT_FAULT_INJECTION) {
        g_test_skip("this build has no fault injection (-Dfault-injection=true)");
        return;
    }
    g_setenv(HOSTDEVTEST_DIR, fixture->dir, TRUE);
    for (gsize t = 0; t < G_N_ELEMENTS(tables); t++)
        for (gsize i = 0; i < 2 * tables[t]->n_steps; i++) {
            g_autofree char *fault =
                g_strdup_printf("%s/%s:%s", tables[t]->name, tables[t]->steps[i / 2].name, actions[i % 2]);

            g_test_message("%s", fault);
            g_setenv("VIRTTEAM_FAULT", fault, TRUE);
            g_test_trap_subprocess("/driver/hostdev/killed", 0, 0);
            g_assert_false(g_test_trap_has_passed());
            g_unsetenv("VIRTTEAM_FAULT");
            hostdevtest_restart(fixture);
        }
    g_unsetenv(HOSTDEVTEST_DIR);
}

#define HOSTDEVTEST_ADD(path, func)                                                                          \
    g_test_add("/driver/hostdev/" path, Fixture, NULL, hostdevtest_set_up, func, hostdevtest_tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    HOSTDEVTEST_ADD("there-and-back", test_there_and_back);
    HOSTDEVTEST_ADD("another-guest-has-it", test_another_guest_has_it);
    HOSTDEVTEST_ADD("what-is-not-managed-must-be-bound", test_what_is_not_managed_must_be_bound);
    HOSTDEVTEST_ADD("an-absent-device-names-the-address", test_an_absent_device_names_the_address);
    HOSTDEVTEST_ADD("a-failure-at-any-step-leaves-nothing", test_a_failure_at_any_step_leaves_nothing);
    HOSTDEVTEST_ADD("a-restart-gives-back-what-nobody-runs", test_a_restart_gives_back_what_nobody_runs);
    HOSTDEVTEST_ADD("killed", test_killed);
    HOSTDEVTEST_ADD("a-kill-at-any-step-leaves-nothing", test_a_kill_at_any_step_leaves_nothing);
    return g_test_run();
}
