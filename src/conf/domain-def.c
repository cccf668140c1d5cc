/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Free and copy are driven by one table a struct: which of its members are owned strings, and where its
 * VtDeviceInfo is. A member that is no string is copied with the struct; a new string member needs its row.
 */
#include "conf/domain-def.h"

#include <string.h>

typedef struct {
    gsize size;
    const gsize *strings; /* offsets of owned char * */
    gsize n_strings;
    gssize info;  /* offset of the VtDeviceInfo; -1: none */
    gsize nested; /* offset of a pointer to a struct of the same kind, which nests no further; 0: none */
} DomainDefShape;

#define DOMAIN_DEF_SHAPE(type, offsets, info_offset, nested_offset)                                          \
    {                                                                                                        \
        .size = sizeof(type), .strings = offsets, .n_strings = G_N_ELEMENTS(offsets), .info = info_offset,   \
        .nested = nested_offset                                                                              \
    }
#define AT(type, member) G_STRUCT_OFFSET(type, member)

static char **
domain_def_string(gconstpointer item, gsize offset)
{
    return (char **)((guchar *)item + offset);
}

static void
domain_def_dup_strings(gpointer item, const gsize *strings, gsize n)
{
    for (gsize i = 0; i < n; i++) {
        char **string = domain_def_string(item, strings[i]);

        *string = g_strdup(*string);
    }
}

static void
domain_def_free_strings(gpointer item, const gsize *strings, gsize n)
{
    for (gsize i = 0; i < n; i++)
        g_clear_pointer(domain_def_string(item, strings[i]), g_free);
}

static const gsize domain_def_info_strings[] = {
    AT(VtDeviceInfo, alias),
    AT(VtDeviceInfo, rom_file),
    AT(VtDeviceInfo, acpi_index),
    AT(VtDeviceInfo, address.port),
};

void
vt_device_info_clear(VtDeviceInfo *info)
{
    domain_def_free_strings(info, domain_def_info_strings, G_N_ELEMENTS(domain_def_info_strings));
}

void
vt_device_info_init(VtDeviceInfo *info)
{
    *info = (VtDeviceInfo){ .rom_bar = -1, .rom_enabled = -1 };
}

static gpointer *
domain_def_nested(gpointer item, const DomainDefShape *shape)
{
    return (gpointer *)((guchar *)item + shape->nested);
}

static void
domain_def_free_shape(gpointer item, const DomainDefShape *shape)
{
    if (!item)
        return;
    if (shape->nested)
        domain_def_free_shape(*domain_def_nested(item, shape), shape);
    domain_def_free_strings(item, shape->strings, shape->n_strings);
    if (shape->info >= 0)
        vt_device_info_clear((VtDeviceInfo *)((guchar *)item + shape->info));
    g_free(item);
}

static gpointer
domain_def_copy_shape(gconstpointer item, const DomainDefShape *shape)
{
    guchar *copy;

    if (!item)
        return NULL;
    copy = g_memdup2(item, shape->size);
    if (shape->nested)
        *domain_def_nested(copy, shape) = domain_def_copy_shape(*domain_def_nested(copy, shape), shape);
    domain_def_dup_strings(copy, shape->strings, shape->n_strings);
    if (shape->info >= 0)
        domain_def_dup_strings(copy + shape->info, domain_def_info_strings,
                               G_N_ELEMENTS(domain_def_info_strings));
    return copy;
}

