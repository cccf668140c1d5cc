/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/net-port-xml.h"

#include <net/if.h>
#include <string.h>
#include "conf/address.h"
#include "conf/element.h"
#include "conf/net.h"
#include "conf/teaming.h"
#include "conf/virtualport.h"
#include "util/i18n.h"

/* ---- asking ---- */

static void
net_port_xml_vlan(VtXmlWriter *writer, const VtVlanDef *vlan)
{
    if (vlan->n_tags == 0)
        return;
    vt_xml_writer_start(writer, "vlan");
    vt_xml_writer_attr(writer, "trunk", vlan->trunk ? "yes" : NULL);
    for (guint i = 0; i < vlan->n_tags && i < G_N_ELEMENTS(vlan->tags); i++) {
        g_autofree char *id = g_strdup_printf("%u", vlan->tags[i]);

        vt_xml_writer_empty(writer, "tag", "id", id, NULL);
    }
    vt_xml_writer_end(writer);
}

char *
vt_net_port_xml_format(const VtNetDef *net, const VtUuid *port, const char *name, const VtUuid *uuid)
{
    g_autoptr(VtXmlWriter) writer = vt_xml_writer_new();
    char text[VT_UUID_STRING_SIZE], mac[VT_MAC_STRING_SIZE];

    vt_xml_writer_start(writer, "networkport");
    vt_xml_writer_text(writer, "uuid", vt_uuid_format(port, text));
    vt_xml_writer_start(writer, "owner");
    vt_xml_writer_text(writer, "name", name);
    vt_xml_writer_text(writer, "uuid", vt_uuid_format(uuid, text));
    vt_xml_writer_end(writer);
    if (net->portgroup)
        vt_xml_writer_text(writer, "group", net->portgroup);
    vt_xml_writer_empty(writer, "mac", "address", vt_mac_format(&net->mac, mac), NULL);
    vt_xml_writer_optional(writer, "rxfilters", "trustGuest", vt_tristate_yes_no(net->trust_guest_rx_filters),
                           NULL);
    vt_xml_writer_optional(writer, "port", "isolated", vt_tristate_yes_no(net->isolated), NULL);
    net_port_xml_vlan(writer, &net->vlan);
    vt_xml_writer_end(writer);
    return vt_xml_writer_finish(g_steal_pointer(&writer));
}

/* ---- the answer ---- */

/* The live interface under construction, and where to say what is wrong with the answer. */
typedef struct {
    VtNetDef *net;
    VtParseContext ctx;
    const xmlNode *plug;
} NetPortXml;

#define NET_PORT_XML_REFUSE(port, ...)                                                                       \
    vt_xml_problem_add((port)->ctx.problems, VT_ERROR_CONFIG_UNSUPPORTED, __VA_ARGS__)

static const char *
net_port_xml_alias(const NetPortXml *port)
{
    return port->net->info.alias ? port->net->info.alias : "?";
}

static gboolean
net_port_xml_link_name(const NetPortXml *port, const char *attr, char **name)
{
    if (!vt_xml_attr_required(port->ctx.problems, port->plug, attr, name))
        return FALSE;
    if (strlen(*name) < IFNAMSIZ && !strpbrk(*name, "/ \t\n"))
        return TRUE;
    return vt_xml_problem(port->ctx.problems, VT_ERROR_XML_DETAIL, port->plug,
                          _("%s= of the network's port is no name of a link"), attr);
}

static gboolean
net_port_xml_bridge(NetPortXml *port, VtNetType type)
{
    VtNetDef *net = port->net;
    g_autofree char *table = vt_xml_attr(port->plug, "macTableManager");
    const xmlNode *vlan = vt_xml_child(port->plug->parent, "vlan");

    if (net->teaming.type == VT_TEAMING_TRANSIENT && vt_teaming_net_is_host(net))
        return NET_PORT_XML_REFUSE(
            port,
            _("interface '%s': the network '%s' lends no VFs, but a bridge, which a transient cannot use: "
              "name a network with <forward mode='hostdev'>"),
            net_port_xml_alias(port), net->network);
    if (g_strcmp0(table, "libvirt") == 0)
        return NET_PORT_XML_REFUSE(
            port,
            _("interface '%s': the network '%s' says macTableManager='libvirt', which is not "
              "supported by virtteam: leave it out of the network's <bridge>"),
            net_port_xml_alias(port), net->network);
    if (vlan && net->virtualport.openvswitch && !vt_net_parse_vlan(&port->ctx, vlan, &net->vlan))
        return FALSE;
    if ((net->vlan.n_tags > 0 || vlan) && !net->virtualport.openvswitch)
        return NET_PORT_XML_REFUSE(
            port,
            _("interface '%s': a VLAN of the network '%s' is not supported by virtteam where the network is a "
              "bridge: use a bridge that is within the VLAN"),
            net_port_xml_alias(port), net->network);
    net->type = type;
    g_clear_pointer(&net->bridge, g_free);
    return net_port_xml_link_name(port, "bridge", &net->bridge);
}

