/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/xml.h"

#include <string.h>

#include "util/xml-writer.h"

/* ---- documents ---- */

static char *
repeat(const char *head, const char *each, guint n, const char *tail)
{
    GString *text = g_string_new(head);

    for (guint i = 0; i < n; i++)
        g_string_append(text, each);
    g_string_append(text, tail);
    return g_string_free(text, FALSE);
}

static void
assert_refused(const char *xml, const char *words)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VtXmlDoc) doc = vt_xml_parse(xml, &error);

    g_assert_null(doc);
    g_assert_error(error, VT_ERROR, VT_ERROR_XML);
    if (!strstr(error->message, words))
        g_error("'%s' does not say '%s'", error->message, words);
    g_assert_cmpuint(strlen(error->message), <, 1000);
}

static void
test_malformed_rows(void)
{
    static const struct {
        const char *xml;
        const char *words;
    } rows[] = {
        { "", "empty" },
        { "   ", "line 1" },
        { "x", "line 1" },
        { "<a>", "line 1" },
        { "<a>\n\n</b>", "line 3" },
        { "<a/><b/>", "Extra content" },
        { "<a b='1' b='2'/>", "redefined" },
        { "<a b='<'/>", "line 1" },
        { "<a>\n\xff</a>", "line 2: the byte 0xff is not valid UTF-8" },
        { "<a>\xc0\x80</a>", "not valid UTF-8" },
        { "<a>\x02</a>", "invalid Char" },
        { "<a>&b;</a>", "Entity 'b'" },
        { "<a>&#0;</a>", "line 1" },
        { "<!DOCTYPE a><a/>", "DOCTYPE" },
        { "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "DOCTYPE" },
        { "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "DOCTYPE" },
        { "<x:a/>", "Namespace prefix x" },
        { "<!-- -- --><a/>", "line 1" },
        { "<a><![CDATA[</a>", "line 1" },
        { "<?xml version='1.0'?>", "line 1" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].xml);
        assert_refused(rows[i].xml, rows[i].words);
    }
}

static void
test_limits(void)
{
    g_autofree char *deep = repeat("", "<a>", 100000, "");
    g_autofree char *wide = repeat("<a>", "<b/>", VT_XML_MAX_NODES + 1, "</a>");
    g_autofree char *comments = repeat("<a>", "<!---->", VT_XML_MAX_NODES + 1, "</a>");
    g_autofree char *instructions = repeat("<a>", "<?b?>", VT_XML_MAX_NODES + 1, "</a>");
    g_autofree char *value = repeat("<a b='", "xxxxxxxx", VT_XML_MAX_VALUE / 8 + 1, "'/>");
    g_autofree char *namespace = repeat("<a xmlns='", "xxxxxxxx", VT_XML_MAX_VALUE / 8 + 1, "'/>");
    g_autofree char *huge = repeat("<a>", "xxxxxxxx", VT_XML_MAX_BYTES / 8 + 1, "</a>");
    GString *attributes = g_string_new("<a\n");

    for (guint i = 0; i < 200000; i++)
        g_string_append_printf(attributes, " a%u=''", i);
    g_string_append(attributes, "/>");
    assert_refused(deep, "64 levels");
    assert_refused(wide, "more than 100000");
    assert_refused(comments, "more than 100000");
    assert_refused(instructions, "more than 100000");
    assert_refused(value, "longer than 65536");
    assert_refused(namespace, "longer than 65536");
    assert_refused(huge, "larger than 4194304");
    assert_refused(attributes->str, "line 2: a tag has more than 128 attributes");
    g_string_free(attributes, TRUE);
}

static void
test_scan_sees_no_tags_in_other_markup(void)
{
    g_autofree char *quotes = repeat("<a><!-- ", "<x ''", 500, " --><![CDATA[ <x '' ]]><?p <x '' ?></a>");
    g_autoptr(GError) error = NULL;
    g_autoptr(VtXmlDoc) doc = vt_xml_parse(quotes, &error);

    g_assert_no_error(error);
    g_assert_nonnull(doc);
}

static void
test_line_numbers_beyond_16_bits(void)
{
    g_autofree char *xml = repeat("<a>", "\n", 70000, "<b/></a>");
    g_autoptr(VtXmlDoc) doc = vt_xml_parse(xml, NULL);

    g_assert_nonnull(doc);
    g_assert_cmpint(vt_xml_line(vt_xml_child(xmlDocGetRootElement(doc), "b")), ==, 70001);
}

/* ---- readers ---- */

typedef struct {
    const char *value;
    gboolean ok;
    guint64 result;
} NumberRow;

static xmlNode *
root_of(VtXmlDoc *doc)
{
    return xmlDocGetRootElement(doc);
}

static void
test_memory_rows(void)
{
    static const struct {
        const char *xml;
        guint64 kib; /* 0: refused */
    } rows[] = {
        { "<memory>1</memory>", 1 },
        { "<memory> 524288\n</memory>", 524288 },
        { "<memory unit='b'>1</memory>", 1 },
        { "<memory unit='bytes'>1025</memory>", 2 },
        { "<memory unit='byte'>1024</memory>", 1 },
        { "<memory unit='KB'>1024</memory>", 1000 },
        { "<memory unit='k'>3</memory>", 3 },
        { "<memory unit='K'>3</memory>", 3 },
        { "<memory unit='KiB'>3</memory>", 3 },
        { "<memory unit='kib'>3</memory>", 3 },
        { "<memory unit='MB'>1</memory>", 977 },
        { "<memory unit='M'>1</memory>", 1024 },
        { "<memory unit='MiB'>1</memory>", 1024 },
        { "<memory unit='GB'>1</memory>", 976563 },
        { "<memory unit='G'>1</memory>", 1048576 },
        { "<memory unit='GiB'>1</memory>", 1048576 },
        { "<memory unit='TB'>1</memory>", 976562500 },
        { "<memory unit='TiB'>1</memory>", 1073741824 },
        { "<memory unit='PiB'>1</memory>", G_GUINT64_CONSTANT(1) << 40 },
        { "<memory unit='EiB'>1</memory>", G_GUINT64_CONSTANT(1) << 50 },
        { "<memory unit='EiB'>16</memory>", 0 },
        { "<memory unit='b'>18446744073709551616</memory>", 0 },
        { "<memory unit=''>1</memory>", 0 },
        { "<memory unit='MiBs'>1</memory>", 0 },
        { "<memory unit='x'>1</memory>", 0 },
        { "<memory>0</memory>", 0 },
        { "<memory>-1</memory>", 0 },
        { "<memory>1.5</memory>", 0 },
        { "<memory>0x10</memory>", 0 },
        { "<memory/>", 0 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(VtXmlDoc) doc = vt_xml_parse(rows[i].xml, NULL);
        g_autoptr(GPtrArray) problems = vt_xml_problems_new();
        guint64 kib = 77;

        g_test_message("%s", rows[i].xml);
        g_assert_cmpint(vt_xml_text_memory(problems, root_of(doc), &kib), ==, rows[i].kib != 0);
        g_assert_cmpuint(kib, ==, rows[i].kib ? rows[i].kib : 77);
        g_assert_cmpuint(problems->len, ==, rows[i].kib ? 0 : 1);
    }
}

static void
test_number_rows(void)
{
    static const NumberRow decimal[] = {
        { "0", FALSE, 0 },  { "1", TRUE, 1 },   { "100", TRUE, 100 }, { "101", FALSE, 0 },
        { "007", TRUE, 7 }, { "", FALSE, 0 },   { " 7", FALSE, 0 },   { "+7", FALSE, 0 },
        { "-7", FALSE, 0 }, { "7a", FALSE, 0 }, { "0x7", FALSE, 0 },  { "99999999999999999999", FALSE, 0 },
    };
    static const NumberRow hex[] = {
        { "0x1f", TRUE, 31 }, { "0X1F", TRUE, 31 }, { "31", TRUE, 31 }, { "0x0000", TRUE, 0 },
        { "0x20", FALSE, 0 }, { "32", FALSE, 0 },   { "0x", FALSE, 0 }, { "1f", FALSE, 0 },
        { "0x-1", FALSE, 0 }, { "0x 1", FALSE, 0 }, { "", FALSE, 0 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(decimal) + G_N_ELEMENTS(hex); i++) {
        gboolean is_hex = i >= G_N_ELEMENTS(decimal);
        const NumberRow *row = is_hex ? &hex[i - G_N_ELEMENTS(decimal)] : &decimal[i];
        g_autofree char *xml = g_strdup_printf("<n v='%s'/>", row->value);
        g_autoptr(VtXmlDoc) doc = vt_xml_parse(xml, NULL);
        g_autoptr(GPtrArray) problems = vt_xml_problems_new();
        guint value = 1234;
        gboolean ok = is_hex ? vt_xml_attr_hex(problems, root_of(doc), "v", 31, &value)
                             : vt_xml_attr_uint(problems, root_of(doc), "v", 1, 100, &value);

        g_test_message("%s", xml);
        g_assert_cmpint(ok, ==, row->ok);
        g_assert_cmpuint(value, ==, row->ok ? row->result : 1234);
        g_assert_cmpuint(problems->len, ==, row->ok ? 0 : 1);
    }
}

static void
assert_only_problem(GPtrArray *problems, int code, const char *message)
{
    g_assert_cmpuint(problems->len, ==, 1);
    g_assert_cmpint(((GError *)problems->pdata[0])->code, ==, code);
    g_assert_cmpstr(((GError *)problems->pdata[0])->message, ==, message);
    g_ptr_array_set_size(problems, 0);
}

static void
test_words(void)
{
    static const char *const names[] = { NULL, "one", "two" };
    static const VtXmlEnum values = { names, G_N_ELEMENTS(names), "three four" };
    g_autoptr(VtXmlDoc) doc =
        vt_xml_parse("<a>\n<b e='two' x='three' y='tw' yes='yes' no='off' s=''/></a>", NULL);
    g_autoptr(GPtrArray) problems = vt_xml_problems_new();
    const xmlNode *node = vt_xml_child(root_of(doc), "b");
    g_autofree char *string = NULL;
    int value = -7;

    g_assert_true(vt_xml_attr_enum(problems, node, "absent", &values, &value));
    g_assert_cmpint(value, ==, -7);
    g_assert_true(vt_xml_attr_enum(problems, node, "e", &values, &value));
    g_assert_cmpint(value, ==, 2);
    g_assert_false(vt_xml_attr_enum(problems, node, "x", &values, &value));
    assert_only_problem(problems, VT_ERROR_CONFIG_UNSUPPORTED,
                        "<b> (line 2): x='three' is not supported by virtteam: use one of one, two");
    g_assert_false(vt_xml_attr_enum(problems, node, "y", &values, &value));
    assert_only_problem(problems, VT_ERROR_XML_DETAIL,
                        "<b> (line 2): y='tw' is unknown: use one of one, two");
    g_assert_true(vt_xml_attr_flag(problems, node, "yes", "yes no", &value));
    g_assert_cmpint(value, ==, 1);
    g_assert_true(vt_xml_attr_flag(problems, node, "no", "on off", &value));
    g_assert_cmpint(value, ==, 0);
    g_assert_false(vt_xml_attr_required(problems, node, "s", &string));
    assert_only_problem(problems, VT_ERROR_XML_DETAIL, "<b> (line 2): the attribute 's' is empty");
    g_assert_false(vt_xml_attr_required(problems, node, "t", &string));
    assert_only_problem(problems, VT_ERROR_XML_DETAIL, "<b> (line 2): the attribute 't' is missing");
    g_assert_null(string);
}

static void
test_shown_values_are_short_and_clean(void)
{
    g_autofree char *many = repeat("", "\xc3\xbc", 5000, "");
    g_autofree char *shown = vt_xml_shown(many);
    g_autofree char *control = vt_xml_shown("a\nb\x7f");
    g_autofree char *broken = vt_xml_shown("a\xff");

    g_assert_cmpuint(strlen(shown), ==, 80 * 2 + 3);
    g_assert_cmpstr(control, ==, "a b ");
    g_assert_cmpstr(broken, ==, "a?");
}

static void
test_problems_are_bounded(void)
{
    g_autoptr(GPtrArray) problems = vt_xml_problems_new();

    for (guint i = 0; i < 10000; i++)
        g_assert_false(vt_xml_problem_add(problems, VT_ERROR_XML_DETAIL, "number %u", i));
    g_assert_cmpuint(problems->len, ==, VT_XML_MAX_PROBLEMS);
}

/* ---- writer ---- */

static void
test_writer(void)
{
    VtXmlWriter *writer = vt_xml_writer_new();
    g_autofree char *text = NULL;

    vt_xml_writer_start(writer, "domain");
    vt_xml_writer_attr(writer, "type", "qemu");
    vt_xml_writer_attr(writer, "none", NULL);
    vt_xml_writer_text(writer, "name", "a<b>&'\"c");
    vt_xml_writer_text(writer, "absent", NULL);
    vt_xml_writer_text(writer, "empty", "");
    vt_xml_writer_empty(writer, "acpi", NULL);
    vt_xml_writer_optional(writer, "nothing", "a", NULL, "b", NULL, NULL);
    vt_xml_writer_optional(writer, "some", "a", NULL, "b", "", NULL);
    vt_xml_writer_start(writer, "source");
    vt_xml_writer_attrf(writer, "port", "0x%02x", 10);
    vt_xml_writer_attr_uint(writer, "zero", 0);
    vt_xml_writer_attr(writer, "lines", "a\nb\tc\rd\x01");
    vt_xml_writer_end_text(writer, "text");
    vt_xml_writer_start(writer, "metadata");
    vt_xml_writer_raw(writer, "\n    <x/>\n  ");
    vt_xml_writer_end(writer);
    vt_xml_writer_start(writer, "open");
    g_assert_cmpuint(vt_xml_writer_depth(writer), ==, 2);
    text = vt_xml_writer_finish(writer);
    g_assert_cmpstr(text, ==,
                    "<domain type='qemu'>\n"
                    "  <name>a&lt;b&gt;&amp;&apos;&quot;c</name>\n"
                    "  <empty></empty>\n"
                    "  <acpi/>\n"
                    "  <some b=''/>\n"
                    "  <source port='0x0a' lines='a&#10;b&#9;c&#13;d'>text</source>\n"
                    "  <metadata>\n    <x/>\n  </metadata>\n"
                    "  <open/>\n"
                    "</domain>\n");
}

static void
test_written_text_is_read_back(void)
{
    static const char original[] = "  'a' \"b\" <c> & \t\r\n\xc3\xa9\xf0\x9f\x98\x80  ";
    VtXmlWriter *writer = vt_xml_writer_new();
    g_autoptr(VtXmlDoc) doc = NULL;
    g_autofree char *xml = NULL, *attr = NULL, *text = NULL;

    vt_xml_writer_start(writer, "a");
    vt_xml_writer_attr(writer, "v", original);
    vt_xml_writer_end_text(writer, original);
    xml = vt_xml_writer_finish(writer);
    doc = vt_xml_parse(xml, NULL);
    g_assert_nonnull(doc);
    attr = vt_xml_attr(root_of(doc), "v");
    text = vt_xml_text(root_of(doc));
    g_assert_cmpstr(attr, ==, original);
    g_assert_cmpstr(text, ==, original);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/util/xml/malformed-documents-are-refused", test_malformed_rows);
    g_test_add_func("/util/xml/limits-hold", test_limits);
    g_test_add_func("/util/xml/comments-are-no-tags", test_scan_sees_no_tags_in_other_markup);
    g_test_add_func("/util/xml/lines-beyond-65535", test_line_numbers_beyond_16_bits);
    g_test_add_func("/util/xml/memory-with-units", test_memory_rows);
    g_test_add_func("/util/xml/numbers", test_number_rows);
    g_test_add_func("/util/xml/words-and-their-messages", test_words);
    g_test_add_func("/util/xml/shown-values-are-short-and-clean", test_shown_values_are_short_and_clean);
    g_test_add_func("/util/xml/problems-are-bounded", test_problems_are_bounded);
    g_test_add_func("/util/xml-writer/layout", test_writer);
    g_test_add_func("/util/xml-writer/what-is-written-is-read-back", test_written_text_is_read_back);
    return g_test_run();
}
