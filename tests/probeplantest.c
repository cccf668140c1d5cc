/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What observations say about a NIC, as tables; and what is told about it. */
#include "datapath/probe-plan.h"
#include "datapath/probe-port.h"
#include "datapath/probe-report.h"
#include "util/file.h"
#include "util/json.h"

#include <glib/gstdio.h>
#include <string.h>

#define ALL (VT_PROBE_AT_PF | VT_PROBE_AT_VF | VT_PROBE_AT_SIBLING | VT_PROBE_AT_WIRE)

/* "p", "v", "s", "w": who got it; "-": nobody; letters together: all of them. */
static guint
places(const char *text)
{
    guint at = 0;

    for (; *text; text++)
        at |= *text == 'p'   ? VT_PROBE_AT_PF
              : *text == 'v' ? VT_PROBE_AT_VF
              : *text == 's' ? VT_PROBE_AT_SIBLING
              : *text == 'w' ? VT_PROBE_AT_WIRE
                             : 0;
    return at;
}

/* ---- series ---- */

static const struct {
    const char *shots; /* 1 ms apart; one letter each */
    guint listening;
    guint at;
    gint64 settled_us;
} judge_rows[] = {
    { "", ALL, 0, 0 },
    { "pppppppp", ALL, VT_PROBE_AT_PF, 0 },
    { "--------", ALL, 0, 0 },
    { "ppppvvvvvvvvvvvv", ALL, VT_PROBE_AT_VF, 4000 },
    { "ppvvvvvvv-vvvv", ALL, VT_PROBE_AT_VF, 2000 },      /* one is lost: never mind */
    { "pvvvvvvv", ALL, VT_PROBE_AT_VF, 0 },               /* a single one at the front may be late */
    { "ppvvvvvv--vvvvvvvv", ALL, VT_PROBE_AT_VF, 10000 }, /* two in a row are a gap */
    { "vvvv----", ALL, 0, 4000 },
    { "pvpvpvpp", ALL, VT_PROBE_AT_PF, 0 },
    { "ppppvvvvvvvv", VT_PROBE_AT_PF, 0, 4000 }, /* the VF is not listened to */
    { "p", ALL, VT_PROBE_AT_PF, 0 },
};

static void
test_judge(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(judge_rows); i++) {
        VtProbeShot shots[32];
        guint n = (guint)strlen(judge_rows[i].shots);
        VtProbeCell cell;

        for (guint k = 0; k < n; k++) {
            char one[2] = { judge_rows[i].shots[k], '\0' };

            shots[k] = (VtProbeShot){ .after_us = k * 1000, .at = places(one) };
        }
        g_test_message("%s", judge_rows[i].shots);
        vt_probe_plan_judge(shots, n, judge_rows[i].listening, &cell);
        g_assert_cmpint(cell.asked, ==, n > 0);
        g_assert_cmpuint(cell.at, ==, judge_rows[i].at);
        g_assert_cmpint(cell.settled_us, ==, judge_rows[i].settled_us);
        g_assert_cmpuint(cell.listening, ==, judge_rows[i].listening);
    }
}

/* ---- conclusions ---- */

typedef struct {
    char from; /* 'w' wire, 's' sibling, 'p' PF; 0: no more */
    gboolean self;
    const char *before, *set, *up, *reset;
} Seen;

