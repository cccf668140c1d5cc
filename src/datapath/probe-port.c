/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "datapath/probe-port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23 /* Linux 4.20 */
#endif

#define PROBE_PORT_MAGIC  "virtteam probe" /* with its NUL: 15 bytes from the header on */
#define PROBE_PORT_TAG_AT 32               /* run 8, series 2, from 2, number 4: in network order */
#define PROBE_PORT_BUFFER (4 * 1024 * 1024)

struct _VtProbePort {
    VtFd fd;
    guint64 run;
};

/* ---- frames ---- */

void
vt_probe_port_build(const VtMac *to, const VtMac *source, const VtProbeTag *tag,
                    guint8 frame[VT_PROBE_PORT_FRAME])
{
    guint64 run = GUINT64_TO_BE(tag->run);
    guint16 type = htons(VT_PROBE_PORT_ETHERTYPE), series = htons(tag->series), from = htons(tag->from);
    guint32 number = htonl(tag->number);
    guint8 *at = frame + PROBE_PORT_TAG_AT;

    memset(frame, 0, VT_PROBE_PORT_FRAME);
    memcpy(frame, to->bytes, 6);
    memcpy(frame + 6, source->bytes, 6);
    memcpy(frame + 12, &type, 2);
    memcpy(frame + 14, PROBE_PORT_MAGIC, sizeof PROBE_PORT_MAGIC);
    memcpy(at, &run, 8);
    memcpy(at + 8, &series, 2);
    memcpy(at + 10, &from, 2);
    memcpy(at + 12, &number, 4);
}

gboolean
vt_probe_port_parse(const guint8 *bytes, gsize length, VtProbeTag *tag)
{
    const guint8 *at;
    guint64 run;
    guint16 type, series, from;
    guint32 number;

    if (length < PROBE_PORT_TAG_AT + 16)
        return FALSE;
    at = bytes + PROBE_PORT_TAG_AT;
    memcpy(&type, bytes + 12, 2);
    if (type != htons(VT_PROBE_PORT_ETHERTYPE) ||
        memcmp(bytes + 14, PROBE_PORT_MAGIC, sizeof PROBE_PORT_MAGIC) != 0)
        return FALSE;
    memcpy(&run, at, 8);
    memcpy(&series, at + 8, 2);
    memcpy(&from, at + 10, 2);
    memcpy(&number, at + 12, 4);
    *tag = (VtProbeTag){ GUINT64_FROM_BE(run), ntohs(series), ntohs(from), ntohl(number) };
    return TRUE;
}

/* ---- namespaces: a thread enters them, the process stays where it is ---- */

typedef struct {
    int space;
    gpointer (*call)(gpointer user, GError **error);
    gpointer user;
    gpointer out;
    GError *error;
} ProbePortVisit;

static gpointer
probe_port_visit_thread(gpointer data)
{
    ProbePortVisit *visit = data;

    if (setns(visit->space, CLONE_NEWNET) < 0)
        vt_error_set_errno(&visit->error, errno, "Cannot enter a network namespace");
    else
        visit->out = visit->call(visit->user, &visit->error);
    return NULL;
}

/* What @call makes in the namespace stays there, also when it is used from here. */
static gpointer
probe_port_visit(int space, gpointer (*call)(gpointer user, GError **error), gpointer user, GError **error)
{
    ProbePortVisit visit = { .space = space, .call = call, .user = user };

    if (space < 0)
        return call(user, error);
    g_thread_join(g_thread_new("probe-port", probe_port_visit_thread, &visit));
    if (visit.error)
        g_propagate_error(error, visit.error);
    return visit.out;
}

typedef struct {
    VtFd fd;
    GError *error;
} ProbePortSpace;

static gpointer
probe_port_space_thread(gpointer data)
{
    ProbePortSpace *space = data;

    if (unshare(CLONE_NEWNET) < 0) {
        if (errno == EPERM)
            vt_error_set(&space->error, VT_ERROR_DENIED,
                         "This needs a network namespace of its own, which only root may make "
                         "(CAP_SYS_ADMIN and CAP_NET_ADMIN).");
        else
            vt_error_set_errno(&space->error, errno, "Cannot make a network namespace");
        return NULL;
    }
    space->fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (space->fd < 0)
        vt_error_set_errno(&space->error, errno, "Cannot open '/proc/thread-self/ns/net'");
    return NULL;
}

VtFd
vt_probe_port_space(GError **error)
{
    ProbePortSpace space = { .fd = -1 };

    g_thread_join(g_thread_new("probe-space", probe_port_space_thread, &space));
    if (space.error)
        g_propagate_error(error, space.error);
    return space.fd;
}

VtFd
vt_probe_port_named(const char *name, GError **error)
{
    g_autofree char *path = strchr(name, '/') ? g_strdup(name) : g_build_filename("/run/netns", name, NULL);
    VtFd fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        vt_error_set(error, VT_ERROR_NO_DEVICE,
                     "There is no network namespace '%s' ('ip netns' lists those that have names).", name);
    else if (fd < 0)
        vt_error_set_errno(error, errno, "Cannot open the network namespace '%s'", path);
    return fd;
}

