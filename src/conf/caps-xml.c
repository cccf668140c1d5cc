/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/caps-xml.h"
#include "util/xml-writer.h"

/* ---- the data ---- */

static void
caps_xml_cell_free(VtCapsCell *cell)
{
    for (guint i = 0; i < cell->cpus->len; i++)
        g_free(g_array_index(cell->cpus, VtCapsCpu, i).siblings);
    g_array_unref(cell->cpus);
    g_array_unref(cell->pages);
    g_array_unref(cell->distances);
    g_free(cell);
}

static void
caps_xml_machine_free(VtCapsMachine *machine)
{
    g_free(machine->name);
    g_free(machine->canonical);
    g_free(machine);
}

VtCaps *
vt_caps_xml_new(void)
{
    VtCaps *caps = g_new0(VtCaps, 1);

    caps->cpu_features = g_ptr_array_new_with_free_func(g_free);
    caps->page_sizes_kib = g_array_new(FALSE, FALSE, sizeof(guint));
    caps->cells = g_ptr_array_new_with_free_func((GDestroyNotify)caps_xml_cell_free);
    caps->machines = g_ptr_array_new_with_free_func((GDestroyNotify)caps_xml_machine_free);
    return caps;
}

void
vt_caps_xml_free(VtCaps *caps)
{
    if (!caps)
        return;
    g_ptr_array_unref(caps->cpu_features);
    g_array_unref(caps->page_sizes_kib);
    g_ptr_array_unref(caps->cells);
    g_ptr_array_unref(caps->machines);
    g_free(caps->arch);
    g_free(caps->cpu_model);
    g_free(caps->cpu_vendor);
    g_free(caps->emulator);
    g_free(caps);
}

VtCapsCell *
vt_caps_xml_add_cell(VtCaps *caps, guint id)
{
    VtCapsCell *cell = g_new0(VtCapsCell, 1);

    cell->id = id;
    cell->pages = g_array_new(FALSE, FALSE, sizeof(VtCapsPages));
    cell->distances = g_array_new(FALSE, FALSE, sizeof(guint));
    cell->cpus = g_array_new(FALSE, FALSE, sizeof(VtCapsCpu));
    g_ptr_array_add(caps->cells, cell);
    return cell;
}

void
vt_caps_xml_add_machine(VtCaps *caps, const char *name, const char *canonical, guint max_cpus,
                        gboolean deprecated)
{
    VtCapsMachine *machine = g_new0(VtCapsMachine, 1);

    machine->name = g_strdup(name);
    machine->canonical = g_strdup(canonical);
    machine->max_cpus = max_cpus;
    machine->deprecated = deprecated;
    g_ptr_array_add(caps->machines, machine);
}

/* ---- <capabilities> ---- */

static void
caps_xml_number(VtXmlWriter *writer, const char *element, const char *attr, guint64 value)
{
    vt_xml_writer_start(writer, element);
    vt_xml_writer_attrf(writer, attr, "%" G_GUINT64_FORMAT, value);
    vt_xml_writer_end(writer);
}

static void
caps_xml_cpu(VtXmlWriter *writer, const VtCaps *caps)
{
    vt_xml_writer_start(writer, "cpu");
    vt_xml_writer_text(writer, "arch", caps->arch);
    vt_xml_writer_text(writer, "model", caps->cpu_model);
    vt_xml_writer_text(writer, "vendor", caps->cpu_vendor);
    if (caps->family || caps->model || caps->stepping) {
        vt_xml_writer_start(writer, "signature");
        vt_xml_writer_attrf(writer, "family", "%u", caps->family);
        vt_xml_writer_attrf(writer, "model", "%u", caps->model);
        vt_xml_writer_attrf(writer, "stepping", "%u", caps->stepping);
        vt_xml_writer_end(writer);
    }
    vt_xml_writer_start(writer, "topology");
    vt_xml_writer_attrf(writer, "sockets", "%u", caps->sockets);
    vt_xml_writer_attrf(writer, "dies", "%u", caps->dies);
    vt_xml_writer_attrf(writer, "cores", "%u", caps->cores);
    vt_xml_writer_attrf(writer, "threads", "%u", caps->threads);
    vt_xml_writer_end(writer);
    for (guint i = 0; i < caps->cpu_features->len; i++)
        vt_xml_writer_empty(writer, "feature", "name", g_ptr_array_index(caps->cpu_features, i), NULL);
    for (guint i = 0; i < caps->page_sizes_kib->len; i++) {
        vt_xml_writer_start(writer, "pages");
        vt_xml_writer_attr(writer, "unit", "KiB");
        vt_xml_writer_attrf(writer, "size", "%u", g_array_index(caps->page_sizes_kib, guint, i));
        vt_xml_writer_end(writer);
    }
    vt_xml_writer_end(writer);
}

