/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtteamd: options, wiring, signals, loop. Guests never depend on it: it may be stopped and started at any time.
 */
#include <glib-unix.h>
#include <locale.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/listen.h"
#include "daemon/server.h"
#include "datapath/fallover.h"
#include "datapath/handover.h"
#include "driver/team-switch.h"
#include "qemu/mig-dst.h"
#include "qemu/mig-phase.h"
#include "qemu/mig-src.h"
#include "rpc/call.h"
#include "rpc/proto-aux.h"
#include "util/file.h"
#include "util/i18n.h"
#include "vt-config.h"

#define VT_LOG_DOMAIN "virtteam-daemon-main"
#include "util/log.h"

/* virConnectListAllDomainsFlags */
#define MAIN_LIST_ACTIVE 1u

#define MAIN_MMAP_BYTES (128 * 1024)

typedef struct {
    char *root, *config_path, *listen_socket, *log_level;
    gboolean session, version, print_tables;
    int timeout_s; /* 0: stay */
} MainOptions;

typedef struct {
    MainOptions options;
    VtConfig *config;
    VtDriver *driver;
    VtServer *server;
    GMainLoop *loop;
    char *pid_path;
    VtFd pid_fd;
    int idle_s;
} MainState;

static gboolean
main_parse(MainOptions *options, int argc, char **argv, GError **error)
{
    const GOptionEntry entries[] = {
        { "root", 0, 0, G_OPTION_ARG_FILENAME, &options->root,
          "Put every path that is used below DIR; it is made if absent", "DIR" },
        { "config", 'f', 0, G_OPTION_ARG_FILENAME, &options->config_path,
          "Read FILE instead of virtteamd.conf", "FILE" },
        { "session", 0, 0, G_OPTION_ARG_NONE, &options->session, "Serve the guests of one user", NULL },
        { "listen-socket", 0, 0, G_OPTION_ARG_FILENAME, &options->listen_socket,
          "Listen on PATH instead of virtteamd-sock", "PATH" },
        { "log-level", 0, 0, G_OPTION_ARG_STRING, &options->log_level,
          "debug, info, warning or error; over virtteamd.conf", "LEVEL" },
        { "timeout", 't', 0, G_OPTION_ARG_INT, &options->timeout_s,
          "End after N seconds without clients and running guests", "N" },
        { "print-tables", 0, 0, G_OPTION_ARG_NONE, &options->print_tables,
          "Print procedures, phases and handover as Markdown", NULL },
        { "version", 'V', 0, G_OPTION_ARG_NONE, &options->version, "Print the version", NULL },
        { NULL },
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- run guests for libvirt clients");

    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_description(context, "See virtteamd(8).");
    if (!g_option_context_parse(context, &argc, &argv, error))
        return FALSE;
    if (argc > 1)
        return vt_error_set(error, VT_ERROR_INVALID_ARG, "There is no argument '%s'; see virtteamd --help.",
                            argv[1]);
    if (options->timeout_s < 0)
        return vt_error_set(error, VT_ERROR_INVALID_ARG, "--timeout must not be negative.");
    return TRUE;
}

/* ---- settings ---- */

static gboolean
main_log(const MainState *state, GError **error)
{
    VtLogLevel level = (VtLogLevel)state->config->log_level;
    VtLogConfig config = { .filters = state->config->log_filters, .path = state->config->log_output };

    if (state->options.log_level != NULL && !vt_log_level_parse(state->options.log_level, &level))
        return vt_error_set(error, VT_ERROR_INVALID_ARG,
                            "--log-level must be debug, info, warning or error, not '%s'.",
                            state->options.log_level);
    config.level = level;
    return vt_log_init(&config, error);
}

/* --root may be relative and need not exist: the canonical path is what everything else is built from. */
static gboolean
main_root(MainOptions *options, GError **error)
{
    g_autofree char *path = NULL;
    char *real;

    if (options->root == NULL)
        return TRUE;
    path = g_canonicalize_filename(options->root, NULL);
    if (!vt_file_mkdirs(path, 0755, error))
        return FALSE;
    real = realpath(path, NULL);
    g_free(options->root);
    options->root = g_strdup(real == NULL ? path : real);
    free(real);
    return TRUE;
}

static gboolean
main_configure(MainState *state, GError **error)
{
    MainOptions *options = &state->options;
    g_autofree char *path = NULL;

    if (!main_root(options, error))
        return FALSE;
    state->config = vt_config_new();
    path = options->config_path != NULL ? g_strdup(options->config_path)
                                        : vt_config_default_path(options->root, options->session);
    return vt_config_load(state->config, path, options->config_path != NULL, error) && main_log(state, error);
}

/* ---- opening ---- */

static gboolean
main_listen(MainState *state, const char *run_dir, GError **error)
{
    g_autofree char *rw = state->options.listen_socket != NULL
                              ? g_strdup(state->options.listen_socket)
                              : g_build_filename(run_dir, "virtteamd-sock", NULL);
    g_autofree char *ro = g_strconcat(rw, "-ro", NULL);

    state->server = vt_server_new(state->config, state->driver, rw, ro, error);
    return state->server != NULL;
}

static gboolean
main_open(MainState *state, GError **error)
{
    const MainOptions *options = &state->options;
    g_autofree char *run_dir = vt_config_run_dir(options->root, options->session);
    g_autofree char *pid_path = g_build_filename(run_dir, "virtteamd.pid", NULL);
    VtDriverConfig *config;

    /* Others may pass through to the sockets; what lies beside them has its own permissions. */
    if (!vt_file_mkdirs(run_dir, options->session ? 0700 : 0755, error) ||
        !vt_file_pid_lock(pid_path, &state->pid_fd, error))
        return FALSE;
    state->pid_path = g_steal_pointer(&pid_path);
    config = vt_config_to_driver(state->config, options->root, options->session, error);
    if (config == NULL)
        return FALSE;
    state->driver = vt_driver_new(config, error);
    return state->driver != NULL && main_listen(state, run_dir, error);
}

static void
main_close(MainState *state)
{
    vt_server_free(state->server);
    vt_driver_free(state->driver);
    vt_call_drop_all();
    vt_file_flush_async();
    if (state->pid_path != NULL)
        vt_file_pid_unlock(state->pid_path, &state->pid_fd);
    vt_config_free(state->config);
    g_clear_pointer(&state->loop, g_main_loop_unref);
    g_free(state->pid_path);
    g_free(state->options.root);
    g_free(state->options.config_path);
    g_free(state->options.listen_socket);
    g_free(state->options.log_level);
}

/* ---- memory ---- */

/* Threads that wait for disks need no heaps of their own; and what is large (the schema of a QEMU, a guest's XML) goes
 * back when it is freed: glibc would otherwise take the first such piece as a reason to keep the later ones. */
static void
main_frugal(void)
{
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, MAIN_MMAP_BYTES);
    mallopt(M_TRIM_THRESHOLD, MAIN_MMAP_BYTES);
}

