/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the host is: read from /proc and /sys each time it is asked for (CPUs and memory come and go).
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "conf/caps-xml.h"
#include "driver/domain-private.h"
#include "driver/host-cpu.h"
#include "driver/host-stats.h"
#include "driver/query.h"
#include "util/file.h"
#include "util/i18n.h"

#define HOST_SYS_CPU   "/sys/devices/system/cpu"
#define HOST_SYS_NODE  "/sys/devices/system/node"
#define HOST_SYS_HUGE  "/sys/kernel/mm/hugepages"
#define HOST_MAX_BYTES (4 * 1024 * 1024)

static char *
host_read(const char *path)
{
    char *text = vt_file_read(path, HOST_MAX_BYTES, NULL, NULL);

    return text ? g_strstrip(text) : NULL;
}

static guint
host_read_uint(const char *path)
{
    g_autofree char *text = host_read(path);

    return text ? (guint)g_ascii_strtoull(text, NULL, 10) : 0;
}

static guint
host_cpu_topology(guint cpu, const char *file)
{
    g_autofree char *path = g_strdup_printf(HOST_SYS_CPU "/cpu%u/topology/%s", cpu, file);

    return host_read_uint(path);
}

static guint
host_count_nodes(void)
{
    g_autofree char *online = host_read(HOST_SYS_NODE "/online");
    g_autoptr(GArray) nodes = vt_host_stats_parse_list(online);

    return MAX(nodes->len, 1u);
}

/* Distinct values among the CPUs of one socket and how many CPUs share a core. */
static void
host_count_topology(VtNodeInfo *info)
{
    g_autofree char *online = host_read(HOST_SYS_CPU "/online");
    g_autoptr(GArray) cpus = vt_host_stats_parse_list(online);
    g_autoptr(GHashTable) sockets = g_hash_table_new(NULL, NULL);
    g_autoptr(GHashTable) cores = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    guint n_sockets, n_cores;

    for (guint i = 0; i < cpus->len; i++) {
        guint cpu = g_array_index(cpus, guint, i);
        guint socket = host_cpu_topology(cpu, "physical_package_id");
        gint64 core = ((gint64)socket << 40) | ((gint64)(host_cpu_topology(cpu, "die_id") & 0xff) << 32) |
                      host_cpu_topology(cpu, "core_id");

        g_hash_table_add(sockets, GUINT_TO_POINTER(socket + 1));
        g_hash_table_add(cores, g_memdup2(&core, sizeof core));
    }
    n_sockets = MAX(g_hash_table_size(sockets), 1u);
    n_cores = MAX(g_hash_table_size(cores), 1u);
    info->nodes = host_count_nodes();
    /* Per node, as libvirt counts; where that does not come out even, one flat socket says the truth. */
    info->sockets = n_sockets % info->nodes == 0 ? n_sockets / info->nodes : 1;
    info->cores = MAX(n_cores / n_sockets, 1u);
    info->threads = MAX(info->cpus / n_cores, 1u);
    if (info->nodes * info->sockets * info->cores * info->threads != info->cpus) {
        info->nodes = info->sockets = info->threads = 1;
        info->cores = info->cpus;
    }
}

gboolean
vt_host_node_info(VtNodeInfo *info, GError **error)
{
    long pages = sysconf(_SC_PHYS_PAGES), cpus = sysconf(_SC_NPROCESSORS_ONLN);
    struct utsname names;

    if (uname(&names) < 0 || pages <= 0 || cpus <= 0)
        return vt_error_set(error, VT_ERROR_SYSTEM,
                            _("the host does not say how much memory and how many CPUs it has"));
    memset(info, 0, sizeof *info);
    g_strlcpy(info->model, names.machine, sizeof info->model);
    info->memory_kib = (guint64)pages * (guint64)sysconf(_SC_PAGESIZE) / 1024;
    info->cpus = (guint)cpus;
    info->mhz = vt_host_cpu_mhz();
    host_count_topology(info);
    return TRUE;
}

/* ---- capabilities ---- */

