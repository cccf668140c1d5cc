/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What clients ask about domains and the host, and the metadata they set.
 */
#pragma once

#include "driver/domain-obj.h"
#include "driver/query-proc.h"
#include "util/typed-param.h"

typedef struct {
    guint8 state;
    guint64 max_mem_kib, mem_kib;
    guint16 vcpus;
    guint64 cpu_time_ns;
} VtDomainInfo;

/** virDomainGetInfo. */
void vt_query_info(VtDriver *driver, VtDomain *domain, VtDomainInfo *info);

/** virDomainGetXMLDesc. Flags are virDomainXMLFlags. (transfer full) */
char *vt_query_xml(VtDriver *driver, VtDomain *domain, guint flags, GError **error);

/** virDomainGetMetadata: type 0 description, 1 title, 2 element (by @uri). NO_METADATA when absent. */
char *vt_query_metadata(VtDriver *driver, VtDomain *domain, int type, const char *uri, guint flags,
                        GError **error);

/* virDomainSetMetadata, in its own words. */
typedef struct {
    int type;
    const char *text;      /* nullable: remove */
    const char *key, *uri; /* nullable: of an element */
    guint flags;           /* virDomainModificationImpact */
} VtMetadataChange;

/**
 * vt_query_set_metadata - set title, description or an element, of the running guest, its definition, or both
 * @driver: the driver
 * @domain: the domain
 * @change: copied
 * @done:   told when the disk has it; INVALID_ARG, OPERATION_INVALID, XML_ERROR and what validation says: nothing has
 *          changed; SYSTEM: it is as it was
 * @user:   for @done
 */
void vt_query_set_metadata(VtDriver *driver, VtDomain *domain, const VtMetadataChange *change,
                           VtDoneFunc done, gpointer user);

/** Live vCPU count per virDomainGetVcpusFlags; -1 with @error. */
int vt_query_vcpus(VtDriver *driver, VtDomain *domain, guint flags, GError **error);

/** virDomainInterfaceStats by target name or MAC; host's counters of the tap, turned round. */
gboolean vt_query_interface_stats(VtDriver *driver, VtDomain *domain, const char *device,
                                  VtInterfaceStats *stats, GError **error);

/**
 * vt_query_addresses - addresses of a guest's interfaces, as the host has resolved them
 * @domain: the domain
 * @error:  OPERATION_INVALID: it does not run
 *
 * Return: (transfer full) of VtArpEntry, whose .device is the interface's target.
 */
GPtrArray *vt_query_addresses(VtDomain *domain, GError **error);

/** virConnectGetAllDomainStats for one domain: what of @stats (0: all) we know. */
VtTypedParams *vt_query_domain_stats(VtDriver *driver, VtDomain *domain, guint stats);

/** virDomainMemoryStats (from the balloon); pairs of tag and value are appended to @stats as guint64. */
void vt_query_memory_stats(VtDriver *driver, VtDomain *domain, GArray *stats, VtDoneFunc done, gpointer user);

/* ---- the host (driver/host.c) ---- */

typedef struct {
    char model[32];
    guint64 memory_kib;
    guint cpus, mhz, nodes, sockets, cores, threads;
} VtNodeInfo;
/** virNodeGetInfo. */
gboolean vt_host_node_info(VtNodeInfo *info, GError **error);

/** virConnectGetCPUModelNames: what the emulator has; (transfer full), of char *. INVALID_ARG: another architecture. */
GPtrArray *vt_host_cpu_models(VtDriver *driver, const char *arch, GError **error);

/** virConnectGetCapabilities and ...DomainCapabilities documents. (transfer full) */
char *vt_host_capabilities(VtDriver *driver, GError **error);
char *vt_host_domain_capabilities(VtDriver *driver, const char *emulator, const char *arch,
                                  const char *machine, const char *virttype, guint flags, GError **error);

/** virConnectDomainXMLToNative with format "qemu-argv". (transfer full) */
char *vt_query_xml_to_native(VtDriver *driver, const char *format, const char *xml, guint flags,
                             GError **error);
