/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtteamd.conf: what is read, what is refused and with which words; the paths that follow from it. */
#include <glib/gstdio.h>
#include <string.h>

#include "daemon/auth.h"
#include "daemon/config.h"

static const struct {
    const char *name, *text, *error; /* NULL: accepted */
} config_rows[] = {
    { "empty", "", NULL },
    { "comments-and-blanks", "# a comment\n\n   \t\n  # another\n", NULL },
    { "no-line-end", "max_clients = 3", NULL },
    { "dos-line-ends", "max_clients = 3\r\nhostname = \"a\"\r\n", NULL },
    { "comment-behind-a-value", "max_clients = 3 # few\n", NULL },
    { "single-quotes", "hostname = 'a b'", NULL },
    { "no-blanks", "hostname=\"a\"", NULL },
    { "unknown-key", "max_clients = 3\nmax_client = 3\n",
      "F:2: there is no key 'max_client'; virtteamd(8) lists those that exist." },
    { "no-value", "hostname", "F:1: expected a line of the form 'key = value'." },
    { "no-key", "= 3", "F:1: expected a line of the form 'key = value'." },
    { "section", "[daemon]", "F:1: expected a line of the form 'key = value'." },
    { "open-quote", "hostname = \"a", "F:1: the value of 'hostname' must be a text in quotes." },
    { "text-behind-a-value", "hostname = \"a\" b", "F:1: the value of 'hostname' must be a text in quotes." },
    { "bare-text", "hostname = a", "F:1: the value of 'hostname' must be a text in quotes." },
    { "number-in-quotes", "max_clients = \"3\"",
      "F:1: the value of 'max_clients' must be a number from 1 to 100000." },
    { "number-too-large", "max_clients = 100001",
      "F:1: the value of 'max_clients' must be a number from 1 to 100000." },
    { "number-overflows", "max_clients = 99999999999999999999999",
      "F:1: the value of 'max_clients' must be a number from 1 to 100000." },
    { "negative-number", "max_clients = -1",
      "F:1: the value of 'max_clients' must be a number from 1 to 100000." },
    { "octal", "unix_sock_rw_perms = \"0770\"", NULL },
    { "octal-as-number", "unix_sock_rw_perms = 0770",
      "F:1: the value of 'unix_sock_rw_perms' must be octal permissions in quotes, such as \"0770\"." },
    { "not-octal", "unix_sock_rw_perms = \"0880\"",
      "F:1: the value of 'unix_sock_rw_perms' must be octal permissions in quotes, such as \"0770\"." },
    { "set-uid", "unix_sock_rw_perms = \"4755\"",
      "F:1: the value of 'unix_sock_rw_perms' must be octal permissions in quotes, such as \"0770\"." },
    { "choice", "auth_unix_rw = \"none\"", NULL },
    { "not-a-choice", "auth_unix_rw = \"sasl\"",
      "F:1: the value of 'auth_unix_rw' must be one of \"owner\" \"none\"." },
    { "choice-of-a-sparse-table", "team_orchestration = \"\"",
      "F:1: the value of 'team_orchestration' must be one of \"auto\" \"qemu\" \"management\"." },
    { "ports-reversed", "migration_port_min = 50000\nmigration_port_max = 49999\n",
      "F: migration_port_min 50000 is above migration_port_max 49999." },
};

static void
test_row(gconstpointer data)
{
    gsize i = GPOINTER_TO_SIZE(data);
    g_autoptr(VtConfig) config = vt_config_new();
    g_autoptr(GError) error = NULL;

    g_assert_true(vt_config_parse(config, config_rows[i].text, "F", &error) ==
                  (config_rows[i].error == NULL));
    g_assert_cmpstr(error == NULL ? NULL : error->message, ==, config_rows[i].error);
}

static void
test_values(void)
{
    g_autoptr(VtConfig) config = vt_config_new();

    g_assert_cmpuint(config->unix_sock_rw_perms, ==, 0700);
    g_assert_cmpuint(config->auth_unix_rw, ==, VT_CONFIG_AUTH_OWNER);
    g_assert_cmpuint(config->team_unplug_timeout_ms, ==, 30000);
    g_assert_true(vt_config_parse(config,
                                  "unix_sock_rw_perms = \"0660\"\n"
                                  "auth_unix_rw = \"none\"\n"
                                  "hostname = \"one\"\n"
                                  "hostname = \"two\"\n"
                                  "migration_host = \"x\"\n"
                                  "migration_host = \"\"\n"
                                  "team_unplug_timeout_ms = 5000\n"
                                  "team_orchestration = \"management\"\n",
                                  "F", NULL));
    g_assert_cmpuint(config->unix_sock_rw_perms, ==, 0660);
    g_assert_cmpuint(config->auth_unix_rw, ==, VT_CONFIG_AUTH_NONE);
    g_assert_cmpstr(config->hostname, ==, "two");
    g_assert_cmpstr(config->migration_host, ==, NULL);
    g_assert_cmpuint(config->team_unplug_timeout_ms, ==, 5000);
    g_assert_cmpuint(config->team_orchestration, ==, VT_ORCHESTRATION_MANAGEMENT);
}

