/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/prepare.h"

#include "conf/teaming.h"
#include "qemu/slots.h"
#include "qemu/validate.h"

/* "pc" moves on with each QEMU; the guest must not. */
static void
prepare_machine(VtDomainDef *def, const VtQemuCaps *caps)
{
    const char *canonical;
    guint i;

    for (i = 0; !def->os.machine && i < caps->machines->len; i++) {
        const VtQemuMachine *machine = caps->machines->pdata[i];

        if (machine->is_default)
            def->os.machine = g_strdup(machine->name);
    }
    canonical = vt_qemu_caps_machine(caps, def->os.machine);
    if (canonical) {
        char *copy = g_strdup(canonical);

        g_free(def->os.machine);
        def->os.machine = copy;
    }
}

/* The machine's default CPU by name, as it may be another one in the next QEMU. */
static void
prepare_cpu(VtDomainDef *def, const VtQemuCaps *caps)
{
    const VtQemuMachine *machine = vt_qemu_caps_find_machine(caps, def->os.machine);
    VtCpuDef *cpu = &def->cpu;

    if (cpu->mode == VT_CPU_HOST_PASSTHROUGH && !cpu->migratable)
        cpu->migratable = g_strdup("on");
    if ((cpu->mode != VT_CPU_NONE && cpu->mode != VT_CPU_CUSTOM) || cpu->model || !machine ||
        !machine->default_cpu)
        return;
    cpu->mode = VT_CPU_CUSTOM;
    cpu->model = g_strdup(machine->default_cpu);
    if (!cpu->match)
        cpu->match = g_strdup("exact");
    if (!cpu->check)
        cpu->check = g_strdup("none");
    if (!cpu->fallback)
        cpu->fallback = g_strdup("forbid");
}

/* An interface without a model: what libvirt takes on a PC, the first that the emulator has. */
static void
prepare_nets(VtDomainDef *def, const VtQemuCaps *caps)
{
    static const struct {
        const char *model, *driver;
    } rows[] = { { "rtl8139", "rtl8139" }, { "e1000", "e1000" }, { "virtio", "virtio-net-pci" } };
    guint i;
    gsize j;

    for (i = 0; i < def->nets->len; i++) {
        VtNetDef *net = def->nets->pdata[i];

        for (j = 0; !vt_teaming_net_is_host(net) && !net->model && j < G_N_ELEMENTS(rows); j++)
            if (vt_qemu_caps_has_device(caps, rows[j].driver))
                net->model = g_strdup(rows[j].model);
    }
}

static gboolean
prepare(VtDomainDef *def, const VtQemuCaps *caps, GPtrArray *problems)
{
    VtParseContext ctx = { .problems = problems };
    gboolean ok;

    prepare_machine(def, caps);
    prepare_cpu(def, caps);
    prepare_nets(def, caps);
    ok = vt_slots_assign(&ctx, def);
    return vt_qemu_validate_domain(&ctx, def, caps) && ok;
}

gboolean
vt_qemu_prepare_define(VtDomainDef *def, const VtQemuCaps *caps, GError **error)
{
    g_autoptr(GPtrArray) problems = vt_xml_problems_new();

    if (prepare(def, caps, problems))
        return TRUE;
    if (problems->len == 0)
        return vt_error_set(error, VT_ERROR_INTERNAL, "the definition was refused without a reason");
    g_propagate_error(error, g_error_copy(problems->pdata[0]));
    return FALSE;
}

gboolean
vt_qemu_prepare_check(VtDomainDef *def, const VtQemuCaps *caps, GPtrArray *problems)
{
    g_autoptr(GPtrArray) found = vt_xml_problems_new();
    guint i;

    if (prepare(def, caps, found))
        return TRUE;
    for (i = 0; i < found->len; i++)
        g_ptr_array_add(problems, g_strdup(((const GError *)found->pdata[i])->message));
    return FALSE;
}
