/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/validate.h"

#include <string.h>
#include "conf/teaming.h"
#include "qemu/alias.h"
#include "qemu/argv-machine.h"
#include "qemu/argv-net.h"
#include "qemu/slots.h"
#include "util/i18n.h"

#define VALIDATE_SERIAL_PORTS 31

static gboolean
validate_is_q35(const VtDomainDef *def)
{
    return vt_slots_machine(def->os.machine) == VT_SLOTS_MACHINE_Q35;
}

/* ---- the machine ---- */

static void
validate_arch(VtParseContext *ctx, const VtDomainDef *def, const VtQemuCaps *caps)
{
    if (def->os.arch && g_strcmp0(def->os.arch, caps->arch) != 0)
        vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "type", 0,
                         _("arch='%s' cannot be run by '%s', which is for '%s'; name another <emulator>"),
                         def->os.arch, caps->binary, caps->arch);
}

static void
validate_machine(VtParseContext *ctx, const VtDomainDef *def, const VtQemuCaps *caps)
{
    const char *machine = def->os.machine ? def->os.machine : "";

    if (!vt_qemu_caps_find_machine(caps, machine))
        vt_parse_problem(
            ctx, VT_ERROR_CONFIG_UNSUPPORTED, "type", 0,
            _("machine='%s' is not among the machine types of '%s'; `%s -machine help` lists them"), machine,
            caps->binary, caps->binary);
    else if (vt_slots_machine(machine) == VT_SLOTS_MACHINE_OTHER)
        vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "type", 0,
                         _("machine='%s' is not supported; use 'q35' or 'pc'"), machine);
}

static void
validate_virt_type(VtParseContext *ctx, const VtDomainDef *def, const VtQemuCaps *caps)
{
    if (def->virt_type == VT_VIRT_KVM && !caps->caps[VT_QEMU_CAP_KVM])
        vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "domain", 0,
                         _("type='kvm' is not possible: '%s' has no KVM, or /dev/kvm cannot be used; enable "
                           "virtualization on this host, or use type='qemu'"),
                         caps->binary);
    if (def->virt_type == VT_VIRT_QEMU && !caps->caps[VT_QEMU_CAP_TCG])
        vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "domain", 0,
                         _("type='qemu' is not possible: '%s' is built without TCG; use type='kvm'"),
                         caps->binary);
}

static void
validate_vcpus(VtParseContext *ctx, const VtDomainDef *def, const VtQemuCaps *caps)
{
    const VtQemuMachine *machine = vt_qemu_caps_find_machine(caps, def->os.machine);
    const VtCpuDef *cpu = &def->cpu;

    if (machine && def->vcpus > machine->max_cpus)
        vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "vcpu", 0,
                         _("%u CPUs are more than the %u that machine type '%s' can have"), def->vcpus,
                         machine->max_cpus, machine->name);
    if (cpu->sockets && (guint64)cpu->sockets * MAX(cpu->dies, 1) * cpu->cores * cpu->threads != def->vcpus)
        vt_parse_problem(
            ctx, VT_ERROR_XML_DETAIL, "topology", 0,
            _("sockets, dies, cores and threads multiply to another number than <vcpu> says (%u)"),
            def->vcpus);
}

static gboolean
validate_has_cpu(const VtQemuCaps *caps, const char *model)
{
    guint i;

    for (i = 0; i < caps->cpus->len; i++)
        if (g_str_equal(((const VtQemuCpu *)caps->cpus->pdata[i])->name, model))
            return TRUE;
    return FALSE;
}

