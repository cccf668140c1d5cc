/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/xml-writer.h"

#include <stdarg.h>

struct _VtXmlWriter {
    GString *text;
    GPtrArray *open;  /* of char *: names of open elements */
    gboolean in_tag;  /* "<name" is written, its ">" is not */
    gboolean had_raw; /* the open element's content ended without a newline */
};

VtXmlWriter *
vt_xml_writer_new(void)
{
    VtXmlWriter *writer = g_new0(VtXmlWriter, 1);

    writer->text = g_string_new(NULL);
    writer->open = g_ptr_array_new_with_free_func(g_free);
    return writer;
}

void
vt_xml_writer_free(VtXmlWriter *writer)
{
    if (!writer)
        return;
    if (writer->text)
        g_string_free(writer->text, TRUE);
    g_ptr_array_unref(writer->open);
    g_free(writer);
}

char *
vt_xml_writer_finish(VtXmlWriter *writer)
{
    char *text;

    while (writer->open->len > 0)
        vt_xml_writer_end(writer);
    text = g_string_free(g_steal_pointer(&writer->text), FALSE);
    vt_xml_writer_free(writer);
    return text;
}

char *
vt_xml_escape(const char *text)
{
    GString *out = g_string_new(NULL);

    for (const char *p = text; *p; p++) {
        switch (*p) {
        case '&':
            g_string_append(out, "&amp;");
            break;
        case '<':
            g_string_append(out, "&lt;");
            break;
        case '>':
            g_string_append(out, "&gt;");
            break;
        case '\'':
            g_string_append(out, "&apos;");
            break;
        case '"':
            g_string_append(out, "&quot;");
            break;
        case '\r': /* a parser would turn a bare one into a newline */
            g_string_append(out, "&#13;");
            break;
        default:
            if ((guchar)*p >= 0x20 || *p == '\n' || *p == '\t')
                g_string_append_c(out, *p);
        }
    }
    return g_string_free(out, FALSE);
}

static void
xml_writer_indent(VtXmlWriter *writer)
{
    for (guint i = 0; i < writer->open->len; i++)
        g_string_append(writer->text, "  ");
}

static void
xml_writer_close_tag(VtXmlWriter *writer, const char *after)
{
    if (!writer->in_tag)
        return;
    g_string_append_c(writer->text, '>');
    g_string_append(writer->text, after);
    writer->in_tag = FALSE;
}

void
vt_xml_writer_start(VtXmlWriter *writer, const char *name)
{
    xml_writer_close_tag(writer, "\n");
    xml_writer_indent(writer);
    g_string_append_c(writer->text, '<');
    g_string_append(writer->text, name);
    g_ptr_array_add(writer->open, g_strdup(name));
    writer->in_tag = TRUE;
    writer->had_raw = FALSE;
}

void
vt_xml_writer_end(VtXmlWriter *writer)
{
    g_autofree char *name = NULL;

    if (writer->open->len == 0)
        return;
    name = g_ptr_array_steal_index(writer->open, writer->open->len - 1);
    if (writer->in_tag) {
        g_string_append(writer->text, "/>\n");
        writer->in_tag = FALSE;
        return;
    }
    if (!writer->had_raw)
        xml_writer_indent(writer);
    writer->had_raw = FALSE;
    g_string_append_printf(writer->text, "</%s>\n", name);
}

/* Line breaks within an attribute are written as references: a parser makes bare ones into spaces. */
static void
xml_writer_attr_value(VtXmlWriter *writer, const char *value)
{
    g_autofree char *escaped = vt_xml_escape(value);

    for (const char *p = escaped; *p; p++) {
        if (*p == '\n')
            g_string_append(writer->text, "&#10;");
        else if (*p == '\t')
            g_string_append(writer->text, "&#9;");
        else
            g_string_append_c(writer->text, *p);
    }
}

void
vt_xml_writer_attr(VtXmlWriter *writer, const char *name, const char *value)
{
    if (!value || !writer->in_tag)
        return;
    g_string_append_printf(writer->text, " %s='", name);
    xml_writer_attr_value(writer, value);
    g_string_append_c(writer->text, '\'');
}

void
vt_xml_writer_attrf(VtXmlWriter *writer, const char *name, const char *format, ...)
{
    g_autofree char *value = NULL;
    va_list args;

    va_start(args, format);
    value = g_strdup_vprintf(format, args);
    va_end(args);
    vt_xml_writer_attr(writer, name, value);
}

void
vt_xml_writer_attr_uint(VtXmlWriter *writer, const char *name, guint value)
{
    if (value)
        vt_xml_writer_attrf(writer, name, "%u", value);
}

void
vt_xml_writer_end_text(VtXmlWriter *writer, const char *text)
{
    g_autofree char *escaped = vt_xml_escape(text);

    xml_writer_close_tag(writer, "");
    g_string_append(writer->text, escaped);
    writer->had_raw = TRUE;
    vt_xml_writer_end(writer);
}

void
vt_xml_writer_text(VtXmlWriter *writer, const char *name, const char *text)
{
    if (!text)
        return;
    vt_xml_writer_start(writer, name);
    vt_xml_writer_end_text(writer, text);
}

static void
xml_writer_pairs(VtXmlWriter *writer, const char *name, gboolean always, va_list args)
{
    const char *key;
    gboolean started = always;

    if (always)
        vt_xml_writer_start(writer, name);
    while ((key = va_arg(args, const char *))) {
        const char *value = va_arg(args, const char *);

        if (!value)
            continue;
        if (!started)
            vt_xml_writer_start(writer, name);
        started = TRUE;
        vt_xml_writer_attr(writer, key, value);
    }
    if (started)
        vt_xml_writer_end(writer);
}

void
vt_xml_writer_empty(VtXmlWriter *writer, const char *name, ...)
{
    va_list args;

    va_start(args, name);
    xml_writer_pairs(writer, name, TRUE, args);
    va_end(args);
}

void
vt_xml_writer_optional(VtXmlWriter *writer, const char *name, ...)
{
    va_list args;

    va_start(args, name);
    xml_writer_pairs(writer, name, FALSE, args);
    va_end(args);
}

void
vt_xml_writer_raw(VtXmlWriter *writer, const char *xml)
{
    xml_writer_close_tag(writer, "");
    g_string_append(writer->text, xml);
    writer->had_raw = TRUE;
}

guint
vt_xml_writer_depth(const VtXmlWriter *writer)
{
    return writer->open->len;
}
