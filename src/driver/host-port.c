/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A macvtap has the guest's own address, and an interface of the host that has it takes the guest's frames: so it is
 * up only while the guest's CPUs run here. RESUME and STOP of QEMU tell; on a destination it stays down until then.
 */
#define VT_LOG_DOMAIN "virtteam-driver-host-port"

#include "driver/host-port.h"

#include <net/if.h>
#include <string.h>
#include "conf/net.h"
#include "driver/datapath.h"
#include "driver/disk-file.h"
#include "driver/domain-private.h"
#include "util/enum.h"
#include "util/file.h"
#include "util/i18n.h"
#include "util/json.h"
#include "util/link.h"
#include "util/log.h"
#include "util/macvtap.h"
#include "util/message-id.h"
#include "util/netlink.h"
#include "util/ovsctl.h"

#define HOST_PORT_KEY       "host-ports"
#define HOST_PORT_SUFFIX    ".ports"
#define HOST_PORT_MAX_BYTES (1024 * 1024)
#define HOST_PORT_QMP_MS    30000
#define HOST_PORT_MAX       10000 /* macvtap9999 */

static const char *const host_port_kinds[] = {
    [VT_HOST_PORT_OVS] = "ovs",
    [VT_HOST_PORT_MACVTAP] = "macvtap",
};
VT_ENUM_TABLE(host_port_kinds, VT_HOST_PORT_COUNT);

typedef struct {
    VtHostPortKind kind;
    char name[IF_NAMESIZE];
    VtMac mac;
} HostPort;

/* All of a domain. Operations hold references; the domain's data is one. */
typedef struct {
    guint refs;
    VtDomain *domain; /* (nullable) not owned; for its events */
    VtDiskFile *file;
    GArray *list; /* of HostPort */
} HostPorts;

/* One operation on its way through a thread. */
typedef struct {
    HostPorts *ports; /* with a reference; not the thread's */
    GArray *work;     /* of HostPort */
    VtDomainDef *def;
    char *vm_id;
    VtDoneFunc done;
    gpointer user;
} HostPortTask;

static void
host_ports_unref(gpointer data)
{
    HostPorts *ports = data;

    if (--ports->refs > 0)
        return;
    vt_disk_file_free(ports->file);
    g_array_unref(ports->list);
    g_free(ports);
}

static HostPorts *
host_ports_new(VtDriver *driver, const char *name)
{
    HostPorts *ports = g_new0(HostPorts, 1);
    g_autofree char *base = g_strconcat(name, HOST_PORT_SUFFIX, NULL);
    g_autofree char *path = g_build_filename(driver->config->state_dir, base, NULL);

    ports->refs = 1;
    ports->file = vt_disk_file_new(path);
    ports->list = g_array_new(FALSE, TRUE, sizeof(HostPort));
    return ports;
}

static HostPorts *
host_ports_of(const VtDomain *domain)
{
    return vt_domain_data(domain, HOST_PORT_KEY);
}

/* ---- the file ---- */

static char *
host_ports_to_text(const HostPorts *ports)
{
    JsonArray *array = json_array_new();
    g_autoptr(JsonObject) root = NULL;
    char mac[VT_MAC_STRING_SIZE];

    for (guint i = 0; i < ports->list->len; i++) {
        const HostPort *port = &g_array_index(ports->list, HostPort, i);

        json_array_add_object_element(array, vt_json_object_new("s:kind", host_port_kinds[port->kind],
                                                                "s:name", port->name, "s:mac",
                                                                vt_mac_format(&port->mac, mac), NULL));
    }
    root = vt_json_object_new("a:ports", array, NULL);
    return vt_json_object_to_string(root);
}

static void
host_ports_save(HostPorts *ports, VtDoneFunc done, gpointer user)
{
    vt_disk_file_write(ports->file, host_ports_to_text(ports), done, user);
}