static void
caps_xml_cell(VtXmlWriter *writer, const VtCapsCell *cell)
{
    vt_xml_writer_start(writer, "cell");
    vt_xml_writer_attrf(writer, "id", "%u", cell->id);
    if (cell->memory_kib) {
        g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, cell->memory_kib);

        vt_xml_writer_start(writer, "memory");
        vt_xml_writer_attr(writer, "unit", "KiB");
        vt_xml_writer_end_text(writer, text);
    }
    for (guint i = 0; i < cell->pages->len; i++) {
        const VtCapsPages *pages = &g_array_index(cell->pages, VtCapsPages, i);
        g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, pages->count);

        vt_xml_writer_start(writer, "pages");
        vt_xml_writer_attr(writer, "unit", "KiB");
        vt_xml_writer_attrf(writer, "size", "%u", pages->size_kib);
        vt_xml_writer_end_text(writer, text);
    }
    if (cell->distances->len) {
        vt_xml_writer_start(writer, "distances");
        for (guint i = 0; i < cell->distances->len; i++) {
            vt_xml_writer_start(writer, "sibling");
            vt_xml_writer_attrf(writer, "id", "%u", i);
            vt_xml_writer_attrf(writer, "value", "%u", g_array_index(cell->distances, guint, i));
            vt_xml_writer_end(writer);
        }
        vt_xml_writer_end(writer);
    }
    vt_xml_writer_start(writer, "cpus");
    vt_xml_writer_attrf(writer, "num", "%u", cell->cpus->len);
    for (guint i = 0; i < cell->cpus->len; i++) {
        const VtCapsCpu *cpu = &g_array_index(cell->cpus, VtCapsCpu, i);

        vt_xml_writer_start(writer, "cpu");
        vt_xml_writer_attrf(writer, "id", "%u", cpu->id);
        vt_xml_writer_attrf(writer, "socket_id", "%u", cpu->socket_id);
        vt_xml_writer_attrf(writer, "die_id", "%u", cpu->die_id);
        vt_xml_writer_attrf(writer, "core_id", "%u", cpu->core_id);
        vt_xml_writer_attr(writer, "siblings", cpu->siblings);
        vt_xml_writer_end(writer);
    }
    vt_xml_writer_end(writer);
    vt_xml_writer_end(writer);
}

static void
caps_xml_host(VtXmlWriter *writer, const VtCaps *caps)
{
    char uuid[VT_UUID_STRING_SIZE];

    vt_xml_writer_start(writer, "host");
    vt_xml_writer_text(writer, "uuid", vt_uuid_format(&caps->uuid, uuid));
    caps_xml_cpu(writer, caps);
    vt_xml_writer_empty(writer, "power_management", NULL);
    vt_xml_writer_empty(writer, "iommu", "support", caps->iommu ? "yes" : "no", NULL);
    vt_xml_writer_start(writer, "migration_features");
    vt_xml_writer_empty(writer, "live", NULL);
    vt_xml_writer_start(writer, "uri_transports");
    vt_xml_writer_text(writer, "uri_transport", "tcp");
    vt_xml_writer_end(writer);
    vt_xml_writer_end(writer);
    vt_xml_writer_start(writer, "topology");
    vt_xml_writer_start(writer, "cells");
    vt_xml_writer_attrf(writer, "num", "%u", caps->cells->len);
    for (guint i = 0; i < caps->cells->len; i++)
        caps_xml_cell(writer, g_ptr_array_index(caps->cells, i));
    vt_xml_writer_end(writer);
    vt_xml_writer_end(writer);
    vt_xml_writer_start(writer, "secmodel");
    vt_xml_writer_text(writer, "model", "none");
    vt_xml_writer_text(writer, "doi", "0");
    vt_xml_writer_end(writer);
    vt_xml_writer_end(writer);
}

