/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A NIC with two VFs, of taps and a thread: the thread is its switch, with the manners of real ones. The PF and an
 * interface at the other end of its cable are taps that stay; a VF's tap is there while a driver has the VF.
 */
#pragma once

#include "datapath/probe-nic.h"
#include "util/fd.h"
#include "util/link.h"
#include "util/tap.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#define FAKE_NIC_VFS 2

enum { FAKE_NIC_PF, FAKE_NIC_WIRE, FAKE_NIC_VF0, FAKE_NIC_PORTS = FAKE_NIC_VF0 + FAKE_NIC_VFS };

typedef struct {
    /* manners */
    gboolean early;    /* filters for a VF that has no driver */
    gboolean copies;   /* gives a frame to everybody who has its address */
    gboolean open_pf;  /* the promiscuous PF gets what VFs send to addresses that nobody has */
    gboolean spoofchk; /* drops what a VF sends from another MAC */
    gboolean no_self, no_zero, dead_vfs;
    guint reset_ms;
    /* state */
    GMutex lock;
    VtNetlink *netlink;
    VtFd fds[FAKE_NIC_PORTS];
    int pf, wire; /* numbers of their interfaces */
    VtMac macs[FAKE_NIC_PORTS];
    GArray *self; /* of VtMac */
    gboolean in_reset, stop;
    GThread *thread;
} FakeNic;

static inline gboolean
fake_nic_has_self(const FakeNic *nic, const VtMac *mac)
{
    for (guint i = 0; i < nic->self->len; i++)
        if (vt_mac_equal(&g_array_index(nic->self, VtMac, i), mac))
            return TRUE;
    return vt_mac_equal(&nic->macs[FAKE_NIC_PF], mac);
}

/* To whom a frame goes; bits of ports. */
static inline guint
fake_nic_route(const FakeNic *nic, int from, const VtMac *to)
{
    guint vfs = 0, out = 0;

    if (vt_mac_is_multicast(to))
        return ((1u << FAKE_NIC_PORTS) - 1) & ~(1u << from);
    for (int vf = FAKE_NIC_VF0; vf < FAKE_NIC_PORTS; vf++)
        if (vt_mac_equal(&nic->macs[vf], to) && (nic->early || nic->fds[vf] >= 0))
            vfs |= 1u << vf;
    out = vfs;
    if (fake_nic_has_self(nic, to) && (!vfs || nic->copies))
        out |= 1u << FAKE_NIC_PF;
    if (!vfs && !out)
        out = from == FAKE_NIC_WIRE ? 1u << FAKE_NIC_PF
                                    : 1u << FAKE_NIC_WIRE | (nic->open_pf ? 1u << FAKE_NIC_PF : 0);
    /* A promiscuous PF of a NIC that copies gets what comes from the wire. */
    if (vfs && nic->copies && from == FAKE_NIC_WIRE)
        out |= 1u << FAKE_NIC_PF;
    return out & ~(1u << from);
}

static inline void
fake_nic_switch(FakeNic *nic, int from)
{
    guint8 frame[2048];
    ssize_t length;

    while ((length = read(nic->fds[from], frame, sizeof frame)) >= 14) {
        VtMac to, source;
        guint ports;

        memcpy(to.bytes, frame, 6);
        memcpy(source.bytes, frame + 6, 6);
        if (from >= FAKE_NIC_VF0 && nic->spoofchk && !vt_mac_equal(&source, &nic->macs[from]))
            continue;
        ports = fake_nic_route(nic, from, &to);
        for (int port = 0; port < FAKE_NIC_PORTS; port++)
            if ((ports & (1u << port)) && nic->fds[port] >= 0 && !(nic->dead_vfs && port >= FAKE_NIC_VF0) &&
                write(nic->fds[port], frame, (gsize)length) < 0)
                continue; /* not up yet */
    }
}

static inline gpointer
fake_nic_thread(gpointer data)
{
    FakeNic *nic = data;

    for (;;) {
        struct pollfd fds[FAKE_NIC_PORTS];

        g_mutex_lock(&nic->lock);
        for (int port = 0; port < FAKE_NIC_PORTS; port++) {
            if (nic->fds[port] >= 0)
                fake_nic_switch(nic, port);
            fds[port] = (struct pollfd){ .fd = nic->fds[port], .events = POLLIN };
        }
        if (nic->stop) {
            g_mutex_unlock(&nic->lock);
            return NULL;
        }
        g_mutex_unlock(&nic->lock);
        poll(fds, FAKE_NIC_PORTS, 1);
    }
}

