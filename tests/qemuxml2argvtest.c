/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each tests/qemuxml2argvdata/<case>.xml becomes either <case>.args (its command line) and <case>.stored
 * (what is stored of it), or <case>.err (every problem). All by the capabilities in caps-7.2.json, so that
 * the machine the test runs on does not matter. What is stored is read back: it has to give the same again.
 */
#include <string.h>
#include "conf/domain-xml.h"
#include "lib/golden.h"
#include "qemu/argv.h"
#include "qemu/prepare.h"

#define DATA_DIR  VT_TEST_DATA_DIR "/qemuxml2argvdata"
#define CAPS_FILE VT_TEST_DATA_DIR "/data/caps-7.2.json"

static VtQemuCaps *caps;

/* The command line, or NULL with @problems. @stored gets the XML to keep. */
static char *
build_args(const char *xml, GPtrArray *problems, char **stored)
{
    VtArgvContext ctx = { .monitor_fd = -1, .standalone = TRUE };
    g_autoptr(VtDomainDef) def = vt_domain_xml_check(xml, problems);
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) argv = NULL;

    if (!def || !vt_qemu_prepare_check(def, caps, problems))
        return NULL;
    *stored = vt_domain_xml_format(def, -1, VT_XML_FORMAT_INACTIVE | VT_XML_FORMAT_SECURE);
    vt_alias_assign(def);
    argv = vt_argv_build(def, caps, &ctx, &error);
    if (!argv) {
        g_ptr_array_add(problems, g_strdup(error->message));
        return NULL;
    }
    return vt_argv_to_text(argv);
}

static void
check_read_back(const char *name, const char *args, const char *stored)
{
    g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *again = NULL;
    g_autofree char *args_again = build_args(stored, problems, &again);

    if (!args_again) {
        g_test_message("%s: what is stored is refused: %s", name, (const char *)problems->pdata[0]);
        g_test_fail();
        return;
    }
    g_assert_cmpstr(again, ==, stored);
    g_assert_cmpstr(args_again, ==, args);
}

static void
test_case(gconstpointer data)
{
    const char *name = data;
    g_autofree char *xml_path = g_strdup_printf("%s/%s.xml", DATA_DIR, name);
    g_autofree char *args_path = g_strdup_printf("%s/%s.args", DATA_DIR, name);
    g_autofree char *stored_path = g_strdup_printf("%s/%s.stored", DATA_DIR, name);
    g_autofree char *err_path = g_strdup_printf("%s/%s.err", DATA_DIR, name);
    g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *xml = NULL, *args = NULL, *stored = NULL, *errors = NULL;

    g_assert_true(g_file_get_contents(xml_path, &xml, NULL, NULL));
    args = build_args(xml, problems, &stored);
    if (!args) {
        g_autofree char *lines = NULL;

        g_ptr_array_add(problems, NULL);
        lines = g_strjoinv("\n", (char **)problems->pdata);
        errors = g_strconcat(lines, "\n", NULL);
        g_clear_pointer(&stored, g_free);
    }
    vt_golden_check(args_path, args);
    vt_golden_check(stored_path, stored);
    vt_golden_check(err_path, errors);
    if (args)
        check_read_back(name, args, stored);
}

int
main(int argc, char **argv)
{
    static const char *const others[] = { ".stored", ".out.xml", ".args", ".err", NULL };
    g_autoptr(GError) error = NULL;
    g_autofree char *json = NULL;
    g_auto(GStrv) names = NULL;
    int result;
    gsize i;

    g_test_init(&argc, &argv, NULL);
    g_assert_true(g_file_get_contents(CAPS_FILE, &json, NULL, NULL));
    caps = vt_qemu_caps_from_json(json, &error);
    g_assert_no_error(error);
    names = vt_golden_list(DATA_DIR, ".xml", others, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(g_strv_length(names), >, 0);
    /* From here on a failure must not hide those of the other cases. */
    g_test_set_nonfatal_assertions();
    for (i = 0; names[i]; i++) {
        g_autofree char *path = g_strdup_printf("/qemuxml2argv/%s", names[i]);

        g_test_add_data_func(path, names[i], test_case);
    }
    result = g_test_run();
    vt_qemu_caps_unref(caps);
    return result;
}
