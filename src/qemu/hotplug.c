/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plugging is three commands at most: descriptors are named, the back end is made of them, the device is
 * made on the back end. Each is taken back when a later one fails.
 *
 * Unplugging is a request to the guest. QEMU answers device_del at once and tells DEVICE_DELETED when the
 * guest has let go, which may be never: x86 PCI has no way to say no, so a guest that does not want (or has
 * not booted far enough to hear) is only seen as silence. Asking again helps the second kind. On a PCIe slot
 * a request while one is under way is refused, which is no failure of ours; the wait goes on.
 *
 * A QMP answer may come when the operation has ended (a time-out, vt_hotplug_free()). Each command therefore
 * holds a reference, and an answer to a dead operation is dropped.
 */
#define VT_LOG_DOMAIN "virtteam-qemu-hotplug"
#include "qemu/hotplug.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "qemu/qmp-event.h"
#include "util/fd.h"
#include "util/i18n.h"
#include "util/json.h"
#include "util/log.h"
#include "util/message-id.h"

#define HOTPLUG_COMMAND_MS 30000 /* QEMU's main loop may be busy, but not for ever */
#define HOTPLUG_UNDO_MS    10000

struct _VtHotplug {
    guint refs;
    VtSeq *seq; /* NULL: over */
    VtQmpClient *qmp;
    VtDoneFunc done;
    gpointer user;
    char *alias;
    JsonNode *device; /* arguments of device_add */
    VtHotplugBackend backend;
    char *netdev_id;
    GArray *fds; /* of int, owned: tap descriptors, then vhost descriptors */
    gsize n_taps;
    GPtrArray *blockdevs; /* of JsonNode * */
    GPtrArray *nodes;     /* of char *: blocks to remove, in this order */
    guint next;           /* index into fds, blockdevs or nodes of the step under way */
    gboolean link_down;
    gboolean refused; /* device_add was: there is nothing to delete */
    guint timeout_ms, retry_ms, retry_timer;
};

/* A command and what it belongs to: an answer that comes when that wait is over is dropped. */
typedef struct {
    VtSeqAct *act; /* of the VtHotplug */
    void (*answered)(VtHotplug *op, const GError *error);
} HotplugCall;

static VtHotplug *
hotplug_ref(VtHotplug *op)
{
    op->refs++;
    return op;
}

static void
hotplug_unref(VtHotplug *op)
{
    if (--op->refs > 0)
        return;
    for (guint i = 0; i < op->fds->len; i++)
        vt_fd_close(g_array_index(op->fds, int, i));
    g_array_unref(op->fds);
    g_ptr_array_unref(op->blockdevs);
    g_ptr_array_unref(op->nodes);
    g_clear_pointer(&op->device, json_node_unref);
    g_free(op->alias);
    g_free(op->netdev_id);
    g_free(op);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtHotplug, hotplug_unref)

/* ---- arguments ---- */

typedef enum { HOTPLUG_STRING, HOTPLUG_NUMBER, HOTPLUG_BOOLEAN } HotplugType;

/* Properties that are no strings for QEMU; "on|off|auto" ones are strings. */
static HotplugType
hotplug_type_of(const char *key)
{
    static const struct {
        const char *key;
        HotplugType type;
    } table[] = {
        { "bootindex", HOTPLUG_NUMBER },
        { "vectors", HOTPLUG_NUMBER },
        { "host_mtu", HOTPLUG_NUMBER },
        { "rx_queue_size", HOTPLUG_NUMBER },
        { "tx_queue_size", HOTPLUG_NUMBER },
        { "num-queues", HOTPLUG_NUMBER },
        { "rombar", HOTPLUG_NUMBER },
        { "multifunction", HOTPLUG_BOOLEAN },
        { "failover", HOTPLUG_BOOLEAN },
        { "mq", HOTPLUG_BOOLEAN },
        { "share-rw", HOTPLUG_BOOLEAN },
        { "discard", HOTPLUG_BOOLEAN }, /* of a device; a node's is no on/off */
        { "read-only", HOTPLUG_BOOLEAN },
        { "auto-read-only", HOTPLUG_BOOLEAN },
        { "direct", HOTPLUG_BOOLEAN },
        { "no-flush", HOTPLUG_BOOLEAN },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++)
        if (strcmp(table[i].key, key) == 0)
            return table[i].type;
    return HOTPLUG_STRING;
}

