/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/mig-params.h"

#include <string.h>

#include "util/i18n.h"
#include "util/json.h"
#include "util/units.h"

/* ---- flags ---- */

typedef struct {
    guint flag;
    const char *name;   /* virsh's option */
    const char *refuse; /* (nullable) why not, and what to do */
} MigFlagRow;

static const MigFlagRow mig_flags[] = {
    { .flag = VT_MIG_FLAG_LIVE, .name = "live" },
    { .flag = VT_MIG_FLAG_PEER2PEER,
      .name = "p2p",
      .refuse = N_("this daemon does not connect to others; leave --p2p away") },
    { .flag = VT_MIG_FLAG_TUNNELLED,
      .name = "tunnelled",
      .refuse = N_("migration data goes over a socket of QEMU's; leave --tunnelled away") },
    { .flag = VT_MIG_FLAG_PERSIST_DEST, .name = "persistent" },
    { .flag = VT_MIG_FLAG_UNDEFINE_SOURCE, .name = "undefinesource" },
    { .flag = VT_MIG_FLAG_PAUSED, .name = "suspend" },
    { .flag = 1 << 6,
      .name = "copy-storage-all",
      .refuse = N_("disks are not copied; put them on storage that both hosts share") },
    { .flag = 1 << 7,
      .name = "copy-storage-inc",
      .refuse = N_("disks are not copied; put them on storage that both hosts share") },
    { .flag = VT_MIG_FLAG_CHANGE_PROTECTION, .name = "change-protection" },
    { .flag = VT_MIG_FLAG_UNSAFE, .name = "unsafe" },
    { .flag = 1 << 10,
      .name = "offline",
      .refuse = N_("copy the definition with 'virsh dumpxml' and 'virsh define' instead") },
    { .flag = 1 << 11, .name = "compressed", .refuse = N_("leave --compressed away") },
    { .flag = VT_MIG_FLAG_ABORT_ON_ERROR, .name = "abort-on-error" },
    { .flag = VT_MIG_FLAG_AUTO_CONVERGE, .name = "auto-converge" },
    { .flag = 1 << 14,
      .name = "rdma-pin-all",
      .refuse = N_("RDMA is not supported; leave --rdma-pin-all away") },
    { .flag = 1 << 15,
      .name = "postcopy",
      .refuse = N_("a guest that half runs on each host cannot be brought back; use --auto-converge") },
    { .flag = 1 << 16, .name = "tls", .refuse = N_("use a network between the hosts that you trust") },
    { .flag = 1 << 17, .name = "parallel", .refuse = N_("leave --parallel away") },
    { .flag = 1 << 18, .name = "copy-storage-synchronous-writes", .refuse = N_("disks are not copied") },
    { .flag = 1 << 19, .name = "postcopy-resume", .refuse = N_("there is no post-copy to resume") },
    { .flag = 1 << 20, .name = "zerocopy", .refuse = N_("leave --zerocopy away") },
};

static gboolean
mig_params_check_flags(guint flags, GError **error)
{
    guint known = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(mig_flags); i++) {
        known |= mig_flags[i].flag;
        if ((flags & mig_flags[i].flag) && mig_flags[i].refuse)
            return vt_error_set(error, VT_ERROR_UNSUPPORTED, _("migration with '%s' is not supported: %s"),
                                mig_flags[i].name, _(mig_flags[i].refuse));
    }
    if (flags & ~known)
        return vt_error_set(error, VT_ERROR_INVALID_ARG, _("the migration flags 0x%x are not known"),
                            flags & ~known);
    return TRUE;
}

/* ---- typed parameters ---- */

static const VtParamSpec mig_param_specs[] = {
    { .field = "migrate_uri", .type = VT_PARAM_STRING },
    { .field = "destination_name", .type = VT_PARAM_STRING },
    { .field = "destination_xml", .type = VT_PARAM_STRING },
    { .field = "persistent_xml", .type = VT_PARAM_STRING },
    { .field = "listen_address", .type = VT_PARAM_STRING },
    { .field = "bandwidth", .type = VT_PARAM_ULLONG },
    { .field = "auto_converge.initial", .type = VT_PARAM_INT },
    { .field = "auto_converge.increment", .type = VT_PARAM_INT },
};

