/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libxml2 bounds depth and sizes only loosely, and some of its work grows with the square of what a tag
 * holds. So a document passes three gates: its size and UTF-8, a scan that counts the attributes of each
 * tag before libxml2 compares them with one another, and SAX handlers that count levels, nodes and value
 * lengths and stop at the first DOCTYPE. Without a DOCTYPE there are no entities to expand or fetch.
 */
#include "util/xml.h"

#include <errno.h>
#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <stdarg.h>
#include <string.h>

#include "util/enum.h"
#include "util/i18n.h"

typedef struct {
    guint depth;
    guint nodes;
    int line;      /* of the violation or of libxml2's first error */
    char *problem; /* first problem; NULL while there is none */
} XmlGate;

void
vt_xml_doc_free(VtXmlDoc *doc)
{
    if (doc)
        xmlFreeDoc(doc);
}

/* ---- parsing ---- */

static XmlGate *
xml_gate(void *ctx)
{
    return ((xmlParserCtxt *)ctx)->_private;
}

static void
xml_stop(void *ctx, char *problem)
{
    xmlParserCtxt *parser = ctx;
    XmlGate *gate = xml_gate(ctx);

    if (gate->problem) {
        g_free(problem);
        return;
    }
    gate->problem = problem;
    gate->line = parser->input ? parser->input->line : 0;
    xmlStopParser(parser);
}

static void
xml_on_start(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int n_namespaces,
             const xmlChar **namespaces, int n_attributes, int n_defaulted, const xmlChar **attributes)
{
    XmlGate *gate = xml_gate(ctx);

    gate->nodes += 1 + (guint)n_attributes + (guint)n_namespaces;
    if (++gate->depth > VT_XML_MAX_DEPTH)
        xml_stop(ctx, g_strdup_printf(_("elements are nested more than %d levels deep"), VT_XML_MAX_DEPTH));
    else if (gate->nodes > VT_XML_MAX_NODES)
        xml_stop(ctx, g_strdup_printf(_("there are more than %d elements and attributes"), VT_XML_MAX_NODES));
    for (int i = 0; i < n_attributes && !gate->problem; i++)
        if (attributes[5 * i + 4] - attributes[5 * i + 3] > VT_XML_MAX_VALUE)
            xml_stop(ctx,
                     g_strdup_printf(_("an attribute's value is longer than %d bytes"), VT_XML_MAX_VALUE));
    for (int i = 0; i < n_namespaces && !gate->problem; i++)
        if (strlen((const char *)namespaces[2 * i + 1]) > VT_XML_MAX_VALUE)
            xml_stop(ctx, g_strdup_printf(_("a namespace is longer than %d bytes"), VT_XML_MAX_VALUE));
    if (!gate->problem)
        xmlSAX2StartElementNs(ctx, name, prefix, uri, n_namespaces, namespaces, n_attributes, n_defaulted,
                              attributes);
}

static void
xml_on_end(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    XmlGate *gate = xml_gate(ctx);

    if (gate->depth > 0)
        gate->depth--;
    if (!gate->problem)
        xmlSAX2EndElementNs(ctx, name, prefix, uri);
}

static void
xml_on_comment(void *ctx, const xmlChar *text)
{
    if (++xml_gate(ctx)->nodes > VT_XML_MAX_NODES)
        xml_stop(ctx, g_strdup_printf(_("there are more than %d nodes"), VT_XML_MAX_NODES));
    else
        xmlSAX2Comment(ctx, text);
}

static void
xml_on_instruction(void *ctx, const xmlChar *target, const xmlChar *data)
{
    if (++xml_gate(ctx)->nodes > VT_XML_MAX_NODES)
        xml_stop(ctx, g_strdup_printf(_("there are more than %d nodes"), VT_XML_MAX_NODES));
    else
        xmlSAX2ProcessingInstruction(ctx, target, data);
}

static void
xml_on_doctype(void *ctx, const xmlChar *name, const xmlChar *public_id, const xmlChar *system_id)
{
    xml_stop(ctx, g_strdup(_("a DOCTYPE is not accepted: remove it")));
}

