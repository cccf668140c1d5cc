/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Goldens: every tests/qemuxml2argvdata/NAME.xml is parsed and written; the result is NAME.out.xml, or NAME.xml
 * itself where there is none. Every tests/domainbaddata/NAME.xml is refused with the messages in NAME.err.
 * VT_REGENERATE=1 writes what came out, and fails.
 */
#include "conf/domain-xml.h"

#include <glib/gstdio.h>
#include <string.h>

#include "conf/device-xml.h"
#include "conf/postparse.h"
#include "conf/teaming.h"
#include "conf/validate.h"

static char *
data_path(const char *dir, const char *name, const char *suffix)
{
    return g_strconcat(VT_TEST_DATA_DIR, "/", dir, "/", name, suffix, NULL);
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted names without ".xml"; those that end in ".out" are results. */
static GPtrArray *
cases_of(const char *dir)
{
    g_autofree char *path = data_path(dir, "", "");
    g_autoptr(GDir) listing = g_dir_open(path, 0, NULL);
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    g_assert_nonnull(listing);
    while ((name = g_dir_read_name(listing)))
        if (g_str_has_suffix(name, ".xml") && !g_str_has_suffix(name, ".out.xml"))
            g_ptr_array_add(names, g_strndup(name, strlen(name) - 4));
    g_ptr_array_sort(names, compare_names);
    g_assert_cmpuint(names->len, >, 30);
    return names;
}

/* Compares with a golden; in regeneration writes it (or removes one that @unchanged makes needless). */
static void
assert_golden(const char *path, const char *actual, const char *unchanged)
{
    g_autofree char *expected = NULL;

    if (g_getenv("VT_REGENERATE")) {
        if (unchanged && strcmp(actual, unchanged) == 0)
            g_unlink(path);
        else
            g_file_set_contents(path, actual, -1, NULL);
        g_test_fail();
        return;
    }
    if (!g_file_get_contents(path, &expected, NULL, NULL) && unchanged)
        expected = g_strdup(unchanged);
    g_assert_cmpstr(actual, ==, expected ? expected : "(no golden: run with VT_REGENERATE=1)");
}

static void
test_round_trip(gconstpointer data)
{
    const char *name = data;
    g_autofree char *in_path = data_path("qemuxml2argvdata", name, ".xml");
    g_autofree char *out_path = data_path("qemuxml2argvdata", name, ".out.xml");
    g_autofree char *xml = NULL, *once = NULL, *twice = NULL, *copied = NULL, *status = NULL,
                    *status_twice = NULL;
    g_autoptr(VtDomainDef) def = NULL, again = NULL, copy = NULL, from_status = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_get_contents(in_path, &xml, NULL, NULL));
    def = vt_domain_xml_parse(xml, &error);
    g_assert_no_error(error);
    once = vt_domain_xml_format(def, -1, VT_XML_FORMAT_INACTIVE);
    assert_golden(out_path, once, xml);

    again = vt_domain_xml_parse(once, &error);
    g_assert_no_error(error);
    twice = vt_domain_xml_format(again, -1, VT_XML_FORMAT_INACTIVE);
    g_assert_cmpstr(once, ==, twice);

    copy = vt_domain_def_copy(def);
    vt_postparse_domain(copy);
    g_assert_true(vt_validate_first(copy, &error));
    copied = vt_domain_xml_format(copy, -1, VT_XML_FORMAT_INACTIVE);
    g_assert_cmpstr(once, ==, copied);

    status = vt_domain_xml_format(def, 7, VT_XML_FORMAT_STATUS);
    from_status = vt_domain_xml_parse_status(status, &error);
    g_assert_no_error(error);
    status_twice = vt_domain_xml_format(from_status, 7, VT_XML_FORMAT_STATUS);
    g_assert_cmpstr(status, ==, status_twice);
}