/* Parameters that libvirt knows, so that they are refused by name and not as typing errors. */
static const char *const mig_params_refused[] = {
    "graphics_uri",
    "migrate_disks",
    "migrate_disks_detect_zeroes",
    "disks_port",
    "disks_uri",
    "compression",
    "compression.mt.level",
    "compression.mt.threads",
    "compression.mt.dthreads",
    "compression.xbzrle.cache",
    "compression.zlib.level",
    "compression.zstd.level",
    "bandwidth.postcopy",
    "bandwidth.avail.switchover",
    "parallel.connections",
    "tls.destination",
};

static gboolean
mig_params_check_names(const VtTypedParams *params, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(mig_params_refused); i++)
        if (vt_typed_params_get(params, mig_params_refused[i]))
            return vt_error_set(error, VT_ERROR_UNSUPPORTED,
                                _("the migration parameter '%s' is not supported; leave it away"),
                                mig_params_refused[i]);
    return vt_typed_params_check(params, mig_param_specs, G_N_ELEMENTS(mig_param_specs), error);
}

static gboolean
mig_params_get_percent(const VtTypedParams *params, const char *field, int *value, GError **error)
{
    gint32 said;

    if (!vt_typed_params_get_int(params, field, &said))
        return TRUE;
    if (said < 1 || said > 99)
        return vt_error_set(error, VT_ERROR_INVALID_ARG, _("the migration parameter '%s' is %d, not 1 to 99"),
                            field, said);
    *value = said;
    return TRUE;
}

VtMigParams *
vt_mig_params_parse(const VtTypedParams *params, guint flags, GError **error)
{
    g_autoptr(VtMigParams) parsed = g_new0(VtMigParams, 1);

    if (!mig_params_check_flags(flags, error))
        return NULL;
    parsed->flags = flags;
    if (!params)
        return g_steal_pointer(&parsed);
    if (!mig_params_check_names(params, error))
        return NULL;
    parsed->migrate_uri = g_strdup(vt_typed_params_get_string(params, "migrate_uri"));
    parsed->destination_name = g_strdup(vt_typed_params_get_string(params, "destination_name"));
    parsed->destination_xml = g_strdup(vt_typed_params_get_string(params, "destination_xml"));
    parsed->persistent_xml = g_strdup(vt_typed_params_get_string(params, "persistent_xml"));
    parsed->listen_address = g_strdup(vt_typed_params_get_string(params, "listen_address"));
    vt_typed_params_get_ullong(params, "bandwidth", &parsed->bandwidth_mib_per_s);
    if (parsed->bandwidth_mib_per_s > VT_MIG_PARAMS_BANDWIDTH_MAX_MIB) {
        vt_error_set(error, VT_ERROR_INVALID_ARG,
                     _("the migration bandwidth must be at most %" G_GUINT64_FORMAT " MiB/s"),
                     VT_MIG_PARAMS_BANDWIDTH_MAX_MIB);
        return NULL;
    }
    if (!mig_params_get_percent(params, "auto_converge.initial", &parsed->converge_initial, error) ||
        !mig_params_get_percent(params, "auto_converge.increment", &parsed->converge_increment, error))
        return NULL;
    if ((parsed->converge_initial || parsed->converge_increment) && !(flags & VT_MIG_FLAG_AUTO_CONVERGE)) {
        vt_error_set(error, VT_ERROR_INVALID_ARG,
                     _("parameters of auto-converge are given without the flag; add --auto-converge"));
        return NULL;
    }
    return g_steal_pointer(&parsed);
}

void
vt_mig_params_free(VtMigParams *params)
{
    if (!params)
        return;
    g_free(params->migrate_uri);
    g_free(params->destination_name);
    g_free(params->destination_xml);
    g_free(params->persistent_xml);
    g_free(params->listen_address);
    g_free(params);
}

/* ---- QEMU's side ---- */

