/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virConnectGetAllDomainStats for one domain. Names and types are libvirt's (virConnectGetAllDomainStats in its
 * API documentation); what begins with "team." is ours.
 */
#include <sys/stat.h>
#include "driver/domain-private.h"
#include "driver/query-proc.h"
#include "driver/query.h"
#include "driver/team-info.h"
#include "util/enum.h"

/* virDomainStatsTypes */
enum {
    STATS_STATE = 1 << 0,
    STATS_CPU_TOTAL = 1 << 1,
    STATS_BALLOON = 1 << 2,
    STATS_VCPU = 1 << 3,
    STATS_INTERFACE = 1 << 4,
    STATS_BLOCK = 1 << 5,
};

#define STATS_SECTOR_BYTES 512

static void
stats_state(VtDomain *domain, VtTypedParams *params)
{
    vt_typed_params_add_int(params, "state.state", (int)domain->state);
    vt_typed_params_add_int(params, "state.reason", domain->reason);
}

static void
stats_cpu(VtDomain *domain, VtTypedParams *params)
{
    VtProcTimes times;

    if (!domain->process)
        return;
    vt_query_proc_times(vt_process_pid(domain->process), &times);
    vt_typed_params_add_ullong(params, "cpu.time", times.user_ns + times.system_ns);
    vt_typed_params_add_ullong(params, "cpu.user", times.user_ns);
    vt_typed_params_add_ullong(params, "cpu.system", times.system_ns);
}

static void
stats_balloon(VtDomain *domain, VtTypedParams *params)
{
    const VtDomainDef *def = vt_domain_def(domain);

    vt_typed_params_add_ullong(params, "balloon.current",
                               def->current_memory_kib ? def->current_memory_kib : def->memory_kib);
    vt_typed_params_add_ullong(params, "balloon.maximum", def->memory_kib);
    if (domain->process)
        vt_typed_params_add_ullong(params, "balloon.rss",
                                   vt_query_proc_rss_kib(vt_process_pid(domain->process)));
}

static void
stats_vcpu(VtDomain *domain, VtTypedParams *params)
{
    const VtDomainDef *def = vt_domain_def(domain);

    vt_typed_params_add_uint(params, "vcpu.current", def->vcpus);
    vt_typed_params_add_uint(params, "vcpu.maximum", def->vcpus);
    for (guint i = 0; i < def->vcpus && vt_domain_is_active(domain); i++) {
        g_autofree char *field = g_strdup_printf("vcpu.%u.state", i);

        vt_typed_params_add_int(params, field, 1); /* VIR_VCPU_RUNNING */
    }
}

static void
stats_add_net(VtTypedParams *params, guint index, const VtNetDef *net)
{
    VtInterfaceStats s = { 0 };
    const struct {
        const char *name;
        const gint64 *value;
    } rows[] = {
        { .name = "rx.bytes", .value = &s.rx_bytes }, { .name = "rx.pkts", .value = &s.rx_packets },
        { .name = "rx.errs", .value = &s.rx_errs },   { .name = "rx.drop", .value = &s.rx_drop },
        { .name = "tx.bytes", .value = &s.tx_bytes }, { .name = "tx.pkts", .value = &s.tx_packets },
        { .name = "tx.errs", .value = &s.tx_errs },   { .name = "tx.drop", .value = &s.tx_drop },
    };
    g_autofree char *name = g_strdup_printf("net.%u.name", index);

    vt_typed_params_add_string(params, name, net->target_dev);
    if (!vt_query_proc_net(net->target_dev, &s))
        return;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *field = g_strdup_printf("net.%u.%s", index, rows[i].name);

        vt_typed_params_add_ullong(params, field, (guint64)*rows[i].value);
    }
}

static void
stats_net(VtDomain *domain, VtTypedParams *params)
{
    const VtDomainDef *def = vt_domain_def(domain);

    if (!vt_domain_is_active(domain))
        return;
    vt_typed_params_add_uint(params, "net.count", def->nets->len);
    for (guint i = 0; i < def->nets->len; i++) {
        const VtNetDef *net = g_ptr_array_index(def->nets, i);

        if (net->target_dev)
            stats_add_net(params, i, net);
    }
}