/* Each device alone is what it is within the domain. */
static void
test_devices_alone(gconstpointer data)
{
    const char *name = data;
    g_autofree char *path = data_path("qemuxml2argvdata", name, ".xml");
    g_autofree char *xml = NULL;
    g_autoptr(VtXmlDoc) doc = NULL;

    g_assert_true(g_file_get_contents(path, &xml, NULL, NULL));
    doc = vt_xml_parse(xml, NULL);
    VT_XML_FOREACH(node, vt_xml_child(xmlDocGetRootElement(doc), "devices"), NULL)
    {
        xmlBuffer *buffer = xmlBufferCreate();
        g_autoptr(GError) error = NULL;
        g_autoptr(VtDevice) device = NULL, again = NULL;
        g_autofree char *text = NULL, *twice = NULL;

        xmlNodeDump(buffer, doc, node, 0, 0);
        device = vt_device_xml_parse((const char *)xmlBufferContent(buffer), &error);
        xmlBufferFree(buffer);
        if (vt_xml_word_in((const char *)node->name, "emulator input audio watchdog")) {
            g_assert_null(device);
            g_assert_nonnull(error);
            continue;
        }
        g_assert_no_error(error);
        text = vt_device_xml_format(device, 0);
        again = vt_device_xml_parse(text, &error);
        g_assert_no_error(error);
        twice = vt_device_xml_format(again, 0);
        g_assert_cmpstr(text, ==, twice);
    }
}

static void
test_refused(gconstpointer data)
{
    const char *name = data;
    g_autofree char *in_path = data_path("domainbaddata", name, ".xml");
    g_autofree char *err_path = data_path("domainbaddata", name, ".err");
    g_autofree char *xml = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(VtDomainDef) def = NULL, first = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_get_contents(in_path, &xml, NULL, NULL));
    def = vt_domain_xml_check(xml, problems);
    g_assert_null(def);
    g_assert_cmpuint(problems->len, >, 0);
    for (guint i = 0; i < problems->len; i++)
        g_string_append_printf(text, "%s\n", (char *)problems->pdata[i]);
    assert_golden(err_path, text->str, NULL);
    first = vt_domain_xml_parse(xml, &error);
    g_assert_null(first);
    g_assert_nonnull(error);
    g_assert_true(g_str_has_prefix(error->message, problems->pdata[0]));
    g_assert_cmpint(error->code, !=, VT_ERROR_INTERNAL);
}

/* No golden without a case. */
static void
test_no_strays(void)
{
    g_autofree char *path = data_path("domainbaddata", "", "");
    g_autoptr(GDir) listing = g_dir_open(path, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(listing))) {
        g_autofree char *stem = g_strndup(name, strlen(name) > 4 ? strlen(name) - 4 : 0);
        g_autofree char *xml = data_path("domainbaddata", stem, ".xml");

        g_test_message("%s", name);
        g_assert_true(g_str_has_suffix(name, ".xml") || g_str_has_suffix(name, ".err"));
        g_assert_true(g_file_test(xml, G_FILE_TEST_EXISTS));
    }
}

/* ---- defaults ---- */

#define MINIMAL(inside)                                                                                      \
    "<domain type='qemu'><name>x</name><memory unit='MiB'>64</memory>"                                       \
    "<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>" inside "</devices></domain>"

static VtDomainDef *
parsed(const char *xml)
{
    g_autoptr(GError) error = NULL;
    VtDomainDef *def = vt_domain_xml_parse(xml, &error);

    g_assert_no_error(error);
    return def;
}

