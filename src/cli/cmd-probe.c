/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/cmd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include "datapath/probe-host.h"
#include "datapath/probe-port.h"
#include "datapath/probe-report.h"
#include "datapath/probe.h"
#include "util/file.h"
#include "util/i18n.h"
#include "util/json.h"

#define CMD_PROBE_NOTE_MAX 65536

typedef struct {
    gboolean json, restore, no_save;
    char *from, *driver, *root, *netns;
    int vf;
} CmdProbeOptions;

/* Where the PF's interface is seen. */
typedef struct {
    VtFd space; /* its network namespace; -1: ours */
    VtFd sysfs;
    char *root;
    VtPciHost host;
    VtNetlink *netlink;
} CmdProbeView;

static void
cmd_probe_view_clear(CmdProbeView *view)
{
    vt_netlink_free(view->netlink);
    vt_fd_clear(&view->sysfs);
    vt_fd_clear(&view->space);
    g_free(view->root);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CmdProbeView, cmd_probe_view_clear)

static gboolean
cmd_probe_view_open(CmdProbeView *view, const char *netns, GError **error)
{
    view->host = vt_pci_host_system;
    if (netns) {
        view->space = vt_probe_port_named(netns, error);
        view->sysfs = view->space < 0 ? -1 : vt_probe_port_sysfs(view->space, error);
        if (view->sysfs < 0)
            return FALSE;
        view->root = g_strdup_printf("/proc/self/fd/%d", view->sysfs);
        view->host.root = view->root;
    }
    view->netlink = vt_probe_port_netlink(view->space, error);
    return view->netlink != NULL;
}

/* Where things lie; the daemon's own directories. */
typedef struct {
    char *run, *note, *pid, *reserved, *reports;
} CmdProbePaths;

static volatile sig_atomic_t cmd_probe_signal;

static void
cmd_probe_on_signal(int number)
{
    cmd_probe_signal = number;
}

static gboolean
cmd_probe_stopped(gpointer user)
{
    return cmd_probe_signal != 0;
}

static void
cmd_probe_tell(const char *what, gpointer user)
{
    g_printerr("%s\n", what);
}

static void
cmd_probe_catch_signals(void)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
    struct sigaction action = { .sa_handler = cmd_probe_on_signal };

    sigemptyset(&action.sa_mask);
    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++)
        sigaction(numbers[i], &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* whoever reads the progress may leave; the NIC is restored all the same */
}

static void
cmd_probe_paths_init(CmdProbePaths *paths, const char *root, const VtPciBdf *bdf)
{
    char address[VT_PCI_BDF_STRING_SIZE];

    vt_pci_bdf_format(bdf, address);
    paths->run = g_strdup_printf("%s/run/virtteam/probe", root ? root : "");
    paths->note = g_strdup_printf("%s/%s.json", paths->run, address);
    paths->pid = g_strdup_printf("%s/%s.pid", paths->run, address);
    paths->reserved = g_strdup_printf("%s/var/lib/virtteam/qemu/reservations", root ? root : "");
    paths->reports = g_strdup_printf("%s/var/lib/virtteam/qemu/probe", root ? root : "");
}

static void
cmd_probe_paths_clear(CmdProbePaths *paths)
{
    g_free(paths->run);
    g_free(paths->note);
    g_free(paths->pid);
    g_free(paths->reserved);
    g_free(paths->reports);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CmdProbePaths, cmd_probe_paths_clear)

typedef struct {
    const CmdProbeOptions *options;
    const CmdProbePaths *paths;
    const CmdProbeView *view;
} CmdProbeRun;

/* ---- restoring ---- */

/* The note of a probe that was killed, if there is one. */
static gboolean
cmd_probe_restore(const CmdProbePaths *paths, const CmdProbeView *view, gboolean *found, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(JsonNode) note = NULL;
    gsize length = 0;

    *found = g_file_test(paths->note, G_FILE_TEST_EXISTS);
    if (!*found)
        return TRUE;
    text = vt_file_read(paths->note, CMD_PROBE_NOTE_MAX, &length, error);
    note = text ? vt_json_parse(text, length, error) : NULL;
    if (!note || !vt_probe_host_restore(note, &vt_pci_host_system, &view->host, view->netlink, error)) {
        g_prefix_error(error, _("Not everything that the note '%s' tells of could be restored: "),
                       paths->note);
        return FALSE;
    }
    return vt_file_remove(paths->note, error);
}

static gboolean
cmd_probe_write_note(const CmdProbePaths *paths, const VtProbeHost *host, GError **error)
{
    g_autoptr(JsonObject) note = vt_probe_host_note(host);
    g_autofree char *text = vt_json_object_to_string(note);

    return vt_file_write_atomic(paths->note, text, strlen(text), 0600, error);
}

