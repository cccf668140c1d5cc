/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/call-query.h"

#include "driver/job.h"
#include "driver/lifecycle.h"
#include "driver/query.h"

/* virConnectListAllDomainsFlags, and virConnectGetAllDomainStatsFlags above them. */
#define CALL_QUERY_LIST_ACTIVE   1u
#define CALL_QUERY_LIST_INACTIVE 2u
#define CALL_QUERY_STATS_FILTERS 0xffu
#define CALL_QUERY_STATS_NOWAIT  0x20000000u
#define CALL_QUERY_STATS_BACKING 0x40000000u
#define CALL_QUERY_STATS_ENFORCE 0x80000000u

/* virDomainXMLFlags and virDomainVcpuFlags that a read-only client may not use. */
#define CALL_QUERY_XML_SECURE     1u
#define CALL_QUERY_XML_MIGRATABLE 8u
#define CALL_QUERY_VCPU_MAXIMUM   4u
#define CALL_QUERY_VCPU_GUEST     8u

/* ---- lookups and lists ---- */

static void
query_return_found(VtCall *call, VtDomain *domain, GError *error)
{
    g_autoptr(GError) owned = error;

    if (domain == NULL)
        vt_call_fail(call, owned);
    else
        vt_call_return_dom(call, domain);
}

void
vt_call_query_lookup_id(VtCall *call)
{
    GError *error = NULL;
    VtDomain *domain =
        vt_driver_lookup_id(vt_call_driver(call), ((const VtProtoInt *)vt_call_args(call))->value, &error);

    query_return_found(call, domain, error);
}

void
vt_call_query_lookup_name(VtCall *call)
{
    GError *error = NULL;
    VtDomain *domain =
        vt_driver_lookup_name(vt_call_driver(call), ((const VtProtoText *)vt_call_args(call))->text, &error);

    query_return_found(call, domain, error);
}

void
vt_call_query_lookup_uuid(VtCall *call)
{
    GError *error = NULL;
    VtDomain *domain =
        vt_driver_lookup_uuid(vt_call_driver(call), &((const VtProtoUuid *)vt_call_args(call))->uuid, &error);

    query_return_found(call, domain, error);
}

void
vt_call_query_list_all(VtCall *call)
{
    const VtProtoListArgs *args = vt_call_args(call);
    g_autoptr(GPtrArray) list = vt_driver_list(vt_call_driver(call), args->flags);
    g_autofree VtProtoDom *doms = g_new0(VtProtoDom, list->len + 1);
    VtProtoListRet ret = { .ret = list->len };

    for (guint i = 0; i < list->len; i++)
        doms[i] = vt_call_dom(g_ptr_array_index(list, i));
    if (args->need_results) {
        ret.items.n = list->len;
        ret.items.items = doms;
    }
    vt_call_return(call, &ret);
}

void
vt_call_query_list_ids(VtCall *call)
{
    const VtProtoInt *args = vt_call_args(call);
    g_autoptr(GPtrArray) list = vt_driver_list(vt_call_driver(call), CALL_QUERY_LIST_ACTIVE);
    g_autofree gint32 *ids = g_new0(gint32, list->len + 1);
    guint n = MIN(list->len, (guint)MAX(args->value, 0));
    VtProtoItems ret = { .items = { .n = n, .items = ids } };

    for (guint i = 0; i < n; i++)
        ids[i] = vt_domain_id(g_ptr_array_index(list, i));
    vt_call_return(call, &ret);
}

void
vt_call_query_list_defined(VtCall *call)
{
    const VtProtoInt *args = vt_call_args(call);
    g_autoptr(GPtrArray) list = vt_driver_list(vt_call_driver(call), CALL_QUERY_LIST_INACTIVE);
    g_autofree const char **names = g_new0(const char *, list->len + 1);
    guint n = MIN(list->len, (guint)MAX(args->value, 0));
    VtProtoItems ret = { .items = { .n = n, .items = names } };

    for (guint i = 0; i < n; i++)
        names[i] = vt_domain_name(g_ptr_array_index(list, i));
    vt_call_return(call, &ret);
}

static void
query_count(VtCall *call, guint flags)
{
    g_autoptr(GPtrArray) list = vt_driver_list(vt_call_driver(call), flags);

    vt_call_return_int(call, (gint32)list->len);
}

