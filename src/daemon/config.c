/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/config.h"

#include <string.h>

#include "util/enum.h"
#include "util/file.h"
#include "util/log.h"
#include "vt-config.h"

#define CONFIG_FILE_MAX 1048576u

typedef enum {
    CONFIG_STRING,
    CONFIG_NUMBER, /* min to max */
    CONFIG_PERMS,  /* octal digits in quotes, as libvirtd.conf has them */
    CONFIG_CHOICE, /* a name of .choices, stored as its index */
} ConfigKind;

typedef struct {
    const char *key;
    ConfigKind kind;
    gsize offset;
    guint min, max;
    const char *const *choices;
    gsize n_choices;
} ConfigKey;

static const char *const config_auths[] = {
    [VT_CONFIG_AUTH_OWNER] = "owner",
    [VT_CONFIG_AUTH_NONE] = "none",
};
VT_ENUM_TABLE(config_auths, VT_CONFIG_AUTH_COUNT);

static const char *const config_levels[] = {
    [VT_LOG_DEBUG] = "debug",
    [VT_LOG_INFO] = "info",
    [VT_LOG_WARNING] = "warning",
    [VT_LOG_ERROR] = "error",
};
VT_ENUM_TABLE(config_levels, VT_LOG_LEVEL_COUNT);

static const char *const config_orchestrations[] = {
    [VT_ORCHESTRATION_AUTO] = "auto",
    [VT_ORCHESTRATION_QEMU] = "qemu",
    [VT_ORCHESTRATION_MANAGEMENT] = "management",
};

static const char *const config_auto_prefers[] = {
    [VT_ORCHESTRATION_QEMU] = "qemu",
    [VT_ORCHESTRATION_MANAGEMENT] = "management",
};

static const char *const config_on_timeouts[] = {
    [VT_TEAM_ON_TIMEOUT_ABORT] = "abort",
    [VT_TEAM_ON_TIMEOUT_WAIT] = "wait",
};

static const char *const config_on_link_losses[] = {
    [VT_TEAM_ON_LINK_LOSS_STANDBY] = "standby",
    [VT_TEAM_ON_LINK_LOSS_IGNORE] = "ignore",
};

#define CONFIG_KEY(kind_, member) .key = #member, .kind = kind_, .offset = G_STRUCT_OFFSET(VtConfig, member)
#define CONFIG_CHOICES(table)     .choices = table, .n_choices = G_N_ELEMENTS(table)

static const ConfigKey config_keys[] = {
    { CONFIG_KEY(CONFIG_STRING, unix_sock_group) },
    { CONFIG_KEY(CONFIG_PERMS, unix_sock_rw_perms), .max = 0777 },
    { CONFIG_KEY(CONFIG_PERMS, unix_sock_ro_perms), .max = 0777 },
    { CONFIG_KEY(CONFIG_NUMBER, unix_sock_ro), .max = 1 },
    { CONFIG_KEY(CONFIG_CHOICE, auth_unix_rw), CONFIG_CHOICES(config_auths) },
    { CONFIG_KEY(CONFIG_CHOICE, auth_unix_ro), CONFIG_CHOICES(config_auths) },
    { CONFIG_KEY(CONFIG_NUMBER, max_clients), .min = 1, .max = 100000 },
    { CONFIG_KEY(CONFIG_NUMBER, max_client_requests), .min = 1, .max = 1000 },
    { CONFIG_KEY(CONFIG_NUMBER, keepalive_interval), .max = 86400 },
    { CONFIG_KEY(CONFIG_NUMBER, keepalive_count), .min = 1, .max = 1000 },
    { CONFIG_KEY(CONFIG_CHOICE, log_level), CONFIG_CHOICES(config_levels) },
    { CONFIG_KEY(CONFIG_STRING, log_filters) },
    { CONFIG_KEY(CONFIG_STRING, log_output) },
    { CONFIG_KEY(CONFIG_STRING, host_uuid) },
    { CONFIG_KEY(CONFIG_STRING, hostname) },
    { CONFIG_KEY(CONFIG_STRING, migration_address) },
    { CONFIG_KEY(CONFIG_STRING, migration_host) },
    { CONFIG_KEY(CONFIG_NUMBER, migration_port_min), .min = 1, .max = 65535 },
    { CONFIG_KEY(CONFIG_NUMBER, migration_port_max), .min = 1, .max = 65535 },
    { CONFIG_KEY(CONFIG_CHOICE, team_orchestration), CONFIG_CHOICES(config_orchestrations) },
    { CONFIG_KEY(CONFIG_CHOICE, team_auto_prefers), CONFIG_CHOICES(config_auto_prefers) },
    { CONFIG_KEY(CONFIG_NUMBER, team_unplug_timeout_ms), .min = 100, .max = 3600000 },
    { CONFIG_KEY(CONFIG_NUMBER, team_unplug_retries), .max = 100 },
    { CONFIG_KEY(CONFIG_CHOICE, team_on_timeout), CONFIG_CHOICES(config_on_timeouts) },
    { CONFIG_KEY(CONFIG_CHOICE, team_on_link_loss), CONFIG_CHOICES(config_on_link_losses) },
    { CONFIG_KEY(CONFIG_NUMBER, team_link_down_ms), .min = 1, .max = 3600000 },
    { CONFIG_KEY(CONFIG_NUMBER, team_link_up_ms), .min = 1, .max = 3600000 },
    { CONFIG_KEY(CONFIG_STRING, default_emulator) },
    { CONFIG_KEY(CONFIG_STRING, network_uri) },
    { CONFIG_KEY(CONFIG_NUMBER, network_timeout_ms), .min = 100, .max = 600000 },
};

