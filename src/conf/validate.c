/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/validate.h"

#include <string.h>

#include "conf/address.h"
#include "conf/devices.h"
#include "conf/os-cpu.h"
#include "conf/teaming-rules.h"
#include "util/i18n.h"

#define VALIDATE_NAME_MAX 200         /* with a suffix it is a file's name */
#define VALIDATE_TEXT_MAX (64 * 1024) /* title and description */
#define VALIDATE_MIN_KIB  1024
#define VALIDATE_MAX_KIB  (G_GUINT64_CONSTANT(1) << 40) /* a PiB */

/* ---- the root ---- */

static void
validate_name(VtParseContext *ctx, const VtDomainDef *def)
{
    const char *name = def->name;
    g_autofree char *shown = NULL;

    if (!name)
        return; /* told while parsing */
    shown = vt_xml_shown(name);
    if (!*name || strspn(name, " \t") == strlen(name))
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "name", 0, _("the domain's name is empty"));
    else if (strpbrk(name, "/\n\r") || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "name", 0,
                         _("'%s' cannot be a domain's name: '/', line breaks, '.' and '..' are not allowed"),
                         shown);
    else if (strlen(name) > VALIDATE_NAME_MAX)
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "name", 0, _("'%s' is longer than %d bytes"), shown,
                         VALIDATE_NAME_MAX);
}

static void
validate_texts(VtParseContext *ctx, const VtDomainDef *def)
{
    if (def->title && strpbrk(def->title, "\n\r"))
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "title", 0, _("a title cannot have line breaks"));
    if ((def->title && strlen(def->title) > VALIDATE_TEXT_MAX))
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "title", 0, _("it is longer than %d bytes"),
                         VALIDATE_TEXT_MAX);
    if (def->description && strlen(def->description) > VALIDATE_TEXT_MAX)
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "description", 0, _("it is longer than %d bytes"),
                         VALIDATE_TEXT_MAX);
}

static void
validate_memory(VtParseContext *ctx, const VtDomainDef *def)
{
    if (def->memory_kib == 0)
        return; /* told while parsing */
    if (def->memory_kib < VALIDATE_MIN_KIB || def->memory_kib > VALIDATE_MAX_KIB)
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "memory", 0,
                         _("%" G_GUINT64_FORMAT " KiB is not between 1 MiB and 1 PiB"), def->memory_kib);
}

/* ---- across devices ---- */

typedef struct {
    VtParseContext *ctx;
    const VtDomainDef *def;
    GHashTable *aliases; /* alias -> VtDeviceInfo * */
    GHashTable *orders;  /* boot order -> VtDeviceInfo * */
    VtPciSet *pci;
    gboolean any_order;
} ValidateWalk;

static void
validate_alias(ValidateWalk *walk, const char *element, const VtDeviceInfo *info)
{
    const VtDeviceInfo *first;

    if (!info->alias)
        return;
    first = g_hash_table_lookup(walk->aliases, info->alias);
    if (first)
        vt_parse_problem(
            walk->ctx, VT_ERROR_XML_DETAIL, element, info->line,
            _("<alias name='%s'/> is that of the device at line %d, too: aliases name one device"),
            info->alias, first->line);
    else
        g_hash_table_insert(walk->aliases, info->alias, (gpointer)info);
}

static void
validate_order(ValidateWalk *walk, const char *element, const VtDeviceInfo *info)
{
    const VtDeviceInfo *first;

    if (info->boot_order == 0)
        return;
    walk->any_order = TRUE;
    first = g_hash_table_lookup(walk->orders, GUINT_TO_POINTER(info->boot_order));
    if (first)
        vt_parse_problem(
            walk->ctx, VT_ERROR_XML_DETAIL, element, info->line,
            _("<boot order='%u'/> is that of the device at line %d, too: each order can stand once"),
            info->boot_order, first->line);
    else
        g_hash_table_insert(walk->orders, GUINT_TO_POINTER(info->boot_order), (gpointer)info);
}

static void
validate_pci(ValidateWalk *walk, const char *element, const VtDeviceInfo *info)
{
    g_autofree char *name = g_strdup_printf("<%s> at line %d", element, info->line);
    g_autofree char *text = NULL;
    const char *holder = NULL;

    if (info->address.type != VT_ADDRESS_PCI)
        return;
    text = vt_pci_address_to_string(&info->address.pci);
    if (info->address.pci.domain != 0)
        vt_parse_problem(walk->ctx, VT_ERROR_XML_DETAIL, element, info->line,
                         _("<address> %s: a guest has the PCI domain 0 only"), text);
    else if (!vt_pci_set_add(walk->pci, &info->address.pci, name, &holder))
        vt_parse_problem(walk->ctx, VT_ERROR_XML_DETAIL, element, info->line,
                         _("<address> %s is that of %s, too: give one of them another, or none"), text,
                         holder);
}

static gboolean
validate_device(const char *element, VtDeviceInfo *info, gpointer device, gpointer user)
{
    ValidateWalk *walk = user;

    /* The first console is the first serial port, seen again. */
    if (walk->def->consoles->len > 0 && device == walk->def->consoles->pdata[0])
        return TRUE;
    validate_alias(walk, element, info);
    validate_order(walk, element, info);
    validate_pci(walk, element, info);
    return TRUE;
}

static void
validate_infos(VtParseContext *ctx, const VtDomainDef *def)
{
    g_autoptr(GHashTable) aliases = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) orders = g_hash_table_new(NULL, NULL);
    g_autoptr(VtPciSet) pci = vt_pci_set_new();
    ValidateWalk walk = { ctx, def, aliases, orders, pci, FALSE };

    vt_device_info_foreach(def, validate_device, &walk);
    if (walk.any_order && def->os.n_boot > 0)
        vt_parse_problem(
            ctx, VT_ERROR_CONFIG_UNSUPPORTED, "os", 0,
            _("<boot dev='...'/> cannot be used together with <boot order='...'/> of devices: remove "
              "one kind"));
}

static const struct {
    const char *name;
    void (*check)(VtParseContext *ctx, const VtDomainDef *def);
} validate_rules[] = {
    { "name", validate_name },           { "texts", validate_texts }, { "memory", validate_memory },
    { "os-cpu", vt_os_cpu_validate },    { "infos", validate_infos }, { "devices", vt_devices_validate },
    { "teams", vt_teaming_rules_check },
};

void
vt_validate_domain(VtParseContext *ctx, const VtDomainDef *def)
{
    for (gsize i = 0; i < G_N_ELEMENTS(validate_rules); i++)
        validate_rules[i].check(ctx, def);
}

gboolean
vt_validate_first(const VtDomainDef *def, GError **error)
{
    g_autoptr(GPtrArray) problems = vt_xml_problems_new();
    VtParseContext ctx = { .problems = problems };

    vt_validate_domain(&ctx, def);
    if (problems->len == 0)
        return TRUE;
    g_propagate_error(error, g_error_copy(problems->pdata[0]));
    return FALSE;
}