void
vt_call_query_count_active(VtCall *call)
{
    query_count(call, CALL_QUERY_LIST_ACTIVE);
}

void
vt_call_query_count_defined(VtCall *call)
{
    query_count(call, CALL_QUERY_LIST_INACTIVE);
}

/* ---- one domain ---- */

static VtDomain *
query_domain(VtCall *call)
{
    return vt_call_domain(call, &((const VtProtoDomArg *)vt_call_args(call))->dom);
}

static void
query_return_text(VtCall *call, char *text, GError *error)
{
    g_autofree char *owned = text;
    g_autoptr(GError) owned_error = error;

    if (owned == NULL)
        vt_call_fail(call, owned_error);
    else
        vt_call_return_text(call, owned);
}

void
vt_call_query_xml(VtCall *call)
{
    const VtProtoDomFlags *args = vt_call_args(call);
    GError *error = NULL;
    VtDomain *domain;
    char *text;

    if ((args->flags & (CALL_QUERY_XML_SECURE | CALL_QUERY_XML_MIGRATABLE)) && vt_call_refuse_readonly(call))
        return;
    domain = vt_call_domain(call, &args->dom);
    if (domain == NULL)
        return;
    text = vt_query_xml(vt_call_driver(call), domain, args->flags, &error);
    query_return_text(call, text, error);
}

void
vt_call_query_info(VtCall *call)
{
    VtDomain *domain = query_domain(call);
    VtDomainInfo info = { .state = 0 };
    VtProtoDomainInfo ret;

    if (domain == NULL)
        return;
    vt_query_info(vt_call_driver(call), domain, &info);
    ret = (VtProtoDomainInfo){
        .state = info.state,
        .max_mem_kib = info.max_mem_kib,
        .mem_kib = info.mem_kib,
        .vcpus = info.vcpus,
        .cpu_time_ns = info.cpu_time_ns,
    };
    vt_call_return(call, &ret);
}

void
vt_call_query_state(VtCall *call)
{
    VtDomain *domain = vt_call_domain(call, &((const VtProtoDomFlags *)vt_call_args(call))->dom);
    VtProtoState ret = { .state = 0 };
    int reason = 0;

    if (domain == NULL)
        return;
    ret.state = (gint32)vt_domain_state(domain, &reason);
    ret.reason = reason;
    vt_call_return(call, &ret);
}

void
vt_call_query_os_type(VtCall *call)
{
    if (query_domain(call) != NULL)
        vt_call_return_text(call, "hvm"); /* definitions of any other type are refused */
}

void
vt_call_query_is_active(VtCall *call)
{
    VtDomain *domain = query_domain(call);

    if (domain != NULL)
        vt_call_return_int(call, vt_domain_is_active(domain));
}

void
vt_call_query_is_persistent(VtCall *call)
{
    VtDomain *domain = query_domain(call);

    if (domain != NULL)
        vt_call_return_int(call, vt_domain_is_persistent(domain));
}

void
vt_call_query_autostart(VtCall *call)
{
    VtDomain *domain = query_domain(call);

    if (domain != NULL)
        vt_call_return_int(call, vt_lifecycle_get_autostart(vt_call_driver(call), domain));
}

void
vt_call_query_max_memory(VtCall *call)
{
    VtDomain *domain = query_domain(call);
    VtDomainInfo info = { .state = 0 };

    if (domain == NULL)
        return;
    vt_query_info(vt_call_driver(call), domain, &info);
    vt_call_return_ulong(call, info.max_mem_kib);
}

static void
query_return_vcpus(VtCall *call, VtDomain *domain, guint flags)
{
    g_autoptr(GError) error = NULL;
    int n = vt_query_vcpus(vt_call_driver(call), domain, flags, &error);

    if (n < 0)
        vt_call_fail(call, error);
    else
        vt_call_return_int(call, n);
}

void
vt_call_query_max_vcpus(VtCall *call)
{
    VtDomain *domain = query_domain(call);

    if (domain != NULL)
        query_return_vcpus(call, domain, CALL_QUERY_VCPU_MAXIMUM);
}

void
vt_call_query_vcpus(VtCall *call)
{
    const VtProtoDomFlags *args = vt_call_args(call);
    VtDomain *domain;

    if ((args->flags & CALL_QUERY_VCPU_GUEST) && vt_call_refuse_readonly(call))
        return;
    domain = vt_call_domain(call, &args->dom);
    if (domain != NULL)
        query_return_vcpus(call, domain, args->flags);
}