/* ---- the run ---- */

/* Since the note is there the daemon gives the VFs to nobody; before, it may have. */
static gboolean
cmd_probe_still_free(const VtProbeHostSpec *hosts, const VtProbeHost *host, GError **error)
{
    VtProbeHost now;

    if (!vt_probe_host_open(hosts, host->netlink, &now, error))
        return FALSE;
    return (now.vf.index == host->vf.index && now.has_sibling == host->has_sibling &&
            (!now.has_sibling || now.sibling.index == host->sibling.index)) ||
           vt_error_set(error, VT_ERROR_BUSY, _("A VF of '%s' was given to a guest just now; try again."),
                        host->pf);
}

static gboolean
cmd_probe_measure(const CmdProbeRun *run, const VtProbeHostSpec *hosts, VtProbeHost *host,
                  VtProbeResult *result, GError **error)
{
    const CmdProbePaths *paths = run->paths;
    g_autoptr(GError) restoring = NULL;
    gboolean found, ok;
    VtProbeSpec spec = {
        .nic = vt_probe_host_nic(host),
        .pf = host->ifindex,
        .pf_space = MAX(run->view->space, 0),
        .vf = host->vf.index,
        .sibling = host->has_sibling ? (int)host->sibling.index : -1,
        .wire = host->wire,
        .guest = host->guest,
        .behind = host->behind,
        .other = host->other,
        .brother = host->brother,
        .stopped = cmd_probe_stopped,
        .tell = run->options->json ? NULL : cmd_probe_tell,
    };

    if (!cmd_probe_write_note(paths, host, error))
        return FALSE;
    if (!cmd_probe_still_free(hosts, host, error)) {
        vt_file_remove(paths->note, NULL);
        return FALSE;
    }
    ok = vt_probe_measure(&spec, result, error);
    if (cmd_probe_restore(paths, run->view, &found, &restoring))
        return ok;
    if (ok) {
        g_propagate_error(error, g_steal_pointer(&restoring));
        return FALSE;
    }
    g_printerr("virtteam probe: %s\n", restoring->message);
    return FALSE;
}

/* What a probe that found nothing says is not kept: an earlier one may have. */
static gboolean
cmd_probe_save(const CmdProbePaths *paths, const VtPciBdf *bdf, JsonObject *report, GError **error)
{
    g_autofree char *path = vt_probe_report_path(paths->reports, bdf);
    g_autofree char *text = vt_json_object_to_string(report);

    return vt_file_mkdirs(paths->reports, 0755, error) &&
           vt_file_write_atomic(path, text, strlen(text), 0644, error);
}

static int
cmd_probe_report(const CmdProbeOptions *options, const CmdProbePaths *paths, const VtProbeHost *host,
                 const VtProbeResult *result)
{
    struct utsname uts = { { 0 } };
    VtProbeAbout about = {
        .pf = host->pf,
        .bdf = host->bdf,
        .vendor = host->info.vendor,
        .device = host->info.device,
        .driver = host->info.driver,
        .vf = host->vf.index,
        .vf_driver = host->net_driver,
        .sibling = host->has_sibling ? (int)host->sibling.index : -1,
        .wire = options->from,
        .kernel = uname(&uts) == 0 ? uts.release : "",
        .time_s = g_get_real_time() / G_USEC_PER_SEC,
    };
    gboolean known = vt_probe_plan_conclude(result).verdict != VT_PROBE_UNKNOWN;
    g_autoptr(JsonObject) report = vt_probe_report_json(&about, result);
    g_autofree char *text =
        options->json ? vt_json_object_to_string(report) : vt_probe_report_text(&about, result);
    g_autoptr(GError) error = NULL;

    g_print(options->json ? "%s\n" : "%s", text);
    if (known && !options->no_save && !cmd_probe_save(paths, &host->bdf, report, &error)) {
        g_printerr("virtteam probe: %s\n", error->message);
        return VT_CMD_FAILED;
    }
    return known ? VT_CMD_OK : VT_CMD_FAILED;
}

/* An interface's name, or a PCI address. */
static gboolean
cmd_probe_find_pf(const VtPciHost *host, const char *word, char pf[16], VtPciBdf *bdf, GError **error)
{
    VtPciInfo info;

    if (!vt_pci_bdf_parse(word, bdf)) {
        g_strlcpy(pf, word, 16);
        return vt_pci_of_netdev(host, word, bdf, error);
    }
    if (!vt_pci_get(host, bdf, &info, error))
        return FALSE;
    g_strlcpy(pf, info.netdev, 16);
    return info.netdev[0] ||
           vt_error_set(error, VT_ERROR_UNSUPPORTED,
                        _("The PCI device '%s' has no network interface here: its driver must be loaded, and "
                          "--netns must name the network namespace that it is in."),
                        word);
}

