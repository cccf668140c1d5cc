/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/proto-types.h"

/* One row a field: kind, shape and limit first, the member last. */
#define PROTO_ONE(kind_, T, member)                                                                          \
    {                                                                                                        \
        .kind = VT_XDR_##kind_, VT_XDR_MEMBER(T, member)                                                     \
    }
#define PROTO_STR(T, member)                                                                                 \
    {                                                                                                        \
        .kind = VT_XDR_STRING, .max = VT_XDR_STRING_MAX, VT_XDR_MEMBER(T, member)                            \
    }
#define PROTO_STR_OPT(T, member)                                                                             \
    {                                                                                                        \
        .kind = VT_XDR_STRING, .shape = VT_XDR_OPTIONAL, .max = VT_XDR_STRING_MAX, VT_XDR_MEMBER(T, member)  \
    }
#define PROTO_MAX(kind_, max_, T, member)                                                                    \
    {                                                                                                        \
        .kind = VT_XDR_##kind_, .max = (max_), VT_XDR_MEMBER(T, member)                                      \
    }
#define PROTO_STRUCT(type_, T, member)                                                                       \
    {                                                                                                        \
        .kind = VT_XDR_STRUCT, .type = &vt_proto_##type_, VT_XDR_MEMBER(T, member)                           \
    }
#define PROTO_STRUCT_OPT(type_, T, member)                                                                   \
    {                                                                                                        \
        .kind = VT_XDR_STRUCT, .shape = VT_XDR_OPTIONAL, .type = &vt_proto_##type_, VT_XDR_MEMBER(T, member) \
    }
#define PROTO_LIST(kind_, max_, T, member)                                                                   \
    {                                                                                                        \
        .kind = VT_XDR_##kind_, .shape = VT_XDR_LIST, .max = (max_), VT_XDR_MEMBER(T, member)                \
    }
#define PROTO_STRUCTS(type_, max_, T, member)                                                                \
    {                                                                                                        \
        .kind = VT_XDR_STRUCT, .shape = VT_XDR_LIST, .max = (max_), .type = &(type_),                        \
        VT_XDR_MEMBER(T, member)                                                                             \
    }

