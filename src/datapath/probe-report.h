/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a probe has found, for people, for programs, and for the daemon's next look.
 */
#pragma once

#include "datapath/probe-plan.h"
#include "util/pci.h"

#include <json-glib/json-glib.h>

/** What was probed, and with what. */
typedef struct {
    const char *pf; /* interface */
    VtPciBdf bdf;
    guint16 vendor, device;
    const char *driver; /* of the PF */
    guint vf;           /* the tested one */
    const char *vf_driver;
    int sibling;      /* the VF that sent; -1: none */
    const char *wire; /* (nullable) interface */
    const char *kernel;
    gint64 time_s; /* since the epoch */
} VtProbeAbout;

/**
 * vt_probe_report_text - tables for people
 * @about:  what was probed
 * @result: what was seen
 *
 * Return: (transfer full) translated text, with a line end.
 */
char *vt_probe_report_text(const VtProbeAbout *about, const VtProbeResult *result);

/**
 * vt_probe_report_json - all of it for programs; also what is kept on disk
 * @about:  what was probed
 * @result: what was seen
 *
 * Return: (transfer full)
 */
JsonObject *vt_probe_report_json(const VtProbeAbout *about, const VtProbeResult *result);

/** Where the report about a PF is kept: DIR/BDF.json. (transfer full) */
char *vt_probe_report_path(const char *dir, const VtPciBdf *bdf);

/**
 * vt_probe_report_late_filter - whether a VF's MAC may be set ahead, as the last probe of its PF has it
 * @dir: directory of the reports
 * @bdf: the PF
 * @pf:  what sits there now; a report about another NIC or driver is not believed
 * @why: (out) (transfer full) what that is based on, for the log
 *
 * Return: FALSE also when nothing is known.
 */
gboolean vt_probe_report_late_filter(const char *dir, const VtPciBdf *bdf, const VtPciInfo *pf, char **why);
