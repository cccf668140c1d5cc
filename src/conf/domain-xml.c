/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/domain-xml.h"

#include <string.h>

#include "conf/devices.h"
#include "conf/element.h"
#include "conf/feature.h"
#include "conf/metadata.h"
#include "conf/os-cpu.h"
#include "conf/postparse.h"
#include "conf/validate.h"
#include "util/enum.h"
#include "util/i18n.h"

#define DOMAIN_XML_MAX_VCPUS 65535
/* What is stored must be readable again, whatever escaping adds. */
#define DOMAIN_XML_MAX_FORMATTED (VT_XML_MAX_BYTES / 2)

static const char *const domain_xml_virt_types[] = {
    [VT_VIRT_QEMU] = "qemu",
    [VT_VIRT_KVM] = "kvm",
};

static const char *const domain_xml_actions[] = {
    [VT_LIFECYCLE_DESTROY] = "destroy",
    [VT_LIFECYCLE_RESTART] = "restart",
    [VT_LIFECYCLE_PRESERVE] = "preserve",
    [VT_LIFECYCLE_RENAME_RESTART] = "rename-restart",
    [VT_LIFECYCLE_COREDUMP_DESTROY] = "coredump-destroy",
    [VT_LIFECYCLE_COREDUMP_RESTART] = "coredump-restart",
};
VT_ENUM_TABLE(domain_xml_actions, VT_LIFECYCLE_COUNT);

/* ---- parse: one function a child of <domain> ---- */

static const VtElementSchema domain_xml_text = { .text = TRUE };

typedef gboolean (*DomainXmlParse)(VtParseContext *ctx, const xmlNode *node, VtDomainDef *def);

static gboolean
domain_xml_parse_name(VtParseContext *ctx, const xmlNode *node, VtDomainDef *def)
{
    def->name = vt_xml_text(node);
    return vt_element_check(ctx, node, &domain_xml_text);
}

static gboolean
domain_xml_parse_uuid(VtParseContext *ctx, const xmlNode *node, VtDomainDef *def)
{
    g_autofree char *text = g_strstrip(vt_xml_text(node));
    g_autofree char *shown = vt_xml_shown(text);

    if (!vt_element_check(ctx, node, &domain_xml_text))
        return FALSE;
    if (!vt_uuid_parse(text, &def->uuid))
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node, _("'%s' is not a UUID"), shown);
    def->has_uuid = TRUE;
    return TRUE;
}

static gboolean
domain_xml_parse_title(VtParseContext *ctx, const xmlNode *node, VtDomainDef *def)
{
    def->title = vt_xml_text(node);
    return vt_element_check(ctx, node, &domain_xml_text);
}

static gboolean
domain_xml_parse_description(VtParseContext *ctx, const xmlNode *node, VtDomainDef *def)
{
    def->description = vt_xml_text(node);
    return vt_element_check(ctx, node, &domain_xml_text);
}

static gboolean
domain_xml_parse_memory(VtParseContext *ctx, const xmlNode *node, VtDomainDef *def)
{
    static const VtElementSchema schema = { .attrs = "unit", .text = TRUE };
    gboolean current = vt_xml_is(node, "currentMemory");

    return vt_element_check(ctx, node, &schema) &&
           vt_xml_text_memory(ctx->problems, node, current ? &def->current_memory_kib : &def->memory_kib);
}

static gboolean
domain_xml_parse_vcpu(VtParseContext *ctx, const xmlNode *node, VtDomainDef *def)
{
    static const VtElementSchema schema = { .attrs = "placement current", .text = TRUE };
    g_autofree char *placement = NULL;
    guint current = 0;
    gboolean ok = vt_element_check(ctx, node, &schema);

    ok &= vt_xml_attr_choice(ctx->problems, node, "placement", "static", "auto", &placement);
    ok &= vt_xml_text_uint(ctx->problems, node, 1, DOMAIN_XML_MAX_VCPUS, &def->vcpus);
    ok &= vt_xml_attr_uint(ctx->problems, node, "current", 1, DOMAIN_XML_MAX_VCPUS, &current);
    if (ok && current && current != def->vcpus)
        return vt_xml_problem(
            ctx->problems, VT_ERROR_CONFIG_UNSUPPORTED, node,
            _("current='%u' of %u is not supported by virtteam: vCPUs cannot be plugged in later, so "
              "make them equal"),
            current, def->vcpus);
    return ok;
}

