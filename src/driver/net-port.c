/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A call to the network daemon blocks in a thread of its own, not in one of GTask's: those are few, and a daemon that
 * hangs would take them all from the file system. A call that is not answered in time is told as failed, and its
 * thread is left to end whenever the daemon lets it. While that is so for the creation of a port, it is not known
 * whether the port will be there, so its deletion waits for the thread: a deletion that came first would find nothing,
 * and the port would then be made for nobody.
 */
#define VT_LOG_DOMAIN "virtteam-driver-net-port"

#include "driver/net-port.h"

#include <string.h>
#include "conf/teaming.h"
#include "driver/domain-private.h"
#include "driver/journal.h"
#include "driver/net-port-xml.h"
#include "driver/vf-policy.h"
#include "util/file.h"
#include "util/i18n.h"
#include "util/json.h"
#include "util/log.h"
#include "util/message-id.h"

#define NET_PORT_KEY     "net-port"
#define NET_PORT_CALL_MS 10000
#define NET_PORT_AGAIN_S 60
#define NET_PORT_THREADS_MAX                                                                                 \
    32 /* that hang at a time; a daemon that lets so many hang is not asked any more */
#define NET_PORT_NOTE_MAX 65536

typedef struct {
    char *port, *network, *name;
    VtUuid uuid;       /* of the domain */
    gboolean making;   /* a thread still asks for it */
    gboolean unwanted; /* delete it as soon as that thread is through */
    gboolean leaving;  /* a thread asks to delete it */
    GArray *waiters;   /* of NetPortWaiter: those who want it gone */
} NetPort;

typedef struct {
    VtDoneFunc done;
    gpointer user;
} NetPortWaiter;

/* The driver's; calls hold references, since a thread may outlive the driver. */
typedef struct {
    guint refs;
    VtDriver *driver; /* NULL: gone */
    char *dir, *uri;
    GHashTable *table; /* UUID as text -> NetPort */
    const VtNetPortClient *client;
    guint timeout_ms, threads, again;
} NetPortList;

static void net_port_delete(NetPortList *list, NetPort *port, VtDoneFunc done, gpointer user);

static void
net_port_free(gpointer data)
{
    NetPort *port = data;

    g_free(port->port);
    g_free(port->network);
    g_free(port->name);
    g_array_unref(port->waiters);
    g_free(port);
}

static NetPort *
net_port_new(const char *port_uuid, const char *network, const char *name, const VtUuid *uuid)
{
    NetPort *port = g_new0(NetPort, 1);

    port->port = g_strdup(port_uuid);
    port->network = g_strdup(network);
    port->name = g_strdup(name);
    port->uuid = *uuid;
    port->waiters = g_array_new(FALSE, FALSE, sizeof(NetPortWaiter));
    return port;
}

static void
net_port_list_unref(NetPortList *list)
{
    if (--list->refs > 0)
        return;
    g_hash_table_unref(list->table);
    g_free(list->dir);
    g_free(list->uri);
    g_free(list);
}

static void
net_port_list_closed(gpointer data)
{
    NetPortList *list = data;

    list->driver = NULL;
    g_clear_handle_id(&list->again, g_source_remove);
    net_port_list_unref(list);
}

static NetPortList *
net_port_list(VtDriver *driver)
{
    NetPortList *list = vt_driver_data(driver, NET_PORT_KEY);
    const VtDriverConfig *config = driver->config;

    if (list)
        return list;
    list = g_new0(NetPortList, 1);
    list->refs = 1;
    list->driver = driver;
    list->dir = g_build_filename(config->lib_dir, "network-ports", NULL);
    list->uri = g_strdup(config->network_uri ? config->network_uri
                         : config->session   ? "network:///session"
                                             : "network:///system");
    list->table = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, net_port_free);
    list->client = vt_net_port_libvirt();
    list->timeout_ms = config->network_timeout_ms ? config->network_timeout_ms : NET_PORT_CALL_MS;
    vt_driver_set_data(driver, NET_PORT_KEY, list, net_port_list_closed);
    return list;
}

