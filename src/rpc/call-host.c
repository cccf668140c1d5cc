/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/call-host.h"

#include <string.h>
#include "driver/host-stats.h"
#include "driver/query-block.h"
#include "driver/query.h"
#include "util/i18n.h"

/* virDomainInterfaceAddressesSource */
enum { CALL_HOST_LEASE, CALL_HOST_AGENT, CALL_HOST_ARP };

#define CALL_HOST_STRING_OKAY 4u /* VIR_TYPED_PARAM_STRING_OKAY; there are none */

static gboolean
host_refuse_flags(VtCall *call, guint32 flags)
{
    g_autofree char *name = NULL;

    if (!flags)
        return FALSE;
    name = vt_call_name(call);
    vt_call_fail_exact(call, VT_ERROR_MAP_INVALID_ARG, VT_ERROR_MAP_FROM_QEMU,
                       _("invalid argument: unsupported flags (0x%x) of %s"), flags, name);
    return TRUE;
}

/* ---- memory ---- */

void
vt_call_host_free_memory(VtCall *call)
{
    g_autoptr(GError) error = NULL;
    guint64 bytes = 0;

    if (vt_host_stats_free(&bytes, &error))
        vt_call_return_ulong(call, bytes);
    else
        vt_call_fail(call, error);
}

void
vt_call_host_cells_free_memory(VtCall *call)
{
    const VtProtoCellsArgs *args = vt_call_args(call);
    g_autoptr(GArray) cells = g_array_new(FALSE, FALSE, sizeof(guint64));
    g_autoptr(GError) error = NULL;
    VtProtoItems ret = { .items = { .n = 0 } };

    if (!vt_host_stats_cells(args->start, MIN(args->max, (gint32)VT_PROTO_NODE_MAX_CELLS), cells, &error)) {
        vt_call_fail(call, error);
        return;
    }
    ret.items.n = cells->len;
    ret.items.items = cells->data;
    vt_call_return(call, &ret);
}

/* A client asks for the number of values first, then for so many. */
static void
host_return_node_stats(VtCall *call, VtTypedParams *params, gint32 wanted, GError *error)
{
    g_autoptr(VtTypedParams) owned = params;
    g_autoptr(GError) owned_error = error;
    VtProtoNodeStat stats[VT_PROTO_NODE_STATS_MAX];
    VtProtoNodeStatsRet ret = { .items = { .items = stats } };

    if (!params) {
        vt_call_fail(call, error);
        return;
    }
    ret.n = (gint32)params->items->len;
    for (guint i = 0; i < params->items->len && (gint32)i < wanted && i < VT_PROTO_NODE_STATS_MAX; i++) {
        const VtTypedParam *param = g_ptr_array_index(params->items, i);

        stats[i] = (VtProtoNodeStat){ .field = param->field, .value = param->value.ul };
        ret.items.n = i + 1;
    }
    vt_call_return(call, &ret);
}

void
vt_call_host_memory_stats(VtCall *call)
{
    const VtProtoMemoryArgs *args = vt_call_args(call);
    GError *error = NULL;
    VtTypedParams *params;

    if (host_refuse_flags(call, args->flags))
        return;
    params = vt_host_stats_memory(args->cell, &error);
    host_return_node_stats(call, params, args->n, error);
}

