/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Title, description, and the elements in <metadata> (conf/metadata), of the running guest, its configuration, or
 * both. What comes out is judged as a whole before anything is changed; a running guest's team uses it from the
 * next operation on.
 */
#include <string.h>
#include "conf/metadata.h"
#include "conf/teaming.h"
#include "conf/validate.h"
#include "driver/domain-private.h"
#include "driver/event.h"
#include "driver/query.h"
#include "driver/store-def.h"
#include "qemu/orchestration.h"
#include "util/i18n.h"

/* virDomainMetadataType */
enum {
    METADATA_DESCRIPTION = 0,
    METADATA_TITLE = 1,
    METADATA_ELEMENT = 2,
};

/* virDomainModificationImpact */
enum {
    AFFECT_CURRENT = 0,
    AFFECT_LIVE = 1 << 0,
    AFFECT_CONFIG = 1 << 1,
};

/* Which definitions a call speaks of; FALSE where there is none such. */
static gboolean
metadata_targets(VtDomain *domain, guint flags, VtDomainDef **live, VtDomainDef **config, GError **error)
{
    gboolean active = vt_domain_is_active(domain) && domain->live;

    if (flags & ~(guint)(AFFECT_LIVE | AFFECT_CONFIG))
        return vt_error_set(error, VT_ERROR_INVALID_ARG, _("unsupported flags (0x%x) with metadata"), flags);
    if (flags == AFFECT_CURRENT)
        flags = active ? AFFECT_LIVE : AFFECT_CONFIG;
    if (flags & AFFECT_LIVE && !active)
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID, _("domain is not running"));
    if (flags & AFFECT_CONFIG && !domain->persistent)
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID,
                            _("transient domains do not have any persistent config"));
    *live = flags & AFFECT_LIVE ? domain->live : NULL;
    *config = flags & AFFECT_CONFIG ? domain->persistent : NULL;
    return TRUE;
}

static char *
metadata_get_element(const VtDomainDef *def, const char *uri, GError **error)
{
    if (uri && uri[0])
        return vt_metadata_get(def, uri, error);
    vt_error_set(error, VT_ERROR_INVALID_ARG, _("the URI of the metadata element is missing"));
    return NULL;
}

char *
vt_query_metadata(VtDriver *driver, VtDomain *domain, int type, const char *uri, guint flags, GError **error)
{
    VtDomainDef *live = NULL, *config = NULL;
    const VtDomainDef *def;
    const char *text;

    if (flags == (AFFECT_LIVE | AFFECT_CONFIG)) {
        vt_error_set(error, VT_ERROR_INVALID_ARG,
                     _("the flags for live and for config are mutually exclusive"));
        return NULL;
    }
    if (!metadata_targets(domain, flags, &live, &config, error))
        return NULL;
    def = live ? live : config;
    if (type == METADATA_ELEMENT)
        return metadata_get_element(def, uri, error);
    if (type != METADATA_TITLE && type != METADATA_DESCRIPTION) {
        vt_error_set(error, VT_ERROR_INVALID_ARG, _("unknown metadata type %d"), type);
        return NULL;
    }
    text = type == METADATA_TITLE ? def->title : def->description;
    if (!text)
        vt_error_set(error, VT_ERROR_NO_METADATA, _("Requested metadata element is not present"));
    return g_strdup(text);
}

/* ---- writing ---- */

static gboolean
metadata_apply(VtDomainDef *def, const VtMetadataChange *change, GError **error)
{
    char **field = change->type == METADATA_TITLE ? &def->title : &def->description;

    if (change->type == METADATA_ELEMENT)
        return vt_metadata_set(def, change->key, change->uri, change->text, error) &&
               vt_validate_first(def, error);
    g_free(*field);
    *field = change->text && change->text[0] ? g_strdup(change->text) : NULL;
    return vt_validate_first(def, error);
}

/* What XML 1.0 can hold, so that the definition can be read back. */
static gboolean
metadata_check_text(const char *text, GError **error)
{
    if (strlen(text) > VT_METADATA_MAX)
        return vt_error_set(error, VT_ERROR_INVALID_ARG,
                            _("the title or description is larger than %d bytes"), VT_METADATA_MAX);
    if (!g_utf8_validate(text, -1, NULL))
        return vt_error_set(error, VT_ERROR_INVALID_ARG, _("the title or description is not valid UTF-8"));
    for (const char *p = text; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0xfffe || c == 0xffff)
            return vt_error_set(error, VT_ERROR_INVALID_ARG,
                                _("the title or description contains the control character U+%04X"), c);
    }
    return TRUE;
}

static gboolean
metadata_check(const VtMetadataChange *change, GError **error)
{
    if (change->type < METADATA_DESCRIPTION || change->type > METADATA_ELEMENT)
        return vt_error_set(error, VT_ERROR_INVALID_ARG, _("unknown metadata type %d"), change->type);
    if (change->type == METADATA_TITLE && change->text && strchr(change->text, '\n'))
        return vt_error_set(error, VT_ERROR_INVALID_ARG, _("metadata title can't contain newlines"));
    if (change->type != METADATA_ELEMENT && change->text)
        return metadata_check_text(change->text, error);
    return TRUE;
}

static VtOrchestration
metadata_orchestration(const VtDomainDef *def, const char *persistent)
{
    const VtNetDef *net = vt_teaming_find_persistent(def, persistent);
    const VtTeamPolicy *policy = net ? vt_teaming_policy(def, net) : NULL;

    return policy ? policy->orchestration : VT_ORCHESTRATION_DEFAULT;
}