#if LIBXML_VERSION >= 21200
static void
xml_on_error(void *ctx, const xmlError *problem)
#else
static void
xml_on_error(void *ctx, xmlError *problem)
#endif
{
    XmlGate *gate = xml_gate(ctx);

    if (gate->problem || problem->level < XML_ERR_ERROR)
        return;
    gate->problem = g_strchomp(vt_xml_shown(problem->message ? problem->message : "malformed"));
    gate->line = problem->line;
}

/* Skips from @p behind the next @end; to the end of the text where there is none. */
static const char *
xml_skip(const char *p, const char *end, int *line)
{
    gsize length = strlen(end);

    for (; *p; p++) {
        if (*p == *end && strncmp(p, end, length) == 0)
            return p + length;
        if (*p == '\n')
            (*line)++;
    }
    return p;
}

/* Scans one tag; returns behind it, or NULL with too many attributes in it. */
static const char *
xml_scan_tag(const char *p, int *line)
{
    guint attributes = 0;
    char quote = 0;

    for (; *p && (quote || *p != '>'); p++) {
        if (*p == '\n')
            (*line)++;
        if (quote) {
            if (*p == quote)
                quote = 0;
        } else if (*p == '\'' || *p == '"') {
            quote = *p;
            if (++attributes > VT_XML_MAX_ATTRIBUTES)
                return NULL;
        }
    }
    return p;
}

static gboolean
xml_scan(const char *text, GError **error)
{
    int line = 1;

    for (const char *p = text; *p;) {
        if (*p == '\n')
            line++;
        if (*p != '<') {
            p++;
        } else if (g_str_has_prefix(p, "<!--")) {
            p = xml_skip(p + 4, "-->", &line);
        } else if (g_str_has_prefix(p, "<![CDATA[")) {
            p = xml_skip(p + 9, "]]>", &line);
        } else if (g_str_has_prefix(p, "<?")) {
            p = xml_skip(p + 2, "?>", &line);
        } else {
            p = xml_scan_tag(p + 1, &line);
            if (!p)
                return vt_error_set(
                    error, VT_ERROR_XML,
                    _("the XML document cannot be read: line %d: a tag has more than %d attributes"), line,
                    VT_XML_MAX_ATTRIBUTES);
        }
    }
    return TRUE;
}

static gboolean
xml_check_bytes(const char *text, GError **error)
{
    gsize length = strlen(text);
    const char *bad = NULL;
    int line = 1;

    if (length == 0)
        return vt_error_set(error, VT_ERROR_XML, _("the XML document is empty"));
    if (length > VT_XML_MAX_BYTES)
        return vt_error_set(error, VT_ERROR_XML, _("the XML document is larger than %d bytes"),
                            VT_XML_MAX_BYTES);
    if (g_utf8_validate(text, (gssize)length, &bad))
        return xml_scan(text, error);
    for (const char *p = text; p < bad; p++)
        line += *p == '\n';
    return vt_error_set(error, VT_ERROR_XML,
                        _("the XML document cannot be read: line %d: the byte 0x%02x is not valid UTF-8"),
                        line, (guint)(guchar)*bad);
}

static void
xml_install_handlers(xmlParserCtxt *parser, XmlGate *gate)
{
    parser->_private = gate;
    parser->sax->startElementNs = xml_on_start;
    parser->sax->endElementNs = xml_on_end;
    parser->sax->comment = xml_on_comment;
    parser->sax->processingInstruction = xml_on_instruction;
    parser->sax->internalSubset = xml_on_doctype;
    parser->sax->externalSubset = NULL;
    parser->sax->resolveEntity = NULL;
    parser->sax->serror = xml_on_error;
}

