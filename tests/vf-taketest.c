/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guests without a QEMU on a host with two NICs of a sysfs of the test's own: where their VFs come from, what they run
 * without, and when they get one after all.
 */
#include "driver/vf-take.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>
#include "conf/domain-xml.h"
#include "driver/device-live.h"
#include "driver/device.h"
#include "driver/hostdev.h"
#include "driver/job.h"
#include "driver/journal.h"
#include "driver/lifecycle.h"
#include "driver/net-port.h"
#include "driver/recover.h"
#include "driver/reserve.h"
#include "driver/start.h"
#include "driver/stop.h"
#include "driver/team-switch.h"
#include "driver/vf-give.h"
#include "lib/fake-vfs.h"

#define VF_TAKETEST_UUID "11111111-2222-3333-4444-00000000000%u"

static const char *vf_taketest_fail_step;

static VtDomain *
vf_taketest_define(FakeVfs *fixture, guint number, const char *policy, const char *source)
{
    g_autofree char *uuid = g_strdup_printf(VF_TAKETEST_UUID, number);
    g_autofree char *name = g_strdup_printf("web%u", number);
    g_autofree char *extra = g_strdup_printf(
        "<metadata><v:teaming xmlns:v='urn:virtteam:domain:1'><v:team persistent='ua-standby' %s/></v:teaming>"
        "</metadata><devices><interface type='user'><mac address='52:54:00:00:00:0%u'/><model type='virtio'/>"
        "<teaming type='persistent'/><alias name='ua-standby'/></interface>"
        "<interface type='hostdev' managed='yes'>%s<teaming type='transient' persistent='ua-standby'/>"
        "<alias name='ua-primary'/></interface></devices>",
        policy, number, source);
    g_autofree char *xml = fake_guest_xml(name, uuid, extra);

    return fake_define_well(fixture->host.driver, xml);
}

#define VF_TAKETEST_ANY "pci-ids='8086:10ca 15b3:1018'"

static void
test_near_vfs_first_and_each_guest_its_own(FakeVfs *fixture, gconstpointer user)
{
    static const char *const expected[] = { "0000:01:10.0", "0000:01:10.2", "0000:81:10.0" };
    VtDomain *domains[4];
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < 4; i++)
        domains[i] = vf_taketest_define(fixture, i + 1, VF_TAKETEST_ANY, "");
    for (guint i = 0; i < 3; i++) {
        g_assert_no_error(fake_vfs_start(fixture, domains[i]));
        fake_vfs_expect(fixture, domains[i], expected[i]);
    }
    error = fake_vfs_start(fixture, domains[3]);
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    g_assert_nonnull(strstr(error->message, "no VF is free of 3"));
    g_assert_nonnull(strstr(error->message, "3 belong to other guests"));
    for (guint i = 0; i < 3; i++)
        fake_vfs_stop(fixture, domains[i]);
    fake_vfs_assert_all_back(fixture);
}

static void
test_the_xml_says_what_was_taken_to_its_host_alone(FakeVfs *fixture, gconstpointer user)
{
    VtDomain *domain = vf_taketest_define(fixture, 1, "pf='far0'", "");
    g_autofree char *live = NULL, *inactive = NULL, *migratable = NULL;
    static const char address[] =
        "<address type='pci' domain='0x0000' bus='0x81' slot='0x10' function='0x0'/>";

    g_assert_no_error(fake_vfs_start(fixture, domain));
    fake_vfs_expect(fixture, domain, "0000:81:10.0");
    live = vt_domain_xml_format(domain->live, 1, 0);
    inactive = vt_domain_xml_format(domain->live, 1, VT_XML_FORMAT_INACTIVE);
    migratable = vt_domain_xml_format(domain->live, 1, VT_XML_FORMAT_MIGRATABLE);
    g_assert_nonnull(strstr(live, address));
    g_assert_null(strstr(inactive, address));
    g_assert_null(strstr(migratable, address));
    g_assert_nonnull(strstr(migratable, "<interface type='hostdev' managed='yes'>"));
    g_assert_nonnull(strstr(migratable, "<alias name='ua-primary'/>"));
    fake_vfs_stop(fixture, domain);
    fake_vfs_assert_all_back(fixture);
}