static void
query_not_running(VtCall *call)
{
    g_autoptr(GError) error =
        g_error_new_literal(VT_ERROR, VT_ERROR_OPERATION_INVALID, "domain is not running");

    vt_call_fail(call, error);
}

void
vt_call_query_control_info(VtCall *call)
{
    VtDomain *domain = vt_call_domain(call, &((const VtProtoDomFlags *)vt_call_args(call))->dom);
    VtProtoControlInfo ret = { .state = 0 }; /* virDomainControlState: ok 0, job 1 */

    if (domain == NULL)
        return;
    if (!vt_domain_is_active(domain)) {
        query_not_running(call);
        return;
    }
    ret.state = vt_job_kind(domain) == VT_JOB_NONE ? 0 : 1;
    vt_call_return(call, &ret);
}

void
vt_call_query_metadata(VtCall *call)
{
    const VtProtoGetMetadata *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);
    GError *error = NULL;
    char *text;

    if (domain == NULL)
        return;
    text = vt_query_metadata(vt_call_driver(call), domain, args->type, args->uri, args->flags, &error);
    query_return_text(call, text, error);
}

/* ---- statistics ---- */

void
vt_call_query_interface_stats(VtCall *call)
{
    const VtProtoDomText *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);
    g_autoptr(GError) error = NULL;
    VtInterfaceStats stats = { .rx_bytes = 0 };
    VtProtoInterfaceStats ret;

    if (domain == NULL)
        return;
    if (!vt_query_interface_stats(vt_call_driver(call), domain, args->text, &stats, &error)) {
        vt_call_fail(call, error);
        return;
    }
    ret = (VtProtoInterfaceStats){
        .rx_bytes = stats.rx_bytes,
        .rx_packets = stats.rx_packets,
        .rx_errs = stats.rx_errs,
        .rx_drop = stats.rx_drop,
        .tx_bytes = stats.tx_bytes,
        .tx_packets = stats.tx_packets,
        .tx_errs = stats.tx_errs,
        .tx_drop = stats.tx_drop,
    };
    vt_call_return(call, &ret);
}

typedef struct {
    VtCall *call;
    GArray *pairs; /* of guint64: tag, value */
} QueryMemory;

static void
query_memory_done(gpointer user, const GError *error)
{
    g_autofree QueryMemory *memory = user;
    g_autoptr(GArray) pairs = memory->pairs;
    const VtProtoMemoryStatsArgs *args = vt_call_args(memory->call);
    guint n = MIN(MIN(pairs->len / 2, args->max), VT_PROTO_MEMORY_STATS_MAX);
    g_autofree VtProtoMemoryStat *stats = g_new0(VtProtoMemoryStat, n + 1);
    VtProtoItems ret = { .items = { .n = n, .items = stats } };

    if (error != NULL) {
        vt_call_fail(memory->call, error);
        return;
    }
    for (guint i = 0; i < n; i++) {
        stats[i].tag = (gint32)g_array_index(pairs, guint64, 2 * i);
        stats[i].value = g_array_index(pairs, guint64, 2 * i + 1);
    }
    vt_call_return(memory->call, &ret);
}

void
vt_call_query_memory_stats(VtCall *call)
{
    const VtProtoMemoryStatsArgs *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);
    QueryMemory *memory;

    if (domain == NULL)
        return;
    memory = g_new0(QueryMemory, 1);
    memory->call = call;
    memory->pairs = g_array_new(FALSE, FALSE, sizeof(guint64));
    vt_query_memory_stats(vt_call_driver(call), domain, memory->pairs, query_memory_done, memory);
}

/* The domains asked about: those named, else all that pass the filter. */
static GPtrArray *
query_stats_domains(VtCall *call, const VtProtoAllStatsArgs *args)
{
    const VtProtoDom *doms = args->doms.items;
    GPtrArray *list;

    if (args->doms.n == 0)
        return vt_driver_list(vt_call_driver(call), args->flags & CALL_QUERY_STATS_FILTERS);
    list = g_ptr_array_new();
    for (guint i = 0; i < args->doms.n; i++) {
        VtDomain *domain = vt_driver_lookup_uuid(vt_call_driver(call), &doms[i].uuid, NULL);

        if (domain != NULL) /* stock leaves out those that are gone */
            g_ptr_array_add(list, domain);
    }
    return list;
}