#define PROTO_TYPE(ident, T, ...)                                                                            \
    static const VtXdrField proto_##ident##_fields[] = { __VA_ARGS__ };                                      \
    const VtXdrType vt_proto_##ident = { .name = #ident,                                                     \
                                         .size = sizeof(T),                                                  \
                                         .fields = proto_##ident##_fields,                                   \
                                         .n_fields = G_N_ELEMENTS(proto_##ident##_fields) }

/* ---- handles ---- */

PROTO_TYPE(dom, VtProtoDom, PROTO_STR(VtProtoDom, name), PROTO_ONE(UUID, VtProtoDom, uuid),
           PROTO_ONE(I32, VtProtoDom, id));
PROTO_TYPE(net, VtProtoNet, PROTO_STR(VtProtoNet, name), PROTO_ONE(UUID, VtProtoNet, uuid));
PROTO_TYPE(vol, VtProtoVol, PROTO_STR(VtProtoVol, pool), PROTO_STR(VtProtoVol, name),
           PROTO_STR(VtProtoVol, key));

/* ---- items of lists that are always empty here: only their wire form matters ---- */

typedef struct {
    char *first, *second;
} ProtoTextPair; /* host interfaces, filter bindings */

typedef struct {
    VtUuid uuid;
    gint32 usage_type;
    char *usage_id;
} ProtoSecret;

typedef struct {
    char *name;
    VtProtoDom dom;
} ProtoMoment; /* snapshots, checkpoints */

PROTO_TYPE(text_pair, ProtoTextPair, PROTO_STR(ProtoTextPair, first), PROTO_STR(ProtoTextPair, second));
PROTO_TYPE(secret, ProtoSecret, PROTO_ONE(UUID, ProtoSecret, uuid), PROTO_ONE(I32, ProtoSecret, usage_type),
           PROTO_STR(ProtoSecret, usage_id));
PROTO_TYPE(moment, ProtoMoment, PROTO_STR(ProtoMoment, name), PROTO_STRUCT(dom, ProtoMoment, dom));

/* ---- plain shapes ---- */

PROTO_TYPE(int, VtProtoInt, PROTO_ONE(I32, VtProtoInt, value));
PROTO_TYPE(ulong, VtProtoUlong, PROTO_ONE(U64, VtProtoUlong, value));
PROTO_TYPE(text, VtProtoText, PROTO_STR(VtProtoText, text));
PROTO_TYPE(text_optional, VtProtoText, PROTO_STR_OPT(VtProtoText, text));
PROTO_TYPE(text_flags, VtProtoTextFlags, PROTO_STR(VtProtoTextFlags, text),
           PROTO_ONE(U32, VtProtoTextFlags, flags));
PROTO_TYPE(text_optional_flags, VtProtoTextFlags, PROTO_STR_OPT(VtProtoTextFlags, text),
           PROTO_ONE(U32, VtProtoTextFlags, flags));
PROTO_TYPE(uuid, VtProtoUuid, PROTO_ONE(UUID, VtProtoUuid, uuid));
PROTO_TYPE(list_args, VtProtoListArgs, PROTO_ONE(I32, VtProtoListArgs, need_results),
           PROTO_ONE(U32, VtProtoListArgs, flags));

#define PROTO_LIST_RET(ident, item, max_)                                                                    \
    PROTO_TYPE(ident, VtProtoListRet, PROTO_STRUCTS(vt_proto_##item, max_, VtProtoListRet, items),           \
               PROTO_ONE(U32, VtProtoListRet, ret))

PROTO_LIST_RET(dom_list, dom, VT_PROTO_DOMAIN_LIST_MAX);
PROTO_LIST_RET(net_list, net, VT_PROTO_DOMAIN_LIST_MAX);
PROTO_LIST_RET(vol_list, vol, VT_PROTO_DOMAIN_LIST_MAX);
PROTO_LIST_RET(text_pair_list, text_pair, VT_PROTO_DOMAIN_LIST_MAX);
PROTO_LIST_RET(nodedev_list, text, VT_PROTO_NODE_DEVICE_LIST_MAX);
PROTO_LIST_RET(secret_list, secret, VT_PROTO_DOMAIN_LIST_MAX);
PROTO_LIST_RET(moment_list, moment, VT_PROTO_DOMAIN_LIST_MAX);
PROTO_TYPE(text_list, VtProtoListRet, PROTO_LIST(STRING, 8192, VtProtoListRet, items),
           PROTO_ONE(I32, VtProtoListRet, ret));
PROTO_TYPE(texts, VtProtoItems, PROTO_LIST(STRING, VT_PROTO_DOMAIN_LIST_MAX, VtProtoItems, items));
PROTO_TYPE(ints, VtProtoItems, PROTO_LIST(I32, VT_PROTO_DOMAIN_LIST_MAX, VtProtoItems, items));
PROTO_TYPE(auth_types, VtProtoItems, PROTO_LIST(I32, VT_PROTO_AUTH_TYPE_LIST_MAX, VtProtoItems, items));
PROTO_TYPE(messages, VtProtoItems, PROTO_LIST(STRING, VT_PROTO_MESSAGES_MAX, VtProtoItems, items));

/* ---- connection and host ---- */

PROTO_TYPE(node_info, VtProtoNodeInfo,
           PROTO_MAX(CHARS_FIXED, VT_PROTO_NODE_MODEL_SIZE, VtProtoNodeInfo, model),
           PROTO_ONE(U64, VtProtoNodeInfo, memory_kib), PROTO_ONE(I32, VtProtoNodeInfo, cpus),
           PROTO_ONE(I32, VtProtoNodeInfo, mhz), PROTO_ONE(I32, VtProtoNodeInfo, nodes),
           PROTO_ONE(I32, VtProtoNodeInfo, sockets), PROTO_ONE(I32, VtProtoNodeInfo, cores),
           PROTO_ONE(I32, VtProtoNodeInfo, threads));
PROTO_TYPE(security_model, VtProtoSecurityModel,
           PROTO_MAX(CHARS, VT_PROTO_SECURITY_MODEL_MAX, VtProtoSecurityModel, model),
           PROTO_MAX(CHARS, VT_PROTO_SECURITY_MODEL_MAX, VtProtoSecurityModel, doi));
PROTO_TYPE(security_label, VtProtoSecurityLabel,
           PROTO_MAX(CHARS, VT_PROTO_SECURITY_LABEL_MAX, VtProtoSecurityLabel, label),
           PROTO_ONE(I32, VtProtoSecurityLabel, enforcing));
PROTO_LIST_RET(security_labels, security_label, VT_PROTO_SECURITY_LABEL_LIST_MAX);
PROTO_TYPE(domain_caps_args, VtProtoDomainCapsArgs, PROTO_STR_OPT(VtProtoDomainCapsArgs, emulator),
           PROTO_STR_OPT(VtProtoDomainCapsArgs, arch), PROTO_STR_OPT(VtProtoDomainCapsArgs, machine),
           PROTO_STR_OPT(VtProtoDomainCapsArgs, virttype), PROTO_ONE(U32, VtProtoDomainCapsArgs, flags));
PROTO_TYPE(native_args, VtProtoNativeArgs, PROTO_STR(VtProtoNativeArgs, format),
           PROTO_STR(VtProtoNativeArgs, text), PROTO_ONE(U32, VtProtoNativeArgs, flags));
PROTO_TYPE(params_flags, VtProtoParamsFlags, PROTO_MAX(PARAMS, 20, VtProtoParamsFlags, params),
           PROTO_ONE(U32, VtProtoParamsFlags, flags));

PROTO_TYPE(cells_args, VtProtoCellsArgs, PROTO_ONE(I32, VtProtoCellsArgs, start),
           PROTO_ONE(I32, VtProtoCellsArgs, max));
PROTO_TYPE(cells, VtProtoItems, PROTO_LIST(U64, VT_PROTO_NODE_MAX_CELLS, VtProtoItems, items));
PROTO_TYPE(node_stat, VtProtoNodeStat, PROTO_STR(VtProtoNodeStat, field),
           PROTO_ONE(U64, VtProtoNodeStat, value));
PROTO_TYPE(node_memory_args, VtProtoMemoryArgs, PROTO_ONE(I32, VtProtoMemoryArgs, n),
           PROTO_ONE(I32, VtProtoMemoryArgs, cell), PROTO_ONE(U32, VtProtoMemoryArgs, flags));
PROTO_TYPE(node_cpu_args, VtProtoCpuArgs, PROTO_ONE(I32, VtProtoCpuArgs, cpu),
           PROTO_ONE(I32, VtProtoCpuArgs, n), PROTO_ONE(U32, VtProtoCpuArgs, flags));
PROTO_TYPE(node_stats, VtProtoNodeStatsRet,
           PROTO_STRUCTS(vt_proto_node_stat, VT_PROTO_NODE_STATS_MAX, VtProtoNodeStatsRet, items),
           PROTO_ONE(I32, VtProtoNodeStatsRet, n));
PROTO_TYPE(cpu_map_args, VtProtoCpuMapArgs, PROTO_ONE(I32, VtProtoCpuMapArgs, need_map),
           PROTO_ONE(I32, VtProtoCpuMapArgs, need_online), PROTO_ONE(U32, VtProtoCpuMapArgs, flags));
PROTO_TYPE(cpu_map, VtProtoCpuMapRet, PROTO_MAX(OPAQUE, VT_PROTO_CPUMAP_MAX, VtProtoCpuMapRet, map),
           PROTO_ONE(U32, VtProtoCpuMapRet, online), PROTO_ONE(I32, VtProtoCpuMapRet, ret));
PROTO_TYPE(pages_args, VtProtoPagesArgs, PROTO_LIST(U32, VT_PROTO_NODE_MAX_CELLS, VtProtoPagesArgs, sizes),
           PROTO_ONE(I32, VtProtoPagesArgs, start), PROTO_ONE(U32, VtProtoPagesArgs, n_cells),
           PROTO_ONE(U32, VtProtoPagesArgs, flags));
PROTO_TYPE(models_args, VtProtoModelsArgs, PROTO_STR(VtProtoModelsArgs, arch),
           PROTO_ONE(I32, VtProtoModelsArgs, need_results), PROTO_ONE(U32, VtProtoModelsArgs, flags));

/* ---- domains ---- */

PROTO_TYPE(block_stats, VtProtoBlockStats, PROTO_ONE(I64, VtProtoBlockStats, rd_req),
           PROTO_ONE(I64, VtProtoBlockStats, rd_bytes), PROTO_ONE(I64, VtProtoBlockStats, wr_req),
           PROTO_ONE(I64, VtProtoBlockStats, wr_bytes), PROTO_ONE(I64, VtProtoBlockStats, errs));
PROTO_TYPE(block_stats_args, VtProtoBlockStatsArgs, PROTO_STRUCT(dom, VtProtoBlockStatsArgs, dom),
           PROTO_STR(VtProtoBlockStatsArgs, path), PROTO_ONE(I32, VtProtoBlockStatsArgs, n),
           PROTO_ONE(U32, VtProtoBlockStatsArgs, flags));
PROTO_TYPE(block_params, VtProtoParamsRet,
           PROTO_MAX(PARAMS, VT_PROTO_BLOCK_STATS_MAX, VtProtoParamsRet, params),
           PROTO_ONE(I32, VtProtoParamsRet, n));
PROTO_TYPE(block_info, VtProtoBlockInfo, PROTO_ONE(U64, VtProtoBlockInfo, allocation),
           PROTO_ONE(U64, VtProtoBlockInfo, capacity), PROTO_ONE(U64, VtProtoBlockInfo, physical));
PROTO_TYPE(addresses_args, VtProtoAddressesArgs, PROTO_STRUCT(dom, VtProtoAddressesArgs, dom),
           PROTO_ONE(U32, VtProtoAddressesArgs, source), PROTO_ONE(U32, VtProtoAddressesArgs, flags));
PROTO_TYPE(ip_addr, VtProtoIpAddr, PROTO_ONE(I32, VtProtoIpAddr, type), PROTO_STR(VtProtoIpAddr, addr),
           PROTO_ONE(U32, VtProtoIpAddr, prefix));
PROTO_TYPE(interface, VtProtoInterface, PROTO_STR(VtProtoInterface, name),
           PROTO_STR_OPT(VtProtoInterface, hwaddr),
           PROTO_STRUCTS(vt_proto_ip_addr, VT_PROTO_INTERFACES_MAX, VtProtoInterface, addrs));
PROTO_TYPE(interfaces, VtProtoItems,
           PROTO_STRUCTS(vt_proto_interface, VT_PROTO_INTERFACES_MAX, VtProtoItems, items));
PROTO_TYPE(dom_arg, VtProtoDomArg, PROTO_STRUCT(dom, VtProtoDomArg, dom));
PROTO_TYPE(dom_flags, VtProtoDomFlags, PROTO_STRUCT(dom, VtProtoDomFlags, dom),
           PROTO_ONE(U32, VtProtoDomFlags, flags));
PROTO_TYPE(dom_int, VtProtoDomInt, PROTO_STRUCT(dom, VtProtoDomInt, dom),
           PROTO_ONE(I32, VtProtoDomInt, value));
PROTO_TYPE(dom_ulong_flags, VtProtoDomUlongFlags, PROTO_STRUCT(dom, VtProtoDomUlongFlags, dom),
           PROTO_ONE(U64, VtProtoDomUlongFlags, value), PROTO_ONE(U32, VtProtoDomUlongFlags, flags));
PROTO_TYPE(dom_text, VtProtoDomText, PROTO_STRUCT(dom, VtProtoDomText, dom), PROTO_STR(VtProtoDomText, text));
PROTO_TYPE(dom_text_flags, VtProtoDomTextFlags, PROTO_STRUCT(dom, VtProtoDomTextFlags, dom),
           PROTO_STR(VtProtoDomTextFlags, text), PROTO_ONE(U32, VtProtoDomTextFlags, flags));
PROTO_TYPE(dom_text_optional_flags, VtProtoDomTextFlags, PROTO_STRUCT(dom, VtProtoDomTextFlags, dom),
           PROTO_STR_OPT(VtProtoDomTextFlags, text), PROTO_ONE(U32, VtProtoDomTextFlags, flags));
PROTO_TYPE(dom_max_flags, VtProtoDomMaxFlags, PROTO_STRUCT(dom, VtProtoDomMaxFlags, dom),
           PROTO_ONE(I32, VtProtoDomMaxFlags, max), PROTO_ONE(U32, VtProtoDomMaxFlags, flags));
PROTO_TYPE(save_flags, VtProtoSaveFlags, PROTO_STRUCT(dom, VtProtoSaveFlags, dom),
           PROTO_STR(VtProtoSaveFlags, path), PROTO_STR_OPT(VtProtoSaveFlags, xml),
           PROTO_ONE(U32, VtProtoSaveFlags, flags));
PROTO_TYPE(save_params, VtProtoDomParamsFlags, PROTO_STRUCT(dom, VtProtoDomParamsFlags, dom),
           PROTO_MAX(PARAMS, VT_PROTO_SAVE_RESTORE_PARAMS_MAX, VtProtoDomParamsFlags, params),
           PROTO_ONE(U32, VtProtoDomParamsFlags, flags));
PROTO_TYPE(restore_flags, VtProtoRestoreFlags, PROTO_STR(VtProtoRestoreFlags, path),
           PROTO_STR_OPT(VtProtoRestoreFlags, xml), PROTO_ONE(U32, VtProtoRestoreFlags, flags));
PROTO_TYPE(restore_params, VtProtoParamsFlags,
           PROTO_MAX(PARAMS, VT_PROTO_SAVE_RESTORE_PARAMS_MAX, VtProtoParamsFlags, params),
           PROTO_ONE(U32, VtProtoParamsFlags, flags));
PROTO_TYPE(image_define, VtProtoImageDefine, PROTO_STR(VtProtoImageDefine, path),
           PROTO_STR(VtProtoImageDefine, xml), PROTO_ONE(U32, VtProtoImageDefine, flags));
PROTO_TYPE(domain_info, VtProtoDomainInfo, PROTO_ONE(U8, VtProtoDomainInfo, state),
           PROTO_ONE(U64, VtProtoDomainInfo, max_mem_kib), PROTO_ONE(U64, VtProtoDomainInfo, mem_kib),
           PROTO_ONE(U16, VtProtoDomainInfo, vcpus), PROTO_ONE(U64, VtProtoDomainInfo, cpu_time_ns));
PROTO_TYPE(state, VtProtoState, PROTO_ONE(I32, VtProtoState, state), PROTO_ONE(I32, VtProtoState, reason));
PROTO_TYPE(control_info, VtProtoControlInfo, PROTO_ONE(U32, VtProtoControlInfo, state),
           PROTO_ONE(U32, VtProtoControlInfo, details), PROTO_ONE(U64, VtProtoControlInfo, state_time_ms));
PROTO_TYPE(interface_stats, VtProtoInterfaceStats, PROTO_ONE(I64, VtProtoInterfaceStats, rx_bytes),
           PROTO_ONE(I64, VtProtoInterfaceStats, rx_packets), PROTO_ONE(I64, VtProtoInterfaceStats, rx_errs),
           PROTO_ONE(I64, VtProtoInterfaceStats, rx_drop), PROTO_ONE(I64, VtProtoInterfaceStats, tx_bytes),
           PROTO_ONE(I64, VtProtoInterfaceStats, tx_packets), PROTO_ONE(I64, VtProtoInterfaceStats, tx_errs),
           PROTO_ONE(I64, VtProtoInterfaceStats, tx_drop));
PROTO_TYPE(set_metadata, VtProtoSetMetadata, PROTO_STRUCT(dom, VtProtoSetMetadata, dom),
           PROTO_ONE(I32, VtProtoSetMetadata, type), PROTO_STR_OPT(VtProtoSetMetadata, metadata),
           PROTO_STR_OPT(VtProtoSetMetadata, key), PROTO_STR_OPT(VtProtoSetMetadata, uri),
           PROTO_ONE(U32, VtProtoSetMetadata, flags));
PROTO_TYPE(get_metadata, VtProtoGetMetadata, PROTO_STRUCT(dom, VtProtoGetMetadata, dom),
           PROTO_ONE(I32, VtProtoGetMetadata, type), PROTO_STR_OPT(VtProtoGetMetadata, uri),
           PROTO_ONE(U32, VtProtoGetMetadata, flags));
PROTO_TYPE(memory_stat, VtProtoMemoryStat, PROTO_ONE(I32, VtProtoMemoryStat, tag),
           PROTO_ONE(U64, VtProtoMemoryStat, value));
PROTO_TYPE(memory_stats_args, VtProtoMemoryStatsArgs, PROTO_STRUCT(dom, VtProtoMemoryStatsArgs, dom),
           PROTO_ONE(U32, VtProtoMemoryStatsArgs, max), PROTO_ONE(U32, VtProtoMemoryStatsArgs, flags));
PROTO_TYPE(memory_stats, VtProtoItems,
           PROTO_STRUCTS(vt_proto_memory_stat, VT_PROTO_MEMORY_STATS_MAX, VtProtoItems, items));
PROTO_TYPE(all_stats_args, VtProtoAllStatsArgs,
           PROTO_STRUCTS(vt_proto_dom, VT_PROTO_DOMAIN_LIST_MAX, VtProtoAllStatsArgs, doms),
           PROTO_ONE(U32, VtProtoAllStatsArgs, stats), PROTO_ONE(U32, VtProtoAllStatsArgs, flags));
PROTO_TYPE(stats_record, VtProtoStatsRecord, PROTO_STRUCT(dom, VtProtoStatsRecord, dom),
           PROTO_MAX(PARAMS, VT_PROTO_CONNECT_GET_ALL_STATS_MAX, VtProtoStatsRecord, params));
PROTO_TYPE(all_stats, VtProtoItems,
           PROTO_STRUCTS(vt_proto_stats_record, VT_PROTO_DOMAIN_LIST_MAX, VtProtoItems, items));

/* ---- jobs and migration ---- */

PROTO_TYPE(job_info, VtProtoJobInfo, PROTO_ONE(I32, VtProtoJobInfo, type),
           PROTO_ONE(U64, VtProtoJobInfo, time_elapsed), PROTO_ONE(U64, VtProtoJobInfo, time_remaining),
           PROTO_ONE(U64, VtProtoJobInfo, data_total), PROTO_ONE(U64, VtProtoJobInfo, data_processed),
           PROTO_ONE(U64, VtProtoJobInfo, data_remaining), PROTO_ONE(U64, VtProtoJobInfo, mem_total),
           PROTO_ONE(U64, VtProtoJobInfo, mem_processed), PROTO_ONE(U64, VtProtoJobInfo, mem_remaining),
           PROTO_ONE(U64, VtProtoJobInfo, file_total), PROTO_ONE(U64, VtProtoJobInfo, file_processed),
           PROTO_ONE(U64, VtProtoJobInfo, file_remaining));
PROTO_TYPE(job_stats, VtProtoJobStats, PROTO_ONE(I32, VtProtoJobStats, type),
           PROTO_MAX(PARAMS, VT_PROTO_JOB_STATS_MAX, VtProtoJobStats, params));

#define PROTO_COOKIE(T) PROTO_MAX(OPAQUE, VT_PROTO_MIGRATE_COOKIE_MAX, T, cookie)
#define PROTO_PARAMS(T) PROTO_MAX(PARAMS, VT_PROTO_MIGRATE_PARAM_LIST_MAX, T, params)

PROTO_TYPE(begin_args, VtProtoBeginArgs, PROTO_STRUCT(dom, VtProtoBeginArgs, dom),
           PROTO_PARAMS(VtProtoBeginArgs), PROTO_ONE(U32, VtProtoBeginArgs, flags));
PROTO_TYPE(prepare_args, VtProtoPrepareArgs, PROTO_PARAMS(VtProtoPrepareArgs),
           PROTO_COOKIE(VtProtoPrepareArgs), PROTO_ONE(U32, VtProtoPrepareArgs, flags));
PROTO_TYPE(perform_args, VtProtoPerformArgs, PROTO_STRUCT(dom, VtProtoPerformArgs, dom),
           PROTO_STR_OPT(VtProtoPerformArgs, dconnuri), PROTO_PARAMS(VtProtoPerformArgs),
           PROTO_COOKIE(VtProtoPerformArgs), PROTO_ONE(U32, VtProtoPerformArgs, flags));
PROTO_TYPE(finish_args, VtProtoFinishArgs, PROTO_PARAMS(VtProtoFinishArgs), PROTO_COOKIE(VtProtoFinishArgs),
           PROTO_ONE(U32, VtProtoFinishArgs, flags), PROTO_ONE(I32, VtProtoFinishArgs, cancelled));
PROTO_TYPE(confirm_args, VtProtoConfirmArgs, PROTO_STRUCT(dom, VtProtoConfirmArgs, dom),
           PROTO_PARAMS(VtProtoConfirmArgs), PROTO_COOKIE(VtProtoConfirmArgs),
           PROTO_ONE(U32, VtProtoConfirmArgs, flags), PROTO_ONE(I32, VtProtoConfirmArgs, cancelled));
PROTO_TYPE(begin_ret, VtProtoCookieText, PROTO_COOKIE(VtProtoCookieText), PROTO_STR(VtProtoCookieText, text));
PROTO_TYPE(prepare_ret, VtProtoCookieText, PROTO_COOKIE(VtProtoCookieText),
           PROTO_STR_OPT(VtProtoCookieText, text));
PROTO_TYPE(cookie, VtProtoCookie, PROTO_COOKIE(VtProtoCookie));
PROTO_TYPE(finish_ret, VtProtoFinishRet, PROTO_STRUCT(dom, VtProtoFinishRet, dom),
           PROTO_COOKIE(VtProtoFinishRet));

PROTO_TYPE(begin3_args, VtProtoBegin3Args, PROTO_STRUCT(dom, VtProtoBegin3Args, dom),
           PROTO_STR_OPT(VtProtoBegin3Args, xml), PROTO_ONE(U64, VtProtoBegin3Args, flags),
           PROTO_STR_OPT(VtProtoBegin3Args, dname), PROTO_ONE(U64, VtProtoBegin3Args, resource));
PROTO_TYPE(prepare3_args, VtProtoPrepare3Args, PROTO_COOKIE(VtProtoPrepare3Args),
           PROTO_STR_OPT(VtProtoPrepare3Args, uri), PROTO_ONE(U64, VtProtoPrepare3Args, flags),
           PROTO_STR_OPT(VtProtoPrepare3Args, dname), PROTO_ONE(U64, VtProtoPrepare3Args, resource),
           PROTO_STR(VtProtoPrepare3Args, xml));
PROTO_TYPE(perform3_args, VtProtoPerform3Args, PROTO_STRUCT(dom, VtProtoPerform3Args, dom),
           PROTO_STR_OPT(VtProtoPerform3Args, xml), PROTO_COOKIE(VtProtoPerform3Args),
           PROTO_STR_OPT(VtProtoPerform3Args, dconnuri), PROTO_STR_OPT(VtProtoPerform3Args, uri),
           PROTO_ONE(U64, VtProtoPerform3Args, flags), PROTO_STR_OPT(VtProtoPerform3Args, dname),
           PROTO_ONE(U64, VtProtoPerform3Args, resource));
PROTO_TYPE(finish3_args, VtProtoFinish3Args, PROTO_STR(VtProtoFinish3Args, dname),
           PROTO_COOKIE(VtProtoFinish3Args), PROTO_STR_OPT(VtProtoFinish3Args, dconnuri),
           PROTO_STR_OPT(VtProtoFinish3Args, uri), PROTO_ONE(U64, VtProtoFinish3Args, flags),
           PROTO_ONE(I32, VtProtoFinish3Args, cancelled));
PROTO_TYPE(confirm3_args, VtProtoConfirm3Args, PROTO_STRUCT(dom, VtProtoConfirm3Args, dom),
           PROTO_COOKIE(VtProtoConfirm3Args), PROTO_ONE(U64, VtProtoConfirm3Args, flags),
           PROTO_ONE(I32, VtProtoConfirm3Args, cancelled));

/* ---- events ---- */

PROTO_TYPE(event_register, VtProtoEventRegister, PROTO_ONE(I32, VtProtoEventRegister, event_id),
           PROTO_STRUCT_OPT(dom, VtProtoEventRegister, dom));
PROTO_TYPE(monitor_register, VtProtoMonitorRegister, PROTO_STRUCT_OPT(dom, VtProtoMonitorRegister, dom),
           PROTO_STR_OPT(VtProtoMonitorRegister, event), PROTO_ONE(U32, VtProtoMonitorRegister, flags));

#define PROTO_EVENT(ident, T, ...)                                                                           \
    PROTO_TYPE(ident, T, PROTO_ONE(I32, T, callback_id), PROTO_STRUCT(dom, T, dom), __VA_ARGS__)

PROTO_TYPE(event_dom, VtProtoEventDom, PROTO_ONE(I32, VtProtoEventDom, callback_id),
           PROTO_STRUCT(dom, VtProtoEventDom, dom));
PROTO_EVENT(event_lifecycle, VtProtoEventLifecycle, PROTO_ONE(I32, VtProtoEventLifecycle, event),
            PROTO_ONE(I32, VtProtoEventLifecycle, detail));
PROTO_EVENT(event_rtc, VtProtoEventRtc, PROTO_ONE(I64, VtProtoEventRtc, offset));
PROTO_EVENT(event_int, VtProtoEventInt, PROTO_ONE(I32, VtProtoEventInt, value));
PROTO_EVENT(event_ulong, VtProtoEventUlong, PROTO_ONE(U64, VtProtoEventUlong, value));
PROTO_EVENT(event_io_error, VtProtoEventIoError, PROTO_STR(VtProtoEventIoError, path),
            PROTO_STR(VtProtoEventIoError, alias), PROTO_ONE(I32, VtProtoEventIoError, action));
PROTO_EVENT(event_device, VtProtoEventDevice, PROTO_STR(VtProtoEventDevice, alias));
PROTO_EVENT(event_job, VtProtoEventJob, PROTO_MAX(PARAMS, VT_PROTO_JOB_STATS_MAX, VtProtoEventJob, params));
PROTO_EVENT(event_metadata, VtProtoEventMetadata, PROTO_ONE(I32, VtProtoEventMetadata, type),
            PROTO_STR_OPT(VtProtoEventMetadata, uri));
PROTO_EVENT(event_monitor, VtProtoEventMonitor, PROTO_STR(VtProtoEventMonitor, event),
            PROTO_ONE(I64, VtProtoEventMonitor, seconds), PROTO_ONE(U32, VtProtoEventMonitor, micros),
            PROTO_STR_OPT(VtProtoEventMonitor, details));

/* ---- errors ---- */

/* ---- teams ---- */

PROTO_TYPE(team, VtProtoTeam, PROTO_STR(VtProtoTeam, name), PROTO_STR_OPT(VtProtoTeam, transient),
           PROTO_STR(VtProtoTeam, mac), PROTO_STR(VtProtoTeam, orchestration),
           PROTO_STR(VtProtoTeam, standby), PROTO_STR(VtProtoTeam, primary), PROTO_STR(VtProtoTeam, active),
           PROTO_STR(VtProtoTeam, state), PROTO_STR(VtProtoTeam, feed), PROTO_STR(VtProtoTeam, backend),
           PROTO_STR_OPT(VtProtoTeam, why), PROTO_STR_OPT(VtProtoTeam, error),
           PROTO_STR(VtProtoTeam, standby_host), PROTO_STR_OPT(VtProtoTeam, primary_host),
           PROTO_STR_OPT(VtProtoTeam, kept), PROTO_STR_OPT(VtProtoTeam, kept_since),
           PROTO_STR_OPT(VtProtoTeam, kept_why), PROTO_STR_OPT(VtProtoTeam, watch),
           PROTO_STR_OPT(VtProtoTeam, settings));
PROTO_TYPE(team_switch_args, VtProtoTeamSwitchArgs, PROTO_STRUCT(dom, VtProtoTeamSwitchArgs, dom),
           PROTO_STR_OPT(VtProtoTeamSwitchArgs, team), PROTO_ONE(U32, VtProtoTeamSwitchArgs, to),
           PROTO_ONE(U32, VtProtoTeamSwitchArgs, timeout_s), PROTO_ONE(U32, VtProtoTeamSwitchArgs, flags));
PROTO_TYPE(team_list, VtProtoItems,
           PROTO_STRUCTS(vt_proto_team, VT_PROTO_TEAM_LIST_MAX, VtProtoItems, items));

PROTO_TYPE(error, VtProtoError, PROTO_ONE(I32, VtProtoError, code), PROTO_ONE(I32, VtProtoError, domain),
           PROTO_STR_OPT(VtProtoError, message), PROTO_ONE(I32, VtProtoError, level),
           PROTO_STRUCT_OPT(dom, VtProtoError, dom), PROTO_STR_OPT(VtProtoError, str1),
           PROTO_STR_OPT(VtProtoError, str2), PROTO_STR_OPT(VtProtoError, str3),
           PROTO_ONE(I32, VtProtoError, int1), PROTO_ONE(I32, VtProtoError, int2),
           PROTO_STRUCT_OPT(net, VtProtoError, net));