static gpointer
probe_port_mount_sysfs(gpointer user, GError **error)
{
    VtFd *out = user;
    g_auto(VtFd) context = fsopen("sysfs", FSOPEN_CLOEXEC);

    if (context >= 0 && fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        *out = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    if (*out < 0)
        vt_error_set_errno(error, errno, "Cannot mount the sysfs of a network namespace");
    return NULL;
}

VtFd
vt_probe_port_sysfs(int space, GError **error)
{
    VtFd fd = -1;

    probe_port_visit(space, probe_port_mount_sysfs, &fd, error);
    return fd;
}

static gpointer
probe_port_new_netlink(gpointer user, GError **error)
{
    return vt_netlink_new(error);
}

VtNetlink *
vt_probe_port_netlink(int space, GError **error)
{
    return probe_port_visit(space, probe_port_new_netlink, NULL, error);
}

gboolean
vt_probe_port_move(VtNetlink *netlink, int ifindex, int space, GError **error)
{
    struct ifinfomsg header = { .ifi_index = ifindex };
    g_autoptr(VtNetlinkMsg) message = vt_netlink_msg(RTM_NEWLINK, 0, &header, sizeof header);
    char name[IF_NAMESIZE];

    /* The kernel gives the name of an interface that has moved away to the next one. */
    g_snprintf(name, sizeof name, "vtprobe%d", ifindex);
    nla_put_string(message, IFLA_IFNAME, name);
    nla_put_u32(message, IFLA_NET_NS_FD, (guint32)space);
    if (vt_netlink_request(netlink, message, NULL, NULL, VT_NETLINK_TIMEOUT_MS, NULL, error))
        return TRUE;
    g_prefix_error(error, "Cannot move an interface to another network namespace: ");
    return FALSE;
}

/* ---- ports ---- */

typedef struct {
    int ifindex;
    gboolean promisc;
    guint64 run;
} ProbePortSpec;

static gboolean
probe_port_set_up(int fd, const ProbePortSpec *spec, GError **error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, VT_PROBE_PORT_ETHERTYPE, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 256),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog filter = { .len = G_N_ELEMENTS(code), .filter = code };
    /* All protocols: a bridge takes frames from its port before sockets of one protocol see them. */
    struct sockaddr_ll address = { .sll_family = AF_PACKET,
                                   .sll_protocol = htons(ETH_P_ALL),
                                   .sll_ifindex = spec->ifindex };
    struct packet_mreq promisc = { .mr_ifindex = spec->ifindex, .mr_type = PACKET_MR_PROMISC };
    int on = 1, size = PROBE_PORT_BUFFER;

    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return vt_error_set_errno(error, errno, "Cannot listen at the interface of index %d", spec->ifindex);
    if (spec->promisc && setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc, sizeof promisc) < 0)
        return vt_error_set_errno(error, errno, "Cannot make the interface of index %d promiscuous",
                                  spec->ifindex);
    return TRUE;
}

static gpointer
probe_port_open(gpointer user, GError **error)
{
    const ProbePortSpec *spec = user;
    g_auto(VtFd) fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    VtProbePort *port;

    if (fd < 0) {
        vt_error_set_errno(error, errno, "Cannot open a packet socket");
        return NULL;
    }
    if (!probe_port_set_up(fd, spec, error))
        return NULL;
    port = g_new0(VtProbePort, 1);
    port->fd = vt_fd_steal(&fd);
    port->run = spec->run;
    return port;
}

VtProbePort *
vt_probe_port_open(int space, int ifindex, gboolean promisc, guint64 run, GError **error)
{
    ProbePortSpec spec = { .ifindex = ifindex, .promisc = promisc, .run = run };

    return probe_port_visit(space, probe_port_open, &spec, error);
}

void
vt_probe_port_free(VtProbePort *port)
{
    if (!port)
        return;
    vt_fd_clear(&port->fd);
    g_free(port);
}

gboolean
vt_probe_port_send(VtProbePort *port, const VtMac *to, const VtMac *source, const VtProbeTag *tag)
{
    guint8 frame[VT_PROBE_PORT_FRAME];

    if (!port)
        return FALSE;
    vt_probe_port_build(to, source, tag, frame);
    return send(port->fd, frame, sizeof frame, 0) == sizeof frame;
}

void
vt_probe_port_drain(VtProbePort *port, void (*each)(const VtProbeTag *tag, gpointer user), gpointer user)
{
    while (port) {
        guint8 bytes[256];
        struct sockaddr_ll from = { 0 };
        socklen_t from_length = sizeof from;
        ssize_t got = recvfrom(port->fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &from_length);
        VtProbeTag tag;

        /* ENETDOWN is told once, when the interface goes down or away. */
        if (got < 0 && (errno == EINTR || errno == ENETDOWN))
            continue;
        if (got < 0)
            return;
        if (from.sll_pkttype == PACKET_OUTGOING || !vt_probe_port_parse(bytes, (gsize)got, &tag) ||
            tag.run != port->run)
            continue;
        each(&tag, user);
    }
}
