/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "datapath/probe-report.h"

#include "util/enum.h"
#include "util/file.h"
#include "util/i18n.h"
#include "util/json.h"

#define PROBE_REPORT_MAX_BYTES (256 * 1024)
#define PROBE_REPORT_COLUMN    49

static const char *const probe_report_stages[] = {
    [VT_PROBE_STAGE_BEFORE] = N_("before"),
    [VT_PROBE_STAGE_MAC_SET] = N_("the VF's MAC is set, no driver"),
    [VT_PROBE_STAGE_RESET] = N_("the VF was reset"),
    [VT_PROBE_STAGE_DRIVER_UP] = N_("the VF's driver is up"),
    [VT_PROBE_STAGE_DRIVER_GONE] = N_("its driver is gone, the MAC still set"),
    [VT_PROBE_STAGE_MAC_ZEROED] = N_("the MAC is zeroed"),
};
VT_ENUM_TABLE(probe_report_stages, VT_PROBE_STAGE_COUNT);

static const char *const probe_report_asks[] = {
    [VT_PROBE_ASK_PF_AS_GUEST] = N_("the PF sends from the VF's MAC; VF without driver"),
    [VT_PROBE_ASK_PF_AS_GUEST_UP] = N_("the PF sends from the VF's MAC; VF up"),
    [VT_PROBE_ASK_VF_BROADCAST] = N_("the VF sends a broadcast"),
    [VT_PROBE_ASK_VF_AS_OTHER] = N_("the VF sends from a MAC not its own"),
    [VT_PROBE_ASK_VF_TO_BRIDGE] = N_("the VF sends to a MAC behind the PF"),
    [VT_PROBE_ASK_VF_TO_BRIDGE_SELF] = N_("  the same, with a `self` entry for it"),
};
VT_ENUM_TABLE(probe_report_asks, VT_PROBE_ASK_COUNT);

static const struct {
    VtProbeAt at;
    const char *name;  /* for programs */
    const char *label; /* for people */
} probe_report_places[] = {
    { .at = VT_PROBE_AT_PF, .name = "pf", .label = N_("PF") },
    { .at = VT_PROBE_AT_VF, .name = "vf", .label = N_("VF") },
    { .at = VT_PROBE_AT_SIBLING, .name = "other-vf", .label = N_("other VF") },
    { .at = VT_PROBE_AT_WIRE, .name = "wire", .label = N_("wire") },
};

/* ---- for people ---- */

static void
probe_report_pad(GString *out, const char *text, glong width)
{
    glong length = g_utf8_strlen(text, -1);

    g_string_append(out, text);
    for (glong i = length; i < width; i++)
        g_string_append_c(out, ' ');
    g_string_append_c(out, ' ');
}

static char *
probe_report_places_text(const VtProbeCell *cell, gboolean wire)
{
    g_autoptr(GString) out = g_string_new(NULL);

    if (!cell->asked)
        return g_strdup("-");
    for (gsize i = 0; i < G_N_ELEMENTS(probe_report_places); i++)
        if (cell->at & probe_report_places[i].at)
            g_string_append_printf(out, "%s%s", out->len ? " + " : "", _(probe_report_places[i].label));
    if (!out->len) /* without a cable to look at, it may have left this host */
        g_string_append(out, cell->listening & VT_PROBE_AT_WIRE || wire ? _("nobody") : _("nobody here"));
    return g_string_free(g_steal_pointer(&out), FALSE);
}

static void
probe_report_who_row(GString *out, const char *title, const VtProbeCell *cells)
{
    probe_report_pad(out, title, PROBE_REPORT_COLUMN);
    for (gsize from = 0; from < VT_PROBE_FROM_COUNT; from++) {
        g_autofree char *text = probe_report_places_text(&cells[from], from == VT_PROBE_FROM_WIRE);

        if (from + 1 < VT_PROBE_FROM_COUNT)
            probe_report_pad(out, text, 18);
        else
            g_string_append_printf(out, "%s\n", text);
    }
}

static void
probe_report_who(GString *out, const VtProbeResult *result)
{
    probe_report_pad(out, _("Who gets frames to the VF's MAC"), PROBE_REPORT_COLUMN);
    probe_report_pad(out, _("from the wire"), 18);
    probe_report_pad(out, _("from another VF"), 18);
    g_string_append_printf(out, "%s\n", _("from the PF"));
    for (gsize stage = 0; stage < VT_PROBE_STAGE_COUNT; stage++) {
        if (stage == VT_PROBE_STAGE_RESET && !result->reset.asked)
            continue;
        probe_report_who_row(out, _(probe_report_stages[stage]), result->cells[stage][0]);
        if (!result->no_self)
            probe_report_who_row(out, _("  with a `self` entry on the PF"), result->cells[stage][1]);
    }
}

static void
probe_report_line(GString *out, const char *title, const char *text)
{
    probe_report_pad(out, title, PROBE_REPORT_COLUMN);
    g_string_append_printf(out, "%s\n", text);
}