static void
test_a_vf_that_shares_its_group_is_passed_over(FakeVfs *fixture, gconstpointer user)
{
    VtDomain *domain = vf_taketest_define(fixture, 1, VF_TAKETEST_ANY, "");

    fake_vfs_write("", "%s/kernel/iommu_groups/10/devices/0000:01:10.2", fixture->sysfs);
    g_assert_no_error(fake_vfs_start(fixture, domain));
    fake_vfs_expect(fixture, domain, "0000:01:10.2");
    fake_vfs_stop(fixture, domain);
    fake_vfs_assert_all_back(fixture);
}

/* ---- those that cannot be bound ---- */

static void
test_a_vf_that_cannot_be_bound_is_passed_over(FakeVfs *fixture, gconstpointer user)
{
    VtDomain *domain = vf_taketest_define(fixture, 1, VF_TAKETEST_ANY, "");
    g_autofree char *driver = NULL;

    fixture->stubborn = "0000:01:10.0 0000:01:10.2";
    g_assert_no_error(fake_vfs_start(fixture, domain));
    fake_vfs_expect(fixture, domain, "0000:81:10.0");
    g_assert_cmpuint(fixture->refusals, ==, 2);
    g_assert_cmpuint(fake_vfs_reservations(fixture), ==, 1);
    driver = fake_vfs_driver(fixture, "0000:01:10.0");
    g_assert_cmpstr(driver, ==, "igbvf");
    fake_vfs_stop(fixture, domain);
    fake_vfs_assert_all_back(fixture);
}

static void
test_none_can_be_bound(FakeVfs *fixture, gconstpointer user)
{
    VtDomain *domain = vf_taketest_define(fixture, 1, VF_TAKETEST_ANY, "");
    g_autoptr(GError) error = NULL;

    fixture->stubborn = "0000:01:10.0 0000:01:10.2 0000:81:10.0";
    error = fake_vfs_start(fixture, domain);
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    g_assert_nonnull(strstr(error->message, "no VF is free of 3"));
    g_assert_nonnull(strstr(error->message, "3 cannot be bound to vfio-pci"));
    g_assert_nonnull(strstr(error->message, "(0000:81:10.0: "));
    g_assert_cmpuint(fixture->refusals, ==, 3);
    fake_vfs_assert_all_back(fixture);
}

/* On standby, with the reason; and given one when it can be bound. */
static void
test_standby_only_when_none_can_be_bound(FakeVfs *fixture, gconstpointer user)
{
    VtDomain *domain = vf_taketest_define(fixture, 1, "pf='far0' standby-only='yes'", "");
    g_autoptr(GError) error = NULL;

    fixture->stubborn = "0000:81:10.0";
    g_assert_no_error(fake_vfs_start(fixture, domain));
    fake_vfs_expect(fixture, domain, "");
    g_assert_cmpuint(fake_vfs_reservations(fixture), ==, 0);
    /* It is not tried again and again by itself. */
    fixture->refusals = 0;
    error = fake_vfs_try(domain, "ua-standby");
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    g_assert_nonnull(strstr(error->message, "1 cannot be bound to vfio-pci"));
    fake_settle();
    g_assert_cmpuint(fixture->refusals, ==, 1);
    fixture->stubborn = NULL;
    g_assert_no_error(fake_vfs_try(domain, "ua-standby"));
    fake_vfs_expect(fixture, domain, "0000:81:10.0");
    fake_vfs_stop(fixture, domain);
    fake_vfs_assert_all_back(fixture);
}

#define VF_TAKETEST_HINT "<source><address type='pci' bus='0x81' slot='0x10' function='0'/></source>"

static void
test_an_address_beside_a_policy_is_a_hint(FakeVfs *fixture, gconstpointer user)
{
    VtDomain *first = vf_taketest_define(fixture, 1, VF_TAKETEST_ANY, VF_TAKETEST_HINT);
    VtDomain *second = vf_taketest_define(fixture, 2, VF_TAKETEST_ANY, VF_TAKETEST_HINT);
    VtDomain *third = vf_taketest_define(fixture, 3, "pf='near0'", VF_TAKETEST_HINT);

    g_assert_no_error(fake_vfs_start(fixture, first));
    g_assert_no_error(fake_vfs_start(fixture, second));
    g_assert_no_error(fake_vfs_start(fixture, third));
    fake_vfs_expect(fixture, first, "0000:81:10.0");
    fake_vfs_expect(fixture, second, "0000:01:10.0");
    fake_vfs_expect(fixture, third, "0000:01:10.2");
    fake_vfs_stop(fixture, first);
    fake_vfs_stop(fixture, second);
    fake_vfs_stop(fixture, third);
    fake_vfs_assert_all_back(fixture);
}

