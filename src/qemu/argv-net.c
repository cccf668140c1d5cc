/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/argv-net.h"

#include "conf/teaming.h"
#include "util/i18n.h"

static const struct {
    const char *model, *driver;
} argv_net_models[] = {
    { "virtio", "virtio-net-pci" },
    { "virtio-transitional", "virtio-net-pci-transitional" },
    { "virtio-non-transitional", "virtio-net-pci-non-transitional" },
    { "e1000e", "e1000e" },
    { "igb", "igb" },
    { "vmxnet3", "vmxnet3" },
    { "e1000", "e1000" },
    { "e1000-82544gc", "e1000-82544gc" },
    { "e1000-82545em", "e1000-82545em" },
    { "rtl8139", "rtl8139" },
    { "ne2k_pci", "ne2k_pci" },
    { "pcnet", "pcnet" },
    { "i82550", "i82550" },
    { "i82557b", "i82557b" },
    { "i82559er", "i82559er" },
    { "tulip", "tulip" },
};

const char *
vt_argv_net_driver(const char *model)
{
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(argv_net_models); i++)
        if (g_strcmp0(argv_net_models[i].model, model) == 0)
            return argv_net_models[i].driver;
    return NULL;
}

const char *
vt_argv_net_pair_id(const VtDomainDef *def, const VtTeaming *teaming)
{
    const VtNetDef *persistent;
    const VtTeamPolicy *policy;

    if (teaming->type != VT_TEAMING_TRANSIENT || !teaming->persistent)
        return NULL;
    persistent = vt_teaming_find_persistent(def, teaming->persistent);
    policy = persistent ? vt_teaming_policy(def, persistent) : NULL;
    if (policy && policy->orchestration == VT_ORCHESTRATION_MANAGEMENT)
        return NULL;
    return persistent && persistent->info.alias ? persistent->info.alias : teaming->persistent;
}

/* The names are aliases; a transient may name its persistent by an automatic one. */
static gboolean
argv_net_is_left_out(const VtArgvBuild *build, const VtTeaming *teaming)
{
    const VtNetDef *persistent = vt_teaming_find_persistent(build->def, teaming->persistent);

    return persistent && persistent->info.alias &&
           g_strv_contains(build->ctx->without_teams, persistent->info.alias);
}

gboolean
vt_argv_net_add_leg(VtArgvBuild *build, const char *device, const VtTeaming *teaming, gboolean host,
                    GError **error)
{
    gboolean primary = vt_argv_net_pair_id(build->def, teaming) != NULL;

    if (teaming->type == VT_TEAMING_TRANSIENT && (!primary || host) && build->ctx->without_managed)
        return TRUE;
    if (teaming->type == VT_TEAMING_TRANSIENT && build->ctx->without_teams &&
        argv_net_is_left_out(build, teaming))
        return TRUE;
    return vt_argv_ctx_add_nic(build, device, primary, error);
}

static gboolean
argv_net_is_virtio(const VtNetDef *net)
{
    return net->model && g_str_has_prefix(net->model, "virtio");
}

/* Properties that only virtio-net has, in the order in which libvirt writes them. */
static void
argv_net_virtio(VtOpts *opts, const VtNetDef *net)
{
    if (net->queues > 1) {
        vt_opts_flag(opts, "mq", TRUE);
        vt_opts_addf(opts, "vectors", "%u", 2 * net->queues + 2);
    }
    if (net->rx_queue_size)
        vt_opts_addf(opts, "rx_queue_size", "%u", net->rx_queue_size);
    if (net->tx_queue_size)
        vt_opts_addf(opts, "tx_queue_size", "%u", net->tx_queue_size);
    if (net->mtu)
        vt_opts_addf(opts, "host_mtu", "%u", net->mtu);
    if (net->teaming.type == VT_TEAMING_PERSISTENT)
        vt_opts_flag(opts, "failover", TRUE);
}