/* The slowest of the senders. */
static gint64
probe_report_settled_us(const VtProbeResult *result, gsize stage)
{
    gint64 slowest = -1;

    for (gsize from = 0; from < VT_PROBE_FROM_COUNT; from++)
        if (result->cells[stage][0][from].asked)
            slowest = MAX(slowest, result->cells[stage][0][from].settled_us);
    return slowest;
}

static void
probe_report_times(GString *out, const VtProbeResult *result)
{
    for (gsize stage = VT_PROBE_STAGE_MAC_SET; stage < VT_PROBE_STAGE_COUNT; stage++) {
        g_autofree char *title = g_strdup_printf("  %s", _(probe_report_stages[stage]));
        gint64 us = probe_report_settled_us(result, stage);
        g_autofree char *text = us > 0    ? g_strdup_printf(_("after %.1f ms"), (double)us / 1000.0)
                                : us == 0 ? g_strdup(_("at once"))
                                          : g_strdup("-");

        probe_report_line(out, title, text);
    }
}

static void
probe_report_facts(GString *out, const VtProbeResult *result)
{
    const VtProbeReset *reset = &result->reset;
    g_autofree char *up = NULL;
    g_autofree char *taken = NULL;

    if (result->driver_up)
        up = g_strdup_printf(_("yes, after %.2f s"), (double)result->driver_up_us / G_USEC_PER_SEC);
    probe_report_line(out, _("the VF comes up with its driver"), up ? up : _("no"));
    probe_report_line(out, _("the driver takes the MAC that was set"),
                      result->driver_mac ? _("yes") : _("no"));
    probe_report_line(out, _("the MAC can be zeroed"), result->no_zero ? _("no") : _("yes"));
    probe_report_line(out, _("the PF takes `self` entries"), result->no_self ? _("no") : _("yes"));
    if (reset->asked)
        taken = g_strdup_printf(_("taken %u of %u times in %u ms; %s afterwards"),
                                reset->tries - reset->refused, reset->tries, reset->took_ms,
                                reset->kept ? _("still set") : _("not set any more"));
    probe_report_line(out, _("the MAC set while the VF is in reset"), taken ? taken : "-");
}

char *
vt_probe_report_text(const VtProbeAbout *about, const VtProbeResult *result)
{
    VtProbeConclusion conclusion = vt_probe_plan_conclude(result);
    GString *out = g_string_new(NULL);
    char bdf[VT_PCI_BDF_STRING_SIZE];

    g_string_append_printf(out, _("%s: PCI device %s (%04x:%04x), driver %s; VF %u tested with driver %s\n"),
                           about->pf, vt_pci_bdf_format(&about->bdf, bdf), about->vendor, about->device,
                           about->driver, about->vf, about->vf_driver);
    if (about->sibling >= 0)
        g_string_append_printf(out, _("the other VF is %d\n"), about->sibling);
    if (about->wire)
        g_string_append_printf(out, _("the wire is %s\n"), about->wire);
    g_string_append_c(out, '\n');
    probe_report_who(out, result);
    g_string_append_printf(out, "\n%s\n", _("Who gets other frames"));
    for (gsize ask = 0; ask < VT_PROBE_ASK_COUNT; ask++) {
        g_autofree char *text = probe_report_places_text(&result->asks[ask], FALSE);

        probe_report_line(out, _(probe_report_asks[ask]), text);
    }
    g_string_append_printf(out, "\n%s\n", _("When a change takes effect"));
    probe_report_times(out, result);
    g_string_append_c(out, '\n');
    probe_report_facts(out, result);
    g_string_append_printf(out, _("\nverdict: %s: %s\n"), vt_probe_plan_verdict_name(conclusion.verdict),
                           _(conclusion.reason));
    if (conclusion.verdict != VT_PROBE_UNKNOWN)
        g_string_append_printf(out, _("strategy: %s\n"), _(vt_probe_plan_strategy(&conclusion)));
    return g_string_free(out, FALSE);
}

/* ---- for programs ---- */

static JsonArray *
probe_report_places_json(guint at)
{
    JsonArray *array = json_array_new();

    for (gsize i = 0; i < G_N_ELEMENTS(probe_report_places); i++)
        if (at & probe_report_places[i].at)
            json_array_add_string_element(array, probe_report_places[i].name);
    return array;
}

static JsonArray *
probe_report_who_json(const VtProbeResult *result)
{
    JsonArray *array = json_array_new();

    for (gsize stage = 0; stage < VT_PROBE_STAGE_COUNT; stage++)
        for (gsize self = 0; self < 2; self++)
            for (gsize from = 0; from < VT_PROBE_FROM_COUNT; from++) {
                const VtProbeCell *cell = &result->cells[stage][self][from];

                if (cell->asked)
                    json_array_add_object_element(
                        array,
                        vt_json_object_new("s:stage", vt_probe_plan_stage_name((VtProbeStage)stage), "b:self",
                                           self != 0, "s:from", vt_probe_plan_from_name((VtProbeFrom)from),
                                           "a:at", probe_report_places_json(cell->at), "a:listening",
                                           probe_report_places_json(cell->listening), "l:settled-us",
                                           cell->settled_us, NULL));
            }
    return array;
}