VtConfig *
vt_config_new(void)
{
    VtConfig *config = g_new0(VtConfig, 1);

    config->unix_sock_rw_perms = 0700;
    config->unix_sock_ro_perms = 0777;
    config->auth_unix_rw = VT_CONFIG_AUTH_OWNER;
    config->auth_unix_ro = VT_CONFIG_AUTH_NONE;
    config->max_clients = 1000;
    config->max_client_requests = 5;
    config->keepalive_interval = 5;
    config->keepalive_count = 5;
    config->log_level = VT_LOG_INFO;
    config->migration_address = g_strdup("0.0.0.0");
    config->network_timeout_ms = 10000;
    config->migration_port_min = 49152;
    config->migration_port_max = 49215;
    config->team_orchestration = VT_ORCHESTRATION_AUTO;
    config->team_auto_prefers = VT_ORCHESTRATION_QEMU;
    config->team_unplug_timeout_ms = 30000;
    config->team_on_timeout = VT_TEAM_ON_TIMEOUT_ABORT;
    config->team_on_link_loss = VT_TEAM_ON_LINK_LOSS_STANDBY;
    config->team_link_down_ms = 1000;
    config->team_link_up_ms = 3000;
    return config;
}

void
vt_config_free(VtConfig *config)
{
    if (config == NULL)
        return;
    for (guint i = 0; i < G_N_ELEMENTS(config_keys); i++)
        if (config_keys[i].kind == CONFIG_STRING)
            g_free(G_STRUCT_MEMBER(char *, config, config_keys[i].offset));
    g_free(config);
}

/* ---- the file ---- */

/* One value: "text", 'text' or bare digits; nothing but a comment may follow. NULL: it is none of these. */
static char *
config_value(const char *text, gboolean *quoted)
{
    const char *end = text;
    g_autofree char *value = NULL;

    *quoted = *text == '"' || *text == '\'';
    if (*quoted) {
        end = strchr(text + 1, *text);
        if (end == NULL)
            return NULL;
        value = g_strndup(text + 1, (gsize)(end - text - 1));
        end++;
    } else {
        while (g_ascii_isdigit(*end))
            end++;
        if (end == text)
            return NULL;
        value = g_strndup(text, (gsize)(end - text));
    }
    end += strspn(end, " \t\r");
    return *end == '\0' || *end == '#' ? g_steal_pointer(&value) : NULL;
}

