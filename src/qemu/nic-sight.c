/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/nic-sight.h"

#include <string.h>
#include "util/json.h"

#define NIC_SIGHT_TIMEOUT_MS 2000
#define NIC_SIGHT_DEPTH      16 /* bridges behind bridges */
#define NIC_PACE_PART        4
#define NIC_PACE_MAX_MS      32 /* a driver that is loaded later says nothing about the guest's pace */

typedef struct {
    const char *model;
    guint bar;
    guint64 offset; /* into that BAR */
    guint32 mask;
    guint32 value; /* of what is masked, when the driver has opened the NIC */
    guint64
        sender; /* likewise, of what it switches off first when it closes the NIC, with the same mask and value; 0: none */
} NicSightRow;

static const NicSightRow nic_sight_rows[] = {
    { "e1000e", 0, 0x100, 1u << 1, 1u << 1, 0x400 },
    { "igb", 0, 0x100, 1u << 1, 1u << 1, 0x400 },
    /* Its own registers cannot be read without disturbing the driver; but opening it unmasks its first vector. */
    { "vmxnet3", 2, 12, 1u << 0, 0, 0 },
};

typedef struct {
    const NicSightRow *row;
    gboolean sender;
    VtQmpClient *client;
    char *id;
    VtNicSight sight;
    VtNicSightFunc done;
    gpointer user;
} NicSightAsk;

static const NicSightRow *
nic_sight_row(const char *model)
{
    for (gsize i = 0; i < G_N_ELEMENTS(nic_sight_rows); i++)
        if (g_strcmp0(nic_sight_rows[i].model, model) == 0)
            return &nic_sight_rows[i];
    return NULL;
}

gboolean
vt_nic_sight_knows(const char *model)
{
    return nic_sight_row(model) != NULL;
}

gboolean
vt_nic_sight_tells_closing(const char *model)
{
    const NicSightRow *row = nic_sight_row(model);

    return row && row->sender;
}

static guint64
nic_sight_region(JsonNode *device, guint bar)
{
    JsonArray *regions;

    if (!vt_json_get_array(device, "regions", &regions, NULL))
        return 0;
    for (guint i = 0; i < json_array_get_length(regions); i++) {
        JsonNode *region = json_array_get_element(regions, i);

        /* Not mapped is -1. */
        if (vt_json_int_or(region, "bar", -1) == (gint64)bar)
            return (guint64)MAX(vt_json_int_or(region, "address", 0), 0);
    }
    return 0;
}

static gboolean
nic_sight_find(JsonArray *devices, const char *id, guint bar, guint depth, guint64 *address)
{
    for (guint i = 0; i < json_array_get_length(devices); i++) {
        JsonNode *device = json_array_get_element(devices, i);
        JsonArray *behind;

        if (g_strcmp0(vt_json_string_or(device, "qdev_id", NULL), id) == 0) {
            *address = nic_sight_region(device, bar);
            return TRUE;
        }
        if (depth < NIC_SIGHT_DEPTH && vt_json_get_array(device, "pci_bridge.devices", &behind, NULL) &&
            nic_sight_find(behind, id, bar, depth + 1, address))
            return TRUE;
    }
    return FALSE;
}

guint64
vt_nic_sight_bar(JsonNode *buses, const char *id, guint bar)
{
    guint64 address = 0;

    if (!buses || !JSON_NODE_HOLDS_ARRAY(buses))
        return 0;
    for (guint i = 0; i < json_array_get_length(json_node_get_array(buses)); i++) {
        JsonArray *devices;

        if (vt_json_get_array(json_array_get_element(json_node_get_array(buses), i), "devices", &devices,
                              NULL) &&
            nic_sight_find(devices, id, bar, 0, &address))
            return address;
    }
    return 0;
}

gboolean
vt_nic_sight_word(const char *text, guint32 *word)
{
    const char *colon = text ? strstr(text, ": 0x") : NULL;
    char *end = NULL;
    guint64 value;

    if (!colon || !g_ascii_isxdigit(colon[4]))
        return FALSE;
    value = g_ascii_strtoull(colon + 4, &end, 16);
    if (value > G_MAXUINT32 || (*end && !g_ascii_isspace(*end)))
        return FALSE;
    *word = (guint32)value;
    return TRUE;
}