static void
hotplug_set_arg(JsonObject *object, const char *key, const char *value)
{
    HotplugType type = hotplug_type_of(key);
    guint64 number = 0;

    if (type == HOTPLUG_NUMBER && g_ascii_string_to_unsigned(value, 10, 0, G_MAXINT64, &number, NULL))
        json_object_set_int_member(object, key, (gint64)number);
    else if (type == HOTPLUG_BOOLEAN && (strcmp(value, "on") == 0 || strcmp(value, "off") == 0))
        json_object_set_boolean_member(object, key, value[1] == 'n');
    else
        json_object_set_string_member(object, key, value);
}

/* The text up to the next single comma, with ",," as one; @p moves behind that comma. */
static char *
hotplug_next_part(const char **p)
{
    GString *part = g_string_new(NULL);

    for (; **p; (*p)++) {
        if (**p == ',' && (*p)[1] != ',') {
            (*p)++;
            break;
        }
        if (**p == ',')
            (*p)++;
        g_string_append_c(part, **p);
    }
    return g_string_free(part, FALSE);
}

/* "cache.direct" is the member "direct" of the object "cache". */
static void
hotplug_set_path(JsonObject *object, const char *path, const char *value)
{
    const char *dot = strchr(path, '.');
    g_autofree char *name = dot ? g_strndup(path, (gsize)(dot - path)) : NULL;
    JsonNode *inner;

    if (!dot) {
        hotplug_set_arg(object, path, value);
        return;
    }
    inner = json_object_get_member(object, name);
    if (!inner || !JSON_NODE_HOLDS_OBJECT(inner))
        json_object_set_object_member(object, name, json_object_new());
    hotplug_set_path(json_object_get_object_member(object, name), dot + 1, value);
}

static gboolean
hotplug_set_parts(JsonObject *object, const char *p, const char *option, GError **error)
{
    while (*p) {
        g_autofree char *part = hotplug_next_part(&p);
        char *equals = strchr(part, '=');

        if (!equals || equals == part)
            return vt_error_set(error, VT_ERROR_INTERNAL, "'%s' in the option '%s' is no key=value.", part,
                                option);
        *equals = '\0';
        hotplug_set_path(object, part, equals + 1);
    }
    return TRUE;
}

static JsonNode *
hotplug_args_end(JsonObject *object, const char *id, const char *option, GError **error)
{
    if (json_object_has_member(object, "driver") && json_object_has_member(object, id))
        return vt_json_node_new(json_object_ref(object));
    vt_error_set(error, VT_ERROR_INTERNAL, "The option '%s' has no driver or no %s.", option, id);
    return NULL;
}

JsonNode *
vt_hotplug_args(const char *option, GError **error)
{
    g_autoptr(JsonObject) object = json_object_new();
    const char *p = option;
    g_autofree char *driver = hotplug_next_part(&p);

    if (*driver)
        json_object_set_string_member(object, "driver", driver);
    if (!hotplug_set_parts(object, p, option, error))
        return NULL;
    return hotplug_args_end(object, "id", option, error);
}

JsonNode *
vt_hotplug_node_args(const char *option, GError **error)
{
    g_autoptr(JsonObject) object = json_object_new();

    if (!hotplug_set_parts(object, option, option, error))
        return NULL;
    return hotplug_args_end(object, "node-name", option, error);
}

/* ---- commands ---- */

