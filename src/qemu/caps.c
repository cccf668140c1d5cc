/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/caps.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <glib/gstdio.h>
#include "qemu/probe-run.h"
#include "util/enum.h"
#include "util/i18n.h"
#include "util/json.h"
#include "vt-config.h"

#define CAPS_FILE_MAX         (4 * 1024 * 1024)
#define CAPS_PROBE_TIMEOUT_MS 20000
/* Raised whenever a member is added or means something else, so that old cache files are not believed. */
#define CAPS_FORMAT 1

typedef enum {
    CAPS_Q_VERSION,
    CAPS_Q_TARGET,
    CAPS_Q_MACHINES,
    CAPS_Q_CPUS,
    CAPS_Q_TYPES,
    CAPS_Q_ACCELS,
    CAPS_Q_COMMANDS,
    CAPS_Q_MIGRATE,
    CAPS_Q_KVM,
    CAPS_Q_OPTIONS,
    CAPS_Q_VIRTIO_NET,
    CAPS_Q_VFIO,
    CAPS_Q_E1000E,
    CAPS_Q_VMXNET3,
    CAPS_Q_COUNT
} CapsQuestion;

#define CAPS_PROPS(type) "{\"execute\":\"device-list-properties\",\"arguments\":{\"typename\":\"" type "\"}}"

static const char *const caps_commands[CAPS_Q_COUNT + 1] = {
    [CAPS_Q_VERSION] = "{\"execute\":\"query-version\"}",
    [CAPS_Q_TARGET] = "{\"execute\":\"query-target\"}",
    [CAPS_Q_MACHINES] = "{\"execute\":\"query-machines\"}",
    [CAPS_Q_CPUS] = "{\"execute\":\"query-cpu-definitions\"}",
    [CAPS_Q_TYPES] =
        "{\"execute\":\"qom-list-types\",\"arguments\":{\"implements\":\"device\",\"abstract\":false}}",
    [CAPS_Q_ACCELS] = "{\"execute\":\"qom-list-types\",\"arguments\":{\"implements\":\"accel\"}}",
    [CAPS_Q_COMMANDS] = "{\"execute\":\"query-commands\"}",
    [CAPS_Q_MIGRATE] = "{\"execute\":\"query-migrate-capabilities\"}",
    [CAPS_Q_KVM] = "{\"execute\":\"query-kvm\"}",
    [CAPS_Q_OPTIONS] = "{\"execute\":\"query-command-line-options\"}",
    [CAPS_Q_VIRTIO_NET] = CAPS_PROPS("virtio-net-pci"),
    [CAPS_Q_VFIO] = CAPS_PROPS("vfio-pci"),
    [CAPS_Q_E1000E] = CAPS_PROPS("e1000e"),
    [CAPS_Q_VMXNET3] = CAPS_PROPS("vmxnet3"),
    [CAPS_Q_COUNT] = NULL,
};

static const char *const caps_names[] = {
    [VT_QEMU_CAP_KVM] = "kvm",
    [VT_QEMU_CAP_TCG] = "tcg",
    [VT_QEMU_CAP_VIRTIO_NET_FAILOVER] = "virtio-net-failover",
    [VT_QEMU_CAP_VFIO_FAILOVER_PAIR] = "vfio-failover-pair",
    [VT_QEMU_CAP_NET_FAILOVER_PAIR] = "net-failover-pair",
    [VT_QEMU_CAP_QUERY_VIRTIO_STATUS] = "query-virtio-status",
    [VT_QEMU_CAP_PAUSE_BEFORE_SWITCHOVER] = "pause-before-switchover",
    [VT_QEMU_CAP_VMXNET3] = "vmxnet3",
    [VT_QEMU_CAP_E1000E] = "e1000e",
    [VT_QEMU_CAP_IGB] = "igb",
    [VT_QEMU_CAP_VHOST_NET] = "vhost-net",
    [VT_QEMU_CAP_SANDBOX] = "sandbox",
};
VT_ENUM_TABLE(caps_names, VT_QEMU_CAP_COUNT);

