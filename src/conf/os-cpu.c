/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/os-cpu.h"

#include <string.h>

#include "util/enum.h"
#include "util/i18n.h"

#define OS_CPU_MAX_FEATURES 1024
#define OS_CPU_MAX_CMDLINE  (64 * 1024)

/* ---- <os> ---- */

static const char *const os_cpu_boot_names[] = {
    [VT_BOOT_FD] = "fd",
    [VT_BOOT_CDROM] = "cdrom",
    [VT_BOOT_HD] = "hd",
    [VT_BOOT_NETWORK] = "network",
};
VT_ENUM_TABLE(os_cpu_boot_names, VT_BOOT_COUNT);

static const VtElementSchema os_cpu_plain_text = { .text = TRUE };

static gboolean
os_cpu_parse_type(VtParseContext *ctx, const xmlNode *node, VtOsDef *os)
{
    static const VtElementSchema schema = { .attrs = "arch machine", .text = TRUE };
    g_autofree char *type = g_strstrip(vt_xml_text(node));
    g_autofree char *machine = vt_xml_attr(node, "machine");
    g_autofree char *shown = vt_xml_shown(type);
    gboolean ok = vt_element_check(ctx, node, &schema);

    ok &= vt_xml_attr_choice(
        ctx->problems, node, "arch", "x86_64",
        "i686 aarch64 armv7l alpha ppc ppc64 ppc64le riscv32 riscv64 s390 s390x mips mips64", &os->arch);
    if (strcmp(type, "hvm") != 0)
        ok = vt_xml_problem(ctx->problems,
                            vt_xml_word_in(type, "xen linux xenpvh exe uml") ? VT_ERROR_CONFIG_UNSUPPORTED
                                                                             : VT_ERROR_XML_DETAIL,
                            node, _("the type '%s' is not supported by virtteam: use 'hvm'"), shown);
    if (machine &&
        (!*machine || strspn(machine, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") !=
                          strlen(machine))) {
        g_autofree char *bad = vt_xml_shown(machine);

        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                              _("machine='%s' is not a machine type's name"), bad);
    }
    g_free(os->machine);
    os->machine = g_steal_pointer(&machine);
    return ok;
}

static gboolean
os_cpu_parse_boot(VtParseContext *ctx, const xmlNode *node, VtOsDef *os)
{
    static const VtElementSchema schema = { .attrs = "dev" };
    static const VtXmlEnum values = { os_cpu_boot_names, G_N_ELEMENTS(os_cpu_boot_names), NULL };
    int dev = -1;

    if (!vt_element_check(ctx, node, &schema) || !vt_xml_attr_enum(ctx->problems, node, "dev", &values, &dev))
        return FALSE;
    if (dev < 0)
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node, _("the attribute 'dev' is missing"));
    for (guint i = 0; i < os->n_boot; i++)
        if (os->boot[i] == (VtBootDev)dev)
            return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                                  _("dev='%s' stands a second time"), os_cpu_boot_names[dev]);
    if (os->n_boot < VT_BOOT_COUNT) /* each at most once, so there is always room */
        os->boot[os->n_boot++] = (VtBootDev)dev;
    return TRUE;
}

static gboolean
os_cpu_parse_path(VtParseContext *ctx, const xmlNode *node, gboolean is_path, char **out)
{
    g_autofree char *text = is_path ? g_strstrip(vt_xml_text(node)) : vt_xml_text(node);
    g_autofree char *shown = vt_xml_shown(text);
    gboolean ok = vt_element_check(ctx, node, &os_cpu_plain_text);

    if (!*text)
        return ok; /* libvirt takes an empty element for none */
    if (is_path && *text != '/')
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node, _("'%s' is not an absolute path"),
                              shown);
    if (strlen(text) > OS_CPU_MAX_CMDLINE)
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node, _("its text is longer than %d bytes"),
                              OS_CPU_MAX_CMDLINE);
    g_free(*out);
    *out = g_steal_pointer(&text);
    return ok;
}

static gboolean
os_cpu_parse_flag(VtParseContext *ctx, const xmlNode *node, const char *name, VtTristate *out)
{
    const VtElementSchema schema = { .attrs = name };

    return vt_element_check(ctx, node, &schema) && vt_parse_yes_no(ctx, node, name, out);
}