static inline int
fake_nic_tap(FakeNic *nic, const char *pattern, int port)
{
    VtTapSpec spec = { .name = pattern };
    g_autoptr(GError) error = NULL;
    char name[IF_NAMESIZE];
    VtLinkInfo link;
    VtFd fd = -1;

    g_assert_true(vt_tap_open(&spec, name, &fd, &error));
    g_assert_true(vt_fd_set_nonblock(fd, TRUE, &error));
    if (!vt_mac_is_zero(&nic->macs[port]))
        g_assert_true(vt_link_set_mac(nic->netlink, name, &nic->macs[port], &error));
    g_assert_true(vt_link_get(nic->netlink, name, &link, &error));
    g_assert_no_error(error);
    nic->macs[port] = link.mac;
    nic->fds[port] = fd;
    return link.index;
}

static inline void
fake_nic_init(FakeNic *nic)
{
    memset(nic, 0, sizeof *nic);
    g_mutex_init(&nic->lock);
    nic->netlink = vt_netlink_new(NULL);
    nic->self = g_array_new(FALSE, FALSE, sizeof(VtMac));
    for (int port = 0; port < FAKE_NIC_PORTS; port++)
        nic->fds[port] = -1;
    nic->pf = fake_nic_tap(nic, "pf%d", FAKE_NIC_PF);
    nic->wire = fake_nic_tap(nic, "wire%d", FAKE_NIC_WIRE);
    g_assert_true(vt_link_set_up(nic->netlink, "pf0", TRUE, NULL));
    g_assert_true(vt_link_set_up(nic->netlink, "wire0", TRUE, NULL));
    nic->thread = g_thread_new("fake-nic", fake_nic_thread, nic);
}

static inline void
fake_nic_clear(FakeNic *nic)
{
    g_mutex_lock(&nic->lock);
    nic->stop = TRUE;
    g_mutex_unlock(&nic->lock);
    g_thread_join(nic->thread);
    for (int port = 0; port < FAKE_NIC_PORTS; port++)
        vt_fd_clear(&nic->fds[port]);
    g_array_unref(nic->self);
    vt_netlink_free(nic->netlink);
    g_mutex_clear(&nic->lock);
}

static inline gboolean
fake_nic_set_mac(gpointer user, guint vf, const VtMac *mac, guint tries, GError **error)
{
    FakeNic *nic = user;
    G_GNUC_UNUSED g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&nic->lock);

    if (nic->in_reset)
        return vt_error_set(error, VT_ERROR_SYSTEM, "The VF is in reset.");
    if (nic->no_zero && vt_mac_is_zero(mac))
        return vt_error_set(error, VT_ERROR_SYSTEM, "The address is invalid.");
    nic->macs[FAKE_NIC_VF0 + vf] = *mac;
    return TRUE;
}

static inline gboolean
fake_nic_get_mac(gpointer user, guint vf, VtMac *mac, GError **error)
{
    FakeNic *nic = user;
    G_GNUC_UNUSED g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&nic->lock);

    *mac = nic->macs[FAKE_NIC_VF0 + vf];
    return TRUE;
}

static inline gboolean
fake_nic_set_self(gpointer user, const VtMac *mac, gboolean on, GError **error)
{
    FakeNic *nic = user;
    G_GNUC_UNUSED g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&nic->lock);

    if (nic->no_self)
        return vt_error_set(error, VT_ERROR_SYSTEM, "It has no such entries.");
    for (guint i = nic->self->len; i > 0; i--)
        if (vt_mac_equal(&g_array_index(nic->self, VtMac, i - 1), mac))
            g_array_remove_index(nic->self, i - 1);
    if (on)
        g_array_append_val(nic->self, *mac);
    return TRUE;
}

static inline int
fake_nic_drive(gpointer user, guint vf, GError **error)
{
    FakeNic *nic = user;
    G_GNUC_UNUSED g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&nic->lock);

    return fake_nic_tap(nic, "fvf%d", FAKE_NIC_VF0 + (int)vf);
}

static inline gboolean
fake_nic_undrive(gpointer user, guint vf, GError **error)
{
    FakeNic *nic = user;
    G_GNUC_UNUSED g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&nic->lock);

    vt_fd_clear(&nic->fds[FAKE_NIC_VF0 + vf]);
    return TRUE;
}

static inline gboolean
fake_nic_reset(gpointer user, guint vf, GError **error)
{
    FakeNic *nic = user;

    g_mutex_lock(&nic->lock);
    nic->in_reset = TRUE;
    g_mutex_unlock(&nic->lock);
    g_usleep(nic->reset_ms * 1000);
    g_mutex_lock(&nic->lock);
    nic->in_reset = FALSE;
    g_mutex_unlock(&nic->lock);
    return TRUE;
}

static inline VtProbeNic
fake_nic_of(FakeNic *nic)
{
    static const VtProbeNicFuncs funcs = {
        .set_mac = fake_nic_set_mac,
        .get_mac = fake_nic_get_mac,
        .set_self = fake_nic_set_self,
        .drive = fake_nic_drive,
        .undrive = fake_nic_undrive,
        .reset = fake_nic_reset,
    };

    return (VtProbeNic){ .funcs = &funcs, .state = nic };
}
