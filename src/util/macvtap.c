/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/macvtap.h"

#include "util/enum.h"
#include "util/file.h"
#include "util/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MACVTAP_KIND          "macvtap"
#define MACVTAP_DEV_MAX_BYTES 65536                       /* sysfs says a page of each file */
#define MACVTAP_NODE_DIR      "/dev/.virtteam-tap-XXXXXX" /* /tmp may be mounted without device nodes */
#define MACVTAP_NO_ADDRESSES  1                           /* IN6_ADDR_GEN_MODE_NONE */

/* The kernel's modes are bits. */
static const char *const macvtap_modes[] = {
    [MACVLAN_MODE_PRIVATE] = "private",
    [MACVLAN_MODE_VEPA] = "vepa",
    [MACVLAN_MODE_BRIDGE] = "bridge",
};

static gboolean
macvtap_create(VtNetlink *netlink, const VtMacvtapSpec *spec, int lower, int mode, GError **error)
{
    struct ifinfomsg header = { 0 };
    g_autoptr(VtNetlinkMsg) message =
        vt_netlink_msg(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof header);
    struct nlattr *info, *data;

    nla_put_string(message, IFLA_IFNAME, spec->name);
    nla_put_u32(message, IFLA_LINK, (guint32)lower);
    nla_put(message, IFLA_ADDRESS, sizeof spec->mac.bytes, spec->mac.bytes);
    info = nla_nest_start(message, IFLA_LINKINFO);
    nla_put_string(message, IFLA_INFO_KIND, MACVTAP_KIND);
    data = nla_nest_start(message, IFLA_INFO_DATA);
    nla_put_u32(message, IFLA_MACVLAN_MODE, (guint32)mode);
    nla_nest_end(message, data);
    nla_nest_end(message, info);
    if (vt_netlink_request(netlink, message, NULL, NULL, VT_NETLINK_TIMEOUT_MS, NULL, error))
        return TRUE;
    g_prefix_error(error, "Cannot make the macvtap '%s' on '%s': ", spec->name, spec->lower);
    return FALSE;
}

static gboolean
macvtap_take_multicast(VtNetlink *netlink, int ifindex, GError **error)
{
    struct ifinfomsg header = { .ifi_index = ifindex, .ifi_flags = IFF_ALLMULTI, .ifi_change = IFF_ALLMULTI };
    g_autoptr(VtNetlinkMsg) message = vt_netlink_msg(RTM_NEWLINK, 0, &header, sizeof header);

    return vt_netlink_request(netlink, message, NULL, NULL, VT_NETLINK_TIMEOUT_MS, NULL, error);
}

/* A kernel without IPv6 refuses, and has no need of it. */
static void
macvtap_keep_silent(VtNetlink *netlink, int ifindex)
{
    struct ifinfomsg header = { .ifi_index = ifindex };
    g_autoptr(VtNetlinkMsg) message = vt_netlink_msg(RTM_NEWLINK, 0, &header, sizeof header);
    struct nlattr *families = nla_nest_start(message, IFLA_AF_SPEC);
    struct nlattr *inet6 = nla_nest_start(message, AF_INET6);

    nla_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, MACVTAP_NO_ADDRESSES);
    nla_nest_end(message, inet6);
    nla_nest_end(message, families);
    vt_netlink_request(netlink, message, NULL, NULL, VT_NETLINK_TIMEOUT_MS, NULL, NULL);
}

gboolean
vt_macvtap_make(VtNetlink *netlink, const VtMacvtapSpec *spec, GError **error)
{
    int mode = vt_enum_value(macvtap_modes, G_N_ELEMENTS(macvtap_modes), spec->mode);
    int lower = vt_link_index(netlink, spec->lower, error);
    int ifindex;

    if (lower == 0)
        return FALSE;
    if (mode < 0)
        return vt_error_set(error, VT_ERROR_INVALID_ARG, "A macvtap has no mode '%s'.", spec->mode);
    if (!macvtap_create(netlink, spec, lower, mode, error))
        return FALSE;
    ifindex = vt_link_index(netlink, spec->name, error);
    if (ifindex == 0 || !macvtap_take_multicast(netlink, ifindex, error)) {
        vt_link_delete(netlink, spec->name, NULL);
        return FALSE;
    }
    macvtap_keep_silent(netlink, ifindex);
    return TRUE;
}

