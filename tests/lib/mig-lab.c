/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/mig-lab.h"

#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "util/json.h"

const char *const wrong_names[] = {
    [WRONG_NOT] = "goes-well",
    [WRONG_FAULT] = "fault",
    [WRONG_REFUSED] = "refused",
    [WRONG_SILENT] = "silent",
    [WRONG_CANCELLED] = "cancelled",
    [WRONG_GONE] = "gone",
    [WRONG_GONE_BETWEEN] = "gone-between",
};
G_STATIC_ASSERT(G_N_ELEMENTS(wrong_names) == WRONG_COUNT);

static Lab *fault_lab;

/* ---- QEMU ---- */

void
lab_send(Lab *lab, const char *text)
{
    if (lab->fd >= 0)
        g_assert_cmpint(send(lab->fd, text, strlen(text), MSG_NOSIGNAL), ==, (gssize)strlen(text));
}

static void
lab_status(Lab *lab, const char *status)
{
    lab->status = status;
    if (lab->caps_on > 0) {
        g_autofree char *text = g_strdup_printf("{\"event\":\"MIGRATION\",\"data\":{\"status\":\"%s\"},"
                                                "\"timestamp\":{\"seconds\":1,\"microseconds\":2}}\r\n",
                                                status);

        lab_send(lab, text);
    }
}

static void
lab_replug(Lab *lab)
{
    if (lab->device_exists)
        lab->plugged = lab->has_primary;
}

gboolean
lab_is_active(const Lab *lab)
{
    return vt_mig_status_is_active(vt_mig_status_parse(lab->status));
}

static void
lab_fail(Lab *lab, const char *why)
{
    lab->error_desc = why;
    lab_replug(lab);
    if (lab->ran)
        lab->run_state = "running";
    lab_status(lab, "failed");
}

static void
lab_ejected(Lab *lab)
{
    lab->plugged = FALSE;
    lab_status(lab, "active");
    if (!lab->sends_on)
        lab_status(lab, "pre-switchover");
}

static void
lab_migrate(Lab *lab, const char *uri)
{
    lab->error_desc = NULL;
    if (g_str_equal(uri, NOWHERE)) {
        lab->ran = FALSE;
        lab_fail(lab, "No such file or directory");
        return;
    }
    lab->ran = g_str_equal(lab->run_state, "running");
    lab_status(lab, "setup");
    if (!lab->has_primary || !lab->plugged) {
        lab_ejected(lab);
        return;
    }
    lab_send(lab, "{\"event\":\"UNPLUG_PRIMARY\",\"data\":{\"device-id\":\"ua-vf0\"},"
                  "\"timestamp\":{\"seconds\":1,\"microseconds\":2}}\r\n");
    lab_status(lab, "wait-unplug");
    if (lab->ejects_after == 0)
        lab_ejected(lab);
}

static void
lab_set_parameters(Lab *lab, JsonNode *args)
{
    lab->bandwidth = vt_json_int_or(args, "max-bandwidth", lab->bandwidth);
    g_string_append_printf(lab->downtimes, " %" G_GINT64_FORMAT, vt_json_int_or(args, "downtime-limit", -1));
}

static void
lab_set_capabilities(Lab *lab, JsonNode *args)
{
    JsonArray *array = json_object_get_array_member(json_node_get_object(args), "capabilities");

    lab->caps_on = 0;
    for (guint i = 0; i < json_array_get_length(array); i++)
        lab->caps_on += json_object_get_boolean_member(json_array_get_object_element(array, i), "state");
}

static char *
lab_query_migrate(Lab *lab)
{
    if (lab->error_desc && g_str_equal(lab->status, "failed"))
        return g_strdup_printf("{\"status\":\"failed\",\"error-desc\":\"%s\"}", lab->error_desc);
    return g_strdup_printf("{\"status\":\"%s\"}", lab->status);
}

/* QEMU tells that a migration is completed before its thread is done with it. */
static char *
lab_query_status(Lab *lab)
{
    char *answer = g_strdup_printf("{\"status\":\"%s\",\"running\":%s}", lab->run_state,
                                   g_str_equal(lab->run_state, "running") ? "true" : "false");

    if (g_str_equal(lab->run_state, "finish-migrate") && --lab->ending == 0)
        lab->run_state = "postmigrate";
    return answer;
}

