/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/feature.h"

#include <string.h>

#include "util/i18n.h"

static const VtElementSchema feature_bare = { .attrs = NULL };

/* ---- <features> ---- */

gboolean
vt_feature_parse(VtParseContext *ctx, const xmlNode *node, VtDomainDef *def)
{
    static const VtElementSchema schema = { .children = "acpi apic pae vmport" };
    static const VtElementSchema state = { .attrs = "state" };
    const struct {
        const char *name;
        VtTristate *out;
    } flags[] = { { "acpi", &def->acpi }, { "apic", &def->apic }, { "pae", &def->pae } };
    const xmlNode *vmport = vt_xml_child(node, "vmport");
    gboolean ok = vt_element_check(ctx, node, &schema);

    for (gsize i = 0; i < G_N_ELEMENTS(flags); i++) {
        const xmlNode *child = vt_xml_child(node, flags[i].name);

        if (child && vt_element_check(ctx, child, &feature_bare))
            *flags[i].out = VT_TRISTATE_YES;
        else if (child)
            ok = FALSE;
    }
    if (vmport) {
        def->vmport = VT_TRISTATE_YES; /* libvirt: without state= it is on */
        ok &= vt_element_check(ctx, vmport, &state);
        ok &= vt_parse_on_off(ctx, vmport, "state", &def->vmport);
    }
    return ok;
}

void
vt_feature_format(VtXmlWriter *writer, const VtDomainDef *def)
{
    if (def->acpi != VT_TRISTATE_YES && def->apic != VT_TRISTATE_YES && def->pae != VT_TRISTATE_YES &&
        def->vmport == VT_TRISTATE_DEFAULT)
        return;
    vt_xml_writer_start(writer, "features");
    if (def->acpi == VT_TRISTATE_YES)
        vt_xml_writer_empty(writer, "acpi", NULL);
    if (def->apic == VT_TRISTATE_YES)
        vt_xml_writer_empty(writer, "apic", NULL);
    if (def->pae == VT_TRISTATE_YES)
        vt_xml_writer_empty(writer, "pae", NULL);
    vt_xml_writer_optional(writer, "vmport", "state", vt_tristate_on_off(def->vmport), NULL);
    vt_xml_writer_end(writer);
}

/* ---- <clock> ---- */

static gboolean
feature_parse_timer(VtParseContext *ctx, const xmlNode *node, VtClockDef *clock)
{
    static const VtElementSchema schema = { .attrs = "name tickpolicy track present" };
    g_autoptr(VtClockTimer) timer = g_new0(VtClockTimer, 1);
    gboolean ok = vt_element_check(ctx, node, &schema);

    if (!xmlHasProp(node, BAD_CAST "name"))
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node, _("the attribute 'name' is missing"));
    ok &= vt_xml_attr_choice(ctx->problems, node, "name", "rtc pit hpet tsc kvmclock hypervclock platform",
                             "armvtimer", &timer->name);
    ok &= vt_xml_attr_choice(ctx->problems, node, "tickpolicy", "delay catchup merge discard", NULL,
                             &timer->tickpolicy);
    ok &= vt_xml_attr_choice(ctx->problems, node, "track", "guest wall boot realtime", NULL, &timer->track);
    ok &= vt_parse_yes_no(ctx, node, "present", &timer->present);
    if (!ok)
        return FALSE;
    for (guint i = 0; i < clock->timers->len; i++)
        if (strcmp(((VtClockTimer *)clock->timers->pdata[i])->name, timer->name) == 0)
            return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                                  _("name='%s' stands a second time"), timer->name);
    g_ptr_array_add(clock->timers, g_steal_pointer(&timer));
    return TRUE;
}

gboolean
vt_feature_parse_clock(VtParseContext *ctx, const xmlNode *node, VtClockDef *clock)
{
    static const VtElementSchema schema = { .attrs = "offset", .children = "timer*" };
    gboolean ok = vt_element_check(ctx, node, &schema);

    ok &= vt_xml_attr_choice(ctx->problems, node, "offset", "utc localtime", "timezone variable absolute",
                             &clock->offset);
    VT_XML_FOREACH(child, node, "timer")
    {
        ok &= feature_parse_timer(ctx, child, clock);
    }
    return ok;
}

void
vt_feature_format_clock(VtXmlWriter *writer, const VtClockDef *clock)
{
    vt_xml_writer_start(writer, "clock");
    vt_xml_writer_attr(writer, "offset", clock->offset ? clock->offset : "utc");
    for (guint i = 0; i < clock->timers->len; i++) {
        const VtClockTimer *timer = clock->timers->pdata[i];

        vt_xml_writer_empty(writer, "timer", "name", timer->name, "present",
                            vt_tristate_yes_no(timer->present), "tickpolicy", timer->tickpolicy, "track",
                            timer->track, NULL);
    }
    vt_xml_writer_end(writer);
}

/* ---- <pm> ---- */

gboolean
vt_feature_parse_pm(VtParseContext *ctx, const xmlNode *node, VtDomainDef *def)
{
    static const VtElementSchema schema = { .children = "suspend-to-mem suspend-to-disk" };
    static const VtElementSchema enabled = { .attrs = "enabled" };
    const struct {
        const char *name;
        VtTristate *out;
    } states[] = { { "suspend-to-mem", &def->suspend_to_mem }, { "suspend-to-disk", &def->suspend_to_disk } };
    gboolean ok = vt_element_check(ctx, node, &schema);

    for (gsize i = 0; i < G_N_ELEMENTS(states); i++) {
        const xmlNode *child = vt_xml_child(node, states[i].name);

        if (!child)
            continue;
        ok &= vt_element_check(ctx, child, &enabled);
        ok &= vt_parse_yes_no(ctx, child, "enabled", states[i].out);
    }
    return ok;
}

void
vt_feature_format_pm(VtXmlWriter *writer, const VtDomainDef *def)
{
    if (def->suspend_to_mem == VT_TRISTATE_DEFAULT && def->suspend_to_disk == VT_TRISTATE_DEFAULT)
        return;
    vt_xml_writer_start(writer, "pm");
    vt_xml_writer_optional(writer, "suspend-to-mem", "enabled", vt_tristate_yes_no(def->suspend_to_mem),
                           NULL);
    vt_xml_writer_optional(writer, "suspend-to-disk", "enabled", vt_tristate_yes_no(def->suspend_to_disk),
                           NULL);
    vt_xml_writer_end(writer);
}