/* "<list member>.<key> == value" questions that each decide one capability. */
static const struct {
    VtQemuCap cap;
    CapsQuestion question;
    const char *key, *value;
} caps_listed[] = {
    { VT_QEMU_CAP_VIRTIO_NET_FAILOVER, CAPS_Q_VIRTIO_NET, "name", "failover" },
    { VT_QEMU_CAP_VFIO_FAILOVER_PAIR, CAPS_Q_VFIO, "name", "failover_pair_id" },
    { VT_QEMU_CAP_NET_FAILOVER_PAIR, CAPS_Q_E1000E, "name", "failover_pair_id" },
    { VT_QEMU_CAP_NET_FAILOVER_PAIR, CAPS_Q_VMXNET3, "name", "failover_pair_id" },
    { VT_QEMU_CAP_QUERY_VIRTIO_STATUS, CAPS_Q_COMMANDS, "name", "x-query-virtio-status" },
    { VT_QEMU_CAP_PAUSE_BEFORE_SWITCHOVER, CAPS_Q_MIGRATE, "capability", "pause-before-switchover" },
    { VT_QEMU_CAP_SANDBOX, CAPS_Q_OPTIONS, "option", "sandbox" },
    { VT_QEMU_CAP_TCG, CAPS_Q_ACCELS, "name", "tcg-accel" },
    { VT_QEMU_CAP_VMXNET3, CAPS_Q_TYPES, "name", "vmxnet3" },
    { VT_QEMU_CAP_E1000E, CAPS_Q_TYPES, "name", "e1000e" },
    { VT_QEMU_CAP_IGB, CAPS_Q_TYPES, "name", "igb" },
};

/* Reference counts stand before the public struct, so that its members stay plain data. */
typedef struct {
    gatomicrefcount refs;
    VtQemuCaps caps;
} CapsBox;

static CapsBox *
caps_box(VtQemuCaps *caps)
{
    return (CapsBox *)((char *)caps - G_STRUCT_OFFSET(CapsBox, caps));
}

static void
caps_machine_free(gpointer data)
{
    VtQemuMachine *machine = data;

    g_free(machine->name);
    g_free(machine->canonical);
    g_free(machine->default_cpu);
    g_free(machine->ram_id);
    g_free(machine);
}

static void
caps_cpu_free(gpointer data)
{
    VtQemuCpu *cpu = data;

    g_free(cpu->name);
    g_strfreev(cpu->blockers);
    g_free(cpu);
}

static VtQemuCaps *
caps_new(const char *binary)
{
    CapsBox *box = g_new0(CapsBox, 1);

    g_atomic_ref_count_init(&box->refs);
    box->caps.binary = g_strdup(binary);
    box->caps.machines = g_ptr_array_new_with_free_func(caps_machine_free);
    box->caps.cpus = g_ptr_array_new_with_free_func(caps_cpu_free);
    box->caps.devices = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return &box->caps;
}

VtQemuCaps *
vt_qemu_caps_ref(VtQemuCaps *caps)
{
    g_atomic_ref_count_inc(&caps_box(caps)->refs);
    return caps;
}

void
vt_qemu_caps_unref(VtQemuCaps *caps)
{
    if (!caps || !g_atomic_ref_count_dec(&caps_box(caps)->refs))
        return;
    g_free(caps->binary);
    g_free(caps->package);
    g_free(caps->arch);
    g_ptr_array_unref(caps->machines);
    g_ptr_array_unref(caps->cpus);
    g_hash_table_unref(caps->devices);
    g_free(caps_box(caps));
}

const char *const *
vt_qemu_caps_commands(void)
{
    return caps_commands;
}

const char *
vt_qemu_cap_name(VtQemuCap cap)
{
    return vt_enum_name(caps_names, VT_QEMU_CAP_COUNT, (int)cap);
}