VtXmlDoc *
vt_xml_parse(const char *text, GError **error)
{
    XmlGate gate = { 0 };
    xmlParserCtxt *parser;
    g_autoptr(VtXmlDoc) doc = NULL;
    g_autofree char *problem = NULL;

    if (!xml_check_bytes(text, error))
        return NULL;
    parser = xmlNewParserCtxt();
    if (!parser)
        g_error("out of memory");
    xml_install_handlers(parser, &gate);
    doc = xmlCtxtReadMemory(parser, text, (int)strlen(text), NULL, "UTF-8",
                            XML_PARSE_NONET | XML_PARSE_BIG_LINES);
    if (!doc && parser->myDoc) {
        xmlFreeDoc(parser->myDoc);
        parser->myDoc = NULL;
    }
    xmlFreeParserCtxt(parser);
    problem = gate.problem;
    if (problem || !doc || !xmlDocGetRootElement(doc)) {
        vt_error_set(error, VT_ERROR_XML, _("the XML document cannot be read: line %d: %s"), gate.line,
                     problem ? problem : _("there is no root element"));
        return NULL;
    }
    return g_steal_pointer(&doc);
}

/* ---- problems ---- */

GPtrArray *
vt_xml_problems_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
}

gboolean
vt_xml_problem_add(GPtrArray *problems, VtErrorCode code, const char *format, ...)
{
    va_list args;

    if (problems->len >= VT_XML_MAX_PROBLEMS)
        return FALSE;
    va_start(args, format);
    g_ptr_array_add(problems, g_error_new_valist(VT_ERROR, (int)code, format, args));
    va_end(args);
    return FALSE;
}

gboolean
vt_xml_problem(GPtrArray *problems, VtErrorCode code, const xmlNode *node, const char *format, ...)
{
    g_autofree char *text = NULL;
    g_autofree char *name = vt_xml_shown((const char *)node->name);
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    return vt_xml_problem_add(problems, code, "<%s> (line %d): %s", name, vt_xml_line(node), text);
}

char *
vt_xml_shown(const char *value)
{
    GString *out = g_string_new(NULL);
    guint n = 0;

    for (const char *p = value; *p; p = g_utf8_next_char(p), n++) {
        gunichar c = g_utf8_get_char_validated(p, -1);

        if (n == 80) {
            g_string_append(out, "...");
            break;
        }
        if (c == (gunichar)-1 || c == (gunichar)-2) {
            g_string_append_c(out, '?');
            break;
        }
        g_string_append_unichar(out, g_unichar_iscntrl(c) ? ' ' : c);
    }
    return g_string_free(out, FALSE);
}

int
vt_xml_line(const xmlNode *node)
{
    long line = xmlGetLineNo(node);

    return line > 0 ? (int)MIN(line, G_MAXINT) : 0;
}

/* ---- walking ---- */

gboolean
vt_xml_is(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && !node->ns && strcmp((const char *)node->name, name) == 0;
}

static xmlNode *
xml_first_from(xmlNode *node, const char *name)
{
    for (; node; node = node->next)
        if (node->type == XML_ELEMENT_NODE && !node->ns && (!name || vt_xml_is(node, name)))
            return node;
    return NULL;
}

xmlNode *
vt_xml_child(const xmlNode *node, const char *name)
{
    return xml_first_from(node->children, name);
}

xmlNode *
vt_xml_next(const xmlNode *node, const char *name)
{
    return xml_first_from(node->next, name);
}

/* ---- reading ---- */

/* libxml2's strings belong to its allocator; ours to GLib's. */
static char *
xml_take(xmlChar *string)
{
    char *copy = g_strdup((const char *)string);

    xmlFree(string);
    return copy;
}

char *
vt_xml_attr(const xmlNode *node, const char *name)
{
    return xml_take(xmlGetNoNsProp(node, BAD_CAST name));
}

char *
vt_xml_text(const xmlNode *node)
{
    char *text = xml_take(xmlNodeGetContent(node));

    return text ? text : g_strdup("");
}

char *
vt_xml_child_text(const xmlNode *node, const char *name)
{
    xmlNode *child = vt_xml_child(node, name);

    return child ? g_strstrip(vt_xml_text(child)) : NULL;
}

