/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Arguments and returns of the remote procedures as C structs, with their field tables.
 *
 * Procedures of the same shape share a struct. Source: the message structs of libvirt's remote protocol,
 * remote_protocol.x and qemu_protocol.x; docs/protocol.md says where each fact was checked.
 */
#pragma once

#include "rpc/xdr-table.h"
#include "util/ident.h"
#include "util/typed-param.h"

/* Limits of remote_protocol.x, by its names. */
#define VT_PROTO_DOMAIN_LIST_MAX           16384u
#define VT_PROTO_NODE_DEVICE_LIST_MAX      65536u
#define VT_PROTO_AUTH_TYPE_LIST_MAX        20u
#define VT_PROTO_MIGRATE_COOKIE_MAX        4194304u
#define VT_PROTO_MIGRATE_PARAM_LIST_MAX    64u
#define VT_PROTO_JOB_STATS_MAX             64u
#define VT_PROTO_CONNECT_GET_ALL_STATS_MAX 262144u
#define VT_PROTO_MEMORY_STATS_MAX          1024u
#define VT_PROTO_MESSAGES_MAX              2048u
#define VT_PROTO_NODE_MAX_CELLS            1024u
#define VT_PROTO_NODE_MODEL_SIZE           32u
#define VT_PROTO_SECURITY_MODEL_MAX        257u
#define VT_PROTO_SECURITY_LABEL_MAX        4097u
#define VT_PROTO_CPUMAP_MAX                2048u
#define VT_PROTO_SECURITY_LABEL_LIST_MAX   64u
#define VT_PROTO_SAVE_RESTORE_PARAMS_MAX   64u
#define VT_PROTO_NODE_STATS_MAX            16u /* NODE_CPU_STATS, NODE_MEMORY_STATS */
#define VT_PROTO_BLOCK_STATS_MAX           16u
#define VT_PROTO_INTERFACES_MAX            2048u /* also addresses of one */

/* ---- handles ---- */

typedef struct {
    char *name;
    VtUuid uuid;
    gint32 id; /* -1: not running */
} VtProtoDom;

typedef struct {
    char *name;
    VtUuid uuid;
} VtProtoNet; /* networks, storage pools, filters */

typedef struct {
    char *pool, *name, *key;
} VtProtoVol;

/* ---- plain shapes; members are named for what most users mean by them ---- */

typedef struct {
    gint32 value;
} VtProtoInt;

typedef struct {
    guint64 value;
} VtProtoUlong;

typedef struct {
    char *text;
} VtProtoText; /* also optional */

typedef struct {
    char *text;
    guint32 flags;
} VtProtoTextFlags;

typedef struct {
    VtUuid uuid;
} VtProtoUuid;

typedef struct {
    gint32 need_results;
    guint32 flags;
} VtProtoListArgs;

typedef struct {
    VtXdrList items;
    guint32 ret;
} VtProtoListRet; /* the item's type is the procedure's */

typedef struct {
    VtXdrList items;
} VtProtoItems;

/* ---- connection and host ---- */

typedef struct {
    char *model;
    guint64 memory_kib;
    gint32 cpus, mhz, nodes, sockets, cores, threads;
} VtProtoNodeInfo;

typedef struct {
    char *model, *doi;
} VtProtoSecurityModel;

typedef struct {
    char *label;
    gint32 enforcing;
} VtProtoSecurityLabel;

typedef struct {
    char *emulator, *arch, *machine, *virttype;
    guint32 flags;
} VtProtoDomainCapsArgs;

typedef struct {
    char *format, *text;
    guint32 flags;
} VtProtoNativeArgs;

typedef struct {
    VtTypedParams *params;
    guint32 flags;
} VtProtoParamsFlags;

typedef struct {
    gint32 start, max;
} VtProtoCellsArgs;

typedef struct {
    char *field;
    guint64 value;
} VtProtoNodeStat;

typedef struct {
    gint32 n, cell;
    guint32 flags;
} VtProtoMemoryArgs;

typedef struct {
    gint32 cpu, n;
    guint32 flags;
} VtProtoCpuArgs;

typedef struct {
    VtXdrList items; /* of VtProtoNodeStat */
    gint32 n;
} VtProtoNodeStatsRet;

typedef struct {
    gint32 need_map, need_online;
    guint32 flags;
} VtProtoCpuMapArgs;

