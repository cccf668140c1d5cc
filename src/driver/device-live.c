/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A device comes by the 'attach' sequence. It is worked out on a copy of the live definition (defaults, alias,
 * slot, every rule that a define would apply), and moves into the live definition itself only when QEMU has it:
 * whoever looks at the definition meanwhile sees what the guest has.
 *
 * A device goes when QEMU says so (DEVICE_DELETED), whoever asked for it: a client, the monitor, or a daemon
 * that is no more. So all that is to be done then hangs on the event, in vt_device_live_gone(), and a detach
 * (device-detach.c) only asks, waits for the event and then for the clean-up it started.
 */
#define VT_LOG_DOMAIN "virtteam-driver-device"

#include "driver/device-live.h"

#include <stdio.h>
#include <string.h>
#include "conf/net.h"
#include "conf/postparse.h"
#include "conf/validate.h"
#include "driver/datapath.h"
#include "driver/device-find.h"
#include "driver/domain-private.h"
#include "driver/event.h"
#include "driver/host-port.h"
#include "driver/device-leaving.h"
#include "driver/hostdev.h"
#include "driver/journal.h"
#include "driver/net-port.h"
#include "driver/start-host.h"
#include "driver/vf-lent.h"
#include "driver/vf-policy.h"
#include "driver/vf-take.h"
#include "driver/team-state.h"
#include "driver/team-guard.h"
#include "qemu/argv-disk.h"
#include "qemu/argv.h"
#include "qemu/hotplug.h"
#include "qemu/prepare.h"
#include "qemu/slots.h"
#include "util/i18n.h"
#include "util/json.h"
#include "util/log.h"

#define DEVICE_LIVE_QMP_MS  30000
#define DEVICE_LIVE_PLUG_MS 120000
#define DEVICE_LIVE_PORT_MS 60000
#define DEVICE_LIVE_TAKE_MS 180000

typedef struct {
    guint refs;
    VtDomain *domain;
    VtDomainDef *next;  /* the live definition with the device in it */
    VtDomainDef *alone; /* the device and nothing else, for what is made device by device */
    VtDevice device;    /* within @next */
    VtStartNet *net;    /* taps and vhost descriptors */
    GPtrArray *nodes;   /* of JsonNode *: arguments of blockdev-add */
    char *option;       /* value of -device */
    VtHotplug *plug;    /* under way */
    gboolean journals;  /* the journal is that of a client's attach */
    VtSeq *seq;         /* NULL: over */
    VtDoneFunc done;
    gpointer user;
} LiveAttach;

static void
live_attach_unref(gpointer data)
{
    LiveAttach *run = data;

    if (--run->refs > 0)
        return;
    vt_start_net_free(run->net);
    g_clear_pointer(&run->nodes, g_ptr_array_unref);
    vt_domain_def_free(run->next);
    vt_domain_def_free(run->alone);
    g_free(run->option);
    vt_domain_unref(run->domain);
    g_free(run);
}

/* ---- what it will be ---- */

static gboolean
device_live_can_attach(const VtDevice *device, GError **error)
{
    if (device->kind == VT_DEVICE_DISK && g_strcmp0(device->disk->bus, "virtio") != 0)
        return vt_error_set(error, VT_ERROR_UNSUPPORTED, _("disk bus '%s' cannot be hotplugged."),
                            device->disk->bus);
    if (device->kind == VT_DEVICE_NET || device->kind == VT_DEVICE_HOSTDEV || device->kind == VT_DEVICE_DISK)
        return TRUE;
    return vt_error_set(error, VT_ERROR_UNSUPPORTED, _("live attach of device '%s' is not supported"),
                        vt_device_find_name(device->kind));
}

/* Put a copy into @def's list, at its end. */
static gpointer
device_live_add(VtDomainDef *def, const VtDevice *device)
{
    VtDevice *copy = vt_device_find_copy(device);
    gpointer any = copy->any;

    g_ptr_array_add(vt_device_find_list(def, device), any);
    g_free(copy);
    return any;
}

