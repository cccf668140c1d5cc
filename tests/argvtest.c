/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Option strings, names, and what depends on the run-time values; whole command lines are goldens. */
#include "qemu/argv.h"
#include <string.h>
#include "conf/domain-xml.h"
#include "qemu/prepare.h"

static VtQemuCaps *caps;

static void
test_commas_are_doubled(void)
{
    static const struct {
        const char *value, *expected;
    } rows[] = {
        { "plain", "head,key=plain" },
        { "", "head,key=" },
        { "a,b", "head,key=a,,b" },
        { ",", "head,key=,," },
        { ",,", "head,key=,,,," },
        { "x=y z'\"", "head,key=x=y z'\"" },
        { "\xc3\xa4,", "head,key=\xc3\xa4,," },
    };
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(rows); i++) {
        VtOpts *opts = vt_opts_new("head");
        g_autofree char *text = NULL;

        vt_opts_add(opts, "key", rows[i].value);
        text = vt_opts_end(opts);
        g_assert_cmpstr(text, ==, rows[i].expected);
    }
}

static void
test_options_without_a_value_vanish(void)
{
    VtOpts *opts = vt_opts_new(NULL);
    g_autofree char *text = NULL;

    vt_opts_add(opts, "none", NULL);
    vt_opts_flag(opts, "yes", TRUE);
    vt_opts_addf(opts, "number", "%d,%d", 1, 2);
    vt_opts_flag(opts, "no", FALSE);
    text = vt_opts_end(opts);
    g_assert_cmpstr(text, ==, "yes=on,number=1,,2,no=off");
}

static void
test_text_is_quoted_for_a_shell(void)
{
    const char *argv[] = { "/bin/q emu", "-S",          "-append", "a 'b'", "-name",
                           "guest=x,y",  "-nodefaults", "-boot",   "",      NULL };
    g_autofree char *text = vt_argv_to_text((char *const *)argv);
    g_auto(GStrv) words = NULL;
    g_autoptr(GError) error = NULL;
    gsize i;

    g_assert_nonnull(strstr(text, " \\\n-S \\\n-append "));
    g_strdelimit(text, "\\\n", ' ');
    g_assert_true(g_shell_parse_argv(strstr(text, "-name"), NULL, &words, &error));
    g_assert_no_error(error);
    for (i = 0; words[i]; i++)
        g_assert_cmpstr(words[i], ==, argv[4 + i]);
    g_assert_cmpuint(i, ==, 5);
}

static const char team_xml[] =
    "<domain type='qemu'><name>g</name><uuid>c7a5fdbd-cdaf-9455-926a-000000000001</uuid>"
    "<memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os><devices>"
    "<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/><model type='virtio'/>"
    "<driver queues='2'/><teaming type='persistent'/><alias name='ua-net'/></interface>"
    "<interface type='hostdev'><mac address='52:54:00:00:00:01'/><source><address type='pci' domain='0' bus='1' "
    "slot='2' function='3'/></source><teaming type='transient' persistent='ua-net'/></interface>"
    "<channel type='unix'><target type='virtio' name='org.example/x'/></channel>"
    "</devices></domain>";

static VtDomainDef *
team_def(void)
{
    g_autoptr(GError) error = NULL;
    VtDomainDef *def = vt_domain_xml_parse(team_xml, &error);

    g_assert_no_error(error);
    g_assert_true(vt_qemu_prepare_define(def, caps, &error));
    g_assert_no_error(error);
    vt_alias_assign(def);
    return def;
}

static gboolean
argv_has(char **argv, const char *option, const char *value)
{
    gsize i;

    for (i = 0; argv[i] && argv[i + 1]; i++)
        if (g_str_equal(argv[i], option) && g_str_equal(argv[i + 1], value))
            return TRUE;
    return FALSE;
}