/* ---- running ---- */

static gboolean
main_quit(gpointer user)
{
    MainState *state = user;

    vt_log_info("ending; guests go on running");
    g_main_loop_quit(state->loop);
    return G_SOURCE_CONTINUE;
}

/* SIGHUP: log files are opened anew, for log rotation. */
static gboolean
main_reopen(gpointer user)
{
    g_autoptr(GError) error = NULL;

    if (!main_log(user, &error))
        vt_log_warning("the log stays as it was: %s", error->message);
    return G_SOURCE_CONTINUE;
}

static gboolean
main_idle_tick(gpointer user)
{
    MainState *state = user;
    g_autoptr(GPtrArray) active = vt_driver_list(state->driver, MAIN_LIST_ACTIVE);

    state->idle_s = vt_server_clients(state->server) == 0 && active->len == 0 ? state->idle_s + 1 : 0;
    if (state->idle_s >= state->options.timeout_s) {
        vt_log_info("nothing to do for %d seconds", state->idle_s);
        g_main_loop_quit(state->loop);
    }
    return G_SOURCE_CONTINUE;
}

static void
main_run(MainState *state)
{
    guint sources[4] = { 0 };

    state->loop = g_main_loop_new(NULL, FALSE);
    sources[0] = g_unix_signal_add(SIGTERM, main_quit, state);
    sources[1] = g_unix_signal_add(SIGINT, main_quit, state);
    sources[2] = g_unix_signal_add(SIGHUP, main_reopen, state);
    if (state->options.timeout_s > 0)
        sources[3] = g_timeout_add_seconds(1, main_idle_tick, state);
    vt_driver_autostart(state->driver);
    vt_log_info("virtteamd %s is ready", VT_VERSION);
    malloc_trim(0); /* what reading the definitions and probing QEMU has left */
    vt_listen_notify("READY=1");
    g_main_loop_run(state->loop);
    vt_listen_notify("STOPPING=1");
    for (guint i = 0; i < G_N_ELEMENTS(sources); i++)
        if (sources[i] != 0)
            g_source_remove(sources[i]);
}