static const struct {
    const char *name;
    Seen seen[6];
    VtProbeVerdict verdict;
    gboolean late_filter, copies;
} conclude_rows[] = {
    { .name = "nothing", .verdict = VT_PROBE_UNKNOWN },
    { .name = "wire-early", .seen = { { 'w', FALSE, "p", "-", "v" } }, .verdict = VT_PROBE_EARLY },
    { .name = "wire-late",
      .seen = { { 'w', FALSE, "p", "p", "v" } },
      .verdict = VT_PROBE_LATE,
      .late_filter = TRUE },
    { .name = "wire-both",
      .seen = { { 'w', FALSE, "p", "p", "pv" } },
      .verdict = VT_PROBE_BOTH,
      .late_filter = TRUE },
    /* Lost, and the VF never gets it: this says nothing about a filter. */
    { .name = "vf-gets-nothing", .seen = { { 'w', FALSE, "p", "-", "-" } }, .verdict = VT_PROBE_UNKNOWN },
    { .name = "pf-never-got-it", .seen = { { 'w', FALSE, "-", "-", "v" } }, .verdict = VT_PROBE_UNKNOWN },
    { .name = "early-and-copied-with-self",
      .seen = { { 'w', FALSE, "p", "-", "v" }, { 'w', TRUE, "p", "p", "pv" } },
      .verdict = VT_PROBE_EARLY,
      .copies = TRUE },
    { .name = "sibling-only-early", .seen = { { 's', TRUE, "p", "-", "v" } }, .verdict = VT_PROBE_EARLY },
    { .name = "sibling-only-late",
      .seen = { { 's', TRUE, "p", "p", "v" } },
      .verdict = VT_PROBE_LATE,
      .late_filter = TRUE },
    /* A NIC that copies may filter early all the same; nobody saw it without the entry. */
    { .name = "sibling-only-both",
      .seen = { { 's', TRUE, "p", "p", "pv" } },
      .verdict = VT_PROBE_BOTH,
      .copies = TRUE },
    { .name = "what-left-by-the-wire-is-taken",
      .seen = { { 'p', FALSE, "w", "-", "v" } },
      .verdict = VT_PROBE_EARLY },
    { .name = "what-leaves-by-the-wire-stays",
      .seen = { { 'p', FALSE, "w", "w", "v" } },
      .verdict = VT_PROBE_LATE,
      .late_filter = TRUE },
    /* The wire counts more, but what any sender loses forbids setting the MAC ahead. */
    { .name = "late-for-the-wire-early-inside",
      .seen = { { 'w', FALSE, "p", "p", "v" }, { 's', FALSE, "w", "-", "v" } },
      .verdict = VT_PROBE_EARLY },
    /* With the entry it says no more than that the VF goes before the PF. */
    { .name = "late-for-the-wire-and-before-the-pf",
      .seen = { { 'w', FALSE, "p", "p", "v" }, { 's', TRUE, "p", "-", "v" } },
      .verdict = VT_PROBE_LATE,
      .late_filter = TRUE },
    { .name = "early-after-a-reset",
      .seen = { { 'w', FALSE, "p", "p", "v", .reset = "-" } },
      .verdict = VT_PROBE_EARLY },
    { .name = "late-also-after-a-reset",
      .seen = { { 'w', FALSE, "p", "p", "v", .reset = "p" } },
      .verdict = VT_PROBE_LATE,
      .late_filter = TRUE },
    { .name = "the-wire-before-the-sibling",
      .seen = { { 's', TRUE, "p", "-", "v" }, { 'w', FALSE, "p", "p", "pv" } },
      .verdict = VT_PROBE_BOTH,
      .late_filter = TRUE },
    /* QEMU's igb: what nobody has goes to other VFs, and not to the promiscuous PF. */
    { .name = "igb-emulated",
      .seen = { { 'w', FALSE, "s", "-", "v" },
                { 's', FALSE, "w", "-", "v" },
                { 'p', FALSE, "sw", "-", "v" },
                { 'w', TRUE, "p", "p", "pv" },
                { 's', TRUE, "p", "p", "pv" } },
      .verdict = VT_PROBE_EARLY,
      .copies = TRUE },
    { .name = "igb-emulated-without-a-wire",
      .seen = { { 's', FALSE, "-", "-", "v" }, { 'p', FALSE, "s", "-", "v" }, { 's', TRUE, "p", "p", "pv" } },
      .verdict = VT_PROBE_EARLY,
      .copies = TRUE },
    { .name = "floods-and-filters-late",
      .seen = { { 'w', FALSE, "ps", "ps", "v" } },
      .verdict = VT_PROBE_LATE,
      .late_filter = TRUE },
    { .name = "not-driven", .seen = { { 'w', FALSE, "p", "p", NULL } }, .verdict = VT_PROBE_UNKNOWN },
};

static void
put_cell(VtProbeResult *result, VtProbeStage stage, const Seen *seen, const char *text)
{
    VtProbeFrom from = seen->from == 'w'   ? VT_PROBE_FROM_WIRE
                       : seen->from == 's' ? VT_PROBE_FROM_SIBLING
                                           : VT_PROBE_FROM_PF;

    if (text)
        result->cells[stage][seen->self ? 1 : 0][from] =
            (VtProbeCell){ .asked = TRUE, .at = places(text), .listening = ALL };
}

static void
fill(VtProbeResult *result, const Seen *seen, gsize n)
{
    *result = (VtProbeResult){ .driver_up = TRUE };
    for (gsize i = 0; i < n && seen[i].from; i++) {
        put_cell(result, VT_PROBE_STAGE_BEFORE, &seen[i], seen[i].before);
        put_cell(result, VT_PROBE_STAGE_MAC_SET, &seen[i], seen[i].set);
        put_cell(result, VT_PROBE_STAGE_DRIVER_UP, &seen[i], seen[i].up);
        put_cell(result, VT_PROBE_STAGE_RESET, &seen[i], seen[i].reset);
    }
}