static void
test_a_hint_does_not_travel(FakeVfs *fixture, gconstpointer user)
{
    VtDomain *domain = vf_taketest_define(fixture, 1, VF_TAKETEST_ANY, VF_TAKETEST_HINT);
    g_autoptr(VtDomainDef) def = vt_domain_def_copy(domain->persistent);
    const VtNetDef *net = g_ptr_array_index(def->nets, 1);

    vt_vf_take_forget(def, FALSE);
    g_assert_true(net->has_host);
    vt_vf_take_forget(def, TRUE);
    g_assert_false(net->has_host);
}

static gboolean
vf_taketest_fault(const VtSeqTable *table, const VtStep *step, GError **error)
{
    g_autofree char *point = g_strdup_printf("%s/%s", table->name, step->name);

    if (g_strcmp0(vf_taketest_fail_step, point) != 0)
        return TRUE;
    return vt_error_set(error, VT_ERROR_OPERATION_FAILED, "injected at '%s'", point);
}

static void
test_a_start_that_fails_gives_everything_back(FakeVfs *fixture, gconstpointer user)
{
    static const VtSeqTable *(*const tables[])(void) = { vt_start_table, vt_hostdev_take_table };
    VtDomain *domain = vf_taketest_define(fixture, 1, VF_TAKETEST_ANY, "");

    vt_seq_set_fault_hook(vf_taketest_fault);
    for (gsize t = 0; t < G_N_ELEMENTS(tables); t++) {
        const VtSeqTable *table = tables[t]();

        for (gsize i = 0; i < table->n_steps; i++) {
            g_autofree char *point = g_strdup_printf("%s/%s", table->name, table->steps[i].name);
            g_autoptr(GError) error = NULL;

            vf_taketest_fail_step = point;
            error = fake_vfs_start(fixture, domain);
            g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
            fake_vfs_assert_all_back(fixture);
        }
    }
    vf_taketest_fail_step = NULL;
    g_assert_no_error(fake_vfs_start(fixture, domain));
    fake_vfs_expect(fixture, domain, "0000:01:10.0");
    fake_vfs_stop(fixture, domain);
}