void
vt_call_host_free_pages(VtCall *call)
{
    const VtProtoPagesArgs *args = vt_call_args(call);
    const guint32 *sizes = args->sizes.items;
    g_autoptr(GArray) counts = g_array_new(FALSE, FALSE, sizeof(guint64));
    g_autoptr(GError) error = NULL;
    VtProtoItems ret = { .items = { .n = 0 } };

    if (host_refuse_flags(call, args->flags))
        return;
    if (args->sizes.n == 0 || args->sizes.n > VT_PROTO_NODE_MAX_CELLS / MAX(args->n_cells, 1)) {
        vt_call_fail_exact(
            call, VT_ERROR_MAP_INVALID_ARG, VT_ERROR_MAP_FROM_QEMU,
            _("invalid argument: %u page sizes of %u NUMA nodes: one size at least, and %u numbers "
              "at most, can be asked for at a time"),
            args->sizes.n, args->n_cells, VT_PROTO_NODE_MAX_CELLS);
        return;
    }
    for (guint cell = 0; cell < args->n_cells && !error; cell++)
        for (guint i = 0; i < args->sizes.n && !error; i++) {
            guint64 count = 0;

            if (vt_host_stats_free_pages((int)MIN((gint64)args->start + cell, G_MAXINT), sizes[i], &count,
                                         &error))
                g_array_append_val(counts, count);
        }
    /* What lies behind the last node is left out, as stock does. */
    if (error && counts->len < args->sizes.n) {
        vt_call_fail(call, error);
        return;
    }
    ret.items.n = counts->len;
    ret.items.items = counts->data;
    vt_call_return(call, &ret);
}

/* ---- processors ---- */

void
vt_call_host_cpu_stats(VtCall *call)
{
    const VtProtoCpuArgs *args = vt_call_args(call);
    GError *error = NULL;
    VtTypedParams *params;

    if (host_refuse_flags(call, args->flags))
        return;
    params = vt_host_stats_cpu(args->cpu, &error);
    host_return_node_stats(call, params, args->n, error);
}

void
vt_call_host_cpu_map(VtCall *call)
{
    const VtProtoCpuMapArgs *args = vt_call_args(call);
    g_autoptr(GByteArray) map = NULL;
    guint present = 0, online = 0;
    VtProtoCpuMapRet ret = { .ret = 0 };

    if (host_refuse_flags(call, args->flags))
        return;
    map = vt_host_stats_cpu_map(&present, &online);
    ret.map =
        args->need_map ? g_bytes_new(map->data, MIN(map->len, VT_PROTO_CPUMAP_MAX)) : g_bytes_new(NULL, 0);
    ret.online = args->need_online ? online : 0;
    ret.ret = (gint32)present;
    vt_call_return(call, &ret);
    g_bytes_unref(ret.map);
}

void
vt_call_host_cpu_models(VtCall *call)
{
    const VtProtoModelsArgs *args = vt_call_args(call);
    g_autoptr(GPtrArray) models = NULL;
    g_autoptr(GError) error = NULL;
    VtProtoListRet ret = { .ret = 0 };

    if (host_refuse_flags(call, args->flags))
        return;
    models = vt_host_cpu_models(vt_call_driver(call), args->arch, &error);
    if (!models) {
        vt_call_fail(call, error);
        return;
    }
    ret.ret = models->len;
    if (args->need_results) {
        ret.items.n = models->len;
        ret.items.items = models->pdata;
    }
    vt_call_return(call, &ret);
}

/* ---- disks ---- */

static gint64
host_counter(const VtTypedParams *params, const char *field)
{
    const VtTypedParam *param = vt_typed_params_get(params, field);

    return param ? param->value.l : -1;
}

static void
host_block_told(gpointer user, const VtTypedParams *params, const GError *error)
{
    VtCall *call = user;
    VtProtoBlockStats ret;

    if (error) {
        vt_call_fail(call, error);
        return;
    }
    ret = (VtProtoBlockStats){ .rd_req = host_counter(params, "rd_operations"),
                               .rd_bytes = host_counter(params, "rd_bytes"),
                               .wr_req = host_counter(params, "wr_operations"),
                               .wr_bytes = host_counter(params, "wr_bytes"),
                               .errs = -1 };
    vt_call_return(call, &ret);
}

void
vt_call_host_block_stats(VtCall *call)
{
    const VtProtoDomText *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);

    if (domain)
        vt_query_block_stats(domain, args->text, host_block_told, call);
}

