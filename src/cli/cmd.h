/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One row a command of the virtteam program; each stands in a file of its own.
 */
#pragma once

#include <glib.h>

/* Exit codes of every command. */
#define VT_CMD_OK     0
#define VT_CMD_FAILED 1 /* it was done, and the answer is no */
#define VT_CMD_USAGE  2 /* wrong words on the command line */

typedef struct {
    const char *name;
    const char *args;    /* as the help shows them: "[--caps FILE] FILE" */
    const char *summary; /* one line */
    /* @argv holds what follows the command's name, NULL-terminated. Returns an exit code. */
    int (*run)(char **argv);
} VtCmd;

extern const VtCmd vt_cmd_argv;
extern const VtCmd vt_cmd_caps;
extern const VtCmd vt_cmd_probe;
extern const VtCmd vt_cmd_team;
extern const VtCmd vt_cmd_timeline;
extern const VtCmd vt_cmd_validate;

/**
 * vt_cmd_options_more - read a command's options
 * @cmd:     for messages
 * @argv:    what follows its name
 * @entries: (nullable) GLib's table of options, ended by an empty row
 * @n_words: how many words have to be left over, at least 1
 * @n_more:  how many more there may be
 *
 * Return: (transfer full) the words that are no options, or NULL after a message on stderr.
 */
char **vt_cmd_options_more(const VtCmd *cmd, char **argv, const GOptionEntry *entries, guint n_words,
                           guint n_more);

/** As vt_cmd_options_more(), with exactly @n_words. */
char **vt_cmd_options(const VtCmd *cmd, char **argv, const GOptionEntry *entries, guint n_words);
