/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's (or a hostile process') answers: VF settings, forwarding entries, queueing disciplines. */
#include "datapath/fdb.h"
#include "datapath/mirror.h"
#include "util/vf.h"

#include <linux/rtnetlink.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size);

typedef struct {
    const guint8 *data;
    size_t size;
} Answer;

static int
answer(const struct nlmsghdr *request, GByteArray *reply, gpointer user)
{
    static const guint16 types[][2] = {
        { RTM_GETLINK, RTM_NEWLINK },
        { RTM_GETNEIGH, RTM_NEWNEIGH },
        { RTM_GETQDISC, RTM_NEWQDISC },
    };
    const Answer *given = user;
    struct nlmsghdr header = { .nlmsg_len = (guint32)(NLMSG_HDRLEN + given->size) };

    for (gsize i = 0; i < G_N_ELEMENTS(types); i++)
        if (types[i][0] == request->nlmsg_type)
            header.nlmsg_type = types[i][1];
    g_byte_array_append(reply, (const guint8 *)&header, sizeof header);
    g_byte_array_append(reply, given->data, (guint)given->size);
    return 0;
}

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
    Answer given = { data, size };
    g_autoptr(VtNetlink) netlink = vt_netlink_new_fake(answer, &given);
    g_autoptr(GArray) entries = vt_fdb_list(netlink, 1, 0, NULL, NULL);
    VtMirrorQdisc qdisc;
    VtVfCounters counters;
    VtVfSettings settings;

    vt_vf_get(netlink, 1, 0, &settings, &counters, NULL);
    vt_mirror_qdisc(netlink, 1, &qdisc, NULL);
    return 0;
}
