/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The body of an RTM_NEWLINK message. */
#include "util/link.h"

#include <linux/rtnetlink.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
    g_autofree struct nlmsghdr *header = g_malloc0(NLMSG_HDRLEN + size);
    VtLinkInfo info;

    header->nlmsg_len = (guint32)(NLMSG_HDRLEN + size);
    header->nlmsg_type = RTM_NEWLINK;
    memcpy(nlmsg_data(header), data, size);
    vt_link_parse(header, &info);
    return 0;
}
