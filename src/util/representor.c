/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/representor.h"

#include "util/link.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

static void
representor_parse_name(const char *name, VtRepresentor *port)
{
    unsigned int pf, vf;
    int length = 0;

    if (!name || sscanf(name, "pf%5uvf%5u%n", &pf, &vf, &length) != 2 || length == 0 || name[length])
        return;
    port->is_vf = TRUE;
    port->pf = pf;
    port->vf = vf;
}

gboolean
vt_representor_parse(struct nlmsghdr *header, VtRepresentor *port)
{
    struct nlattr *attrs[IFLA_MAX + 1];
    VtRepresentor out = { 0 };
    const char *name;

    name = vt_link_attrs(header, attrs, &out.index);
    if (!name)
        return FALSE;
    g_strlcpy(out.name, name, sizeof out.name);
    if (attrs[IFLA_PHYS_SWITCH_ID] && nla_len(attrs[IFLA_PHYS_SWITCH_ID]) <= VT_REPRESENTOR_ID_MAX) {
        out.switch_id_length = (gsize)nla_len(attrs[IFLA_PHYS_SWITCH_ID]);
        memcpy(out.switch_id, nla_data(attrs[IFLA_PHYS_SWITCH_ID]), out.switch_id_length);
    }
    if (out.switch_id_length > 0)
        representor_parse_name(vt_netlink_attr_str(attrs[IFLA_PHYS_PORT_NAME]), &out);
    *port = out;
    return TRUE;
}

static void
representor_each(struct nlmsghdr *header, gpointer user)
{
    GArray *ports = user;
    VtRepresentor port;

    if (vt_representor_parse(header, &port) && port.switch_id_length > 0)
        g_array_append_val(ports, port);
}

static gboolean
representor_same_switch(const VtRepresentor *a, const VtRepresentor *b)
{
    return a->switch_id_length == b->switch_id_length &&
           memcmp(a->switch_id, b->switch_id, a->switch_id_length) == 0;
}

static const VtRepresentor *
representor_by_name(const GArray *ports, const char *name)
{
    for (guint i = 0; i < ports->len; i++)
        if (strcmp(g_array_index(ports, VtRepresentor, i).name, name) == 0)
            return &g_array_index(ports, VtRepresentor, i);
    return NULL;
}

gboolean
vt_representor_find(VtNetlink *netlink, const char *uplink, guint pf, guint vf, VtRepresentor *port,
                    GError **error)
{
    struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
    g_autoptr(VtNetlinkMsg) message = vt_netlink_msg(RTM_GETLINK, NLM_F_DUMP, &header, sizeof header);
    g_autoptr(GArray) ports = g_array_new(FALSE, FALSE, sizeof(VtRepresentor));
    const VtRepresentor *own;

    if (!vt_netlink_request(netlink, message, representor_each, ports, VT_NETLINK_TIMEOUT_MS, NULL, error))
        return FALSE;
    own = representor_by_name(ports, uplink);
    for (guint i = 0; own && i < ports->len; i++) {
        const VtRepresentor *one = &g_array_index(ports, VtRepresentor, i);

        if (one->is_vf && one->pf == pf && one->vf == vf && representor_same_switch(one, own)) {
            *port = *one;
            return TRUE;
        }
    }
    return vt_error_set(error, VT_ERROR_NO_DEVICE,
                        "VF %u of '%s' has no representor: its NIC is not in switchdev mode.", vf, uplink);
}