/* The example that is installed must be readable, must name every key, and must say the defaults. */
static void
test_example(void)
{
    g_autoptr(VtConfig) config = vt_config_new(), defaults = vt_config_new();
    g_autofree char *path = g_build_filename(VT_TEST_DATA_DIR, "..", "docs", "virtteamd.conf", NULL);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    g_autoptr(GString) active = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    guint keys = 0;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i] != NULL; i++)
        if (lines[i][0] == '#' && g_ascii_islower(lines[i][1]) && strstr(lines[i], " = ") != NULL) {
            g_string_append_printf(active, "%s\n", lines[i] + 1);
            keys++;
        } else if (lines[i][0] != '\0') {
            g_assert_true(g_str_has_prefix(lines[i], "# ") || g_str_equal(lines[i], "#"));
        }
    vt_config_parse(config, active->str, "virtteamd.conf", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(keys, ==, 30);
    g_assert_cmpuint(config->unix_sock_rw_perms, ==, defaults->unix_sock_rw_perms);
    g_assert_cmpuint(config->unix_sock_ro_perms, ==, defaults->unix_sock_ro_perms);
    g_assert_cmpuint(config->unix_sock_ro, ==, defaults->unix_sock_ro);
    g_assert_cmpuint(config->auth_unix_rw, ==, defaults->auth_unix_rw);
    g_assert_cmpuint(config->auth_unix_ro, ==, defaults->auth_unix_ro);
    g_assert_cmpuint(config->max_clients, ==, defaults->max_clients);
    g_assert_cmpuint(config->max_client_requests, ==, defaults->max_client_requests);
    g_assert_cmpuint(config->keepalive_interval, ==, defaults->keepalive_interval);
    g_assert_cmpuint(config->keepalive_count, ==, defaults->keepalive_count);
    g_assert_cmpuint(config->log_level, ==, defaults->log_level);
    g_assert_cmpstr(config->migration_address, ==, defaults->migration_address);
    g_assert_cmpuint(config->migration_port_min, ==, defaults->migration_port_min);
    g_assert_cmpuint(config->migration_port_max, ==, defaults->migration_port_max);
    g_assert_cmpuint(config->team_orchestration, ==, defaults->team_orchestration);
    g_assert_cmpuint(config->team_unplug_timeout_ms, ==, defaults->team_unplug_timeout_ms);
    g_assert_cmpuint(config->team_unplug_retries, ==, defaults->team_unplug_retries);
    g_assert_cmpuint(config->team_on_timeout, ==, defaults->team_on_timeout);
    g_assert_cmpuint(config->team_on_link_loss, ==, defaults->team_on_link_loss);
    g_assert_cmpuint(config->team_link_down_ms, ==, defaults->team_link_down_ms);
    g_assert_cmpuint(config->team_link_up_ms, ==, defaults->team_link_up_ms);
}

/* Everything lies below --root, and the host's UUID is made once. */
static void
test_root(void)
{
    g_autofree char *root = g_dir_make_tmp("virtteam-configtest-XXXXXX", NULL);
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", root);
    g_autoptr(VtConfig) config = vt_config_new();
    g_autoptr(GError) error = NULL;
    VtDriverConfig *first = vt_config_to_driver(config, root, FALSE, &error);
    VtDriverConfig *second = vt_config_to_driver(config, root, FALSE, &error);

    g_assert_no_error(error);
    g_assert_true(g_str_has_prefix(first->config_dir, root));
    g_assert_true(g_str_has_prefix(first->state_dir, root));
    g_assert_true(g_str_has_prefix(first->lib_dir, root));
    g_assert_true(g_str_has_prefix(first->log_dir, root));
    g_assert_true(g_str_has_prefix(first->cache_dir, root));
    g_assert_true(vt_uuid_equal(&first->host_uuid, &second->host_uuid));
    vt_driver_config_free(first);
    vt_driver_config_free(second);
    config->host_uuid = g_strdup("no uuid");
    g_assert_null(vt_config_to_driver(config, root, FALSE, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_INVALID_ARG);
    g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
}

static void
test_auth(void)
{
    static const struct {
        VtConfigAuth mechanism;
        uid_t peer, own;
        gboolean allowed;
    } rows[] = {
        { VT_CONFIG_AUTH_OWNER, 0, 0, TRUE },       { VT_CONFIG_AUTH_OWNER, 0, 1000, TRUE },
        { VT_CONFIG_AUTH_OWNER, 1000, 1000, TRUE }, { VT_CONFIG_AUTH_OWNER, 1000, 0, FALSE },
        { VT_CONFIG_AUTH_NONE, 1000, 0, TRUE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        VtAuthPeer peer = { .uid = rows[i].peer };

        g_assert_true(vt_auth_allows(rows[i].mechanism, &peer, rows[i].own) == rows[i].allowed);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(config_rows); i++) {
        g_autofree char *path = g_strdup_printf("/daemon/config/%s", config_rows[i].name);

        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_row);
    }
    g_test_add_func("/daemon/config/values", test_values);
    g_test_add_func("/daemon/config/example-says-the-defaults", test_example);
    g_test_add_func("/daemon/config/everything-is-below-root", test_root);
    g_test_add_func("/daemon/auth/who-is-allowed", test_auth);
    return g_test_run();
}