static void
caps_xml_guest(VtXmlWriter *writer, const VtCaps *caps)
{
    vt_xml_writer_start(writer, "guest");
    vt_xml_writer_text(writer, "os_type", "hvm");
    vt_xml_writer_start(writer, "arch");
    vt_xml_writer_attr(writer, "name", caps->arch);
    if (caps->wordsize) {
        g_autofree char *text = g_strdup_printf("%u", caps->wordsize);

        vt_xml_writer_text(writer, "wordsize", text);
    }
    vt_xml_writer_text(writer, "emulator", caps->emulator);
    for (guint i = 0; i < caps->machines->len; i++) {
        const VtCapsMachine *machine = g_ptr_array_index(caps->machines, i);

        vt_xml_writer_start(writer, "machine");
        vt_xml_writer_attr(writer, "canonical", machine->canonical);
        vt_xml_writer_attr_uint(writer, "maxCpus", machine->max_cpus);
        vt_xml_writer_attr(writer, "deprecated", machine->deprecated ? "yes" : NULL);
        vt_xml_writer_end_text(writer, machine->name);
    }
    vt_xml_writer_empty(writer, "domain", "type", "qemu", NULL);
    if (caps->kvm)
        vt_xml_writer_empty(writer, "domain", "type", "kvm", NULL);
    vt_xml_writer_end(writer);
    vt_xml_writer_start(writer, "features");
    vt_xml_writer_empty(writer, "acpi", "default", "on", "toggle", "yes", NULL);
    vt_xml_writer_empty(writer, "apic", "default", "on", "toggle", "no", NULL);
    vt_xml_writer_empty(writer, "cpuselection", NULL);
    vt_xml_writer_empty(writer, "deviceboot", NULL);
    vt_xml_writer_end(writer);
    vt_xml_writer_end(writer);
}

char *
vt_caps_xml_format(const VtCaps *caps)
{
    VtXmlWriter *writer = vt_xml_writer_new();

    vt_xml_writer_start(writer, "capabilities");
    caps_xml_host(writer, caps);
    if (caps->emulator)
        caps_xml_guest(writer, caps);
    vt_xml_writer_end(writer);
    return vt_xml_writer_finish(writer);
}

/* ---- <domainCapabilities> ---- */

/* An <enum>: its values are the space-separated words; "" is an empty one. */
static void
caps_xml_enum(VtXmlWriter *writer, const char *name, const char *words)
{
    g_auto(GStrv) values = g_strsplit(words, " ", -1);

    vt_xml_writer_start(writer, "enum");
    vt_xml_writer_attr(writer, "name", name);
    for (char **value = values; *value; value++) {
        if (**value)
            vt_xml_writer_text(writer, "value", *value);
    }
    vt_xml_writer_end(writer);
}

static void
caps_xml_domain_cpu(VtXmlWriter *writer, const VtDomCaps *caps)
{
    vt_xml_writer_start(writer, "cpu");
    vt_xml_writer_start(writer, "mode");
    vt_xml_writer_attr(writer, "name", "host-passthrough");
    vt_xml_writer_attr(writer, "supported", caps->kvm ? "yes" : "no");
    if (caps->kvm)
        caps_xml_enum(writer, "hostPassthroughMigratable", "on off");
    vt_xml_writer_end(writer);
    vt_xml_writer_start(writer, "mode");
    vt_xml_writer_attr(writer, "name", "maximum");
    vt_xml_writer_attr(writer, "supported", "yes");
    caps_xml_enum(writer, "maximumMigratable", "on off");
    vt_xml_writer_end(writer);
    vt_xml_writer_empty(writer, "mode", "name", "host-model", "supported", "no", NULL);
    vt_xml_writer_start(writer, "mode");
    vt_xml_writer_attr(writer, "name", "custom");
    vt_xml_writer_attr(writer, "supported", caps->cpus->len ? "yes" : "no");
    for (guint i = 0; i < caps->cpus->len; i++) {
        const VtDomCapsCpu *cpu = g_ptr_array_index(caps->cpus, i);

        vt_xml_writer_start(writer, "model");
        vt_xml_writer_attr(writer, "usable", cpu->usable > 0 ? "yes" : cpu->usable == 0 ? "no" : "unknown");
        vt_xml_writer_attr(writer, "vendor", cpu->vendor);
        vt_xml_writer_end_text(writer, cpu->name);
    }
    vt_xml_writer_end(writer);
    vt_xml_writer_end(writer);
}

