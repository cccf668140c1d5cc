/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/fake-driver.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driver/console.h"
#include "driver/device.h"
#include "driver/job.h"
#include "driver/lifecycle.h"
#include "driver/host-stats.h"
#include "driver/query-block.h"
#include "driver/query.h"
#include "driver/restore.h"
#include "driver/save.h"
#include "driver/team-info.h"
#include "driver/team-state.h"
#include "driver/team-switch.h"

struct _VtDomain {
    const char *name;
    VtUuid uuid;
    int id;
    guint refs;
};

typedef struct {
    guint handle;
    int id;
    VtEventFunc func;
    gpointer user;
} FakeSubscription;

struct _VtDriver {
    VtDriverConfig config;
    VtDomain domains[2];
    gboolean immediate;
    GPtrArray *pending, *subscriptions;
    guint owners_gone, next_handle;
    int console;
};

/* For functions that are given a domain only. */
static VtDriver *fake_driver_last;

VtDriver *
fake_driver_new(gboolean immediate)
{
    VtDriver *driver = g_new0(VtDriver, 1);

    fake_driver_last = driver;
    driver->config.hostname = g_strdup("hosta");
    driver->domains[0] = (VtDomain){ .name = "web", .id = 3 };
    driver->domains[1] = (VtDomain){ .name = "store", .id = -1 };
    vt_uuid_parse("11111111-2222-3333-4444-555555555555", &driver->domains[0].uuid);
    vt_uuid_parse("66666666-7777-8888-9999-aaaaaaaaaaaa", &driver->domains[1].uuid);
    driver->immediate = immediate;
    driver->pending = g_ptr_array_new_with_free_func(g_free);
    driver->subscriptions = g_ptr_array_new_with_free_func(g_free);
    driver->console = -1;
    return driver;
}

void
fake_driver_free(VtDriver *driver)
{
    g_assert_cmpuint(driver->domains[0].refs, ==, 0);
    g_assert_cmpuint(driver->domains[1].refs, ==, 0);
    if (driver->console >= 0)
        close(driver->console);
    fake_driver_last = NULL;
    g_free(driver->config.hostname);
    g_ptr_array_unref(driver->pending);
    g_ptr_array_unref(driver->subscriptions);
    g_free(driver);
}

GPtrArray *
fake_driver_pending(VtDriver *driver)
{
    return driver->pending;
}

static void
fake_driver_end(VtDriver *driver, FakePending *pending, GError *error)
{
    g_autofree FakePending *owned = pending;
    g_autoptr(GError) owned_error = error;
    g_autoptr(GBytes) cookie = g_bytes_new_static("cookie", 6);
    VtMigrateReply reply = { .cookie = cookie, .text = (char *)"tcp:hosta:49152", .domain = pending->domain };

    if (owned->migrate_done != NULL)
        owned->migrate_done(owned->user, owned_error == NULL ? &reply : NULL, owned_error);
    else
        owned->done(owned->user, owned_error);
}

void
fake_driver_complete(VtDriver *driver, GError *error)
{
    g_assert_cmpuint(driver->pending->len, >, 0);
    fake_driver_end(driver, g_ptr_array_steal_index(driver->pending, 0), error);
}

void
fake_driver_complete_last(VtDriver *driver, GError *error)
{
    g_assert_cmpuint(driver->pending->len, >, 0);
    fake_driver_end(driver, g_ptr_array_steal_index(driver->pending, driver->pending->len - 1), error);
}

guint
fake_driver_owners_gone(VtDriver *driver)
{
    return driver->owners_gone;
}

guint
fake_driver_subscriptions(VtDriver *driver)
{
    return driver->subscriptions->len;
}

int
fake_driver_console(VtDriver *driver)
{
    return driver->console;
}

void
fake_driver_emit_lifecycle(VtDriver *driver, int event, int detail)
{
    VtEvent out = {
        .id = VT_EVENT_LIFECYCLE,
        .dom_name = (char *)driver->domains[0].name,
        .dom_uuid = driver->domains[0].uuid,
        .dom_id = driver->domains[0].id,
        .lifecycle = { .event = event, .detail = detail },
    };

    for (guint i = 0; i < driver->subscriptions->len; i++) {
        const FakeSubscription *subscription = g_ptr_array_index(driver->subscriptions, i);

        if (subscription->id == VT_EVENT_LIFECYCLE)
            subscription->func(&out, subscription->user);
    }
}

