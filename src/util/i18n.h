/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Translation of what clients can see. Whole sentences in one literal; a file that uses _() or N_()
 * stands in po/POTFILES.
 */
#pragma once

#include <libintl.h>

#define VT_I18N_DOMAIN "virtteam"

/** The sentence in the user's language. */
#define _(s) dgettext(VT_I18N_DOMAIN, s)
/** Marks a sentence of a static table; whoever prints it says _(). */
#define N_(s) s
