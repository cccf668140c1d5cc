/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Taps of a starting guest. A tap gets the guest's MAC with 0xfe as its first byte: higher than any other on the
 * bridge, so that the bridge never takes its own address from a guest (libvirt does the same).
 */
#define VT_LOG_DOMAIN "virtteam-driver-start"

#include <string.h>
#include "conf/net.h"
#include "driver/start-host.h"
#include "util/fd.h"
#include "util/i18n.h"
#include "util/link.h"
#include "util/log.h"
#include "util/macvtap.h"
#include "util/netlink.h"
#include "util/tap.h"

#define START_NET_MAC_FIRST 0xfe

/* The descriptors of one interface; -1: none. */
typedef struct {
    VtFd tap[VT_TAP_QUEUES_MAX], vhost[VT_TAP_QUEUES_MAX];
    guint n; /* queues */
} StartNetQueues;

struct _VtStartNet {
    GArray *fds;       /* of VtArgvNetFd, one an interface; -1: none */
    GPtrArray *queues; /* of StartNetQueues *, which @fds points into */
};

static gboolean
start_net_wants_tap(const VtNetDef *net)
{
    return net->type != VT_NET_USER && net->type != VT_NET_HOSTDEV && !net->bare;
}

static const char *
start_net_alias(const VtNetDef *net)
{
    return net->info.alias ? net->info.alias : "?";
}

/* A port of a Linux bridge at once; one of Open vSwitch later, by a program (driver/host-port). */
static gboolean
start_net_join(VtNetlink *netlink, const VtNetDef *net, const char *name, GError **error)
{
    if (net->bridge && !vt_net_is_ovs(net)) {
        if (!vt_link_set_master(netlink, name, net->bridge, error))
            return FALSE;
        if (net->isolated == VT_TRISTATE_YES && !vt_link_set_isolated(netlink, name, TRUE, error))
            return FALSE;
    }
    return vt_link_set_up(netlink, name, TRUE, error);
}

static gboolean
start_net_prepare_link(VtNetlink *netlink, VtNetDef *net, const char *name, GError **error)
{
    VtMac mac = net->mac;
    VtLinkInfo bridge;

    mac.bytes[0] = START_NET_MAC_FIRST;
    if (!vt_link_set_mac(netlink, name, &mac, error))
        return FALSE;
    if (net->bridge && !vt_link_get(netlink, net->bridge, &bridge, error))
        return FALSE;
    /* An interface that is no bridge to the kernel may be Open vSwitch's. */
    if (net->bridge && strcmp(bridge.kind, "bridge") != 0)
        net->virtualport.openvswitch = TRUE;
    /* A bridge takes the least MTU of its ports: a tap of another size would change everybody's. */
    if ((net->mtu || net->bridge) && !vt_link_set_mtu(netlink, name, net->mtu ? net->mtu : bridge.mtu, error))
        return FALSE;
    return start_net_join(netlink, net, name, error);
}

/* A tap that somebody else made and keeps (<target managed='no'/>) is used as it is. */
static gboolean
start_net_check_existing(VtNetlink *netlink, const VtNetDef *net, GError **error)
{
    VtLinkInfo info;

    return net->target_managed != VT_TRISTATE_NO || vt_link_get(netlink, net->target_dev, &info, error);
}

static gboolean
start_net_open_tap(VtNetlink *netlink, VtNetDef *net, StartNetQueues *queues, GError **error)
{
    const VtTapSpec spec = {
        .name = net->target_dev ? net->target_dev : VT_TAP_PATTERN,
        .vnet_hdr = TRUE,
        .n_queues = queues->n,
    };
    char name[IF_NAMESIZE];

    if (net->type != VT_NET_BRIDGE && net->type != VT_NET_ETHERNET &&
        !(net->type == VT_NET_NETWORK && net->bridge))
        return vt_error_set(error, VT_ERROR_CONFIG_UNSUPPORTED,
                            _("interface '%s': type='%s' cannot be started by this version; use "
                              "type='bridge' with the bridge that it leads to"),
                            start_net_alias(net), "network");
    if (!start_net_check_existing(netlink, net, error) || !vt_tap_open(&spec, name, queues->tap, error) ||
        (net->target_managed != VT_TRISTATE_NO && !start_net_prepare_link(netlink, net, name, error))) {
        g_prefix_error(error, _("interface '%s': "), start_net_alias(net));
        return FALSE;
    }
    g_free(net->target_dev);
    net->target_dev = g_strdup(name);
    return TRUE;
}

/* With KVM where the host has it; elsewhere only when asked for: QEMU's own back end serves TCG as well. */
static gboolean
start_net_open_vhost(const VtDomainDef *def, const VtNetDef *net, const VtQemuCaps *caps,
                     StartNetQueues *queues, GError **error)
{
    gboolean asked = g_strcmp0(net->driver_name, "vhost") == 0;

    if (g_strcmp0(net->model, "virtio") != 0 || g_strcmp0(net->driver_name, "qemu") == 0)
        return TRUE;
    if (!asked && (def->virt_type != VT_VIRT_KVM || !caps->caps[VT_QEMU_CAP_VHOST_NET]))
        return TRUE;
    for (guint i = 0; i < queues->n; i++) {
        queues->vhost[i] = vt_tap_vhost_open(NULL, asked ? error : NULL);
        if (queues->vhost[i] >= 0)
            continue;
        /* All queues or none. */
        while (i-- > 0)
            vt_fd_clear(&queues->vhost[i]);
        if (!asked)
            return TRUE;
        g_prefix_error(error, _("interface '%s' asks for the driver 'vhost': "), start_net_alias(net));
        return FALSE;
    }
    return TRUE;
}