/* (transfer container): the table may change while it is walked. */
static GPtrArray *
net_port_all(NetPortList *list)
{
    GPtrArray *all = g_ptr_array_new();
    GHashTableIter iter;
    gpointer port;

    g_hash_table_iter_init(&iter, list->table);
    while (g_hash_table_iter_next(&iter, NULL, &port))
        g_ptr_array_add(all, port);
    return all;
}

void
vt_net_port_set_client(VtDriver *driver, const VtNetPortClient *client, guint timeout_ms)
{
    NetPortList *list = net_port_list(driver);

    list->client = client;
    list->timeout_ms = timeout_ms;
}

gboolean
vt_net_port_is_kept(VtDriver *driver, const char *port_uuid)
{
    const NetPort *port = g_hash_table_lookup(net_port_list(driver)->table, port_uuid);

    return port && !port->unwanted;
}

guint
vt_net_port_count(VtDriver *driver)
{
    return g_hash_table_size(net_port_list(driver)->table);
}

/* ---- the notes ---- */

static char *
net_port_path(const NetPortList *list, const char *port)
{
    g_autofree char *file = g_strconcat(port, ".json", NULL);

    return g_build_filename(list->dir, file, NULL);
}

static char *
net_port_to_text(const NetPort *port)
{
    char uuid[VT_UUID_STRING_SIZE];
    g_autoptr(JsonObject) object = vt_json_object_new("s:network", port->network, "s:domain", port->name,
                                                      "s:uuid", vt_uuid_format(&port->uuid, uuid), NULL);

    return vt_json_object_to_string(object);
}

static gboolean
net_port_read(NetPortList *list, const char *name, const char *text, gsize length, GError **error)
{
    g_autoptr(JsonNode) root = vt_json_parse(text, length, error);
    g_autofree char *port_uuid = g_strndup(name, strlen(name) - strlen(".json"));
    const char *network, *domain, *uuid_text;
    VtUuid uuid, own;
    NetPort *port;

    if (!root || !vt_json_get_string(root, "network", &network, error) ||
        !vt_json_get_string(root, "domain", &domain, error) ||
        !vt_json_get_string(root, "uuid", &uuid_text, error))
        return FALSE;
    if (!vt_uuid_parse(uuid_text, &uuid) || !vt_uuid_parse(port_uuid, &own))
        return vt_error_set(error, VT_ERROR_XML_DETAIL, "A UUID in it or in its name is wrong.");
    port = net_port_new(port_uuid, network, domain, &uuid);
    g_hash_table_replace(list->table, port->port, port);
    return TRUE;
}

static void
net_port_load_file(NetPortList *list, const char *name)
{
    g_autofree char *path = g_build_filename(list->dir, name, NULL);
    g_autofree char *aside = g_strconcat(path, ".corrupt", NULL);
    g_autoptr(GError) error = NULL;
    gsize length = 0;
    g_autofree char *text = vt_file_read(path, NET_PORT_NOTE_MAX, &length, &error);

    if (text && net_port_read(list, name, text, length, &error))
        return;
    vt_log_id_error(
        VT_MESSAGE_NETWORK_PORT_CORRUPT, NULL,
        "'%s' cannot be read: %s It was renamed to '%s'; a network daemon may have a port of that name", path,
        error->message, aside);
    if (rename(path, aside) < 0)
        vt_log_warning("cannot rename '%s': %m", path);
}

void
vt_net_port_load(VtDriver *driver)
{
    NetPortList *list = net_port_list(driver);
    g_autoptr(GDir) dir = g_dir_open(list->dir, 0, NULL);
    const char *name;

    vt_file_sweep(list->dir, ".json");
    while (dir && (name = g_dir_read_name(dir)))
        if (g_str_has_suffix(name, ".json"))
            net_port_load_file(list, name);
}

/* ---- calls ---- */

typedef struct _NetPortCall NetPortCall;

/* @late: nobody waits any more, the limit has passed. */
typedef void (*NetPortAnswer)(NetPortCall *call, gboolean late);

