/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/query.h"
#include <string.h>
#include <unistd.h>
#include "conf/domain-xml.h"
#include "driver/domain-private.h"
#include "driver/query-proc.h"
#include "qemu/argv.h"
#include "qemu/prepare.h"
#include "util/i18n.h"
#include "util/json.h"
#include "util/units.h"

#define QUERY_QMP_MS 5000
#define QUERY_XML_ALL                                                                                        \
    (VT_XML_FORMAT_SECURE | VT_XML_FORMAT_INACTIVE | VT_XML_FORMAT_UPDATE_CPU | VT_XML_FORMAT_MIGRATABLE)

/* virDomainVcpuFlags */
enum {
    VCPU_LIVE = 1 << 0,
    VCPU_CONFIG = 1 << 1,
    VCPU_MAXIMUM = 1 << 2,
    VCPU_GUEST = 1 << 3,
};

static guint64
query_current_kib(const VtDomainDef *def)
{
    return def->current_memory_kib ? def->current_memory_kib : def->memory_kib;
}

void
vt_query_info(VtDriver *driver, VtDomain *domain, VtDomainInfo *info)
{
    const VtDomainDef *def = vt_domain_def(domain);
    VtProcTimes times = { 0 };

    if (domain->process)
        vt_query_proc_times(vt_process_pid(domain->process), &times);
    *info = (VtDomainInfo){
        .state = (guint8)domain->state,
        .max_mem_kib = def->memory_kib,
        .mem_kib = query_current_kib(def),
        .vcpus = (guint16)MIN(def->vcpus, G_MAXUINT16),
        .cpu_time_ns = times.user_ns + times.system_ns,
    };
}

char *
vt_query_xml(VtDriver *driver, VtDomain *domain, guint flags, GError **error)
{
    const VtDomainDef *def = vt_domain_def(domain);
    gboolean inactive = !!(flags & VT_XML_FORMAT_INACTIVE);

    if (flags & ~(guint)QUERY_XML_ALL) {
        vt_error_set(error, VT_ERROR_INVALID_ARG,
                     _("unsupported flags (0x%x) in the query of a domain's XML"),
                     flags & ~(guint)QUERY_XML_ALL);
        return NULL;
    }
    if (inactive && domain->persistent)
        def = domain->persistent;
    /* What another host may make of the running guest has nothing that is of this run, as under libvirt. */
    if (flags & VT_XML_FORMAT_MIGRATABLE) {
        inactive = TRUE;
        flags |= VT_XML_FORMAT_INACTIVE;
    }
    return vt_domain_xml_format(def, inactive ? -1 : domain->id, flags);
}

int
vt_query_vcpus(VtDriver *driver, VtDomain *domain, guint flags, GError **error)
{
    const VtDomainDef *def = vt_domain_def(domain);

    if (flags & ~(guint)(VCPU_LIVE | VCPU_CONFIG | VCPU_MAXIMUM | VCPU_GUEST)) {
        vt_error_set(error, VT_ERROR_INVALID_ARG, _("unsupported flags (0x%x) in the query of vCPUs"), flags);
        return -1;
    }
    if ((flags & VCPU_LIVE && flags & VCPU_CONFIG)) {
        vt_error_set(error, VT_ERROR_INVALID_ARG,
                     _("the flags for live and for config are mutually exclusive"));
        return -1;
    }
    if (flags & VCPU_GUEST) {
        vt_error_set(error, VT_ERROR_AGENT, _("QEMU guest agent is not connected"));
        return -1;
    }
    if (flags & VCPU_LIVE && !vt_domain_is_active(domain)) {
        vt_error_set(error, VT_ERROR_OPERATION_INVALID, _("domain is not running"));
        return -1;
    }
    if (flags & VCPU_CONFIG) {
        if (!domain->persistent) {
            vt_error_set(error, VT_ERROR_OPERATION_INVALID,
                         _("transient domains do not have any persistent config"));
            return -1;
        }
        def = domain->persistent;
    }
    return (int)def->vcpus;
}

/* ---- interfaces ---- */

static const VtNetDef *
query_find_net(const VtDomainDef *def, const char *device)
{
    VtMac mac;
    gboolean by_mac = vt_mac_parse(device, &mac);

    for (guint i = 0; i < def->nets->len; i++) {
        const VtNetDef *net = g_ptr_array_index(def->nets, i);

        if (by_mac ? vt_mac_equal(&net->mac, &mac) && net->target_dev != NULL
                   : g_strcmp0(net->target_dev, device) == 0)
            return net;
    }
    return NULL;
}

gboolean
vt_query_interface_stats(VtDriver *driver, VtDomain *domain, const char *device, VtInterfaceStats *stats,
                         GError **error)
{
    const VtNetDef *net;

    if (!vt_domain_is_active(domain))
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID, _("domain is not running"));
    net = query_find_net(domain->live, device);
    if (!net)
        return vt_error_set(error, VT_ERROR_INVALID_ARG, _("invalid path, '%s' is not a known interface"),
                            device);
    if (!vt_query_proc_net(net->target_dev, stats))
        return vt_error_set(error, VT_ERROR_OPERATION_FAILED, _("interface '%s' of the host has no counters"),
                            net->target_dev);
    return TRUE;
}