static gboolean
host_ports_load(HostPorts *ports, const char *path, GError **error)
{
    gsize length = 0;
    g_autofree char *text = vt_file_read(path, HOST_PORT_MAX_BYTES, &length, error);
    g_autoptr(JsonNode) root = text ? vt_json_parse(text, length, error) : NULL;
    JsonArray *array;

    if (!root || !vt_json_get_array(root, "ports", &array, error))
        return FALSE;
    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonNode *node = json_array_get_element(array, i);
        const char *name = vt_json_string_or(node, "name", "");
        int kind = vt_enum_value(host_port_kinds, VT_HOST_PORT_COUNT, vt_json_string_or(node, "kind", ""));
        HostPort port = { .kind = (VtHostPortKind)MAX(kind, 0) };

        if (kind < 0 || !vt_link_name_valid(name) ||
            !vt_mac_parse(vt_json_string_or(node, "mac", ""), &port.mac))
            return vt_error_set(error, VT_ERROR_INVALID_ARG, "entry %u is none of ours", i);
        g_strlcpy(port.name, name, sizeof port.name);
        g_array_append_val(ports->list, port);
    }
    return TRUE;
}

static void
host_ports_forget(HostPorts *ports, const GArray *gone)
{
    for (guint i = 0; i < gone->len; i++)
        for (guint k = ports->list->len; k-- > 0;)
            if (strcmp(g_array_index(ports->list, HostPort, k).name, g_array_index(gone, HostPort, i).name) ==
                0)
                g_array_remove_index(ports->list, k);
}

/* ---- in the thread ---- */

static const VtNetDef *
host_port_find(const VtDomainDef *def, const char *name)
{
    for (guint i = 0; i < def->nets->len; i++) {
        const VtNetDef *net = g_ptr_array_index(def->nets, i);

        if (g_strcmp0(net->target_dev, name) == 0)
            return net;
    }
    return NULL;
}

static gboolean
host_port_make_ovs(const VtNetDef *net, const char *vm_id, GError **error)
{
    static const char *const modes[] = {
        [VT_VLAN_NATIVE_NONE] = NULL,
        [VT_VLAN_NATIVE_TAGGED] = "native-tagged",
        [VT_VLAN_NATIVE_UNTAGGED] = "native-untagged",
    };
    VtOvsctlPortSpec spec = {
        .bridge = net->bridge,
        .name = net->target_dev,
        .mac = net->mac,
        .n_tags = MIN(net->vlan.n_tags, VT_OVSCTL_VLANS_MAX),
        .trunk = net->vlan.trunk,
        .mode = modes[net->vlan.native],
        .native = net->vlan.native_tag,
        .isolated = net->isolated == VT_TRISTATE_YES,
        .interface_id = net->virtualport.interface_id,
        .profile_id = net->virtualport.profile_id,
        .vm_id = vm_id,
    };

    memcpy(spec.tags, net->vlan.tags, MIN(sizeof spec.tags, sizeof net->vlan.tags));
    return vt_ovsctl_port_add(&spec, error);
}

static gboolean
host_port_make_macvtap(const VtNetDef *net, VtNetlink *netlink, GError **error)
{
    const VtMacvtapSpec spec = {
        .name = net->target_dev,
        .lower = net->direct_dev,
        .mode = net->direct_mode ? net->direct_mode : "vepa",
        .mac = net->mac,
    };

    return vt_macvtap_make(netlink, &spec, error);
}

static gboolean
host_port_unmake(const HostPort *port, VtNetlink *netlink, GError **error)
{
    switch (port->kind) {
    case VT_HOST_PORT_OVS:
        return vt_ovsctl_port_delete(port->name, error);
    case VT_HOST_PORT_MACVTAP:
        return vt_macvtap_remove(netlink, port->name, &port->mac, error);
    case VT_HOST_PORT_COUNT:
        break;
    }
    return TRUE;
}

static gboolean
host_port_make(const HostPortTask *run, const HostPort *port, VtNetlink *netlink, GError **error)
{
    const VtNetDef *net = host_port_find(run->def, port->name);
    gboolean ok = net && (port->kind == VT_HOST_PORT_OVS ? host_port_make_ovs(net, run->vm_id, error)
                                                         : host_port_make_macvtap(net, netlink, error));

    if (!ok)
        g_prefix_error(error, _("interface '%s': "), net && net->info.alias ? net->info.alias : port->name);
    return ok;
}

