/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/cmd.h"

#include "cli/xml-input.h"
#include "qemu/timeline.h"
#include "util/i18n.h"

static VtTimeline *
cmd_timeline_read(const char *path, GError **error)
{
    g_autofree char *text = vt_xml_input_read(path, error);
    VtTimeline *timeline = text ? vt_timeline_parse(text, error) : NULL;

    if (text && !timeline)
        g_prefix_error(error, "'%s': ", path);
    return timeline;
}

/* The other host's file of the same migration: the source's own has only what came in time for its cookies. */
static gboolean
cmd_timeline_join(VtTimeline *timeline, const char *path, GError **error)
{
    g_autoptr(VtTimeline) other = cmd_timeline_read(path, error);

    if (!other)
        return FALSE;
    if (g_strcmp0(other->migration, timeline->migration) != 0)
        return vt_error_set(error, VT_ERROR_INVALID_ARG, _("'%s' is of another migration (%s, not %s)"), path,
                            other->migration, timeline->migration);
    vt_timeline_merge(timeline, other);
    return TRUE;
}

static int
cmd_timeline_run(char **argv)
{
    gboolean svg = FALSE;
    g_autofree char *with = NULL;
    const GOptionEntry entries[] = {
        { "svg", 0, 0, G_OPTION_ARG_NONE, &svg, N_("draw it as an SVG picture"), NULL },
        { "with", 0, 0, G_OPTION_ARG_FILENAME, &with,
          N_("join the other host's file of the same migration; - is standard input"), "FILE" },
        { NULL },
    };
    g_auto(GStrv) words = vt_cmd_options(&vt_cmd_timeline, argv, entries, 1);
    g_autoptr(VtTimeline) timeline = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *out = NULL;
    gint64 skew;

    if (!words)
        return VT_CMD_USAGE;
    timeline = cmd_timeline_read(words[0], &error);
    if (!timeline || (with && !cmd_timeline_join(timeline, with, &error))) {
        g_printerr("virtteam timeline: %s\n", error->message);
        return VT_CMD_FAILED;
    }
    skew = vt_timeline_skew(timeline);
    vt_timeline_shift(timeline, VT_TIMELINE_DESTINATION, skew);
    if (skew)
        g_printerr(
            _("virtteam timeline: the hosts' clocks differ: the destination's times are shown %+.3f s\n"),
            (double)skew / 1e6);
    out = svg ? vt_timeline_to_svg(timeline) : vt_timeline_to_text(timeline);
    g_print("%s", out);
    return VT_CMD_OK;
}

const VtCmd vt_cmd_timeline = {
    .name = "timeline",
    .args = "[--svg] [--with FILE] FILE",
    .summary = N_("show a migration's timeline"),
    .run = cmd_timeline_run,
};