static void
test_defaults(void)
{
    g_autoptr(VtDomainDef) a = parsed(MINIMAL("<interface type='user'/><interface type='user'/>"));
    g_autoptr(VtDomainDef) b = parsed(MINIMAL(""));
    const VtNetDef *first = a->nets->pdata[0], *second = a->nets->pdata[1];

    g_assert_true(a->has_uuid && b->has_uuid);
    g_assert_false(vt_uuid_equal(&a->uuid, &b->uuid));
    g_assert_true(first->has_mac && second->has_mac);
    g_assert_false(vt_mac_equal(&first->mac, &second->mac));
    g_assert_cmpstr(first->model, ==, "rtl8139");
    g_assert_cmpuint(a->current_memory_kib, ==, 65536);
    g_assert_cmpuint(a->vcpus, ==, 1);
    g_assert_cmpstr(a->memballoon->model, ==, "virtio");
    g_assert_cmpuint(a->inputs->len, ==, 2);
    g_assert_cmpuint(a->serials->len, ==, 0);
    g_assert_cmpuint(a->os.n_boot, ==, 1);
    g_assert_cmpint(a->os.boot[0], ==, VT_BOOT_HD);
}

static void
test_console_and_serial_are_one(void)
{
    static const char *const rows[] = {
        MINIMAL("<serial type='pty'/>"),
        MINIMAL("<console type='pty'/>"),
        MINIMAL("<serial type='pty'/><console type='pty'/>"),
        MINIMAL("<console type='pty'><target type='serial' port='0'/></console>"),
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(VtDomainDef) def = parsed(rows[i]);
        const VtCharDef *serial, *console;

        g_assert_cmpuint(def->serials->len, ==, 1);
        g_assert_cmpuint(def->consoles->len, ==, 1);
        serial = def->serials->pdata[0];
        console = def->consoles->pdata[0];
        g_assert_cmpint(serial->role, ==, VT_CHAR_ROLE_SERIAL);
        g_assert_cmpint(console->role, ==, VT_CHAR_ROLE_CONSOLE);
        g_assert_cmpstr(serial->target_type, ==, "isa-serial");
        g_assert_cmpstr(serial->target_model, ==, "isa-serial");
        g_assert_cmpstr(console->target_type, ==, "serial");
        g_assert_cmpint(serial->target_port, ==, 0);
        g_assert_cmpint(console->target_port, ==, 0);
    }
}

static void
test_automatic_aliases_live_in_status_only(void)
{
    static const char xml[] = MINIMAL("<rng model='virtio'><backend model='random'>/dev/urandom</backend>"
                                      "<alias name='rng0'/></rng>");
    g_autoptr(VtDomainDef) defined = parsed(xml);
    g_autoptr(VtDomainDef) status = vt_domain_xml_parse_status(xml, NULL);
    g_autofree char *live = vt_domain_xml_format(status, 3, 0);
    g_autofree char *inactive = vt_domain_xml_format(status, 3, VT_XML_FORMAT_INACTIVE);

    g_assert_null(((VtRngDef *)defined->rngs->pdata[0])->info.alias);
    g_assert_cmpstr(((VtRngDef *)status->rngs->pdata[0])->info.alias, ==, "rng0");
    g_assert_nonnull(strstr(live, "<alias name='rng0'/>"));
    g_assert_nonnull(strstr(live, "<domain type='qemu' id='3'>"));
    g_assert_null(strstr(inactive, "alias"));
    g_assert_nonnull(strstr(inactive, "<domain type='qemu'>"));
}

/* Its legs may be unplugged when the daemon ends: the next one must be able to read what runs. */
static void
test_policy_of_an_unplugged_team_lives_in_status_only(void)
{
    static const char meta[] =
        "<metadata><virtteam:teaming xmlns:virtteam='urn:virtteam:domain:1'><virtteam:team "
        "persistent='ua-standby'/></virtteam:teaming></metadata></domain>";
    g_autofree char *minimal = g_strdup(MINIMAL(""));
    g_autofree char *xml = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(VtDomainDef) status = NULL;

    *strstr(minimal, "</domain>") = '\0';
    xml = g_strconcat(minimal, meta, NULL);
    g_assert_null(vt_domain_xml_parse(xml, &error));
    g_assert_nonnull(strstr(error->message, "ua-standby"));
    g_clear_error(&error);
    status = vt_domain_xml_parse_status(xml, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(status->team_policies->len, ==, 1);
}

static void
test_first_problem_counts_the_others(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VtDomainDef) def = vt_domain_xml_parse("<domain type='qemu'/>", &error);

    g_assert_null(def);
    g_assert_error(error, VT_ERROR, VT_ERROR_XML_DETAIL);
    g_assert_cmpstr(
        error->message, ==,
        "<domain> (line 1): the element <name> is missing (and 2 more: 'virtteam validate' lists all)");
}