static void
fake_begin(VtDriver *driver, const char *what, VtDomain *domain, VtDoneFunc done, VtMigrateDone migrate_done,
           gpointer user)
{
    FakePending *pending = g_new0(FakePending, 1);

    *pending = (FakePending){ .what = what, .done = done, .migrate_done = migrate_done, .user = user };
    pending->domain = domain == NULL ? &driver->domains[0] : domain;
    if (driver->immediate)
        fake_driver_end(driver, pending, NULL);
    else
        g_ptr_array_add(driver->pending, pending);
}

/* ---- driver.h, domain-obj.h ---- */

void
vt_driver_config_free(VtDriverConfig *config)
{
    g_free(config->root);
    g_free(config->config_dir);
    g_free(config->state_dir);
    g_free(config->lib_dir);
    g_free(config->log_dir);
    g_free(config->cache_dir);
    g_free(config->hostname);
    g_free(config->migration_address);
    g_free(config->migration_host);
    g_free(config->default_emulator);
    g_free(config->network_uri);
    g_free(config);
}

const VtDriverConfig *
vt_driver_config(const VtDriver *driver)
{
    return &driver->config;
}

VtQemuCaps *
vt_driver_caps(VtDriver *driver, const char *binary, GError **error)
{
    vt_error_set(error, VT_ERROR_OPERATION_FAILED, "no emulator here");
    return NULL;
}

void
vt_driver_owner_gone(VtDriver *driver, VtOwner *owner)
{
    driver->owners_gone++;
}

VtDomain *
vt_driver_lookup_uuid(VtDriver *driver, const VtUuid *uuid, GError **error)
{
    char text[VT_UUID_STRING_SIZE];

    for (guint i = 0; i < 2; i++)
        if (vt_uuid_equal(&driver->domains[i].uuid, uuid))
            return &driver->domains[i];
    vt_error_set(error, VT_ERROR_NO_DOMAIN, "no domain with matching uuid '%s'", vt_uuid_format(uuid, text));
    return NULL;
}

VtDomain *
vt_driver_lookup_name(VtDriver *driver, const char *name, GError **error)
{
    for (guint i = 0; i < 2; i++)
        if (g_str_equal(driver->domains[i].name, name))
            return &driver->domains[i];
    vt_error_set(error, VT_ERROR_NO_DOMAIN, "no domain with matching name '%s'", name);
    return NULL;
}

VtDomain *
vt_driver_lookup_id(VtDriver *driver, int id, GError **error)
{
    if (id == driver->domains[0].id)
        return &driver->domains[0];
    vt_error_set(error, VT_ERROR_NO_DOMAIN, "no domain with matching id %d", id);
    return NULL;
}

GPtrArray *
vt_driver_list(VtDriver *driver, guint flags)
{
    GPtrArray *list = g_ptr_array_new();

    for (guint i = 0; i < 2; i++)
        if ((flags & 3) == 0 || (flags & (driver->domains[i].id >= 0 ? 1 : 2)))
            g_ptr_array_add(list, &driver->domains[i]);
    return list;
}

const char *
vt_domain_name(const VtDomain *domain)
{
    return domain->name;
}

const VtUuid *
vt_domain_uuid(const VtDomain *domain)
{
    return &domain->uuid;
}

int
vt_domain_id(const VtDomain *domain)
{
    return domain->id;
}

gboolean
vt_domain_is_active(const VtDomain *domain)
{
    return domain->id >= 0;
}

gboolean
vt_domain_is_persistent(const VtDomain *domain)
{
    return TRUE;
}

VtDomainState
vt_domain_state(const VtDomain *domain, int *reason)
{
    *reason = 1;
    return domain->id >= 0 ? VT_DOMAIN_RUNNING : VT_DOMAIN_SHUTOFF;
}