/* Stock libvirt writes its default partition into every running guest's XML; it has no meaning here. */
static gboolean
domain_xml_parse_resource(VtParseContext *ctx, const xmlNode *node, VtDomainDef *def)
{
    static const VtElementSchema schema = { .children = "partition" };
    const xmlNode *child = vt_xml_child(node, "partition");
    g_autofree char *partition = vt_xml_child_text(node, "partition");
    g_autofree char *shown = vt_xml_shown(partition ? partition : "");

    if (!vt_element_check(ctx, node, &schema) || (child && !vt_element_check(ctx, child, &domain_xml_text)))
        return FALSE;
    if (partition && strcmp(partition, "/machine") != 0)
        return vt_xml_problem(
            ctx->problems, VT_ERROR_CONFIG_UNSUPPORTED, child,
            _("'%s' is not supported by virtteam: only the default '/machine' is, so remove it"), shown);
    return TRUE;
}

static gboolean
domain_xml_parse_os(VtParseContext *ctx, const xmlNode *node, VtDomainDef *def)
{
    return vt_os_cpu_parse_os(ctx, node, &def->os);
}

static gboolean
domain_xml_parse_cpu(VtParseContext *ctx, const xmlNode *node, VtDomainDef *def)
{
    return vt_os_cpu_parse_cpu(ctx, node, &def->cpu);
}

static gboolean
domain_xml_parse_clock(VtParseContext *ctx, const xmlNode *node, VtDomainDef *def)
{
    return vt_feature_parse_clock(ctx, node, &def->clock);
}

static gboolean
domain_xml_parse_action(VtParseContext *ctx, const xmlNode *node, VtDomainDef *def)
{
    g_autofree char *text = g_strstrip(vt_xml_text(node));
    g_autofree char *shown = vt_xml_shown(text);
    int action = vt_enum_value(domain_xml_actions, VT_LIFECYCLE_COUNT, text);
    gboolean crash = vt_xml_is(node, "on_crash");

    if (!vt_element_check(ctx, node, &domain_xml_text))
        return FALSE;
    if (action < 0 || (!crash && action >= VT_LIFECYCLE_COREDUMP_DESTROY))
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                              _("'%s' is unknown: use destroy, restart, preserve or rename-restart"), shown);
    if (crash)
        def->on_crash = (VtLifecycleAction)action;
    else if (vt_xml_is(node, "on_reboot"))
        def->on_reboot = (VtLifecycleAction)action;
    else
        def->on_poweroff = (VtLifecycleAction)action;
    return TRUE;
}

/*
 * A dynamic label is what stock libvirt gives every guest that says nothing, and writes into the XML of a
 * running one. It asks for nothing, so it is dropped; a static one, or a base for one, is somebody's wish.
 */
static gboolean
domain_xml_parse_seclabel(VtParseContext *ctx, const xmlNode *node, VtDomainDef *def)
{
    static const VtElementSchema none = { .attrs = "type model relabel" };
    static const VtElementSchema dynamic = { .attrs = "type model relabel", .children = "label imagelabel" };
    g_autofree char *type = vt_xml_attr(node, "type");
    g_autofree char *relabel = vt_xml_attr(node, "relabel");

    if (g_strcmp0(type, "none") == 0 || g_strcmp0(relabel, "no") == 0) {
        def->seclabel_none = TRUE;
        return vt_element_check(ctx, node, &none);
    }
    if (g_strcmp0(type, "dynamic") == 0)
        return vt_element_check(ctx, node, &dynamic);
    return vt_xml_problem(
        ctx->problems, VT_ERROR_CONFIG_UNSUPPORTED, node,
        _("static security labels are not supported by virtteam: use type='none' or remove it"));
}