static void
host_port_make_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const HostPortTask *run = data;
    GError *error = NULL;
    g_autoptr(VtNetlink) netlink = vt_netlink_new(&error);
    guint done = 0;

    while (netlink && done < run->work->len &&
           host_port_make(run, &g_array_index(run->work, HostPort, done), netlink, &error))
        done++;
    if (!error) {
        g_task_return_boolean(task, TRUE);
        return;
    }
    while (done-- > 0)
        host_port_unmake(&g_array_index(run->work, HostPort, done), netlink, NULL);
    g_task_return_error(task, error);
}

/* What is removed leaves the list of work; what stays in it could not be. */
static void
host_port_unmake_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    HostPortTask *run = data;
    GError *first = NULL;
    g_autoptr(VtNetlink) netlink = vt_netlink_new(&first);

    for (guint i = run->work->len; netlink && i-- > 0;)
        if (host_port_unmake(&g_array_index(run->work, HostPort, i), netlink, first ? NULL : &first))
            g_array_remove_index(run->work, i);
    if (first)
        g_task_return_error(task, first);
    else
        g_task_return_boolean(task, TRUE);
}

/* ---- operations ---- */

static HostPortTask *
host_port_task_new(HostPorts *ports, VtDoneFunc done, gpointer user)
{
    HostPortTask *run = g_new0(HostPortTask, 1);

    ports->refs++;
    run->ports = ports;
    run->work = g_array_new(FALSE, TRUE, sizeof(HostPort));
    run->done = done;
    run->user = user;
    return run;
}

static void
host_port_task_end(HostPortTask *run, const GError *error)
{
    if (run->ports->list->len == 0)
        vt_disk_file_remove(run->ports->file);
    if (run->done)
        run->done(run->user, error);
    host_ports_unref(run->ports);
    g_array_unref(run->work);
    vt_domain_def_free(run->def);
    g_free(run->vm_id);
    g_free(run);
}

static void
host_port_made(GObject *source, GAsyncResult *result, gpointer user)
{
    HostPortTask *run = user;
    g_autoptr(GError) error = NULL;

    if (!g_task_propagate_boolean(G_TASK(result), &error)) {
        host_ports_forget(run->ports, run->work);
        if (run->ports->list->len)
            host_ports_save(run->ports, NULL, NULL);
    }
    host_port_task_end(run, error);
}

static void
host_port_noted(gpointer user, const GError *error)
{
    HostPortTask *run = user;
    g_autoptr(GTask) task = NULL;

    if (error) {
        host_ports_forget(run->ports, run->work);
        host_port_task_end(run, error);
        return;
    }
    task = g_task_new(NULL, NULL, host_port_made, run);
    g_task_set_task_data(task, run, NULL);
    g_task_run_in_thread(task, host_port_make_thread);
}

static gboolean
host_port_is_wanted(const VtNetDef *net, VtHostPortKind kind)
{
    return kind == VT_HOST_PORT_OVS ? vt_net_is_ovs(net) : net->type == VT_NET_DIRECT;
}

/* A free "macvtapN": guests that start at the same time must not get the same one. */
static char *
host_port_new_name(VtNetlink *netlink)
{
    static guint next;

    for (guint tries = 0; tries < HOST_PORT_MAX; tries++) {
        g_autofree char *name = g_strdup_printf("macvtap%u", next++ % HOST_PORT_MAX);

        if (!vt_link_exists(netlink, name))
            return g_steal_pointer(&name);
    }
    return NULL;
}

static gboolean
host_port_name(VtNetDef *net, GError **error)
{
    g_autoptr(VtNetlink) netlink = NULL;

    if (net->target_dev)
        return TRUE;
    netlink = vt_netlink_new(error);
    if (!netlink)
        return FALSE;
    net->target_dev = host_port_new_name(netlink);
    return net->target_dev ||
           vt_error_set(error, VT_ERROR_OPERATION_FAILED, _("there is no free name for a macvtap"));
}

static void host_port_event(VtDomain *domain, const VtQmpEvent *event, gpointer user);
static const VtDomainQmpFuncs host_port_listener = { .event = host_port_event };