gboolean
vt_xml_attr_required(GPtrArray *problems, const xmlNode *node, const char *name, char **out)
{
    g_autofree char *value = vt_xml_attr(node, name);

    if (!value)
        return vt_xml_problem(problems, VT_ERROR_XML_DETAIL, node, _("the attribute '%s' is missing"), name);
    if (!*value)
        return vt_xml_problem(problems, VT_ERROR_XML_DETAIL, node, _("the attribute '%s' is empty"), name);
    g_free(*out);
    *out = g_steal_pointer(&value);
    return TRUE;
}

gboolean
vt_xml_word_in(const char *word, const char *words)
{
    gsize length = strlen(word);

    if (!words || length == 0)
        return FALSE;
    for (const char *p = words; *p;) {
        gsize n = strcspn(p, " ");

        if (n == length && strncmp(p, word, n) == 0)
            return TRUE;
        p += n + (p[n] == ' ');
    }
    return FALSE;
}

/* One problem for a value that is none of those allowed. */
static gboolean
xml_bad_choice(GPtrArray *problems, const xmlNode *node, const char *name, const char *value,
               const char *allowed, const char *refused)
{
    g_autofree char *shown = vt_xml_shown(value);
    g_autofree char *list = g_strdelimit(g_strdup(allowed), " ", ',');
    g_auto(GStrv) words = g_strsplit(list, ",", -1);
    g_autofree char *readable = g_strjoinv(", ", words);

    if (vt_xml_word_in(value, refused))
        return vt_xml_problem(problems, VT_ERROR_CONFIG_UNSUPPORTED, node,
                              _("%s='%s' is not supported by virtteam: use one of %s"), name, shown,
                              readable);
    return vt_xml_problem(problems, VT_ERROR_XML_DETAIL, node, _("%s='%s' is unknown: use one of %s"), name,
                          shown, readable);
}

gboolean
vt_xml_attr_enum(GPtrArray *problems, const xmlNode *node, const char *name, const VtXmlEnum *values,
                 int *out)
{
    g_autofree char *value = vt_xml_attr(node, name);
    g_autoptr(GString) allowed = g_string_new(NULL);
    int index;

    if (!value)
        return TRUE;
    index = vt_enum_value(values->names, values->count, value);
    if (index >= 0) {
        *out = index;
        return TRUE;
    }
    for (gsize i = 0; i < values->count; i++)
        if (values->names[i])
            g_string_append_printf(allowed, "%s%s", allowed->len ? " " : "", values->names[i]);
    return xml_bad_choice(problems, node, name, value, allowed->str, values->refused);
}

gboolean
vt_xml_attr_choice(GPtrArray *problems, const xmlNode *node, const char *name, const char *allowed,
                   const char *refused, char **out)
{
    g_autofree char *value = vt_xml_attr(node, name);

    if (!value)
        return TRUE;
    if (!vt_xml_word_in(value, allowed))
        return xml_bad_choice(problems, node, name, value, allowed, refused);
    g_free(*out);
    *out = g_steal_pointer(&value);
    return TRUE;
}

