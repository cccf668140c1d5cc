/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/domain-list.h"
#include <string.h>
#include "driver/domain-private.h"

static VtDomainDef *
listtest_def(const char *name, guint8 uuid)
{
    VtDomainDef *def = vt_domain_def_new();

    def->name = g_strdup(name);
    def->uuid.bytes[0] = uuid;
    def->has_uuid = TRUE;
    return def;
}

static void
listtest_open(VtDriver *driver)
{
    *driver = (VtDriver){ 0 };
    vt_domain_list_init(driver);
}

static void
test_admit_names_clashes(void)
{
    static const struct {
        const char *name;
        guint8 uuid;
        gboolean live;
        const char *message; /* NULL: admitted */
    } rows[] = {
        { "a", 1, FALSE, NULL },
        { "a", 2, FALSE, "domain 'a' already exists with uuid 01000000-0000-0000-0000-000000000000" },
        { "b", 1, FALSE, "domain 'a' is already defined with uuid 01000000-0000-0000-0000-000000000000" },
        { "a", 1, FALSE, NULL },
        { "a", 1, TRUE, NULL },
        { "a", 1, TRUE, "domain is already active as 'a'" },
        { "c", 3, TRUE, NULL },
        { "c", 4, TRUE, "domain 'c' already exists with uuid 03000000-0000-0000-0000-000000000000" },
        { "c", 3, FALSE, NULL },
    };
    VtDriver driver;

    listtest_open(&driver);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        VtDomain *domain =
            vt_domain_list_admit(&driver, listtest_def(rows[i].name, rows[i].uuid), rows[i].live, &error);

        g_assert_cmpstr(error ? error->message : NULL, ==, rows[i].message);
        g_assert_true((domain == NULL) == (rows[i].message != NULL));
        if (domain)
            g_assert_nonnull(rows[i].live ? domain->live : domain->persistent);
    }
    vt_domain_list_clear(&driver);
}

static void
test_prune_keeps_what_lives(void)
{
    VtDriver driver;
    g_autoptr(VtDomain) domain = NULL;

    listtest_open(&driver);
    domain = vt_domain_ref(vt_domain_list_admit(&driver, listtest_def("a", 1), FALSE, NULL));
    vt_domain_list_prune(&driver, domain);
    g_assert_nonnull(vt_driver_lookup_name(&driver, "a", NULL));
    domain->id = 1;
    vt_domain_set_persistent_def(domain, NULL);
    vt_domain_list_prune(&driver, domain);
    g_assert_nonnull(vt_driver_lookup_id(&driver, 1, NULL));
    domain->id = -1;
    vt_domain_list_prune(&driver, domain);
    g_assert_null(vt_driver_lookup_name(&driver, "a", NULL));
    g_assert_null(vt_driver_lookup_uuid(&driver, &domain->uuid, NULL));
    /* Whoever holds it still finds a definition in it. */
    g_assert_cmpstr(vt_domain_def(domain)->name, ==, "a");
    g_assert_null(vt_domain_driver(domain));
    vt_domain_list_clear(&driver);
}

static void
test_rename(void)
{
    VtDriver driver;
    VtDomain *domain;
    g_autoptr(GError) error = NULL;

    listtest_open(&driver);
    domain = vt_domain_list_admit(&driver, listtest_def("a", 1), FALSE, NULL);
    vt_domain_list_admit(&driver, listtest_def("b", 2), FALSE, NULL);
    g_assert_false(vt_domain_list_rename(&driver, domain, "b", &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_DOMAIN_EXISTS);
    g_assert_true(vt_domain_list_rename(&driver, domain, "c", NULL));
    g_assert_null(vt_driver_lookup_name(&driver, "a", NULL));
    g_assert_true(vt_driver_lookup_name(&driver, "c", NULL) == domain);
    g_assert_cmpstr(domain->persistent->name, ==, "c");
    vt_domain_list_clear(&driver);
}

static void
test_filter(void)
{
    static const struct {
        guint flags;
        const char *names;
    } rows[] = {
        { 0, "run pause def auto" },
        { 1, "run pause" }, /* active */
        { 2, "def auto" },  /* inactive; by name below */
        { 1 | 2, "run pause def auto" },
        { 4, "pause def auto" }, /* persistent */
        { 8, "run" },            /* transient */
        { 1 << 4, "run" },       /* running */
        { 1 << 5, "pause" },     /* paused */
        { 1 << 6, "def auto" },  /* shut off */
        { 1 << 4 | 1 << 5, "run pause" },
        { 1 << 10, "auto" }, /* autostart */
        { 1 << 11, "run pause def" },
        { 1 << 8, "" }, /* has a managed save image: none has */
        { 1 << 9, "run pause def auto" },
        { 1 | 1 << 6, "" },
    };
    VtDriverConfig config = { .lib_dir = (char *)"/nonexistent" };
    VtDriver driver;
    VtDomain *d;

    listtest_open(&driver);
    driver.config = &config;
    d = vt_domain_list_admit(&driver, listtest_def("run", 1), TRUE, NULL);
    d->id = 1;
    vt_domain_set_state(d, VT_DOMAIN_RUNNING, 1);
    d = vt_domain_list_admit(&driver, listtest_def("pause", 2), FALSE, NULL);
    d->id = 2;
    vt_domain_set_state(d, VT_DOMAIN_PAUSED, 1);
    d = vt_domain_list_admit(&driver, listtest_def("def", 3), FALSE, NULL);
    d = vt_domain_list_admit(&driver, listtest_def("auto", 4), FALSE, NULL);
    d->autostart = TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GPtrArray) found = vt_driver_list(&driver, rows[i].flags);
        g_auto(GStrv) words = g_strsplit(rows[i].names, " ", -1);

        g_assert_cmpuint(found->len, ==, rows[i].names[0] ? g_strv_length(words) : 0);
        for (guint j = 0; j < found->len; j++)
            g_assert_true(g_strv_contains((const char *const *)words, vt_domain_name(found->pdata[j])));
    }
    {
        g_autoptr(GPtrArray) all = vt_driver_list(&driver, 0);

        g_assert_cmpstr(vt_domain_name(all->pdata[0]), ==, "run");
        g_assert_cmpstr(vt_domain_name(all->pdata[1]), ==, "pause");
        g_assert_cmpstr(vt_domain_name(all->pdata[2]), ==, "auto");
        g_assert_cmpstr(vt_domain_name(all->pdata[3]), ==, "def");
    }
    vt_domain_list_clear(&driver);
}

