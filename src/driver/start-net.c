/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Taps of a starting guest. A tap gets the guest's MAC with 0xfe as its first byte: higher than any other on the
 * bridge, so that the bridge never takes its own address from a guest (libvirt does the same).
 */
#define VT_LOG_DOMAIN "virtteam-driver-start"

#include <string.h>
#include "driver/start-host.h"
#include "util/fd.h"
#include "util/i18n.h"
#include "util/link.h"
#include "util/log.h"
#include "util/netlink.h"
#include "util/tap.h"

#define START_NET_MAC_FIRST 0xfe

struct _VtStartNet {
    GArray *fds; /* of VtArgvNetFd, one an interface; -1: none */
};

static gboolean
start_net_wants_tap(const VtNetDef *net)
{
    return net->type == VT_NET_BRIDGE ||
           (net->type == VT_NET_ETHERNET && net->target_managed != VT_TRISTATE_NO);
}

static const char *
start_net_alias(const VtNetDef *net)
{
    return net->info.alias ? net->info.alias : "?";
}

static gboolean
start_net_prepare_link(VtNetlink *netlink, const VtNetDef *net, const char *name, GError **error)
{
    VtMac mac = net->mac;
    VtLinkInfo bridge;

    mac.bytes[0] = START_NET_MAC_FIRST;
    if (!vt_link_set_mac(netlink, name, &mac, error))
        return FALSE;
    /* A bridge takes the least MTU of its ports: a tap of another size would change everybody's. */
    if (net->mtu) {
        if (!vt_link_set_mtu(netlink, name, net->mtu, error))
            return FALSE;
    } else if (net->bridge) {
        if (!vt_link_get(netlink, net->bridge, &bridge, error) ||
            !vt_link_set_mtu(netlink, name, bridge.mtu, error))
            return FALSE;
    }
    if (net->bridge && !vt_link_set_master(netlink, name, net->bridge, error))
        return FALSE;
    return vt_link_set_up(netlink, name, TRUE, error);
}

static gboolean
start_net_open_tap(VtNetlink *netlink, VtNetDef *net, VtArgvNetFd *fds, GError **error)
{
    const VtTapSpec spec = {
        .name = net->target_dev ? net->target_dev : VT_TAP_PATTERN,
        .vnet_hdr = TRUE,
    };
    g_auto(VtFd) fd = -1;
    char name[IF_NAMESIZE];

    if (!vt_tap_open(&spec, name, &fd, error) || !start_net_prepare_link(netlink, net, name, error)) {
        g_prefix_error(error, _("interface '%s': "), start_net_alias(net));
        return FALSE;
    }
    g_free(net->target_dev);
    net->target_dev = g_strdup(name);
    fds->tap_fd = vt_fd_steal(&fd);
    return TRUE;
}

/* With KVM where the host has it; elsewhere only when asked for: QEMU's own back end serves TCG as well. */
static gboolean
start_net_open_vhost(const VtDomainDef *def, const VtNetDef *net, const VtQemuCaps *caps, VtArgvNetFd *fds,
                     GError **error)
{
    gboolean asked = g_strcmp0(net->driver_name, "vhost") == 0;

    if (g_strcmp0(net->model, "virtio") != 0 || g_strcmp0(net->driver_name, "qemu") == 0)
        return TRUE;
    if (!asked && (def->virt_type != VT_VIRT_KVM || !caps->caps[VT_QEMU_CAP_VHOST_NET]))
        return TRUE;
    fds->vhost_fd = vt_tap_vhost_open(NULL, asked ? error : NULL);
    if (fds->vhost_fd >= 0 || !asked)
        return TRUE;
    g_prefix_error(error, _("interface '%s' asks for the driver 'vhost': "), start_net_alias(net));
    return FALSE;
}

VtStartNet *
vt_start_net_open(VtDomainDef *def, const VtQemuCaps *caps, GError **error)
{
    VtStartNet *result = g_new0(VtStartNet, 1);
    g_autoptr(VtNetlink) netlink = NULL;

    result->fds = g_array_sized_new(FALSE, FALSE, sizeof(VtArgvNetFd), def->nets->len);
    for (guint i = 0; i < def->nets->len; i++) {
        VtNetDef *net = g_ptr_array_index(def->nets, i);
        VtArgvNetFd none = { .tap_fd = -1, .vhost_fd = -1 };
        VtArgvNetFd *fds;

        g_array_append_val(result->fds, none);
        if (!start_net_wants_tap(net))
            continue;
        fds = &g_array_index(result->fds, VtArgvNetFd, i);
        if (!netlink)
            netlink = vt_netlink_new(error);
        if (!netlink || !start_net_open_tap(netlink, net, fds, error) ||
            !start_net_open_vhost(def, net, caps, fds, error)) {
            vt_start_net_free(result);
            return NULL;
        }
        vt_log_debug("dom=%s interface %s is %s", def->name, start_net_alias(net), net->target_dev);
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

    for (guint i = 0; i < net->fds->len; i++) {
        const VtArgvNetFd *fds = &g_array_index(net->fds, VtArgvNetFd, i);

        if (fds->tap_fd >= 0)
            g_array_append_val(inherit, fds->tap_fd);
        if (fds->vhost_fd >= 0)
            g_array_append_val(inherit, fds->vhost_fd);
    }
    return inherit;
}

void
vt_start_net_close(VtStartNet *net)
{
    for (guint i = 0; i < net->fds->len; i++) {
        VtArgvNetFd *fds = &g_array_index(net->fds, VtArgvNetFd, i);

        vt_fd_close(fds->tap_fd);
        vt_fd_close(fds->vhost_fd);
        fds->tap_fd = fds->vhost_fd = -1;
    }
}

void
vt_start_net_free(VtStartNet *net)
{
    if (!net)
        return;
    vt_start_net_close(net);
    g_array_unref(net->fds);
    g_free(net);
}