static void
hotplug_answer(gpointer user, JsonNode *result, const GError *error)
{
    g_autofree HotplugCall *call = user;

    if (vt_seq_act_is_current(call->act))
        call->answered(vt_seq_act_data(call->act), error);
    vt_seq_act_free(call->act);
}

static HotplugCall *
hotplug_call_new(VtHotplug *op, void (*answered)(VtHotplug *op, const GError *error))
{
    HotplugCall *call = g_new0(HotplugCall, 1);

    call->act = vt_seq_act_new(op->seq, hotplug_ref(op), (GDestroyNotify)hotplug_unref);
    call->answered = answered;
    return call;
}

/* The usual end of a step: its one command was answered. */
static void
hotplug_step_answered(VtHotplug *op, const GError *error)
{
    if (error)
        vt_seq_step_failed(op->seq, g_error_copy(error));
    else
        vt_seq_step_done(op->seq);
}

/* While taking back, what cannot be taken back is logged and the rest goes on. */
static void
hotplug_undo_answered(VtHotplug *op, const GError *error)
{
    if (error)
        vt_log_info("%s: %s", op->alias, error->message);
    vt_seq_step_done(op->seq);
}

static void
hotplug_command_id(VtHotplug *op, const char *command, const char *key, const char *id,
                   void (*answered)(VtHotplug *op, const GError *error))
{
    vt_qmp_client_callv(op->qmp, command, HOTPLUG_COMMAND_MS, hotplug_answer, hotplug_call_new(op, answered),
                        key, "s", id, NULL);
}

/* ---- plug: descriptors ---- */

static char *
hotplug_fd_name(const VtHotplug *op, guint index)
{
    if (index < op->n_taps)
        return g_strdup_printf("tapfd-%s%u", op->netdev_id, index);
    return g_strdup_printf("vhostfd-%s%u", op->netdev_id, index - (guint)op->n_taps);
}

static void hotplug_pass_answered(VtHotplug *op, const GError *error);

static void
hotplug_pass_next(VtHotplug *op)
{
    g_autofree char *name = hotplug_fd_name(op, op->next);

    vt_qmp_client_pass_fd(op->qmp, name, g_array_index(op->fds, int, op->next), HOTPLUG_COMMAND_MS,
                          hotplug_answer, hotplug_call_new(op, hotplug_pass_answered));
}

static void
hotplug_pass_answered(VtHotplug *op, const GError *error)
{
    if (error)
        vt_seq_step_failed(op->seq, g_error_copy(error));
    else if (++op->next == op->fds->len)
        vt_seq_step_done(op->seq);
    else
        hotplug_pass_next(op);
}

static VtStepResult
hotplug_step_pass(VtSeq *seq, gpointer data, GError **error)
{
    VtHotplug *op = data;

    op->next = 0;
    if (op->fds->len == 0)
        return VT_STEP_DONE;
    hotplug_pass_next(op);
    return VT_STEP_WAIT;
}

/* Those that a netdev took are not under their name any more: that is no failure. */
static VtStepResult
hotplug_undo_pass(VtSeq *seq, gpointer data, GError **error)
{
    VtHotplug *op = data;

    for (guint i = 0; i < op->fds->len; i++) {
        g_autofree char *name = hotplug_fd_name(op, i);

        vt_qmp_client_callv(op->qmp, "closefd", HOTPLUG_COMMAND_MS, NULL, NULL, "fdname", "s", name, NULL);
    }
    return VT_STEP_DONE;
}

/* ---- plug: back end ---- */

/* "tapfd-hostnet1:..." of several queues, or the one name. */
static char *
hotplug_fd_names(const VtHotplug *op, guint from, guint to)
{
    GString *names = g_string_new(NULL);

    for (guint i = from; i < to; i++) {
        g_autofree char *name = hotplug_fd_name(op, i);

        g_string_append_printf(names, "%s%s", names->len ? ":" : "", name);
    }
    return g_string_free(names, FALSE);
}

