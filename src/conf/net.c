/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/net.h"

#include <net/if.h>
#include <string.h>

#include "conf/address.h"
#include "conf/teaming.h"
#include "conf/virtualport.h"
#include "util/enum.h"
#include "util/i18n.h"
#include "util/tap.h"

#define NET_MTU_MIN  68 /* smallest IPv4 MTU, RFC 791; also virtio-net's */
#define NET_MTU_MAX  65535
#define NET_VLAN_MAX 4095

static const char *const net_types[] = {
    [VT_NET_BRIDGE] = "bridge",   [VT_NET_ETHERNET] = "ethernet", [VT_NET_USER] = "user",
    [VT_NET_HOSTDEV] = "hostdev", [VT_NET_NETWORK] = "network",   [VT_NET_DIRECT] = "direct",
};
VT_ENUM_TABLE(net_types, VT_NET_COUNT);

static const char *const net_natives[] = {
    [VT_VLAN_NATIVE_TAGGED] = "tagged",
    [VT_VLAN_NATIVE_UNTAGGED] = "untagged",
};

static const VtXmlEnum net_type_enum = {
    .names = net_types,
    .count = G_N_ELEMENTS(net_types),
    .refused = "vhostuser internal mcast client server udp vdpa null vds",
};

static const VtElementSchema net_schema = {
    .attrs = "type managed trustGuestRxFilters",
    .children =
        "mac source vlan virtualport port target model driver teaming link mtu boot alias rom address",
};
/* In our own status files: what the host gave is said beside what the XML says. */
static const VtElementSchema net_status_schema = {
    .attrs = "type managed trustGuestRxFilters bare",
    .children =
        "mac source vlan virtualport port target model driver teaming link mtu boot alias rom address "
        "configured",
};
static const VtElementSchema net_configured_schema = { .children = "interface" };
static const VtElementSchema net_mac_schema = { .attrs = "address" };
static const VtElementSchema net_target_schema = { .attrs = "dev managed" };
static const VtElementSchema net_model_schema = { .attrs = "type" };
static const VtElementSchema net_driver_schema = { .attrs = "name queues rx_queue_size tx_queue_size" };
static const VtElementSchema net_link_schema = { .attrs = "state" };
static const VtElementSchema net_mtu_schema = { .attrs = "size" };
static const VtElementSchema net_port_schema = { .attrs = "isolated" };
static const VtElementSchema net_vlan_schema = { .attrs = "trunk", .children = "tag*" };
static const VtElementSchema net_tag_schema = { .attrs = "id nativeMode" };

/* <source> by type; in live XML bridge= and portid= of a network, and network= of what it became, say where it ended. */
static const VtElementSchema net_source_schemas[] = {
    [VT_NET_BRIDGE] = { .attrs = "bridge network portgroup portid" },
    [VT_NET_ETHERNET] = { 0 },
    [VT_NET_USER] = { 0 },
    [VT_NET_HOSTDEV] = { .children = "address" },
    [VT_NET_NETWORK] = { .attrs = "network portgroup bridge portid" },
    [VT_NET_DIRECT] = { .attrs = "dev mode network portgroup portid" },
};
VT_ENUM_TABLE(net_source_schemas, VT_NET_COUNT);
static const VtElementSchema net_source_hostdev_status_schema = {
    .attrs = "network portgroup portid",
    .children = "address",
};

gboolean
vt_net_target_is_automatic(const char *dev)
{
    static const char *const prefixes[] = { "vnet", "macvtap", "macvlan" };

    for (gsize i = 0; dev && i < G_N_ELEMENTS(prefixes); i++) {
        const char *rest = dev + strlen(prefixes[i]);

        if (g_str_has_prefix(dev, prefixes[i]) && *rest && strspn(rest, "0123456789") == strlen(rest))
            return TRUE;
    }
    return FALSE;
}

gboolean
vt_net_is_ovs(const VtNetDef *net)
{
    return net->type == VT_NET_BRIDGE && net->virtualport.openvswitch;
}