static char *
main_steps_to_markdown(void)
{
    const struct {
        const char *what;
        const VtSeqTable *table;
    } rows[] = {
        { "the source sends", vt_mig_src_out_table() },
        { "the guest runs at the source again", vt_mig_src_return_table() },
        { "the destination listens", vt_mig_dst_listen_table() },
        { "the destination takes the guest", vt_mig_dst_await_table() },
    };
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *steps = vt_seq_table_to_markdown(rows[i].table);

        g_string_append_printf(text, "### %s: %s\n\n%s\n", rows[i].table->name, rows[i].what, steps);
    }
    return g_string_free(text, FALSE);
}

static char *
main_switch_to_markdown(void)
{
    g_autofree char *standby = vt_seq_table_to_markdown(vt_team_switch_standby_table());
    g_autofree char *primary = vt_seq_table_to_markdown(vt_team_switch_primary_table());

    return g_strdup_printf("### team-standby: to standby\n\n%s\n### team-primary: and back\n\n%s", standby,
                           primary);
}

static int
main_print_tables(void)
{
    const struct {
        const char *title;
        char *(*print)(void);
    } tables[] = {
        { "Procedures", vt_proto_programs_to_markdown },
        { "Phases of a migration", vt_mig_phase_to_markdown },
        { "Steps of a migration", main_steps_to_markdown },
        { "Handover", vt_handover_to_markdown },
        { "Falling over", vt_fallover_to_markdown },
        { "Steps of a switch", main_switch_to_markdown },
    };

    for (guint i = 0; i < G_N_ELEMENTS(tables); i++) {
        g_autofree char *text = tables[i].print();

        g_print("%s# %s\n\n%s", i > 0 ? "\n" : "", tables[i].title, text);
    }
    return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
    MainState state = { .pid_fd = -1 };
    g_autoptr(GError) error = NULL;
    int code = EXIT_SUCCESS;

    main_frugal();
    setlocale(LC_ALL, "");
    bindtextdomain("virtteam", VT_LOCALEDIR);
    signal(SIGPIPE, SIG_IGN);
    if (!main_parse(&state.options, argc, argv, &error)) {
        g_printerr("virtteamd: %s\n", error->message);
        code = EXIT_FAILURE;
    } else if (state.options.version) {
        g_print("virtteamd %s\n", VT_VERSION);
    } else if (state.options.print_tables) {
        code = main_print_tables();
    } else if (main_configure(&state, &error) && main_open(&state, &error)) {
        main_run(&state);
    } else {
        g_printerr("virtteamd: %s\n", error->message);
        code = EXIT_FAILURE;
    }
    main_close(&state);
    vt_log_shutdown();
    return code;
}