static void
host_block_flags_told(gpointer user, const VtTypedParams *params, const GError *error)
{
    VtCall *call = user;
    const VtProtoBlockStatsArgs *args = vt_call_args(call);
    g_autoptr(VtTypedParams) some = vt_typed_params_new();
    VtProtoParamsRet ret = { .params = some };

    if (error) {
        vt_call_fail(call, error);
        return;
    }
    ret.n = (gint32)params->items->len;
    for (guint i = 0; i < params->items->len && (gint32)i < args->n; i++) {
        const VtTypedParam *param = g_ptr_array_index(params->items, i);

        vt_typed_params_add_llong(some, param->field, param->value.l);
    }
    vt_call_return(call, &ret);
}

void
vt_call_host_block_stats_flags(VtCall *call)
{
    const VtProtoBlockStatsArgs *args = vt_call_args(call);
    VtDomain *domain;

    if (host_refuse_flags(call, args->flags & ~CALL_HOST_STRING_OKAY))
        return;
    domain = vt_call_domain(call, &args->dom);
    if (domain)
        vt_query_block_stats(domain, args->path, host_block_flags_told, call);
}

static void
host_block_info_told(gpointer user, const VtBlockInfo *info, const GError *error)
{
    VtCall *call = user;
    VtProtoBlockInfo ret;

    if (error) {
        vt_call_fail(call, error);
        return;
    }
    ret = (VtProtoBlockInfo){ .allocation = info->allocation,
                              .capacity = info->capacity,
                              .physical = info->physical };
    vt_call_return(call, &ret);
}

void
vt_call_host_block_info(VtCall *call)
{
    const VtProtoDomTextFlags *args = vt_call_args(call);
    VtDomain *domain;

    if (host_refuse_flags(call, args->flags))
        return;
    domain = vt_call_domain(call, &args->dom);
    if (domain)
        vt_query_block_info(domain, args->text, host_block_info_told, call);
}

/* ---- addresses ---- */

/* Why there is no answer, and where it is. */
static void
host_no_addresses(VtCall *call, guint32 source)
{
    if (source == CALL_HOST_AGENT)
        vt_call_fail_exact(
            call, VT_ERROR_MAP_AGENT_UNRESPONSIVE, VT_ERROR_MAP_FROM_QEMU,
            _("Guest agent is not responding: QEMU guest agent is not connected; --source arp asks the host"));
    else
        vt_call_fail_exact(
            call, VT_ERROR_MAP_NO_SUPPORT, VT_ERROR_MAP_FROM_QEMU,
            _("this function is not supported by the connection driver: leases are known to libvirt's "
              "network daemon ('virsh -c network:///system net-dhcp-leases'); --source arp asks the host"));
}

void
vt_call_host_addresses(VtCall *call)
{
    const VtProtoAddressesArgs *args = vt_call_args(call);
    g_autoptr(GPtrArray) found = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree VtProtoInterface *interfaces = NULL;
    g_autofree VtProtoIpAddr *addresses = NULL;
    VtProtoItems ret = { .items = { .n = 0 } };
    VtDomain *domain;

    if (host_refuse_flags(call, args->flags))
        return;
    domain = vt_call_domain(call, &args->dom);
    if (!domain)
        return;
    if (vt_domain_is_active(domain) && args->source != CALL_HOST_ARP) {
        host_no_addresses(call, args->source);
        return;
    }
    found = vt_query_addresses(domain, &error);
    if (!found) {
        vt_call_fail(call, error);
        return;
    }
    interfaces = g_new0(VtProtoInterface, found->len + 1);
    addresses = g_new0(VtProtoIpAddr, found->len + 1);
    for (guint i = 0; i < found->len; i++) {
        VtArpEntry *entry = g_ptr_array_index(found, i);

        addresses[i] = (VtProtoIpAddr){ .type = 0, .addr = entry->ip, .prefix = 0 };
        interfaces[i] = (VtProtoInterface){ .name = entry->device, .hwaddr = entry->mac };
        interfaces[i].addrs.n = 1;
        interfaces[i].addrs.items = &addresses[i];
    }
    ret.items.n = MIN(found->len, VT_PROTO_INTERFACES_MAX);
    ret.items.items = interfaces;
    vt_call_return(call, &ret);
}