static int
host_compare_uint(gconstpointer a, gconstpointer b)
{
    guint x = *(const guint *)a, y = *(const guint *)b;

    return x < y ? -1 : x > y;
}

static void
host_add_page_sizes(VtCaps *caps)
{
    g_autoptr(GDir) dir = g_dir_open(HOST_SYS_HUGE, 0, NULL);
    guint size = (guint)(sysconf(_SC_PAGESIZE) / 1024);
    const char *name;

    g_array_append_val(caps->page_sizes_kib, size);
    while (dir && (name = g_dir_read_name(dir))) {
        if (sscanf(name, "hugepages-%ukB", &size) == 1)
            g_array_append_val(caps->page_sizes_kib, size);
    }
    g_array_sort(caps->page_sizes_kib, host_compare_uint);
}

static guint64
host_huge_pages(const char *dir, guint size_kib)
{
    g_autofree char *path = g_strdup_printf("%s/hugepages/hugepages-%ukB/nr_hugepages", dir, size_kib);

    return host_read_uint(path);
}

static void
host_add_pages(const VtCaps *caps, VtCapsCell *cell, const char *dir)
{
    guint64 huge_kib = 0;

    for (guint i = 1; i < caps->page_sizes_kib->len; i++) {
        guint size = g_array_index(caps->page_sizes_kib, guint, i);
        VtCapsPages pages = { .size_kib = size, .count = host_huge_pages(dir, size) };

        huge_kib += pages.count * size;
        g_array_append_val(cell->pages, pages);
    }
    if (caps->page_sizes_kib->len) {
        guint size = g_array_index(caps->page_sizes_kib, guint, 0);
        VtCapsPages pages = { .size_kib = size,
                              .count =
                                  cell->memory_kib > huge_kib ? (cell->memory_kib - huge_kib) / size : 0 };

        g_array_prepend_val(cell->pages, pages);
    }
}

static void
host_add_cpus(VtCapsCell *cell, const char *list)
{
    g_autoptr(GArray) cpus = vt_host_stats_parse_list(list);

    for (guint i = 0; i < cpus->len; i++) {
        guint id = g_array_index(cpus, guint, i);
        g_autofree char *path = g_strdup_printf(HOST_SYS_CPU "/cpu%u/topology/thread_siblings_list", id);
        VtCapsCpu cpu = {
            .id = id,
            .socket_id = host_cpu_topology(id, "physical_package_id"),
            .die_id = host_cpu_topology(id, "die_id"),
            .core_id = host_cpu_topology(id, "core_id"),
            .siblings = host_read(path),
        };

        g_array_append_val(cell->cpus, cpu);
    }
}

static void
host_add_cell(VtCaps *caps, guint node)
{
    g_autofree char *dir = g_strdup_printf(HOST_SYS_NODE "/node%u", node);
    g_autofree char *meminfo_path = g_build_filename(dir, "meminfo", NULL);
    g_autofree char *cpus_path = g_build_filename(dir, "cpulist", NULL);
    g_autofree char *distance_path = g_build_filename(dir, "distance", NULL);
    g_autofree char *meminfo = host_read(meminfo_path);
    g_autofree char *cpus = host_read(cpus_path);
    g_autofree char *distance = host_read(distance_path);
    const char *total = meminfo ? strstr(meminfo, "MemTotal:") : NULL;
    g_auto(GStrv) distances = g_strsplit(distance ? distance : "", " ", -1);
    VtCapsCell *cell = vt_caps_xml_add_cell(caps, node);

    if (total)
        cell->memory_kib = g_ascii_strtoull(total + strlen("MemTotal:"), NULL, 10);
    for (char **text = distances; *text; text++) {
        guint value = (guint)g_ascii_strtoull(*text, NULL, 10);

        if (value)
            g_array_append_val(cell->distances, value);
    }
    host_add_pages(caps, cell, dir);
    host_add_cpus(cell, cpus);
}