char *
vt_argv_net_nic(const VtDomainDef *def, const VtNetDef *net)
{
    const char *driver = vt_argv_net_driver(net->model);
    char mac[VT_MAC_STRING_SIZE];
    VtOpts *opts = vt_opts_new(driver ? driver : net->model);

    if (argv_net_is_virtio(net))
        argv_net_virtio(opts, net);
    vt_opts_addf(opts, "netdev", "host%s", net->info.alias);
    vt_opts_add(opts, "id", net->info.alias);
    vt_opts_add(opts, "mac", vt_mac_format(&net->mac, mac));
    vt_opts_add(opts, "failover_pair_id", vt_argv_net_pair_id(def, &net->teaming));
    vt_argv_ctx_bootindex(opts, def, &net->info);
    vt_argv_ctx_pci(opts, def, &net->info);
    /* A ROM is a block of RAM that the destination of a migration lacks while the device is hidden. */
    vt_argv_ctx_rom(opts, &net->info, net->teaming.type == VT_TEAMING_TRANSIENT);
    return vt_opts_end(opts);
}

/* "fd=5", or "fds=5:6:7" for several queues. */
static void
argv_net_fds(VtOpts *opts, const char *one, const char *many, int first, const int *more, gsize n_more)
{
    g_autoptr(GString) list = g_string_new(NULL);
    gsize i;

    g_string_append_printf(list, "%d", first);
    for (i = 0; i < n_more; i++)
        g_string_append_printf(list, ":%d", more[i]);
    vt_opts_add(opts, n_more ? many : one, list->str);
}

/* For people: the same tap by name, as they would have to make it themselves. */
static void
argv_net_named_tap(VtArgvBuild *build, VtOpts *opts, const VtNetDef *net, guint place)
{
    gboolean vhost = argv_net_is_virtio(net) && g_strcmp0(net->driver_name, "qemu") != 0;

    if (net->target_dev)
        vt_opts_add(opts, "ifname", net->target_dev);
    else
        vt_opts_addf(opts, "ifname", "vnet%u", place);
    vt_opts_add(opts, "script", "no");
    vt_opts_add(opts, "downscript", "no");
    if (net->queues > 1)
        vt_opts_addf(opts, "queues", "%u", net->queues);
    if (vhost && build->caps->caps[VT_QEMU_CAP_VHOST_NET])
        vt_opts_flag(opts, "vhost", TRUE);
}

static gboolean
argv_net_tap(VtArgvBuild *build, VtOpts *opts, const VtNetDef *net, guint place, GError **error)
{
    const VtArgvContext *ctx = build->ctx;
    const VtArgvNetFd *fd = ctx->net_fds && place < ctx->n_net_fds ? &ctx->net_fds[place] : NULL;

    if (!fd || fd->tap_fd < 0) {
        if (!ctx->standalone)
            return vt_error_set(error, VT_ERROR_INTERNAL, "interface '%s' has no tap", net->info.alias);
        argv_net_named_tap(build, opts, net, place);
        return TRUE;
    }
    argv_net_fds(opts, "fd", "fds", fd->tap_fd, fd->more_tap_fds, fd->more_tap_fds ? fd->n_more : 0);
    if (fd->vhost_fd >= 0) {
        vt_opts_flag(opts, "vhost", TRUE);
        argv_net_fds(opts, "vhostfd", "vhostfds", fd->vhost_fd, fd->more_vhost_fds,
                     fd->more_vhost_fds ? fd->n_more : 0);
    }
    return TRUE;
}

static gboolean
argv_net_one(VtArgvBuild *build, const VtNetDef *net, guint place, GError **error)
{
    g_autoptr(VtOpts) opts = vt_opts_new(net->type == VT_NET_USER ? "user" : "tap");
    g_autofree char *device = vt_argv_net_nic(build->def, net);

    if (net->type != VT_NET_USER && !argv_net_tap(build, opts, net, place, error))
        return FALSE;
    vt_opts_addf(opts, "id", "host%s", net->info.alias);
    vt_argv_ctx_add_opts(build, "-netdev", g_steal_pointer(&opts));
    return vt_argv_net_add_leg(build, device, &net->teaming, FALSE, error);
}

gboolean
vt_argv_net_all(VtArgvBuild *build, GError **error)
{
    guint i;

    for (i = 0; i < build->def->nets->len; i++) {
        const VtNetDef *net = build->def->nets->pdata[i];

        if (net->type == VT_NET_HOSTDEV || net->bare)
            continue;
        if (vt_teaming_net_is_host(net))
            return vt_error_set(
                error, VT_ERROR_OPERATION_INVALID,
                _("interface '%s' has no host device yet: its network '%s' lends it one when the "
                  "guest starts"),
                net->info.alias, net->network);
        if (!argv_net_one(build, net, i, error))
            return FALSE;
    }
    return TRUE;
}