static gboolean
net_port_xml_plug_network(NetPortXml *port)
{
    return net_port_xml_bridge(port, VT_NET_NETWORK);
}

static gboolean
net_port_xml_plug_bridge(NetPortXml *port)
{
    return net_port_xml_bridge(port, VT_NET_BRIDGE);
}

static gboolean
net_port_xml_plug_direct(NetPortXml *port)
{
    VtNetDef *net = port->net;

    if (net->teaming.type == VT_TEAMING_TRANSIENT)
        return NET_PORT_XML_REFUSE(
            port,
            _("interface '%s': the network '%s' lends no VFs, but a macvtap, which a transient cannot use: "
              "name a network with <forward mode='hostdev'>"),
            net_port_xml_alias(port), net->network);
    net->type = VT_NET_DIRECT;
    return net_port_xml_link_name(port, "dev", &net->direct_dev) &&
           vt_xml_attr_choice(port->ctx.problems, port->plug, "mode", "vepa bridge private", "passthrough",
                              &net->direct_mode);
}

/* The VLAN of the network or of its port group, where the interface says none itself. */
static gboolean
net_port_xml_read_vlan(NetPortXml *port)
{
    const xmlNode *vlan = vt_xml_child(port->plug->parent, "vlan");
    const xmlNode *tag = vlan ? vt_xml_child(vlan, "tag") : NULL;
    guint id = 0;

    if (!vlan)
        return TRUE;
    if (!tag || vt_xml_next(tag, "tag"))
        return NET_PORT_XML_REFUSE(
            port,
            _("interface '%s': the network '%s' has a VLAN trunk, which a function of the host "
              "cannot have: leave one <tag> there"),
            net_port_xml_alias(port), port->net->network);
    if (!vt_xml_attr_uint(port->ctx.problems, tag, "id", 0, 4095, &id))
        return FALSE;
    port->net->vlan = (VtVlanDef){ .tags = { (guint16)id }, .n_tags = 1 };
    return TRUE;
}

/* What only taps have means nothing for a function of the host. */
static void
net_port_xml_forget_tap(VtNetDef *net)
{
    net->queues = net->rx_queue_size = net->tx_queue_size = 0;
    net->mtu = 0;
    net->isolated = net->trust_guest_rx_filters = net->target_managed = VT_TRISTATE_DEFAULT;
    net->link = VT_LINK_DEFAULT;
    g_clear_pointer(&net->driver_name, g_free);
    g_clear_pointer(&net->target_dev, g_free);
    g_clear_pointer(&net->model, g_free);
}

static gboolean
net_port_xml_plug_hostdev(NetPortXml *port)
{
    VtNetDef *net = port->net;
    const xmlNode *address = vt_xml_child(port->plug, "address");
    const xmlNode *driver = vt_xml_child(port->plug, "driver");
    g_autofree char *name = driver ? vt_xml_attr(driver, "name") : NULL;

    if (net->teaming.type == VT_TEAMING_PERSISTENT)
        return NET_PORT_XML_REFUSE(
            port,
            _("interface '%s': the network '%s' lends functions of the host, but the persistent of "
              "a team is a virtio NIC on a bridge: name a network that has one"),
            net_port_xml_alias(port), net->network);
    if (name && strcmp(name, "vfio") != 0)
        return NET_PORT_XML_REFUSE(
            port,
            _("interface '%s': the driver '%s' of the network '%s' is not supported by "
              "virtteam: say <driver name='vfio'/> there"),
            net_port_xml_alias(port), name, net->network);
    if (!address)
        return vt_xml_problem(port->ctx.problems, VT_ERROR_XML_DETAIL, port->plug,
                              _("<address> of the function is missing"));
    if (!vt_parse_yes_no(&port->ctx, port->plug, "managed", &net->managed) ||
        !vt_host_pci_parse(&port->ctx, address, &net->host) || !net_port_xml_read_vlan(port))
        return FALSE;
    net->type = VT_NET_HOSTDEV;
    net->has_host = TRUE;
    net_port_xml_forget_tap(net);
    return TRUE;
}