typedef struct {
    GBytes *map;
    guint32 online;
    gint32 ret;
} VtProtoCpuMapRet;

typedef struct {
    VtXdrList sizes; /* of guint32 */
    gint32 start;
    guint32 n_cells, flags;
} VtProtoPagesArgs;

typedef struct {
    char *arch;
    gint32 need_results;
    guint32 flags;
} VtProtoModelsArgs;

/* ---- domains ---- */

typedef struct {
    gint64 rd_req, rd_bytes, wr_req, wr_bytes, errs;
} VtProtoBlockStats;

typedef struct {
    VtProtoDom dom;
    char *path;
    gint32 n;
    guint32 flags;
} VtProtoBlockStatsArgs;

typedef struct {
    VtTypedParams *params;
    gint32 n;
} VtProtoParamsRet;

typedef struct {
    guint64 allocation, capacity, physical;
} VtProtoBlockInfo;

typedef struct {
    VtProtoDom dom;
    guint32 source, flags;
} VtProtoAddressesArgs;

typedef struct {
    gint32 type; /* virIPAddrType */
    char *addr;
    guint32 prefix;
} VtProtoIpAddr;

typedef struct {
    char *name, *hwaddr;
    VtXdrList addrs; /* of VtProtoIpAddr */
} VtProtoInterface;

typedef struct {
    VtProtoDom dom;
} VtProtoDomArg; /* also what a procedure returns that returns a domain */

typedef struct {
    VtProtoDom dom;
    guint32 flags;
} VtProtoDomFlags;

typedef struct {
    VtProtoDom dom;
    gint32 value;
} VtProtoDomInt;

typedef struct {
    VtProtoDom dom;
    guint64 value;
    guint32 flags;
} VtProtoDomUlongFlags;

typedef struct {
    VtProtoDom dom;
    char *text;
} VtProtoDomText;

typedef struct {
    VtProtoDom dom;
    char *text;
    guint32 flags;
} VtProtoDomTextFlags;

typedef struct {
    VtProtoDom dom;
    gint32 max;
    guint32 flags;
} VtProtoDomMaxFlags;

typedef struct {
    VtProtoDom dom;
    VtTypedParams *params;
    guint32 flags;
} VtProtoDomParamsFlags;

typedef struct {
    VtProtoDom dom;
    char *path, *xml; /* xml is optional */
    guint32 flags;
} VtProtoSaveFlags;

typedef struct {
    char *path, *xml; /* xml is optional */
    guint32 flags;
} VtProtoRestoreFlags;

typedef struct {
    char *path, *xml;
    guint32 flags;
} VtProtoImageDefine;

typedef struct {
    guint8 state;
    guint64 max_mem_kib, mem_kib;
    guint16 vcpus;
    guint64 cpu_time_ns;
} VtProtoDomainInfo;

typedef struct {
    gint32 state, reason;
} VtProtoState;

typedef struct {
    guint32 state, details;
    guint64 state_time_ms;
} VtProtoControlInfo;

typedef struct {
    gint64 rx_bytes, rx_packets, rx_errs, rx_drop, tx_bytes, tx_packets, tx_errs, tx_drop;
} VtProtoInterfaceStats;

typedef struct {
    VtProtoDom dom;
    gint32 type;
    char *metadata, *key, *uri;
    guint32 flags;
} VtProtoSetMetadata;

typedef struct {
    VtProtoDom dom;
    gint32 type;
    char *uri;
    guint32 flags;
} VtProtoGetMetadata;

typedef struct {
    gint32 tag;
    guint64 value;
} VtProtoMemoryStat;

typedef struct {
    VtProtoDom dom;
    guint32 max, flags;
} VtProtoMemoryStatsArgs;

typedef struct {
    VtXdrList doms; /* of VtProtoDom */
    guint32 stats, flags;
} VtProtoAllStatsArgs;

typedef struct {
    VtProtoDom dom;
    VtTypedParams *params;
} VtProtoStatsRecord;

/* ---- jobs and migration ---- */

typedef struct {
    gint32 type;
    guint64 time_elapsed, time_remaining;
    guint64 data_total, data_processed, data_remaining;
    guint64 mem_total, mem_processed, mem_remaining;
    guint64 file_total, file_processed, file_remaining;
} VtProtoJobInfo;

typedef struct {
    gint32 type;
    VtTypedParams *params;
} VtProtoJobStats;

