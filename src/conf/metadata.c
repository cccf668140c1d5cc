/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/metadata.h"

#include <libxml/parser.h>
#include <libxml/uri.h>
#include <string.h>

#include "conf/teaming-rules.h"
#include "conf/teaming.h"
#include "util/i18n.h"
#include "util/json.h"

/* ---- the text of the element ---- */

/* Behind a comment, CDATA section or instruction that begins at @p; NULL when @p begins a tag. */
static const char *
metadata_skip_other(const char *p)
{
    static const struct {
        const char *start, *end;
    } others[] = { { "<!--", "-->" }, { "<![CDATA[", "]]>" }, { "<?", "?>" } };

    for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
        const char *end;

        if (!g_str_has_prefix(p, others[i].start))
            continue;
        end = strstr(p + strlen(others[i].start), others[i].end);
        return end ? end + strlen(others[i].end) : p + strlen(p);
    }
    return NULL;
}

/* At the '>' of the tag that begins at @p, or at the end of the text. */
static const char *
metadata_tag_end(const char *p)
{
    char quote = 0;

    for (; *p && (quote || *p != '>'); p++) {
        if (quote)
            quote = *p == quote ? 0 : quote;
        else if (*p == '\'' || *p == '"')
            quote = *p;
    }
    return p;
}

static gboolean
metadata_tag_is(const char *tag, const char *name)
{
    gsize length = strlen(name);

    return strncmp(tag + 1, name, length) == 0 && strchr(" \t\r\n/>", tag[1 + length]) != NULL;
}

/* The text between <metadata> and </metadata> below the root of a well-formed document; NULL when empty. */
static char *
metadata_slice(const char *text)
{
    const char *from = NULL;
    guint depth = 0;

    for (const char *p = strchr(text, '<'); p; p = strchr(p, '<')) {
        const char *other = metadata_skip_other(p);
        const char *end;

        if (other) {
            p = other;
            continue;
        }
        end = metadata_tag_end(p);
        if (!*end)
            return NULL;
        if (p[1] == '/') {
            depth--;
            if (from && depth == 1)
                return p > from ? g_strndup(from, (gsize)(p - from)) : NULL;
        } else if (end[-1] != '/') {
            if (depth == 1 && !from && metadata_tag_is(p, "metadata"))
                from = end + 1;
            depth++;
        }
        p = end;
    }
    return NULL;
}

static char *
metadata_node_text(const xmlNode *node, int format)
{
    xmlBuffer *buffer = xmlBufferCreate();
    char *text;

    xmlNodeDump(buffer, node->doc, (xmlNode *)node, format ? 2 : 0, format);
    text = g_strdup((const char *)xmlBufferContent(buffer));
    xmlBufferFree(buffer);
    return text;
}

/* As libvirt answers: indented anew, from the element itself on. */
static char *
metadata_node_indented(const xmlNode *node)
{
    xmlBuffer *buffer = xmlBufferCreate();
    char *text;

    xmlNodeDump(buffer, node->doc, (xmlNode *)node, 0, 1);
    text = g_strdup((const char *)xmlBufferContent(buffer));
    xmlBufferFree(buffer);
    return text;
}

/* Blanks between elements, which stand for nothing; where there is text among them, or xml:space says so, they do. The
 * depth of the tree is bounded by the parser. */
static void
metadata_drop_blanks(xmlNode *node)
{
    gboolean has_element = FALSE, has_text = xmlNodeGetSpacePreserve(node) == 1;
    xmlNode *next;

    for (xmlNode *child = node->children; child; child = child->next) {
        has_element |= child->type != XML_TEXT_NODE;
        has_text |=
            child->type == XML_CDATA_SECTION_NODE || (child->type == XML_TEXT_NODE && !xmlIsBlankNode(child));
    }
    for (xmlNode *child = node->children; child; child = next) {
        next = child->next;
        if (child->type == XML_ELEMENT_NODE) {
            metadata_drop_blanks(child);
        } else if (child->type == XML_TEXT_NODE && has_element && !has_text) {
            xmlUnlinkNode(child);
            xmlFreeNode(child);
        }
    }
}

