/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How slots are found, the same way as libvirt does it, so that a guest sees the same machine under both.
 *
 * On q35 every PCIe device sits alone in a root port (so that it can be unplugged), every conventional PCI
 * device on a pcie-to-pci-bridge that itself sits in a root port. Root ports share slots of pcie.0: eight
 * functions a slot, from slot 1 on. On pc everything sits on pci.0.
 *
 * Addresses are given out in a fixed order, each device the first free slot that fits it. Whenever there is
 * none a controller is added and it starts again, so that bridges always come before devices. The order is
 * libvirt's: PCI controllers, emulated interfaces, other controllers, disks, host devices, balloon, random
 * number generators, watchdogs, inputs. A definition that comes without any PCI controller gets one spare
 * root port, so that something can be plugged in later.
 *
 * Addresses are part of the persistent definition from then on: a redefinition brings them along, and
 * nothing that has an address is ever moved.
 */
#include "qemu/slots.h"

#include <string.h>
#include "conf/address.h"
#include "qemu/alias.h"
#include "qemu/imply.h"
#include "util/i18n.h"

#define SLOTS_BUS_MAX 255 /* highest bus number, and highest chassis number */

typedef enum {
    SLOTS_PLACE_PORT,      /* a root port: on pcie.0 */
    SLOTS_PLACE_PCIE,      /* in a root port of its own */
    SLOTS_PLACE_PLUGGABLE, /* likewise, and one that can be unplugged */
    SLOTS_PLACE_PCI,       /* a conventional slot */
} SlotsPlace;

typedef struct {
    const char *element;
    VtDeviceInfo *info;
    SlotsPlace place;
    const VtControllerDef *controller; /* for controllers */
} SlotsItem;

typedef enum {
    SLOTS_BUS_NONE,
    SLOTS_BUS_PCIE_ROOT,
    SLOTS_BUS_PCI_ROOT,
    SLOTS_BUS_ROOT_PORT,
    SLOTS_BUS_PCIE_TO_PCI,
    SLOTS_BUS_COUNT
} SlotsBusKind;

/* What a bus of each kind can hold. */
static const struct {
    const char *model, *model_name;
    guint first_slot, last_slot;
    gboolean conventional, express;
} slots_bus_kinds[] = {
    [SLOTS_BUS_NONE] = { NULL },
    [SLOTS_BUS_PCIE_ROOT] = { "pcie-root", NULL, 1, 31, TRUE, TRUE },
    [SLOTS_BUS_PCI_ROOT] = { "pci-root", NULL, 1, 31, TRUE, FALSE },
    [SLOTS_BUS_ROOT_PORT] = { "pcie-root-port", "pcie-root-port", 0, 0, FALSE, TRUE },
    [SLOTS_BUS_PCIE_TO_PCI] = { "pcie-to-pci-bridge", "pcie-pci-bridge", 1, 31, TRUE, FALSE },
};
G_STATIC_ASSERT(G_N_ELEMENTS(slots_bus_kinds) == SLOTS_BUS_COUNT);

typedef struct {
    SlotsBusKind kind;
    gboolean hotplug;
    guint8 functions[32];   /* bit mask a slot */
    gboolean shareable[32]; /* function 0 is a root port that may get companions */
} SlotsBus;

typedef struct {
    VtParseContext *ctx;
    VtDomainDef *def;
    VtSlotsMachine machine;
    SlotsBus buses[SLOTS_BUS_MAX + 1];
    VtPciSet *taken;
    GArray *items; /* of SlotsItem, in the order of assignment */
} Slots;

VtSlotsMachine
vt_slots_machine(const char *machine)
{
    if (!machine)
        return VT_SLOTS_MACHINE_OTHER;
    if (g_str_equal(machine, "q35") || g_str_has_prefix(machine, "pc-q35-"))
        return VT_SLOTS_MACHINE_Q35;
    if (g_str_equal(machine, "pc") || g_str_has_prefix(machine, "pc-i440fx-"))
        return VT_SLOTS_MACHINE_PC;
    return VT_SLOTS_MACHINE_OTHER;
}

