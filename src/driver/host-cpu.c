/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which named model a CPU is closest to would need libvirt's CPU map. What is said here is true and enough for
 * clients: the least model of the 64-bit ones (kvm64), and every feature beyond it by its QEMU name.
 */
#include "driver/host-cpu.h"
#include <string.h>
#include "util/file.h"

#define HOST_CPU_MAX_BYTES (8 * 1024 * 1024)
#define HOST_CPU_BASE      "kvm64"

/* Flags of /proc/cpuinfo that QEMU knows under the same name. */
static const char host_cpu_same[] =
    " vme ht ss acpi ds ds_cpl est tm tm2 monitor pclmulqdq dtes64 smx vmx xtpr pdcm pcid dca ssse3 fma x2apic movbe "
    "popcnt aes xsave osxsave avx f16c rdrand hypervisor arat fsgsbase tsc_adjust bmi1 hle avx2 smep bmi2 erms invpcid "
    "rtm mpx avx512f avx512dq rdseed adx smap avx512ifma clflushopt clwb avx512pf avx512er avx512cd avx512bw avx512vl "
    "avx512vbmi umip pku gfni vaes vpclmulqdq la57 rdpid fsrm xsaveopt xsavec xgetbv1 xsaves mmxext fxsr_opt pdpe1gb "
    "rdtscp 3dnowext 3dnow lahf_lm cmp_legacy svm extapic abm sse4a misalignsse 3dnowprefetch osvw ibs xop skinit wdt "
    "lwp fma4 tce topoext perfctr_core perfctr_nb clzero xsaveerptr wbnoinvd ibpb stibp ssbd amx_bf16 amx_tile amx_int8 "
    "serialize md_clear flush_l1d ";

/* And those that it calls otherwise. */
static const struct {
    const char *kernel, *qemu;
} host_cpu_other[] = {
    { .kernel = "pclmulqdq", .qemu = "pclmuldq" },
    { .kernel = "sse4_1", .qemu = "sse4.1" },
    { .kernel = "sse4_2", .qemu = "sse4.2" },
    { .kernel = "tsc_deadline_timer", .qemu = "tsc-deadline" },
    { .kernel = "sha_ni", .qemu = "sha-ni" },
    { .kernel = "cr8_legacy", .qemu = "cr8legacy" },
    { .kernel = "nonstop_tsc", .qemu = "invtsc" },
    { .kernel = "avx512_vbmi2", .qemu = "avx512vbmi2" },
    { .kernel = "avx512_vnni", .qemu = "avx512vnni" },
    { .kernel = "avx512_bitalg", .qemu = "avx512bitalg" },
    { .kernel = "avx512_vpopcntdq", .qemu = "avx512-vpopcntdq" },
    { .kernel = "avx512_bf16", .qemu = "avx512-bf16" },
    { .kernel = "avx512_fp16", .qemu = "avx512-fp16" },
    { .kernel = "avx512_vp2intersect", .qemu = "avx512-vp2intersect" },
    { .kernel = "avx_vnni", .qemu = "avx-vnni" },
};

static const struct {
    const char *id, *name;
} host_cpu_vendors[] = {
    { .id = "GenuineIntel", .name = "Intel" },
    { .id = "AuthenticAMD", .name = "AMD" },
    { .id = "HygonGenuine", .name = "Hygon" },
};

static const char *
host_cpu_feature(const char *flag)
{
    g_autofree char *word = g_strconcat(" ", flag, " ", NULL);
    const char *at;

    for (guint i = 0; i < G_N_ELEMENTS(host_cpu_other); i++) {
        if (g_str_equal(host_cpu_other[i].kernel, flag))
            return host_cpu_other[i].qemu;
    }
    at = strstr(host_cpu_same, word);
    return at ? flag : NULL;
}

/* Value of the first "name : value" line. */
static char *
host_cpu_line(const char *cpuinfo, const char *name)
{
    const char *line = cpuinfo;

    while (line && *line) {
        const char *end = strchr(line, '\n');
        const char *colon = strchr(line, ':');
        gsize length = end ? (gsize)(end - line) : strlen(line);

        if (colon && colon < line + length) {
            g_autofree char *key = g_strndup(line, (gsize)(colon - line));

            if (g_str_equal(g_strstrip(key), name))
                return g_strstrip(g_strndup(colon + 1, length - (gsize)(colon + 1 - line)));
        }
        line = end ? end + 1 : NULL;
    }
    return NULL;
}

static guint
host_cpu_number(const char *cpuinfo, const char *name)
{
    g_autofree char *text = host_cpu_line(cpuinfo, name);

    return text ? (guint)g_ascii_strtod(text, NULL) : 0;
}

void
vt_host_cpu_parse(VtCaps *caps, const char *cpuinfo)
{
    g_autofree char *vendor = host_cpu_line(cpuinfo, "vendor_id");
    g_autofree char *flags = host_cpu_line(cpuinfo, "flags");
    g_auto(GStrv) words = g_strsplit(flags ? flags : "", " ", -1);

    caps->cpu_model = g_strdup(HOST_CPU_BASE);
    caps->family = host_cpu_number(cpuinfo, "cpu family");
    caps->model = host_cpu_number(cpuinfo, "model");
    caps->stepping = host_cpu_number(cpuinfo, "stepping");
    for (guint i = 0; vendor && i < G_N_ELEMENTS(host_cpu_vendors); i++) {
        if (g_str_equal(host_cpu_vendors[i].id, vendor))
            caps->cpu_vendor = g_strdup(host_cpu_vendors[i].name);
    }
    for (char **word = words; *word; word++) {
        const char *feature = host_cpu_feature(*word);

        if (feature)
            g_ptr_array_add(caps->cpu_features, g_strdup(feature));
    }
}

void
vt_host_cpu_read(VtCaps *caps)
{
    g_autofree char *cpuinfo = vt_file_read("/proc/cpuinfo", HOST_CPU_MAX_BYTES, NULL, NULL);

    if (cpuinfo)
        vt_host_cpu_parse(caps, cpuinfo);
}

guint
vt_host_cpu_mhz(void)
{
    g_autofree char *cpuinfo = vt_file_read("/proc/cpuinfo", HOST_CPU_MAX_BYTES, NULL, NULL);

    return cpuinfo ? host_cpu_number(cpuinfo, "cpu MHz") : 0;
}