gboolean
vt_nic_pace_takes(VtNicPace *pace, const VtNicSight *sight, gint64 now_ms)
{
    if (!pace->unmapped_ms || !sight->bar)
        pace->unmapped_ms = now_ms;
    if (!sight->receives)
        pace->closed_ms = now_ms;
    return sight->receives && now_ms - pace->closed_ms >=
                                  MIN((pace->closed_ms - pace->unmapped_ms) / NIC_PACE_PART, NIC_PACE_MAX_MS);
}

/* ---- the conversation ---- */

static void
nic_sight_end(NicSightAsk *ask, const GError *error)
{
    ask->done(ask->user, error ? NULL : &ask->sight, error);
    g_free(ask->id);
    g_free(ask);
}

/* The firmware moves BARs about while it looks how large they are: then there is nothing where one was a moment ago. */
static gboolean
nic_sight_is_elsewhere(JsonNode *result)
{
    const char *text = vt_json_string_or(result, "", NULL);

    return text && strstr(text, "Cannot access memory");
}

static void
nic_sight_word_came(gpointer user, JsonNode *result, const GError *error)
{
    NicSightAsk *ask = user;
    g_autoptr(GError) inner = NULL;
    gboolean on = FALSE;
    guint32 word;

    if (!error && nic_sight_is_elsewhere(result))
        ask->sight.bar = 0;
    else if (!error && !vt_nic_sight_word(vt_json_string_or(result, "", NULL), &word))
        vt_error_set(&inner, VT_ERROR_UNSUPPORTED, "QEMU does not show the registers of device '%s'.",
                     ask->id);
    else if (!error)
        on = (word & ask->row->mask) == ask->row->value;
    ask->sight.receives = on && !ask->sender;
    ask->sight.sends = on && ask->sender;
    nic_sight_end(ask, error ? error : inner);
}

static void
nic_sight_read(NicSightAsk *ask)
{
    guint64 offset = ask->sender ? ask->row->sender : ask->row->offset;
    g_autofree char *command = g_strdup_printf("xp /1wx 0x%" G_GINT64_MODIFIER "x", ask->sight.bar + offset);

    vt_qmp_client_callv(ask->client, "human-monitor-command", NIC_SIGHT_TIMEOUT_MS, nic_sight_word_came, ask,
                        "command-line", "s", command, NULL);
}

static void
nic_sight_bar_came(gpointer user, JsonNode *result, const GError *error)
{
    NicSightAsk *ask = user;

    if (!error)
        ask->sight.bar = vt_nic_sight_bar(result, ask->id, ask->row->bar);
    if (error || !ask->sight.bar)
        nic_sight_end(ask, error);
    else
        nic_sight_read(ask);
}

static void
nic_sight_ask(VtQmpClient *client, NicSightAsk *ask)
{
    ask->client = client;
    if (ask->sight.bar)
        nic_sight_read(ask);
    else
        vt_qmp_client_call(client, "query-pci", NULL, NIC_SIGHT_TIMEOUT_MS, nic_sight_bar_came, ask);
}

static NicSightAsk *
nic_sight_new(const char *model, const char *id, guint64 bar, VtNicSightFunc done, gpointer user)
{
    NicSightAsk *ask = g_new0(NicSightAsk, 1);

    ask->row = nic_sight_row(model);
    ask->id = g_strdup(id);
    ask->sight.bar = bar;
    ask->done = done;
    ask->user = user;
    return ask;
}

void
vt_nic_sight_ask(VtQmpClient *client, const char *model, const char *id, guint64 bar, VtNicSightFunc done,
                 gpointer user)
{
    nic_sight_ask(client, nic_sight_new(model, id, bar, done, user));
}

void
vt_nic_sight_ask_sender(VtQmpClient *client, const char *model, const char *id, guint64 bar,
                        VtNicSightFunc done, gpointer user)
{
    NicSightAsk *ask = nic_sight_new(model, id, bar, done, user);

    ask->sender = TRUE;
    nic_sight_ask(client, ask);
}