/* What the kernel takes as the name of a link. */
static gboolean
net_check_ifname(VtParseContext *ctx, const xmlNode *node, const char *attr, const char *name)
{
    g_autofree char *shown = NULL;

    if (!name || (*name && strlen(name) < IFNAMSIZ && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
                  !strpbrk(name, "/:% \t\n\r\v\f")))
        return TRUE;
    shown = vt_xml_shown(name);
    return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                          _("%s='%s' cannot be the name of a link: 1 to 15 characters without '/', ':', '%%' "
                            "and blanks"),
                          attr, shown);
}

static gboolean
net_parse_mac(VtParseContext *ctx, const xmlNode *node, VtNetDef *net)
{
    gboolean ok = vt_element_check(ctx, node, &net_mac_schema);
    g_autofree char *text = NULL;
    g_autofree char *shown = NULL;

    if (!vt_xml_attr_required(ctx->problems, node, "address", &text))
        return FALSE;
    shown = vt_xml_shown(text);
    if (!vt_mac_parse(text, &net->mac))
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                              _("address='%s' is no MAC address: write six hexadecimal bytes with colons, "
                                "e.g. '52:54:00:12:34:56'"),
                              shown);
    if (vt_mac_is_multicast(&net->mac))
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                              _("expected a unicast MAC address, found the multicast one '%s': make its "
                                "first byte even"),
                              shown);
    if (vt_mac_is_zero(&net->mac))
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                              _("the MAC address '%s' cannot be used by a NIC: choose another, or leave "
                                "<mac> out to have one made"),
                              shown);
    net->has_mac = TRUE;
    return ok;
}

static gboolean
net_parse_source_hostdev(VtParseContext *ctx, const xmlNode *source, VtNetDef *net)
{
    const xmlNode *address = vt_xml_child(source, "address");

    net->has_host = TRUE;
    if (!address)
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, source,
                              _("<address type='pci' domain='' bus='' slot='' function=''/> of the host's "
                                "PCI function is missing"));
    return vt_host_pci_parse(ctx, address, &net->host);
}

static gboolean
net_parse_source(VtParseContext *ctx, const xmlNode *source, VtNetDef *net)
{
    GPtrArray *problems = ctx->problems;
    gboolean status = !!(ctx->flags & VT_PARSE_STATUS);
    gboolean ok = vt_element_check(ctx, source,
                                   status && net->type == VT_NET_HOSTDEV ? &net_source_hostdev_status_schema
                                                                         : &net_source_schemas[net->type]);

    if (status) {
        net->port = vt_xml_attr(source, "portid");
        if (net->type != VT_NET_NETWORK) {
            net->network = vt_xml_attr(source, "network");
            net->portgroup = vt_xml_attr(source, "portgroup");
        }
    }
    switch (net->type) {
    case VT_NET_BRIDGE:
        ok &= vt_xml_attr_required(problems, source, "bridge", &net->bridge);
        return ok & net_check_ifname(ctx, source, "bridge", net->bridge);
    case VT_NET_NETWORK:
        ok &= vt_xml_attr_required(problems, source, "network", &net->network);
        net->portgroup = vt_xml_attr(source, "portgroup");
        if (status)
            net->bridge = vt_xml_attr(source, "bridge");
        return ok & net_check_ifname(ctx, source, "bridge", net->bridge);
    case VT_NET_DIRECT:
        ok &= vt_xml_attr_required(problems, source, "dev", &net->direct_dev);
        ok &= net_check_ifname(ctx, source, "dev", net->direct_dev);
        return ok & vt_xml_attr_choice(problems, source, "mode", "vepa bridge private", "passthrough",
                                       &net->direct_mode);
    case VT_NET_HOSTDEV:
        return net_parse_source_hostdev(ctx, source, net) && ok;
    case VT_NET_ETHERNET:
    case VT_NET_USER:
    case VT_NET_COUNT:
        break;
    }
    return ok;
}

static gboolean
net_check_source_there(VtParseContext *ctx, const xmlNode *node, VtNetType type)
{
    static const char *const examples[] = {
        [VT_NET_BRIDGE] = "bridge=''",
        [VT_NET_HOSTDEV] = NULL, /* may be taken by the team's policy: see validation */
        [VT_NET_NETWORK] = "network=''",
        [VT_NET_DIRECT] = "dev=''",
    };

    if ((gsize)type >= G_N_ELEMENTS(examples) || !examples[type])
        return TRUE;
    return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                          _("<source %s> is missing, which type='%s' needs"), examples[type],
                          net_types[type]);
}