static const gsize domain_def_controller_strings[] = {
    AT(VtControllerDef, model),
    AT(VtControllerDef, model_name),
};
static const gsize domain_def_disk_strings[] = {
    AT(VtDiskDef, device),  AT(VtDiskDef, source_file),   AT(VtDiskDef, driver_name),
    AT(VtDiskDef, format),  AT(VtDiskDef, cache),         AT(VtDiskDef, io),
    AT(VtDiskDef, discard), AT(VtDiskDef, detect_zeroes), AT(VtDiskDef, target_dev),
    AT(VtDiskDef, bus),     AT(VtDiskDef, serial),
};
static const gsize domain_def_net_strings[] = {
    AT(VtNetDef, bridge),
    AT(VtNetDef, network),
    AT(VtNetDef, portgroup),
    AT(VtNetDef, direct_dev),
    AT(VtNetDef, direct_mode),
    AT(VtNetDef, driver_name),
    AT(VtNetDef, model),
    AT(VtNetDef, target_dev),
    AT(VtNetDef, teaming.persistent),
    AT(VtNetDef, port),
    AT(VtNetDef, virtualport.interface_id),
    AT(VtNetDef, virtualport.profile_id),
};
static const gsize domain_def_hostdev_strings[] = {
    AT(VtHostdevDef, driver_name),
    AT(VtHostdevDef, teaming.persistent),
};
static const gsize domain_def_char_strings[] = {
    AT(VtCharDef, path),         AT(VtCharDef, log_file),    AT(VtCharDef, target_type),
    AT(VtCharDef, target_model), AT(VtCharDef, target_name),
};
static const gsize domain_def_input_strings[] = {
    AT(VtInputDef, type),
    AT(VtInputDef, bus),
};
static const gsize domain_def_rng_strings[] = {
    AT(VtRngDef, model),
    AT(VtRngDef, backend_model),
    AT(VtRngDef, backend_path),
};
static const gsize domain_def_watchdog_strings[] = {
    AT(VtWatchdogDef, model),
    AT(VtWatchdogDef, action),
};
static const gsize domain_def_memballoon_strings[] = {
    AT(VtMemballoonDef, model),
};
static const gsize domain_def_policy_strings[] = {
    AT(VtTeamPolicy, persistent),
    AT(VtTeamPolicy, pf),
    AT(VtTeamPolicy, pci_ids),
};
static const gsize domain_def_feature_strings[] = {
    AT(VtCpuFeature, name),
    AT(VtCpuFeature, policy),
};
static const gsize domain_def_timer_strings[] = {
    AT(VtClockTimer, name),
    AT(VtClockTimer, tickpolicy),
    AT(VtClockTimer, track),
};

#define DOMAIN_DEF_FUNCTIONS(name, type, strings, info_offset)                                               \
    DOMAIN_DEF_NESTED_FUNCTIONS(name, type, strings, info_offset, 0)