/* What a command does; the answer's value (transfer full), what it does later comes behind the answer. */
static char *
lab_answer(Lab *lab, const char *command, JsonNode *args)
{
    if (g_str_equal(command, "query-migrate"))
        return lab_query_migrate(lab);
    if (g_str_equal(command, "query-migrate-parameters"))
        return g_strdup_printf("{\"max-bandwidth\":%" G_GINT64_FORMAT ",\"tls-creds\":\"\"}", lab->bandwidth);
    if (g_str_equal(command, "query-status"))
        return lab_query_status(lab);
    if (g_str_equal(command, "qom-list"))
        return g_strdup(lab->device_exists ? "[{\"name\":\"ua-net0\"},{\"name\":\"ua-vf0\"}]"
                                           : "[{\"name\":\"ua-net0\"}]");
    if (g_str_equal(command, "human-monitor-command")) {
        lab->device_exists = lab->plugged = TRUE;
        return g_strdup("\"\"");
    }
    if (g_str_equal(command, "migrate-set-capabilities"))
        lab_set_capabilities(lab, args);
    else if (g_str_equal(command, "migrate-set-parameters"))
        lab_set_parameters(lab, args);
    else if (g_str_equal(command, "cont"))
        lab->run_state = "running";
    else if (g_str_equal(command, "stop"))
        lab->run_state = "paused";
    return g_strdup("{}");
}

void
lab_afterwards(Lab *lab, const char *command, JsonNode *args)
{
    if (g_str_equal(command, "migrate")) {
        lab_migrate(lab, vt_json_string_or(args, "uri", ""));
    } else if (g_str_equal(command, "migrate-incoming")) {
        lab_status(lab, "setup");
    } else if (g_str_equal(command, "migrate-continue")) {
        lab_status(lab, "device");
        lab->run_state = lab->ending ? "finish-migrate" : "postmigrate";
        lab_status(lab, "completed");
    } else if (g_str_equal(command, "migrate_cancel") && lab_is_active(lab)) {
        lab_status(lab, "cancelling");
        lab_replug(lab);
        if (lab->ran)
            lab->run_state = "running";
        lab_status(lab, "cancelled");
    } else if (g_str_equal(command, "device_del")) {
        lab->asked++;
        if (lab->asked == lab->ejects_after && g_str_equal(lab->status, "wait-unplug"))
            lab_ejected(lab);
    }
}

static void
lab_note(Lab *lab, const char *command, JsonNode *args)
{
    const char *uri = vt_json_string_or(args, "uri", NULL);
    const char *id = vt_json_string_or(args, "id", NULL);

    if (g_str_equal(command, "query-migrate") || g_str_equal(command, "qmp_capabilities"))
        return;
    g_string_append_printf(lab->log, "%s%s", lab->log->len ? " " : "", command);
    if (uri && g_str_equal(uri, NOWHERE))
        g_string_append(lab->log, ":nowhere");
    if (id && g_str_equal(command, "device_del"))
        g_string_append_printf(lab->log, ":%s", id);
}

static void
lab_line(Lab *lab, const char *line)
{
    g_autoptr(JsonNode) root = vt_json_parse(line, strlen(line), NULL);
    JsonNode *args = vt_json_find(root, "arguments");
    const char *command = vt_json_string_or(root, "execute", "");
    g_autofree char *id = json_to_string(json_object_get_member(json_node_get_object(root), "id"), FALSE);
    g_autofree char *value = NULL;
    g_autofree char *reply = NULL;

    lab_note(lab, command, args);
    /* It refuses the one then, and aborts at the other. */
    if (g_str_equal(command, "cont") || g_str_equal(command, "migrate"))
        g_assert_cmpstr(lab->run_state, !=, "finish-migrate");
    /* QEMU sends no guest that stands where an earlier migration left it. */
    if (g_str_equal(command, "migrate") && g_str_equal(lab->run_state, "postmigrate"))
        lab->refuse_next = TRUE;
    if (lab->refuse_next && !g_str_equal(command, "query-migrate")) {
        lab->refuse_next = FALSE;
        reply = g_strdup_printf("{\"error\":{\"class\":\"GenericError\",\"desc\":\"no\"},\"id\":%s}\r\n", id);
        lab_send(lab, reply);
        return;
    }
    value = lab_answer(lab, command, args);
    reply = g_strdup_printf("{\"return\":%s,\"id\":%s}\r\n", value, id);
    lab_send(lab, reply);
    lab_afterwards(lab, command, args);
}