typedef struct {
    VtProtoDom dom;
    VtTypedParams *params;
    guint32 flags;
} VtProtoBeginArgs;

typedef struct {
    VtTypedParams *params;
    GBytes *cookie;
    guint32 flags;
} VtProtoPrepareArgs;

typedef struct {
    VtProtoDom dom;
    char *dconnuri;
    VtTypedParams *params;
    GBytes *cookie;
    guint32 flags;
} VtProtoPerformArgs;

typedef struct {
    VtTypedParams *params;
    GBytes *cookie;
    guint32 flags;
    gint32 cancelled;
} VtProtoFinishArgs;

typedef struct {
    VtProtoDom dom;
    VtTypedParams *params;
    GBytes *cookie;
    guint32 flags;
    gint32 cancelled;
} VtProtoConfirmArgs;

typedef struct {
    GBytes *cookie;
    char *text; /* Begin: XML; Prepare: uri_out */
} VtProtoCookieText;

typedef struct {
    GBytes *cookie;
} VtProtoCookie;

typedef struct {
    VtProtoDom dom;
    GBytes *cookie;
} VtProtoFinishRet;

/* The same five calls without parameters (version 3 as it was first). */
typedef struct {
    VtProtoDom dom;
    char *xml;
    guint64 flags;
    char *dname;
    guint64 resource;
} VtProtoBegin3Args;

typedef struct {
    GBytes *cookie;
    char *uri;
    guint64 flags;
    char *dname;
    guint64 resource;
    char *xml;
} VtProtoPrepare3Args;

typedef struct {
    VtProtoDom dom;
    char *xml;
    GBytes *cookie;
    char *dconnuri, *uri;
    guint64 flags;
    char *dname;
    guint64 resource;
} VtProtoPerform3Args;

typedef struct {
    char *dname;
    GBytes *cookie;
    char *dconnuri, *uri;
    guint64 flags;
    gint32 cancelled;
} VtProtoFinish3Args;

typedef struct {
    VtProtoDom dom;
    GBytes *cookie;
    guint64 flags;
    gint32 cancelled;
} VtProtoConfirm3Args;

/* ---- events ---- */

typedef struct {
    gint32 event_id;
    VtProtoDom *dom; /* nullable: any */
} VtProtoEventRegister;

typedef struct {
    VtProtoDom *dom;
    char *event;
    guint32 flags;
} VtProtoMonitorRegister;

typedef struct {
    gint32 callback_id;
    VtProtoDom dom;
    gint32 event, detail;
} VtProtoEventLifecycle;

typedef struct {
    gint32 callback_id;
    VtProtoDom dom;
} VtProtoEventDom;

typedef struct {
    gint32 callback_id;
    VtProtoDom dom;
    gint64 offset;
} VtProtoEventRtc;

typedef struct {
    gint32 callback_id;
    VtProtoDom dom;
    gint32 value;
} VtProtoEventInt;

typedef struct {
    gint32 callback_id;
    VtProtoDom dom;
    guint64 value;
} VtProtoEventUlong;

typedef struct {
    gint32 callback_id;
    VtProtoDom dom;
    char *path, *alias;
    gint32 action;
} VtProtoEventIoError;

typedef struct {
    gint32 callback_id;
    VtProtoDom dom;
    char *alias;
} VtProtoEventDevice;

typedef struct {
    gint32 callback_id;
    VtProtoDom dom;
    VtTypedParams *params;
} VtProtoEventJob;

typedef struct {
    gint32 callback_id;
    VtProtoDom dom;
    gint32 type;
    char *uri;
} VtProtoEventMetadata;

typedef struct {
    gint32 callback_id;
    VtProtoDom dom;
    char *event;
    gint64 seconds;
    guint32 micros;
    char *details;
} VtProtoEventMonitor;

/* ---- teams: our own program ---- */

#define VT_PROTO_TEAM_LIST_MAX 64u

typedef struct {
    char *name, *transient; /* aliases; no transient: NULL */
    char *mac, *orchestration;
    char *standby, *primary, *active; /* the guest's side */
    char *state, *feed, *backend;     /* the host's side */
    char *why, *error;                /* nullable */
    char *standby_host;
    char *primary_host; /* nullable, as what follows */
    char *kept, *kept_since, *kept_why;
    char *watch, *settings;
} VtProtoTeam;