VtDomain *
vt_domain_ref(VtDomain *domain)
{
    domain->refs++;
    return domain;
}

void
vt_domain_unref(VtDomain *domain)
{
    domain->refs--;
}

/* ---- lifecycle.h ---- */

void
vt_lifecycle_define(VtDriver *driver, const char *xml, guint flags, VtDomainDone done, gpointer user)
{
    g_autoptr(GError) error = NULL;

    if (*xml != '<')
        vt_error_set(&error, VT_ERROR_XML, "(domain_definition):1: Start tag expected, '<' not found");
    done(user, error ? NULL : &driver->domains[1], error);
}

void
vt_lifecycle_undefine(VtDriver *driver, VtDomain *domain, guint flags, VtDoneFunc done, gpointer user)
{
    done(user, NULL);
}

void
vt_lifecycle_create(VtDriver *driver, VtDomain *domain, guint flags, VtOwner *owner, VtDoneFunc done,
                    gpointer user)
{
    fake_begin(driver, "create", domain, done, NULL, user);
}

void
vt_lifecycle_create_xml(VtDriver *driver, const char *xml, guint flags, VtOwner *owner, VtDomain **domain,
                        VtDoneFunc done, gpointer user)
{
    *domain = &driver->domains[0];
    fake_begin(driver, "create-xml", NULL, done, NULL, user);
}

#define FAKE_ACT(func, what)                                                                                 \
    void func(VtDriver *driver, VtDomain *domain, guint flags, VtDoneFunc done, gpointer user)               \
    {                                                                                                        \
        fake_begin(driver, what, domain, done, NULL, user);                                                  \
    }

FAKE_ACT(vt_lifecycle_shutdown, "shutdown")
FAKE_ACT(vt_lifecycle_reboot, "reboot")
FAKE_ACT(vt_lifecycle_reset, "reset")
FAKE_ACT(vt_lifecycle_destroy, "destroy")

void
vt_lifecycle_suspend(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user)
{
    fake_begin(driver, "suspend", domain, done, NULL, user);
}

void
vt_lifecycle_resume(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user)
{
    fake_begin(driver, "resume", domain, done, NULL, user);
}

gboolean
vt_lifecycle_set_autostart(VtDriver *driver, VtDomain *domain, gboolean on, GError **error)
{
    return TRUE;
}

gboolean
vt_lifecycle_get_autostart(VtDriver *driver, VtDomain *domain)
{
    return FALSE;
}

void
vt_lifecycle_rename(VtDriver *driver, VtDomain *domain, const char *name, VtDoneFunc done, gpointer user)
{
    done(user, NULL);
}

void
vt_lifecycle_monitor_command(VtDriver *driver, VtDomain *domain, const char *command, guint flags,
                             VtTextDone done, gpointer user)
{
    done(user, "{\"return\":{}}", NULL);
}

/* ---- save.h, restore.h ---- */

void
vt_save_run(const VtSaveParams *params, VtDoneFunc done, gpointer user)
{
    fake_begin(params->driver, "save", params->domain, done, NULL, user);
}

void
vt_restore_run(const VtRestoreParams *params, VtDoneFunc done, gpointer user)
{
    fake_begin(params->driver, "restore", NULL, done, NULL, user);
}

gboolean
vt_save_has_managed(VtDriver *driver, VtDomain *domain)
{
    return FALSE;
}

gboolean
vt_save_remove_managed(VtDriver *driver, VtDomain *domain, gboolean must_exist, GError **error)
{
    return vt_error_set(error, VT_ERROR_OPERATION_INVALID, "domain does not have managed save image");
}

char *
vt_save_image_xml(VtDriver *driver, const char *path, VtDomain *domain, GError **error)
{
    return g_strdup("<domain/>");
}

gboolean
vt_save_image_define(const VtSaveParams *params, GError **error)
{
    return TRUE;
}

/* ---- query.h ---- */

void
vt_query_info(VtDriver *driver, VtDomain *domain, VtDomainInfo *info)
{
    *info =
        (VtDomainInfo){ .state = 1, .max_mem_kib = 262144, .mem_kib = 262144, .vcpus = 2, .cpu_time_ns = 5 };
}

