/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/argv-machine.h"

#include <string.h>
#include "qemu/alias.h"
#include "qemu/slots.h"
#include "util/i18n.h"

/* QEMU 8.0 began to warn about -no-acpi and -no-hpet; the machine properties are there since 5.0. */
#define ARGV_MACHINE_PROPERTIES_VERSION 8000000

gboolean
vt_argv_machine_name(VtArgvBuild *build, GError **error)
{
    VtOpts *opts = vt_opts_new(NULL);

    vt_opts_add(opts, "guest", build->def->name);
    vt_opts_flag(opts, "debug-threads", TRUE);
    vt_argv_ctx_add_opts(build, "-name", opts);
    if (build->ctx->start_paused)
        vt_argv_ctx_add(build, "-S", NULL);
    return TRUE;
}

static const VtClockTimer *
argv_machine_timer(const VtDomainDef *def, const char *name)
{
    guint i;

    for (i = 0; i < def->clock.timers->len; i++) {
        const VtClockTimer *timer = def->clock.timers->pdata[i];

        if (g_strcmp0(timer->name, name) == 0)
            return timer;
    }
    return NULL;
}

static gboolean
argv_machine_hpet_off(const VtDomainDef *def)
{
    const VtClockTimer *hpet = argv_machine_timer(def, "hpet");

    return hpet && hpet->present == VT_TRISTATE_NO;
}

gboolean
vt_argv_machine_type(VtArgvBuild *build, GError **error)
{
    const VtDomainDef *def = build->def;
    const VtQemuMachine *machine = vt_qemu_caps_find_machine(build->caps, def->os.machine);
    gboolean properties = build->caps->version >= ARGV_MACHINE_PROPERTIES_VERSION;
    VtOpts *opts;

    if (!machine)
        return vt_error_set(error, VT_ERROR_CONFIG_UNSUPPORTED,
                            _("the emulator '%s' has no machine type '%s'"), build->caps->binary,
                            def->os.machine ? def->os.machine : "");
    opts = vt_opts_new(machine->name);
    vt_opts_flag(opts, "usb", FALSE);
    if (def->vmport != VT_TRISTATE_DEFAULT)
        vt_opts_flag(opts, "vmport", def->vmport == VT_TRISTATE_YES);
    vt_opts_flag(opts, "dump-guest-core", FALSE);
    if (machine->ram_id)
        vt_opts_add(opts, "memory-backend", machine->ram_id);
    if (def->os.bios_useserial == VT_TRISTATE_YES)
        vt_opts_flag(opts, "graphics", FALSE);
    if (properties && def->acpi != VT_TRISTATE_YES)
        vt_opts_flag(opts, "acpi", FALSE);
    if (properties && argv_machine_hpet_off(def))
        vt_opts_flag(opts, "hpet", FALSE);
    vt_argv_ctx_add_opts(build, "-machine", opts);
    vt_argv_ctx_add(build, "-accel", def->virt_type == VT_VIRT_KVM ? "kvm" : "tcg");
    return TRUE;
}

static const char *
argv_machine_cpu_model(const VtDomainDef *def)
{
    switch (def->cpu.mode) {
    case VT_CPU_NONE:
    case VT_CPU_CUSTOM:
        return def->cpu.model;
    case VT_CPU_HOST_MODEL:
        /* Without KVM the nearest to the host is all that TCG can do. */
        return def->virt_type == VT_VIRT_KVM ? "host" : "max";
    case VT_CPU_HOST_PASSTHROUGH:
        return "host";
    case VT_CPU_MAXIMUM:
        return "max";
    }
    return NULL;
}

/* Timers that are features of the CPU for QEMU. */
static void
argv_machine_cpu_timers(const VtDomainDef *def, VtOpts *opts)
{
    static const struct {
        const char *timer, *feature;
    } rows[] = { { "kvmclock", "kvmclock" }, { "hypervclock", "hv-time" } };
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(rows); i++) {
        const VtClockTimer *timer = argv_machine_timer(def, rows[i].timer);

        if (timer && timer->present != VT_TRISTATE_DEFAULT)
            vt_opts_flag(opts, rows[i].feature, timer->present == VT_TRISTATE_YES);
    }
}

