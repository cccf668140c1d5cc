/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The run of a probe: make the tested VF what each stage wants, send frames, see who gets them.
 *
 * Blocks for some seconds; for programs of one purpose and for threads.
 */
#pragma once

#include "datapath/probe-nic.h"
#include "datapath/probe-plan.h"

typedef struct {
    VtProbeNic nic;
    int pf;       /* number of the PF's interface, which is up */
    int pf_space; /* descriptor of the network namespace that it is in; 0: ours */
    guint vf;     /* the tested one */
    int sibling;  /* another VF to send from; -1: none */
    int wire;     /* number of an interface that is cabled to the PF; 0: none */
    /* Addresses that nobody else has. */
    VtMac guest;                                   /* the tested one */
    VtMac behind;                                  /* only behind the PF */
    VtMac other;                                   /* a source that the VF has no right to */
    VtMac brother;                                 /* of the sibling */
    guint shots;                                   /* frames of a series; 0: 30, and 100 behind a change */
    guint interval_us;                             /* between them; 0: 5000 */
    guint rest_us;                                 /* for the last one to arrive; 0: 100000 */
    guint up_timeout_ms;                           /* for an interface to get its carrier; 0: 15000 */
    gboolean (*stopped)(gpointer user);            /* (nullable) asked now and then; TRUE ends the run */
    void (*tell)(const char *what, gpointer user); /* (nullable) told what is being done; translated */
    gpointer user;
} VtProbeSpec;

/**
 * vt_probe_measure - the whole of it
 * @spec:   with what, and on what
 * @result: (out) what was seen; set only on success
 * @error:  (out) ABORTED when it was stopped; DENIED, SYSTEM, OPERATION_FAILED with what could not be done
 *
 * Both VFs are without a driver afterwards, whether it succeeded or not, as far as that could be done; their MACs
 * are the caller's to restore.
 * Return: FALSE on failure.
 */
gboolean vt_probe_measure(const VtProbeSpec *spec, VtProbeResult *result, GError **error);
