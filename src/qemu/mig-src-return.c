/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * 'migrate-return': the guest runs at the source again. QEMU resumes it by itself when a migration fails or is
 * cancelled before 'completed', if it ran before. After 'completed' it stands in 'postmigrate': cont resumes it, but its primaries stay away: only the
 * end of a failed migration plugs them again. So one is begun that cannot get anywhere (a socket below /proc
 * that cannot exist); it fails before a byte is sent and does not ask the guest to eject anything. While a client
 * keeps the guest suspended QEMU takes no migration: the return ends there, and is run again when it is resumed. [Source:
 * QEMU hw/net/virtio-net.c, virtio_net_handle_migration_primary; migration/migration.c, migrate_fd_connect.]
 */
#define VT_LOG_DOMAIN "virtteam-qemu-mig-src"
#include "qemu/mig-src.h"

#include "qemu/mig-private.h"
#include "util/i18n.h"
#include "util/json.h"
#include "util/log.h"
#include "util/message-id.h"

#define MIG_SRC_NOWHERE "unix:/proc/virtteam-nowhere"
#define MIG_SRC_END_MS  10

static gboolean mig_src_ask_end(gpointer user);

static void
mig_src_got_end(gpointer user, JsonNode *result, const GError *error)
{
    VtMigSrc *src = user;

    if (error)
        vt_mig_src_step_failed(src, g_error_copy(error));
    else if (g_str_equal(vt_json_string_or(result, "status", ""), "finish-migrate"))
        src->step_timer = g_timeout_add(MIG_SRC_END_MS, mig_src_ask_end, src);
    else
        vt_mig_src_step_done(src);
}

/*
 * QEMU tells the end of a migration before the thread that made it has looked at that. Until it has, QEMU refuses
 * 'cont' ("Migration is not finalized yet"), and aborts when the next migration begins. [Source: QEMU
 * migration/migration.c, migration_iteration_finish; seen with 7.2.]
 */
static gboolean
mig_src_ask_end(gpointer user)
{
    VtMigSrc *src = user;
    g_autoptr(GError) error = NULL;

    src->step_timer = 0;
    if (vt_mig_src_ask(src, "query-status", NULL, mig_src_got_end, &error) != VT_STEP_WAIT)
        vt_mig_src_step_failed(src, g_steal_pointer(&error));
    return G_SOURCE_REMOVE;
}

static void
mig_src_cancel_status(VtMigSrc *src, VtMigStatus status)
{
    if (!vt_mig_status_is_active(status)) {
        src->on_status = NULL;
        mig_src_ask_end(src);
        return;
    }
    if (src->cancelling || status == VT_MIG_STATUS_CANCELLING)
        return;
    src->cancelling =
        vt_mig_calls_ask(src->polls, "migrate_cancel", NULL, VT_MIG_SRC_ANSWER_MS, NULL, NULL, NULL);
}

/* Ask what there is to cancel; the answer, and each later change, comes to mig_src_cancel_status(). */
static VtStepResult
step_cancel(VtSeq *seq, gpointer data, GError **error)
{
    VtMigSrc *src = data;

    vt_mig_src_begin_step(src);
    if (src->gone)
        return VT_STEP_DONE;
    vt_mig_src_phase(src, "return");
    src->begun = TRUE;
    src->cancelling = FALSE;
    src->on_status = mig_src_cancel_status;
    vt_mig_src_start_polling(src);
    vt_mig_src_poll(src);
    return VT_STEP_WAIT;
}

static void
mig_src_got_run_state(gpointer user, JsonNode *result, const GError *error)
{
    VtMigSrc *src = user;
    g_autoptr(GError) local = NULL;

    if (error)
        vt_mig_src_step_failed(src, g_error_copy(error));
    else if (vt_json_bool_or(result, "running", FALSE) || !src->funcs.should_run(src->user))
        vt_mig_src_step_done(src);
    else if (vt_mig_src_ask(src, "cont", NULL, vt_mig_src_answered, &local) != VT_STEP_WAIT)
        vt_mig_src_step_failed(src, g_steal_pointer(&local));
}

static VtStepResult
step_resume(VtSeq *seq, gpointer data, GError **error)
{
    VtMigSrc *src = data;

    vt_mig_src_begin_step(src);
    if (src->gone)
        return VT_STEP_DONE;
    return vt_mig_src_ask(src, "query-status", NULL, mig_src_got_run_state, error);
}

static void
mig_src_nowhere_status(VtMigSrc *src, VtMigStatus status)
{
    if (status == VT_MIG_STATUS_FAILED || status == VT_MIG_STATUS_CANCELLED)
        vt_mig_src_step_done(src);
}

/* One that was refused before it began has plugged nothing: the last migration is still the completed one. */
static void
mig_src_refused_status(VtMigSrc *src, VtMigStatus status)
{
    if (status == VT_MIG_STATUS_FAILED || status == VT_MIG_STATUS_CANCELLED) {
        vt_mig_src_step_done(src);
        return;
    }
    src->awaits_resume = TRUE;
    vt_mig_src_step_failed(
        src, g_error_new(VT_ERROR, VT_ERROR_OPERATION_FAILED,
                         _("the primaries could not be plugged in again: %s; the guest is on standby"),
                         src->error_desc));
}