/* The children written one by one; a copy carries the declarations of the namespaces it uses. */
static char *
metadata_children_text(const xmlNode *metadata)
{
    GString *text = g_string_new(NULL);

    for (xmlNode *child = metadata->children; child; child = child->next) {
        xmlNode *copy = xmlDocCopyNode(child, metadata->doc, 1);
        g_autofree char *part = copy ? metadata_node_text(copy, 0) : g_strdup("");

        g_string_append(text, part);
        xmlFreeNode(copy);
    }
    return g_string_free(text, FALSE);
}

static gboolean
metadata_is_blank(const char *text)
{
    return !text || strspn(text, " \t\r\n") == strlen(text);
}

gboolean
vt_metadata_parse(VtParseContext *ctx, const char *text, const xmlNode *metadata, VtDomainDef *def)
{
    g_autofree char *content = NULL;
    gboolean declared_above = metadata->nsDef || (metadata->parent && metadata->parent->nsDef);

    content = declared_above ? metadata_children_text(metadata) : metadata_slice(text);
    if (content && strlen(content) > VT_METADATA_MAX)
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, metadata, _("it is larger than %d bytes"),
                              VT_METADATA_MAX);
    g_clear_pointer(&def->metadata, g_free);
    if (!metadata_is_blank(content))
        def->metadata = g_steal_pointer(&content);
    return vt_teaming_parse_policies(ctx, metadata, def->team_policies);
}

void
vt_metadata_format(VtXmlWriter *writer, const VtDomainDef *def)
{
    if (!def->metadata)
        return;
    vt_xml_writer_start(writer, "metadata");
    vt_xml_writer_raw(writer, def->metadata);
    vt_xml_writer_end(writer);
}

/* ---- one namespace's element ---- */

/* An element that a client has set is shown as it was set, blanks and all; one that came with a definition, indented
 * anew. Source: what libvirtd 9.0 answers; there the definition's parser drops such blanks, the other one does not. */
static JsonObject *
metadata_as_set(const VtDomainDef *def)
{
    g_autoptr(JsonNode) root =
        def->metadata_set ? vt_json_parse(def->metadata_set, strlen(def->metadata_set), NULL) : NULL;

    return root && JSON_NODE_HOLDS_OBJECT(root) ? json_object_ref(json_node_get_object(root))
                                                : json_object_new();
}

/* @shown: (nullable) it was removed */
static void
metadata_note_set(VtDomainDef *def, const char *uri, const char *shown)
{
    g_autoptr(JsonObject) all = metadata_as_set(def);

    json_object_remove_member(all, uri);
    if (shown)
        json_object_set_string_member(all, uri, shown);
    g_free(def->metadata_set);
    def->metadata_set = json_object_get_size(all) > 0 ? vt_json_object_to_string(all) : NULL;
}

static VtXmlDoc *
metadata_document(const VtDomainDef *def, GError **error)
{
    g_autofree char *text = g_strdup_printf("<metadata>%s</metadata>", def->metadata ? def->metadata : "");

    return vt_xml_parse(text, error);
}

static gboolean
metadata_has_uri(const xmlNode *node, const char *uri)
{
    return node->type == XML_ELEMENT_NODE && node->ns && node->ns->href &&
           strcmp((const char *)node->ns->href, uri) == 0;
}

static xmlNode *
metadata_find(VtXmlDoc *doc, const char *uri)
{
    for (xmlNode *node = xmlDocGetRootElement(doc)->children; node; node = node->next)
        if (metadata_has_uri(node, uri))
            return node;
    return NULL;
}

/* Depth is bounded by VT_XML_MAX_DEPTH: the tree came through vt_xml_parse(). */
static void
metadata_replace_ns(xmlNode *node, const char *from_uri, xmlNs *to)
{
    for (; node; node = node->next) {
        if (node->type != XML_ELEMENT_NODE)
            continue;
        if (from_uri ? metadata_has_uri(node, from_uri) : !node->ns)
            node->ns = to;
        metadata_replace_ns(node->children, from_uri, to);
    }
}