void
vt_call_query_all_stats(VtCall *call)
{
    const VtProtoAllStatsArgs *args = vt_call_args(call);
    const guint known = CALL_QUERY_STATS_FILTERS | CALL_QUERY_STATS_NOWAIT | CALL_QUERY_STATS_BACKING |
                        CALL_QUERY_STATS_ENFORCE;
    g_autoptr(GPtrArray) list = NULL;
    g_autofree VtProtoStatsRecord *records = NULL;
    VtProtoItems ret = { .items = { .n = 0 } };

    if (args->flags & ~known) {
        g_autoptr(GError) error =
            g_error_new(VT_ERROR, VT_ERROR_INVALID_ARG, "unsupported flags (0x%x) of domain statistics",
                        args->flags & ~known);

        vt_call_fail(call, error);
        return;
    }
    list = query_stats_domains(call, args);
    records = g_new0(VtProtoStatsRecord, list->len + 1);
    for (guint i = 0; i < list->len; i++) {
        VtDomain *domain = g_ptr_array_index(list, i);

        records[i].dom = vt_call_dom(domain);
        records[i].params = vt_query_domain_stats(vt_call_driver(call), domain, args->stats);
    }
    ret.items.n = list->len;
    ret.items.items = records;
    vt_call_return(call, &ret);
    for (guint i = 0; i < ret.items.n; i++)
        vt_typed_params_free(records[i].params);
}

/* ---- jobs ---- */

static guint64
query_param(const VtTypedParams *params, const char *field)
{
    guint64 value = 0;

    vt_typed_params_get_ullong(params, field, &value);
    return value;
}

void
vt_call_query_job_info(VtCall *call)
{
    VtDomain *domain = query_domain(call);
    g_autoptr(VtTypedParams) params = NULL;
    g_autoptr(GError) error = NULL;
    VtProtoJobInfo ret;
    int type = 0;

    if (domain == NULL)
        return;
    params = vt_job_query(domain, 0, &type, &error);
    if (params == NULL) {
        vt_call_fail(call, error);
        return;
    }
    ret = (VtProtoJobInfo){
        .type = type,
        .time_elapsed = query_param(params, "time_elapsed"),
        .time_remaining = query_param(params, "time_remaining"),
        .data_total = query_param(params, "data_total"),
        .data_processed = query_param(params, "data_processed"),
        .data_remaining = query_param(params, "data_remaining"),
        .mem_total = query_param(params, "memory_total"),
        .mem_processed = query_param(params, "memory_processed"),
        .mem_remaining = query_param(params, "memory_remaining"),
        .file_total = query_param(params, "disk_total"),
        .file_processed = query_param(params, "disk_processed"),
        .file_remaining = query_param(params, "disk_remaining"),
    };
    vt_call_return(call, &ret);
}

void
vt_call_query_job_stats(VtCall *call)
{
    const VtProtoDomFlags *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);
    g_autoptr(VtTypedParams) params = NULL;
    g_autoptr(GError) error = NULL;
    VtProtoJobStats ret;
    int type = 0;

    if (domain == NULL)
        return;
    params = vt_job_query(domain, args->flags, &type, &error);
    if (params == NULL) {
        vt_call_fail(call, error);
        return;
    }
    ret = (VtProtoJobStats){ .type = type, .params = params };
    vt_call_return(call, &ret);
}

/* ---- what no domain here has ---- */

void
vt_call_query_dom_none(VtCall *call)
{
    if (query_domain(call) != NULL)
        vt_call_return_empty(call);
}

void
vt_call_query_security_label(VtCall *call)
{
    VtProtoSecurityLabel ret = { .label = (char *)"" };

    if (query_domain(call) != NULL)
        vt_call_return(call, &ret);
}

void
vt_call_query_dom_flags_none(VtCall *call)
{
    if (vt_call_domain(call, &((const VtProtoDomFlags *)vt_call_args(call))->dom) != NULL)
        vt_call_return_empty(call);
}

void
vt_call_query_dom_max_none(VtCall *call)
{
    if (vt_call_domain(call, &((const VtProtoDomMaxFlags *)vt_call_args(call))->dom) != NULL)
        vt_call_return_empty(call);
}
