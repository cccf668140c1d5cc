/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Golden files: what a test expects, kept in the tree as text.
 */
#pragma once

#include <glib.h>

/**
 * vt_golden_check - compare a text with a file, and fail the running test where they differ
 * @path:   of the golden file
 * @actual: what the program made of it; NULL: the file must not exist
 *
 * With VT_REGENERATE=1 in the environment the file is written (or removed), and the test fails all the
 * same, so that nobody takes a regenerated tree for a passing one.
 */
void vt_golden_check(const char *path, const char *actual);

/**
 * vt_golden_list - names of the cases of a directory: its files of one suffix, without it, sorted
 * @dir:    the directory
 * @suffix: e.g. ".xml"
 * @others: suffixes of files that belong to a case, NULL-terminated; a file with another suffix, or one
 *          of these without its case, is an error
 * @error:  (out) the directory cannot be read, or has a file that no case has
 *
 * Return: (transfer full) NULL-terminated; free with g_strfreev().
 */
char **vt_golden_list(const char *dir, const char *suffix, const char *const *others, GError **error);