GPtrArray *
vt_query_addresses(VtDomain *domain, GError **error)
{
    g_autoptr(GPtrArray) found = NULL;

    if (!vt_domain_is_active(domain)) {
        vt_error_set(error, VT_ERROR_OPERATION_INVALID, _("domain is not running"));
        return NULL;
    }
    found = vt_query_proc_arp();
    for (guint i = found->len; i-- > 0;) {
        VtArpEntry *entry = g_ptr_array_index(found, i);
        const VtNetDef *net = query_find_net(domain->live, entry->mac);

        /* Legs of a team share their address: the first of them, the persistent as a rule, stands for both. */
        if (!net) {
            g_ptr_array_remove_index(found, i);
            continue;
        }
        g_free(entry->device);
        entry->device = g_strdup(net->target_dev);
    }
    return g_steal_pointer(&found);
}

/* ---- memory statistics ---- */

typedef struct {
    VtDomain *domain; /* with a reference */
    GArray *stats;
    VtDoneFunc done;
    gpointer user;
} QueryMemory;

/* virDomainMemoryStatTags: swap in 0, out 1 (KiB), faults 2, 3, unused 4, available 5, balloon 6, rss 7, usable 8,
 * last update 9 (seconds), disk caches 10 (KiB). Source for the members: QAPI-less property guest-stats of
 * virtio-balloon, docs/virtio-balloon-stats in QEMU. */
static const struct {
    guint64 tag;
    const char *member;
    gboolean bytes;
} query_balloon_stats[] = {
    { .tag = 0, .member = "stats.stat-swap-in", .bytes = TRUE },
    { .tag = 1, .member = "stats.stat-swap-out", .bytes = TRUE },
    { .tag = 2, .member = "stats.stat-major-faults" },
    { .tag = 3, .member = "stats.stat-minor-faults" },
    { .tag = 4, .member = "stats.stat-free-memory", .bytes = TRUE },
    { .tag = 5, .member = "stats.stat-total-memory", .bytes = TRUE },
    { .tag = 8, .member = "stats.stat-available-memory", .bytes = TRUE },
    { .tag = 9, .member = "last-update" },
    { .tag = 10, .member = "stats.stat-disk-caches", .bytes = TRUE },
};

static void
query_memory_add(GArray *stats, guint64 tag, guint64 value)
{
    g_array_append_val(stats, tag);
    g_array_append_val(stats, value);
}

static void
query_memory_replied(gpointer user, JsonNode *result, const GError *error)
{
    QueryMemory *query = user;

    /* Without statistics from the guest (no driver, no period) what the host knows is the answer. */
    for (guint i = 0; !error && i < G_N_ELEMENTS(query_balloon_stats); i++) {
        gint64 value = vt_json_int_or(result, query_balloon_stats[i].member, -1);

        if (value < 0)
            continue;
        query_memory_add(query->stats, query_balloon_stats[i].tag,
                         query_balloon_stats[i].bytes ? (guint64)value / VT_UNITS_KIB : (guint64)value);
    }
    query->done(query->user, NULL);
    vt_domain_unref(query->domain);
    g_free(query);
}

void
vt_query_memory_stats(VtDriver *driver, VtDomain *domain, GArray *stats, VtDoneFunc done, gpointer user)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;
    VtQmpClient *qmp = vt_domain_qmp(domain, &error);
    const VtMemballoonDef *balloon;
    QueryMemory *query;

    if (!qmp) {
        done(user, error);
        return;
    }
    balloon = domain->live->memballoon;
    if (balloon && g_strcmp0(balloon->model, "none") != 0)
        query_memory_add(stats, 6, query_current_kib(domain->live));
    query_memory_add(stats, 7, vt_query_proc_rss_kib(vt_process_pid(domain->process)));
    if (!balloon || !balloon->info.alias || g_strcmp0(balloon->model, "none") == 0) {
        done(user, NULL);
        return;
    }
    query = g_new0(QueryMemory, 1);
    query->domain = vt_domain_ref(domain);
    query->stats = stats;
    query->done = done;
    query->user = user;
    path = g_strconcat("/machine/peripheral/", balloon->info.alias, NULL);
    vt_qmp_client_callv(qmp, "qom-get", QUERY_QMP_MS, query_memory_replied, query, "path", "s", path,
                        "property", "s", "guest-stats", NULL);
}

/* ---- domxml-to-native ---- */

char *
vt_query_xml_to_native(VtDriver *driver, const char *format, const char *xml, guint flags, GError **error)
{
    const VtArgvContext context = { .monitor_fd = -1,
                                    .standalone = TRUE,
                                    .state_dir = driver->config->state_dir };
    g_autoptr(VtDomainDef) def = NULL;
    g_auto(GStrv) argv = NULL;
    VtQemuCaps *caps;

    if (flags) {
        vt_error_set(error, VT_ERROR_INVALID_ARG, _("unsupported flags (0x%x) in the conversion of XML"),
                     flags);
        return NULL;
    }
    if (g_strcmp0(format, "qemu-argv") != 0) {
        vt_error_set(error, VT_ERROR_INVALID_ARG, _("unsupported config type %s: only 'qemu-argv' is known"),
                     format);
        return NULL;
    }
    def = vt_domain_xml_parse(xml, error);
    caps = def ? vt_driver_caps(driver, def->emulator, error) : NULL;
    if (!caps)
        return NULL;
    if (!def->emulator)
        def->emulator = g_strdup(caps->binary);
    if (!vt_qemu_prepare_define(def, caps, error))
        return NULL;
    vt_alias_assign(def);
    argv = vt_argv_build(def, caps, &context, error);
    return argv ? vt_argv_to_text(argv) : NULL;
}