static void
validate_cpu(VtParseContext *ctx, const VtDomainDef *def, const VtQemuCaps *caps)
{
    const VtCpuDef *cpu = &def->cpu;

    if (cpu->mode == VT_CPU_HOST_PASSTHROUGH && def->virt_type != VT_VIRT_KVM)
        vt_parse_problem(
            ctx, VT_ERROR_CONFIG_UNSUPPORTED, "cpu", 0,
            _("mode='host-passthrough' needs <domain type='kvm'>; use mode='maximum' without KVM"));
    if (cpu->model && cpu->mode == VT_CPU_CUSTOM && caps->cpus->len && !validate_has_cpu(caps, cpu->model))
        vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "cpu", 0,
                         _("'%s' is not among the CPU models of '%s'; `%s -cpu help` lists them"), cpu->model,
                         caps->binary, caps->binary);
}

/* ---- devices ---- */

/* "ahci" is another name of a type that the list has only by its own. */
static gboolean
validate_has_device(const VtQemuCaps *caps, const char *driver)
{
    return vt_qemu_caps_has_device(caps, g_str_equal(driver, "ahci") ? "ich9-ahci" : driver);
}

static void
validate_controllers(VtParseContext *ctx, const VtDomainDef *def, const VtQemuCaps *caps)
{
    guint i;

    for (i = 0; i < def->controllers->len; i++) {
        const VtControllerDef *controller = def->controllers->pdata[i];
        const char *driver = vt_argv_machine_controller_driver(def, controller);
        const char *model = controller->model ? controller->model : "";

        if ((controller->type == VT_CONTROLLER_PCI && controller->index == 0) ||
            (controller->type == VT_CONTROLLER_USB && g_str_equal(model, "none")) ||
            (controller->type == VT_CONTROLLER_SATA && controller->index == 0 && validate_is_q35(def)))
            continue;
        if (!driver)
            vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "controller", controller->info.line,
                             _("model='%s' is not supported"), model);
        else if (!validate_has_device(caps, driver))
            vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "controller", controller->info.line,
                             _("'%s' has no device '%s' for model='%s'"), caps->binary, driver, model);
        else if (!validate_is_q35(def) && controller->type == VT_CONTROLLER_PCI &&
                 g_str_has_prefix(model, "pcie-"))
            vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "controller", controller->info.line,
                             _("model='%s' needs PCI Express; use machine='q35'"), model);
    }
}

static gboolean
validate_same_chassis(const VtControllerDef *a, const VtControllerDef *b)
{
    return a->type == VT_CONTROLLER_PCI && b->type == VT_CONTROLLER_PCI && a->target_chassis > 0 &&
           a->target_chassis == b->target_chassis && g_strcmp0(a->model, b->model) == 0;
}

static void
validate_controller_numbers(VtParseContext *ctx, const VtDomainDef *def, const VtQemuCaps *caps)
{
    guint i, j;

    for (i = 0; i < def->controllers->len; i++)
        for (j = i + 1; j < def->controllers->len; j++) {
            const VtControllerDef *a = def->controllers->pdata[i], *b = def->controllers->pdata[j];

            if (a->type == b->type && a->index == b->index)
                vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "controller", b->info.line,
                                 _("index='%d' is used by the controller in line %d already"), b->index,
                                 a->info.line);
            else if (validate_same_chassis(a, b))
                vt_parse_problem(
                    ctx, VT_ERROR_XML_DETAIL, "controller", b->info.line,
                    _("chassis='%d' is used by PCI controller %d already; leave one of them out"),
                    b->target_chassis, a->index);
        }
}

static void
validate_nets(VtParseContext *ctx, const VtDomainDef *def, const VtQemuCaps *caps)
{
    guint i;

    for (i = 0; i < def->nets->len; i++) {
        const VtNetDef *net = def->nets->pdata[i];
        const char *driver;

        if (vt_teaming_net_is_host(net))
            continue;
        driver = vt_argv_net_driver(net->model);
        if (!driver)
            vt_parse_problem(
                ctx, VT_ERROR_CONFIG_UNSUPPORTED, "interface", net->info.line,
                _("<model type='%s'/> is not known; use 'virtio', 'e1000e', 'vmxnet3', 'igb', 'e1000' or "
                  "'rtl8139'"),
                net->model ? net->model : "");
        else if (!vt_qemu_caps_has_device(caps, driver))
            vt_parse_problem(
                ctx, VT_ERROR_CONFIG_UNSUPPORTED, "interface", net->info.line,
                _("'%s' has no NIC '%s' for <model type='%s'/>; choose another model or a newer emulator"),
                caps->binary, driver, net->model);
        if (net->model && !g_str_has_prefix(net->model, "virtio") && net->queues > 1)
            vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "interface", net->info.line,
                             _("queues='%u' is for <model type='virtio'/> only"), net->queues);
    }
}