gboolean
vt_slots_net_is_pcie(const VtNetDef *net)
{
    static const char *const express[] = { "virtio", "virtio-non-transitional", "e1000e", "igb", NULL };

    /* vmxnet3 is an Express device in a port, but conventional elsewhere; libvirt treats it as the latter. */
    return net->type == VT_NET_HOSTDEV || net->teaming.type == VT_TEAMING_TRANSIENT ||
           (net->model && g_strv_contains(express, net->model));
}

static SlotsBusKind
slots_bus_kind(const char *model)
{
    int kind;

    for (kind = SLOTS_BUS_NONE + 1; model && kind < SLOTS_BUS_COUNT; kind++)
        if (g_str_equal(slots_bus_kinds[kind].model, model))
            return kind;
    return SLOTS_BUS_NONE;
}

/* ---- what needs a PCI address, in libvirt's order ---- */

static void
slots_add_item(Slots *slots, const char *element, VtDeviceInfo *info, SlotsPlace place,
               const VtControllerDef *controller)
{
    SlotsItem item = { .element = element, .info = info, .place = place, .controller = controller };

    if (slots->machine == VT_SLOTS_MACHINE_PC)
        item.place = SLOTS_PLACE_PCI;
    g_array_append_val(slots->items, item);
}

static void
slots_list_controllers(Slots *slots, gboolean pci)
{
    guint i;

    for (i = 0; i < slots->def->controllers->len; i++) {
        VtControllerDef *controller = slots->def->controllers->pdata[i];
        SlotsPlace place = SLOTS_PLACE_PCI;

        if ((controller->type == VT_CONTROLLER_PCI) != pci ||
            (controller->type == VT_CONTROLLER_PCI && controller->index == 0) ||
            (controller->type == VT_CONTROLLER_USB && g_strcmp0(controller->model, "none") == 0))
            continue;
        if (controller->type == VT_CONTROLLER_PCI && slots_bus_kind(controller->model) == SLOTS_BUS_ROOT_PORT)
            place = SLOTS_PLACE_PORT;
        else if (controller->type == VT_CONTROLLER_VIRTIO_SERIAL ||
                 (controller->model && (g_str_has_suffix(controller->model, "-xhci") ||
                                        slots_bus_kind(controller->model) == SLOTS_BUS_PCIE_TO_PCI)))
            place = SLOTS_PLACE_PCIE;
        slots_add_item(slots, "controller", &controller->info, place, controller);
    }
}

/* A transient is unplugged sooner or later. */
static SlotsPlace
slots_teamed_place(const VtTeaming *teaming)
{
    return teaming->type == VT_TEAMING_TRANSIENT ? SLOTS_PLACE_PLUGGABLE : SLOTS_PLACE_PCIE;
}

static void
slots_list_nets(Slots *slots, gboolean host)
{
    guint i;

    for (i = 0; i < slots->def->nets->len; i++) {
        VtNetDef *net = slots->def->nets->pdata[i];

        if ((net->type == VT_NET_HOSTDEV) == host)
            slots_add_item(slots, "interface", &net->info,
                           vt_slots_net_is_pcie(net) ? slots_teamed_place(&net->teaming) : SLOTS_PLACE_PCI,
                           NULL);
    }
}

static void
slots_list_others(Slots *slots)
{
    VtDomainDef *def = slots->def;
    guint i;

    if (def->memballoon && g_strcmp0(def->memballoon->model, "none") != 0)
        slots_add_item(slots, "memballoon", &def->memballoon->info, SLOTS_PLACE_PCIE, NULL);
    for (i = 0; i < def->rngs->len; i++)
        slots_add_item(slots, "rng", &((VtRngDef *)def->rngs->pdata[i])->info, SLOTS_PLACE_PCIE, NULL);
    for (i = 0; i < def->watchdogs->len; i++) {
        VtWatchdogDef *watchdog = def->watchdogs->pdata[i];

        if (g_strcmp0(watchdog->model, "i6300esb") == 0)
            slots_add_item(slots, "watchdog", &watchdog->info, SLOTS_PLACE_PCI, NULL);
    }
    for (i = 0; i < def->inputs->len; i++) {
        VtInputDef *input = def->inputs->pdata[i];

        if (g_strcmp0(input->bus, "virtio") == 0)
            slots_add_item(slots, "input", &input->info, SLOTS_PLACE_PCIE, NULL);
    }
}