gboolean
vt_os_cpu_parse_os(VtParseContext *ctx, const xmlNode *node, VtOsDef *os)
{
    static const VtElementSchema schema = { .children = "type kernel initrd cmdline boot* bootmenu bios" };
    gboolean ok = vt_element_check(ctx, node, &schema);

    VT_XML_FOREACH(child, node, NULL)
    {
        if (vt_xml_is(child, "type"))
            ok &= os_cpu_parse_type(ctx, child, os);
        else if (vt_xml_is(child, "kernel"))
            ok &= os_cpu_parse_path(ctx, child, TRUE, &os->kernel);
        else if (vt_xml_is(child, "initrd"))
            ok &= os_cpu_parse_path(ctx, child, TRUE, &os->initrd);
        else if (vt_xml_is(child, "cmdline"))
            ok &= os_cpu_parse_path(ctx, child, FALSE, &os->cmdline);
        else if (vt_xml_is(child, "boot"))
            ok &= os_cpu_parse_boot(ctx, child, os);
        else if (vt_xml_is(child, "bootmenu"))
            ok &= os_cpu_parse_flag(ctx, child, "enable", &os->bootmenu);
        else if (vt_xml_is(child, "bios"))
            ok &= os_cpu_parse_flag(ctx, child, "useserial", &os->bios_useserial);
    }
    if (!vt_xml_child(node, "type"))
        ok = vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node, _("the element <type> is missing"));
    return ok;
}

void
vt_os_cpu_format_os(VtXmlWriter *writer, const VtOsDef *os)
{
    vt_xml_writer_start(writer, "os");
    vt_xml_writer_start(writer, "type");
    vt_xml_writer_attr(writer, "arch", os->arch);
    vt_xml_writer_attr(writer, "machine", os->machine);
    vt_xml_writer_end_text(writer, "hvm");
    vt_xml_writer_text(writer, "kernel", os->kernel);
    vt_xml_writer_text(writer, "initrd", os->initrd);
    vt_xml_writer_text(writer, "cmdline", os->cmdline);
    for (guint i = 0; i < os->n_boot; i++)
        vt_xml_writer_empty(writer, "boot", "dev", os_cpu_boot_names[os->boot[i]], NULL);
    vt_xml_writer_optional(writer, "bootmenu", "enable", vt_tristate_yes_no(os->bootmenu), NULL);
    vt_xml_writer_optional(writer, "bios", "useserial", vt_tristate_yes_no(os->bios_useserial), NULL);
    vt_xml_writer_end(writer);
}

/* ---- <cpu> ---- */

static const char *const os_cpu_mode_names[] = {
    [VT_CPU_NONE] = NULL,
    [VT_CPU_CUSTOM] = "custom",
    [VT_CPU_HOST_MODEL] = "host-model",
    [VT_CPU_HOST_PASSTHROUGH] = "host-passthrough",
    [VT_CPU_MAXIMUM] = "maximum",
};

/* Names of CPU models and features end up within a -cpu option. */
static gboolean
os_cpu_name_valid(const char *name)
{
    return *name && strlen(name) <= 64 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == strlen(name);
}

static gboolean
os_cpu_parse_name(VtParseContext *ctx, const xmlNode *node, const char *text, char **out)
{
    g_autofree char *shown = vt_xml_shown(text);

    if (!os_cpu_name_valid(text))
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node, _("'%s' is not a name"), shown);
    g_free(*out);
    *out = g_strdup(text);
    return TRUE;
}

static gboolean
os_cpu_parse_model(VtParseContext *ctx, const xmlNode *node, VtCpuDef *cpu)
{
    static const VtElementSchema schema = { .attrs = "fallback", .text = TRUE };
    g_autofree char *text = g_strstrip(vt_xml_text(node));
    gboolean ok = vt_element_check(ctx, node, &schema);

    ok &= vt_xml_attr_choice(ctx->problems, node, "fallback", "allow forbid", NULL, &cpu->fallback);
    return (*text == '\0' || os_cpu_parse_name(ctx, node, text, &cpu->model)) && ok;
}