static StartNetQueues *
start_net_queues_new(const VtNetDef *net)
{
    StartNetQueues *queues = g_new0(StartNetQueues, 1);

    queues->n = CLAMP(net->queues, 1, VT_TAP_QUEUES_MAX); /* conf/net refuses more */
    for (guint i = 0; i < VT_TAP_QUEUES_MAX; i++)
        queues->tap[i] = queues->vhost[i] = -1;
    return queues;
}

static void
start_net_queues_close(StartNetQueues *queues)
{
    for (guint i = 0; i < VT_TAP_QUEUES_MAX; i++) {
        vt_fd_clear(&queues->tap[i]);
        vt_fd_clear(&queues->vhost[i]);
    }
}

static void
start_net_queues_free(gpointer data)
{
    start_net_queues_close(data);
    g_free(data);
}

static void
start_net_fill(VtArgvNetFd *fds, const StartNetQueues *queues)
{
    fds->tap_fd = queues->tap[0];
    fds->vhost_fd = queues->vhost[0];
    fds->n_more = queues->n - 1;
    fds->more_tap_fds = queues->n > 1 ? &queues->tap[1] : NULL;
    fds->more_vhost_fds = queues->n > 1 && queues->vhost[0] >= 0 ? &queues->vhost[1] : NULL;
}

/* It has been made by driver/host-port, and stays down until the guest runs. */
static gboolean
start_net_open_macvtap(VtNetlink *netlink, const VtNetDef *net, StartNetQueues *queues, GError **error)
{
    if ((!net->mtu || vt_link_set_mtu(netlink, net->target_dev, net->mtu, error)) &&
        vt_macvtap_open(netlink, net->target_dev, queues->n, queues->tap, error))
        return TRUE;
    g_prefix_error(error, _("interface '%s': "), start_net_alias(net));
    return FALSE;
}

static gboolean
start_net_open_one(VtStartNet *result, VtDomainDef *def, VtNetDef *net, const VtQemuCaps *caps,
                   VtNetlink *netlink, GError **error)
{
    StartNetQueues *queues = start_net_queues_new(net);

    g_ptr_array_add(result->queues, queues);
    if (!(net->type == VT_NET_DIRECT ? start_net_open_macvtap(netlink, net, queues, error)
                                     : start_net_open_tap(netlink, net, queues, error)) ||
        !start_net_open_vhost(def, net, caps, queues, error))
        return FALSE;
    start_net_fill(&g_array_index(result->fds, VtArgvNetFd, result->fds->len - 1), queues);
    vt_log_debug("dom=%s interface %s is %s", def->name, start_net_alias(net), net->target_dev);
    return TRUE;
}

VtStartNet *
vt_start_net_open(VtDomainDef *def, const VtQemuCaps *caps, GError **error)
{
    VtStartNet *result = g_new0(VtStartNet, 1);
    g_autoptr(VtNetlink) netlink = NULL;

    result->fds = g_array_sized_new(FALSE, FALSE, sizeof(VtArgvNetFd), def->nets->len);
    result->queues = g_ptr_array_new_with_free_func(start_net_queues_free);
    for (guint i = 0; i < def->nets->len; i++) {
        VtNetDef *net = g_ptr_array_index(def->nets, i);
        VtArgvNetFd none = { .tap_fd = -1, .vhost_fd = -1 };

        g_array_append_val(result->fds, none);
        if (!start_net_wants_tap(net))
            continue;
        if (!netlink)
            netlink = vt_netlink_new(error);
        if (!netlink || !start_net_open_one(result, def, net, caps, netlink, error)) {
            vt_start_net_free(result);
            return NULL;
        }
    }
    return result;
}

const VtArgvNetFd *
vt_start_net_fds(const VtStartNet *net)
{
    return (const VtArgvNetFd *)net->fds->data;
}

GArray *
vt_start_net_inherit(const VtStartNet *net)
{
    GArray *inherit = g_array_new(FALSE, FALSE, sizeof(int));

    for (guint i = 0; i < net->queues->len; i++) {
        const StartNetQueues *queues = g_ptr_array_index(net->queues, i);

        for (guint k = 0; k < VT_TAP_QUEUES_MAX; k++) {
            if (queues->tap[k] >= 0)
                g_array_append_val(inherit, queues->tap[k]);
            if (queues->vhost[k] >= 0)
                g_array_append_val(inherit, queues->vhost[k]);
        }
    }
    return inherit;
}

GArray *
vt_start_net_taps(const VtStartNet *net, gboolean vhost)
{
    GArray *out = g_array_new(FALSE, FALSE, sizeof(int));
    const StartNetQueues *queues = net->queues->len ? g_ptr_array_index(net->queues, 0) : NULL;

    for (guint i = 0; queues && i < queues->n; i++) {
        VtFd fd = vhost ? queues->vhost[i] : queues->tap[i];

        if (fd >= 0)
            g_array_append_val(out, fd);
    }
    return out;
}

void
vt_start_net_close(VtStartNet *net)
{
    for (guint i = 0; i < net->queues->len; i++)
        start_net_queues_close(g_ptr_array_index(net->queues, i));
    for (guint i = 0; i < net->fds->len; i++)
        g_array_index(net->fds, VtArgvNetFd, i) = (VtArgvNetFd){ .tap_fd = -1, .vhost_fd = -1 };
}

void
vt_start_net_free(VtStartNet *net)
{
    if (!net)
        return;
    g_ptr_array_unref(net->queues);
    g_array_unref(net->fds);
    g_free(net);
}