static void
slots_list(Slots *slots)
{
    VtDomainDef *def = slots->def;
    guint i;

    g_array_set_size(slots->items, 0);
    slots_list_controllers(slots, TRUE);
    slots_list_nets(slots, FALSE);
    slots_list_controllers(slots, FALSE);
    for (i = 0; i < def->disks->len; i++) {
        VtDiskDef *disk = def->disks->pdata[i];

        if (g_strcmp0(disk->bus, "virtio") == 0)
            slots_add_item(slots, "disk", &disk->info, SLOTS_PLACE_PCIE, NULL);
    }
    slots_list_nets(slots, TRUE);
    for (i = 0; i < def->hostdevs->len; i++) {
        VtHostdevDef *hostdev = def->hostdevs->pdata[i];

        slots_add_item(slots, "hostdev", &hostdev->info, slots_teamed_place(&hostdev->teaming), NULL);
    }
    slots_list_others(slots);
}

/* What the machine has where no choice is left: q35's AHCI, the PIIX3's USB function. */
static void
slots_fix_chipset(Slots *slots)
{
    VtControllerDef *usb = vt_alias_controller(slots->def, VT_CONTROLLER_USB, 0);
    VtControllerDef *sata = vt_alias_controller(slots->def, VT_CONTROLLER_SATA, 0);

    if (slots->machine == VT_SLOTS_MACHINE_Q35 && sata && sata->info.address.type == VT_ADDRESS_NONE) {
        sata->info.address.type = VT_ADDRESS_PCI;
        sata->info.address.pci = (VtPciAddress){ .slot = 0x1f, .function = 2 };
    }
    if (slots->machine == VT_SLOTS_MACHINE_PC && usb && g_strcmp0(usb->model, "piix3-uhci") == 0 &&
        usb->info.address.type == VT_ADDRESS_NONE) {
        usb->info.address.type = VT_ADDRESS_PCI;
        usb->info.address.pci = (VtPciAddress){ .slot = 1, .function = 2 };
    }
}

/* ---- buses ---- */

static void
slots_take(Slots *slots, const VtPciAddress *address, gboolean shareable)
{
    SlotsBus *bus = &slots->buses[address->bus];

    bus->functions[address->slot] |= 1u << address->function;
    if (address->function == 0)
        bus->shareable[address->slot] = shareable;
}

static void
slots_take_chipset(Slots *slots)
{
    static const VtPciAddress q35[] = { { .slot = 0x1f, .function = 0 }, { .slot = 0x1f, .function = 3 } };
    static const VtPciAddress pc[] = { { .slot = 1, .function = 0 },
                                       { .slot = 1, .function = 1 },
                                       { .slot = 1, .function = 3 } };
    const VtPciAddress *rows = slots->machine == VT_SLOTS_MACHINE_Q35 ? q35 : pc;
    gsize i, n = slots->machine == VT_SLOTS_MACHINE_Q35 ? G_N_ELEMENTS(q35) : G_N_ELEMENTS(pc);

    for (i = 0; i < n; i++) {
        vt_pci_set_add(slots->taken, &rows[i], _("the machine's chipset"), NULL);
        slots_take(slots, &rows[i], FALSE);
    }
}

static void
slots_make_buses(Slots *slots)
{
    guint i;

    memset(slots->buses, 0, sizeof(slots->buses));
    for (i = 0; i < slots->def->controllers->len; i++) {
        const VtControllerDef *controller = slots->def->controllers->pdata[i];

        if (controller->type != VT_CONTROLLER_PCI || controller->index < 0 ||
            controller->index > SLOTS_BUS_MAX)
            continue;
        slots->buses[controller->index].kind = slots_bus_kind(controller->model);
        slots->buses[controller->index].hotplug = controller->target_hotplug != VT_TRISTATE_NO;
    }
}