static JsonNode *
hotplug_netdev_args(const VtHotplug *op)
{
    JsonObject *object = json_object_new();
    gboolean tap = op->backend == VT_HOTPLUG_BACKEND_TAP;
    gboolean many = op->n_taps > 1;

    json_object_set_string_member(object, "type", tap ? "tap" : "user");
    json_object_set_string_member(object, "id", op->netdev_id);
    if (tap) {
        g_autofree char *taps = hotplug_fd_names(op, 0, (guint)op->n_taps);

        json_object_set_string_member(object, many ? "fds" : "fd", taps);
    }
    if (tap && op->fds->len > op->n_taps) {
        g_autofree char *vhosts = hotplug_fd_names(op, (guint)op->n_taps, op->fds->len);

        json_object_set_boolean_member(object, "vhost", TRUE);
        json_object_set_string_member(object, many ? "vhostfds" : "vhostfd", vhosts);
    }
    return vt_json_node_new(object);
}

static void hotplug_block_answered(VtHotplug *op, const GError *error);

static void
hotplug_block_next(VtHotplug *op)
{
    vt_qmp_client_call(op->qmp, "blockdev-add", json_node_copy(g_ptr_array_index(op->blockdevs, op->next)),
                       HOTPLUG_COMMAND_MS, hotplug_answer, hotplug_call_new(op, hotplug_block_answered));
}

static void
hotplug_block_answered(VtHotplug *op, const GError *error)
{
    const char *node;

    if (error) {
        vt_seq_step_failed(op->seq, g_error_copy(error));
        return;
    }
    /* A node stands on those before it: the last one goes first. */
    node = vt_json_string_or(g_ptr_array_index(op->blockdevs, op->next), "node-name", "");
    g_ptr_array_insert(op->nodes, 0, g_strdup(node));
    if (++op->next == op->blockdevs->len)
        vt_seq_step_done(op->seq);
    else
        hotplug_block_next(op);
}

static VtStepResult
hotplug_step_backend(VtSeq *seq, gpointer data, GError **error)
{
    VtHotplug *op = data;

    op->next = 0;
    switch (op->backend) {
    case VT_HOTPLUG_BACKEND_NONE:
        return VT_STEP_DONE;
    case VT_HOTPLUG_BACKEND_TAP:
    case VT_HOTPLUG_BACKEND_USER:
        vt_qmp_client_call(op->qmp, "netdev_add", hotplug_netdev_args(op), HOTPLUG_COMMAND_MS, hotplug_answer,
                           hotplug_call_new(op, hotplug_step_answered));
        return VT_STEP_WAIT;
    case VT_HOTPLUG_BACKEND_BLOCK:
        break;
    }
    if (op->blockdevs->len == 0)
        return VT_STEP_DONE;
    hotplug_block_next(op);
    return VT_STEP_WAIT;
}

static void hotplug_remove_answered(VtHotplug *op, const GError *error);

/* Remove the netdev or the block nodes, one by one; what is left then is logged. */
static VtStepResult
hotplug_remove_next(VtHotplug *op)
{
    if (op->netdev_id && op->next == 0) {
        op->next++;
        hotplug_command_id(op, "netdev_del", "id", op->netdev_id, hotplug_remove_answered);
        return VT_STEP_WAIT;
    }
    if (!op->netdev_id && op->next < op->nodes->len) {
        hotplug_command_id(op, "blockdev-del", "node-name", g_ptr_array_index(op->nodes, op->next++),
                           hotplug_remove_answered);
        return VT_STEP_WAIT;
    }
    return VT_STEP_DONE;
}

static void
hotplug_remove_answered(VtHotplug *op, const GError *error)
{
    if (error)
        vt_log_info("%s: %s", op->alias ? op->alias : "", error->message);
    if (hotplug_remove_next(op) == VT_STEP_DONE)
        vt_seq_step_done(op->seq);
}