static guint listtest_calls;

static void
listtest_count(VtDomain *domain, const VtQmpEvent *event, gpointer user)
{
    const VtDomainQmpFuncs funcs = { .event = listtest_count };

    listtest_calls++;
    /* Removing oneself and adding another from within is allowed. */
    vt_domain_remove_qmp_listener(domain, &funcs, user);
    if (GPOINTER_TO_UINT(user) == 1)
        vt_domain_add_qmp_listener(domain, &funcs, GUINT_TO_POINTER(7));
}

static void
test_listeners(void)
{
    const VtDomainQmpFuncs funcs = { .event = listtest_count };
    const VtQmpEvent event = { .name = (char *)"STOP" };
    VtUuid uuid = { { 0 } };
    g_autoptr(VtDomain) domain = vt_domain_new(NULL, "a", &uuid);

    vt_domain_add_qmp_listener(domain, &funcs, GUINT_TO_POINTER(1));
    vt_domain_add_qmp_listener(domain, &funcs, GUINT_TO_POINTER(2));
    vt_domain_tell_event(domain, &event);
    g_assert_cmpuint(listtest_calls, ==, 2);
    vt_domain_tell_event(domain, &event);
    g_assert_cmpuint(listtest_calls, ==, 3);
    g_assert_cmpuint(domain->listeners->len, ==, 0);
}

/* Every pair of states: the table says which changes happen; the others leave the state alone. */
static void
test_transitions(void)
{
    static const VtDomainState states[] = { VT_DOMAIN_RUNNING, VT_DOMAIN_PAUSED,  VT_DOMAIN_SHUTDOWN,
                                            VT_DOMAIN_SHUTOFF, VT_DOMAIN_CRASHED, VT_DOMAIN_PMSUSPENDED };
    static const char *const legal[] = {
        /* to: running paused shutdown shutoff crashed pmsuspended */
        "111111", "111110", "111110", "110100", "111110", "111111",
    };

    for (guint from = 0; from < G_N_ELEMENTS(states); from++) {
        for (guint to = 0; to < G_N_ELEMENTS(states); to++) {
            VtUuid uuid = { { 0 } };
            g_autoptr(VtDomain) domain = vt_domain_new(NULL, "a", &uuid);

            if (legal[from][to] != '1')
                continue; /* a warning, which would end this test; see the subprocess below */
            domain->state = states[from];
            vt_domain_set_state(domain, states[to], 9);
            g_assert_cmpint(vt_domain_state(domain, NULL), ==, states[to]);
        }
    }
}

static void
test_illegal_transition_is_refused(void)
{
    VtUuid uuid = { { 0 } };
    g_autoptr(VtDomain) domain = NULL;

    if (g_test_subprocess()) {
        g_log_set_always_fatal(G_LOG_LEVEL_ERROR);
        domain = vt_domain_new(NULL, "a", &uuid);
        vt_domain_set_state(domain, VT_DOMAIN_SHUTDOWN, 0);
        g_assert_cmpint(vt_domain_state(domain, NULL), ==, VT_DOMAIN_SHUTOFF);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("*from 'shut off' to 'in shutdown'*");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/driver/domain-list/clashes-are-named-as-libvirt-does", test_admit_names_clashes);
    g_test_add_func("/driver/domain-list/prune-keeps-what-lives", test_prune_keeps_what_lives);
    g_test_add_func("/driver/domain-list/rename", test_rename);
    g_test_add_func("/driver/domain-list/filters", test_filter);
    g_test_add_func("/driver/domain-obj/listeners-may-come-and-go-while-told", test_listeners);
    g_test_add_func("/driver/domain-obj/legal-transitions", test_transitions);
    g_test_add_func("/driver/domain-obj/illegal-transition-is-refused", test_illegal_transition_is_refused);
    return g_test_run();
}