#define DOMAIN_DEF_NESTED_FUNCTIONS(name, type, strings, info_offset, nested_offset)                         \
    static const DomainDefShape domain_def_##name##_shape =                                                  \
        DOMAIN_DEF_SHAPE(type, strings, info_offset, nested_offset);                                         \
    void vt_##name##_free(type *item)                                                                        \
    {                                                                                                        \
        domain_def_free_shape(item, &domain_def_##name##_shape);                                             \
    }                                                                                                        \
    type *vt_##name##_copy(const type *item)                                                                 \
    {                                                                                                        \
        return domain_def_copy_shape(item, &domain_def_##name##_shape);                                      \
    }

DOMAIN_DEF_FUNCTIONS(controller_def, VtControllerDef, domain_def_controller_strings,
                     AT(VtControllerDef, info))
DOMAIN_DEF_FUNCTIONS(disk_def, VtDiskDef, domain_def_disk_strings, AT(VtDiskDef, info))
DOMAIN_DEF_NESTED_FUNCTIONS(net_def, VtNetDef, domain_def_net_strings, AT(VtNetDef, info),
                            AT(VtNetDef, configured))
DOMAIN_DEF_FUNCTIONS(hostdev_def, VtHostdevDef, domain_def_hostdev_strings, AT(VtHostdevDef, info))
DOMAIN_DEF_FUNCTIONS(char_def, VtCharDef, domain_def_char_strings, AT(VtCharDef, info))
DOMAIN_DEF_FUNCTIONS(input_def, VtInputDef, domain_def_input_strings, AT(VtInputDef, info))
DOMAIN_DEF_FUNCTIONS(rng_def, VtRngDef, domain_def_rng_strings, AT(VtRngDef, info))
DOMAIN_DEF_FUNCTIONS(watchdog_def, VtWatchdogDef, domain_def_watchdog_strings, AT(VtWatchdogDef, info))
DOMAIN_DEF_FUNCTIONS(memballoon_def, VtMemballoonDef, domain_def_memballoon_strings,
                     AT(VtMemballoonDef, info))
DOMAIN_DEF_FUNCTIONS(team_policy, VtTeamPolicy, domain_def_policy_strings, -1)
DOMAIN_DEF_FUNCTIONS(cpu_feature, VtCpuFeature, domain_def_feature_strings, -1)
DOMAIN_DEF_FUNCTIONS(clock_timer, VtClockTimer, domain_def_timer_strings, -1)

VtControllerDef *
vt_controller_def_new(VtControllerType type)
{
    VtControllerDef *controller = g_new0(VtControllerDef, 1);

    controller->type = type;
    controller->index = -1;
    controller->target_chassis = -1;
    controller->target_port = -1;
    vt_device_info_init(&controller->info);
    return controller;
}

/* ---- the domain ---- */

static const gsize domain_def_domain_strings[] = {
    AT(VtDomainDef, name),         AT(VtDomainDef, title),          AT(VtDomainDef, description),
    AT(VtDomainDef, metadata),     AT(VtDomainDef, metadata_set),   AT(VtDomainDef, os.arch),
    AT(VtDomainDef, os.machine),   AT(VtDomainDef, os.kernel),      AT(VtDomainDef, os.initrd),
    AT(VtDomainDef, os.cmdline),   AT(VtDomainDef, cpu.match),      AT(VtDomainDef, cpu.check),
    AT(VtDomainDef, cpu.fallback), AT(VtDomainDef, cpu.migratable), AT(VtDomainDef, cpu.model),
    AT(VtDomainDef, cpu.vendor),   AT(VtDomainDef, clock.offset),   AT(VtDomainDef, emulator),
};

/* The arrays of a domain and what their items are. */
typedef struct {
    gsize offset;
    const DomainDefShape *shape;
    GDestroyNotify free_item;
} DomainDefArray;

static const DomainDefArray domain_def_arrays[] = {
    { AT(VtDomainDef, team_policies), &domain_def_team_policy_shape, (GDestroyNotify)vt_team_policy_free },
    { AT(VtDomainDef, cpu.features), &domain_def_cpu_feature_shape, (GDestroyNotify)vt_cpu_feature_free },
    { AT(VtDomainDef, clock.timers), &domain_def_clock_timer_shape, (GDestroyNotify)vt_clock_timer_free },
    { AT(VtDomainDef, controllers), &domain_def_controller_def_shape,
      (GDestroyNotify)vt_controller_def_free },
    { AT(VtDomainDef, disks), &domain_def_disk_def_shape, (GDestroyNotify)vt_disk_def_free },
    { AT(VtDomainDef, nets), &domain_def_net_def_shape, (GDestroyNotify)vt_net_def_free },
    { AT(VtDomainDef, hostdevs), &domain_def_hostdev_def_shape, (GDestroyNotify)vt_hostdev_def_free },
    { AT(VtDomainDef, serials), &domain_def_char_def_shape, (GDestroyNotify)vt_char_def_free },
    { AT(VtDomainDef, consoles), &domain_def_char_def_shape, (GDestroyNotify)vt_char_def_free },
    { AT(VtDomainDef, channels), &domain_def_char_def_shape, (GDestroyNotify)vt_char_def_free },
    { AT(VtDomainDef, inputs), &domain_def_input_def_shape, (GDestroyNotify)vt_input_def_free },
    { AT(VtDomainDef, rngs), &domain_def_rng_def_shape, (GDestroyNotify)vt_rng_def_free },
    { AT(VtDomainDef, watchdogs), &domain_def_watchdog_def_shape, (GDestroyNotify)vt_watchdog_def_free },
};

static GPtrArray **
domain_def_array(const VtDomainDef *def, const DomainDefArray *array)
{
    return (GPtrArray **)((guchar *)def + array->offset);
}

VtDomainDef *
vt_domain_def_new(void)
{
    VtDomainDef *def = g_new0(VtDomainDef, 1);

    for (gsize i = 0; i < G_N_ELEMENTS(domain_def_arrays); i++)
        *domain_def_array(def, &domain_def_arrays[i]) =
            g_ptr_array_new_with_free_func(domain_def_arrays[i].free_item);
    def->on_poweroff = VT_LIFECYCLE_DESTROY;
    def->on_reboot = VT_LIFECYCLE_RESTART;
    def->on_crash = VT_LIFECYCLE_DESTROY;
    return def;
}

void
vt_domain_def_free(VtDomainDef *def)
{
    if (!def)
        return;
    domain_def_free_strings(def, domain_def_domain_strings, G_N_ELEMENTS(domain_def_domain_strings));
    for (gsize i = 0; i < G_N_ELEMENTS(domain_def_arrays); i++)
        g_clear_pointer(domain_def_array(def, &domain_def_arrays[i]), g_ptr_array_unref);
    vt_memballoon_def_free(def->memballoon);
    g_free(def);
}

VtDomainDef *
vt_domain_def_copy(const VtDomainDef *def)
{
    VtDomainDef *copy = g_memdup2(def, sizeof(*def));

    domain_def_dup_strings(copy, domain_def_domain_strings, G_N_ELEMENTS(domain_def_domain_strings));
    for (gsize i = 0; i < G_N_ELEMENTS(domain_def_arrays); i++) {
        const DomainDefArray *array = &domain_def_arrays[i];
        GPtrArray *from = *domain_def_array(def, array);
        GPtrArray *to = g_ptr_array_new_with_free_func(array->free_item);

        for (guint j = 0; j < from->len; j++)
            g_ptr_array_add(to, domain_def_copy_shape(from->pdata[j], array->shape));
        *domain_def_array(copy, array) = to;
    }
    copy->memballoon = vt_memballoon_def_copy(def->memballoon);
    return copy;
}