static void
metadata_drop_declaration(xmlNode *node, const char *uri)
{
    for (xmlNs **ns = &node->nsDef; *ns;) {
        xmlNs *gone = *ns;

        if (gone->href && strcmp((const char *)gone->href, uri) == 0) {
            *ns = gone->next;
            xmlFreeNs(gone);
        } else {
            ns = &gone->next;
        }
    }
}

/* An attribute with the namespace's prefix needs the declaration to stay. */
static gboolean
metadata_attrs_use(const xmlNode *node, const char *uri)
{
    for (; node; node = node->next) {
        if (node->type != XML_ELEMENT_NODE)
            continue;
        for (const xmlAttr *attr = node->properties; attr; attr = attr->next)
            if (attr->ns && attr->ns->href && strcmp((const char *)attr->ns->href, uri) == 0)
                return TRUE;
        if (metadata_attrs_use(node->children, uri))
            return TRUE;
    }
    return FALSE;
}

/* Without the namespace, which who asks has named. */
static char *
metadata_shown(xmlNode *node, const char *uri, gboolean keep_blanks)
{
    xmlNode *copy = xmlDocCopyNode(node, node->doc, 1);
    char *text;

    metadata_replace_ns(copy, uri, NULL);
    if (!metadata_attrs_use(copy, uri))
        metadata_drop_declaration(copy, uri);
    if (!keep_blanks)
        metadata_drop_blanks(copy);
    text = metadata_node_indented(copy);
    xmlFreeNode(copy);
    return text;
}

char *
vt_metadata_get(const VtDomainDef *def, const char *uri, GError **error)
{
    g_autoptr(VtXmlDoc) doc = metadata_document(def, error);
    g_autoptr(JsonObject) as_set = metadata_as_set(def);
    g_autofree char *shown = vt_xml_shown(uri);
    xmlNode *node;

    if (!doc)
        return NULL;
    node = metadata_find(doc, uri);
    if (!node) {
        vt_error_set(error, VT_ERROR_NO_METADATA, _("the domain has no metadata of the namespace '%s'"),
                     shown);
        return NULL;
    }
    if (json_object_has_member(as_set, uri))
        return g_strdup(json_object_get_string_member(as_set, uri));
    return metadata_shown(node, uri, FALSE);
}

/* The namespace the new element is to have, declared at it under @key. */
static xmlNs *
metadata_declare(xmlNode *root, const char *key, const char *uri)
{
    for (xmlNs *ns = root->nsDef; ns; ns = ns->next)
        if (ns->prefix && strcmp((const char *)ns->prefix, key) == 0)
            return ns->href && strcmp((const char *)ns->href, uri) == 0 ? ns : NULL;
    return xmlNewNs(root, BAD_CAST uri, BAD_CAST key);
}

static gboolean
metadata_check_names(const char *key, const char *uri, gboolean needs_key, GError **error)
{
    g_autofree char *shown_key = vt_xml_shown(key ? key : "");
    g_autofree char *shown_uri = vt_xml_shown(uri ? uri : "");
    xmlURI *parsed = uri && *uri && strlen(uri) <= 1024 ? xmlParseURI(uri) : NULL;

    if (!parsed)
        return vt_error_set(error, VT_ERROR_INVALID_ARG, _("the metadata namespace '%s' is not a URI"),
                            shown_uri);
    xmlFreeURI(parsed);
    if (needs_key &&
        (!key || xmlValidateNCName(BAD_CAST key, 0) != 0 || g_ascii_strncasecmp(key, "xml", 3) == 0))
        return vt_error_set(error, VT_ERROR_INVALID_ARG, _("the metadata key '%s' is not an XML prefix"),
                            shown_key);
    return TRUE;
}