/* QEMU may accept and fail at once, or fail in its answer: both have plugged the primaries again. */
static void
mig_src_nowhere_answered(gpointer user, JsonNode *result, const GError *error)
{
    VtMigSrc *src = user;

    if (error) {
        g_free(src->error_desc);
        src->error_desc = g_strdup(error->message);
    }
    src->on_status = error ? mig_src_refused_status : mig_src_nowhere_status;
    vt_mig_src_poll(src);
}

static VtStepResult
step_replug(VtSeq *seq, gpointer data, GError **error)
{
    VtMigSrc *src = data;

    vt_mig_src_begin_step(src);
    src->awaits_resume = FALSE;
    if (src->gone || src->teams->len == 0 || !src->completed)
        return VT_STEP_DONE;
    /* In 'postmigrate' QEMU refuses any migration, and what it refuses so early plugs nothing. */
    if (!src->funcs.should_run(src->user)) {
        src->awaits_resume = TRUE;
        return VT_STEP_DONE;
    }
    vt_mig_src_phase(src, "replug");
    return vt_mig_src_ask(src, "migrate",
                          vt_json_node_new(vt_json_object_new("s:uri", MIG_SRC_NOWHERE, NULL)),
                          mig_src_nowhere_answered, error);
}

static gboolean
mig_src_has_device(JsonNode *list, const char *id)
{
    JsonArray *array = list && JSON_NODE_HOLDS_ARRAY(list) ? json_node_get_array(list) : NULL;

    for (guint i = 0; array && i < json_array_get_length(array); i++) {
        JsonNode *entry = json_array_get_element(array, i);

        if (g_strcmp0(vt_json_string_or(entry, "name", NULL), id) == 0)
            return TRUE;
    }
    return FALSE;
}

/* HMP answers with text: nothing when it went well. */
static void
mig_src_device_added(gpointer user, JsonNode *result, const GError *error)
{
    const char *text =
        result && json_node_get_value_type(result) == G_TYPE_STRING ? json_node_get_string(result) : "";
    VtMigSrc *src = user;

    if (error)
        vt_mig_src_step_failed(src, g_error_copy(error));
    else if (*text)
        vt_mig_src_step_failed(
            src,
            g_error_new(VT_ERROR, VT_ERROR_OPERATION_FAILED,
                        _("a primary could not be plugged in again: %s; the guest is on standby"), text));
    else
        vt_mig_src_step_done(src);
}

static void
mig_src_got_devices(gpointer user, JsonNode *result, const GError *error)
{
    VtMigSrc *src = user;
    g_autoptr(GString) line = g_string_new(NULL);
    g_autoptr(GError) local = NULL;

    if (error) {
        vt_mig_src_step_failed(src, g_error_copy(error));
        return;
    }
    for (guint i = 0; i < src->teams->len; i++) {
        const VtMigSrcTeam *team = &g_array_index(src->teams, VtMigSrcTeam, i);

        if (mig_src_has_device(result, team->transient)) {
            if (src->funcs.team)
                src->funcs.team(team->persistent, "replugged", src->user);
        } else if (team->device && line->len == 0) {
            g_string_printf(line, "device_add %s", team->device);
        } else {
            vt_log_id_warning(VT_MESSAGE_PRIMARY_LOST, NULL, "primary '%s' of team '%s' has not come back",
                              team->transient, team->persistent);
        }
    }
    if (line->len == 0)
        vt_mig_src_step_done(src);
    else if (vt_mig_src_ask(src, "human-monitor-command",
                            vt_json_node_new(vt_json_object_new("s:command-line", line->str, NULL)),
                            mig_src_device_added, &local) != VT_STEP_WAIT)
        vt_mig_src_step_failed(src, g_steal_pointer(&local));
}

/* A primary that somebody removed for good meanwhile is plugged in anew. */
static VtStepResult
step_check_primaries(VtSeq *seq, gpointer data, GError **error)
{
    VtMigSrc *src = data;

    vt_mig_src_begin_step(src);
    vt_mig_src_stop_polling(src);
    if (src->gone || src->teams->len == 0 || src->awaits_resume)
        return VT_STEP_DONE;
    return vt_mig_src_ask(src, "qom-list",
                          vt_json_node_new(vt_json_object_new("s:path", "/machine/peripheral", NULL)),
                          mig_src_got_devices, error);
}

/* ---- the table ---- */

static const VtStep mig_src_return_steps[] = {
    { .name = "cancel",
      .waits_for = "no migration under way, nor its end",
      .start = step_cancel,
      .timeout_ms = VT_MIG_SRC_CANCEL_MS },
    { .name = "resume",
      .waits_for = "QEMU's answers",
      .start = step_resume,
      .timeout_ms = VT_MIG_SRC_ANSWER_MS },
    { .name = "replug",
      .waits_for = "a migration to nowhere has failed",
      .start = step_replug,
      .timeout_ms = VT_MIG_SRC_ANSWER_MS },
    { .name = "check-primaries",
      .waits_for = "QEMU's answers",
      .start = step_check_primaries,
      .timeout_ms = VT_MIG_SRC_ANSWER_MS },
};

static const VtSeqTable mig_src_return_table = {
    .name = "migrate-return",
    .steps = mig_src_return_steps,
    .n_steps = G_N_ELEMENTS(mig_src_return_steps),
    .keep_going = TRUE,
};

gboolean
vt_mig_src_awaits_resume(const VtMigSrc *src)
{
    return src->awaits_resume;
}

const VtSeqTable *
vt_mig_src_return_table(void)
{
    return &mig_src_return_table;
}