static void
validate_need(VtParseContext *ctx, const VtQemuCaps *caps, const char *element, int line, const char *driver)
{
    if (!vt_qemu_caps_has_device(caps, driver))
        vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, element, line, _("'%s' has no device '%s'"),
                         caps->binary, driver);
}

static void
validate_drivers(VtParseContext *ctx, const VtDomainDef *def, const VtQemuCaps *caps)
{
    guint i;

    for (i = 0; i < def->disks->len; i++) {
        const VtDiskDef *disk = def->disks->pdata[i];
        gboolean cdrom = g_strcmp0(disk->device, "cdrom") == 0;

        validate_need(ctx, caps, "disk", disk->info.line,
                      g_strcmp0(disk->bus, "virtio") == 0 ? "virtio-blk-pci"
                      : cdrom                             ? "ide-cd"
                                                          : "ide-hd");
    }
    if (def->memballoon && g_strcmp0(def->memballoon->model, "none") != 0)
        validate_need(ctx, caps, "memballoon", def->memballoon->info.line, "virtio-balloon-pci");
    for (i = 0; i < def->rngs->len; i++)
        validate_need(ctx, caps, "rng", ((const VtRngDef *)def->rngs->pdata[i])->info.line, "virtio-rng-pci");
    for (i = 0; i < def->serials->len; i++)
        validate_need(ctx, caps, "serial", ((const VtCharDef *)def->serials->pdata[i])->info.line,
                      "isa-serial");
    for (i = 0; i < def->hostdevs->len; i++)
        validate_need(ctx, caps, "hostdev", ((const VtHostdevDef *)def->hostdevs->pdata[i])->info.line,
                      "vfio-pci");
    for (i = 0; i < def->nets->len; i++) {
        const VtNetDef *net = def->nets->pdata[i];

        if (vt_teaming_net_is_host(net))
            validate_need(ctx, caps, "interface", net->info.line, "vfio-pci");
    }
}

static void
validate_chars(VtParseContext *ctx, const VtDomainDef *def, const VtQemuCaps *caps)
{
    guint i;

    for (i = 0; i < def->serials->len; i++) {
        const VtCharDef *serial = def->serials->pdata[i];

        if (serial->target_type && !g_str_has_prefix(serial->target_type, "isa"))
            vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "serial", serial->info.line,
                             _("<target type='%s'/> is not supported; use 'isa-serial'"),
                             serial->target_type);
    }
    for (i = 0; i < def->channels->len; i++) {
        const VtCharDef *channel = def->channels->pdata[i];
        const VtAddress *address = &channel->info.address;

        if (address->type != VT_ADDRESS_VIRTIO_SERIAL || address->unit < 1 ||
            address->unit >= VALIDATE_SERIAL_PORTS ||
            !vt_alias_controller(def, VT_CONTROLLER_VIRTIO_SERIAL, (int)MIN(address->controller, G_MAXINT)))
            vt_parse_problem(
                ctx, VT_ERROR_XML_DETAIL, "channel", channel->info.line,
                _("a channel needs an address of type 'virtio-serial' with port 1 to %d of an existing "
                  "controller; leave the address out"),
                VALIDATE_SERIAL_PORTS - 1);
    }
}