static gboolean
net_parse_target(VtParseContext *ctx, const xmlNode *node, VtNetDef *net)
{
    gboolean ok = vt_element_check(ctx, node, &net_target_schema);

    ok &= vt_parse_yes_no(ctx, node, "managed", &net->target_managed);
    net->target_dev = vt_xml_attr(node, "dev");
    ok &= net_check_ifname(ctx, node, "dev", net->target_dev);
    if (!(ctx->flags & VT_PARSE_STATUS) && vt_net_target_is_automatic(net->target_dev))
        g_clear_pointer(&net->target_dev, g_free);
    return ok;
}

static gboolean
net_parse_model(VtParseContext *ctx, const xmlNode *node, VtNetDef *net)
{
    gboolean ok = vt_element_check(ctx, node, &net_model_schema);
    g_autofree char *shown = NULL;

    if (!vt_xml_attr_required(ctx->problems, node, "type", &net->model))
        return FALSE;
    shown = vt_xml_shown(net->model);
    for (const char *p = net->model; *p; p++)
        if (!g_ascii_isalnum(*p) && *p != '-' && *p != '_')
            return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                                  _("type='%s' is no name of a NIC model, e.g. 'virtio' or 'e1000e'"), shown);
    return ok;
}

static gboolean
net_parse_queue_size(VtParseContext *ctx, const xmlNode *node, const char *name, guint *out)
{
    if (!vt_xml_attr_uint(ctx->problems, node, name, 256, 1024, out))
        return FALSE;
    if (*out & (*out - 1))
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                              _("%s='%u' is no power of two: say 256, 512 or 1024"), name, *out);
    return TRUE;
}

static gboolean
net_parse_driver(VtParseContext *ctx, const xmlNode *node, VtNetDef *net)
{
    gboolean hostdev = net->type == VT_NET_HOSTDEV;
    gboolean ok = vt_element_check(ctx, node, &net_driver_schema);

    ok &= vt_xml_attr_choice(ctx->problems, node, "name", hostdev ? "vfio" : "qemu vhost",
                             hostdev ? "kvm xen" : NULL, &net->driver_name);
    ok &= vt_xml_attr_uint(ctx->problems, node, "queues", 1, VT_TAP_QUEUES_MAX, &net->queues);
    ok &= net_parse_queue_size(ctx, node, "rx_queue_size", &net->rx_queue_size);
    ok &= net_parse_queue_size(ctx, node, "tx_queue_size", &net->tx_queue_size);
    return ok;
}

/* The VLAN of what comes without a tag. */
static gboolean
net_parse_native(VtParseContext *ctx, const xmlNode *tag, VtVlanDef *vlan)
{
    static const VtXmlEnum modes = { .names = net_natives, .count = G_N_ELEMENTS(net_natives) };
    int native = VT_VLAN_NATIVE_NONE;

    if (!vt_xml_attr_enum(ctx->problems, tag, "nativeMode", &modes, &native))
        return FALSE;
    if (native == VT_VLAN_NATIVE_NONE)
        return TRUE;
    if (vlan->native != VT_VLAN_NATIVE_NONE)
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, tag,
                              _("a second <tag> has nativeMode=: only one VLAN can be the native one"));
    vlan->native = (VtVlanNative)native;
    vlan->native_tag = vlan->tags[vlan->n_tags - 1];
    return TRUE;
}

gboolean
vt_net_parse_vlan(VtParseContext *ctx, const xmlNode *node, VtVlanDef *vlan)
{
    gboolean ok = vt_element_check(ctx, node, &net_vlan_schema);
    int trunk = -1;

    ok &= vt_xml_attr_flag(ctx->problems, node, "trunk", "yes no", &trunk);
    VT_XML_FOREACH(tag, node, "tag")
    {
        g_autofree char *id_text = NULL;
        guint id = 0;

        ok &= vt_element_check(ctx, tag, &net_tag_schema);
        if (!vt_xml_attr_required(ctx->problems, tag, "id", &id_text) ||
            !vt_xml_attr_uint(ctx->problems, tag, "id", 0, NET_VLAN_MAX, &id)) {
            ok = FALSE;
            continue;
        }
        if (vlan->n_tags == G_N_ELEMENTS(vlan->tags))
            return vt_xml_problem(ctx->problems, VT_ERROR_CONFIG_UNSUPPORTED, tag,
                                  _("more than %d VLAN tags are not supported by virtteam"),
                                  (int)G_N_ELEMENTS(vlan->tags));
        vlan->tags[vlan->n_tags++] = (guint16)id;
        ok &= net_parse_native(ctx, tag, vlan);
    }
    if (ok && vlan->n_tags == 0)
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                              _("<tag id=''/> is missing: name a VLAN or remove <vlan>"));
    if (trunk == 0 && (vlan->n_tags > 1 || vlan->native != VT_VLAN_NATIVE_NONE))
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                              _("trunk='no' contradicts the %u tags: leave one <tag>, without nativeMode="),
                              vlan->n_tags);
    vlan->trunk = trunk == 1 || vlan->n_tags > 1 || vlan->native != VT_VLAN_NATIVE_NONE;
    return ok;
}