/* Name, slot and defaults as if it had always been there, and every rule that a define applies. */
static gboolean
device_live_complete(LiveAttach *run, const VtDevice *device, GError **error)
{
    VtDomain *domain = run->domain;
    VtDeviceInfo *info;
    VtQemuCaps *caps;
    guint controllers;

    run->next = vt_domain_def_copy(domain->live);
    run->device = (VtDevice){ .kind = device->kind, .any = device_live_add(run->next, device) };
    info = vt_device_find_info(&run->device);
    if (!info->user_alias)
        g_clear_pointer(&info->alias, g_free);
    caps = vt_driver_caps(domain->driver, run->next->emulator, error);
    if (!caps || !vt_slots_assign_one(domain->live, info, error))
        return FALSE;
    vt_postparse_domain(run->next);
    vt_device_find_drop_policies(run->next);
    if (!vt_validate_first(run->next, error))
        return FALSE;
    controllers = run->next->controllers->len;
    if (!vt_qemu_prepare_define(run->next, caps, error))
        return FALSE;
    if (run->next->controllers->len != controllers)
        return vt_error_set(error, VT_ERROR_OPERATION_FAILED,
                            _("No more available PCI slots: the device needs a controller that cannot be "
                              "added while the guest runs"));
    vt_alias_assign(run->next);
    run->alone = vt_domain_def_new();
    run->alone->virt_type = run->next->virt_type;
    run->alone->name = g_strdup(run->next->name);
    device_live_add(run->alone, &run->device);
    return TRUE;
}

/* For a daemon that comes after us: what is on its way. */
static void
device_live_journal(LiveAttach *run)
{
    g_autofree char *xml = vt_device_xml_format(&run->device, VT_XML_FORMAT_STATUS | VT_XML_FORMAT_SECURE);

    if (!run->journals)
        return;
    vt_journal_set(run->domain, "alias", vt_device_find_info(&run->device)->alias);
    vt_journal_set(run->domain, "device", xml);
}

/* ---- steps of attach ---- */

static VtSeqAct *
device_live_act(LiveAttach *run)
{
    run->refs++;
    return vt_seq_act_new(run->seq, run, live_attach_unref);
}

static VtStepResult
device_live_check_host(VtSeq *seq, gpointer data, GError **error)
{
    LiveAttach *run = data;
    VtQemuCaps *caps = vt_driver_caps(run->domain->driver, run->next->emulator, error);

    return caps && vt_start_host_check(run->alone, caps, error) ? VT_STEP_DONE : VT_STEP_FAILED;
}

/* The interface has become what its network or its team's policy gave it. */
static void
device_live_adopt_net(LiveAttach *run, const VtNetDef *got)
{
    GPtrArray *nets = run->next->nets;
    guint index = 0;

    if (!g_ptr_array_find(nets, run->device.net, &index))
        return;
    nets->pdata[index] = vt_net_def_copy(got);
    vt_net_def_free(run->device.net);
    run->device.net = nets->pdata[index];
    g_ptr_array_set_size(run->alone->nets, 0);
    g_ptr_array_add(run->alone->nets, vt_net_def_copy(run->device.net));
    device_live_journal(run);
}

static void
device_live_took_port(gpointer user, const VtDomainDef *taken, const GError *error)
{
    LiveAttach *run = vt_seq_act_data(user);

    if (!error && vt_seq_act_is_current(user))
        device_live_adopt_net(run, g_ptr_array_index(taken->nets, 0));
    vt_seq_act_done(user, error);
}