char *
vt_query_xml(VtDriver *driver, VtDomain *domain, guint flags, GError **error)
{
    return g_strdup_printf("<domain><name>%s</name></domain>\n", domain->name);
}

char *
vt_query_metadata(VtDriver *driver, VtDomain *domain, int type, const char *uri, guint flags, GError **error)
{
    vt_error_set(error, VT_ERROR_NO_METADATA, "Requested metadata element is not present");
    return NULL;
}

void
vt_query_set_metadata(VtDriver *driver, VtDomain *domain, const VtMetadataChange *change, VtDoneFunc done,
                      gpointer user)
{
    done(user, NULL);
}

int
vt_query_vcpus(VtDriver *driver, VtDomain *domain, guint flags, GError **error)
{
    return 2;
}

gboolean
vt_query_interface_stats(VtDriver *driver, VtDomain *domain, const char *device, VtInterfaceStats *stats,
                         GError **error)
{
    stats->rx_bytes = 42;
    return TRUE;
}

VtTypedParams *
vt_query_domain_stats(VtDriver *driver, VtDomain *domain, guint stats)
{
    VtTypedParams *params = vt_typed_params_new();

    vt_typed_params_add_int(params, "state.state", 1);
    return params;
}

void
vt_query_memory_stats(VtDriver *driver, VtDomain *domain, GArray *stats, VtDoneFunc done, gpointer user)
{
    guint64 pair[] = { 6, 262144 };

    g_array_append_vals(stats, pair, 2);
    fake_begin(driver, "memory-stats", domain, done, NULL, user);
}

/* ---- numbers of the host and of disks: made up, the same each time ---- */

static VtTypedParams *
fake_params(gboolean signed_values, guint n)
{
    static const char *const fields[] = { "first", "second", "third", "fourth" };
    VtTypedParams *params = vt_typed_params_new();

    for (guint i = 0; i < n; i++)
        if (signed_values)
            vt_typed_params_add_llong(params, fields[i], i + 1);
        else
            vt_typed_params_add_ullong(params, fields[i], i + 1);
    return params;
}

gboolean
vt_host_stats_free(guint64 *bytes, GError **error)
{
    *bytes = 4096;
    return TRUE;
}

gboolean
vt_host_stats_cells(int first, int max, GArray *cells, GError **error)
{
    guint64 bytes = 4096;

    if (first > 0)
        return vt_error_set(error, VT_ERROR_INVALID_ARG, "the host has no NUMA node %d", first);
    g_array_append_val(cells, bytes);
    return TRUE;
}

VtTypedParams *
vt_host_stats_cpu(int cpu, GError **error)
{
    return fake_params(FALSE, 4);
}

VtTypedParams *
vt_host_stats_memory(int cell, GError **error)
{
    if (cell > 0) {
        vt_error_set(error, VT_ERROR_INVALID_ARG, "the host has no NUMA node %d", cell);
        return NULL;
    }
    return fake_params(FALSE, 2);
}

GByteArray *
vt_host_stats_cpu_map(guint *present, guint *online)
{
    const guint8 bits = 0x5;
    GByteArray *map = g_byte_array_new();

    *present = 3;
    *online = 2;
    return g_byte_array_append(map, &bits, 1);
}

gboolean
vt_host_stats_free_pages(int cell, guint size_kib, guint64 *count, GError **error)
{
    *count = size_kib;
    return cell == 0 || vt_error_set(error, VT_ERROR_INVALID_ARG, "the host has no NUMA node %d", cell);
}

GPtrArray *
vt_host_cpu_models(VtDriver *driver, const char *arch, GError **error)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(names, g_strdup(arch));
    return names;
}

GPtrArray *
vt_query_addresses(VtDomain *domain, GError **error)
{
    return g_ptr_array_new();
}

void
vt_query_block_stats(VtDomain *domain, const char *disk, VtBlockStatsDone done, gpointer user)
{
    g_autoptr(VtTypedParams) params = fake_params(TRUE, 4);

    done(user, params, NULL);
}