static char *
config_expected(const ConfigKey *key)
{
    g_autoptr(GString) text = NULL;

    if (key->kind == CONFIG_STRING)
        return g_strdup("a text in quotes");
    if (key->kind == CONFIG_PERMS)
        return g_strdup("octal permissions in quotes, such as \"0770\"");
    if (key->kind == CONFIG_NUMBER)
        return g_strdup_printf("a number from %u to %u", key->min, key->max);
    text = g_string_new("one of");
    for (gsize i = 0; i < key->n_choices; i++)
        if (key->choices[i] != NULL)
            g_string_append_printf(text, " \"%s\"", key->choices[i]);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static gboolean
config_store_number(VtConfig *config, const ConfigKey *key, const char *value, guint base)
{
    guint64 number;

    if (!g_ascii_string_to_unsigned(value, base, key->min, key->max, &number, NULL))
        return FALSE;
    G_STRUCT_MEMBER(guint, config, key->offset) = (guint)number;
    return TRUE;
}

static gboolean
config_store(VtConfig *config, const ConfigKey *key, const char *value, gboolean quoted)
{
    int choice;

    switch (key->kind) {
    case CONFIG_STRING:
        if (!quoted)
            return FALSE;
        g_free(G_STRUCT_MEMBER(char *, config, key->offset));
        G_STRUCT_MEMBER(char *, config, key->offset) = *value == '\0' ? NULL : g_strdup(value);
        return TRUE;
    case CONFIG_NUMBER:
        return !quoted && config_store_number(config, key, value, 10);
    case CONFIG_PERMS:
        return quoted && config_store_number(config, key, value, 8);
    case CONFIG_CHOICE:
        choice = quoted ? vt_enum_value(key->choices, key->n_choices, value) : -1;
        if (choice < 0)
            return FALSE;
        G_STRUCT_MEMBER(guint, config, key->offset) = (guint)choice;
        return TRUE;
    }
    return FALSE;
}

static gboolean
config_line(VtConfig *config, const char *line, const char *name, guint number, GError **error)
{
    const char *start = line + strspn(line, " \t\r");
    gsize length = strspn(start, "abcdefghijklmnopqrstuvwxyz_0123456789");
    const char *rest = start + length + strspn(start + length, " \t");
    g_autofree char *key_name = g_strndup(start, length);
    g_autofree char *value = NULL;
    g_autofree char *expected = NULL;
    const ConfigKey *key = NULL;
    gboolean quoted = FALSE;

    if (*start == '\0' || *start == '#')
        return TRUE;
    if (length == 0 || *rest != '=')
        return vt_error_set(error, VT_ERROR_INVALID_ARG, "%s:%u: expected a line of the form 'key = value'.",
                            name, number);
    for (guint i = 0; i < G_N_ELEMENTS(config_keys); i++)
        if (g_str_equal(config_keys[i].key, key_name))
            key = &config_keys[i];
    if (key == NULL)
        return vt_error_set(error, VT_ERROR_INVALID_ARG,
                            "%s:%u: there is no key '%s'; virtteamd(8) lists those that exist.", name, number,
                            key_name);
    value = config_value(rest + 1 + strspn(rest + 1, " \t"), &quoted);
    if (value != NULL && config_store(config, key, value, quoted))
        return TRUE;
    expected = config_expected(key);
    return vt_error_set(error, VT_ERROR_INVALID_ARG, "%s:%u: the value of '%s' must be %s.", name, number,
                        key_name, expected);
}

gboolean
vt_config_parse(VtConfig *config, const char *text, const char *name, GError **error)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (guint i = 0; lines[i] != NULL; i++)
        if (!config_line(config, lines[i], name, i + 1, error))
            return FALSE;
    if (config->migration_port_min > config->migration_port_max)
        return vt_error_set(error, VT_ERROR_INVALID_ARG,
                            "%s: migration_port_min %u is above migration_port_max %u.", name,
                            config->migration_port_min, config->migration_port_max);
    return TRUE;
}

gboolean
vt_config_load(VtConfig *config, const char *path, gboolean required, GError **error)
{
    g_autofree char *text = NULL;

    if (!required && !g_file_test(path, G_FILE_TEST_EXISTS))
        return TRUE;
    text = vt_file_read(path, CONFIG_FILE_MAX, NULL, error);
    return text != NULL && vt_config_parse(config, text, path, error);
}

/* ---- paths ---- */

static char *
config_system_dir(const char *root, const char *dir)
{
    return g_strconcat(root == NULL ? "" : root, dir, NULL);
}

/* With --root everything is below it, also for a session. */
static char *
config_dir(const char *root, gboolean session, const char *system_dir, const char *session_dir)
{
    if (session && root == NULL)
        return g_build_filename(session_dir, "virtteam", NULL);
    return config_system_dir(root, system_dir);
}