const VtQemuMachine *
vt_qemu_caps_find_machine(const VtQemuCaps *caps, const char *name)
{
    guint i;

    for (i = 0; name && i < caps->machines->len; i++) {
        const VtQemuMachine *machine = caps->machines->pdata[i];

        if (g_str_equal(machine->name, name))
            return machine->canonical ? vt_qemu_caps_find_machine(caps, machine->canonical) : machine;
    }
    return NULL;
}

const char *
vt_qemu_caps_machine(const VtQemuCaps *caps, const char *name)
{
    const VtQemuMachine *machine = vt_qemu_caps_find_machine(caps, name);

    return machine ? machine->name : NULL;
}

gboolean
vt_qemu_caps_has_device(const VtQemuCaps *caps, const char *driver)
{
    return g_hash_table_contains(caps->devices, driver);
}

/* ---- typed reads that never warn about a member of another type ---- */

static JsonObject *
caps_object(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static JsonArray *
caps_array(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

static JsonObject *
caps_element(JsonArray *array, guint i)
{
    return caps_object(json_array_get_element(array, i));
}

static JsonNode *
caps_member(JsonObject *object, const char *name, GType type)
{
    JsonNode *node = object ? json_object_get_member(object, name) : NULL;

    if (!node || !JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != type)
        return NULL;
    return node;
}

static const char *
caps_string(JsonObject *object, const char *name)
{
    JsonNode *node = caps_member(object, name, G_TYPE_STRING);

    return node ? json_node_get_string(node) : NULL;
}

static gint64
caps_int(JsonObject *object, const char *name)
{
    JsonNode *node = caps_member(object, name, G_TYPE_INT64);

    return node ? json_node_get_int(node) : 0;
}

static gboolean
caps_bool(JsonObject *object, const char *name)
{
    JsonNode *node = caps_member(object, name, G_TYPE_BOOLEAN);

    return node && json_node_get_boolean(node);
}

static JsonArray *
caps_member_array(JsonObject *object, const char *name)
{
    return object ? caps_array(json_object_get_member(object, name)) : NULL;
}

static char **
caps_strv(JsonArray *array)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new();
    guint i, n = array ? json_array_get_length(array) : 0;

    for (i = 0; i < n; i++) {
        JsonNode *node = json_array_get_element(array, i);

        if (JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING)
            g_ptr_array_add(list, g_strdup(json_node_get_string(node)));
    }
    g_ptr_array_add(list, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&list), FALSE);
}

/* ---- QEMU's replies ---- */

/* "qemu64-x86_64-cpu" -> "qemu64" */
static char *
caps_cpu_name(const char *type, const char *arch)
{
    g_autofree char *suffix = g_strdup_printf("-%s-cpu", arch);

    if (!type || !g_str_has_suffix(type, suffix))
        return NULL;
    return g_strndup(type, strlen(type) - strlen(suffix));
}

static void
caps_add_machine(VtQemuCaps *caps, JsonObject *from)
{
    const char *name = caps_string(from, "name"), *alias = caps_string(from, "alias");
    VtQemuMachine *machine;

    if (!name)
        return;
    machine = g_new0(VtQemuMachine, 1);
    machine->name = g_strdup(name);
    machine->default_cpu = caps_cpu_name(caps_string(from, "default-cpu-type"), caps->arch);
    machine->ram_id = g_strdup(caps_string(from, "default-ram-id"));
    machine->max_cpus = (guint)CLAMP(caps_int(from, "cpu-max"), 1, G_MAXUINT16);
    machine->hotpluggable_cpus = caps_bool(from, "hotpluggable-cpus");
    machine->deprecated = caps_bool(from, "deprecated");
    machine->is_default = caps_bool(from, "is-default");
    g_ptr_array_add(caps->machines, machine);

    if (alias) {
        VtQemuMachine *second = g_new0(VtQemuMachine, 1);

        *second = *machine;
        second->name = g_strdup(alias);
        second->canonical = g_strdup(name);
        second->default_cpu = g_strdup(machine->default_cpu);
        second->ram_id = g_strdup(machine->ram_id);
        machine->is_default = FALSE; /* the alias is what is shown as the default */
        g_ptr_array_add(caps->machines, second);
    }
}