struct _NetPortCall {
    NetPortList *list; /* with a reference */
    const VtNetPortClient *client;
    gboolean remove;
    char *uri, *port, *network, *xml; /* what the thread works with */
    gboolean ok;                      /* from here: its result */
    char *answer;
    GError *error;
    guint timer; /* 0: the limit has passed */
    NetPortAnswer told;
    gpointer user;
};

static void
net_port_call_free(NetPortCall *call)
{
    net_port_list_unref(call->list);
    g_free(call->uri);
    g_free(call->port);
    g_free(call->network);
    g_free(call->xml);
    g_free(call->answer);
    g_clear_error(&call->error);
    g_free(call);
}

static gboolean
net_port_call_ended(gpointer user)
{
    NetPortCall *call = user;
    gboolean late = call->timer == 0;

    g_clear_handle_id(&call->timer, g_source_remove);
    call->list->threads--;
    call->told(call, late);
    net_port_call_free(call);
    return G_SOURCE_REMOVE;
}

static gpointer
net_port_call_thread(gpointer user)
{
    NetPortCall *call = user;

    call->ok = call->remove
                   ? call->client->remove(call->uri, call->network, call->port, &call->error)
                   : call->client->create(call->uri, call->network, call->xml, &call->answer, &call->error);
    g_idle_add_full(G_PRIORITY_DEFAULT, net_port_call_ended, call, NULL);
    return NULL;
}

static GError *
net_port_timeout_error(const NetPortCall *call)
{
    return g_error_new(VT_ERROR, VT_ERROR_TIMEOUT,
                       _("the libvirt network daemon at '%s' does not answer (network '%s'): see whether it "
                         "hangs, and restart it"),
                       call->uri, call->network);
}

/* The thread's fields are not touched here: it still runs. */
static gboolean
net_port_call_expired(gpointer user)
{
    NetPortCall *call = user;
    g_autoptr(GError) error = net_port_timeout_error(call);
    NetPortCall view = { .list = call->list, .port = call->port, .error = error, .user = call->user };

    call->timer = 0;
    call->told(&view, FALSE);
    call->user = NULL;
    return G_SOURCE_REMOVE;
}

/* FALSE: not begun. */
static gboolean
net_port_call(NetPortList *list, const NetPort *port, char *xml, NetPortAnswer told, gpointer user,
              GError **error)
{
    NetPortCall *call;
    GThread *thread;

    if (list->threads >= NET_PORT_THREADS_MAX) {
        g_free(xml);
        return vt_error_set(
            error, VT_ERROR_TIMEOUT,
            _("the libvirt network daemon at '%s' has left %u calls without an answer: restart it"),
            list->uri, list->threads);
    }
    call = g_new0(NetPortCall, 1);
    call->list = list;
    list->refs++;
    call->client = list->client;
    call->remove = xml == NULL;
    call->uri = g_strdup(list->uri);
    call->port = g_strdup(port->port);
    call->network = g_strdup(port->network);
    call->xml = xml;
    call->told = told;
    call->user = user;
    thread = g_thread_try_new("net-port", net_port_call_thread, call, error);
    if (!thread) {
        net_port_call_free(call);
        return FALSE;
    }
    g_thread_unref(thread);
    list->threads++;
    call->timer = g_timeout_add(list->timeout_ms, net_port_call_expired, call);
    return TRUE;
}

/* ---- deleting ---- */

static gboolean
net_port_again(gpointer user)
{
    NetPortList *list = user;
    g_autoptr(GPtrArray) kept = net_port_all(list);

    list->again = 0;
    for (guint i = 0; i < kept->len; i++) {
        NetPort *port = g_ptr_array_index(kept, i);

        if (port->unwanted && !port->making && !port->leaving)
            net_port_delete(list, port, NULL, NULL);
    }
    return G_SOURCE_REMOVE;
}

