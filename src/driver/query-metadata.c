/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Title, description, and the elements in <metadata>. An element belongs to whoever owns its namespace: it is
 * stored with the client's prefix and URI on it, and given back without them, as libvirt does. Our own element
 * (teams) is judged before it is accepted; a running guest's is used from the next operation on.
 */
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <string.h>
#include "conf/teaming-rules.h"
#include "conf/teaming.h"
#include "driver/domain-private.h"
#include "driver/event.h"
#include "driver/query.h"
#include "driver/store.h"
#include "util/i18n.h"
#include "util/xml.h"

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

static gboolean
metadata_has_uri(const xmlNode *node, const char *uri)
{
    return node->type == XML_ELEMENT_NODE && node->ns && node->ns->href &&
           g_strcmp0((const char *)node->ns->href, uri) == 0;
}

/* The children of <metadata> as a document of their own. */
static VtXmlDoc *
metadata_open(const char *children, GError **error)
{
    g_autofree char *text = g_strconcat("<metadata>", children ? children : "", "</metadata>", NULL);

    return vt_xml_parse(text, error);
}

static xmlNode *
metadata_find(VtXmlDoc *doc, const char *uri)
{
    xmlNode *node = xmlDocGetRootElement(doc)->children;

    while (node && !metadata_has_uri(node, uri))
        node = node->next;
    return node;
}

static char *
metadata_node_to_text(VtXmlDoc *doc, xmlNode *node)
{
    xmlBuffer *buffer = xmlBufferCreate();
    char *text = NULL;

    if (buffer && xmlNodeDump(buffer, doc, node, 0, 1) >= 0)
        text = g_strdup((const char *)xmlBufferContent(buffer));
    if (buffer)
        xmlBufferFree(buffer);
    return text ? text : g_strdup("");
}

/* ---- reading ---- */

/* Depth is bounded by the parser. */
static void
metadata_strip_namespace(xmlNode *node, const char *uri)
{
    xmlNs **link = &node->nsDef;

    if (metadata_has_uri(node, uri))
        node->ns = NULL;
    for (xmlNode *child = node->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE)
            metadata_strip_namespace(child, uri);
    }
    for (xmlAttr *attr = node->properties; attr; attr = attr->next) {
        if (attr->ns && g_strcmp0((const char *)attr->ns->href, uri) == 0)
            attr->ns = NULL;
    }
    while (*link) {
        xmlNs *ns = *link;

        if (g_strcmp0((const char *)ns->href, uri) != 0) {
            link = &ns->next;
            continue;
        }
        *link = ns->next;
        xmlFreeNs(ns);
    }
}

static char *
metadata_get_element(const VtDomainDef *def, const char *uri, GError **error)
{
    g_autoptr(VtXmlDoc) doc = NULL;
    xmlNode *node;

    if (!uri) {
        vt_error_set(error, VT_ERROR_INVALID_ARG, _("the URI of the metadata element is missing"));
        return NULL;
    }
    doc = def->metadata ? metadata_open(def->metadata, NULL) : NULL;
    node = doc ? metadata_find(doc, uri) : NULL;
    if (!node) {
        vt_error_set(error, VT_ERROR_NO_METADATA, _("Requested metadata element is not present"));
        return NULL;
    }
    metadata_strip_namespace(node, uri);
    return metadata_node_to_text(doc, node);
}

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

static void
metadata_put_namespace(xmlNode *node, xmlNs *ns)
{
    if (!node->ns)
        node->ns = ns;
    for (xmlNode *child = node->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE)
            metadata_put_namespace(child, ns);
    }
}

/* All children but @uri's, and behind them the new one. */
static char *
metadata_replace(const char *children, const char *fresh, const char *key, const char *uri, GError **error)
{
    g_autoptr(VtXmlDoc) doc = metadata_open(children, error);
    GString *out = g_string_new(NULL);
    xmlNode *node, *next;

    if (!doc)
        return g_string_free(out, TRUE), NULL;
    for (node = xmlDocGetRootElement(doc)->children; node; node = next) {
        g_autofree char *text = NULL;

        next = node->next;
        if (node->type != XML_ELEMENT_NODE || metadata_has_uri(node, uri))
            continue;
        text = metadata_node_to_text(doc, node);
        g_string_append_printf(out, "%s%s", out->len ? "\n" : "", text);
    }
    if (fresh) {
        g_autoptr(VtXmlDoc) added = vt_xml_parse(fresh, error);
        xmlNode *root = added ? xmlDocGetRootElement(added) : NULL;
        g_autofree char *text = NULL;
        xmlNs *ns;

        if (!root)
            return g_string_free(out, TRUE), NULL;
        ns = xmlNewNs(root, (const xmlChar *)uri, (const xmlChar *)key);
        if (!ns) {
            g_string_free(out, TRUE);
            vt_error_set(error, VT_ERROR_INVALID_ARG,
                         _("'%s' cannot be the prefix of the metadata element '%s'"), key, uri);
            return NULL;
        }
        metadata_put_namespace(root, ns);
        text = metadata_node_to_text(added, root);
        g_string_append_printf(out, "%s%s", out->len ? "\n" : "", text);
    }
    return g_string_free(out, FALSE);
}