/* What was chosen when the guest booted, or found out since, stays where the new words leave the choice open. */
static gboolean
metadata_keep_teams(const VtDomainDef *was, VtDomainDef *def, GError **error)
{
    g_autoptr(GPtrArray) teams = vt_teaming_teams(was);

    for (guint i = 0; i < teams->len; i++) {
        const char *alias = ((const VtTeam *)g_ptr_array_index(teams, i))->persistent->info.alias;
        VtOrchestration old = metadata_orchestration(was, alias), new = metadata_orchestration(def, alias);

        if ((old == VT_ORCHESTRATION_MANAGEMENT || old == VT_ORCHESTRATION_AUTO) && new != old &&
            (new == VT_ORCHESTRATION_DEFAULT || new == VT_ORCHESTRATION_AUTO) &&
            !vt_orchestration_write(def, alias, old, error))
            return FALSE;
    }
    return TRUE;
}

/* QEMU was started with its primaries one way or the other. */
static gboolean
metadata_check_teams(const VtDomainDef *live, const VtDomainDef *tried, GError **error)
{
    g_autoptr(GPtrArray) teams = vt_teaming_teams(live);

    for (guint i = 0; i < teams->len; i++) {
        const VtTeam *team = g_ptr_array_index(teams, i);
        const char *alias = team->persistent->info.alias;
        gboolean was = metadata_orchestration(live, alias) == VT_ORCHESTRATION_MANAGEMENT;

        if (was != (metadata_orchestration(tried, alias) == VT_ORCHESTRATION_MANAGEMENT))
            return vt_error_set(
                error, VT_ERROR_OPERATION_INVALID,
                _("who unplugs the primary of team '%s' cannot change while the guest runs: set "
                  "its orchestration with --config, for the next start"),
                alias);
    }
    return TRUE;
}

/* What is to be set, until the disk has it. */
typedef struct {
    VtDriver *driver;
    VtDomain *domain; /* with a reference */
    VtMetadataChange change;
    gboolean live;
    VtDoneFunc done;
    gpointer user;
} MetadataSet;

static void
metadata_end(MetadataSet *set, const GError *error)
{
    set->done(set->user, error);
    vt_domain_unref(set->domain);
    g_free((char *)set->change.text);
    g_free((char *)set->change.key);
    g_free((char *)set->change.uri);
    g_free(set);
}

/* Judged as a whole on a copy, which is returned; nothing has changed. */
static VtDomainDef *
metadata_try_live(const VtDomainDef *live, const VtMetadataChange *change, GError **error)
{
    g_autoptr(VtDomainDef) tried = vt_domain_def_copy(live);

    if (!metadata_apply(tried, change, error) || !metadata_keep_teams(live, tried, error) ||
        !metadata_check_teams(live, tried, error))
        return NULL;
    return g_steal_pointer(&tried);
}

static gboolean
metadata_apply_live(const MetadataSet *set, GError **error)
{
    VtDomainDef *live = vt_domain_is_active(set->domain) ? set->domain->live : NULL;
    g_autoptr(VtDomainDef) booted = live ? vt_domain_def_copy(live) : NULL;
    g_autoptr(VtDomainDef) tried = NULL;

    if (!live)
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID, _("domain is not running"));
    tried = metadata_try_live(live, &set->change, error);
    if (!tried || !metadata_apply(live, &set->change, error) || !metadata_keep_teams(booted, live, error))
        return FALSE;
    vt_domain_status_changed(set->domain);
    return TRUE;
}

static void
metadata_saved(gpointer user, const GError *error)
{
    MetadataSet *set = user;
    g_autoptr(GError) local = NULL;

    if (error || (set->live && !metadata_apply_live(set, &local))) {
        metadata_end(set, error ? error : local);
        return;
    }
    vt_event_metadata(set->driver, set->domain, set->change.type,
                      set->change.type == METADATA_ELEMENT ? set->change.uri : NULL);
    metadata_end(set, NULL);
}

void
vt_query_set_metadata(VtDriver *driver, VtDomain *domain, const VtMetadataChange *change, VtDoneFunc done,
                      gpointer user)
{
    VtDomainDef *live = NULL, *config = NULL;
    g_autoptr(VtDomainDef) tried = NULL, changed = NULL, former = NULL;
    g_autoptr(GError) error = NULL;
    MetadataSet *set;

    /* Both or neither: the running guest's definition is tried on a copy before the file is written. */
    if (metadata_check(change, &error) && metadata_targets(domain, change->flags, &live, &config, &error)) {
        tried = live ? metadata_try_live(live, change, &error) : NULL;
        changed = config && !error ? vt_domain_def_copy(config) : NULL;
        if (changed)
            metadata_apply(changed, change, &error);
    }
    if (error) {
        done(user, error);
        return;
    }
    set = g_new0(MetadataSet, 1);
    set->driver = driver;
    set->domain = vt_domain_ref(domain);
    set->change = (VtMetadataChange){ .type = change->type,
                                      .text = g_strdup(change->text),
                                      .key = g_strdup(change->key),
                                      .uri = g_strdup(change->uri) };
    set->live = live != NULL;
    set->done = done;
    set->user = user;
    if (!changed) {
        metadata_saved(set, NULL);
        return;
    }
    former = vt_domain_def_copy(config);
    vt_domain_set_persistent_def(domain, g_steal_pointer(&changed));
    vt_store_def_save(driver, domain, g_steal_pointer(&former), metadata_saved, set);
}