static gboolean
os_cpu_parse_topology(VtParseContext *ctx, const xmlNode *node, VtCpuDef *cpu)
{
    static const VtElementSchema schema = { .attrs = "sockets dies cores threads" };
    static const char *const needed[] = { "sockets", "cores", "threads" };
    gboolean ok = vt_element_check(ctx, node, &schema);

    for (gsize i = 0; i < G_N_ELEMENTS(needed); i++)
        if (!xmlHasProp(node, BAD_CAST needed[i]))
            ok = vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node, _("the attribute '%s' is missing"),
                                needed[i]);
    cpu->dies = 1;
    ok &= vt_xml_attr_uint(ctx->problems, node, "sockets", 1, 4096, &cpu->sockets);
    ok &= vt_xml_attr_uint(ctx->problems, node, "dies", 1, 4096, &cpu->dies);
    ok &= vt_xml_attr_uint(ctx->problems, node, "cores", 1, 4096, &cpu->cores);
    ok &= vt_xml_attr_uint(ctx->problems, node, "threads", 1, 4096, &cpu->threads);
    if (!ok)
        cpu->sockets = cpu->dies = cpu->cores = cpu->threads = 0;
    return ok;
}

static gboolean
os_cpu_parse_feature(VtParseContext *ctx, const xmlNode *node, VtCpuDef *cpu)
{
    static const VtElementSchema schema = { .attrs = "policy name" };
    g_autoptr(VtCpuFeature) feature = g_new0(VtCpuFeature, 1);
    g_autofree char *name = NULL;

    if (!vt_element_check(ctx, node, &schema) || !vt_xml_attr_required(ctx->problems, node, "name", &name) ||
        !os_cpu_parse_name(ctx, node, name, &feature->name) ||
        !vt_xml_attr_choice(ctx->problems, node, "policy", "force require optional disable forbid", NULL,
                            &feature->policy))
        return FALSE;
    if (!feature->policy)
        feature->policy = g_strdup("require");
    for (guint i = 0; i < cpu->features->len; i++)
        if (strcmp(((VtCpuFeature *)cpu->features->pdata[i])->name, name) == 0)
            return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                                  _("name='%s' stands a second time"), name);
    if (cpu->features->len >= OS_CPU_MAX_FEATURES)
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node, _("there are more than %d features"),
                              OS_CPU_MAX_FEATURES);
    g_ptr_array_add(cpu->features, g_steal_pointer(&feature));
    return TRUE;
}

gboolean
vt_os_cpu_parse_cpu(VtParseContext *ctx, const xmlNode *node, VtCpuDef *cpu)
{
    static const VtElementSchema schema = {
        .attrs = "mode match check migratable",
        .children = "model vendor topology feature*",
    };
    static const VtXmlEnum modes = { os_cpu_mode_names, G_N_ELEMENTS(os_cpu_mode_names), NULL };
    gboolean ok = vt_element_check(ctx, node, &schema);
    int mode = VT_CPU_CUSTOM;

    ok &= vt_xml_attr_enum(ctx->problems, node, "mode", &modes, &mode);
    ok &= vt_xml_attr_choice(ctx->problems, node, "match", "exact minimum strict", NULL, &cpu->match);
    ok &= vt_xml_attr_choice(ctx->problems, node, "check", "none partial full", NULL, &cpu->check);
    ok &= vt_xml_attr_choice(ctx->problems, node, "migratable", "on off", NULL, &cpu->migratable);
    cpu->mode = (VtCpuMode)mode;
    VT_XML_FOREACH(child, node, NULL)
    {
        if (vt_xml_is(child, "model")) {
            ok &= os_cpu_parse_model(ctx, child, cpu);
        } else if (vt_xml_is(child, "vendor")) {
            g_autofree char *text = g_strstrip(vt_xml_text(child));

            ok &= vt_element_check(ctx, child, &os_cpu_plain_text);
            ok &= os_cpu_parse_name(ctx, child, text, &cpu->vendor);
        } else if (vt_xml_is(child, "topology")) {
            ok &= os_cpu_parse_topology(ctx, child, cpu);
        } else if (vt_xml_is(child, "feature")) {
            ok &= os_cpu_parse_feature(ctx, child, cpu);
        }
    }
    if (mode == VT_CPU_CUSTOM && cpu->model && !cpu->match)
        cpu->match = g_strdup("exact");
    return ok;
}