static void
net_port_tell_waiters(NetPort *port)
{
    g_autoptr(GArray) waiters = g_steal_pointer(&port->waiters);

    port->waiters = g_array_new(FALSE, FALSE, sizeof(NetPortWaiter));
    for (guint i = 0; i < waiters->len; i++) {
        const NetPortWaiter *waiter = &g_array_index(waiters, NetPortWaiter, i);

        waiter->done(waiter->user, NULL);
    }
}

static void
net_port_try_later(NetPortList *list)
{
    if (list->driver && !list->again)
        list->again = g_timeout_add_seconds(NET_PORT_AGAIN_S, net_port_again, list);
}

static void
net_port_kept(NetPortList *list, NetPort *port, const GError *error)
{
    vt_log_id_warning(
        VT_MESSAGE_NETWORK_PORT_KEPT, port->name,
        "domain '%s': its port %s of network '%s' cannot be deleted: %s; it is tried again every %d s",
        port->name, port->port, port->network, error->message, NET_PORT_AGAIN_S);
    net_port_try_later(list);
    net_port_tell_waiters(port);
}

static void
net_port_forgotten(gpointer user, const GError *error)
{
    NetPort *port = user;

    if (error)
        vt_log_warning("the note of port %s cannot be removed: %s", port->port, error->message);
    net_port_tell_waiters(port);
    net_port_free(port);
}

/* The daemon has no such port (any more). */
static void
net_port_forget(NetPortList *list, NetPort *port)
{
    g_autofree char *path = net_port_path(list, port->port);

    g_hash_table_steal(list->table, port->port);
    vt_file_remove_async(path, net_port_forgotten, port);
}

static void
net_port_deleted(NetPortCall *call, gboolean late)
{
    NetPortList *list = call->list;
    NetPort *port = g_hash_table_lookup(list->table, call->port);

    if (!port)
        return;
    if (call->ok) {
        net_port_forget(list, port);
        return;
    }
    /* Told as failed already; now its thread is through, and another may try. */
    if (call->client)
        port->leaving = FALSE;
    if (late)
        net_port_try_later(list);
    else
        net_port_kept(list, port, call->error);
}

static void
net_port_delete(NetPortList *list, NetPort *port, VtDoneFunc done, gpointer user)
{
    const NetPortWaiter waiter = { .done = done, .user = user };
    g_autoptr(GError) error = NULL;

    port->unwanted = TRUE;
    if (port->making) {
        /* Whoever wants it gone has waited once already. */
        if (done)
            done(user, NULL);
        return;
    }
    if (done)
        g_array_append_val(port->waiters, waiter);
    if (port->leaving)
        return;
    port->leaving = TRUE;
    if (net_port_call(list, port, NULL, net_port_deleted, NULL, &error))
        return;
    port->leaving = FALSE;
    net_port_kept(list, port, error);
}

typedef struct {
    guint pending;
    VtDoneFunc done;
    gpointer user;
} NetPortRelease;

static void
net_port_released(gpointer user, const GError *nothing)
{
    NetPortRelease *release = user;

    if (--release->pending > 0)
        return;
    if (release->done)
        release->done(release->user, NULL);
    g_free(release);
}

static gboolean
net_port_is_used(VtDriver *driver, const NetPort *port, gboolean after_restart)
{
    VtDomain *domain = vt_driver_lookup_uuid(driver, &port->uuid, NULL);

    /* Until it is known whether QEMU has it: whoever clears that journal up looks again. */
    if (after_restart && domain && domain->live &&
        g_strcmp0(vt_journal_kind(domain), VT_VF_GIVE_JOURNAL) == 0)
        return TRUE;
    for (guint i = 0; domain && domain->live && i < domain->live->nets->len; i++) {
        const VtNetDef *net = g_ptr_array_index(domain->live->nets, i);

        if (g_strcmp0(net->port, port->port) == 0)
            return TRUE;
    }
    return FALSE;
}