static void
stats_add_team_string(VtTypedParams *params, guint index, const char *name, const char *value)
{
    g_autofree char *field = g_strdup_printf("team.%u.%s", index, name);

    if (value)
        vt_typed_params_add_string(params, field, value);
}

static void
stats_teams(VtDomain *domain, VtTypedParams *params)
{
    g_autoptr(GPtrArray) teams = vt_team_info_list(domain);

    if (teams->len == 0)
        return;
    vt_typed_params_add_uint(params, "team.count", teams->len);
    for (guint i = 0; i < teams->len; i++) {
        const VtTeamInfo *team = g_ptr_array_index(teams, i);
        const struct {
            const char *name, *value;
            gboolean live; /* means nothing for a guest that does not run */
        } rows[] = {
            { .name = "name", .value = team->name },
            { .name = "transient", .value = team->transient },
            { .name = "mac", .value = team->mac },
            { .name = "standby", .value = team->standby, .live = TRUE },
            { .name = "primary", .value = team->primary, .live = TRUE },
            { .name = "active", .value = team->active, .live = TRUE },
            { .name = "feed", .value = team->feed, .live = TRUE },
            { .name = "backend", .value = team->backend, .live = TRUE },
            { .name = "state", .value = team->state, .live = TRUE },
            { .name = "why", .value = team->why },
            { .name = "error", .value = team->error },
            { .name = "kept", .value = team->kept, .live = TRUE },
            { .name = "kept_since", .value = team->kept_since, .live = TRUE },
            { .name = "kept_why", .value = team->kept_why, .live = TRUE },
            { .name = "watch", .value = team->watch, .live = TRUE },
        };

        for (guint j = 0; j < G_N_ELEMENTS(rows); j++)
            if (!rows[j].live || vt_domain_is_active(domain))
                stats_add_team_string(params, i, rows[j].name, rows[j].value);
    }
}

static void
stats_block(VtDomain *domain, VtTypedParams *params)
{
    const VtDomainDef *def = vt_domain_def(domain);

    if (!vt_domain_is_active(domain))
        return;
    vt_typed_params_add_uint(params, "block.count", def->disks->len);
    for (guint i = 0; i < def->disks->len; i++) {
        const VtDiskDef *disk = g_ptr_array_index(def->disks, i);
        g_autofree char *name = g_strdup_printf("block.%u.name", i);
        g_autofree char *path = g_strdup_printf("block.%u.path", i);
        g_autofree char *allocation = g_strdup_printf("block.%u.allocation", i);
        g_autofree char *physical = g_strdup_printf("block.%u.physical", i);
        struct stat st;

        vt_typed_params_add_string(params, name, disk->target_dev);
        if (!disk->source_file)
            continue;
        vt_typed_params_add_string(params, path, disk->source_file);
        if (stat(disk->source_file, &st) < 0 || !S_ISREG(st.st_mode))
            continue;
        vt_typed_params_add_ullong(params, allocation, (guint64)st.st_blocks * STATS_SECTOR_BYTES);
        vt_typed_params_add_ullong(params, physical, (guint64)st.st_size);
    }
}

static const struct {
    guint flag;
    void (*add)(VtDomain *domain, VtTypedParams *params);
} stats_groups[] = {
    { .flag = STATS_STATE, .add = stats_state },     { .flag = STATS_CPU_TOTAL, .add = stats_cpu },
    { .flag = STATS_BALLOON, .add = stats_balloon }, { .flag = STATS_VCPU, .add = stats_vcpu },
    { .flag = STATS_INTERFACE, .add = stats_net },   { .flag = STATS_BLOCK, .add = stats_block },
    { .flag = STATS_INTERFACE, .add = stats_teams },
};

VtTypedParams *
vt_query_domain_stats(VtDriver *driver, VtDomain *domain, guint stats)
{
    VtTypedParams *params = vt_typed_params_new();

    for (guint i = 0; i < G_N_ELEMENTS(stats_groups); i++) {
        if (stats == 0 || stats & stats_groups[i].flag)
            stats_groups[i].add(domain, params);
    }
    return params;
}