/* What the parsers of src/conf accept, by device; an enum without a name is not written. */
static const struct {
    const char *device;
    gboolean supported;
    struct {
        const char *name, *words;
    } enums[4];
} caps_xml_devices[] = {
    { .device = "disk",
      .supported = TRUE,
      .enums = { { "diskDevice", "disk cdrom" }, { "bus", "virtio sata" }, { "model", "virtio" } } },
    { .device = "graphics" },
    { .device = "video" },
    { .device = "hostdev",
      .supported = TRUE,
      .enums = { { "mode", "subsystem" },
                 { "startupPolicy", "default" },
                 { "subsysType", "pci" },
                 { "capsType", "" } } },
    { .device = "rng",
      .supported = TRUE,
      .enums = { { "model", "virtio" }, { "backendModel", "random builtin" } } },
    { .device = "filesystem" },
    { .device = "tpm" },
    { .device = "redirdev" },
    { .device = "channel", .supported = TRUE, .enums = { { "type", "pty unix" } } },
};

static void
caps_xml_domain_devices(VtXmlWriter *writer, const VtDomCaps *caps)
{
    vt_xml_writer_start(writer, "devices");
    for (guint i = 0; i < G_N_ELEMENTS(caps_xml_devices); i++) {
        vt_xml_writer_start(writer, caps_xml_devices[i].device);
        vt_xml_writer_attr(writer, "supported", caps_xml_devices[i].supported ? "yes" : "no");
        for (guint j = 0; j < G_N_ELEMENTS(caps_xml_devices[i].enums); j++) {
            if (caps_xml_devices[i].enums[j].name)
                caps_xml_enum(writer, caps_xml_devices[i].enums[j].name, caps_xml_devices[i].enums[j].words);
        }
        if (g_str_equal(caps_xml_devices[i].device, "hostdev"))
            caps_xml_enum(writer, "pciBackend", caps->vfio ? "vfio" : "");
        vt_xml_writer_end(writer);
    }
    vt_xml_writer_end(writer);
}

char *
vt_caps_xml_format_domain(const VtDomCaps *caps)
{
    static const char *const features[] = {
        "gic", "vmcoreinfo", "genid", "backingStoreInput", "backup", "sev"
    };
    VtXmlWriter *writer = vt_xml_writer_new();

    vt_xml_writer_start(writer, "domainCapabilities");
    vt_xml_writer_text(writer, "path", caps->emulator);
    vt_xml_writer_text(writer, "domain", caps->virt_type);
    vt_xml_writer_text(writer, "machine", caps->machine);
    vt_xml_writer_text(writer, "arch", caps->arch);
    caps_xml_number(writer, "vcpu", "max", caps->max_vcpus);
    vt_xml_writer_empty(writer, "iothreads", "supported", "no", NULL);
    vt_xml_writer_start(writer, "os");
    vt_xml_writer_attr(writer, "supported", "yes");
    caps_xml_enum(writer, "firmware", "");
    vt_xml_writer_empty(writer, "loader", "supported", "no", NULL);
    vt_xml_writer_end(writer);
    caps_xml_domain_cpu(writer, caps);
    vt_xml_writer_empty(writer, "memoryBacking", "supported", "no", NULL);
    caps_xml_domain_devices(writer, caps);
    vt_xml_writer_start(writer, "features");
    for (guint i = 0; i < G_N_ELEMENTS(features); i++)
        vt_xml_writer_empty(writer, features[i], "supported", "no", NULL);
    vt_xml_writer_end(writer);
    vt_xml_writer_end(writer);
    return vt_xml_writer_finish(writer);
}