static char *
config_sysconf_dir(const char *root, gboolean session)
{
    return config_dir(root, session, root == NULL ? VT_SYSCONFDIR "/virtteam" : "/etc/virtteam",
                      g_get_user_config_dir());
}

char *
vt_config_default_path(const char *root, gboolean session)
{
    g_autofree char *dir = config_sysconf_dir(root, session);

    return g_build_filename(dir, "virtteamd.conf", NULL);
}

char *
vt_config_run_dir(const char *root, gboolean session)
{
    return config_dir(root, session, "/run/virtteam", g_get_user_runtime_dir());
}

/* ---- for the driver ---- */

static gboolean
config_host_uuid(const VtConfig *config, const char *lib_dir, VtUuid *uuid, GError **error)
{
    g_autofree char *path = g_build_filename(lib_dir, "host-uuid", NULL);
    g_autofree char *text = NULL;
    char buffer[VT_UUID_STRING_SIZE + 1];

    if (config->host_uuid != NULL)
        return vt_uuid_parse(config->host_uuid, uuid) ||
               vt_error_set(error, VT_ERROR_INVALID_ARG, "The host_uuid '%s' of virtteamd.conf is no UUID.",
                            config->host_uuid);
    if (g_file_test(path, G_FILE_TEST_EXISTS)) {
        text = vt_file_read(path, 128, NULL, error);
        if (text == NULL)
            return FALSE;
        if (vt_uuid_parse(g_strstrip(text), uuid))
            return TRUE;
        return vt_error_set(error, VT_ERROR_INVALID_ARG,
                            "'%s' holds no UUID; remove it to have a new one made for this host.", path);
    }
    if (!vt_file_mkdirs(lib_dir, 0755, error))
        return FALSE;
    vt_uuid_generate(uuid);
    vt_uuid_format(uuid, buffer);
    g_strlcat(buffer, "\n", sizeof(buffer));
    return vt_file_write_atomic(path, buffer, strlen(buffer), 0644, error);
}

static void
config_driver_dirs(VtDriverConfig *driver, const char *root, gboolean session)
{
    g_autofree char *sysconf = config_sysconf_dir(root, session);
    g_autofree char *run = vt_config_run_dir(root, session);
    g_autofree char *lib = config_dir(root, session, "/var/lib/virtteam", g_get_user_data_dir());
    g_autofree char *log = config_dir(root, session, "/var/log/virtteam", g_get_user_cache_dir());

    driver->config_dir = g_build_filename(sysconf, "qemu", NULL);
    driver->state_dir = g_build_filename(run, "qemu", NULL);
    driver->lib_dir = g_build_filename(lib, "qemu", NULL);
    driver->log_dir = g_build_filename(log, session && root == NULL ? "log" : "qemu", NULL);
    driver->cache_dir = config_dir(root, session, "/var/cache/virtteam", g_get_user_cache_dir());
}

VtDriverConfig *
vt_config_to_driver(const VtConfig *config, const char *root, gboolean session, GError **error)
{
    VtDriverConfig *driver = g_new0(VtDriverConfig, 1);

    driver->session = session;
    driver->root = g_strdup(root);
    config_driver_dirs(driver, root, session);
    driver->hostname = g_strdup(config->hostname != NULL ? config->hostname : g_get_host_name());
    driver->migration_address = g_strdup(config->migration_address);
    driver->migration_host = g_strdup(config->migration_host);
    driver->migration_port_min = config->migration_port_min;
    driver->migration_port_max = config->migration_port_max;
    driver->orchestration = (VtOrchestration)config->team_orchestration;
    driver->auto_prefers = (VtOrchestration)config->team_auto_prefers;
    driver->unplug_timeout_ms = config->team_unplug_timeout_ms;
    driver->unplug_retries = config->team_unplug_retries;
    driver->on_timeout = (VtTeamOnTimeout)config->team_on_timeout;
    driver->on_link_loss = (VtTeamOnLinkLoss)config->team_on_link_loss;
    driver->link_down_ms = config->team_link_down_ms;
    driver->link_up_ms = config->team_link_up_ms;
    driver->default_emulator = g_strdup(config->default_emulator);
    driver->network_uri = g_strdup(config->network_uri);
    driver->network_timeout_ms = config->network_timeout_ms;
    if (!config_host_uuid(config, driver->lib_dir, &driver->host_uuid, error)) {
        vt_driver_config_free(driver);
        return NULL;
    }
    return driver;
}