static void
caps_add_cpu(VtQemuCaps *caps, JsonObject *from)
{
    const char *name = caps_string(from, "name");
    JsonArray *blockers = caps_member_array(from, "unavailable-features");
    VtQemuCpu *cpu;

    if (!name)
        return;
    cpu = g_new0(VtQemuCpu, 1);
    cpu->name = g_strdup(name);
    cpu->usable = blockers ? json_array_get_length(blockers) == 0 : -1;
    if (cpu->usable == 0)
        cpu->blockers = caps_strv(blockers);
    g_ptr_array_add(caps->cpus, cpu);
}

static gboolean
caps_list_has(JsonNode *reply, const char *key, const char *value)
{
    JsonArray *array = caps_array(reply);
    guint i, n = array ? json_array_get_length(array) : 0;

    for (i = 0; i < n; i++)
        if (g_strcmp0(caps_string(caps_element(array, i), key), value) == 0)
            return TRUE;
    return FALSE;
}

static gint
caps_compare_machines(gconstpointer a, gconstpointer b)
{
    return strcmp((*(VtQemuMachine *const *)a)->name, (*(VtQemuMachine *const *)b)->name);
}

static gint
caps_compare_cpus(gconstpointer a, gconstpointer b)
{
    return strcmp((*(VtQemuCpu *const *)a)->name, (*(VtQemuCpu *const *)b)->name);
}

VtQemuCaps *
vt_qemu_caps_from_replies(const char *binary, JsonNode *const *replies, gsize n, GError **error)
{
    g_autoptr(VtQemuCaps) caps = caps_new(binary);
    JsonObject *version = n == CAPS_Q_COUNT ? caps_object(replies[CAPS_Q_VERSION]) : NULL;
    JsonObject *numbers = version ? caps_object(json_object_get_member(version, "qemu")) : NULL;
    const char *arch = n == CAPS_Q_COUNT ? caps_string(caps_object(replies[CAPS_Q_TARGET]), "arch") : NULL;
    JsonArray *list;
    guint i;

    if (!numbers || !arch || !caps_array(replies[CAPS_Q_MACHINES]) || !caps_array(replies[CAPS_Q_TYPES])) {
        vt_error_set(error, VT_ERROR_INTERNAL,
                     _("the emulator '%s' answers query-version, query-target, query-machines or "
                       "qom-list-types in a form that is not known"),
                     binary);
        return NULL;
    }
    caps->version =
        (guint)(CLAMP(caps_int(numbers, "major"), 0, 999) * 1000000 +
                CLAMP(caps_int(numbers, "minor"), 0, 999) * 1000 + CLAMP(caps_int(numbers, "micro"), 0, 999));
    caps->package = g_strdup(caps_string(version, "package"));
    caps->arch = g_strdup(arch);

    list = caps_array(replies[CAPS_Q_MACHINES]);
    for (i = 0; i < json_array_get_length(list); i++)
        caps_add_machine(caps, caps_element(list, i));
    list = caps_array(replies[CAPS_Q_CPUS]);
    for (i = 0; list && i < json_array_get_length(list); i++)
        caps_add_cpu(caps, caps_element(list, i));
    list = caps_array(replies[CAPS_Q_TYPES]);
    for (i = 0; i < json_array_get_length(list); i++) {
        const char *name = caps_string(caps_element(list, i), "name");

        if (name && !g_str_has_suffix(name, "-cpu"))
            g_hash_table_add(caps->devices, g_strdup(name));
    }
    g_ptr_array_sort(caps->machines, caps_compare_machines);
    g_ptr_array_sort(caps->cpus, caps_compare_cpus);

    for (i = 0; i < G_N_ELEMENTS(caps_listed); i++)
        if (caps_list_has(replies[caps_listed[i].question], caps_listed[i].key, caps_listed[i].value))
            caps->caps[caps_listed[i].cap] = TRUE;
    caps->caps[VT_QEMU_CAP_KVM] = caps_bool(caps_object(replies[CAPS_Q_KVM]), "present");
    return g_steal_pointer(&caps);
}