void
vt_query_block_info(VtDomain *domain, const char *disk, VtBlockInfoDone done, gpointer user)
{
    const VtBlockInfo info = { .allocation = 1, .capacity = 2, .physical = 3 };

    done(user, &info, NULL);
}

gboolean
vt_host_node_info(VtNodeInfo *info, GError **error)
{
    *info = (VtNodeInfo){ .model = "x86_64", .memory_kib = 1024, .cpus = 2, .nodes = 1 };
    return TRUE;
}

char *
vt_host_capabilities(VtDriver *driver, GError **error)
{
    return g_strdup("<capabilities/>\n");
}

char *
vt_host_domain_capabilities(VtDriver *driver, const char *emulator, const char *arch, const char *machine,
                            const char *virttype, guint flags, GError **error)
{
    return g_strdup("<domainCapabilities/>\n");
}

char *
vt_query_xml_to_native(VtDriver *driver, const char *format, const char *xml, guint flags, GError **error)
{
    return g_strdup("qemu\n");
}

/* ---- job.h ---- */

VtJobKind
vt_job_kind(const VtDomain *domain)
{
    return VT_JOB_NONE;
}

gboolean
vt_job_abort(VtDomain *domain, guint flags, GError **error)
{
    return vt_error_set(error, VT_ERROR_OPERATION_INVALID, "no job is active on the domain");
}

VtTypedParams *
vt_job_query(VtDomain *domain, guint flags, int *type, GError **error)
{
    VtTypedParams *params = vt_typed_params_new();

    *type = 2;
    vt_typed_params_add_ullong(params, "memory_total", 4096);
    return params;
}

/* ---- device.h ---- */

#define FAKE_DEVICE(func, what)                                                                              \
    void func(VtDriver *driver, VtDomain *domain, const char *xml, guint flags, VtDoneFunc done,             \
              gpointer user)                                                                                 \
    {                                                                                                        \
        fake_begin(driver, what, domain, done, NULL, user);                                                  \
    }

FAKE_DEVICE(vt_device_update, "update-device")
FAKE_DEVICE(vt_device_attach, "attach-device")
FAKE_DEVICE(vt_device_detach, "detach-device")
FAKE_DEVICE(vt_device_detach_alias, "detach-alias")

/* ---- migrate.h ---- */

void
vt_migrate_begin(VtDriver *driver, VtDomain *domain, const VtTypedParams *params, guint flags, VtOwner *owner,
                 VtMigrateDone done, gpointer user)
{
    fake_begin(driver, "migrate-begin", domain, NULL, done, user);
}

void
vt_migrate_prepare(VtDriver *driver, const VtTypedParams *params, GBytes *cookie, guint flags, VtOwner *owner,
                   VtMigrateDone done, gpointer user)
{
    fake_begin(driver, "migrate-prepare", NULL, NULL, done, user);
}

void
vt_migrate_perform(VtDriver *driver, VtDomain *domain, const char *dconnuri, const VtTypedParams *params,
                   GBytes *cookie, guint flags, VtOwner *owner, VtMigrateDone done, gpointer user)
{
    fake_begin(driver, "migrate-perform", domain, NULL, done, user);
}

void
vt_migrate_finish(VtDriver *driver, const VtTypedParams *params, GBytes *cookie, guint flags,
                  gboolean cancelled, VtOwner *owner, VtMigrateDone done, gpointer user)
{
    fake_begin(driver, "migrate-finish", NULL, NULL, done, user);
}

void
vt_migrate_confirm(VtDriver *driver, VtDomain *domain, const VtTypedParams *params, GBytes *cookie,
                   guint flags, gboolean cancelled, VtOwner *owner, VtMigrateDone done, gpointer user)
{
    fake_begin(driver, "migrate-confirm", domain, NULL, done, user);
}

void
vt_migrate_set_speed(VtDriver *driver, VtDomain *domain, guint64 mib_per_s, guint flags, VtDoneFunc done,
                     gpointer user)
{
    fake_begin(driver, "set-speed", domain, done, NULL, user);
}