static void
net_port_release(VtDriver *driver, const VtUuid *uuid, gboolean keep_used, VtDoneFunc done, gpointer user)
{
    NetPortList *list = net_port_list(driver);
    g_autoptr(GPtrArray) all = net_port_all(list);
    NetPortRelease *release = g_new0(NetPortRelease, 1);

    release->pending = 1; /* so that the end is not told before all have begun */
    release->done = done;
    release->user = user;
    for (guint i = 0; i < all->len; i++) {
        NetPort *port = g_ptr_array_index(all, i);

        if (!vt_uuid_equal(&port->uuid, uuid) || (keep_used && net_port_is_used(driver, port, FALSE)))
            continue;
        release->pending++;
        net_port_delete(list, port, net_port_released, release);
    }
    net_port_released(release, NULL);
}

void
vt_net_port_release(VtDriver *driver, const VtUuid *uuid, VtDoneFunc done, gpointer user)
{
    net_port_release(driver, uuid, FALSE, done, user);
}

void
vt_net_port_release_unused(VtDriver *driver, const VtUuid *uuid, VtDoneFunc done, gpointer user)
{
    net_port_release(driver, uuid, TRUE, done, user);
}

void
vt_net_port_release_one(VtDriver *driver, const char *port_uuid, VtDoneFunc done, gpointer user)
{
    NetPortList *list = net_port_list(driver);
    NetPort *port = port_uuid ? g_hash_table_lookup(list->table, port_uuid) : NULL;

    if (port)
        net_port_delete(list, port, done, user);
    else if (done)
        done(user, NULL);
}

void
vt_net_port_recover(VtDriver *driver)
{
    NetPortList *list = net_port_list(driver);
    g_autoptr(GPtrArray) all = net_port_all(list);

    for (guint i = 0; i < all->len; i++) {
        NetPort *port = g_ptr_array_index(all, i);

        if (net_port_is_used(driver, port, TRUE))
            continue;
        vt_log_info("domain '%s' does not hold its port %s of network '%s' any more: deleting it", port->name,
                    port->port, port->network);
        net_port_delete(list, port, NULL, NULL);
    }
}

/* ---- taking ---- */

typedef struct {
    NetPortList *list; /* with a reference */
    VtDomain *domain;  /* with a reference */
    VtDomainDef *def;  /* a copy: who asked may be gone before the daemon answers */
    gboolean may_be_bare;
    guint next;
    char *port;
    VtNetPortTaken done;
    gpointer user;
} NetPortTake;

static void net_port_take_next(NetPortTake *take);

static void
net_port_take_end(NetPortTake *take, const GError *error)
{
    take->done(take->user, take->def, error);
    vt_domain_def_free(take->def);
    vt_domain_unref(take->domain);
    net_port_list_unref(take->list);
    g_free(take->port);
    g_free(take);
}

/* It was released while it was taken: the domain has ended, or the daemon does. */
static void
net_port_take_aborted(NetPortTake *take)
{
    g_autoptr(GError) error =
        g_error_new(VT_ERROR, VT_ERROR_ABORTED, _("domain '%s' does not want its network port any more"),
                    take->domain->name);

    net_port_take_end(take, error);
}

static void
net_port_take_bare(gpointer user, const GError *nothing)
{
    net_port_take_next(user);
}

static void
net_port_take_failed(NetPortTake *take, const GError *error)
{
    VtNetDef *net = g_ptr_array_index(take->def->nets, take->next);

    if (!take->may_be_bare || !vt_teaming_may_be_bare(take->def, net)) {
        /* Whoever takes may try again, and ends nothing that would take its note along. */
        vt_net_port_release_one(take->list->driver, take->port, NULL, NULL);
        net_port_take_end(take, error);
        return;
    }
    vt_vf_policy_tell_bare(take->domain->name, net, error);
    net->bare = TRUE;
    take->next++;
    vt_net_port_release_one(take->list->driver, take->port, net_port_take_bare, take);
}

