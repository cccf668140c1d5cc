/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/netlink.h"

#include "util/fd.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define NETLINK_BUFFER (256 * 1024) /* a PF with 127 VFs answers in one message */

struct _VtNetlink {
    VtFd fd;
    guint32 sequence;
    VtNetlinkFake fake;
    gpointer fake_user;
    char *buffer;
};

/* The state of one answer while it is being read. */
typedef struct {
    guint32 sequence;
    VtNetlinkEach each;
    gpointer user;
    gboolean finished;
    int errnum;
    char *text; /* the kernel's own words */
} NetlinkAnswer;

static VtNetlink *
netlink_alloc(void)
{
    VtNetlink *netlink = g_new0(VtNetlink, 1);

    netlink->fd = -1;
    netlink->buffer = g_malloc(NETLINK_BUFFER);
    return netlink;
}

VtNetlink *
vt_netlink_new(GError **error)
{
    g_autoptr(VtNetlink) netlink = netlink_alloc();
    int on = 1;

    netlink->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (netlink->fd < 0) {
        vt_error_set_errno(error, errno, "Cannot open a netlink socket");
        return NULL;
    }
    /* Without them (an old kernel) errors are merely terser. */
    setsockopt(netlink->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    setsockopt(netlink->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    return g_steal_pointer(&netlink);
}

VtNetlink *
vt_netlink_new_fake(VtNetlinkFake answer, gpointer user)
{
    VtNetlink *netlink = netlink_alloc();

    netlink->fake = answer;
    netlink->fake_user = user;
    return netlink;
}

void
vt_netlink_free(VtNetlink *netlink)
{
    if (!netlink)
        return;
    vt_fd_clear(&netlink->fd);
    g_free(netlink->buffer);
    g_free(netlink);
}

VtNetlinkMsg *
vt_netlink_msg(int type, int flags, const void *header, gsize size)
{
    VtNetlinkMsg *message = nlmsg_alloc_size(8192);

    if ((flags & NLM_F_DUMP) != NLM_F_DUMP)
        flags |= NLM_F_ACK;
    nlmsg_put(message, NL_AUTO_PORT, NL_AUTO_SEQ, type, 0, flags | NLM_F_REQUEST);
    nlmsg_append(message, (void *)header, size, NLMSG_ALIGNTO);
    return message;
}

const char *
vt_netlink_attr_str(const struct nlattr *attr)
{
    const char *text = attr ? nla_data(attr) : NULL;

    return text && nla_len(attr) > 0 && memchr(text, '\0', (gsize)nla_len(attr)) ? text : NULL;
}

guint32
vt_netlink_attr_u32(const struct nlattr *attr, guint32 fallback)
{
    return attr && nla_len(attr) >= (int)sizeof(guint32) ? nla_get_u32(attr) : fallback;
}

guint8
vt_netlink_attr_u8(const struct nlattr *attr, guint8 fallback)
{
    return attr && nla_len(attr) >= 1 ? nla_get_u8(attr) : fallback;
}

/* The kernel's words stand as attributes behind the error and the echoed request. */
static char *
netlink_ext_ack(const struct nlmsghdr *header)
{
    struct nlmsgerr *body = nlmsg_data(header);
    struct nlattr *attrs[NLMSGERR_ATTR_MAX + 1];
    gsize offset = sizeof *body;

    if (!(header->nlmsg_flags & NLM_F_ACK_TLVS))
        return NULL;
    if (!(header->nlmsg_flags & NLM_F_CAPPED) && body->msg.nlmsg_len >= NLMSG_HDRLEN)
        offset += body->msg.nlmsg_len - NLMSG_HDRLEN;
    if (offset >= (gsize)nlmsg_datalen(header) ||
        nla_parse(attrs, NLMSGERR_ATTR_MAX, (struct nlattr *)((char *)body + NLMSG_ALIGN(offset)),
                  nlmsg_datalen(header) - (int)NLMSG_ALIGN(offset), NULL) < 0)
        return NULL;
    return g_strdup(vt_netlink_attr_str(attrs[NLMSGERR_ATTR_MSG]));
}

static void
netlink_take_end(NetlinkAnswer *answer, const struct nlmsghdr *header)
{
    int code = 0;

    answer->finished = TRUE;
    if (nlmsg_datalen(header) < (int)sizeof code)
        return;
    memcpy(&code, nlmsg_data(header), sizeof code);
    answer->errnum = code < 0 ? -code : 0;
    if (answer->errnum && header->nlmsg_type == NLMSG_ERROR &&
        nlmsg_datalen(header) >= (int)sizeof(struct nlmsgerr))
        answer->text = netlink_ext_ack(header);
}

static void
netlink_take(NetlinkAnswer *answer, char *bytes, gsize length)
{
    struct nlmsghdr *header = (struct nlmsghdr *)bytes;
    int left = (int)length;

    for (; !answer->finished && nlmsg_ok(header, left); header = nlmsg_next(header, &left)) {
        if (header->nlmsg_seq != answer->sequence)
            continue; /* the late answer to a request that timed out */
        if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR)
            netlink_take_end(answer, header);
        else if (answer->each && header->nlmsg_type >= NLMSG_MIN_TYPE)
            answer->each(header, answer->user);
    }
}

static gboolean
netlink_receive(VtNetlink *netlink, NetlinkAnswer *answer, guint timeout_ms, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + (gint64)timeout_ms * 1000;

    while (!answer->finished) {
        gint64 left = (deadline - g_get_monotonic_time() + 999) / 1000;
        struct pollfd pfd = { .fd = netlink->fd, .events = POLLIN };
        struct sockaddr_nl from = { 0 };
        socklen_t from_length = sizeof from;
        ssize_t got;

        if (left <= 0)
            return vt_error_set(error, VT_ERROR_TIMEOUT,
                                "The kernel did not answer a netlink request within %u ms.", timeout_ms);
        if (poll(&pfd, 1, (int)left) <= 0)
            continue;
        got = recvfrom(netlink->fd, netlink->buffer, NETLINK_BUFFER, MSG_DONTWAIT, (struct sockaddr *)&from,
                       &from_length);
        if (got < 0 && errno != EINTR && errno != EAGAIN)
            return vt_error_set_errno(error, errno, "Cannot receive a netlink answer");
        if (got > 0 && from.nl_pid == 0) /* other processes may write to our socket */
            netlink_take(answer, netlink->buffer, (gsize)got);
    }
    return TRUE;
}

static gboolean
netlink_converse(VtNetlink *netlink, struct nlmsghdr *header, NetlinkAnswer *answer, guint timeout_ms,
                 GError **error)
{
    struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

    if (netlink->fake) {
        g_autoptr(GByteArray) reply = g_byte_array_new();

        answer->errnum = netlink->fake(header, reply, netlink->fake_user);
        for (gsize at = 0; at + NLMSG_HDRLEN <= reply->len;) {
            struct nlmsghdr *one = (struct nlmsghdr *)(reply->data + at);

            one->nlmsg_seq = answer->sequence; /* recordings have their own */
            at += MAX((gsize)NLMSG_ALIGN(one->nlmsg_len), (gsize)NLMSG_HDRLEN);
        }
        netlink_take(answer, (char *)reply->data, reply->len);
        return TRUE;
    }
    if (sendto(netlink->fd, header, header->nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0)
        return vt_error_set_errno(error, errno, "Cannot send a netlink request");
    return netlink_receive(netlink, answer, timeout_ms, error);
}

gboolean
vt_netlink_request(VtNetlink *netlink, VtNetlinkMsg *message, VtNetlinkEach each, gpointer user,
                   guint timeout_ms, int *errnum, GError **error)
{
    struct nlmsghdr *header = nlmsg_hdr(message);
    NetlinkAnswer answer = { .sequence = ++netlink->sequence, .each = each, .user = user };
    g_autofree char *text = NULL;

    header->nlmsg_seq = answer.sequence;
    header->nlmsg_pid = 0;
    if (errnum)
        *errnum = 0;
    if (!netlink_converse(netlink, header, &answer, timeout_ms, error)) {
        if (errnum)
            *errnum = ETIMEDOUT;
        return FALSE;
    }
    text = answer.text;
    if (answer.errnum == 0)
        return TRUE;
    if (errnum)
        *errnum = answer.errnum;
    return vt_error_set(error, VT_ERROR_SYSTEM, "The kernel refused a netlink request: %s%s%s%s",
                        g_strerror(answer.errnum), text ? " (" : "", text ? text : "", text ? ")" : "");
}