static VtStepResult
device_live_take_port(VtSeq *seq, gpointer data, GError **error)
{
    LiveAttach *run = data;

    if (!vt_net_port_wanted(run->alone))
        return VT_STEP_DONE;
    vt_net_port_take(run->domain->driver, run->domain, run->alone, FALSE, device_live_took_port,
                     device_live_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
device_live_take_port_undo(VtSeq *seq, gpointer data, GError **error)
{
    LiveAttach *run = data;

    /* What was asked for and not answered yet is not known by its UUID here, but is nobody's of the live ones. */
    vt_net_port_release_unused(run->domain->driver, &run->domain->uuid, vt_seq_act_done,
                               device_live_act(run));
    return VT_STEP_WAIT;
}

static void
device_live_chose_vf(gpointer user, const VtDomainDef *taken, const GError *error)
{
    LiveAttach *run = vt_seq_act_data(user);

    if (!error && vt_seq_act_is_current(user))
        device_live_adopt_net(run, g_ptr_array_index(taken->nets, taken->nets->len - 1));
    vt_seq_act_done(user, error);
}

static VtStepResult
device_live_choose_vf(VtSeq *seq, gpointer data, GError **error)
{
    LiveAttach *run = data;
    VtVfWish wish;

    if (run->device.kind != VT_DEVICE_NET || !(vt_vf_policy_wish(run->next, run->device.net, &wish) ||
                                               vt_vf_lent_is_due(run->domain, run->device.net)))
        return VT_STEP_DONE;
    vt_vf_take(run->domain->driver, run->domain, run->next, FALSE, device_live_chose_vf,
               device_live_act(run));
    return VT_STEP_WAIT;
}

/* A failure was logged, and is tried again later. */
static void
device_live_given_back(gpointer user, const GError *error)
{
    vt_seq_act_done(user, NULL);
}

static VtStepResult
device_live_choose_vf_undo(VtSeq *seq, gpointer data, GError **error)
{
    LiveAttach *run = data;

    vt_hostdev_give_back_unused(run->domain->driver, run->domain, device_live_given_back,
                                device_live_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
device_live_take_host(VtSeq *seq, gpointer data, GError **error)
{
    LiveAttach *run = data;
    g_autoptr(GArray) wants = vt_hostdev_wants(run->alone);

    if (wants->len == 0)
        return VT_STEP_DONE;
    vt_hostdev_take_one(run->domain->driver, run->domain, &g_array_index(wants, VtHostdevWant, 0),
                        vt_seq_act_done, device_live_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
device_live_take_host_undo(VtSeq *seq, gpointer data, GError **error)
{
    LiveAttach *run = data;
    g_autoptr(GArray) wants = vt_hostdev_wants(run->alone);

    if (wants->len == 0)
        return VT_STEP_DONE;
    vt_hostdev_give_back_one(run->domain->driver, &run->domain->uuid,
                             &g_array_index(wants, VtHostdevWant, 0).bdf, device_live_given_back,
                             device_live_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
device_live_raise_memlock(VtSeq *seq, gpointer data, GError **error)
{
    LiveAttach *run = data;

    /* It may have ended while the step before was written to the journal. */
    if (!vt_domain_qmp(run->domain, error))
        return VT_STEP_FAILED;
    vt_start_host_raise_memlock(run->next, vt_process_pid(run->domain->process));
    return VT_STEP_DONE;
}

static VtStepResult
device_live_make_tap(VtSeq *seq, gpointer data, GError **error)
{
    LiveAttach *run = data;
    VtQemuCaps *caps = vt_driver_caps(run->domain->driver, run->next->emulator, error);
    const VtNetDef *made;

    if (!caps)
        return VT_STEP_FAILED;
    run->net = vt_start_net_open(run->alone, caps, error);
    if (!run->net)
        return VT_STEP_FAILED;
    if (run->device.kind == VT_DEVICE_NET) {
        made = g_ptr_array_index(run->alone->nets, 0);
        g_free(run->device.net->target_dev);
        run->device.net->target_dev = g_strdup(made->target_dev);
        run->device.net->virtualport.openvswitch = made->virtualport.openvswitch;
        device_live_journal(run);
    }
    return VT_STEP_DONE;
}

static VtStepResult
device_live_make_macvtap(VtSeq *seq, gpointer data, GError **error)
{
    LiveAttach *run = data;

    vt_host_port_add(run->domain, run->alone, VT_HOST_PORT_MACVTAP, vt_seq_act_done, device_live_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
device_live_add_port(VtSeq *seq, gpointer data, GError **error)
{
    LiveAttach *run = data;

    vt_host_port_add(run->domain, run->alone, VT_HOST_PORT_OVS, vt_seq_act_done, device_live_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
device_live_remove_port(VtSeq *seq, gpointer data, GError **error)
{
    LiveAttach *run = data;
    const VtNetDef *net = run->alone->nets->len ? g_ptr_array_index(run->alone->nets, 0) : NULL;

    if (!net || !net->target_dev)
        return VT_STEP_DONE;
    vt_host_port_remove(run->domain, net->target_dev, vt_seq_act_done, device_live_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
device_live_make_tap_undo(VtSeq *seq, gpointer data, GError **error)
{
    g_clear_pointer(&((LiveAttach *)data)->net, vt_start_net_free);
    return VT_STEP_DONE;
}

/* N of "libvirt-N-format"; 0: it is no such name. */
static guint
device_live_node_number(const char *name)
{
    guint number = 0;
    int length = 0;

    if (!name || sscanf(name, "libvirt-%u-format%n", &number, &length) != 1 || length == 0 || name[length])
        return 0;
    return number;
}

static gboolean
device_live_add_nodes(LiveAttach *run, JsonNode *result, GError **error)
{
    JsonArray *nodes = JSON_NODE_HOLDS_ARRAY(result) ? json_node_get_array(result) : NULL;
    const VtDiskDef *disk = run->device.disk;
    guint number = 0;

    for (guint i = 0; nodes && i < json_array_get_length(nodes); i++)
        number = MAX(number, device_live_node_number(
                                 vt_json_string_or(json_array_get_element(nodes, i), "node-name", NULL)));
    number++;
    run->nodes = g_ptr_array_new_with_free_func((GDestroyNotify)json_node_unref);
    for (int storage = 1; storage >= 0; storage--) {
        g_autofree char *option = vt_argv_disk_blockdev(disk, number, storage == 1);
        JsonNode *node = vt_hotplug_node_args(option, error);

        if (!node)
            return FALSE;
        g_ptr_array_add(run->nodes, node);
    }
    run->option = vt_argv_disk_device(run->next, disk, number);
    return TRUE;
}

static void
device_live_nodes_told(gpointer user, JsonNode *result, const GError *error)
{
    LiveAttach *run = vt_seq_act_data(user);
    g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;

    if (!failure && vt_seq_act_is_current(user))
        device_live_add_nodes(run, result, &failure);
    vt_seq_act_done(user, failure);
}

static VtStepResult
device_live_name(VtSeq *seq, gpointer data, GError **error)
{
    LiveAttach *run = data;
    VtQmpClient *qmp = vt_domain_qmp(run->domain, error);

    if (!qmp)
        return VT_STEP_FAILED;
    if (run->device.kind == VT_DEVICE_DISK) {
        vt_qmp_client_call(qmp, "query-named-block-nodes", NULL, DEVICE_LIVE_QMP_MS, device_live_nodes_told,
                           device_live_act(run));
        return VT_STEP_WAIT;
    }
    run->option = run->device.kind == VT_DEVICE_NET ? vt_argv_net_device(run->next, run->device.net)
                                                    : vt_argv_hostdev_device(run->next, run->device.hostdev);
    return VT_STEP_DONE;
}

/* Frames must reach the primary before the guest listens to it. */
static VtStepResult
device_live_set_datapath(VtSeq *seq, gpointer data, GError **error)
{
    LiveAttach *run = data;
    const char *team = vt_device_find_team(&run->device);

    if (!team)
        return VT_STEP_DONE;
    vt_datapath_open_team(run->domain, run->next, team, vt_seq_act_done, device_live_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
device_live_set_datapath_undo(VtSeq *seq, gpointer data, GError **error)
{
    LiveAttach *run = data;
    const char *team = vt_device_find_team(&run->device);

    if (!team)
        return VT_STEP_DONE;
    vt_datapath_close_team(run->domain, team, vt_seq_act_done, device_live_act(run));
    return VT_STEP_WAIT;
}

static void
device_live_plugged(gpointer user, const GError *error)
{
    ((LiveAttach *)vt_seq_act_data(user))->plug = NULL;
    vt_seq_act_done(user, error);
}

static VtHotplugBackend
device_live_backend(const LiveAttach *run)
{
    if (run->device.kind == VT_DEVICE_DISK)
        return VT_HOTPLUG_BACKEND_BLOCK;
    if (run->device.kind == VT_DEVICE_HOSTDEV || run->device.net->type == VT_NET_HOSTDEV)
        return VT_HOTPLUG_BACKEND_NONE;
    return run->device.net->type == VT_NET_USER ? VT_HOTPLUG_BACKEND_USER : VT_HOTPLUG_BACKEND_TAP;
}

static VtStepResult
device_live_plug(VtSeq *seq, gpointer data, GError **error)
{
    LiveAttach *run = data;
    g_autofree char *netdev = g_strconcat("host", vt_device_find_info(&run->device)->alias, NULL);
    g_autoptr(GArray) taps = NULL, vhosts = NULL;
    VtHotplugPlug params = {
        .qmp = vt_domain_qmp(run->domain, error),
        .device = run->option,
        .backend = device_live_backend(run),
        .blockdevs = run->nodes,
    };

    if (!params.qmp)
        return VT_STEP_FAILED;
    if (params.backend == VT_HOTPLUG_BACKEND_TAP || params.backend == VT_HOTPLUG_BACKEND_USER) {
        params.netdev_id = netdev;
        params.link_down = run->device.net->link == VT_LINK_DOWN;
    }
    if (params.backend == VT_HOTPLUG_BACKEND_TAP) {
        taps = vt_start_net_taps(run->net, FALSE);
        vhosts = vt_start_net_taps(run->net, TRUE);
        params.tap_fds = (const int *)taps->data;
        params.vhost_fds = vhosts->len ? (const int *)vhosts->data : NULL;
        params.n_queues = taps->len;
    }
    run->plug = vt_hotplug_plug(&params, device_live_plugged, device_live_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
device_live_adopt(VtSeq *seq, gpointer data, GError **error)
{
    LiveAttach *run = data;
    VtDomain *domain = run->domain;
    GPtrArray *from = vt_device_find_list(run->next, &run->device);
    guint index = 0;

    if (!domain->live || !domain->driver || !g_ptr_array_find(from, run->device.any, &index)) {
        vt_error_set(error, VT_ERROR_OPERATION_FAILED, _("domain '%s' ended while the device was attached"),
                     domain->name);
        return VT_STEP_FAILED;
    }
    g_ptr_array_add(vt_device_find_list(domain->live, &run->device), g_ptr_array_steal_index(from, index));
    if (run->device.kind == VT_DEVICE_NET && domain->state == VT_DOMAIN_RUNNING)
        vt_host_port_set_up(domain, TRUE);
    vt_device_leaving_remove(domain, vt_device_find_info(&run->device)->alias);
    vt_domain_status_changed(domain);
    vt_team_state_update(domain);
    vt_team_guard_open(domain);
    vt_log_info("dom=%s device %s is there", domain->name, vt_device_find_info(&run->device)->alias);
    vt_event_device(domain->driver, domain, VT_EVENT_DEVICE_ADDED, vt_device_find_info(&run->device)->alias);
    return VT_STEP_DONE;
}

static const VtStep device_live_attach_steps[] = {
    { .name = "check-host", .start = device_live_check_host },
    { .name = "take-port",
      .waits_for = "the network daemon has given a port",
      .start = device_live_take_port,
      .undo = device_live_take_port_undo,
      .timeout_ms = DEVICE_LIVE_QMP_MS,
      .undo_timeout_ms = DEVICE_LIVE_QMP_MS },
    { .name = "choose-vf",
      .waits_for = "a VF is reserved and bound, if a policy chooses it or a network has lent it",
      .start = device_live_choose_vf,
      .undo = device_live_choose_vf_undo,
      .timeout_ms = DEVICE_LIVE_TAKE_MS,
      .undo_timeout_ms = DEVICE_LIVE_TAKE_MS },
    { .name = "take-host-device",
      .waits_for = "the host's function is reserved and bound to vfio-pci",
      .start = device_live_take_host,
      .undo = device_live_take_host_undo,
      .timeout_ms = DEVICE_LIVE_TAKE_MS,
      .undo_timeout_ms = DEVICE_LIVE_TAKE_MS },
    { .name = "raise-memlock", .start = device_live_raise_memlock },
    { .name = "make-macvtap",
      .waits_for = "the macvtap of an interface of type direct is there",
      .start = device_live_make_macvtap,
      .undo = device_live_remove_port,
      .timeout_ms = DEVICE_LIVE_PORT_MS,
      .undo_timeout_ms = DEVICE_LIVE_PORT_MS },
    { .name = "make-tap", .start = device_live_make_tap, .undo = device_live_make_tap_undo },
    { .name = "add-port",
      .waits_for = "Open vSwitch has the tap that is to be its port",
      .start = device_live_add_port,
      .undo = device_live_remove_port,
      .timeout_ms = DEVICE_LIVE_PORT_MS,
      .undo_timeout_ms = DEVICE_LIVE_PORT_MS },
    { .name = "name-device",
      .waits_for = "QEMU has listed its block nodes",
      .start = device_live_name,
      .timeout_ms = DEVICE_LIVE_QMP_MS + 1000 },
    { .name = "set-datapath",
      .waits_for = "the host feeds both legs of the team",
      .start = device_live_set_datapath,
      .undo = device_live_set_datapath_undo,
      .timeout_ms = DEVICE_LIVE_QMP_MS,
      .undo_timeout_ms = DEVICE_LIVE_QMP_MS },
    { .name = "plug",
      .waits_for = "QEMU has the device",
      .start = device_live_plug,
      .timeout_ms = DEVICE_LIVE_PLUG_MS },
    { .name = "adopt", .start = device_live_adopt, .commit = TRUE },
};

static const VtSeqTable device_live_attach_table = {
    .name = "attach",
    .steps = device_live_attach_steps,
    .n_steps = G_N_ELEMENTS(device_live_attach_steps),
};

const VtSeqTable *
vt_device_live_attach_table(void)
{
    return &device_live_attach_table;
}

/* ---- attach ---- */

static void
device_live_attach_event(VtDomain *domain, const VtQmpEvent *event, gpointer user)
{
    LiveAttach *run = user;

    if (run->plug)
        vt_hotplug_event(run->plug, event);
}

static const VtDomainQmpFuncs device_live_attach_funcs = { .event = device_live_attach_event };

static void
device_live_attach_ended(VtSeq *seq, gpointer data, const GError *error)
{
    LiveAttach *run = data;

    run->seq = NULL;
    vt_domain_remove_qmp_listener(run->domain, &device_live_attach_funcs, run);
    if (error)
        vt_log_info("dom=%s attach failed: %s", run->domain->name, error->message);
    run->done(run->user, error);
    live_attach_unref(run);
}

void
vt_device_live_attach(VtDomain *domain, const VtDevice *device, VtDoneFunc done, gpointer user)
{
    LiveAttach *run = g_new0(LiveAttach, 1);
    g_autoptr(GError) error = NULL;
    VtSeqHooks hooks;

    run->refs = 1;
    run->domain = vt_domain_ref(domain);
    run->done = done;
    run->user = user;
    if (!device_live_can_attach(device, &error) || !device_live_complete(run, device, &error)) {
        done(user, error);
        live_attach_unref(run);
        return;
    }
    vt_domain_add_qmp_listener(domain, &device_live_attach_funcs, run);
    run->journals = g_strcmp0(vt_journal_kind(domain), "attach") == 0;
    device_live_journal(run);
    vt_journal_hooks(domain, &hooks);
    run->seq =
        vt_seq_new(&device_live_attach_table, run, run->journals ? &hooks : NULL, device_live_attach_ended);
    vt_seq_run(run->seq);
}