typedef struct {
    VtProtoDom dom;
    char *team;        /* nullable: the only one */
    guint32 to;        /* VtTeamSwitchTo */
    guint32 timeout_s; /* 0: as the team's policy says */
    guint32 flags;     /* none yet */
} VtProtoTeamSwitchArgs;

/* ---- errors ---- */

typedef struct {
    gint32 code, domain;
    char *message;
    gint32 level;
    VtProtoDom *dom; /* stock never sends one */
    char *str1, *str2, *str3;
    gint32 int1, int2;
    VtProtoNet *net; /* stock never sends one */
} VtProtoError;

extern const VtXdrType vt_proto_dom, vt_proto_net, vt_proto_vol;
extern const VtXdrType vt_proto_int, vt_proto_ulong, vt_proto_text, vt_proto_text_optional;
extern const VtXdrType vt_proto_text_flags, vt_proto_text_optional_flags, vt_proto_uuid;
extern const VtXdrType vt_proto_list_args, vt_proto_dom_list, vt_proto_net_list, vt_proto_vol_list;
extern const VtXdrType vt_proto_text_list, vt_proto_text_pair_list, vt_proto_nodedev_list,
    vt_proto_secret_list;
extern const VtXdrType vt_proto_moment_list, vt_proto_texts, vt_proto_ints, vt_proto_auth_types;
extern const VtXdrType vt_proto_node_info, vt_proto_security_model, vt_proto_security_label;
extern const VtXdrType vt_proto_cells_args, vt_proto_cells, vt_proto_node_stat, vt_proto_node_memory_args,
    vt_proto_node_cpu_args, vt_proto_node_stats, vt_proto_cpu_map_args, vt_proto_cpu_map, vt_proto_pages_args,
    vt_proto_models_args;
extern const VtXdrType vt_proto_block_stats, vt_proto_block_stats_args, vt_proto_block_params,
    vt_proto_block_info, vt_proto_addresses_args, vt_proto_ip_addr, vt_proto_interface, vt_proto_interfaces;
extern const VtXdrType vt_proto_security_labels, vt_proto_domain_caps_args, vt_proto_native_args;
extern const VtXdrType vt_proto_params_flags;
extern const VtXdrType vt_proto_dom_arg, vt_proto_dom_flags, vt_proto_dom_int, vt_proto_dom_ulong_flags;
extern const VtXdrType vt_proto_dom_text, vt_proto_dom_text_flags, vt_proto_dom_text_optional_flags;
extern const VtXdrType vt_proto_save_flags, vt_proto_save_params, vt_proto_restore_flags;
extern const VtXdrType vt_proto_restore_params, vt_proto_image_define;
extern const VtXdrType vt_proto_dom_max_flags, vt_proto_domain_info, vt_proto_state;
extern const VtXdrType vt_proto_control_info, vt_proto_interface_stats, vt_proto_set_metadata;
extern const VtXdrType vt_proto_get_metadata, vt_proto_memory_stats_args, vt_proto_memory_stats;
extern const VtXdrType vt_proto_all_stats_args, vt_proto_all_stats, vt_proto_messages;
extern const VtXdrType vt_proto_job_info, vt_proto_job_stats;
extern const VtXdrType vt_proto_begin_args, vt_proto_prepare_args, vt_proto_perform_args,
    vt_proto_finish_args;
extern const VtXdrType vt_proto_confirm_args, vt_proto_begin_ret, vt_proto_prepare_ret, vt_proto_cookie;
extern const VtXdrType vt_proto_finish_ret;
extern const VtXdrType vt_proto_begin3_args, vt_proto_prepare3_args, vt_proto_perform3_args;
extern const VtXdrType vt_proto_finish3_args, vt_proto_confirm3_args;
extern const VtXdrType vt_proto_event_register, vt_proto_monitor_register, vt_proto_event_lifecycle;
extern const VtXdrType vt_proto_event_dom, vt_proto_event_rtc, vt_proto_event_int, vt_proto_event_ulong;
extern const VtXdrType vt_proto_event_io_error, vt_proto_event_device, vt_proto_event_job;
extern const VtXdrType vt_proto_event_metadata, vt_proto_event_monitor;
extern const VtXdrType vt_proto_team, vt_proto_team_list, vt_proto_team_switch_args;
extern const VtXdrType vt_proto_error;