/* One address that the XML gave: is there such a slot, and does the device fit? */
static gboolean
slots_check_address(Slots *slots, const SlotsItem *item)
{
    const VtPciAddress *address = &item->info->address.pci;
    g_autofree char *text = vt_pci_address_to_string(address);
    const SlotsBus *bus = address->bus <= SLOTS_BUS_MAX ? &slots->buses[address->bus] : NULL;

    if (address->domain != 0)
        return vt_parse_problem(slots->ctx, VT_ERROR_XML_DETAIL, item->element, item->info->line,
                                _("the PCI address '%s' is in domain %u, but the machine has only domain 0"),
                                text, address->domain);
    if (!bus || bus->kind == SLOTS_BUS_NONE)
        return vt_parse_problem(
            slots->ctx, VT_ERROR_XML_DETAIL, item->element, item->info->line,
            _("the PCI address '%s' is on bus %u, but no PCI controller with index %u makes such a "
              "bus; add one or leave the address out"),
            text, address->bus, address->bus);
    if (address->slot < slots_bus_kinds[bus->kind].first_slot ||
        address->slot > slots_bus_kinds[bus->kind].last_slot || address->function > 7)
        return vt_parse_problem(
            slots->ctx, VT_ERROR_XML_DETAIL, item->element, item->info->line,
            _("the PCI address '%s' does not exist: a bus of model '%s' has slots %u to %u with "
              "functions 0 to 7"),
            text, slots_bus_kinds[bus->kind].model, slots_bus_kinds[bus->kind].first_slot,
            slots_bus_kinds[bus->kind].last_slot);
    if (item->place == SLOTS_PLACE_PORT && bus->kind != SLOTS_BUS_PCIE_ROOT)
        return vt_parse_problem(slots->ctx, VT_ERROR_XML_DETAIL, item->element, item->info->line,
                                _("a pcie-root-port belongs on bus 0, not at '%s'"), text);
    if (item->place == SLOTS_PLACE_PCI && !slots_bus_kinds[bus->kind].conventional)
        return vt_parse_problem(
            slots->ctx, VT_ERROR_XML_DETAIL, item->element, item->info->line,
            _("a conventional PCI device cannot be plugged into the PCIe port at '%s'; use a slot of "
              "a pcie-to-pci-bridge or leave the address out"),
            text);
    if (item->controller && slots_bus_kind(item->controller->model) == SLOTS_BUS_PCIE_TO_PCI &&
        !slots_bus_kinds[bus->kind].express)
        return vt_parse_problem(slots->ctx, VT_ERROR_XML_DETAIL, item->element, item->info->line,
                                _("a pcie-to-pci-bridge belongs into a PCIe port, not at '%s'"), text);
    return TRUE;
}

static gboolean
slots_reserve(Slots *slots, const SlotsItem *item)
{
    const VtPciAddress *address = &item->info->address.pci;
    g_autofree char *name = NULL, *text = vt_pci_address_to_string(address);
    const char *holder = NULL;

    if (!slots_check_address(slots, item))
        return FALSE;
    name = item->info->line ? g_strdup_printf(_("<%s> (line %d)"), item->element, item->info->line)
                            : g_strdup_printf("<%s>", item->element);
    if (!vt_pci_set_add(slots->taken, address, name, &holder))
        return vt_parse_problem(
            slots->ctx, VT_ERROR_XML_DETAIL, item->element, item->info->line,
            _("the PCI address '%s' is already used by %s; give one of them another address or "
              "leave it out"),
            text, holder);
    slots_take(slots, address, item->place == SLOTS_PLACE_PORT);
    return TRUE;
}

/* ---- buses that are missing ---- */

static int
slots_max_bus(const Slots *slots)
{
    int max = 0;
    guint i;

    for (i = 0; i < slots->def->controllers->len; i++) {
        const VtControllerDef *controller = slots->def->controllers->pdata[i];

        if (controller->type == VT_CONTROLLER_PCI)
            max = MAX(max, controller->index);
    }
    return max;
}

static gboolean
slots_add_bus(Slots *slots, int index, SlotsBusKind kind)
{
    VtControllerDef *controller;

    if (index > SLOTS_BUS_MAX)
        return vt_parse_problem(slots->ctx, VT_ERROR_CONFIG_UNSUPPORTED, "devices", 0,
                                _("the guest has more PCI devices than fit on %d buses"), SLOTS_BUS_MAX);
    controller = vt_imply_controller(slots->def, VT_CONTROLLER_PCI, index, slots_bus_kinds[kind].model);
    controller->model_name = g_strdup(slots_bus_kinds[kind].model_name);
    slots->buses[index].kind = kind;
    slots->buses[index].hotplug = TRUE;
    return TRUE;
}

