/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Notes of the datapath's back ends, as they stand on the disk. */
#include "datapath/bridge.h"
#include "datapath/sriov.h"
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
    g_autoptr(JsonNode) root = vt_json_parse((const char *)data, size, NULL);
    VtBackend backend;

    if (!root)
        return 0;
    if (vt_bridge_from_note(root, vt_netlink_new_fake(no_such_device, NULL), &backend, NULL)) {
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
