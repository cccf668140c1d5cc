/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Notes of the datapath's back ends and of probes, as they stand on the disk. */
#include "datapath/bridge.h"
#include "datapath/macvtap-vf.h"
#include "datapath/ovs.h"
#include "datapath/probe-host.h"
#include "datapath/sriov.h"
#include "datapath/switchdev.h"
#include "util/json.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size);

static int
no_such_device(const struct nlmsghdr *request, GByteArray *reply, gpointer user)
{
    return ENODEV;
}

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
    static const VtPciHost nowhere = { .root = "/nonexistent" };
    g_autoptr(VtNetlink) netlink = vt_netlink_new_fake(no_such_device, NULL);
    g_autoptr(JsonNode) root = vt_json_parse((const char *)data, size, NULL);
    VtBackend backend;

    if (!root)
        return 0;
    vt_probe_host_restore(root, &nowhere, NULL, netlink, NULL);
    if (vt_bridge_from_note(root, vt_netlink_new_fake(no_such_device, NULL), &backend, NULL)) {
        json_object_unref(backend.funcs->note(backend.state));
        backend.funcs->apply(backend.state, VT_FEED_RELEASED, NULL);
        vt_backend_clear(&backend);
    }
    if (vt_ovs_from_note(root, vt_netlink_new_fake(no_such_device, NULL), &backend, NULL)) {
        json_object_unref(backend.funcs->note(backend.state));
        backend.funcs->apply(backend.state, VT_FEED_RELEASED, NULL);
        vt_backend_clear(&backend);
    }
    if (vt_macvtap_vf_from_note(root, NULL, vt_netlink_new_fake(no_such_device, NULL), &backend, NULL)) {
        json_object_unref(backend.funcs->note(backend.state));
        backend.funcs->apply(backend.state, VT_FEED_RELEASED, NULL);
        vt_backend_clear(&backend);
    }
    if (vt_switchdev_from_note(root, NULL, vt_netlink_new_fake(no_such_device, NULL),
                               vt_netlink_new_fake(no_such_device, NULL), &backend, NULL)) {
        json_object_unref(backend.funcs->note(backend.state));
        backend.funcs->apply(backend.state, VT_FEED_RELEASED, NULL);
        vt_backend_clear(&backend);
    }
    if (vt_sriov_from_note(root, NULL, vt_netlink_new_fake(no_such_device, NULL), &backend, NULL)) {
        json_object_unref(backend.funcs->note(backend.state));
        backend.funcs->apply(backend.state, VT_FEED_RELEASED, NULL);
        vt_backend_clear(&backend);
    }
    return 0;
}