static gboolean
net_parse_link(VtParseContext *ctx, const xmlNode *node, VtNetDef *net)
{
    static const char *const names[] = { [VT_LINK_UP] = "up", [VT_LINK_DOWN] = "down" };
    static const VtXmlEnum states = { .names = names, .count = G_N_ELEMENTS(names) };
    g_autofree char *text = NULL;
    int state = VT_LINK_DEFAULT;
    gboolean ok = vt_element_check(ctx, node, &net_link_schema);

    ok &= vt_xml_attr_required(ctx->problems, node, "state", &text) &&
          vt_xml_attr_enum(ctx->problems, node, "state", &states, &state);
    net->link = (VtLinkState)state;
    return ok;
}

static gboolean
net_parse_mtu(VtParseContext *ctx, const xmlNode *node, VtNetDef *net)
{
    g_autofree char *text = NULL;
    gboolean ok = vt_element_check(ctx, node, &net_mtu_schema);

    return vt_xml_attr_required(ctx->problems, node, "size", &text) &&
           vt_xml_attr_uint(ctx->problems, node, "size", NET_MTU_MIN, NET_MTU_MAX, &net->mtu) && ok;
}

static gboolean
net_parse_port(VtParseContext *ctx, const xmlNode *node, VtNetDef *net)
{
    gboolean ok = vt_element_check(ctx, node, &net_port_schema);

    return vt_parse_yes_no(ctx, node, "isolated", &net->isolated) && ok;
}

static gboolean
net_parse_virtualport(VtParseContext *ctx, const xmlNode *node, VtNetDef *net)
{
    return vt_virtualport_parse(ctx, node, &net->virtualport);
}

static gboolean
net_parse_vlan_child(VtParseContext *ctx, const xmlNode *node, VtNetDef *net)
{
    return vt_net_parse_vlan(ctx, node, &net->vlan);
}

/* The children whose meaning does not depend on the type; <source> is read before, as <driver> needs it. */
static gboolean
net_parse_children(VtParseContext *ctx, const xmlNode *node, VtNetDef *net)
{
    static const struct {
        const char *name;
        gboolean (*parse)(VtParseContext *ctx, const xmlNode *node, VtNetDef *net);
    } table[] = {
        { .name = "mac", .parse = net_parse_mac },
        { .name = "vlan", .parse = net_parse_vlan_child },
        { .name = "port", .parse = net_parse_port },
        { .name = "target", .parse = net_parse_target },
        { .name = "model", .parse = net_parse_model },
        { .name = "driver", .parse = net_parse_driver },
        { .name = "link", .parse = net_parse_link },
        { .name = "mtu", .parse = net_parse_mtu },
        { .name = "virtualport", .parse = net_parse_virtualport },
    };
    gboolean ok = TRUE;

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        const xmlNode *child = vt_xml_child(node, table[i].name);

        if (child)
            ok &= table[i].parse(ctx, child, net);
    }
    return ok;
}

