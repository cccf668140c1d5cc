/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QEMU's option strings: "driver,key=value,key=value", where a comma within a value is written twice.
 */
#pragma once

#include <glib.h>

typedef GString VtOpts;

/** Begin an option string; @head ("pcie-root-port") may be NULL. (transfer full) */
VtOpts *vt_opts_new(const char *head);

/** Free without giving out the text; accepts NULL. */
void vt_opts_free(VtOpts *opts);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtOpts, vt_opts_free)

/**
 * vt_opts_add - append key=value
 * @opts:  the string
 * @key:   QEMU's name, written as it is
 * @value: (nullable) any text; its commas are doubled; NULL appends nothing
 *
 * Source: QEMU docs, qemu-options "-drive ... commas"; keyval.c and qemu-option.c read ",," as ",".
 */
void vt_opts_add(VtOpts *opts, const char *key, const char *value);

/** As vt_opts_add() with a printf format. */
void vt_opts_addf(VtOpts *opts, const char *key, const char *format, ...) G_GNUC_PRINTF(3, 4);

/** key=on or key=off. */
void vt_opts_flag(VtOpts *opts, const char *key, gboolean on);

/** The finished text; @opts is gone. (transfer full) */
char *vt_opts_end(VtOpts *opts);