/* ---- the cache's form ---- */

static void
caps_write_string(JsonBuilder *builder, const char *name, const char *value)
{
    if (!value)
        return;
    json_builder_set_member_name(builder, name);
    json_builder_add_string_value(builder, value);
}

static void
caps_write_flag(JsonBuilder *builder, const char *name, gboolean value)
{
    if (!value)
        return;
    json_builder_set_member_name(builder, name);
    json_builder_add_boolean_value(builder, TRUE);
}

static void
caps_write_int(JsonBuilder *builder, const char *name, gint64 value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_int_value(builder, value);
}

static void
caps_write_machines(JsonBuilder *builder, const VtQemuCaps *caps)
{
    guint i;

    json_builder_set_member_name(builder, "machines");
    json_builder_begin_array(builder);
    for (i = 0; i < caps->machines->len; i++) {
        const VtQemuMachine *machine = caps->machines->pdata[i];

        json_builder_begin_object(builder);
        caps_write_string(builder, "name", machine->name);
        caps_write_string(builder, "canonical", machine->canonical);
        caps_write_string(builder, "default-cpu", machine->default_cpu);
        caps_write_string(builder, "ram-id", machine->ram_id);
        caps_write_int(builder, "max-cpus", machine->max_cpus);
        caps_write_flag(builder, "hotpluggable-cpus", machine->hotpluggable_cpus);
        caps_write_flag(builder, "deprecated", machine->deprecated);
        caps_write_flag(builder, "default", machine->is_default);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

static void
caps_write_cpus(JsonBuilder *builder, const VtQemuCaps *caps)
{
    guint i, j;

    json_builder_set_member_name(builder, "cpus");
    json_builder_begin_array(builder);
    for (i = 0; i < caps->cpus->len; i++) {
        const VtQemuCpu *cpu = caps->cpus->pdata[i];

        json_builder_begin_object(builder);
        caps_write_string(builder, "name", cpu->name);
        caps_write_int(builder, "usable", cpu->usable);
        if (cpu->blockers) {
            json_builder_set_member_name(builder, "blockers");
            json_builder_begin_array(builder);
            for (j = 0; cpu->blockers[j]; j++)
                json_builder_add_string_value(builder, cpu->blockers[j]);
            json_builder_end_array(builder);
        }
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

static void
caps_write(JsonBuilder *builder, const VtQemuCaps *caps)
{
    g_autoptr(GList) devices = g_list_sort(g_hash_table_get_keys(caps->devices), (GCompareFunc)strcmp);
    GList *l;
    guint i;

    caps_write_int(builder, "format", CAPS_FORMAT);
    caps_write_string(builder, "binary", caps->binary);
    caps_write_int(builder, "version", caps->version);
    caps_write_string(builder, "package", caps->package);
    caps_write_string(builder, "arch", caps->arch);
    json_builder_set_member_name(builder, "capabilities");
    json_builder_begin_array(builder);
    for (i = 0; i < VT_QEMU_CAP_COUNT; i++)
        if (caps->caps[i])
            json_builder_add_string_value(builder, caps_names[i]);
    json_builder_end_array(builder);
    caps_write_machines(builder, caps);
    caps_write_cpus(builder, caps);
    json_builder_set_member_name(builder, "devices");
    json_builder_begin_array(builder);
    for (l = devices; l; l = l->next)
        json_builder_add_string_value(builder, l->data);
    json_builder_end_array(builder);
}

char *
vt_qemu_caps_to_json(const VtQemuCaps *caps)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(JsonNode) root = NULL;

    json_builder_begin_object(builder);
    caps_write(builder, caps);
    json_builder_end_object(builder);
    root = json_builder_get_root(builder);
    return json_to_string(root, TRUE);
}

static void
caps_read_machine(VtQemuCaps *caps, JsonObject *from)
{
    VtQemuMachine *machine = g_new0(VtQemuMachine, 1);

    machine->name = g_strdup(caps_string(from, "name"));
    machine->canonical = g_strdup(caps_string(from, "canonical"));
    machine->default_cpu = g_strdup(caps_string(from, "default-cpu"));
    machine->ram_id = g_strdup(caps_string(from, "ram-id"));
    machine->max_cpus = (guint)CLAMP(caps_int(from, "max-cpus"), 1, G_MAXUINT16);
    machine->hotpluggable_cpus = caps_bool(from, "hotpluggable-cpus");
    machine->deprecated = caps_bool(from, "deprecated");
    machine->is_default = caps_bool(from, "default");
    /* An alias of itself would be looked up for ever. */
    if (!machine->name || g_strcmp0(machine->canonical, machine->name) == 0 ||
        (machine->canonical && vt_qemu_caps_find_machine(caps, machine->name)))
        caps_machine_free(machine);
    else
        g_ptr_array_add(caps->machines, machine);
}

static void
caps_read_cpu(VtQemuCaps *caps, JsonObject *from)
{
    JsonArray *blockers = caps_member_array(from, "blockers");
    VtQemuCpu *cpu;

    if (!caps_string(from, "name"))
        return;
    cpu = g_new0(VtQemuCpu, 1);
    cpu->name = g_strdup(caps_string(from, "name"));
    cpu->usable = (int)CLAMP(caps_int(from, "usable"), -1, 1);
    if (blockers)
        cpu->blockers = caps_strv(blockers);
    g_ptr_array_add(caps->cpus, cpu);
}

/* Aliases may only lead to a machine that is no alias itself. */
static void
caps_drop_bad_aliases(VtQemuCaps *caps)
{
    guint i, j;

    for (i = 0; i < caps->machines->len;) {
        const VtQemuMachine *machine = caps->machines->pdata[i];
        gboolean good = !machine->canonical;

        for (j = 0; !good && j < caps->machines->len; j++) {
            const VtQemuMachine *other = caps->machines->pdata[j];

            good = !other->canonical && g_str_equal(other->name, machine->canonical);
        }
        if (good)
            i++;
        else
            g_ptr_array_remove_index(caps->machines, i);
    }
}

static VtQemuCaps *
caps_read(JsonObject *from)
{
    g_autoptr(VtQemuCaps) caps = NULL;
    g_auto(GStrv) names = caps_strv(caps_member_array(from, "capabilities"));
    g_auto(GStrv) devices = caps_strv(caps_member_array(from, "devices"));
    gint64 version = caps_int(from, "version");
    JsonArray *list;
    guint i;

    if (caps_int(from, "format") != CAPS_FORMAT || !caps_string(from, "binary") ||
        !caps_string(from, "arch") || version <= 0 || version > G_MAXINT32 ||
        !caps_member_array(from, "machines"))
        return NULL;
    caps = caps_new(caps_string(from, "binary"));
    caps->version = (guint)version;
    caps->package = g_strdup(caps_string(from, "package"));
    caps->arch = g_strdup(caps_string(from, "arch"));
    for (i = 0; names[i]; i++) {
        int cap = vt_enum_value(caps_names, VT_QEMU_CAP_COUNT, names[i]);

        if (cap >= 0)
            caps->caps[cap] = TRUE;
    }
    for (i = 0; devices[i]; i++)
        g_hash_table_add(caps->devices, g_strdup(devices[i]));
    list = caps_member_array(from, "machines");
    for (i = 0; i < json_array_get_length(list); i++)
        caps_read_machine(caps, caps_element(list, i));
    caps_drop_bad_aliases(caps);
    list = caps_member_array(from, "cpus");
    for (i = 0; list && i < json_array_get_length(list); i++)
        caps_read_cpu(caps, caps_element(list, i));
    return g_steal_pointer(&caps);
}

VtQemuCaps *
vt_qemu_caps_from_json(const char *json, GError **error)
{
    g_autoptr(JsonNode) root = strlen(json) <= CAPS_FILE_MAX ? vt_json_parse(json, strlen(json), NULL) : NULL;
    JsonObject *object = caps_object(root);
    VtQemuCaps *caps = object ? caps_read(object) : NULL;

    if (!caps)
        vt_error_set(error, VT_ERROR_INVALID_ARG, "this is no capabilities file of format %d", CAPS_FORMAT);
    return caps;
}

/* ---- the cache ---- */

static gboolean
caps_can_open(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* Everything that makes an earlier answer worthless; KVM decides which CPU models are usable. */
static char *
caps_key(const char *binary, const struct stat *st)
{
    return g_strdup_printf("%s %" G_GINT64_FORMAT " %" G_GINT64_FORMAT ".%09ld %" G_GUINT64_FORMAT
                           " %s kvm=%d",
                           binary, (gint64)st->st_size, (gint64)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
                           (guint64)st->st_ino, VT_VERSION, caps_can_open("/dev/kvm"));
}

static VtQemuCaps *
caps_cache_read(const char *path, const char *key)
{
    g_autofree char *text = NULL;
    g_autoptr(JsonNode) root = NULL;
    JsonObject *object;
    GStatBuf st;

    if (g_stat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > CAPS_FILE_MAX ||
        !g_file_get_contents(path, &text, NULL, NULL))
        return NULL;
    root = vt_json_parse(text, strlen(text), NULL);
    object = caps_object(root);
    if (!object || g_strcmp0(caps_string(object, "key"), key) != 0)
        return NULL;
    return caps_read(object);
}

static void
caps_cache_write(const char *path, const char *key, const VtQemuCaps *caps)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(JsonNode) root = NULL;
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    json_builder_begin_object(builder);
    caps_write_string(builder, "key", key);
    caps_write(builder, caps);
    json_builder_end_object(builder);
    root = json_builder_get_root(builder);
    text = json_to_string(root, TRUE);
    /* Only a shortcut: the next start probes again where it cannot be written. */
    if (!g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error))
        g_debug("cannot write '%s': %s", path, error->message);
}

static VtQemuCaps *
caps_ask(const char *binary, GError **error)
{
    g_autoptr(GPtrArray) replies = vt_probe_run(binary, caps_commands, CAPS_PROBE_TIMEOUT_MS, error);

    if (!replies)
        return NULL;
    return vt_qemu_caps_from_replies(binary, (JsonNode *const *)replies->pdata, replies->len, error);
}

VtQemuCaps *
vt_qemu_caps_probe(const char *binary, const char *cache_dir, GError **error)
{
    g_autoptr(VtQemuCaps) caps = NULL;
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, binary, -1);
    g_autofree char *name = g_strdup_printf("caps-%.16s.json", sum);
    g_autofree char *path = cache_dir ? g_build_filename(cache_dir, name, NULL) : NULL;
    g_autofree char *key = NULL;
    GStatBuf st;

    if (g_stat(binary, &st) < 0) {
        vt_error_set_errno(error, errno, _("cannot find the emulator '%s'"), binary);
        return NULL;
    }
    key = caps_key(binary, &st);
    if (path)
        caps = caps_cache_read(path, key);
    if (!caps) {
        caps = caps_ask(binary, error);
        if (!caps)
            return NULL;
        if (path && g_mkdir_with_parents(cache_dir, 0700) == 0)
            caps_cache_write(path, key, caps);
    }
    caps->caps[VT_QEMU_CAP_KVM] = caps->caps[VT_QEMU_CAP_KVM] && caps_can_open("/dev/kvm");
    caps->caps[VT_QEMU_CAP_VHOST_NET] = caps_can_open("/dev/vhost-net");
    return g_steal_pointer(&caps);
}
