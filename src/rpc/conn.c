/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/conn.h"

/* The driver compares owners by address only; ours has nothing in it. */
struct _VtOwner {
    char unused;
};

typedef struct {
    const char *key;
    gpointer data;
    GDestroyNotify destroy;
} ConnData;

struct _VtConn {
    guint refs;
    VtDriver *driver;
    VtConnFuncs funcs;
    gpointer user;
    gboolean shut;
    VtConnState state;
    VtOwner owner;
    GQueue data; /* of ConnData *, newest first */
    guint calls;
    void (*call_ended)(gpointer user);
    gpointer call_user;
};

VtConn *
vt_conn_new(VtDriver *driver, const VtConnFuncs *funcs, gpointer user)
{
    VtConn *conn = g_new0(VtConn, 1);

    conn->refs = 1;
    conn->driver = driver;
    conn->funcs = *funcs;
    conn->user = user;
    g_queue_init(&conn->data);
    return conn;
}

VtConn *
vt_conn_ref(VtConn *conn)
{
    conn->refs++;
    return conn;
}

void
vt_conn_unref(VtConn *conn)
{
    if (conn == NULL || --conn->refs > 0)
        return;
    g_free(conn->state.uri);
    g_free(conn);
}

static void
conn_data_free(ConnData *item)
{
    if (item->destroy != NULL)
        item->destroy(item->data);
    g_free(item);
}

void
vt_conn_shut(VtConn *conn, gboolean tell_driver)
{
    ConnData *item;

    if (conn->shut)
        return;
    conn->shut = TRUE;
    vt_conn_ref(conn);
    while ((item = g_queue_pop_head(&conn->data)) != NULL)
        conn_data_free(item);
    if (tell_driver && conn->driver != NULL)
        vt_driver_owner_gone(conn->driver, &conn->owner);
    vt_conn_unref(conn);
}

gboolean
vt_conn_is_shut(const VtConn *conn)
{
    return conn->shut;
}

VtDriver *
vt_conn_driver(const VtConn *conn)
{
    return conn->driver;
}

VtOwner *
vt_conn_owner(VtConn *conn)
{
    return &conn->owner;
}

VtConnState *
vt_conn_state(VtConn *conn)
{
    return &conn->state;
}

void
vt_conn_send(VtConn *conn, GByteArray *frame)
{
    g_autoptr(GByteArray) owned = frame;

    if (conn->shut)
        return;
    if (!vt_message_end(owned)) {
        conn->funcs.close(conn->user, "a message is larger than the protocol allows", FALSE);
        return;
    }
    conn->funcs.send(conn->user, g_steal_pointer(&owned));
}

gsize
vt_conn_queued(VtConn *conn)
{
    return conn->shut ? 0 : conn->funcs.queued(conn->user);
}

void
vt_conn_close(VtConn *conn, const char *why, gboolean flush)
{
    if (!conn->shut)
        conn->funcs.close(conn->user, why, flush);
}

void
vt_conn_start_keepalive(VtConn *conn)
{
    if (!conn->shut)
        conn->funcs.keepalive(conn->user);
}

static GList *
conn_data_find(VtConn *conn, const char *key)
{
    for (GList *link = conn->data.head; link != NULL; link = link->next)
        if (g_str_equal(((ConnData *)link->data)->key, key))
            return link;
    return NULL;
}

void
vt_conn_set_data(VtConn *conn, const char *key, gpointer data, GDestroyNotify destroy)
{
    GList *old = conn_data_find(conn, key);
    ConnData *item;

    if (old != NULL) {
        item = old->data;
        g_queue_delete_link(&conn->data, old);
        conn_data_free(item);
    }
    if (data == NULL)
        return;
    if (conn->shut) { /* nobody will ask for it any more */
        if (destroy != NULL)
            destroy(data);
        return;
    }
    item = g_new0(ConnData, 1);
    *item = (ConnData){ .key = key, .data = data, .destroy = destroy };
    g_queue_push_head(&conn->data, item);
}

gpointer
vt_conn_get_data(VtConn *conn, const char *key)
{
    GList *link = conn_data_find(conn, key);

    return link == NULL ? NULL : ((ConnData *)link->data)->data;
}

void
vt_conn_call_begun(VtConn *conn)
{
    conn->calls++;
}

void
vt_conn_call_ended(VtConn *conn)
{
    conn->calls--;
    if (!conn->shut && conn->call_ended != NULL)
        conn->call_ended(conn->call_user);
}

guint
vt_conn_calls(const VtConn *conn)
{
    return conn->calls;
}

void
vt_conn_watch_calls(VtConn *conn, void (*ended)(gpointer user), gpointer user)
{
    conn->call_ended = ended;
    conn->call_user = user;
}