/* Buses that addresses or the numbers of other controllers speak of, but that nobody wrote down. */
static gboolean
slots_fill_gaps(Slots *slots)
{
    int max = slots_max_bus(slots), index;
    guint i;

    if (slots->machine != VT_SLOTS_MACHINE_Q35)
        return TRUE;
    for (i = 0; i < slots->items->len; i++) {
        const VtAddress *address = &g_array_index(slots->items, SlotsItem, i).info->address;

        if (address->type == VT_ADDRESS_PCI && address->pci.bus <= SLOTS_BUS_MAX)
            max = MAX(max, (int)address->pci.bus);
    }
    for (index = 1; index <= MIN(max, SLOTS_BUS_MAX); index++)
        if (!vt_alias_controller(slots->def, VT_CONTROLLER_PCI, index) &&
            !slots_add_bus(slots, index, SLOTS_BUS_ROOT_PORT))
            return FALSE;
    return TRUE;
}

/* ---- addresses ---- */

static gboolean
slots_find_on(const SlotsBus *bus, SlotsPlace place, VtPciAddress *address)
{
    guint slot;

    for (slot = slots_bus_kinds[bus->kind].first_slot; slot <= slots_bus_kinds[bus->kind].last_slot; slot++) {
        if (!bus->functions[slot]) {
            address->slot = slot;
            return TRUE;
        }
        if (place == SLOTS_PLACE_PORT && bus->shareable[slot] && bus->functions[slot] != 0xff) {
            address->slot = slot;
            while (bus->functions[slot] & (1u << address->function))
                address->function++;
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean
slots_bus_fits(const SlotsBus *bus, SlotsPlace place)
{
    switch (place) {
    case SLOTS_PLACE_PORT:
        return bus->kind == SLOTS_BUS_PCIE_ROOT;
    case SLOTS_PLACE_PCIE:
        return bus->kind == SLOTS_BUS_ROOT_PORT;
    case SLOTS_PLACE_PLUGGABLE:
        return bus->kind == SLOTS_BUS_ROOT_PORT && bus->hotplug;
    case SLOTS_PLACE_PCI:
        return bus->kind == SLOTS_BUS_PCI_ROOT || bus->kind == SLOTS_BUS_PCIE_TO_PCI;
    }
    return FALSE;
}

static gboolean
slots_place_item(Slots *slots, const SlotsItem *item)
{
    guint index;

    for (index = 0; index <= SLOTS_BUS_MAX; index++) {
        SlotsBus *bus = &slots->buses[index];
        VtPciAddress address = { .bus = index };
        g_autofree char *name = g_strdup_printf("<%s>", item->element);

        /* A bridge cannot sit on the bus that it makes, nor below it. */
        if (!slots_bus_fits(bus, item->place) ||
            (item->place == SLOTS_PLACE_PCI && item->controller &&
             item->controller->type == VT_CONTROLLER_PCI && (int)index >= item->controller->index) ||
            !slots_find_on(bus, item->place, &address))
            continue;
        vt_pci_set_add(slots->taken, &address, name, NULL);
        slots_take(slots, &address, item->place == SLOTS_PLACE_PORT);
        item->info->address.type = VT_ADDRESS_PCI;
        item->info->address.pci = address;
        return TRUE;
    }
    return FALSE;
}

static gboolean
slots_no_place(Slots *slots, const SlotsItem *item)
{
    return vt_parse_problem(
        slots->ctx, VT_ERROR_CONFIG_UNSUPPORTED, item->element, item->info->line,
        _("no PCI slot is left for it; leave out addresses, or use machine='q35', which has enough"));
}

/* Give all an address, or none: then @missing is the first for which there was no slot. */
static gboolean
slots_place_all(Slots *slots, const SlotsItem **missing)
{
    g_autoptr(GPtrArray) placed = g_ptr_array_new();
    guint i, j;

    for (i = 0; i < slots->items->len; i++) {
        const SlotsItem *item = &g_array_index(slots->items, SlotsItem, i);

        if (item->info->address.type == VT_ADDRESS_PCI)
            continue;
        if (!slots_place_item(slots, item)) {
            for (j = 0; j < placed->len; j++)
                ((VtDeviceInfo *)placed->pdata[j])->address.type = VT_ADDRESS_NONE;
            *missing = item;
            return FALSE;
        }
        g_ptr_array_add(placed, item->info);
    }
    return TRUE;
}

static gboolean
slots_grow(Slots *slots, const SlotsItem *missing)
{
    int next = slots_max_bus(slots) + 1;

    if (slots->machine != VT_SLOTS_MACHINE_Q35 || missing->place == SLOTS_PLACE_PORT)
        return slots_no_place(slots, missing);
    if (!slots_add_bus(slots, next, SLOTS_BUS_ROOT_PORT))
        return FALSE;
    return missing->place != SLOTS_PLACE_PCI || slots_add_bus(slots, next + 1, SLOTS_BUS_PCIE_TO_PCI);
}

static gboolean
slots_has_free_port(const Slots *slots)
{
    guint i;

    for (i = 0; i <= SLOTS_BUS_MAX; i++)
        if (slots_bus_fits(&slots->buses[i], SLOTS_PLACE_PLUGGABLE) && !slots->buses[i].functions[0])
            return TRUE;
    return FALSE;
}

/* Function 0 of a slot with companions has to say so, else QEMU refuses them and the guest never looks. */
static gboolean
slots_mark_multifunction(Slots *slots)
{
    gboolean ok = TRUE;
    guint i;

    for (i = 0; i < slots->items->len; i++) {
        const SlotsItem *item = &g_array_index(slots->items, SlotsItem, i);
        VtPciAddress *address = &item->info->address.pci;
        guint8 functions;

        if (item->info->address.type != VT_ADDRESS_PCI || address->bus > SLOTS_BUS_MAX || address->slot > 31)
            continue;
        functions = slots->buses[address->bus].functions[address->slot];
        if (address->function == 0 && functions != 1)
            address->multifunction = TRUE;
        if (address->function != 0 && !(functions & 1))
            ok = vt_parse_problem(
                slots->ctx, VT_ERROR_XML_DETAIL, item->element, item->info->line,
                _("it is function %u of a slot whose function 0 is empty, where no guest looks for it; "
                  "use function 0"),
                address->function);
    }
    return ok;
}

static gboolean
slots_chassis_taken(const VtDomainDef *def, int chassis)
{
    guint i;

    for (i = 0; i < def->controllers->len; i++) {
        const VtControllerDef *controller = def->controllers->pdata[i];

        if (controller->type == VT_CONTROLLER_PCI && controller->target_chassis == chassis)
            return TRUE;
    }
    return FALSE;
}

/* <target chassis= port=>: numbers that the guest can see on a port. */
static void
slots_set_targets(VtDomainDef *def)
{
    guint i;

    for (i = 0; i < def->controllers->len; i++) {
        VtControllerDef *controller = def->controllers->pdata[i];
        const VtPciAddress *address = &controller->info.address.pci;
        SlotsBusKind kind =
            controller->type == VT_CONTROLLER_PCI ? slots_bus_kind(controller->model) : SLOTS_BUS_NONE;

        if (kind == SLOTS_BUS_NONE)
            continue;
        if (!controller->model_name)
            controller->model_name = g_strdup(slots_bus_kinds[kind].model_name);
        if (kind == SLOTS_BUS_ROOT_PORT && controller->target_port < 0)
            controller->target_port = (int)((address->slot << 3) + address->function);
        if (kind == SLOTS_BUS_ROOT_PORT && controller->target_chassis < 0) {
            int chassis = controller->index;

            while (slots_chassis_taken(def, chassis) && chassis < SLOTS_BUS_MAX)
                chassis++;
            controller->target_chassis = chassis;
        }
    }
}

static gboolean
slots_reserve_all(Slots *slots)
{
    gboolean ok = TRUE;
    guint i;

    vt_pci_set_free(slots->taken);
    slots->taken = vt_pci_set_new();
    slots_make_buses(slots);
    slots_take_chipset(slots);
    for (i = 0; i < slots->items->len; i++) {
        const SlotsItem *item = &g_array_index(slots->items, SlotsItem, i);

        if (item->info->address.type == VT_ADDRESS_PCI)
            ok = slots_reserve(slots, item) && ok;
    }
    return ok;
}

static Slots *
slots_new(VtParseContext *ctx, VtDomainDef *def)
{
    Slots *slots = g_new0(Slots, 1);

    slots->ctx = ctx;
    slots->def = def;
    slots->machine = vt_slots_machine(def->os.machine);
    slots->items = g_array_new(FALSE, FALSE, sizeof(SlotsItem));
    return slots;
}

static void
slots_free(Slots *slots)
{
    vt_pci_set_free(slots->taken);
    g_array_unref(slots->items);
    g_free(slots);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Slots, slots_free)

static gboolean
slots_check_root(Slots *slots)
{
    const VtControllerDef *root = vt_alias_controller(slots->def, VT_CONTROLLER_PCI, 0);
    SlotsBusKind wanted = slots->machine == VT_SLOTS_MACHINE_Q35 ? SLOTS_BUS_PCIE_ROOT : SLOTS_BUS_PCI_ROOT;

    if (slots_bus_kind(root->model) == wanted)
        return TRUE;
    return vt_parse_problem(slots->ctx, VT_ERROR_XML_DETAIL, "controller", root->info.line,
                            _("PCI controller 0 of machine type '%s' has to be of model '%s', not '%s'"),
                            slots->def->os.machine, slots_bus_kinds[wanted].model,
                            root->model ? root->model : "");
}

/* Add controllers until everything has its place. */
static gboolean
slots_settle(Slots *slots)
{
    const SlotsItem *missing = NULL;

    for (;;) {
        slots_list(slots);
        if (!slots_reserve_all(slots))
            return FALSE;
        if (slots_place_all(slots, &missing))
            return TRUE;
        if (!slots_grow(slots, missing))
            return FALSE;
    }
}

gboolean
vt_slots_assign(VtParseContext *ctx, VtDomainDef *def)
{
    g_autoptr(Slots) slots = slots_new(ctx, def);
    int first;

    /* Which machine types there are is validate's to say. */
    if (slots->machine == VT_SLOTS_MACHINE_OTHER)
        return TRUE;
    vt_imply_drive_addresses(def);
    vt_imply_controllers(def, slots->machine == VT_SLOTS_MACHINE_Q35);
    slots_fix_chipset(slots);
    slots_list(slots);
    slots_make_buses(slots);
    first = slots_max_bus(slots);
    if (!slots_check_root(slots) || !slots_fill_gaps(slots) || !slots_settle(slots))
        return FALSE;
    /* Nobody cared for ports yet: one more, so that something can be plugged in later. */
    if (first == 0 && slots_max_bus(slots) > 0 && !slots_has_free_port(slots) &&
        (!slots_add_bus(slots, slots_max_bus(slots) + 1, SLOTS_BUS_ROOT_PORT) || !slots_settle(slots)))
        return FALSE;
    slots_set_targets(def);
    vt_imply_serial_ports(def);
    vt_imply_usb_ports(def);
    return slots_mark_multifunction(slots);
}

gboolean
vt_slots_assign_one(const VtDomainDef *def, VtDeviceInfo *info, GError **error)
{
    g_autoptr(GPtrArray) problems = vt_xml_problems_new();
    VtParseContext ctx = { .problems = problems };
    g_autoptr(VtDomainDef) copy = vt_domain_def_copy(def);
    g_autoptr(Slots) slots = slots_new(&ctx, copy);
    SlotsItem item = { .element = "devices", .info = info, .place = SLOTS_PLACE_PLUGGABLE };
    gboolean ok;

    if (slots->machine == VT_SLOTS_MACHINE_PC)
        item.place = SLOTS_PLACE_PCI;
    slots_list(slots);
    slots_reserve_all(slots);
    g_ptr_array_set_size(problems, 0);
    ok = info->address.type == VT_ADDRESS_PCI
             ? slots_reserve(slots, &item)
             : slots_place_item(slots, &item) || slots_no_place(slots, &item);
    if (!ok)
        return vt_error_set(error, VT_ERROR_OPERATION_FAILED, "%s", ((GError *)problems->pdata[0])->message);
    return TRUE;
}