gboolean
vt_argv_machine_cpu(VtArgvBuild *build, GError **error)
{
    const VtDomainDef *def = build->def;
    const char *model = argv_machine_cpu_model(def);
    VtOpts *opts;
    guint i;

    if (!model)
        return TRUE;
    opts = vt_opts_new(model);
    if (def->cpu.mode == VT_CPU_HOST_PASSTHROUGH || def->cpu.mode == VT_CPU_MAXIMUM)
        vt_opts_add(opts, "migratable", def->cpu.migratable);
    else if (g_str_equal(model, "host"))
        vt_opts_flag(opts, "migratable", TRUE);
    for (i = 0; def->cpu.features && i < def->cpu.features->len; i++) {
        const VtCpuFeature *feature = def->cpu.features->pdata[i];
        g_autofree char *name = g_strdelimit(g_strdup(feature->name), "_", '-');

        /* What is optional is asked for, too: QEMU gives what the accelerator has. */
        vt_opts_flag(opts, name,
                     g_strcmp0(feature->policy, "disable") != 0 && g_strcmp0(feature->policy, "forbid") != 0);
    }
    argv_machine_cpu_timers(def, opts);
    vt_argv_ctx_add_opts(build, "-cpu", opts);
    return TRUE;
}

gboolean
vt_argv_machine_memory(VtArgvBuild *build, GError **error)
{
    const VtQemuMachine *machine = vt_qemu_caps_find_machine(build->caps, build->def->os.machine);
    guint64 mib = (build->def->memory_kib + 1023) / 1024;
    g_autofree char *size = g_strdup_printf("%" G_GUINT64_FORMAT, mib);

    vt_argv_ctx_add(build, "-m", size);
    if (machine && machine->ram_id) {
        VtOpts *opts = vt_opts_new("memory-backend-ram");

        vt_opts_add(opts, "id", machine->ram_id);
        vt_opts_addf(opts, "size", "%" G_GUINT64_FORMAT, mib * 1024 * 1024);
        vt_argv_ctx_add_opts(build, "-object", opts);
    }
    vt_argv_ctx_add(build, "-overcommit", "mem-lock=off");
    return TRUE;
}

gboolean
vt_argv_machine_smp(VtArgvBuild *build, GError **error)
{
    const VtDomainDef *def = build->def;
    g_autofree char *vcpus = g_strdup_printf("%u", def->vcpus);
    VtOpts *opts = vt_opts_new(vcpus);

    if (def->cpu.sockets) {
        vt_opts_addf(opts, "sockets", "%u", def->cpu.sockets);
        vt_opts_addf(opts, "dies", "%u", MAX(def->cpu.dies, 1));
        vt_opts_addf(opts, "cores", "%u", def->cpu.cores);
        vt_opts_addf(opts, "threads", "%u", def->cpu.threads);
    } else {
        vt_opts_addf(opts, "sockets", "%u", def->vcpus);
        vt_opts_add(opts, "cores", "1");
        vt_opts_add(opts, "threads", "1");
    }
    vt_argv_ctx_add_opts(build, "-smp", opts);
    return TRUE;
}

gboolean
vt_argv_machine_identity(VtArgvBuild *build, GError **error)
{
    char uuid[VT_UUID_STRING_SIZE];

    vt_argv_ctx_add(build, "-uuid", vt_uuid_format(&build->def->uuid, uuid));
    vt_argv_ctx_add(build, "-display", "none");
    vt_argv_ctx_add(build, "-no-user-config", NULL);
    vt_argv_ctx_add(build, "-nodefaults", NULL);
    return TRUE;
}

/* <timer name='rtc' track= tickpolicy=> in QEMU's words. */
static void
argv_machine_rtc_timer(const VtClockTimer *rtc, VtOpts *opts)
{
    static const struct {
        const char *track, *clock;
    } rows[] = { { "guest", "vm" }, { "wall", "host" }, { "boot", "rt" } };
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(rows); i++)
        if (g_strcmp0(rtc->track, rows[i].track) == 0)
            vt_opts_add(opts, "clock", rows[i].clock);
    if (g_strcmp0(rtc->tickpolicy, "catchup") == 0)
        vt_opts_add(opts, "driftfix", "slew");
}

