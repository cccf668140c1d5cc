/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The two documents that say what a host and an emulator can do: <capabilities> and <domainCapabilities>.
 * Plain data in, XML out; who finds the data out is src/driver/host.c.
 */
#pragma once

#include <glib.h>
#include "util/ident.h"

typedef struct {
    guint id, socket_id, die_id, core_id;
    char *siblings; /* "0-1" */
} VtCapsCpu;

typedef struct {
    guint size_kib;
    guint64 count;
} VtCapsPages;

typedef struct {
    guint id;
    guint64 memory_kib;
    GArray *pages;     /* of VtCapsPages */
    GArray *distances; /* of guint: to cell 0, 1, ... */
    GArray *cpus;      /* of VtCapsCpu; their strings are freed with the cell */
} VtCapsCell;

typedef struct {
    char *name;      /* "pc-q35-7.2" */
    char *canonical; /* nullable */
    guint max_cpus;
    gboolean deprecated;
} VtCapsMachine;

typedef struct {
    VtUuid uuid;
    char *arch;
    char *cpu_model, *cpu_vendor;  /* nullable */
    guint family, model, stepping; /* signature; all 0: not known */
    guint sockets, dies, cores, threads;
    GPtrArray *cpu_features; /* of char * */
    GArray *page_sizes_kib;  /* of guint */
    gboolean iommu;
    GPtrArray *cells; /* of VtCapsCell * */
    /* the one guest entry */
    char *emulator;      /* (nullable) no guest entry without */
    guint wordsize;      /* 64 */
    GPtrArray *machines; /* of VtCapsMachine * */
    gboolean kvm;
} VtCaps;

/** Empty capabilities with their arrays made. (transfer full) */
VtCaps *vt_caps_xml_new(void);
/** Free capabilities; accepts NULL. */
void vt_caps_xml_free(VtCaps *caps);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtCaps, vt_caps_xml_free)

/** A new cell, added to @caps. (transfer none) */
VtCapsCell *vt_caps_xml_add_cell(VtCaps *caps, guint id);
void vt_caps_xml_add_machine(VtCaps *caps, const char *name, const char *canonical, guint max_cpus,
                             gboolean deprecated);

/**
 * vt_caps_xml_format - the <capabilities> document
 * @caps: what was found
 *
 * Return: (transfer full).
 * Source: libvirt formatcaps.rst; its schema capability.rng.
 */
char *vt_caps_xml_format(const VtCaps *caps);

typedef struct {
    char *name;
    const char *vendor; /* "Intel", "AMD", "Hygon", "unknown" */
    int usable;         /* 1, 0, -1: not known */
} VtDomCapsCpu;

typedef struct {
    const char *emulator, *virt_type, *machine, *arch;
    guint max_vcpus;
    gboolean kvm; /* the virt type is kvm */
    gboolean vfio;
    GPtrArray *cpus; /* of VtDomCapsCpu * */
} VtDomCaps;

/**
 * vt_caps_xml_format_domain - the <domainCapabilities> document: what this driver accepts, not all that QEMU can
 * @caps: of one emulator, machine and virt type
 *
 * Return: (transfer full).
 * Source: libvirt formatdomaincaps.rst; its schema domaincaps.rng.
 */
char *vt_caps_xml_format_domain(const VtDomCaps *caps);