/* An attribute-less <cpu> with a topology alone is how libvirt says "QEMU's own model". */
static gboolean
os_cpu_is_bare(const VtCpuDef *cpu)
{
    return cpu->mode == VT_CPU_CUSTOM && !cpu->model;
}

void
vt_os_cpu_format_cpu(VtXmlWriter *writer, const VtCpuDef *cpu)
{
    if (cpu->mode == VT_CPU_NONE)
        return;
    vt_xml_writer_start(writer, "cpu");
    if (!os_cpu_is_bare(cpu))
        vt_xml_writer_attr(writer, "mode", os_cpu_mode_names[cpu->mode]);
    vt_xml_writer_attr(writer, "match", cpu->match);
    vt_xml_writer_attr(writer, "check", cpu->check);
    vt_xml_writer_attr(writer, "migratable", cpu->migratable);
    if (cpu->model) {
        vt_xml_writer_start(writer, "model");
        vt_xml_writer_attr(writer, "fallback", cpu->fallback);
        vt_xml_writer_end_text(writer, cpu->model);
    } else if (cpu->fallback) {
        vt_xml_writer_empty(writer, "model", "fallback", cpu->fallback, NULL);
    }
    vt_xml_writer_text(writer, "vendor", cpu->vendor);
    if (cpu->sockets) {
        vt_xml_writer_start(writer, "topology");
        vt_xml_writer_attr_uint(writer, "sockets", cpu->sockets);
        vt_xml_writer_attr_uint(writer, "dies", cpu->dies);
        vt_xml_writer_attr_uint(writer, "cores", cpu->cores);
        vt_xml_writer_attr_uint(writer, "threads", cpu->threads);
        vt_xml_writer_end(writer);
    }
    for (guint i = 0; i < cpu->features->len; i++) {
        const VtCpuFeature *feature = cpu->features->pdata[i];

        vt_xml_writer_empty(writer, "feature", "policy", feature->policy, "name", feature->name, NULL);
    }
    vt_xml_writer_end(writer);
}

/* ---- rules ---- */

static void
os_cpu_validate_cpu(VtParseContext *ctx, const VtDomainDef *def)
{
    const VtCpuDef *cpu = &def->cpu;
    guint64 total = (guint64)cpu->sockets * cpu->dies * cpu->cores * cpu->threads;

    if (cpu->sockets && total != def->vcpus)
        vt_parse_problem(
            ctx, VT_ERROR_CONFIG_UNSUPPORTED, "cpu", 0,
            _("<topology> has %" G_GUINT64_FORMAT " threads in all, but <vcpu> is %u: make them equal"),
            total, def->vcpus);
    if (cpu->model && (cpu->mode == VT_CPU_HOST_PASSTHROUGH || cpu->mode == VT_CPU_MAXIMUM))
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "cpu", 0, _("mode='%s' has no <model>: remove '%s'"),
                         os_cpu_mode_names[cpu->mode], cpu->model);
    if (cpu->mode == VT_CPU_CUSTOM && !cpu->model && cpu->features->len > 0)
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "cpu", 0,
                         _("a <feature> needs a <model> that it changes"));
    if (cpu->migratable && cpu->mode != VT_CPU_HOST_PASSTHROUGH && cpu->mode != VT_CPU_MAXIMUM)
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "cpu", 0,
                         _("migratable= belongs to mode='host-passthrough' and mode='maximum'"));
    if (def->virt_type == VT_VIRT_QEMU && cpu->mode == VT_CPU_HOST_PASSTHROUGH)
        vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "cpu", 0,
                         _("mode='host-passthrough' needs <domain type='kvm'>: use mode='maximum'"));
}

void
vt_os_cpu_validate(VtParseContext *ctx, const VtDomainDef *def)
{
    const VtOsDef *os = &def->os;

    os_cpu_validate_cpu(ctx, def);
    if (os->bios_useserial == VT_TRISTATE_YES && def->serials->len == 0)
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "os", 0,
                         _("<bios useserial='yes'/> needs a serial port: add <serial type='pty'/>"));
    if (!os->kernel && (os->initrd || os->cmdline))
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "os", 0, _("<%s> needs a <kernel>"),
                         os->initrd ? "initrd" : "cmdline");
}