static gboolean
lab_readable(gint fd, GIOCondition condition, gpointer user)
{
    Lab *lab = user;
    char chunk[4096];
    gssize n = recv(fd, chunk, sizeof chunk, MSG_DONTWAIT);
    char *end;

    if (n <= 0) {
        lab->watch = 0;
        return G_SOURCE_REMOVE;
    }
    g_string_append_len(lab->input, chunk, n);
    while ((end = strchr(lab->input->str, '\n'))) {
        g_autofree char *line = g_strndup(lab->input->str, (gsize)(end - lab->input->str));

        g_string_erase(lab->input, 0, end - lab->input->str + 1);
        lab_line(lab, line);
    }
    return G_SOURCE_CONTINUE;
}

static void
lab_freeze(Lab *lab, gboolean frozen)
{
    if (lab->frozen == frozen || lab->fd < 0)
        return;
    lab->frozen = frozen;
    g_clear_handle_id(&lab->watch, g_source_remove);
    if (!frozen)
        lab->watch = g_unix_fd_add(lab->fd, G_IO_IN | G_IO_HUP, lab_readable, lab);
}

static void
lab_die(Lab *lab)
{
    g_clear_handle_id(&lab->watch, g_source_remove);
    if (lab->fd >= 0)
        close(lab->fd);
    lab->fd = -1;
    lab->ready = FALSE;
    g_clear_pointer(&lab->client, vt_qmp_client_free);
    if (lab->src)
        vt_mig_src_gone(lab->src, "QEMU has ended");
    if (lab->dst)
        vt_mig_dst_gone(lab->dst, "QEMU has ended");
}

/* ---- the client's side ---- */

static void
lab_event(VtQmpClient *client, const VtQmpEvent *event, gpointer user)
{
    Lab *lab = user;

    if (lab->src)
        vt_mig_src_event(lab->src, event);
    if (lab->dst)
        vt_mig_dst_event(lab->dst, event);
}

static void
lab_closed(VtQmpClient *client, const GError *why, gpointer user)
{
}

static void
lab_ready(gpointer user, const GError *error)
{
    g_assert_no_error(error);
    ((Lab *)user)->ready = TRUE;
}

static VtQmpClient *
lab_qmp(gpointer user)
{
    return ((Lab *)user)->client;
}

static gboolean
lab_should_run(gpointer user)
{
    return ((Lab *)user)->should_run;
}

static void
lab_team(const char *persistent, const char *what, gpointer user)
{
    Lab *lab = user;

    g_string_append_printf(lab->told, "%s%s:%s", lab->told->len ? " " : "", persistent ? persistent : "-",
                           what);
}

void
lab_done(gpointer user, const GError *error)
{
    Lab *lab = user;

    g_assert_false(lab->done);
    lab->done = TRUE;
    lab->error = error ? g_error_copy(error) : NULL;
}

/* ---- what goes wrong ---- */

static gboolean
lab_fault(const VtSeqTable *table, const VtStep *step, GError **error)
{
    Lab *lab = fault_lab;

    if (lab->wrong != WRONG_FAULT || table != lab->table || step != lab->step)
        return TRUE;
    lab->hit = TRUE;
    return vt_error_set(error, VT_ERROR_OPERATION_FAILED, "injected");
}

static gboolean
lab_later(gpointer user)
{
    Lab *lab = user;

    lab->timer = 0;
    if (lab->wrong == WRONG_GONE) {
        lab_die(lab);
    } else if (lab->wrong == WRONG_GONE_BETWEEN) {
        VtSeq *seq = lab->entered;

        lab_die(lab);
        vt_seq_enter_done(seq);
    } else if (lab->wrong == WRONG_CANCELLED) {
        GError *error = g_error_new(VT_ERROR, VT_ERROR_ABORTED, "a client cancels");

        lab->cancel_accepted = vt_mig_src_cancel(lab->src, error);
        if (!lab->cancel_accepted)
            lab_freeze(lab, FALSE);
    } else {
        lab_freeze(lab, FALSE);
        lab_fail(lab, "Connection reset");
    }
    return G_SOURCE_REMOVE;
}

/* Steps that ask nothing: QEMU's own migration goes wrong there. */
gboolean
lab_only_waits(const VtStep *step)
{
    return g_str_equal(step->name, "wait-unplug") || g_str_equal(step->name, "transfer") ||
           g_str_equal(step->name, "cancel") || g_str_equal(step->name, "await");
}