/* What holds for every kind of plug, and is said beside it. */
static gboolean
net_port_xml_common(NetPortXml *port, const char *plug)
{
    const xmlNode *root = port->plug->parent;
    const xmlNode *virtualport = vt_xml_child(root, "virtualport");
    const xmlNode *isolated = vt_xml_child(root, "port");
    g_autofree char *type = virtualport ? vt_xml_attr(virtualport, "type") : NULL;

    if (virtualport && !(g_strcmp0(type, "openvswitch") == 0 && g_strcmp0(plug, "bridge") == 0))
        return NET_PORT_XML_REFUSE(
            port,
            _("interface '%s': <virtualport type='%s'> of the network '%s' is not supported by virtteam, only "
              "'openvswitch' where the network is a bridge"),
            net_port_xml_alias(port), type ? type : "", port->net->network);
    if (virtualport && !vt_virtualport_parse(&port->ctx, virtualport, &port->net->virtualport))
        return FALSE;
    if (vt_xml_child(root, "bandwidth"))
        return NET_PORT_XML_REFUSE(
            port,
            _("interface '%s': <bandwidth> of a port group of the network '%s' is not supported "
              "by virtteam: remove it there, or name another port group"),
            net_port_xml_alias(port), port->net->network);
    return !isolated || vt_parse_yes_no(&port->ctx, isolated, "isolated", &port->net->isolated);
}

static gboolean
net_port_xml_read(NetPortXml *port, const xmlNode *root)
{
    static const struct {
        const char *type;
        gboolean (*read)(NetPortXml *port);
    } plugs[] = {
        { .type = "network", .read = net_port_xml_plug_network },
        { .type = "bridge", .read = net_port_xml_plug_bridge },
        { .type = "direct", .read = net_port_xml_plug_direct },
        { .type = "hostdev-pci", .read = net_port_xml_plug_hostdev },
    };
    g_autofree char *type = NULL, *shown = NULL;

    port->plug = vt_xml_is(root, "networkport") ? vt_xml_child(root, "plug") : NULL;
    if (!port->plug)
        return vt_xml_problem(port->ctx.problems, VT_ERROR_XML_DETAIL, root,
                              _("the network daemon's answer is no <networkport> with a <plug>"));
    if (!vt_xml_attr_required(port->ctx.problems, port->plug, "type", &type) ||
        !net_port_xml_common(port, type))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(plugs); i++)
        if (strcmp(plugs[i].type, type) == 0)
            return plugs[i].read(port);
    shown = vt_xml_shown(type);
    return NET_PORT_XML_REFUSE(port,
                               _("interface '%s': a port of the kind '%s', which the network '%s' gives, is "
                                 "not supported by virtteam"),
                               net_port_xml_alias(port), shown, port->net->network);
}

gboolean
vt_net_port_xml_apply(VtNetDef *net, const VtUuid *port_uuid, const char *text, GError **error)
{
    g_autoptr(VtXmlDoc) doc = vt_xml_parse(text, error);
    g_autoptr(GPtrArray) problems = vt_xml_problems_new();
    g_autoptr(VtNetDef) live = NULL;
    NetPortXml port = { .ctx.problems = problems, .ctx.flags = VT_PARSE_STATUS };
    char uuid[VT_UUID_STRING_SIZE];
    VtNetDef swap;

    if (!doc)
        return FALSE;
    live = vt_net_def_copy(net);
    live->bare = FALSE;
    g_free(live->port);
    live->port = g_strdup(vt_uuid_format(port_uuid, uuid));
    port.net = live;
    if (!net_port_xml_read(&port, xmlDocGetRootElement(doc)) || problems->len > 0) {
        if (problems->len > 0)
            g_propagate_error(error, g_error_copy(g_ptr_array_index(problems, 0)));
        else
            vt_error_set(error, VT_ERROR_INTERNAL, "a port was refused without a word");
        return FALSE;
    }
    if (!live->configured) {
        live->configured = vt_net_def_copy(net);
        live->configured->bare = FALSE;
    }
    swap = *net;
    *net = *live;
    *live = swap;
    return TRUE;
}