/* The new element as it will stand in <metadata>; @as_set: and as it is shown. */
static char *
metadata_new_element(const char *key, const char *uri, const char *xml, char **as_set, GError **error)
{
    g_autoptr(VtXmlDoc) doc = vt_xml_parse(xml, error);
    g_autofree char *shown = vt_xml_shown(key);
    xmlNode *root;
    xmlNs *ns;

    if (!doc)
        return NULL;
    root = xmlDocGetRootElement(doc);
    ns = metadata_declare(root, key, uri);
    if (!ns) {
        vt_error_set(error, VT_ERROR_INVALID_ARG,
                     _("the metadata key '%s' is a prefix that the element declares for another namespace"),
                     shown);
        return NULL;
    }
    metadata_replace_ns(root, NULL, ns);
    if (!metadata_has_uri(root, uri)) {
        vt_error_set(error, VT_ERROR_INVALID_ARG, _("the metadata element is of another namespace than '%s'"),
                     uri);
        return NULL;
    }
    *as_set = metadata_shown(root, uri, TRUE);
    return metadata_node_text(root, 1);
}

static void
metadata_remove(xmlNode *node)
{
    xmlNode *before = node->prev;

    if (before && before->type == XML_TEXT_NODE && metadata_is_blank((const char *)before->content)) {
        xmlUnlinkNode(before);
        xmlFreeNode(before);
    }
    xmlUnlinkNode(node);
    xmlFreeNode(node);
}

/* What <metadata> will hold; NULL when nothing is left. */
static char *
metadata_compose(VtXmlDoc *doc, const char *uri, const char *element)
{
    g_autofree char *rest = NULL;
    xmlNode *old;

    while ((old = metadata_find(doc, uri)))
        metadata_remove(old);
    rest = g_strchomp(metadata_children_text(xmlDocGetRootElement(doc)));
    if (!element)
        return *rest ? g_strconcat(rest, "\n  ", NULL) : NULL;
    return g_strconcat(rest, "\n    ", element, "\n  ", NULL);
}

/* Our own element must be right, and fit the domain's interfaces. */
static gboolean
metadata_apply(VtDomainDef *def, const char *uri, char *metadata, GError **error)
{
    g_autoptr(VtDomainDef) copy = vt_domain_def_copy(def);
    g_autoptr(GPtrArray) problems = vt_xml_problems_new();
    VtParseContext ctx = { .problems = problems };
    g_autoptr(VtXmlDoc) doc = NULL;

    g_free(copy->metadata);
    copy->metadata = metadata;
    if (metadata && strlen(metadata) > VT_METADATA_MAX)
        return vt_error_set(error, VT_ERROR_INVALID_ARG, _("the metadata would be larger than %d bytes"),
                            VT_METADATA_MAX);
    doc = metadata_document(copy, error);
    if (!doc)
        return FALSE;
    if (strcmp(uri, VT_TEAMING_URI) == 0) {
        g_ptr_array_set_size(copy->team_policies, 0);
        vt_teaming_parse_policies(&ctx, xmlDocGetRootElement(doc), copy->team_policies);
        if (problems->len == 0)
            vt_teaming_rules_check(&ctx, copy);
    }
    if (problems->len > 0) {
        g_propagate_error(error, g_error_copy(problems->pdata[0]));
        return FALSE;
    }
    g_free(def->metadata);
    def->metadata = g_steal_pointer(&copy->metadata);
    g_ptr_array_unref(def->team_policies);
    def->team_policies = g_steal_pointer(&copy->team_policies);
    return TRUE;
}

gboolean
vt_metadata_set(VtDomainDef *def, const char *key, const char *uri, const char *xml, GError **error)
{
    g_autoptr(VtXmlDoc) doc = NULL;
    g_autofree char *element = NULL, *as_set = NULL;

    if (!metadata_check_names(key, uri, xml != NULL, error))
        return FALSE;
    if (xml) {
        element = metadata_new_element(key, uri, xml, &as_set, error);
        if (!element)
            return FALSE;
    }
    doc = metadata_document(def, error);
    if (!doc)
        return FALSE;
    if (!metadata_apply(def, uri, metadata_compose(doc, uri, element), error))
        return FALSE;
    metadata_note_set(def, uri, as_set);
    return TRUE;
}