static void
validate_inputs(VtParseContext *ctx, const VtDomainDef *def, const VtQemuCaps *caps)
{
    const VtControllerDef *usb = vt_alias_controller(def, VT_CONTROLLER_USB, 0);
    guint i;

    for (i = 0; i < def->inputs->len; i++) {
        const VtInputDef *input = def->inputs->pdata[i];

        if (g_strcmp0(input->bus, "usb") == 0 && (!usb || g_strcmp0(usb->model, "none") == 0))
            vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "input", input->info.line,
                             _("bus='usb' needs a USB controller, but the guest has none"));
    }
    for (i = 0; i < def->watchdogs->len; i++) {
        const VtWatchdogDef *watchdog = def->watchdogs->pdata[i];

        if (g_strcmp0(watchdog->model, "itco") == 0 && !validate_is_q35(def))
            vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "watchdog", watchdog->info.line,
                             _("model='itco' is part of q35; use machine='q35' or model='i6300esb'"));
    }
}

/* ---- teams ---- */

static gboolean
validate_by_management(const VtTeam *team)
{
    return team->policy && (team->policy->orchestration == VT_ORCHESTRATION_MANAGEMENT ||
                            team->policy->orchestration == VT_ORCHESTRATION_AUTO);
}

static const VtDeviceInfo *
validate_transient(const VtTeam *team, const char **element)
{
    *element = team->transient_net ? "interface" : "hostdev";
    if (team->transient_net)
        return &team->transient_net->info;
    return team->transient_hostdev ? &team->transient_hostdev->info : NULL;
}

static void
validate_failover(VtParseContext *ctx, const VtDomainDef *def, const VtQemuCaps *caps)
{
    g_autoptr(GPtrArray) teams = vt_teaming_teams(def);
    guint i;

    for (i = 0; i < teams->len; i++) {
        const VtTeam *team = teams->pdata[i];
        gboolean emulated = team->transient_net && !vt_teaming_net_is_host(team->transient_net);
        VtQemuCap pair = emulated ? VT_QEMU_CAP_NET_FAILOVER_PAIR : VT_QEMU_CAP_VFIO_FAILOVER_PAIR;
        const char *element;
        const VtDeviceInfo *info = validate_transient(team, &element);

        if (!caps->caps[VT_QEMU_CAP_VIRTIO_NET_FAILOVER])
            vt_parse_problem(
                ctx, VT_ERROR_CONFIG_UNSUPPORTED, "interface", team->persistent->info.line,
                _("<teaming type='persistent'/> needs a QEMU from 4.2 on, whose virtio-net has the "
                  "property 'failover'; '%s' has not"),
                caps->binary);
        else if (info && !validate_by_management(team) && !caps->caps[pair])
            vt_parse_problem(
                ctx, VT_ERROR_CONFIG_UNSUPPORTED, element, info->line,
                _("'%s' has no property 'failover_pair_id' for this device; use a newer emulator, or "
                  "orchestration='management' in the team's metadata"),
                caps->binary);
    }
}

static void
validate_team_machine(VtParseContext *ctx, const VtDomainDef *def, const VtQemuCaps *caps)
{
    g_autoptr(GPtrArray) teams = vt_teaming_teams(def);
    guint i;

    if (vt_slots_machine(def->os.machine) != VT_SLOTS_MACHINE_PC)
        return;
    for (i = 0; i < teams->len; i++) {
        const char *element;
        const VtDeviceInfo *info = validate_transient(teams->pdata[i], &element);

        if (info)
            vt_parse_problem(
                ctx, VT_ERROR_CONFIG_UNSUPPORTED, element, info->line,
                _("a transient device needs a PCI Express port, which machine type '%s' has not: QEMU would "
                  "start and never show it to the guest; use machine='q35'"),
                def->os.machine);
    }
}