static void
test_conclude(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(conclude_rows); i++) {
        VtProbeConclusion conclusion;
        VtProbeResult result;

        g_test_message("%s", conclude_rows[i].name);
        fill(&result, conclude_rows[i].seen, G_N_ELEMENTS(conclude_rows[i].seen));
        conclusion = vt_probe_plan_conclude(&result);
        g_assert_cmpstr(vt_probe_plan_verdict_name(conclusion.verdict), ==,
                        vt_probe_plan_verdict_name(conclude_rows[i].verdict));
        g_assert_cmpint(conclusion.late_filter, ==, conclude_rows[i].late_filter);
        g_assert_cmpint(conclusion.copies, ==, conclude_rows[i].copies);
        g_assert_nonnull(conclusion.reason);
        g_assert_nonnull(vt_probe_plan_strategy(&conclusion));
    }
}

/* An unknown verdict says what is missing. */
static void
test_unknown_reasons(void)
{
    VtProbeResult result = { .driver_up = FALSE };

    g_assert_nonnull(strstr(vt_probe_plan_conclude(&result).reason, "did not come up"));
    result.driver_up = TRUE;
    g_assert_nonnull(strstr(vt_probe_plan_conclude(&result).reason, "got no frames"));
    result.cells[VT_PROBE_STAGE_DRIVER_UP][0][VT_PROBE_FROM_PF].at = VT_PROBE_AT_VF;
    g_assert_nonnull(strstr(vt_probe_plan_conclude(&result).reason, "changed its way"));
}

static void
test_names(void)
{
    VtProbeVerdict verdict = VT_PROBE_BOTH;

    for (int i = 0; i < VT_PROBE_VERDICT_COUNT; i++) {
        g_assert_true(vt_probe_plan_verdict_parse(vt_probe_plan_verdict_name((VtProbeVerdict)i), &verdict));
        g_assert_cmpint((int)verdict, ==, i);
    }
    g_assert_false(vt_probe_plan_verdict_parse("sometimes", &verdict));
    g_assert_false(vt_probe_plan_verdict_parse(NULL, &verdict));
    g_assert_cmpstr(vt_probe_plan_stage_name(VT_PROBE_STAGE_COUNT), ==, "unknown");
    g_assert_cmpstr(vt_probe_plan_from_name(VT_PROBE_FROM_WIRE), ==, "wire");
    g_assert_cmpstr(vt_probe_plan_ask_name(VT_PROBE_ASK_VF_BROADCAST), ==, "vf-broadcast");
}

/* ---- frames ---- */

static void
test_frames(void)
{
    const VtMac to = { { 2, 0, 0, 0, 0, 1 } }, source = { { 2, 0, 0, 0, 0, 2 } };
    VtProbeTag tag = { .run = 0x0123456789abcdef, .series = 513, .from = 2, .number = 70000 }, got;
    guint8 frame[VT_PROBE_PORT_FRAME];

    vt_probe_port_build(&to, &source, &tag, frame);
    g_assert_true(vt_probe_port_parse(frame, sizeof frame, &got));
    g_assert_true(got.run == tag.run && got.series == 513 && got.from == 2 && got.number == 70000);
    g_assert_cmpmem(frame, 6, to.bytes, 6);
    for (gsize cut = 0; cut < 48; cut++) {
        g_autofree guint8 *copy = g_memdup2(frame, cut);

        g_assert_false(vt_probe_port_parse(copy, cut, &got));
    }
    frame[12] ^= 1;
    g_assert_false(vt_probe_port_parse(frame, sizeof frame, &got));
    frame[12] ^= 1;
    frame[20] ^= 1;
    g_assert_false(vt_probe_port_parse(frame, sizeof frame, &got));
}

/* ---- reports ---- */

static const VtProbeAbout about = {
    .pf = "eth2",
    .bdf = { 0, 3, 0, 0 },
    .vendor = 0x8086,
    .device = 0x10c9,
    .driver = "igb",
    .vf = 1,
    .vf_driver = "igbvf",
    .sibling = 0,
    .wire = "eth3",
    .kernel = "6.1.0",
    .time_s = 1700000000,
};

static const Seen late_nic[] = { { 'w', FALSE, "p", "p", "v" }, { 's', TRUE, "p", "p", "-" } };

static void
test_text(void)
{
    static const char *const lines[] = {
        "eth2: PCI device 0000:03:00.0 (8086:10c9), driver igb; VF 1 tested with driver igbvf\n",
        "before                                            PF                 -                  -\n",
        "  with a `self` entry on the PF                   -                  PF                 -\n",
        "the VF's driver is up                             VF                 -                  -\n",
        "the VF sends a broadcast                          PF + other VF\n",
        "  the VF's MAC is set, no driver                  after 3.0 ms\n",
        "the MAC set while the VF is in reset              taken 3 of 5 times in 120 ms; still set afterwards\n",
        "verdict: late: ",
        "strategy: the VF gets the guest's MAC when a guest is prepared",
    };
    g_autofree char *text = NULL;
    VtProbeResult result;

    fill(&result, late_nic, G_N_ELEMENTS(late_nic));
    result.cells[VT_PROBE_STAGE_MAC_SET][0][VT_PROBE_FROM_WIRE].settled_us = 3000;
    result.asks[VT_PROBE_ASK_VF_BROADCAST] = (VtProbeCell){ .asked = TRUE, .at = places("ps") };
    result.reset = (VtProbeReset){ .asked = TRUE, .tries = 5, .refused = 2, .kept = TRUE, .took_ms = 120 };
    text = vt_probe_report_text(&about, &result);
    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++)
        if (!strstr(text, lines[i]))
            g_error("'%s' is not in:\n%s", lines[i], text);
}