/* The domain, or its run, ends; an operation may still hold the list. */
static void
host_ports_let_go(gpointer data)
{
    HostPorts *ports = data;

    ports->domain = NULL;
    host_ports_unref(ports);
}

static void
host_ports_attach(VtDomain *domain, HostPorts *ports)
{
    ports->domain = domain;
    vt_domain_set_data(domain, HOST_PORT_KEY, ports, host_ports_let_go);
    vt_domain_add_qmp_listener(domain, &host_port_listener, ports);
}

static void
host_ports_detach(VtDomain *domain, HostPorts *ports)
{
    vt_domain_remove_qmp_listener(domain, &host_port_listener, ports);
    vt_domain_set_data(domain, HOST_PORT_KEY, NULL, NULL);
}

void
vt_host_port_add(VtDomain *domain, VtDomainDef *def, VtHostPortKind kind, VtDoneFunc done, gpointer user)
{
    HostPorts *ports = host_ports_of(domain);
    g_autoptr(GArray) wanted = g_array_new(FALSE, TRUE, sizeof(HostPort));
    g_autoptr(GError) error = NULL;
    char uuid[VT_UUID_STRING_SIZE];
    HostPortTask *run;

    for (guint i = 0; i < def->nets->len && !error; i++) {
        VtNetDef *net = g_ptr_array_index(def->nets, i);
        HostPort port = { .kind = kind, .mac = net->mac };

        if (!host_port_is_wanted(net, kind) || !host_port_name(net, &error))
            continue;
        g_strlcpy(port.name, net->target_dev, sizeof port.name);
        g_array_append_val(wanted, port);
    }
    if (error || wanted->len == 0) {
        done(user, error);
        return;
    }
    if (!ports) {
        ports = host_ports_new(domain->driver, domain->name);
        host_ports_attach(domain, ports);
    }
    run = host_port_task_new(ports, done, user);
    run->def = vt_domain_def_copy(def);
    run->vm_id = g_strdup(vt_uuid_format(&domain->uuid, uuid));
    host_ports_forget(ports, wanted); /* what an attempt before us has left in the list */
    g_array_append_vals(run->work, wanted->data, wanted->len);
    g_array_append_vals(ports->list, wanted->data, wanted->len);
    host_ports_save(ports, host_port_noted, run);
}

static void
host_port_unmade(GObject *source, GAsyncResult *result, gpointer user)
{
    HostPortTask *run = user;
    HostPorts *ports = run->ports;
    g_autoptr(GError) error = NULL;

    if (!g_task_propagate_boolean(G_TASK(result), &error)) {
        vt_log_warning("what was made on the host for a guest cannot be removed: %s", error->message);
        g_array_append_vals(ports->list, run->work->data, run->work->len);
    }
    if (ports->list->len)
        host_ports_save(ports, NULL, NULL);
    else if (ports->domain && host_ports_of(ports->domain) == ports)
        host_ports_detach(ports->domain, ports);
    host_port_task_end(run, error);
}

/* Those of that name; without one: all that @keep (nullable) has no interface for. */
static void
host_ports_remove(HostPorts *ports, const char *name, const VtDomainDef *keep, VtDoneFunc done, gpointer user)
{
    HostPortTask *run = host_port_task_new(ports, done, user);
    g_autoptr(GTask) task = NULL;

    for (guint i = 0; i < ports->list->len; i++) {
        const HostPort *port = &g_array_index(ports->list, HostPort, i);

        if (name ? strcmp(port->name, name) == 0 : !(keep && host_port_find(keep, port->name)))
            g_array_append_vals(run->work, port, 1);
    }
    host_ports_forget(ports, run->work); /* on the disk they stay until they are gone */
    task = g_task_new(NULL, NULL, host_port_unmade, run);
    g_task_set_task_data(task, run, NULL);
    g_task_run_in_thread(task, host_port_unmake_thread);
}

void
vt_host_port_remove(VtDomain *domain, const char *name, VtDoneFunc done, gpointer user)
{
    HostPorts *ports = host_ports_of(domain);

    if (ports)
        host_ports_remove(ports, name, NULL, done, user);
    else if (done)
        done(user, NULL);
}