static VtStepResult
hotplug_step_remove(VtSeq *seq, gpointer data, GError **error)
{
    VtHotplug *op = data;

    op->next = 0;
    return hotplug_remove_next(op);
}

/* ---- plug: device ---- */

static void
hotplug_device_answered(VtHotplug *op, const GError *error)
{
    op->refused = g_error_matches(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    hotplug_step_answered(op, error);
}

static VtStepResult
hotplug_step_device(VtSeq *seq, gpointer data, GError **error)
{
    VtHotplug *op = data;

    vt_qmp_client_call(op->qmp, "device_add", json_node_copy(op->device), HOTPLUG_COMMAND_MS, hotplug_answer,
                       hotplug_call_new(op, hotplug_device_answered));
    return VT_STEP_WAIT;
}

static void
hotplug_undo_device_answered(VtHotplug *op, const GError *error)
{
    if (!error)
        return; /* DEVICE_DELETED ends the wait */
    /* An answer that came too late may have been a refusal. */
    hotplug_undo_answered(op, strstr(error->message, "(DeviceNotFound)") ? NULL : error);
}

static VtStepResult
hotplug_undo_device(VtSeq *seq, gpointer data, GError **error)
{
    VtHotplug *op = data;

    if (op->refused)
        return VT_STEP_DONE;
    hotplug_command_id(op, "device_del", "id", op->alias, hotplug_undo_device_answered);
    return VT_STEP_WAIT;
}

static VtStepResult
hotplug_step_link(VtSeq *seq, gpointer data, GError **error)
{
    VtHotplug *op = data;

    if (!op->link_down)
        return VT_STEP_DONE;
    vt_qmp_client_callv(op->qmp, "set_link", HOTPLUG_COMMAND_MS, hotplug_answer,
                        hotplug_call_new(op, hotplug_step_answered), "name", "s", op->alias, "up", "b", FALSE,
                        NULL);
    return VT_STEP_WAIT;
}

/* ---- unplug ---- */

static void hotplug_ask(VtHotplug *op);

static gboolean
hotplug_retry(gpointer user)
{
    VtHotplug *op = user;

    op->retry_timer = 0;
    vt_log_id_info(VT_MESSAGE_DETACH_ASKED_AGAIN, NULL, "%s: the guest has not let go yet, asking it again",
                   op->alias);
    hotplug_ask(op);
    return G_SOURCE_REMOVE;
}

static gboolean
hotplug_waits_for_guest(const VtHotplug *op)
{
    return op->seq && vt_seq_is_waiting(op->seq) && strcmp(vt_seq_current(op->seq), "ask-guest") == 0;
}

static void
hotplug_guest_let_go(VtHotplug *op)
{
    g_clear_handle_id(&op->retry_timer, g_source_remove);
    vt_seq_step_done(op->seq);
}

static void
hotplug_asked(VtHotplug *op, const GError *error)
{
    if (!hotplug_waits_for_guest(op))
        return;
    if (error && strstr(error->message, "(DeviceNotFound)")) {
        hotplug_guest_let_go(op);
    } else if (error && !strstr(error->message, "already in the process of unplug") &&
               !strstr(error->message, "guest is busy")) {
        g_clear_handle_id(&op->retry_timer, g_source_remove);
        vt_seq_step_failed(op->seq, g_error_copy(error));
    } else if (op->retry_ms > 0 && !op->retry_timer) {
        op->retry_timer = g_timeout_add(op->retry_ms, hotplug_retry, op);
    }
}

static void
hotplug_ask(VtHotplug *op)
{
    hotplug_command_id(op, "device_del", "id", op->alias, hotplug_asked);
}

static VtStepResult
hotplug_step_ask(VtSeq *seq, gpointer data, GError **error)
{
    VtHotplug *op = data;

    vt_seq_set_timeout(seq, op->timeout_ms);
    hotplug_ask(op);
    return VT_STEP_WAIT;
}

void
vt_hotplug_event(VtHotplug *op, const VtQmpEvent *event)
{
    VtQmpEventInfo info;
    VtQmpEventKind kind = vt_qmp_event_decode(event, &info);
    gboolean plug = vt_seq_table(op->seq) == vt_hotplug_plug_table();

    if (g_strcmp0(info.device, op->alias) != 0)
        return;
    if (plug) {
        if (kind == VT_QMP_EVENT_DEVICE_DELETED && vt_seq_direction(op->seq) == VT_SEQ_UNDO &&
            strcmp(vt_seq_current(op->seq), "add-device") == 0 && vt_seq_is_waiting(op->seq))
            vt_seq_step_done(op->seq);
        return;
    }
    if (!hotplug_waits_for_guest(op))
        return;
    if (kind == VT_QMP_EVENT_DEVICE_DELETED) {
        hotplug_guest_let_go(op);
    } else if (kind == VT_QMP_EVENT_DEVICE_UNPLUG_GUEST_ERROR) {
        g_clear_handle_id(&op->retry_timer, g_source_remove);
        vt_seq_step_failed(op->seq,
                           g_error_new(VT_ERROR, VT_ERROR_OPERATION_FAILED,
                                       _("the guest refused to let go of the device '%s'"), op->alias));
    }
}

/* ---- tables ---- */

static const VtStep hotplug_plug_steps[] = {
    { .name = "pass-descriptors",
      .waits_for = "answers to getfd",
      .start = hotplug_step_pass,
      .undo = hotplug_undo_pass,
      .timeout_ms = HOTPLUG_COMMAND_MS },
    { .name = "add-backend",
      .waits_for = "answer to netdev_add or blockdev-add",
      .start = hotplug_step_backend,
      .undo = hotplug_step_remove,
      .timeout_ms = HOTPLUG_COMMAND_MS,
      .undo_timeout_ms = HOTPLUG_UNDO_MS },
    { .name = "add-device",
      .waits_for = "answer to device_add",
      .start = hotplug_step_device,
      .undo = hotplug_undo_device,
      .timeout_ms = HOTPLUG_COMMAND_MS,
      .undo_timeout_ms = HOTPLUG_UNDO_MS },
    { .name = "set-link",
      .waits_for = "answer to set_link",
      .start = hotplug_step_link,
      .timeout_ms = HOTPLUG_COMMAND_MS },
};

static const VtSeqTable hotplug_plug_table = {
    .name = "plug",
    .steps = hotplug_plug_steps,
    .n_steps = G_N_ELEMENTS(hotplug_plug_steps),
};

/* The first step is left out where the device is gone already. */
static const VtStep hotplug_unplug_steps[] = {
    { .name = "ask-guest", .waits_for = "DEVICE_DELETED", .start = hotplug_step_ask },
    { .name = "remove-backend",
      .waits_for = "answers to netdev_del or blockdev-del",
      .start = hotplug_step_remove,
      .timeout_ms = HOTPLUG_COMMAND_MS },
};

static const VtSeqTable hotplug_unplug_table = {
    .name = "unplug",
    .steps = hotplug_unplug_steps,
    .n_steps = G_N_ELEMENTS(hotplug_unplug_steps),
};

static const VtSeqTable hotplug_remove_table = {
    .name = "remove-backend",
    .steps = &hotplug_unplug_steps[1],
    .n_steps = 1,
};

const VtSeqTable *
vt_hotplug_plug_table(void)
{
    return &hotplug_plug_table;
}

const VtSeqTable *
vt_hotplug_unplug_table(void)
{
    return &hotplug_unplug_table;
}

/* ---- operations ---- */

static void
hotplug_seq_done(VtSeq *seq, gpointer data, const GError *error)
{
    VtHotplug *op = data;
    VtDoneFunc done = op->done;
    gpointer user = op->user;

    g_clear_handle_id(&op->retry_timer, g_source_remove);
    op->seq = NULL;
    hotplug_unref(op);
    if (done)
        done(user, error);
}

static VtHotplug *
hotplug_new(VtQmpClient *qmp, const char *alias, VtDoneFunc done, gpointer user)
{
    VtHotplug *op = g_new0(VtHotplug, 1);

    op->refs = 1;
    op->qmp = qmp;
    op->alias = g_strdup(alias);
    op->done = done;
    op->user = user;
    op->fds = g_array_new(FALSE, FALSE, sizeof(int));
    op->blockdevs = g_ptr_array_new_with_free_func((GDestroyNotify)json_node_unref);
    op->nodes = g_ptr_array_new_with_free_func(g_free);
    return op;
}

static VtHotplug *
hotplug_run(VtHotplug *op, const VtSeqTable *table)
{
    g_autoptr(VtHotplug) hold = hotplug_ref(op);

    op->seq = vt_seq_new(table, op, NULL, hotplug_seq_done);
    vt_seq_run(op->seq);
    return op->seq ? op : NULL;
}

static gboolean
hotplug_take_fds(VtHotplug *op, const int *fds, gsize n, GError **error)
{
    for (gsize i = 0; fds && i < n; i++) {
        int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);

        if (fd < 0)
            return vt_error_set_errno(error, errno, _("cannot duplicate a descriptor of '%s'"), op->alias);
        g_array_append_val(op->fds, fd);
    }
    return TRUE;
}