typedef struct {
    char *dir;
    VtProbeResult result;
    VtPciInfo nic;
} Reports;

static void
reports_set_up(Reports *r, gconstpointer unused)
{
    r->dir = g_dir_make_tmp("vt-probe-XXXXXX", NULL);
    g_assert_nonnull(r->dir);
    fill(&r->result, late_nic, G_N_ELEMENTS(late_nic));
    r->nic = (VtPciInfo){ .vendor = about.vendor, .device = about.device, .driver = "igb" };
}

static void
reports_tear_down(Reports *r, gconstpointer unused)
{
    g_autofree char *path = vt_probe_report_path(r->dir, &about.bdf);

    g_unlink(path);
    g_rmdir(r->dir);
    g_free(r->dir);
}

static void
reports_write(Reports *r, const char *text)
{
    g_autofree char *path = vt_probe_report_path(r->dir, &about.bdf);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void
check_late_filter(Reports *r, gboolean expected, const char *why_part)
{
    g_autofree char *why = NULL;

    g_assert_cmpint(vt_probe_report_late_filter(r->dir, &about.bdf, &r->nic, &why), ==, expected);
    if (!strstr(why, why_part))
        g_error("'%s' is not in '%s'", why_part, why);
}

static void
test_report_is_believed(Reports *r, gconstpointer unused)
{
    g_autoptr(JsonObject) json = vt_probe_report_json(&about, &r->result);
    g_autofree char *text = vt_json_object_to_string(json);
    g_autoptr(JsonNode) node = vt_json_parse(text, strlen(text), NULL);

    g_assert_cmpstr(vt_json_string_or(node, "who[0].stage", NULL), ==, "before");
    g_assert_cmpstr(vt_json_string_or(node, "who[0].at[0]", NULL), ==, "pf");
    g_assert_cmpint(vt_json_int_or(node, "other-vf", -1), ==, 0);
    check_late_filter(r, FALSE, "never probed");
    reports_write(r, text);
    check_late_filter(r, TRUE, "its probe says 'late'");
    g_strlcpy(r->nic.driver, "ixgbe", sizeof r->nic.driver);
    check_late_filter(r, FALSE, "another NIC or driver");
    g_strlcpy(r->nic.driver, "igb", sizeof r->nic.driver);
    r->nic.device++;
    check_late_filter(r, FALSE, "another NIC or driver");
}

static void
test_report_is_doubted(Reports *r, gconstpointer unused)
{
    reports_write(r, "{");
    check_late_filter(r, FALSE, "cannot be read");
    reports_write(r, "[]");
    check_late_filter(r, FALSE, "another NIC or driver");
    reports_write(
        r,
        "{\"vendor\":32902,\"device\":4297,\"driver\":\"igb\",\"verdict\":\"early\",\"late-filter\":true}");
    check_late_filter(r, FALSE, "contradicts itself");
    reports_write(r, "{\"vendor\":32902,\"device\":4297,\"driver\":\"igb\",\"late-filter\":true}");
    check_late_filter(r, FALSE, "contradicts itself");
    reports_write(r, "{\"vendor\":32902,\"device\":4297,\"driver\":\"igb\",\"verdict\":\"early\"}");
    check_late_filter(r, FALSE, "its probe says 'early'");
}

#define REPORTS(name, test) g_test_add(name, Reports, NULL, reports_set_up, test, reports_tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/datapath/probe-plan/series-are-judged", test_judge);
    g_test_add_func("/datapath/probe-plan/observations-are-concluded-from", test_conclude);
    g_test_add_func("/datapath/probe-plan/unknown-says-what-is-missing", test_unknown_reasons);
    g_test_add_func("/datapath/probe-plan/names", test_names);
    g_test_add_func("/datapath/probe-port/frames-are-recognised", test_frames);
    g_test_add_func("/datapath/probe-report/text", test_text);
    REPORTS("/datapath/probe-report/what-was-found-is-believed", test_report_is_believed);
    REPORTS("/datapath/probe-report/what-makes-no-sense-is-not", test_report_is_doubted);
    return g_test_run();
}
