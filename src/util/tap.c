/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/tap.h"

#include "util/link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TAP_DEVICE   "/dev/net/tun"
#define VHOST_DEVICE "/dev/vhost-net"

/* The kernel formats the name itself, so a stray conversion must not reach it. */
static gboolean
tap_name_valid(const char *name)
{
    const char *percent = strchr(name, '%');

    if (!vt_link_name_valid(name))
        return FALSE;
    return !percent || (percent[1] == 'd' && !strchr(percent + 1, '%'));
}

static VtFd
tap_open_queue(const char *device, const char *name, short flags, char out[IF_NAMESIZE], GError **error)
{
    g_auto(VtFd) fd = open(device, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    struct ifreq request = { .ifr_flags = flags };

    if (fd < 0) {
        vt_error_set_errno(error, errno, "Cannot open '%s'", device);
        return -1;
    }
    g_strlcpy(request.ifr_name, name, sizeof request.ifr_name);
    if (ioctl(fd, TUNSETIFF, &request) < 0) {
        vt_error_set_errno(error, errno, "Cannot make the tap '%s'", name);
        return -1;
    }
    g_strlcpy(out, request.ifr_name, IF_NAMESIZE);
    return vt_fd_steal(&fd);
}

gboolean
vt_tap_open(const VtTapSpec *spec, char name[IF_NAMESIZE], VtFd *fds, GError **error)
{
    const char *pattern = spec->name ? spec->name : VT_TAP_PATTERN;
    const char *device = spec->device ? spec->device : TAP_DEVICE;
    guint n_queues = MAX(spec->n_queues, 1);
    short flags = IFF_TAP | IFF_NO_PI;
    char made[IF_NAMESIZE] = "";
    VtFd opened[VT_TAP_QUEUES_MAX];
    guint n = 0;

    if (!tap_name_valid(pattern))
        return vt_error_set(error, VT_ERROR_INVALID_ARG, "'%s' cannot be the name of a network interface.",
                            pattern);
    if (n_queues > VT_TAP_QUEUES_MAX)
        return vt_error_set(error, VT_ERROR_INVALID_ARG,
                            "A tap with %u queues was asked for; %d are possible.", n_queues,
                            VT_TAP_QUEUES_MAX);
    flags |= spec->vnet_hdr ? IFF_VNET_HDR : 0;
    flags |= n_queues > 1 ? IFF_MULTI_QUEUE : 0;
    for (; n < n_queues; n++) {
        opened[n] = tap_open_queue(device, n == 0 ? pattern : made, flags, made, error);
        if (opened[n] < 0)
            break;
    }
    if (n < n_queues) {
        while (n-- > 0)
            vt_fd_close(opened[n]);
        return FALSE;
    }
    memcpy(fds, opened, n * sizeof *fds);
    g_strlcpy(name, made, IF_NAMESIZE);
    return TRUE;
}

VtFd
vt_tap_vhost_open(const char *device, GError **error)
{
    VtFd fd = open(device ? device : VHOST_DEVICE, O_RDWR | O_CLOEXEC);

    if (fd < 0)
        vt_error_set_errno(error, errno, "Cannot open '%s'", device ? device : VHOST_DEVICE);
    return fd;
}

gboolean
vt_tap_has_vhost(void)
{
    g_auto(VtFd) fd = vt_tap_vhost_open(NULL, NULL);

    return fd >= 0;
}