VtHotplug *
vt_hotplug_plug(const VtHotplugPlug *params, VtDoneFunc done, gpointer user)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) device = vt_hotplug_args(params->device, &error);
    g_autoptr(VtHotplug) op = NULL;

    if (!device) {
        done(user, error);
        return NULL;
    }
    op = hotplug_new(params->qmp, vt_json_string_or(device, "id", ""), done, user);
    op->device = g_steal_pointer(&device);
    op->backend = params->backend;
    op->netdev_id = g_strdup(params->netdev_id);
    op->link_down = params->link_down;
    op->n_taps = params->n_queues;
    if (!hotplug_take_fds(op, params->tap_fds, params->n_queues, &error) ||
        !hotplug_take_fds(op, params->vhost_fds, params->n_queues, &error)) {
        done(user, error);
        return NULL;
    }
    for (guint i = 0; params->blockdevs && i < params->blockdevs->len; i++)
        g_ptr_array_add(op->blockdevs, json_node_copy(g_ptr_array_index(params->blockdevs, i)));
    return hotplug_run(g_steal_pointer(&op), &hotplug_plug_table);
}

static VtHotplug *
hotplug_start_unplug(const VtHotplugUnplug *params, const VtSeqTable *table, VtDoneFunc done, gpointer user)
{
    VtHotplug *op = hotplug_new(params->qmp, params->alias, done, user);

    op->netdev_id = g_strdup(params->netdev_id);
    op->timeout_ms = params->timeout_ms;
    op->retry_ms = params->retry_ms;
    for (guint i = 0; params->nodes && i < params->nodes->len; i++)
        g_ptr_array_add(op->nodes, g_strdup(g_ptr_array_index(params->nodes, i)));
    return hotplug_run(op, table);
}

VtHotplug *
vt_hotplug_unplug(const VtHotplugUnplug *params, VtDoneFunc done, gpointer user)
{
    return hotplug_start_unplug(params, &hotplug_unplug_table, done, user);
}

VtHotplug *
vt_hotplug_remove_backend(const VtHotplugUnplug *params, VtDoneFunc done, gpointer user)
{
    return hotplug_start_unplug(params, &hotplug_remove_table, done, user);
}

void
vt_hotplug_free(VtHotplug *op)
{
    if (!op)
        return;
    g_clear_handle_id(&op->retry_timer, g_source_remove);
    vt_seq_free(g_steal_pointer(&op->seq));
    hotplug_unref(op);
}