static JsonArray *
probe_report_asks_json(const VtProbeResult *result)
{
    JsonArray *array = json_array_new();

    for (gsize ask = 0; ask < VT_PROBE_ASK_COUNT; ask++)
        if (result->asks[ask].asked)
            json_array_add_object_element(
                array, vt_json_object_new("s:ask", vt_probe_plan_ask_name((VtProbeAsk)ask), "a:at",
                                          probe_report_places_json(result->asks[ask].at), "a:listening",
                                          probe_report_places_json(result->asks[ask].listening), NULL));
    return array;
}

static JsonObject *
probe_report_facts_json(const VtProbeResult *result)
{
    const VtProbeReset *reset = &result->reset;

    return vt_json_object_new("b:driver-up", result->driver_up, "l:driver-up-us", result->driver_up_us,
                              "b:driver-takes-mac", result->driver_mac, "b:mac-can-be-zeroed",
                              !result->no_zero, "b:self-entries", !result->no_self, "O:reset",
                              reset->asked ? vt_json_object_new("i:tries", (int)reset->tries, "i:refused",
                                                                (int)reset->refused, "b:kept", reset->kept,
                                                                "i:took-ms", (int)reset->took_ms, NULL)
                                           : NULL,
                              NULL);
}

JsonObject *
vt_probe_report_json(const VtProbeAbout *about, const VtProbeResult *result)
{
    VtProbeConclusion conclusion = vt_probe_plan_conclude(result);
    char bdf[VT_PCI_BDF_STRING_SIZE];
    JsonObject *out = vt_json_object_new(
        "s:pf", about->pf, "s:bdf", vt_pci_bdf_format(&about->bdf, bdf), "i:vendor", about->vendor,
        "i:device", about->device, "s:driver", about->driver, "i:vf", (int)about->vf, "s:vf-driver",
        about->vf_driver, "S:wire", about->wire, "s:kernel", about->kernel, "l:time", about->time_s,
        "s:verdict", vt_probe_plan_verdict_name(conclusion.verdict), "b:late-filter", conclusion.late_filter,
        "b:copies", conclusion.copies, "s:reason", conclusion.reason, "a:who", probe_report_who_json(result),
        "a:asks", probe_report_asks_json(result), "o:facts", probe_report_facts_json(result), NULL);

    if (about->sibling >= 0)
        json_object_set_int_member(out, "other-vf", about->sibling);
    if (conclusion.verdict != VT_PROBE_UNKNOWN)
        json_object_set_string_member(out, "strategy", vt_probe_plan_strategy(&conclusion));
    return out;
}

/* ---- for the daemon ---- */

char *
vt_probe_report_path(const char *dir, const VtPciBdf *bdf)
{
    char address[VT_PCI_BDF_STRING_SIZE];

    return g_strdup_printf("%s/%s.json", dir, vt_pci_bdf_format(bdf, address));
}

gboolean
vt_probe_report_late_filter(const char *dir, const VtPciBdf *bdf, const VtPciInfo *pf, char **why)
{
    g_autofree char *path = vt_probe_report_path(dir, bdf);
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) root = NULL;
    g_autofree char *text = NULL;
    VtProbeVerdict verdict;
    gboolean late;
    gsize length = 0;

    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        *why = g_strdup("it was never probed");
        return FALSE;
    }
    text = vt_file_read(path, PROBE_REPORT_MAX_BYTES, &length, &error);
    root = text ? vt_json_parse(text, length, &error) : NULL;
    if (!root) {
        *why = g_strdup_printf("the report '%s' cannot be read: %s", path, error->message);
        return FALSE;
    }
    if (vt_json_int_or(root, "vendor", -1) != pf->vendor ||
        vt_json_int_or(root, "device", -1) != pf->device ||
        g_strcmp0(vt_json_string_or(root, "driver", NULL), pf->driver) != 0) {
        *why = g_strdup_printf("the report '%s' is about another NIC or driver", path);
        return FALSE;
    }
    late = vt_json_bool_or(root, "late-filter", FALSE);
    if (!vt_probe_plan_verdict_parse(vt_json_string_or(root, "verdict", NULL), &verdict) ||
        (late && verdict != VT_PROBE_LATE && verdict != VT_PROBE_BOTH)) {
        *why = g_strdup_printf("the report '%s' contradicts itself", path);
        return FALSE;
    }
    *why = g_strdup_printf("its probe says '%s'", vt_probe_plan_verdict_name(verdict));
    return late;
}
