/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * At most one operation of the back end is under way, in a thread. It carries out what was wanted when it began;
 * what has been asked for meanwhile is carried out by the next one. Each waiter has the number of the operation
 * that has seen its wish: it is told when that one ends.
 */
#include "datapath/team-path.h"

#include "datapath/bridge.h"
#include "util/file.h"
#include "util/json.h"

#define VT_LOG_DOMAIN "virtteam-datapath-team-path"
#include "util/log.h"

#include <gio/gio.h>

#include <string.h>

#define TEAM_PATH_LOOK_INTERVAL_MS 50
#define TEAM_PATH_LOOKS_UNSURE     20 /* one look of so many, when nothing has been seen for a long time */
#define TEAM_PATH_NOTE_MAX_BYTES   (1024 * 1024)

typedef struct {
    guint64 operation; /* told when this one has ended */
    VtDoneFunc done;
    gpointer user;
} TeamPathWaiter;

struct _VtTeamPath {
    char *note_path;
    VtTeamPathFuncs funcs;
    gpointer user;
    VtBackend backend;
    VtHandover handover;
    guint look_interval_ms;
    guint look_timer;
    guint looks;
    guint deadline_timer;
    gboolean has_baseline;
    guint64 baseline; /* frames that the primary had sent when we began to look */
    VtFeed in_force;
    gboolean in_force_known; /* FALSE after a failure, and after a restart */
    gboolean primary_changed;
    char *primary; /* for the next operation, when primary_changed */
    gboolean busy;
    gboolean dead;
    guint64 operation; /* number of the present or last one */
    GQueue waiters;    /* of TeamPathWaiter */
};

/* What a thread works with; nobody else touches the back end meanwhile. */
typedef struct {
    VtTeamPath *path;
    VtBackend backend;
    char *note_path;
    VtFeed feed;
    const char *state;
} TeamPathWork;

static void team_path_kick(VtTeamPath *path);
static void team_path_arm(VtTeamPath *path);

static gint64
team_path_now_ms(void)
{
    return g_get_monotonic_time() / 1000;
}

static void
team_path_destroy(VtTeamPath *path)
{
    g_queue_clear_full(&path->waiters, g_free);
    vt_backend_clear(&path->backend);
    g_free(path->note_path);
    g_free(path->primary);
    g_free(path);
}

void
vt_team_path_free(VtTeamPath *path)
{
    if (!path)
        return;
    if (path->look_timer)
        g_source_remove(path->look_timer);
    if (path->deadline_timer)
        g_source_remove(path->deadline_timer);
    path->look_timer = 0;
    path->deadline_timer = 0;
    path->dead = TRUE;
    if (!path->busy)
        team_path_destroy(path);
}

/* ---- in the thread ---- */

static gboolean
team_path_write_note(const TeamPathWork *work, GError **error)
{
    g_autoptr(JsonObject) root = vt_json_object_new("s:state", work->state, "o:note",
                                                    work->backend.funcs->note(work->backend.state), NULL);
    g_autofree char *text = vt_json_object_to_string(root);

    return vt_file_write_atomic(work->note_path, text, strlen(text), 0600, error);
}

static gboolean
team_path_work(const TeamPathWork *work, GError **error)
{
    const VtBackendFuncs *funcs = work->backend.funcs;
    gpointer state = work->backend.state;
    gboolean noted = FALSE;

    if (work->feed == VT_FEED_RELEASED)
        return funcs->apply(state, work->feed, error) && vt_file_remove(work->note_path, error);
    if (!funcs->prepare(state, work->feed, &noted, error))
        return FALSE;
    if (noted && !team_path_write_note(work, error))
        return FALSE;
    if (!funcs->apply(state, work->feed, error))
        return FALSE;
    /* The state only tells a heir where to go on; what it has to take back is on the disk already. */
    return noted || team_path_write_note(work, error);
}