/* What stands in our status file beside the live interface: <configured> and bare=. */
static gboolean
net_parse_status(VtParseContext *ctx, const xmlNode *node, VtNetDef *net)
{
    /* A part of it is no status any more: so it cannot nest. */
    VtParseContext inner = { .problems = ctx->problems, .flags = VT_PARSE_DEVICE, .root = ctx->root };
    const xmlNode *child = vt_xml_child(node, "configured");
    xmlNode *interface = child ? vt_xml_child(child, "interface") : NULL;
    VtTristate bare = VT_TRISTATE_DEFAULT;
    gboolean ok = vt_parse_yes_no(ctx, node, "bare", &bare);

    net->bare = bare == VT_TRISTATE_YES;
    if (!child)
        return ok;
    ok &= vt_element_check(ctx, child, &net_configured_schema);
    return interface && vt_net_parse(&inner, interface, &net->configured) && ok;
}

gboolean
vt_net_parse(VtParseContext *ctx, xmlNode *node, VtNetDef **out)
{
    g_autoptr(VtNetDef) net = g_new0(VtNetDef, 1);
    const xmlNode *source = vt_xml_child(node, "source");
    g_autofree char *text = NULL;
    gboolean status = !!(ctx->flags & VT_PARSE_STATUS);
    gboolean ok = vt_element_check(ctx, node, status ? &net_status_schema : &net_schema);
    int type = -1;

    *out = NULL;
    /* Without its type nothing else of an interface can be judged. */
    if (!vt_xml_attr_required(ctx->problems, node, "type", &text) ||
        !vt_xml_attr_enum(ctx->problems, node, "type", &net_type_enum, &type))
        return FALSE;
    net->type = (VtNetType)type;
    vt_device_info_init(&net->info);
    ok &= vt_parse_yes_no(ctx, node, "managed", &net->managed);
    ok &= vt_parse_yes_no(ctx, node, "trustGuestRxFilters", &net->trust_guest_rx_filters);
    ok &= source ? net_parse_source(ctx, source, net) : net_check_source_there(ctx, node, net->type);
    ok &= net_parse_children(ctx, node, net);
    if (net->type == VT_NET_DIRECT && !net->direct_mode)
        net->direct_mode = g_strdup("vepa");
    ok &= vt_teaming_parse(ctx, node, &net->teaming);
    ok &= vt_device_info_parse(ctx, node, &net->info);
    if (status)
        ok &= net_parse_status(ctx, node, net);
    *out = g_steal_pointer(&net);
    return ok;
}

/* ---- validation ---- */

#define NET_BIT(type) (1u << (type))
#define NET_TAPS      (NET_BIT(VT_NET_BRIDGE) | NET_BIT(VT_NET_ETHERNET) | NET_BIT(VT_NET_NETWORK))

static gboolean
net_says_mtu(const VtNetDef *net)
{
    return net->mtu > 0;
}

static gboolean
net_says_isolated(const VtNetDef *net)
{
    return net->isolated == VT_TRISTATE_YES;
}

static gboolean
net_says_vlan_elsewhere(const VtNetDef *net)
{
    return net->vlan.n_tags > 0 && !(net->type == VT_NET_BRIDGE && net->virtualport.openvswitch);
}

static gboolean
net_says_virtualport(const VtNetDef *net)
{
    return net->virtualport.openvswitch;
}

static gboolean
net_says_managed(const VtNetDef *net)
{
    return net->managed != VT_TRISTATE_DEFAULT;
}

static gboolean
net_says_target_managed(const VtNetDef *net)
{
    return net->target_managed != VT_TRISTATE_DEFAULT;
}

static gboolean
net_says_target(const VtNetDef *net)
{
    return net->target_dev != NULL;
}

static gboolean
net_says_link(const VtNetDef *net)
{
    return net->link == VT_LINK_DOWN;
}

static gboolean
net_says_vhost(const VtNetDef *net)
{
    return g_strcmp0(net->driver_name, "vhost") == 0;
}

static gboolean
net_says_trust(const VtNetDef *net)
{
    return net->trust_guest_rx_filters == VT_TRISTATE_YES;
}

static gboolean
net_says_queues(const VtNetDef *net)
{
    return net->queues > 1;
}