static const struct {
    const char *name;
    DomainXmlParse parse;
} domain_xml_children[] = {
    { "name", domain_xml_parse_name },
    { "uuid", domain_xml_parse_uuid },
    { "title", domain_xml_parse_title },
    { "description", domain_xml_parse_description },
    { "memory", domain_xml_parse_memory },
    { "currentMemory", domain_xml_parse_memory },
    { "vcpu", domain_xml_parse_vcpu },
    { "resource", domain_xml_parse_resource },
    { "os", domain_xml_parse_os },
    { "features", vt_feature_parse },
    { "cpu", domain_xml_parse_cpu },
    { "clock", domain_xml_parse_clock },
    { "on_poweroff", domain_xml_parse_action },
    { "on_reboot", domain_xml_parse_action },
    { "on_crash", domain_xml_parse_action },
    { "pm", vt_feature_parse_pm },
    { "devices", vt_devices_parse },
    { "seclabel", domain_xml_parse_seclabel },
};

static gboolean
domain_xml_parse_child(VtParseContext *ctx, const xmlNode *node, VtDomainDef *def)
{
    for (gsize i = 0; i < G_N_ELEMENTS(domain_xml_children); i++)
        if (vt_xml_is(node, domain_xml_children[i].name))
            return domain_xml_children[i].parse(ctx, node, def);
    return TRUE; /* unknown ones are told by the schema */
}

static const VtElementSchema domain_xml_schema = {
    .attrs = "type id",
    .children =
        "name uuid title description metadata memory currentMemory vcpu resource os features cpu clock "
        "on_poweroff on_reboot on_crash pm devices seclabel*",
};

static void
domain_xml_require(VtParseContext *ctx, const xmlNode *root)
{
    static const char *const needed[] = { "name", "memory", "os" };

    for (gsize i = 0; i < G_N_ELEMENTS(needed); i++)
        if (!vt_xml_child(root, needed[i]))
            vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, root, _("the element <%s> is missing"),
                           needed[i]);
}

static void
domain_xml_parse_root(VtParseContext *ctx, const char *text, const xmlNode *root, VtDomainDef *def)
{
    static const VtXmlEnum types = {
        domain_xml_virt_types,
        G_N_ELEMENTS(domain_xml_virt_types),
        "xen lxc openvz test vmware hyperv vbox phyp bhyve uml kqemu parallels vz hvf exe xenlight xenner",
    };
    const xmlNode *metadata = vt_xml_child(root, "metadata");
    int type = -1;

    vt_element_check(ctx, root, &domain_xml_schema);
    if (vt_xml_attr_enum(ctx->problems, root, "type", &types, &type) && type < 0)
        vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, root, _("the attribute 'type' is missing"));
    def->virt_type = type < 0 ? VT_VIRT_QEMU : (VtVirtType)type;
    domain_xml_require(ctx, root);
    VT_XML_FOREACH(child, root, NULL)
    {
        const xmlNode *first = vt_xml_child(root, (const char *)child->name);

        if (child == first || vt_xml_is(child, "seclabel")) /* a second one was told by the schema */
            domain_xml_parse_child(ctx, child, def);
    }
    if (metadata)
        vt_metadata_parse(ctx, text, metadata, def);
}

/* ---- parse: whole documents ---- */

static VtDomainDef *
domain_xml_read(VtParseContext *ctx, const char *xml)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VtXmlDoc) doc = vt_xml_parse(xml, &error);
    g_autoptr(VtDomainDef) def = NULL;
    g_autofree char *formatted = NULL;
    const xmlNode *root;

    if (!doc) {
        g_ptr_array_add(ctx->problems, g_steal_pointer(&error));
        return NULL;
    }
    root = xmlDocGetRootElement(doc);
    if (!vt_xml_is(root, "domain")) {
        vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, root,
                       _("the root element must be <domain>, without a "
                         "namespace"));
        return NULL;
    }
    ctx->root = root;
    def = vt_domain_def_new();
    domain_xml_parse_root(ctx, xml, root, def);
    vt_postparse_domain(def);
    vt_validate_domain(ctx, def);
    ctx->root = NULL;
    if (ctx->problems->len > 0)
        return NULL;
    formatted = vt_domain_xml_format(def, -1, VT_XML_FORMAT_STATUS);
    if (strlen(formatted) > DOMAIN_XML_MAX_FORMATTED) {
        vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, root, _("the definition is larger than %d bytes"),
                       DOMAIN_XML_MAX_FORMATTED);
        return NULL;
    }
    return g_steal_pointer(&def);
}