static void
team_path_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    GError *error = NULL;

    if (team_path_work(data, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

/* ---- in the main loop ---- */

static void
team_path_tell_waiters(VtTeamPath *path, guint64 operation, const GError *error)
{
    gboolean told = FALSE;

    /* A waiter may send the next event, and may free the path. */
    while (!path->dead && !g_queue_is_empty(&path->waiters)) {
        TeamPathWaiter *head = g_queue_peek_head(&path->waiters);
        g_autofree TeamPathWaiter *waiter = NULL;

        if (head->operation > operation)
            break;
        waiter = g_queue_pop_head(&path->waiters);
        told = TRUE;
        waiter->done(waiter->user, error);
    }
    if (!error || told || path->dead)
        return;
    vt_log_warning("The datapath of a team could not be switched: %s", error->message);
    if (path->funcs.failed)
        path->funcs.failed(path->user, error);
}

static void
team_path_ended(GObject *source, GAsyncResult *result, gpointer user)
{
    TeamPathWork *work = g_task_get_task_data(G_TASK(result));
    VtTeamPath *path = work->path;
    VtFeed feed = work->feed;
    g_autoptr(GError) error = NULL;

    path->in_force_known = g_task_propagate_boolean(G_TASK(result), &error);
    path->in_force = feed;
    if (!path->dead)
        team_path_tell_waiters(path, path->operation, error);
    path->busy = FALSE;
    if (path->dead) {
        team_path_destroy(path);
        return;
    }
    /* After a failure only a new wish starts the next operation, else it would spin. */
    if (!error || !g_queue_is_empty(&path->waiters) || vt_handover_feed(&path->handover) != feed)
        team_path_kick(path);
    team_path_arm(path);
}

static void
team_path_work_free(gpointer data)
{
    TeamPathWork *work = data;

    g_free(work->note_path);
    g_free(work);
}

static gboolean
team_path_wants_work(const VtTeamPath *path)
{
    VtFeed feed = vt_handover_feed(&path->handover);

    if (path->primary_changed && feed != VT_FEED_RELEASED)
        return TRUE;
    return !path->in_force_known || path->in_force != feed || path->waiters.length > 0;
}

/* Start the next operation when one is wanted and none is under way. */
static void
team_path_kick(VtTeamPath *path)
{
    g_autoptr(GTask) task = NULL;
    TeamPathWork *work;

    if (path->busy || path->dead || !team_path_wants_work(path))
        return;
    if (path->primary_changed && path->backend.funcs->set_primary)
        path->backend.funcs->set_primary(path->backend.state, path->primary);
    path->primary_changed = FALSE;
    path->busy = TRUE;
    path->operation++;
    work = g_new0(TeamPathWork, 1);
    work->path = path;
    work->backend = path->backend;
    work->note_path = g_strdup(path->note_path);
    work->feed = vt_handover_feed(&path->handover);
    work->state = vt_handover_state_name(path->handover.state);
    task = g_task_new(NULL, NULL, team_path_ended, NULL);
    g_task_set_task_data(task, work, team_path_work_free);
    g_task_run_in_thread(task, team_path_thread);
}

/* An event of our own (a sign, the time) or of somebody else; the operation that it wants is not started yet. */
static gboolean
team_path_transition(VtTeamPath *path, VtHandoverEvent event)
{
    VtHandoverOutcome outcome;
    gboolean taken = vt_handover_event(&path->handover, event, team_path_now_ms(), &outcome);

    if (outcome.from != outcome.to)
        vt_log_debug("%s: %s -> %s", vt_handover_event_name(event), vt_handover_state_name(outcome.from),
                     vt_handover_state_name(outcome.to));
    else if (!taken)
        vt_log_debug("%s: makes no sense in state %s", vt_handover_event_name(event),
                     vt_handover_state_name(outcome.from));
    if (outcome.from != outcome.to && path->funcs.changed)
        path->funcs.changed(path->user, &outcome);
    return taken;
}

static void
team_path_own_event(VtTeamPath *path, VtHandoverEvent event)
{
    team_path_transition(path, event);
    team_path_kick(path);
    team_path_arm(path);
}

static void
team_path_look_once(VtTeamPath *path)
{
    VtLifeSigns signs = { 0 };

    if (path->busy || !path->backend.funcs->look || !path->backend.funcs->look(path->backend.state, &signs))
        return;
    if (!path->has_baseline) {
        path->has_baseline = TRUE;
        path->baseline = signs.frames;
    }
    if (signs.frames < path->baseline)
        path->baseline = signs.frames; /* another interface of the same name */
    if (signs.frames > path->baseline)
        team_path_own_event(path, VT_HANDOVER_PRIMARY_SPEAKS);
    else if (signs.stirs && path->handover.state != VT_HANDOVER_STIRRING)
        team_path_own_event(path, VT_HANDOVER_PRIMARY_STIRS);
}

static gboolean
team_path_look(gpointer user)
{
    VtTeamPath *path = user;
    guint timer = path->look_timer;

    if (path->handover.state == VT_HANDOVER_UNSURE && ++path->looks % TEAM_PATH_LOOKS_UNSURE != 0)
        return G_SOURCE_CONTINUE;
    team_path_look_once(path);
    return path->look_timer == timer ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static gboolean
team_path_deadline(gpointer user)
{
    VtTeamPath *path = user;

    path->deadline_timer = 0;
    team_path_own_event(path, VT_HANDOVER_TICK);
    return G_SOURCE_REMOVE;
}

/* Timers follow the state. */
static void
team_path_arm(VtTeamPath *path)
{
    gboolean wants = vt_handover_wants_signs(&path->handover);

    if (path->dead)
        return;
    if (path->deadline_timer)
        g_source_remove(path->deadline_timer);
    path->deadline_timer = 0;
    if (path->handover.deadline_ms >= 0)
        path->deadline_timer =
            g_timeout_add((guint)CLAMP(path->handover.deadline_ms - team_path_now_ms(), 0, G_MAXINT),
                          team_path_deadline, path);
    if (!wants) {
        path->has_baseline = FALSE;
        if (path->look_timer)
            g_source_remove(path->look_timer);
        path->look_timer = 0;
    } else if (!path->look_timer) {
        path->look_timer = g_timeout_add(path->look_interval_ms, team_path_look, path);
    }
}

VtTeamPath *
vt_team_path_new(const VtTeamPathSpec *spec, const VtBackend *backend)
{
    VtTeamPath *path = g_new0(VtTeamPath, 1);

    path->note_path = g_strdup(spec->note_path);
    path->funcs = spec->funcs;
    path->user = spec->user;
    path->backend = *backend;
    path->look_interval_ms = spec->look_interval_ms ? spec->look_interval_ms : TEAM_PATH_LOOK_INTERVAL_MS;
    vt_handover_init(&path->handover, &spec->params);
    path->in_force = VT_FEED_RELEASED;
    path->in_force_known = TRUE;
    g_queue_init(&path->waiters);
    return path;
}

/* Which back end a note is of. */
static const struct {
    const char *name;
    gboolean (*from_note)(JsonNode *note, VtNetlink *netlink, VtBackend *backend, GError **error);
} team_path_backends[] = {
    { .name = "bridge", .from_note = vt_bridge_from_note },
};

static gboolean
team_path_read_note(const char *text, gsize length, VtBackend *backend, VtHandoverState *state,
                    GError **error)
{
    g_autoptr(JsonNode) root = vt_json_parse(text, length, error);
    g_autoptr(VtNetlink) netlink = NULL;
    JsonNode *note;
    const char *state_name, *name;

    if (!root || !vt_json_get_string(root, "state", &state_name, error) ||
        !vt_json_get_string(root, "note.backend", &name, error))
        return FALSE;
    note = vt_json_find(root, "note");
    if (!vt_handover_state_parse(state_name, state))
        return vt_error_set(error, VT_ERROR_INVALID_ARG, "There is no state '%s' of a team's datapath.",
                            state_name);
    netlink = vt_netlink_new(error);
    if (!netlink)
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(team_path_backends); i++)
        if (strcmp(team_path_backends[i].name, name) == 0)
            return team_path_backends[i].from_note(note, g_steal_pointer(&netlink), backend, error);
    return vt_error_set(error, VT_ERROR_INVALID_ARG, "There is no back end '%s' for a team's datapath.",
                        name);
}

VtTeamPath *
vt_team_path_load(const VtTeamPathSpec *spec, GError **error)
{
    gsize length = 0;
    g_autofree char *text = vt_file_read(spec->note_path, TEAM_PATH_NOTE_MAX_BYTES, &length, error);
    VtHandoverState state;
    VtBackend backend;
    VtTeamPath *path;

    if (!text)
        return NULL;
    if (!team_path_read_note(text, length, &backend, &state, error)) {
        g_prefix_error(error, "Cannot use the note '%s': ", spec->note_path);
        return NULL;
    }
    path = vt_team_path_new(spec, &backend);
    path->in_force_known = FALSE;
    vt_handover_resume(&path->handover, state, team_path_now_ms());
    team_path_kick(path);
    team_path_arm(path);
    return path;
}

gboolean
vt_team_path_event(VtTeamPath *path, VtHandoverEvent event, VtDoneFunc done, gpointer user)
{
    gboolean taken;

    if (done) {
        TeamPathWaiter *waiter = g_new0(TeamPathWaiter, 1);

        waiter->operation =
            path->operation + 1; /* the next one sees the wish, whether one is under way or not */
        waiter->done = done;
        waiter->user = user;
        g_queue_push_tail(&path->waiters, waiter);
    }
    taken = team_path_transition(path, event);
    /* Where the count of its frames begins: before it can have spoken. */
    if (vt_handover_wants_signs(&path->handover) && !path->has_baseline)
        team_path_look_once(path);
    team_path_kick(path);
    team_path_arm(path);
    return taken;
}

void
vt_team_path_set_primary(VtTeamPath *path, const char *interface)
{
    g_free(path->primary);
    path->primary = g_strdup(interface);
    path->primary_changed = TRUE; /* the next operation has to note it */
    path->has_baseline = FALSE;
    if (!path->busy && path->backend.funcs->set_primary)
        path->backend.funcs->set_primary(path->backend.state, interface);
}

VtHandoverState
vt_team_path_state(const VtTeamPath *path)
{
    return path->handover.state;
}

gboolean
vt_team_path_is_settled(const VtTeamPath *path)
{
    return !path->busy && !team_path_wants_work(path);
}