void
vt_host_port_remove_unused(VtDomain *domain, VtDoneFunc done, gpointer user)
{
    HostPorts *ports = host_ports_of(domain);

    if (ports && domain->live)
        host_ports_remove(ports, NULL, domain->live, done, user);
    else if (done)
        done(user, NULL);
}

/* ---- up and down ---- */

/* The standby of a team whose back end decides when it is up. */
static gboolean
host_port_is_teams(const VtDomain *domain, const char *name)
{
    const VtNetDef *net = domain->live ? host_port_find(domain->live, name) : NULL;

    VtDatapathInfo info;

    return net && vt_datapath_find(domain, net->info.alias, &info) && g_strcmp0(info.backend, "macvtap") == 0;
}

void
vt_host_port_set_up(VtDomain *domain, gboolean up)
{
    HostPorts *ports = host_ports_of(domain);
    g_autoptr(VtNetlink) netlink = NULL;

    for (guint i = 0; ports && i < ports->list->len; i++) {
        const HostPort *port = &g_array_index(ports->list, HostPort, i);
        g_autoptr(GError) error = NULL;

        if (port->kind != VT_HOST_PORT_MACVTAP || host_port_is_teams(domain, port->name))
            continue;
        if (!netlink)
            netlink = vt_netlink_new(NULL);
        if (netlink && !vt_link_set_up(netlink, port->name, up, &error))
            vt_log_warning("dom=%s: %s", domain->name, error->message);
    }
}

static void
host_port_announced(gpointer user, JsonNode *result, const GError *error)
{
    if (error)
        vt_log_debug("announce-self: %s", error->message);
}

/*
 * Switches are to learn where the guest is. QEMU tells them when a migration has brought it, but that is before the
 * macvtap is up. Source: QAPI announce-self; times are its defaults.
 */
static void
host_port_announce(VtDomain *domain)
{
    HostPorts *ports = host_ports_of(domain);
    VtQmpClient *qmp = vt_domain_qmp(domain, NULL);
    gboolean macvtap = FALSE;

    for (guint i = 0; ports && i < ports->list->len; i++)
        macvtap |= g_array_index(ports->list, HostPort, i).kind == VT_HOST_PORT_MACVTAP;
    if (macvtap && qmp)
        vt_qmp_client_callv(qmp, "announce-self", HOST_PORT_QMP_MS, host_port_announced, NULL, "initial", "i",
                            (gint64)50, "max", "i", (gint64)550, "rounds", "i", (gint64)5, "step", "i",
                            (gint64)100, NULL);
}

static void
host_port_event(VtDomain *domain, const VtQmpEvent *event, gpointer user)
{
    if (g_str_equal(event->name, "RESUME")) {
        vt_host_port_set_up(domain, TRUE);
        host_port_announce(domain);
    } else if (g_str_equal(event->name, "STOP")) {
        vt_host_port_set_up(domain, FALSE);
    }
}

/* ---- after a restart ---- */

static void
host_port_recover_one(const char *name, const char *path, gpointer user)
{
    VtDriver *driver = user;
    VtDomain *domain = vt_driver_lookup_name(driver, name, NULL);
    HostPorts *ports = host_ports_new(driver, name);
    g_autoptr(GError) error = NULL;

    if (!host_ports_load(ports, path, &error))
        vt_log_id_error(
            VT_MESSAGE_HOST_PORT_UNREADABLE, name,
            "'%s' cannot be read: %s; what was made on the host for the interfaces of domain '%s' has "
            "to be removed by hand (ovs-vsctl del-port, ip link del)",
            path, error->message, name);
    if (domain && vt_domain_is_active(domain)) {
        host_ports_attach(domain, ports);
        vt_host_port_set_up(domain, domain->state == VT_DOMAIN_RUNNING);
        return;
    }
    if (!error)
        host_ports_remove(ports, NULL, NULL, NULL, NULL);
    host_ports_unref(ports);
}

void
vt_host_port_recover(VtDriver *driver)
{
    vt_disk_file_each(driver->config->state_dir, HOST_PORT_SUFFIX, host_port_recover_one, driver);
}