static void
net_port_made(NetPortCall *call, gboolean late)
{
    NetPortTake *take = call->user;
    NetPortList *list = call->list;
    NetPort *port = g_hash_table_lookup(list->table, call->port);
    g_autoptr(GError) error = call->error ? g_error_copy(call->error) : NULL;
    VtNetDef *net;
    VtUuid uuid;

    /* The thread is through: from now on the port can be deleted. */
    if (port && call->client)
        port->making = FALSE;
    if (late || !take) {
        if (port && port->unwanted && list->driver)
            net_port_delete(list, port, NULL, NULL);
        return;
    }
    if (!list->driver || !port || port->unwanted) {
        if (port && list->driver && !port->making)
            net_port_delete(list, port, NULL, NULL);
        net_port_take_aborted(take);
        return;
    }
    net = g_ptr_array_index(take->def->nets, take->next);
    vt_uuid_parse(call->port, &uuid);
    if (error || !vt_net_port_xml_apply(net, &uuid, call->answer, &error)) {
        port->unwanted = TRUE;
        net_port_take_failed(take, error);
        return;
    }
    vt_log_debug("dom=%s interface %s has port %s of network %s", take->domain->name,
                 net->info.alias ? net->info.alias : "?", call->port, net->network);
    take->next++;
    net_port_take_next(take);
}

static void
net_port_noted(gpointer user, const GError *error)
{
    NetPortTake *take = user;
    NetPortList *list = take->list;
    NetPort *port = g_hash_table_lookup(list->table, take->port);
    const VtNetDef *net = g_ptr_array_index(take->def->nets, take->next);
    g_autoptr(GError) local = NULL;
    VtUuid uuid;
    char *xml;

    if (!error && (!port || port->unwanted || !list->driver)) {
        net_port_take_aborted(take);
        return;
    }
    if (error) {
        net_port_take_end(take, error);
        return;
    }
    vt_uuid_parse(take->port, &uuid);
    xml = vt_net_port_xml_format(net, &uuid, take->domain->name, &take->domain->uuid);
    port->making = net_port_call(list, port, xml, net_port_made, take, &local);
    if (!port->making)
        net_port_take_failed(take, local);
}

static void
net_port_take_next(NetPortTake *take)
{
    NetPortList *list = take->list;
    g_autofree char *path = NULL, *text = NULL;
    g_autoptr(GError) error = NULL;
    char uuid_text[VT_UUID_STRING_SIZE];
    const VtNetDef *net = NULL;
    NetPort *port;
    VtUuid uuid;

    for (; take->next < take->def->nets->len; take->next++) {
        net = g_ptr_array_index(take->def->nets, take->next);
        if (net->type == VT_NET_NETWORK && !net->port && !net->bare)
            break;
    }
    if (take->next == take->def->nets->len) {
        net_port_take_end(take, NULL);
        return;
    }
    if (!list->driver) {
        net_port_take_aborted(take);
        return;
    }
    if (!vt_file_mkdirs(list->dir, 0700, &error)) {
        net_port_take_end(take, error);
        return;
    }
    vt_uuid_generate(&uuid);
    port =
        net_port_new(vt_uuid_format(&uuid, uuid_text), net->network, take->domain->name, &take->domain->uuid);
    g_hash_table_replace(list->table, port->port, port);
    g_free(take->port);
    take->port = g_strdup(uuid_text);
    path = net_port_path(list, uuid_text);
    text = net_port_to_text(port);
    vt_file_write_atomic_async(path, text, strlen(text), 0600, net_port_noted, take);
}

gboolean
vt_net_port_wanted(const VtDomainDef *def)
{
    for (guint i = 0; i < def->nets->len; i++) {
        const VtNetDef *net = g_ptr_array_index(def->nets, i);

        if (net->type == VT_NET_NETWORK && !net->port && !net->bare)
            return TRUE;
    }
    return FALSE;
}

void
vt_net_port_take(VtDriver *driver, VtDomain *domain, const VtDomainDef *def, gboolean may_be_bare,
                 VtNetPortTaken done, gpointer user)
{
    NetPortTake *take = g_new0(NetPortTake, 1);

    take->list = net_port_list(driver);
    take->list->refs++;
    take->domain = vt_domain_ref(domain);
    take->def = vt_domain_def_copy(def);
    take->may_be_bare = may_be_bare;
    take->done = done;
    take->user = user;
    net_port_take_next(take);
}