typedef struct {
    const char *name;
    guint parties; /* told to these */
    guint always;  /* on for these */
    guint flag;    /* on when this flag is given; 0: none */
} MigCapabilityRow;

static const MigCapabilityRow mig_capabilities[] = {
    { .name = "events",
      .parties = VT_MIG_PARTY_SOURCE | VT_MIG_PARTY_DESTINATION,
      .always = VT_MIG_PARTY_SOURCE | VT_MIG_PARTY_DESTINATION },
    { .name = "pause-before-switchover", .parties = VT_MIG_PARTY_SOURCE, .always = VT_MIG_PARTY_SOURCE },
    { .name = "auto-converge", .parties = VT_MIG_PARTY_SOURCE, .flag = VT_MIG_FLAG_AUTO_CONVERGE },
    /* The destination takes its image locks when it is resumed, so that until then the source can be. */
    { .name = "late-block-activate",
      .parties = VT_MIG_PARTY_DESTINATION,
      .always = VT_MIG_PARTY_DESTINATION },
    { .name = "xbzrle", .parties = VT_MIG_PARTY_SOURCE | VT_MIG_PARTY_DESTINATION },
    { .name = "postcopy-ram", .parties = VT_MIG_PARTY_SOURCE | VT_MIG_PARTY_DESTINATION },
};

JsonNode *
vt_mig_params_capabilities(const VtMigParams *params, VtMigParty party)
{
    JsonArray *array = json_array_new();

    for (gsize i = 0; i < G_N_ELEMENTS(mig_capabilities); i++) {
        const MigCapabilityRow *row = &mig_capabilities[i];
        gboolean on = params && ((row->always & party) || (params->flags & row->flag));

        if (row->parties & party)
            json_array_add_object_element(array,
                                          vt_json_object_new("s:capability", row->name, "b:state", on, NULL));
    }
    return vt_json_node_new(vt_json_object_new("a:capabilities", array, NULL));
}

static const char *const mig_parameters[] = {
    "max-bandwidth",
    "downtime-limit",
    "cpu-throttle-initial",
    "cpu-throttle-increment",
};

guint64
vt_mig_params_downtime(const VtMigParams *params, const VtMigLimits *limits, guint pass)
{
    /* The limit divided by this in the passes 0 (not begun), 1, 2 and 3; whole from then on. */
    static const guint64 parts[] = { 10, 10, 10, 3 };
    guint64 limit = limits->downtime_ms ? limits->downtime_ms : VT_MIG_PARAMS_DOWNTIME_DEFAULT_MS;

    if (limits->downtime_ms || !(params->flags & VT_MIG_FLAG_LIVE) || pass >= G_N_ELEMENTS(parts))
        return limit;
    return limit / parts[pass];
}

JsonNode *
vt_mig_params_parameters(const VtMigParams *params, const VtMigLimits *limits, guint pass)
{
    guint64 bandwidth = limits->bandwidth_bytes_per_s ? limits->bandwidth_bytes_per_s : G_MAXINT64;
    guint64 downtime = vt_mig_params_downtime(params, limits, pass);
    JsonObject *object =
        vt_json_object_new("l:max-bandwidth", (gint64)MIN(bandwidth, G_MAXINT64), "l:downtime-limit",
                           (gint64)MIN(downtime, VT_MIG_PARAMS_DOWNTIME_MAX_MS), NULL);

    if (params->converge_initial)
        json_object_set_int_member(object, "cpu-throttle-initial", params->converge_initial);
    if (params->converge_increment)
        json_object_set_int_member(object, "cpu-throttle-increment", params->converge_increment);
    return vt_json_node_new(object);
}

JsonNode *
vt_mig_params_saved(JsonNode *current)
{
    g_autoptr(JsonObject) object = json_object_new();

    for (gsize i = 0; i < G_N_ELEMENTS(mig_parameters); i++) {
        gint64 value = vt_json_int_or(current, mig_parameters[i], -1);

        if (value >= 0)
            json_object_set_int_member(object, mig_parameters[i], value);
    }
    return json_object_get_size(object) > 0 ? vt_json_node_new(json_object_ref(object)) : NULL;
}
