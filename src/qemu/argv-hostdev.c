/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/argv-hostdev.h"

#include "conf/address.h"
#include "qemu/argv-net.h"
#include "util/i18n.h"

char *
vt_argv_hostdev_vfio(const VtDomainDef *def, const VtHostPci *host, const VtDeviceInfo *info,
                     const VtTeaming *teaming)
{
    g_autofree char *address = vt_host_pci_to_string(host);
    VtOpts *opts = vt_opts_new("vfio-pci");

    vt_opts_add(opts, "host", address);
    vt_opts_add(opts, "id", info->alias);
    vt_argv_ctx_bootindex(opts, def, info);
    vt_opts_add(opts, "failover_pair_id", vt_argv_net_pair_id(def, teaming));
    vt_argv_ctx_pci(opts, def, info);
    vt_argv_ctx_rom(opts, info, FALSE);
    return vt_opts_end(opts);
}

static gboolean
argv_hostdev_nets(VtArgvBuild *build, GError **error)
{
    guint i;

    for (i = 0; i < build->def->nets->len; i++) {
        const VtNetDef *net = build->def->nets->pdata[i];
        g_autofree char *device = NULL;

        if (net->type != VT_NET_HOSTDEV || net->bare)
            continue;
        if (!net->has_host)
            return vt_error_set(
                error, VT_ERROR_OPERATION_INVALID,
                _("interface '%s' has no host device yet: its VF is taken from the team's policy when "
                  "the guest starts"),
                net->info.alias);
        device = vt_argv_hostdev_vfio(build->def, &net->host, &net->info, &net->teaming);
        if (!vt_argv_net_add_leg(build, device, &net->teaming, TRUE, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
vt_argv_hostdev_all(VtArgvBuild *build, GError **error)
{
    guint i;

    if (!argv_hostdev_nets(build, error))
        return FALSE;
    for (i = 0; i < build->def->hostdevs->len; i++) {
        const VtHostdevDef *hostdev = build->def->hostdevs->pdata[i];
        g_autofree char *device =
            vt_argv_hostdev_vfio(build->def, &hostdev->host, &hostdev->info, &hostdev->teaming);

        if (!vt_argv_net_add_leg(build, device, &hostdev->teaming, TRUE, error))
            return FALSE;
    }
    return TRUE;
}