/* What works with some types only. */
static void
net_validate_by_type(VtParseContext *ctx, const VtNetDef *net)
{
    static const struct {
        const char *what, *where;
        gboolean (*says)(const VtNetDef *net);
        guint types;
    } table[] = {
        { .what = "<mtu size=''>",
          .where = "bridge, ethernet and network",
          .says = net_says_mtu,
          .types = NET_TAPS },
        { .what = "<port isolated='yes'>",
          .where = "bridge and network",
          .says = net_says_isolated,
          .types = NET_BIT(VT_NET_BRIDGE) | NET_BIT(VT_NET_NETWORK) },
        { .what = "<vlan>",
          .where = "hostdev and network, and bridge with <virtualport type='openvswitch'>",
          .says = net_says_vlan_elsewhere,
          .types = NET_BIT(VT_NET_HOSTDEV) | NET_BIT(VT_NET_NETWORK) },
        { .what = "<virtualport>",
          .where = "bridge",
          .says = net_says_virtualport,
          .types = NET_BIT(VT_NET_BRIDGE) },
        { .what = "managed=",
          .where = "hostdev",
          .says = net_says_managed,
          .types = NET_BIT(VT_NET_HOSTDEV) },
        { .what = "<target managed=''>",
          .where = "ethernet",
          .says = net_says_target_managed,
          .types = NET_BIT(VT_NET_ETHERNET) },
        { .what = "<target dev=''>",
          .where = "bridge, ethernet, network and direct",
          .says = net_says_target,
          .types = NET_TAPS | NET_BIT(VT_NET_DIRECT) },
        { .what = "<link state='down'>",
          .where = "bridge, ethernet, network, direct and user",
          .says = net_says_link,
          .types = NET_TAPS | NET_BIT(VT_NET_DIRECT) | NET_BIT(VT_NET_USER) },
        { .what = "<driver name='vhost'>",
          .where = "bridge, ethernet, network and direct",
          .says = net_says_vhost,
          .types = NET_TAPS | NET_BIT(VT_NET_DIRECT) },
        { .what = "trustGuestRxFilters='yes'",
          .where = "direct and network",
          .says = net_says_trust,
          .types = NET_BIT(VT_NET_DIRECT) | NET_BIT(VT_NET_NETWORK) },
        { .what = "<driver queues=''>",
          .where = "bridge, ethernet, network and direct",
          .says = net_says_queues,
          .types = NET_TAPS | NET_BIT(VT_NET_DIRECT) },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++)
        if (table[i].says(net) && !(table[i].types & NET_BIT(net->type)))
            vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "interface", net->info.line,
                             _("%s does not work with type='%s', only with %s: remove it"), table[i].what,
                             net_types[net->type], table[i].where);
}

static void
net_validate_virtio(VtParseContext *ctx, const VtNetDef *net)
{
    const char *shown = net->model ? net->model : "";
    int line = net->info.line;

    if (net->type != VT_NET_HOSTDEV && g_str_has_prefix(shown, "virtio"))
        return;
    if (net->queues > 0)
        vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "interface", line,
                         _("<driver queues='%u'> needs <model type='virtio'/>, not '%s'"), net->queues,
                         shown);
    if (net->rx_queue_size > 0 || net->tx_queue_size > 0)
        vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "interface", line,
                         _("<driver rx_queue_size=''> and tx_queue_size= need <model type='virtio'/>, not "
                           "'%s'"),
                         shown);
    if (net_says_vhost(net))
        vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "interface", line,
                         _("<driver name='vhost'> needs <model type='virtio'/>, not '%s'"), shown);
    if (net->trust_guest_rx_filters == VT_TRISTATE_YES && net->type != VT_NET_HOSTDEV)
        vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "interface", line,
                         _("trustGuestRxFilters='yes' needs <model type='virtio'/>, not '%s'"), shown);
}

/* A bridge that takes VLANs apart would have to be asked for them: only a function of the host has its own. */
static void
net_validate_vlan(VtParseContext *ctx, const VtNetDef *net)
{
    if (net->vlan.n_tags > 1 || net->vlan.trunk)
        vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "interface", net->info.line,
                         _("a host's PCI function cannot have a VLAN trunk: leave one <tag>, without "
                           "trunk='yes'"));
    if (net->vlan.n_tags > 0 && net->type == VT_NET_NETWORK && net->teaming.type != VT_TEAMING_TRANSIENT)
        vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "interface", net->info.line,
                         _("<vlan> of type='network' works with the transient of a team only, whose network "
                           "lends VFs: remove it, and use a bridge that is within the VLAN"));
}