static gboolean
lab_enter(VtSeq *seq, const VtStep *step, VtSeqDirection direction, gpointer user)
{
    Lab *lab = user;

    if (direction == VT_SEQ_UNDO || step != lab->step || vt_seq_table(seq) != lab->table ||
        lab->wrong == WRONG_NOT || lab->wrong == WRONG_FAULT || lab->hit) {
        lab_freeze(lab, FALSE);
        return TRUE;
    }
    lab->hit = TRUE;
    lab->entered = seq;
    if (lab->wrong == WRONG_REFUSED && !lab_only_waits(step)) {
        lab->refuse_next = TRUE;
        return TRUE;
    }
    lab_freeze(lab, TRUE);
    if (lab->wrong == WRONG_SILENT)
        vt_seq_set_timeout(seq, 20);
    else
        lab->timer = g_timeout_add(5, lab_later, lab);
    return lab->wrong != WRONG_GONE_BETWEEN;
}

/* ---- one run ---- */

static const VtMigSrcFuncs lab_src_funcs = { .qmp = lab_qmp, .should_run = lab_should_run, .team = lab_team };
static const VtMigDstFuncs lab_dst_funcs = { .qmp = lab_qmp };

static void
lab_open(Lab *lab, gboolean teamed)
{
    const VtQmpClientFuncs funcs = { .event = lab_event, .closed = lab_closed };
    int pair[2];

    *lab = (Lab){ .status = "none",
                  .run_state = "running",
                  .should_run = TRUE,
                  .bandwidth = 4242,
                  .has_primary = teamed,
                  .plugged = teamed,
                  .device_exists = teamed,
                  .input = g_string_new(NULL),
                  .log = g_string_new(NULL),
                  .downtimes = g_string_new(NULL),
                  .told = g_string_new(NULL) };
    fault_lab = lab;
    vt_seq_set_fault_hook(lab_fault);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    lab->fd = pair[0];
    lab->watch = g_unix_fd_add(pair[0], G_IO_IN | G_IO_HUP, lab_readable, lab);
    lab_send(lab, "{\"QMP\":{\"version\":{\"qemu\":{\"micro\":0,\"minor\":2,\"major\":7},\"package\":\"\"},"
                  "\"capabilities\":[]}}\r\n");
    lab->client = vt_qmp_client_new(pair[1], &funcs, lab, 5000, lab_ready, lab);
    while (!lab->ready)
        g_main_context_iteration(NULL, TRUE);
}

void
lab_open_src(Lab *lab, gboolean teamed, gboolean live, guint unplug_timeout_ms, guint retries)
{
    const VtMigSrcTeam team = { .persistent = (char *)"ua-net0",
                                .transient = (char *)"ua-vf0",
                                .device = (char *)"vfio-pci,id=ua-vf0" };
    const VtMigParams params = { .flags = live ? VT_MIG_FLAG_LIVE : 0 };
    const VtMigSrcParams src_params = {
        .uri = "tcp:two:49152",
        .params = &params,
        .limits = { .bandwidth_bytes_per_s = 1000 },
        .unplug_timeout_ms = unplug_timeout_ms,
        .unplug_retries = retries,
        .teams = &team,
        .n_teams = teamed ? 1 : 0,
        .hooks = { .enter = lab_enter, .user = lab },
    };

    lab_open(lab, teamed);
    lab->src = vt_mig_src_new(&src_params, &lab_src_funcs, lab);
}

void
lab_open_dst(Lab *lab)
{
    const VtSeqHooks hooks = { .enter = lab_enter, .user = lab };

    lab_open(lab, FALSE);
    lab->run_state = "inmigrate";
    lab->dst = vt_mig_dst_new(NULL, &hooks, &lab_dst_funcs, lab);
}

void
lab_wait(Lab *lab)
{
    gint64 deadline = g_get_monotonic_time() + 120 * G_USEC_PER_SEC;

    while (!lab->done) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        if (!g_main_context_iteration(NULL, FALSE))
            g_usleep(300);
    }
}

void
lab_close(Lab *lab)
{
    vt_seq_set_fault_hook(NULL);
    g_clear_handle_id(&lab->timer, g_source_remove);
    g_clear_pointer(&lab->src, vt_mig_src_free);
    g_clear_pointer(&lab->dst, vt_mig_dst_free);
    lab_die(lab);
    while (g_main_context_iteration(NULL, FALSE))
        continue;
    g_clear_error(&lab->error);
    g_string_free(lab->input, TRUE);
    g_string_free(lab->log, TRUE);
    g_string_free(lab->downtimes, TRUE);
    g_string_free(lab->told, TRUE);
}

/* Whole words of the log. */
gboolean
lab_did(const Lab *lab, const char *command)
{
    g_auto(GStrv) words = g_strsplit(lab->log->str, " ", -1);

    return g_strv_contains((const char *const *)words, command);
}