static void
test_many_devices_are_refused(void)
{
    g_autoptr(GString) xml = g_string_new("<domain type='qemu'><name>x</name><memory>65536</memory>"
                                          "<os><type>hvm</type></os><devices>");
    g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(VtDomainDef) def = NULL;

    for (guint i = 0; i < 2000; i++)
        g_string_append(xml, "<interface type='user'/>");
    g_string_append(xml, "</devices></domain>");
    def = vt_domain_xml_check(xml->str, problems);
    g_assert_null(def);
    g_assert_cmpuint(problems->len, ==, 1);
    g_assert_cmpstr(problems->pdata[0], ==, "<devices> (line 1): there are more than 512 devices");
}

static void
test_devices_that_cannot_come_alone(void)
{
    static const struct {
        const char *xml;
        int code;
    } rows[] = {
        { "<input type='tablet' bus='usb'/>", VT_ERROR_CONFIG_UNSUPPORTED },
        { "<graphics type='vnc'/>", VT_ERROR_CONFIG_UNSUPPORTED },
        { "<domain/>", VT_ERROR_XML_DETAIL },
        { "<interface xmlns='urn:x' type='user'/>", VT_ERROR_XML_DETAIL },
        { "<interface type='user'><bandwidth/></interface>", VT_ERROR_CONFIG_UNSUPPORTED },
        { "<interface type='user'><quux/></interface>", VT_ERROR_XML_DETAIL },
        { "<interface type='user'>", VT_ERROR_XML },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(VtDevice) device = vt_device_xml_parse(rows[i].xml, &error);

        g_test_message("%s", rows[i].xml);
        g_assert_null(device);
        g_assert_error(error, VT_ERROR, rows[i].code);
    }
}

static void
add_cases(GPtrArray *names, const char *prefix, GTestDataFunc func)
{
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_strconcat(prefix, names->pdata[i], NULL);

        g_test_add_data_func(path, names->pdata[i], func);
    }
}

int
main(int argc, char **argv)
{
    g_autoptr(GPtrArray) good = cases_of("qemuxml2argvdata");
    g_autoptr(GPtrArray) bad = cases_of("domainbaddata");

    g_test_init(&argc, &argv, NULL);
    g_test_set_nonfatal_assertions();
    add_cases(good, "/conf/domain-xml/round-trip/", test_round_trip);
    add_cases(good, "/conf/device-xml/alone/", test_devices_alone);
    add_cases(bad, "/conf/domain-xml/refused/", test_refused);
    g_test_add_func("/conf/domain-xml/every-err-has-its-xml", test_no_strays);
    g_test_add_func("/conf/domain-xml/defaults", test_defaults);
    g_test_add_func("/conf/domain-xml/console-and-serial-are-one", test_console_and_serial_are_one);
    g_test_add_func("/conf/domain-xml/automatic-aliases-live-in-status-only",
                    test_automatic_aliases_live_in_status_only);
    g_test_add_func("/conf/domain-xml/policy-of-an-unplugged-team-lives-in-status-only",
                    test_policy_of_an_unplugged_team_lives_in_status_only);
    g_test_add_func("/conf/domain-xml/first-problem-counts-the-others", test_first_problem_counts_the_others);
    g_test_add_func("/conf/domain-xml/many-devices-are-refused", test_many_devices_are_refused);
    g_test_add_func("/conf/device-xml/what-cannot-come-alone", test_devices_that_cannot_come_alone);
    return g_test_run();
}