static void
net_validate_hostdev(VtParseContext *ctx, const VtDomainDef *def, const VtNetDef *net)
{
    int line = net->info.line;

    if (!net->has_host) {
        if (net->teaming.type != VT_TEAMING_TRANSIENT)
            vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "interface", line,
                             _("<source> with the address of the host's PCI function is missing"));
        return;
    }
    for (guint i = 0; i < def->nets->len; i++) {
        const VtNetDef *other = g_ptr_array_index(def->nets, i);

        if (other == net)
            return;
        if (other->type == VT_NET_HOSTDEV && other->has_host && vt_host_pci_equal(&other->host, &net->host)) {
            g_autofree char *host = vt_host_pci_to_string(&net->host);

            vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "interface", line,
                             _("the host's function %s is taken by another <interface> of this domain too"),
                             host);
        }
    }
}

static void
net_validate_target(VtParseContext *ctx, const VtDomainDef *def, const VtNetDef *net)
{
    if (net->target_managed == VT_TRISTATE_NO && !net->target_dev)
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "interface", net->info.line,
                         _("<target managed='no'> needs dev= with the name of the existing link"));
    for (guint i = 0; net->target_dev && i < def->nets->len; i++) {
        const VtNetDef *other = g_ptr_array_index(def->nets, i);

        if (other == net)
            return;
        if (g_strcmp0(other->target_dev, net->target_dev) == 0)
            vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "interface", net->info.line,
                             _("<target dev='%s'> is taken by another interface: choose another name"),
                             net->target_dev);
    }
}

void
vt_net_validate(VtParseContext *ctx, const VtDomainDef *def, const VtNetDef *net)
{
    if (net->info.address.type != VT_ADDRESS_NONE && net->info.address.type != VT_ADDRESS_PCI)
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "interface", net->info.line,
                         _("a NIC needs <address type='pci'>: correct or remove the address"));
    net_validate_by_type(ctx, net);
    net_validate_virtio(ctx, net);
    net_validate_target(ctx, def, net);
    if (net->type == VT_NET_HOSTDEV || net->type == VT_NET_NETWORK)
        net_validate_vlan(ctx, net);
    if (net->type == VT_NET_HOSTDEV)
        net_validate_hostdev(ctx, def, net);
}

/* ---- format ---- */

static void
net_format_source(VtXmlWriter *writer, const VtNetDef *net, guint flags)
{
    gboolean live = !(flags & VT_XML_FORMAT_INACTIVE);
    const char *port = live ? net->port : NULL;

    if (net->type == VT_NET_HOSTDEV) {
        if (!net->has_host)
            return;
        vt_xml_writer_start(writer, "source");
        /* libvirt does not say which network lent a function; our status files have to. */
        if (flags & VT_XML_FORMAT_STATUS) {
            vt_xml_writer_attr(writer, "network", net->network);
            vt_xml_writer_attr(writer, "portgroup", net->portgroup);
            vt_xml_writer_attr(writer, "portid", port);
        }
        vt_host_pci_format(writer, &net->host, TRUE);
        vt_xml_writer_end(writer);
        return;
    }
    vt_xml_writer_optional(writer, "source", "network", net->network, "portgroup", net->portgroup, "portid",
                           port, "bridge", net->type == VT_NET_BRIDGE || live ? net->bridge : NULL, "dev",
                           net->direct_dev, "mode", net->direct_mode, NULL);
}

static void
net_format_driver(VtXmlWriter *writer, const VtNetDef *net)
{
    if (!net->driver_name && !net->queues && !net->rx_queue_size && !net->tx_queue_size)
        return;
    vt_xml_writer_start(writer, "driver");
    vt_xml_writer_attr(writer, "name", net->driver_name);
    vt_xml_writer_attr_uint(writer, "queues", net->queues);
    vt_xml_writer_attr_uint(writer, "rx_queue_size", net->rx_queue_size);
    vt_xml_writer_attr_uint(writer, "tx_queue_size", net->tx_queue_size);
    vt_xml_writer_end(writer);
}