/* The same for a transient that comes to a running guest: each step of its way fails once. */
static void
test_an_attached_transient_gets_one_too(FakeVfs *fixture, gconstpointer user)
{
    static const char xml[] = "<interface type='hostdev' managed='yes'><mac address='52:54:00:00:00:01'/>"
                              "<teaming type='transient' persistent='ua-standby'/><alias name='ua-primary'/>"
                              "<address type='pci' domain='0' bus='5' slot='0' function='0'/></interface>";
    VtDomain *domain = vf_taketest_define(fixture, 1, VF_TAKETEST_ANY, "");
    const VtSeqTable *table = vt_device_live_attach_table();
    FakeDone told = { 0 };

    g_ptr_array_remove_index(domain->persistent->nets, 1);
    g_assert_no_error(fake_vfs_start(fixture, domain));
    vt_seq_set_fault_hook(vf_taketest_fault);
    for (gsize i = 0; i <= table->n_steps; i++) {
        g_autofree char *point =
            i < table->n_steps ? g_strdup_printf("%s/%s", table->name, table->steps[i].name) : NULL;

        vf_taketest_fail_step = point;
        told = (FakeDone){ 0 };
        vt_device_attach(fixture->host.driver, domain, xml, 1, fake_done, &told);
        fake_wait(&told.done);
        fake_settle();
        if (!point)
            break;
        g_assert_error(told.error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
        g_assert_nonnull(strstr(told.error->message, "injected at"));
        g_clear_error(&told.error);
        fake_vfs_assert_all_back(fixture);
    }
    g_assert_no_error(told.error);
    fake_vfs_expect(fixture, domain, "0000:01:10.0");
    fake_vfs_stop(fixture, domain);
    fake_vfs_assert_all_back(fixture);
}

/* ---- on standby ---- */

#define VF_TAKETEST_FAR "pf='far0' standby-only='yes'"

static void
test_a_guest_on_standby_gets_what_another_leaves(FakeVfs *fixture, gconstpointer user)
{
    VtDomain *first = vf_taketest_define(fixture, 1, VF_TAKETEST_FAR, "");
    VtDomain *second = vf_taketest_define(fixture, 2, VF_TAKETEST_FAR, "");
    g_autofree char *commands = NULL;
    g_autofree char *xml = NULL;

    g_assert_no_error(fake_vfs_start(fixture, first));
    g_assert_no_error(fake_vfs_start(fixture, second));
    fake_vfs_expect(fixture, first, "0000:81:10.0");
    fake_vfs_expect(fixture, second, "");
    g_assert_true(vt_vf_give_is_due(second, NULL));
    g_assert_true(vt_vf_give_is_due(second, "ua-standby"));
    g_assert_false(vt_vf_give_is_due(first, NULL));
    g_free(fake_guest_commands());
    fake_vfs_stop(fixture, first);
    while (vt_vf_give_is_due(second, NULL))
        g_main_context_iteration(NULL, TRUE);
    fake_settle();
    fake_vfs_expect(fixture, second, "0000:81:10.0");
    commands = fake_guest_commands();
    g_assert_nonnull(strstr(commands, "device_add"));
    xml = vt_domain_xml_format(second->live, 1, VT_XML_FORMAT_MIGRATABLE);
    g_assert_null(strstr(xml, "0x81"));
    g_assert_cmpint(vt_job_kind(second), ==, VT_JOB_NONE);
    g_assert_null(vt_journal_kind(second));
    fake_vfs_stop(fixture, second);
    fake_vfs_assert_all_back(fixture);
}

/* Somebody else has the VF: the guest comes up without it; then it is free, without anybody being told. */
static VtDomain *
vf_taketest_bare(FakeVfs *fixture)
{
    VtDomain *domain = vf_taketest_define(fixture, 1, VF_TAKETEST_FAR, "");
    VtReservation theirs = {
        .bdf = { 0, 0x81, 0x10, 0 }, .uuid = { { 2 } }, .domain = (char *)"db", .vf_index = -1
    };
    FakeDone told = { 0 };

    vt_reserve_take(fixture->host.driver, &theirs, fake_done, &told);
    fake_wait(&told.done);
    g_assert_no_error(fake_vfs_start(fixture, domain));
    fake_vfs_expect(fixture, domain, "");
    return domain;
}

static void
vf_taketest_free_quietly(FakeVfs *fixture)
{
    FakeDone told = { 0 };

    vt_reserve_set_dropped(fixture->host.driver, NULL);
    vt_reserve_drop(fixture->host.driver, &(VtPciBdf){ 0, 0x81, 0x10, 0 }, fake_done, &told);
    fake_wait(&told.done);
}

static void
test_a_vf_is_given_on_command(FakeVfs *fixture, gconstpointer user)
{
    VtDomain *domain = vf_taketest_bare(fixture);
    g_autoptr(GError) error = fake_vfs_try(domain, "ua-standby");

    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    g_assert_nonnull(strstr(error->message, "1 belong to other guests"));
    vf_taketest_free_quietly(fixture);
    g_assert_no_error(fake_vfs_try(domain, "ua-standby"));
    fake_vfs_expect(fixture, domain, "0000:81:10.0");
    g_assert_no_error(fake_vfs_try(domain, "ua-standby")); /* it has one: nothing is done */
    g_assert_cmpuint(fake_vfs_reservations(fixture), ==, 1);
    fake_vfs_stop(fixture, domain);
    fake_vfs_assert_all_back(fixture);
}

typedef struct {
    FakeDone done;
    char *said;
} VfTaketestSwitch;

static void
vf_taketest_switched(gpointer user, const char *said, const GError *error)
{
    VfTaketestSwitch *told = user;

    told->said = g_strdup(said);
    fake_done(&told->done, error);
}

static void
test_a_user_may_ask_for_the_primary(FakeVfs *fixture, gconstpointer user)
{
    VtDomain *domain = vf_taketest_bare(fixture);
    VtTeamSwitchParams params = { .to = VT_TEAM_SWITCH_STANDBY, .bit = VT_TEAM_KEEP_USER };
    VfTaketestSwitch told[3] = { { .said = NULL } };

    vt_team_switch(domain, &params, vf_taketest_switched, &told[0]);
    fake_wait(&told[0].done.done);
    g_assert_no_error(told[0].done.error);
    g_assert_nonnull(strstr(told[0].said, "on standby already"));
    /* Kept there: it is not given one by itself. */
    g_assert_false(vt_vf_give_is_due(domain, NULL));
    params.to = VT_TEAM_SWITCH_PRIMARY;
    vt_team_switch(domain, &params, vf_taketest_switched, &told[1]);
    fake_wait(&told[1].done.done);
    g_assert_error(told[1].done.error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    g_assert_nonnull(strstr(told[1].done.error->message, "belong to other guests"));
    g_assert_true(vt_team_keep_is(domain, "ua-standby"));
    vf_taketest_free_quietly(fixture);
    vt_team_switch(domain, &params, vf_taketest_switched, &told[2]);
    fake_wait(&told[2].done.done);
    g_assert_no_error(told[2].done.error);
    g_assert_nonnull(strstr(told[2].said, "given a VF"));
    fake_vfs_expect(fixture, domain, "0000:81:10.0");
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_NONE);
    fake_settle();
    fake_vfs_stop(fixture, domain);
    fake_vfs_assert_all_back(fixture);
    g_free(told[0].said);
    g_error_free(told[1].done.error);
    g_free(told[2].said);
}

static void
test_a_try_that_fails_leaves_the_guest_as_it_was(FakeVfs *fixture, gconstpointer user)
{
    VtDomain *domain = vf_taketest_bare(fixture);
    const VtSeqTable *table = vt_vf_give_table();

    vf_taketest_free_quietly(fixture);
    vt_seq_set_fault_hook(vf_taketest_fault);
    for (gsize i = 0; i < table->n_steps; i++) {
        g_autofree char *point = g_strdup_printf("%s/%s", table->name, table->steps[i].name);
        g_autoptr(GError) error = NULL;

        vf_taketest_fail_step = point;
        error = fake_vfs_try(domain, "ua-standby");
        g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
        fake_vfs_expect(fixture, domain, "");
        fake_vfs_assert_all_back(fixture);
        g_assert_null(vt_journal_kind(domain));
    }
    vf_taketest_fail_step = NULL;
    fake_guest_refuse("device_add", "GenericError");
    g_assert_nonnull(fake_vfs_try(domain, "ua-standby"));
    fake_vfs_assert_all_back(fixture);
    fake_guest_refuse(NULL, NULL);
    g_assert_no_error(fake_vfs_try(domain, "ua-standby"));
    fake_vfs_expect(fixture, domain, "0000:81:10.0");
    fake_vfs_stop(fixture, domain);
}

static void
test_a_guest_that_does_not_run_is_given_nothing(FakeVfs *fixture, gconstpointer user)
{
    VtDomain *domain = vf_taketest_define(fixture, 1, VF_TAKETEST_FAR, "");

    g_assert_error(fake_vfs_try(domain, "ua-standby"), VT_ERROR, VT_ERROR_OPERATION_INVALID);
}

/* The daemon is killed while QEMU is asked to plug it; what QEMU says then decides. */
static void
vf_taketest_crash(FakeVfs *fixture, gboolean has_it)
{
    VtDomain *domain = vf_taketest_bare(fixture);
    g_autofree char *uuid = g_strdup_printf(VF_TAKETEST_UUID, 1);
    FakeDone told = { 0 };
    VtUuid id;

    vf_taketest_free_quietly(fixture);
    fake_guest_mute("device_add");
    vt_vf_give_try(domain, "ua-standby", fake_done, &told);
    while (g_strcmp0(vt_journal_get(domain, "step"), "plug") != 0)
        g_main_context_iteration(NULL, TRUE);
    fake_settle();
    g_assert_false(told.done);
    vt_vf_give_abandon(domain);
    fake_host_crash(&fixture->host);
    fake_guest_mute(NULL);
    fake_guest_answer("qom-list", has_it ? "[{\"name\":\"ua-standby\",\"type\":\"child<x>\"},"
                                           "{\"name\":\"ua-primary\",\"type\":\"child<vfio-pci>\"}]"
                                         : "[{\"name\":\"ua-standby\",\"type\":\"child<x>\"}]");
    vt_hostdev_set_pci_host(fixture->host.driver, &fixture->pci);
    vt_reserve_load(fixture->host.driver);
    vt_recover_run(fixture->host.driver);
    vt_hostdev_recover(fixture->host.driver);
    fake_settle();
    g_assert_true(vt_uuid_parse(uuid, &id));
    domain = vt_driver_lookup_uuid(fixture->host.driver, &id, NULL);
    g_assert_nonnull(domain);
    while (vt_journal_kind(domain) || vt_job_kind(domain) != VT_JOB_NONE)
        g_main_context_iteration(NULL, TRUE);
    fake_settle();
    fake_vfs_expect(fixture, domain, has_it ? "0000:81:10.0" : "");
    g_assert_cmpuint(fake_vfs_reservations(fixture), ==, has_it ? 1 : 0);
    fake_guest_answer(NULL, NULL);
    fake_vfs_stop(fixture, domain);
    fake_vfs_assert_all_back(fixture);
}

static void
test_a_crash_before_the_plug_gives_it_back(FakeVfs *fixture, gconstpointer user)
{
    vf_taketest_crash(fixture, FALSE);
}

static void
test_a_crash_behind_the_plug_keeps_it(FakeVfs *fixture, gconstpointer user)
{
    vf_taketest_crash(fixture, TRUE);
}

#define VF_TAKETEST_ADD(path, func)                                                                          \
    g_test_add("/driver/vf-take/" path, FakeVfs, NULL, fake_vfs_set_up, func, fake_vfs_tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK); /* a guest on standby is said, as it should be */
    VF_TAKETEST_ADD("near-vfs-first-and-each-guest-its-own", test_near_vfs_first_and_each_guest_its_own);
    VF_TAKETEST_ADD("the-xml-says-what-was-taken-to-its-host-alone",
                    test_the_xml_says_what_was_taken_to_its_host_alone);
    VF_TAKETEST_ADD("a-vf-that-shares-its-group-is-passed-over",
                    test_a_vf_that_shares_its_group_is_passed_over);
    VF_TAKETEST_ADD("a-vf-that-cannot-be-bound-is-passed-over",
                    test_a_vf_that_cannot_be_bound_is_passed_over);
    VF_TAKETEST_ADD("none-can-be-bound", test_none_can_be_bound);
    VF_TAKETEST_ADD("standby-only-when-none-can-be-bound", test_standby_only_when_none_can_be_bound);
    VF_TAKETEST_ADD("an-address-beside-a-policy-is-a-hint", test_an_address_beside_a_policy_is_a_hint);
    VF_TAKETEST_ADD("a-hint-does-not-travel", test_a_hint_does_not_travel);
    VF_TAKETEST_ADD("a-start-that-fails-gives-everything-back",
                    test_a_start_that_fails_gives_everything_back);
    VF_TAKETEST_ADD("an-attached-transient-gets-one-too", test_an_attached_transient_gets_one_too);
    VF_TAKETEST_ADD("a-guest-on-standby-gets-what-another-leaves",
                    test_a_guest_on_standby_gets_what_another_leaves);
    VF_TAKETEST_ADD("a-vf-is-given-on-command", test_a_vf_is_given_on_command);
    VF_TAKETEST_ADD("a-user-may-ask-for-the-primary", test_a_user_may_ask_for_the_primary);
    VF_TAKETEST_ADD("a-try-that-fails-leaves-the-guest-as-it-was",
                    test_a_try_that_fails_leaves_the_guest_as_it_was);
    VF_TAKETEST_ADD("a-guest-that-does-not-run-is-given-nothing",
                    test_a_guest_that_does_not_run_is_given_nothing);
    VF_TAKETEST_ADD("a-crash-before-the-plug-gives-it-back", test_a_crash_before_the_plug_gives_it_back);
    VF_TAKETEST_ADD("a-crash-behind-the-plug-keeps-it", test_a_crash_behind_the_plug_keeps_it);
    return g_test_run();
}