guint64
vt_migrate_get_speed(VtDriver *driver, VtDomain *domain)
{
    return 100;
}

void
vt_migrate_set_downtime(VtDriver *driver, VtDomain *domain, guint64 ms, guint flags, VtDoneFunc done,
                        gpointer user)
{
    fake_begin(driver, "set-downtime", domain, done, NULL, user);
}

guint64
vt_migrate_get_downtime(VtDriver *driver, VtDomain *domain)
{
    return 300;
}

/* ---- event.h, console.h ---- */

guint
vt_event_subscribe(VtDriver *driver, int id, const VtUuid *uuid, const char *name, guint flags,
                   VtEventFunc func, gpointer user)
{
    FakeSubscription *subscription;

    if (name != NULL && g_str_equal(name, "[") && (flags & 1))
        return 0;
    subscription = g_new0(FakeSubscription, 1);
    *subscription =
        (FakeSubscription){ .handle = ++driver->next_handle, .id = id, .func = func, .user = user };
    g_ptr_array_add(driver->subscriptions, subscription);
    return subscription->handle;
}

void
vt_event_unsubscribe(VtDriver *driver, guint handle)
{
    for (guint i = 0; i < driver->subscriptions->len; i++)
        if (((FakeSubscription *)g_ptr_array_index(driver->subscriptions, i))->handle == handle) {
            g_ptr_array_remove_index(driver->subscriptions, i);
            return;
        }
    g_assert_not_reached();
}

gboolean
vt_console_open(VtDriver *driver, VtDomain *domain, const char *device, guint flags,
                void (*evicted)(gpointer user), gpointer user, int *fd, gpointer *release, GError **error)
{
    int pair[2];

    if (!vt_domain_is_active(domain) || driver->console >= 0)
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID, "domain is not running");
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), ==, 0);
    driver->console = pair[1];
    *fd = pair[0];
    *release = driver;
    return TRUE;
}

void
vt_console_close(VtDriver *driver, gpointer release)
{
    g_assert_true(release == driver);
    close(driver->console);
    driver->console = -1;
}

/* ---- team-state.h: "web" has one team ---- */

void
vt_team_state_ask(VtDomain *domain, VtDoneFunc done, gpointer user)
{
    g_assert_nonnull(fake_driver_last);
    fake_begin(fake_driver_last, "team-ask", domain, done, NULL, user);
}

void
vt_team_info_free(gpointer data)
{
    VtTeamInfo *info = data;

    g_free(info->name);
    g_free(info->transient);
    g_free(info->mac);
    g_free(info->backend);
    g_free(info->standby_host);
    g_free(info->primary_host);
    g_free(info);
}

GPtrArray *
vt_team_info_list(const VtDomain *domain)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(vt_team_info_free);
    const VtTeamInfo team = {
        .name = g_strdup("ua-standby"),
        .transient = g_strdup("ua-primary"),
        .mac = g_strdup("52:54:00:00:00:01"),
        .orchestration = "qemu",
        .standby = "yes",
        .primary = "plugged",
        .active = "primary",
        .state = "primary",
        .feed = "primary",
        .backend = g_strdup("bridge"),
        .standby_host = g_strdup("tap vnet0, bridge br0"),
        .primary_host = g_strdup("tap vnet1, bridge br0"),
    };

    g_ptr_array_add(list, g_memdup2(&team, sizeof team));
    return list;
}

/* ---- team-switch.h: says what it was asked for ---- */

void
vt_team_switch(VtDomain *domain, const VtTeamSwitchParams *params, VtTeamSwitchDone done, gpointer user)
{
    g_autofree char *said =
        g_strdup_printf("team %s to %s within %u ms", params->team ? params->team : "-",
                        params->to == VT_TEAM_SWITCH_STANDBY ? "standby" : "primary", params->timeout_ms);
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(params->bit, ==, VT_TEAM_KEEP_USER);
    if (vt_domain_is_active(domain)) {
        done(user, said, NULL);
        return;
    }
    vt_error_set(&error, VT_ERROR_OPERATION_INVALID, "domain is not running");
    done(user, NULL, error);
}