static VtDomainDef *
domain_xml_read_or_first(const char *xml, guint flags, GError **error)
{
    g_autoptr(GPtrArray) problems = vt_xml_problems_new();
    VtParseContext ctx = { .problems = problems, .flags = flags };
    VtDomainDef *def = domain_xml_read(&ctx, xml);
    GError *first;

    if (def)
        return def;
    first = g_error_copy(problems->pdata[0]);
    if (problems->len > 1) {
        g_autofree char *one = g_steal_pointer(&first->message);

        first->message =
            g_strdup_printf(_("%s (and %u more: 'virtteam validate' lists all)"), one, problems->len - 1);
    }
    g_propagate_error(error, first);
    return NULL;
}

VtDomainDef *
vt_domain_xml_parse(const char *xml, GError **error)
{
    return domain_xml_read_or_first(xml, 0, error);
}

VtDomainDef *
vt_domain_xml_parse_status(const char *xml, GError **error)
{
    return domain_xml_read_or_first(xml, VT_PARSE_STATUS, error);
}

VtDomainDef *
vt_domain_xml_check(const char *xml, GPtrArray *problems)
{
    g_autoptr(GPtrArray) found = vt_xml_problems_new();
    VtParseContext ctx = { .problems = found };
    VtDomainDef *def = domain_xml_read(&ctx, xml);

    for (guint i = 0; i < found->len; i++)
        g_ptr_array_add(problems, g_strdup(((GError *)found->pdata[i])->message));
    return def;
}

/* ---- format ---- */

static void
domain_xml_format_memory(VtXmlWriter *writer, const char *name, guint64 kib)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, kib);

    vt_xml_writer_start(writer, name);
    vt_xml_writer_attr(writer, "unit", "KiB");
    vt_xml_writer_end_text(writer, text);
}

static void
domain_xml_format_identity(VtXmlWriter *writer, const VtDomainDef *def)
{
    char uuid[VT_UUID_STRING_SIZE];

    vt_xml_writer_text(writer, "name", def->name);
    if (def->has_uuid)
        vt_xml_writer_text(writer, "uuid", vt_uuid_format(&def->uuid, uuid));
    vt_xml_writer_text(writer, "title", def->title);
    vt_xml_writer_text(writer, "description", def->description);
    vt_metadata_format(writer, def);
}

static void
domain_xml_format_resources(VtXmlWriter *writer, const VtDomainDef *def)
{
    g_autofree char *vcpus = g_strdup_printf("%u", def->vcpus);

    domain_xml_format_memory(writer, "memory", def->memory_kib);
    if (def->current_memory_kib)
        domain_xml_format_memory(writer, "currentMemory", def->current_memory_kib);
    vt_xml_writer_start(writer, "vcpu");
    vt_xml_writer_attr(writer, "placement", "static");
    vt_xml_writer_end_text(writer, vcpus);
}

char *
vt_domain_xml_format(const VtDomainDef *def, int id, guint flags)
{
    g_autoptr(VtXmlWriter) writer = vt_xml_writer_new();

    vt_xml_writer_start(writer, "domain");
    vt_xml_writer_attr(writer, "type", domain_xml_virt_types[def->virt_type]);
    if (id >= 0 && !(flags & VT_XML_FORMAT_INACTIVE))
        vt_xml_writer_attrf(writer, "id", "%d", id);
    domain_xml_format_identity(writer, def);
    domain_xml_format_resources(writer, def);
    vt_os_cpu_format_os(writer, &def->os);
    vt_feature_format(writer, def);
    vt_os_cpu_format_cpu(writer, &def->cpu);
    vt_feature_format_clock(writer, &def->clock);
    vt_xml_writer_text(writer, "on_poweroff", domain_xml_actions[def->on_poweroff]);
    vt_xml_writer_text(writer, "on_reboot", domain_xml_actions[def->on_reboot]);
    vt_xml_writer_text(writer, "on_crash", domain_xml_actions[def->on_crash]);
    vt_feature_format_pm(writer, def);
    vt_devices_format(writer, def, flags);
    if (def->seclabel_none)
        vt_xml_writer_empty(writer, "seclabel", "type", "none", "model", "none", NULL);
    vt_xml_writer_end(writer);
    return vt_xml_writer_finish(g_steal_pointer(&writer));
}