static void
host_add_cells(VtCaps *caps, const VtNodeInfo *info)
{
    g_autofree char *online = host_read(HOST_SYS_NODE "/online");
    g_autofree char *cpus = host_read(HOST_SYS_CPU "/online");
    g_autoptr(GArray) nodes = vt_host_stats_parse_list(online);
    VtCapsCell *cell;

    for (guint i = 0; i < nodes->len; i++)
        host_add_cell(caps, g_array_index(nodes, guint, i));
    if (nodes->len > 0)
        return;
    /* A kernel without NUMA: all of it is one cell. */
    cell = vt_caps_xml_add_cell(caps, 0);
    cell->memory_kib = info->memory_kib;
    host_add_pages(caps, cell, "/sys/kernel/mm");
    host_add_cpus(cell, cpus);
}

static gboolean
host_has_iommu(void)
{
    g_autoptr(GDir) dir = g_dir_open("/sys/kernel/iommu_groups", 0, NULL);

    return dir && g_dir_read_name(dir);
}

char *
vt_host_capabilities(VtDriver *driver, GError **error)
{
    g_autoptr(VtCaps) caps = vt_caps_xml_new();
    VtQemuCaps *qemu = vt_driver_caps(driver, NULL, NULL);
    VtNodeInfo info;

    if (!vt_host_node_info(&info, error))
        return NULL;
    caps->uuid = driver->config->host_uuid;
    caps->arch = g_strdup(info.model);
    caps->sockets = info.sockets;
    caps->dies = 1;
    caps->cores = info.cores;
    caps->threads = info.threads;
    caps->iommu = host_has_iommu();
    host_add_page_sizes(caps);
    vt_host_cpu_read(caps);
    host_add_cells(caps, &info);
    if (qemu) {
        caps->emulator = g_strdup(qemu->binary);
        caps->wordsize = 64;
        caps->kvm = qemu->caps[VT_QEMU_CAP_KVM];
        for (guint i = 0; i < qemu->machines->len; i++) {
            const VtQemuMachine *machine = g_ptr_array_index(qemu->machines, i);

            if (!g_str_equal(machine->name, "none")) /* QEMU's own, for talking to it */
                vt_caps_xml_add_machine(caps, machine->name, machine->canonical, machine->max_cpus,
                                        machine->deprecated);
        }
    }
    return vt_caps_xml_format(caps);
}

/* ---- domain capabilities ---- */

static const VtQemuMachine *
host_find_machine(const VtQemuCaps *qemu, const char *name)
{
    for (guint i = 0; i < qemu->machines->len; i++) {
        const VtQemuMachine *machine = g_ptr_array_index(qemu->machines, i);

        if (name ? g_str_equal(machine->name, name) : machine->is_default)
            return machine;
    }
    return NULL;
}

static void
host_dom_cpu_free(VtDomCapsCpu *cpu)
{
    g_free(cpu->name);
    g_free(cpu);
}

static int
host_compare_cpu(gconstpointer a, gconstpointer b)
{
    return strcmp((*(VtDomCapsCpu *const *)a)->name, (*(VtDomCapsCpu *const *)b)->name);
}