gboolean
vt_argv_machine_clock(VtArgvBuild *build, GError **error)
{
    const VtDomainDef *def = build->def;
    const VtClockTimer *rtc = argv_machine_timer(def, "rtc"), *pit = argv_machine_timer(def, "pit");
    VtOpts *opts = vt_opts_new(NULL);

    vt_opts_add(opts, "base", g_strcmp0(def->clock.offset, "localtime") == 0 ? "localtime" : "utc");
    if (rtc)
        argv_machine_rtc_timer(rtc, opts);
    vt_argv_ctx_add_opts(build, "-rtc", opts);
    /* Only KVM's PIT has that property. */
    if (pit && pit->tickpolicy && def->virt_type == VT_VIRT_KVM)
        vt_argv_ctx_add(build, "-global",
                        g_str_equal(pit->tickpolicy, "discard") ? "kvm-pit.lost_tick_policy=discard"
                                                                : "kvm-pit.lost_tick_policy=delay");
    if (argv_machine_hpet_off(def) && build->caps->version < ARGV_MACHINE_PROPERTIES_VERSION)
        vt_argv_ctx_add(build, "-no-hpet", NULL);
    return TRUE;
}

static void
argv_machine_sleep_state(VtArgvBuild *build, const char *state, VtTristate enabled)
{
    gboolean q35 = vt_slots_machine(build->def->os.machine) == VT_SLOTS_MACHINE_Q35;
    g_autofree char *value = NULL;

    /* The PIIX4's power management is only there with ACPI; QEMU warns about properties of nothing. */
    if (enabled == VT_TRISTATE_DEFAULT || (!q35 && build->def->acpi != VT_TRISTATE_YES))
        return;
    value =
        g_strdup_printf("%s.disable_%s=%d", q35 ? "ICH9-LPC" : "PIIX4_PM", state, enabled == VT_TRISTATE_NO);
    vt_argv_ctx_add(build, "-global", value);
}

gboolean
vt_argv_machine_power(VtArgvBuild *build, GError **error)
{
    const VtDomainDef *def = build->def;

    /* A guest that powers off leaves QEMU waiting, so that the end is seen on the monitor. */
    vt_argv_ctx_add(build, "-no-shutdown", NULL);
    if (def->acpi != VT_TRISTATE_YES && build->caps->version < ARGV_MACHINE_PROPERTIES_VERSION)
        vt_argv_ctx_add(build, "-no-acpi", NULL);
    argv_machine_sleep_state(build, "s3", def->suspend_to_mem);
    argv_machine_sleep_state(build, "s4", def->suspend_to_disk);
    return TRUE;
}

gboolean
vt_argv_machine_boot(VtArgvBuild *build, GError **error)
{
    const VtOsDef *os = &build->def->os;
    VtOpts *opts = vt_opts_new(NULL);

    if (os->bootmenu != VT_TRISTATE_DEFAULT)
        vt_opts_flag(opts, "menu", os->bootmenu == VT_TRISTATE_YES);
    vt_opts_flag(opts, "strict", TRUE);
    vt_argv_ctx_add_opts(build, "-boot", opts);
    if (os->kernel)
        vt_argv_ctx_add(build, "-kernel", os->kernel);
    if (os->initrd)
        vt_argv_ctx_add(build, "-initrd", os->initrd);
    if (os->cmdline)
        vt_argv_ctx_add(build, "-append", os->cmdline);
    return TRUE;
}

/* ---- controllers ---- */

static const struct {
    VtControllerType type;
    const char *model, *driver;
} argv_machine_controllers[] = {
    { VT_CONTROLLER_PCI, "pcie-root-port", "pcie-root-port" },
    { VT_CONTROLLER_PCI, "pcie-to-pci-bridge", "pcie-pci-bridge" },
    { VT_CONTROLLER_USB, "qemu-xhci", "qemu-xhci" },
    { VT_CONTROLLER_USB, "nec-xhci", "nec-usb-xhci" },
    { VT_CONTROLLER_USB, "piix3-uhci", "piix3-usb-uhci" },
    { VT_CONTROLLER_USB, "piix4-uhci", "piix4-usb-uhci" },
    { VT_CONTROLLER_USB, "ehci", "usb-ehci" },
    { VT_CONTROLLER_USB, "pci-ohci", "pci-ohci" },
    { VT_CONTROLLER_SATA, NULL, "ahci" },
    { VT_CONTROLLER_VIRTIO_SERIAL, NULL, "virtio-serial-pci" },
    { VT_CONTROLLER_VIRTIO_SERIAL, "virtio", "virtio-serial-pci" },
};