gboolean
vt_macvtap_remove(VtNetlink *netlink, const char *name, const VtMac *mac, GError **error)
{
    VtLinkInfo info;
    g_autoptr(GError) inner = NULL;

    if (!vt_link_get(netlink, name, &info, &inner)) {
        if (g_error_matches(inner, VT_ERROR, VT_ERROR_NO_DEVICE))
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&inner));
        return FALSE;
    }
    if (strcmp(info.kind, MACVTAP_KIND) != 0 || !vt_mac_equal(&info.mac, mac))
        return TRUE;
    return vt_link_delete(netlink, name, error);
}

/* ---- its device node ---- */

/* "237:1" in sysfs. */
static gboolean
macvtap_number(const char *name, int ifindex, dev_t *number, GError **error)
{
    g_autofree char *path = g_strdup_printf("/sys/class/net/%s/tap%d/dev", name, ifindex);
    gsize length = 0;
    g_autofree char *text = vt_file_read(path, MACVTAP_DEV_MAX_BYTES, &length, error);
    unsigned int high, low;

    if (!text)
        return FALSE;
    if (sscanf(text, "%u:%u", &high, &low) != 2)
        return vt_error_set(error, VT_ERROR_SYSTEM, "'%s' does not hold the number of a device.", path);
    *number = makedev(high, low);
    return TRUE;
}

/* A node of our own in a directory that nobody else can enter, removed again with it. */
static char *
macvtap_make_node(dev_t number, char **directory, GError **error)
{
    g_autofree char *path = NULL;

    g_autofree char *template = g_strdup(MACVTAP_NODE_DIR);

    if (g_mkdtemp(template)) {
        *directory = g_steal_pointer(&template);
        path = g_build_filename(*directory, "tap", NULL);
        if (mknod(path, S_IFCHR | 0600, number) == 0)
            return g_steal_pointer(&path);
    }
    vt_error_set_errno(error, errno, "Cannot make a device node for a macvtap");
    return NULL;
}

static VtFd
macvtap_open_queue(const char *path, gboolean several, GError **error)
{
    struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
    g_auto(VtFd) fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);

    if (several)
        request.ifr_flags |= IFF_MULTI_QUEUE;
    if (fd < 0) {
        vt_error_set_errno(error, errno, "Cannot open '%s'", path);
        return -1;
    }
    if (ioctl(fd, TUNSETIFF, &request) < 0) {
        vt_error_set_errno(error, errno, "Cannot set up the macvtap at '%s'", path);
        return -1;
    }
    return vt_fd_steal(&fd);
}

static gboolean
macvtap_open_all(const char *path, guint n_queues, VtFd *fds, GError **error)
{
    VtFd opened[VT_TAP_QUEUES_MAX];

    for (guint i = 0; i < n_queues; i++) {
        opened[i] = macvtap_open_queue(path, n_queues > 1, error);
        if (opened[i] >= 0)
            continue;
        while (i-- > 0)
            vt_fd_close(opened[i]);
        return FALSE;
    }
    memcpy(fds, opened, n_queues * sizeof *fds);
    return TRUE;
}

gboolean
vt_macvtap_open(VtNetlink *netlink, const char *name, guint n_queues, VtFd *fds, GError **error)
{
    g_autofree char *path = NULL, *own = NULL, *directory = NULL;
    gboolean ok = FALSE;
    VtLinkInfo info;
    struct stat st;
    dev_t number = 0;

    if (n_queues < 1 || n_queues > VT_TAP_QUEUES_MAX)
        return vt_error_set(error, VT_ERROR_INVALID_ARG,
                            "A macvtap with %u queues was asked for; 1 to %d are possible.", n_queues,
                            VT_TAP_QUEUES_MAX);
    if (!vt_link_get(netlink, name, &info, error))
        return FALSE;
    if (strcmp(info.kind, MACVTAP_KIND) != 0)
        return vt_error_set(error, VT_ERROR_UNSUPPORTED, "The interface '%s' is no macvtap.", name);
    if (!macvtap_number(name, info.index, &number, error))
        return FALSE;
    path = g_strdup_printf("/dev/tap%d", info.index);
    if (stat(path, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == number)
        return macvtap_open_all(path, n_queues, fds, error);
    own = macvtap_make_node(number, &directory, error);
    if (own) {
        ok = macvtap_open_all(own, n_queues, fds, error);
        g_unlink(own);
    }
    if (directory)
        g_rmdir(directory);
    return ok;
}