/* Whose CPU a model is; QEMU does not say. What begins with none of these is Intel's. */
static const char *
host_cpu_vendor(const char *model)
{
    static const struct {
        const char *prefix, *vendor;
    } rows[] = {
        { "EPYC", "AMD" },    { "Opteron", "AMD" },     { "athlon", "AMD" },
        { "phenom", "AMD" },  { "Dhyana", "Hygon" },    { "486", "unknown" },
        { "kvm", "unknown" }, { "pentium", "unknown" }, { "qemu", "unknown" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (g_str_has_prefix(model, rows[i].prefix))
            return rows[i].vendor;
    }
    return "Intel";
}

/* Names with a version ("-v1") are QEMU's own way to say a plain name; base, max and host are modes. */
static GPtrArray *
host_dom_cpus(const VtQemuCaps *qemu, gboolean kvm)
{
    GPtrArray *cpus = g_ptr_array_new_with_free_func((GDestroyNotify)host_dom_cpu_free);

    for (guint i = 0; i < qemu->cpus->len; i++) {
        const VtQemuCpu *model = g_ptr_array_index(qemu->cpus, i);
        const char *version = g_strrstr(model->name, "-v");
        VtDomCapsCpu *cpu;

        if ((version && g_ascii_isdigit(version[2])) || g_str_equal(model->name, "host") ||
            g_str_equal(model->name, "max") || g_str_equal(model->name, "base"))
            continue;
        cpu = g_new0(VtDomCapsCpu, 1);
        cpu->name = g_strdup(model->name);
        cpu->vendor = host_cpu_vendor(model->name);
        cpu->usable = model->usable;
        g_ptr_array_add(cpus, cpu);
    }
    g_ptr_array_sort(cpus, host_compare_cpu);
    return cpus;
}

GPtrArray *
vt_host_cpu_models(VtDriver *driver, const char *arch, GError **error)
{
    VtQemuCaps *qemu = vt_driver_caps(driver, NULL, error);
    g_autoptr(GPtrArray) cpus = NULL;
    GPtrArray *names;

    if (!qemu)
        return NULL;
    if (!g_str_equal(arch, qemu->arch)) {
        vt_error_set(error, VT_ERROR_INVALID_ARG,
                     _("'%s' has no processors of the architecture '%s': it is for '%s'"), qemu->binary, arch,
                     qemu->arch);
        return NULL;
    }
    cpus = host_dom_cpus(qemu, FALSE);
    names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < cpus->len; i++)
        g_ptr_array_add(names, g_strdup(((const VtDomCapsCpu *)g_ptr_array_index(cpus, i))->name));
    return names;
}

static gboolean
host_check_virt(const VtQemuCaps *qemu, const char *virttype, GError **error)
{
    if (!virttype || g_str_equal(virttype, "qemu"))
        return TRUE;
    if (!g_str_equal(virttype, "kvm"))
        return vt_error_set(error, VT_ERROR_INVALID_ARG, _("unknown virttype: %s"), virttype);
    if (!qemu->caps[VT_QEMU_CAP_KVM])
        return vt_error_set(error, VT_ERROR_INVALID_ARG,
                            _("the accel 'kvm' is not supported by '%s' on this host"), qemu->binary);
    return TRUE;
}

char *
vt_host_domain_capabilities(VtDriver *driver, const char *emulator, const char *arch, const char *machine,
                            const char *virttype, guint flags, GError **error)
{
    VtQemuCaps *qemu;
    const VtQemuMachine *found;
    g_autoptr(GPtrArray) cpus = NULL;
    VtDomCaps caps = { 0 };

    if (flags) {
        vt_error_set(error, VT_ERROR_INVALID_ARG, _("unsupported flags (0x%x) with domain capabilities"),
                     flags);
        return NULL;
    }
    qemu = vt_driver_caps(driver, emulator, error);
    if (!qemu || !host_check_virt(qemu, virttype, error))
        return NULL;
    if (arch && !g_str_equal(arch, qemu->arch)) {
        vt_error_set(error, VT_ERROR_INVALID_ARG, _("unable to find any emulator to serve '%s' architecture"),
                     arch);
        return NULL;
    }
    found = host_find_machine(qemu, machine);
    if (!found) {
        vt_error_set(error, VT_ERROR_INVALID_ARG, _("the machine '%s' is not supported by emulator '%s'"),
                     machine ? machine : "", qemu->binary);
        return NULL;
    }
    caps.kvm = virttype ? g_str_equal(virttype, "kvm") : qemu->caps[VT_QEMU_CAP_KVM];
    cpus = host_dom_cpus(qemu, caps.kvm);
    caps.emulator = qemu->binary;
    caps.virt_type = caps.kvm ? "kvm" : "qemu";
    caps.machine = found->canonical ? found->canonical : found->name;
    caps.arch = qemu->arch;
    caps.max_vcpus = found->max_cpus;
    caps.vfio = access("/dev/vfio/vfio", F_OK) == 0;
    caps.cpus = cpus;
    return vt_caps_xml_format_domain(&caps);
}