const char *
vt_argv_machine_controller_driver(const VtDomainDef *def, const VtControllerDef *controller)
{
    gboolean q35 = vt_slots_machine(def->os.machine) == VT_SLOTS_MACHINE_Q35;
    gsize i;

    if (controller->type == VT_CONTROLLER_SATA && controller->index == 0 && q35)
        return NULL;
    for (i = 0; i < G_N_ELEMENTS(argv_machine_controllers); i++)
        if (argv_machine_controllers[i].type == controller->type &&
            g_strcmp0(argv_machine_controllers[i].model, controller->model) == 0)
            return argv_machine_controllers[i].driver;
    return NULL;
}

static void
argv_machine_controller(VtArgvBuild *build, const VtControllerDef *controller)
{
    const char *driver = vt_argv_machine_controller_driver(build->def, controller);
    VtOpts *opts;

    if (!driver)
        return;
    opts = vt_opts_new(driver);
    if (g_str_equal(driver, "pcie-root-port")) {
        vt_opts_addf(opts, "port", "%d", MAX(controller->target_port, 0));
        vt_opts_addf(opts, "chassis", "%d", MAX(controller->target_chassis, 0));
    } else if (g_str_has_suffix(driver, "xhci") && controller->ports) {
        vt_opts_addf(opts, "p2", "%u", controller->ports);
        vt_opts_addf(opts, "p3", "%u", controller->ports);
    } else if (controller->type == VT_CONTROLLER_VIRTIO_SERIAL && controller->ports) {
        vt_opts_addf(opts, "max_ports", "%u", controller->ports);
    }
    vt_opts_add(opts, "id", controller->info.alias);
    if (g_str_equal(driver, "pcie-root-port") && controller->target_hotplug != VT_TRISTATE_DEFAULT)
        vt_opts_flag(opts, "hotplug", controller->target_hotplug == VT_TRISTATE_YES);
    vt_argv_ctx_pci(opts, build->def, &controller->info);
    vt_argv_ctx_add_opts(build, "-device", opts);
}

/* TRUE when the bus that a PCI controller sits on is there by now. */
static gboolean
argv_machine_parent_done(const VtDomainDef *def, const VtControllerDef *controller, const gboolean *done)
{
    guint bus = controller->info.address.pci.bus, i;

    if (controller->info.address.type != VT_ADDRESS_PCI || bus == 0)
        return TRUE;
    for (i = 0; i < def->controllers->len; i++) {
        const VtControllerDef *other = def->controllers->pdata[i];

        if (other->type == VT_CONTROLLER_PCI && (guint)other->index == bus)
            return done[i];
    }
    return TRUE;
}

static void
argv_machine_pci_controllers(VtArgvBuild *build)
{
    const VtDomainDef *def = build->def;
    g_autofree gboolean *done = g_new0(gboolean, def->controllers->len + 1);
    gboolean progress = TRUE;
    guint i;

    while (progress) {
        progress = FALSE;
        for (i = 0; i < def->controllers->len; i++) {
            const VtControllerDef *controller = def->controllers->pdata[i];

            if (controller->type != VT_CONTROLLER_PCI || done[i] ||
                !argv_machine_parent_done(def, controller, done))
                continue;
            argv_machine_controller(build, controller);
            done[i] = progress = TRUE;
        }
    }
}

gboolean
vt_argv_machine_controllers(VtArgvBuild *build, GError **error)
{
    static const VtControllerType order[] = { VT_CONTROLLER_USB, VT_CONTROLLER_SATA,
                                              VT_CONTROLLER_VIRTIO_SERIAL };
    gsize t;
    guint i;

    argv_machine_pci_controllers(build);
    for (t = 0; t < G_N_ELEMENTS(order); t++)
        for (i = 0; i < build->def->controllers->len; i++) {
            const VtControllerDef *controller = build->def->controllers->pdata[i];

            if (controller->type == order[t])
                argv_machine_controller(build, controller);
        }
    return TRUE;
}

gboolean
vt_argv_machine_process(VtArgvBuild *build, GError **error)
{
    if (build->caps->caps[VT_QEMU_CAP_SANDBOX])
        vt_argv_ctx_add(build, "-sandbox",
                        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    vt_argv_ctx_add(build, "-msg", "timestamp=on");
    return TRUE;
}