static void
net_format_vlan(VtXmlWriter *writer, const VtVlanDef *vlan)
{
    if (vlan->n_tags == 0)
        return;
    vt_xml_writer_start(writer, "vlan");
    vt_xml_writer_attr(writer, "trunk", vlan->trunk ? "yes" : NULL);
    for (guint i = 0; i < vlan->n_tags && i < G_N_ELEMENTS(vlan->tags); i++) {
        vt_xml_writer_start(writer, "tag");
        vt_xml_writer_attrf(writer, "id", "%u", vlan->tags[i]);
        if (vlan->native != VT_VLAN_NATIVE_NONE && vlan->native_tag == vlan->tags[i])
            vt_xml_writer_attr(writer, "nativeMode",
                               vt_enum_name(net_natives, G_N_ELEMENTS(net_natives), (int)vlan->native));
        vt_xml_writer_end(writer);
    }
    vt_xml_writer_end(writer);
}

static void
net_format_target(VtXmlWriter *writer, const VtNetDef *net, guint flags)
{
    const char *dev = net->target_dev;

    if ((flags & VT_XML_FORMAT_INACTIVE) && vt_net_target_is_automatic(dev))
        dev = NULL;
    vt_xml_writer_optional(writer, "target", "dev", dev, "managed", vt_tristate_yes_no(net->target_managed),
                           NULL);
}

const VtNetDef *
vt_net_configured(const VtNetDef *net)
{
    return net->configured ? net->configured : net;
}

void
vt_net_adopt(VtDomainDef *def, const VtDomainDef *taken)
{
    for (guint i = 0; i < def->nets->len && i < taken->nets->len; i++) {
        const VtNetDef *got = g_ptr_array_index(taken->nets, i);
        VtNetDef *net = g_ptr_array_index(def->nets, i);

        if (!got->configured && got->bare == net->bare)
            continue;
        def->nets->pdata[i] = vt_net_def_copy(got);
        vt_net_def_free(net);
    }
}

void
vt_net_format(VtXmlWriter *writer, const VtNetDef *net, guint flags)
{
    static const char *const links[] = { [VT_LINK_UP] = "up", [VT_LINK_DOWN] = "down" };
    char mac[VT_MAC_STRING_SIZE];
    VtNetDef asked;

    if (net->configured && (flags & (VT_XML_FORMAT_INACTIVE | VT_XML_FORMAT_MIGRATABLE))) {
        asked = *net->configured; /* strings stay where they are */
        asked.link = net->link;   /* a client may have changed it meanwhile */
        vt_net_format(writer, &asked, flags);
        return;
    }
    vt_xml_writer_start(writer, "interface");
    vt_xml_writer_attr(writer, "type", vt_enum_name(net_types, VT_NET_COUNT, net->type));
    vt_xml_writer_attr(writer, "managed", net->managed == VT_TRISTATE_YES ? "yes" : NULL);
    vt_xml_writer_attr(writer, "trustGuestRxFilters", vt_tristate_yes_no(net->trust_guest_rx_filters));
    if (flags & VT_XML_FORMAT_STATUS)
        vt_xml_writer_attr(writer, "bare", net->bare ? "yes" : NULL);
    if (net->has_mac)
        vt_xml_writer_empty(writer, "mac", "address", vt_mac_format(&net->mac, mac), NULL);
    /* libvirt writes the driver of a host device before the source, that of another NIC after the model. */
    if (net->type == VT_NET_HOSTDEV)
        net_format_driver(writer, net);
    net_format_source(writer, net, flags);
    net_format_vlan(writer, &net->vlan);
    vt_virtualport_format(writer, &net->virtualport, flags);
    vt_xml_writer_optional(writer, "port", "isolated", vt_tristate_yes_no(net->isolated), NULL);
    net_format_target(writer, net, flags);
    vt_xml_writer_optional(writer, "model", "type", net->model, NULL);
    if (net->type != VT_NET_HOSTDEV)
        net_format_driver(writer, net);
    vt_teaming_format(writer, &net->teaming);
    vt_xml_writer_optional(writer, "link", "state", vt_enum_name(links, G_N_ELEMENTS(links), net->link),
                           NULL);
    if (net->mtu) {
        vt_xml_writer_start(writer, "mtu");
        vt_xml_writer_attr_uint(writer, "size", net->mtu);
        vt_xml_writer_end(writer);
    }
    vt_device_info_format(writer, &net->info, flags);
    if (net->configured && (flags & VT_XML_FORMAT_STATUS)) {
        vt_xml_writer_start(writer, "configured");
        vt_net_format(writer, net->configured, flags);
        vt_xml_writer_end(writer);
    }
    vt_xml_writer_end(writer);
}