/* QEMU plugs and unplugs the primary: alone in a port that can do that. */
static void
validate_transient_port(VtParseContext *ctx, const VtDomainDef *def, const char *element,
                        const VtDeviceInfo *info, const VtDeviceInfo *standby)
{
    const VtPciAddress *address = &info->address.pci;
    const VtControllerDef *port;

    if (info->address.type != VT_ADDRESS_PCI)
        return;
    port = vt_alias_controller(def, VT_CONTROLLER_PCI, (int)MIN(address->bus, G_MAXINT));
    if (standby->address.type == VT_ADDRESS_PCI && standby->address.pci.bus == address->bus &&
        standby->address.pci.slot == address->slot)
        vt_parse_problem(
            ctx, VT_ERROR_XML_DETAIL, element, info->line,
            _("the transient device shares its slot with the persistent interface and would be unplugged "
              "together with it; leave its <address> out"));
    else if (address->multifunction || address->function != 0)
        vt_parse_problem(
            ctx, VT_ERROR_XML_DETAIL, element, info->line,
            _("a transient device has to be a single function at function 0, QEMU refuses it else; "
              "leave its <address> out"));
    else if (!port || g_strcmp0(port->model, "pcie-root-port") != 0)
        vt_parse_problem(
            ctx, VT_ERROR_XML_DETAIL, element, info->line,
            _("a transient device has to sit in a pcie-root-port, but bus %u is a '%s', where it cannot "
              "be unplugged; leave its <address> out"),
            address->bus, port && port->model ? port->model : "");
    else if (port->target_hotplug == VT_TRISTATE_NO)
        vt_parse_problem(
            ctx, VT_ERROR_XML_DETAIL, element, info->line,
            _("the port of a transient device has to be hot-pluggable, but PCI controller %d says "
              "hotplug='off'"),
            port->index);
}

static void
validate_team_ports(VtParseContext *ctx, const VtDomainDef *def, const VtQemuCaps *caps)
{
    g_autoptr(GPtrArray) teams = vt_teaming_teams(def);
    guint i;

    if (!validate_is_q35(def))
        return;
    for (i = 0; i < teams->len; i++) {
        const VtTeam *team = teams->pdata[i];
        const char *element;
        const VtDeviceInfo *info = validate_transient(team, &element);

        if (info)
            validate_transient_port(ctx, def, element, info, &team->persistent->info);
    }
}

const VtQemuValidateRule vt_qemu_validate_rules[] = {
    { "arch", "the emulator is for the guest's architecture", validate_arch },
    { "machine", "the emulator has the machine type, and it is a PC", validate_machine },
    { "virt-type", "KVM, or TCG, can be used", validate_virt_type },
    { "vcpus", "no more CPUs than the machine type can have, and as many as the topology says",
      validate_vcpus },
    { "cpu", "the emulator has the CPU model", validate_cpu },
    { "controllers", "the emulator has each controller", validate_controllers },
    { "controller-numbers", "indexes and chassis numbers are unique", validate_controller_numbers },
    { "nets", "the emulator has each NIC model, and queues only where there are some", validate_nets },
    { "drivers", "the emulator has each device", validate_drivers },
    { "chars", "serial ports of the ISA kind, channels on a controller that exists", validate_chars },
    { "inputs", "inputs and watchdogs have what they hang on", validate_inputs },
    { "team-failover", "QEMU can do failover for each team that it is to orchestrate", validate_failover },
    { "team-machine", "a machine type with PCI Express for teams", validate_team_machine },
    { "team-ports", "each transient alone in a hot-pluggable root port, as single function",
      validate_team_ports },
};
const gsize vt_qemu_validate_rules_count = G_N_ELEMENTS(vt_qemu_validate_rules);

gboolean
vt_qemu_validate_domain(VtParseContext *ctx, const VtDomainDef *def, const VtQemuCaps *caps)
{
    guint before = ctx->problems->len;
    gsize i;

    for (i = 0; i < vt_qemu_validate_rules_count; i++)
        vt_qemu_validate_rules[i].check(ctx, def, caps);
    return ctx->problems->len == before;
}