gboolean
vt_xml_attr_uint64(GPtrArray *problems, const xmlNode *node, const char *name, guint64 min, guint64 max,
                   guint64 *out)
{
    g_autofree char *value = vt_xml_attr(node, name);

    if (!value)
        return TRUE;
    if (!g_ascii_string_to_unsigned(value, 10, min, max, out, NULL)) {
        g_autofree char *shown = vt_xml_shown(value);

        return vt_xml_problem(problems, VT_ERROR_XML_DETAIL, node,
                              _("%s='%s' is not a number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT),
                              name, shown, min, max);
    }
    return TRUE;
}

gboolean
vt_xml_attr_uint(GPtrArray *problems, const xmlNode *node, const char *name, guint min, guint max, guint *out)
{
    guint64 value = *out;

    if (!vt_xml_attr_uint64(problems, node, name, min, max, &value))
        return FALSE;
    *out = (guint)value;
    return TRUE;
}

gboolean
vt_xml_attr_hex(GPtrArray *problems, const xmlNode *node, const char *name, guint max, guint *out)
{
    g_autofree char *value = vt_xml_attr(node, name);
    guint64 number = 0;
    gboolean hex;

    if (!value)
        return TRUE;
    hex = g_str_has_prefix(value, "0x") || g_str_has_prefix(value, "0X");
    if (!g_ascii_string_to_unsigned(hex ? value + 2 : value, hex ? 16 : 10, 0, max, &number, NULL)) {
        g_autofree char *shown = vt_xml_shown(value);

        return vt_xml_problem(problems, VT_ERROR_XML_DETAIL, node,
                              _("%s='%s' is not a number from 0x0 to 0x%x"), name, shown, max);
    }
    *out = (guint)number;
    return TRUE;
}

gboolean
vt_xml_attr_flag(GPtrArray *problems, const xmlNode *node, const char *name, const char *words, int *out)
{
    g_autofree char *value = NULL;

    if (!vt_xml_attr_choice(problems, node, name, words, NULL, &value))
        return FALSE;
    if (value)
        *out = g_str_has_prefix(words, value);
    return TRUE;
}

gboolean
vt_xml_text_uint(GPtrArray *problems, const xmlNode *node, guint min, guint max, guint *out)
{
    g_autofree char *text = g_strstrip(vt_xml_text(node));
    guint64 value = 0;

    if (!g_ascii_string_to_unsigned(text, 10, min, max, &value, NULL)) {
        g_autofree char *shown = vt_xml_shown(text);

        return vt_xml_problem(problems, VT_ERROR_XML_DETAIL, node, _("'%s' is not a number from %u to %u"),
                              shown, min, max);
    }
    *out = (guint)value;
    return TRUE;
}

/* Bytes of a unit; 0 for no unit that libvirt knows. */
static guint64
xml_unit_bytes(const char *unit)
{
    static const char prefixes[] = "kmgtpe";
    char *lower = g_utf8_strdown(unit, -1);
    const char *prefix = *lower ? strchr(prefixes, *lower) : NULL;
    const char *rest = prefix ? lower + 1 : NULL;
    guint64 base = 0, bytes = 1;

    if (strcmp(lower, "b") == 0 || strcmp(lower, "byte") == 0 || strcmp(lower, "bytes") == 0)
        base = 1;
    else if (rest && (*rest == '\0' || strcmp(rest, "ib") == 0))
        base = 1024;
    else if (rest && strcmp(rest, "b") == 0)
        base = 1000;
    if (base > 1)
        for (const char *p = prefixes; p <= prefix; p++)
            bytes *= base;
    g_free(lower);
    return base ? bytes : 0;
}

gboolean
vt_xml_text_memory(GPtrArray *problems, const xmlNode *node, guint64 *kib)
{
    g_autofree char *text = g_strstrip(vt_xml_text(node));
    g_autofree char *unit = vt_xml_attr(node, "unit");
    g_autofree char *shown = vt_xml_shown(text);
    guint64 scale = unit ? xml_unit_bytes(unit) : 1024;
    guint64 value = 0, bytes = 0;

    if (scale == 0) {
        g_autofree char *shown_unit = vt_xml_shown(unit);

        return vt_xml_problem(problems, VT_ERROR_XML_DETAIL, node,
                              _("unit='%s' is unknown: use bytes, KB, KiB, MB, MiB, GB, GiB, TB or TiB"),
                              shown_unit);
    }
    if (!g_ascii_string_to_unsigned(text, 10, 1, G_MAXUINT64, &value, NULL))
        return vt_xml_problem(problems, VT_ERROR_XML_DETAIL, node, _("'%s' is not an amount of memory"),
                              shown);
    if (!g_uint64_checked_mul(&bytes, value, scale) || bytes > (guint64)G_MAXINT64)
        return vt_xml_problem(problems, VT_ERROR_XML_DETAIL, node,
                              _("'%s' is more memory than can be counted"), shown);
    *kib = bytes / 1024 + (bytes % 1024 != 0);
    return TRUE;
}