static void
test_run_time_values_are_used(void)
{
    static const int more_taps[] = { 21 }, more_vhosts[] = { 31 };
    const VtArgvNetFd fds[] = { { 20, 30, more_taps, more_vhosts, 1 }, { -1, -1, NULL, NULL, 0 } };
    VtArgvContext ctx = { .monitor_fd = 9,
                          .state_dir = "/run/g",
                          .incoming = "defer",
                          .start_paused = TRUE,
                          .net_fds = fds,
                          .n_net_fds = 2 };
    g_autoptr(VtDomainDef) def = team_def();
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) argv = vt_argv_build(def, caps, &ctx, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(argv[3], ==, "-S");
    g_assert_true(argv_has(argv, "-chardev", "socket,id=charmonitor,fd=9,server=on,wait=off"));
    g_assert_true(argv_has(argv, "-incoming", "defer"));
    g_assert_true(argv_has(argv, "-netdev", "tap,fds=20:21,vhost=on,vhostfds=30:31,id=hostua-net"));
    g_assert_true(argv_has(argv, "-chardev",
                           "socket,id=charchannel0,path=/run/g/channel-org.example_x,server=on,wait=off"));
}

static void
test_a_missing_tap_is_an_error(void)
{
    VtArgvContext ctx = { .monitor_fd = 9, .state_dir = "/run/g" };
    g_autoptr(VtDomainDef) def = team_def();
    g_autoptr(GError) error = NULL;

    g_assert_null(vt_argv_build(def, caps, &ctx, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_INTERNAL);
}

static void
test_a_long_socket_path_is_refused(void)
{
    g_autofree char *dir = g_strnfill(100, 'd');
    VtArgvContext ctx = { .monitor_fd = 9, .state_dir = dir, .standalone = TRUE };
    g_autoptr(VtDomainDef) def = team_def();
    g_autoptr(GError) error = NULL;

    g_assert_null(vt_argv_build(def, caps, &ctx, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_CONFIG_UNSUPPORTED);
}

static void
test_devices_for_plugging_are_those_of_the_command_line(void)
{
    VtArgvContext ctx = { .monitor_fd = -1, .standalone = TRUE };
    g_autoptr(VtDomainDef) def = team_def();
    g_auto(GStrv) argv = vt_argv_build(def, caps, &ctx, NULL);
    guint i;

    for (i = 0; i < def->nets->len; i++) {
        g_autofree char *device = vt_argv_net_device(def, def->nets->pdata[i]);

        g_assert_true(argv_has(argv, "-device", device));
    }
}

static void
test_aliases_go_on_behind_the_highest(void)
{
    g_autoptr(VtDomainDef) def = team_def();
    VtNetDef *first = def->nets->pdata[0], *second = def->nets->pdata[1];
    VtNetDef *third = g_new0(VtNetDef, 1);

    g_assert_cmpstr(first->info.alias, ==, "ua-net");
    g_assert_cmpstr(second->info.alias, ==, "hostdev0");
    third->type = VT_NET_HOSTDEV;
    g_ptr_array_add(def->nets, third);
    g_free(second->info.alias);
    second->info.alias = g_strdup("hostdev4");
    vt_alias_assign(def);
    g_assert_cmpstr(third->info.alias, ==, "hostdev5");
    g_assert_cmpstr(vt_alias_pci_bus(def, 0), ==, "pcie.0");
    g_assert_cmpstr(vt_alias_pci_bus(def, 1), ==, "pci.1");
    g_assert_null(vt_alias_pci_bus(def, 200));
}

int
main(int argc, char **argv)
{
    g_autofree char *json = NULL;
    int result;

    g_test_init(&argc, &argv, NULL);
    g_assert_true(g_file_get_contents(VT_TEST_DATA_DIR "/data/caps-7.2.json", &json, NULL, NULL));
    caps = vt_qemu_caps_from_json(json, NULL);
    g_assert_nonnull(caps);
    g_test_add_func("/qemu/opts/commas-are-doubled", test_commas_are_doubled);
    g_test_add_func("/qemu/opts/options-without-a-value-vanish", test_options_without_a_value_vanish);
    g_test_add_func("/qemu/argv/text-is-quoted-for-a-shell", test_text_is_quoted_for_a_shell);
    g_test_add_func("/qemu/argv/run-time-values-are-used", test_run_time_values_are_used);
    g_test_add_func("/qemu/argv/a-missing-tap-is-an-error", test_a_missing_tap_is_an_error);
    g_test_add_func("/qemu/argv/a-long-socket-path-is-refused", test_a_long_socket_path_is_refused);
    g_test_add_func("/qemu/argv/devices-for-plugging-are-those-of-the-command-line",
                    test_devices_for_plugging_are_those_of_the_command_line);
    g_test_add_func("/qemu/alias/numbers-go-on-behind-the-highest", test_aliases_go_on_behind_the_highest);
    result = g_test_run();
    vt_qemu_caps_unref(caps);
    return result;
}