/* Our own element changes what a team does: read it as define would, and judge the teams with it. */
static gboolean
metadata_update_policies(VtDomainDef *def, GError **error)
{
    g_autoptr(VtXmlDoc) doc = metadata_open(def->metadata, error);
    g_autoptr(GPtrArray) problems = vt_xml_problems_new();
    GPtrArray *former = def->team_policies;
    VtParseContext ctx = { .problems = problems };

    if (!doc)
        return FALSE;
    def->team_policies = g_ptr_array_new_with_free_func((GDestroyNotify)vt_team_policy_free);
    vt_teaming_parse_policies(&ctx, xmlDocGetRootElement(doc), def->team_policies);
    if (problems->len == 0)
        vt_teaming_rules_check(&ctx, def);
    if (problems->len > 0) {
        g_ptr_array_unref(def->team_policies);
        def->team_policies = former;
        g_propagate_error(error, g_error_copy(g_ptr_array_index(problems, 0)));
        return FALSE;
    }
    g_ptr_array_unref(former);
    return TRUE;
}

typedef struct {
    int type;
    const char *text; /* nullable: remove */
    const char *key, *uri;
} MetadataChange;

static gboolean
metadata_apply_element(VtDomainDef *def, const MetadataChange *change, GError **error)
{
    g_autofree char *former = NULL;
    char *fresh = metadata_replace(def->metadata, change->text, change->key, change->uri, error);

    if (!fresh)
        return FALSE;
    if (!fresh[0])
        g_clear_pointer(&fresh, g_free);
    former = def->metadata;
    def->metadata = fresh;
    if (!metadata_update_policies(def, error)) {
        g_free(def->metadata);
        def->metadata = g_steal_pointer(&former);
        return FALSE;
    }
    return TRUE;
}

static gboolean
metadata_apply(VtDomainDef *def, const MetadataChange *change, GError **error)
{
    char **field = change->type == METADATA_TITLE ? &def->title : &def->description;

    if (change->type == METADATA_ELEMENT)
        return metadata_apply_element(def, change, error);
    g_free(*field);
    *field = change->text && change->text[0] ? g_strdup(change->text) : NULL;
    return TRUE;
}

static gboolean
metadata_check(const MetadataChange *change, GError **error)
{
    if (change->type < METADATA_DESCRIPTION || change->type > METADATA_ELEMENT)
        return vt_error_set(error, VT_ERROR_INVALID_ARG, _("unknown metadata type %d"), change->type);
    if (change->type == METADATA_TITLE && change->text && strchr(change->text, '\n'))
        return vt_error_set(error, VT_ERROR_INVALID_ARG, _("metadata title can't contain newlines"));
    if (change->type == METADATA_ELEMENT && (!change->uri || !change->uri[0]))
        return vt_error_set(error, VT_ERROR_INVALID_ARG, _("the URI of the metadata element is missing"));
    if (change->type == METADATA_ELEMENT && change->text && (!change->key || !change->key[0]))
        return vt_error_set(error, VT_ERROR_INVALID_ARG,
                            _("the key (namespace prefix) of the metadata element is missing"));
    if (change->type == METADATA_ELEMENT && change->key &&
        xmlValidateNCName((const xmlChar *)change->key, 0) != 0)
        return vt_error_set(error, VT_ERROR_INVALID_ARG, _("'%s' cannot be a namespace prefix"), change->key);
    return TRUE;
}

gboolean
vt_query_set_metadata(VtDriver *driver, VtDomain *domain, int type, const char *metadata, const char *key,
                      const char *uri, guint flags, GError **error)
{
    const MetadataChange change = { .type = type, .text = metadata, .key = key, .uri = uri };
    VtDomainDef *live = NULL, *config = NULL;
    g_autoptr(VtDomainDef) former = NULL;

    if (!metadata_check(&change, error) || !metadata_targets(domain, flags, &live, &config, error))
        return FALSE;
    if (config) {
        VtDomainDef *changed = vt_domain_def_copy(config);

        if (!metadata_apply(changed, &change, error)) {
            vt_domain_def_free(changed);
            return FALSE;
        }
        former = vt_domain_def_copy(config);
        vt_domain_set_persistent_def(domain, changed);
        if (!vt_store_save(driver, domain, error)) {
            vt_domain_set_persistent_def(domain, g_steal_pointer(&former));
            return FALSE;
        }
    }
    if (live && !metadata_apply(live, &change, error))
        return FALSE;
    if (live)
        vt_domain_status_changed(domain);
    vt_event_metadata(driver, domain, type, type == METADATA_ELEMENT ? uri : NULL);
    return TRUE;
}