static int
cmd_probe_locked(const CmdProbeRun *run, const char *pf, GError **error)
{
    const CmdProbeOptions *options = run->options;
    const CmdProbePaths *paths = run->paths;
    g_autoptr(VtNetlink) netlink = vt_netlink_new(error);
    VtProbeHostSpec spec = { .host = &vt_pci_host_system,
                             .pf = pf,
                             .wire = options->from,
                             .vf = options->vf,
                             .driver = options->driver,
                             .reserved = paths->reserved,
                             .pf_host = &run->view->host,
                             .pf_netlink = run->view->space < 0 ? NULL : run->view->netlink };
    gboolean found;
    VtProbeHost host;
    VtProbeResult result;

    if (!netlink || !cmd_probe_restore(paths, run->view, &found, error))
        return VT_CMD_FAILED;
    if (found)
        g_printerr(_("An earlier probe of '%s' was cut short; what it had changed is restored.\n"), pf);
    if (options->restore) {
        if (!found)
            g_printerr(_("Nothing to restore for '%s'.\n"), pf);
        return VT_CMD_OK;
    }
    if (!vt_probe_host_open(&spec, netlink, &host, error) ||
        !cmd_probe_measure(run, &spec, &host, &result, error))
        return VT_CMD_FAILED;
    return cmd_probe_report(options, paths, &host, &result);
}

static int
cmd_probe_pf(const CmdProbeOptions *options, const char *word, GError **error)
{
    g_auto(CmdProbePaths) paths = { NULL };
    g_auto(CmdProbeView) view = { .space = -1, .sysfs = -1 };
    const CmdProbeRun run = { .options = options, .paths = &paths, .view = &view };
    g_auto(VtFd) space = -1;
    g_auto(VtFd) lock = -1;
    VtPciBdf bdf;
    char pf[16];
    int status;

    if (!cmd_probe_view_open(&view, options->netns, error) ||
        !cmd_probe_find_pf(&view.host, word, pf, &bdf, error))
        return VT_CMD_FAILED;
    space = vt_probe_port_space(error); /* whether we may, before anything is touched */
    if (space < 0)
        return VT_CMD_FAILED;
    cmd_probe_paths_init(&paths, options->root, &bdf);
    if (!vt_file_mkdirs(paths.run, 0755, error))
        return VT_CMD_FAILED;
    if (!vt_file_pid_lock(paths.pid, &lock, error)) {
        g_prefix_error(error, _("Another probe of '%s' is running: "), pf);
        return VT_CMD_FAILED;
    }
    cmd_probe_catch_signals();
    status = cmd_probe_locked(&run, pf, error);
    vt_file_pid_unlock(paths.pid, &lock);
    return status;
}

static void
cmd_probe_options_clear(CmdProbeOptions *options)
{
    g_free(options->from);
    g_free(options->driver);
    g_free(options->root);
    g_free(options->netns);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CmdProbeOptions, cmd_probe_options_clear)

static int
cmd_probe_run(char **argv)
{
    g_auto(CmdProbeOptions) options = { .vf = -1 };
    const GOptionEntry entries[] = {
        { "from", 0, 0, G_OPTION_ARG_STRING, &options.from, N_("an interface that is cabled to the PF"),
          "IFACE" },
        { "netns", 0, 0, G_OPTION_ARG_STRING, &options.netns, N_("the PF is in this network namespace"),
          "NAME" },
        { "vf", 0, 0, G_OPTION_ARG_INT, &options.vf, N_("test this VF"), "N" },
        { "driver", 0, 0, G_OPTION_ARG_STRING, &options.driver, N_("network driver of the VFs"), "NAME" },
        { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, N_("print for programs"), NULL },
        { "no-save", 0, 0, G_OPTION_ARG_NONE, &options.no_save, N_("do not keep the verdict for virtteamd"),
          NULL },
        { "restore", 0, 0, G_OPTION_ARG_NONE, &options.restore, N_("only restore what a killed probe left"),
          NULL },
        { "root", 0, 0, G_OPTION_ARG_FILENAME, &options.root, N_("virtteamd's --root"), "DIR" },
        { NULL },
    };
    g_auto(GStrv) words = vt_cmd_options(&vt_cmd_probe, argv, entries, 1);
    g_autoptr(GError) error = NULL;
    int status;

    if (!words)
        return VT_CMD_USAGE;
    status = cmd_probe_pf(&options, words[0], &error);
    if (error)
        g_printerr("virtteam probe: %s\n", error->message);
    return status;
}

const VtCmd vt_cmd_probe = {
    .name = "probe",
    .args = "[--from IFACE] [--json] PF",
    .summary = N_("find out how a NIC filters its VFs' MACs"),
    .run = cmd_probe_run,
};
