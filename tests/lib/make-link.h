/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Links for a test, in its network namespace: virtteam itself has no use for making them. */
#pragma once

#include "util/netlink.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

/** A link of a kind, as "bridge" or "veth"; down, as the kernel makes it. */
static inline void
make_link(VtNetlink *netlink, const char *name, const char *kind)
{
    struct ifinfomsg header = { 0 };
    g_autoptr(VtNetlinkMsg) message =
        vt_netlink_msg(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof header);
    g_autoptr(GError) error = NULL;
    struct nlattr *nest;

    nla_put_string(message, IFLA_IFNAME, name);
    nest = nla_nest_start(message, IFLA_LINKINFO);
    nla_put_string(message, IFLA_INFO_KIND, kind);
    nla_nest_end(message, nest);
    vt_netlink_request(netlink, message, NULL, NULL, 5000, NULL, &error);
    g_assert_no_error(error);
}
