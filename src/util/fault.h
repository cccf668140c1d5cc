/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Failures on request, for tests: fail a named step of a named sequence, or kill this process there.
 *
 * Does nothing unless virtteam was built with -Dfault-injection=true. A specification is
 *
 *     SEQUENCE/STEP[:ACTION][,SEQUENCE/STEP[:ACTION]...]
 *
 * with the actions `fail` (the default: the step fails without acting), `kill-before` (SIGKILL once the step
 * is journalled, before it acts), `kill-after` (SIGKILL once the step is done, when its successor is entered
 * or the sequence ends) and `kill-undo` (SIGKILL before the step's undo acts). It is read from the environment
 * variable VIRTTEAM_FAULT, and from the file that VIRTTEAM_FAULT_FILE names, the latter at each step anew.
 */
#pragma once

#include <glib.h>

typedef enum {
    VT_FAULT_NONE,
    VT_FAULT_FAIL,
    VT_FAULT_KILL_BEFORE,
    VT_FAULT_KILL_AFTER,
    VT_FAULT_KILL_UNDO,
    VT_FAULT_COUNT
} VtFaultAction;

/**
 * vt_fault_lookup - whether a specification asks for an action at a step, pure
 * @spec:     (nullable) specification as above
 * @sequence: name of the sequence
 * @step:     name of the step
 * @action:   which action to look for
 *
 * Return: TRUE when it does. Entries that make no sense ask for nothing.
 */
gboolean vt_fault_lookup(const char *spec, const char *sequence, const char *step, VtFaultAction action);

/**
 * vt_fault_point - a step is at a point where a fault may strike
 * @sequence: name of the sequence
 * @step:     (nullable) name of the step; NULL asks for nothing
 * @action:   the kind of point: VT_FAULT_FAIL, ...
 * @error:    (out) OPERATION_FAILED when the step shall fail
 *
 * Return: FALSE with @error set when the step shall fail; TRUE otherwise. Does not return when the process
 * is to be killed.
 */
gboolean vt_fault_point(const char *sequence, const char *step, VtFaultAction action, GError **error);
