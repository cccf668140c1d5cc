/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A domain document, or with a first byte of '#' one device, or of '%' our element for <metadata>. What is
 * accepted must be written and read again as the same thing.
 */
#include <string.h>

#include "conf/device-xml.h"
#include "conf/domain-xml.h"
#include "conf/metadata.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static void
fuzz_domain(const char *xml)
{
    g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(VtDomainDef) def = vt_domain_xml_check(xml, problems);
    g_autoptr(VtDomainDef) again = NULL, copy = NULL;
    g_autofree char *once = NULL, *twice = NULL, *copied = NULL;

    g_assert_true((def == NULL) == (problems->len > 0));
    if (!def)
        return;
    once = vt_domain_xml_format(def, -1, VT_XML_FORMAT_INACTIVE);
    again = vt_domain_xml_parse(once, NULL);
    g_assert_nonnull(again);
    twice = vt_domain_xml_format(again, -1, VT_XML_FORMAT_INACTIVE);
    copy = vt_domain_def_copy(def);
    copied = vt_domain_xml_format(copy, -1, VT_XML_FORMAT_INACTIVE);
    g_assert_cmpstr(once, ==, twice);
    g_assert_cmpstr(once, ==, copied);
}

static void
fuzz_device(const char *xml)
{
    g_autoptr(VtDevice) device = vt_device_xml_parse(xml, NULL);
    g_autoptr(VtDevice) again = NULL;
    g_autofree char *once = NULL, *twice = NULL;

    if (!device)
        return;
    once = vt_device_xml_format(device, 0);
    again = vt_device_xml_parse(once, NULL);
    g_assert_nonnull(again);
    twice = vt_device_xml_format(again, 0);
    g_assert_cmpstr(once, ==, twice);
}

static void
fuzz_metadata(const char *xml)
{
    static const char domain[] = "<domain type='qemu'><name>f</name><memory>65536</memory>"
                                 "<os><type machine='q35'>hvm</type></os><devices><interface type='user'>"
                                 "<model type='virtio'/><teaming type='persistent'/><alias name='ua-a'/>"
                                 "</interface></devices></domain>";
    g_autoptr(VtDomainDef) def = vt_domain_xml_parse(domain, NULL);
    g_autofree char *text = NULL, *formatted = NULL;
    g_autoptr(VtDomainDef) again = NULL;

    g_assert_nonnull(def);
    if (!vt_metadata_set(def, "vt", "urn:virtteam:domain:1", xml, NULL))
        return;
    text = vt_metadata_get(def, "urn:virtteam:domain:1", NULL);
    g_assert_nonnull(text);
    formatted = vt_domain_xml_format(def, -1, VT_XML_FORMAT_INACTIVE);
    again = vt_domain_xml_parse(formatted, NULL);
    g_assert_nonnull(again);
    g_assert_cmpstr(again->metadata, ==, def->metadata);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autofree char *text = g_strndup((const char *)data, size);

    if (*text == '#')
        fuzz_device(text + 1);
    else if (*text == '%')
        fuzz_metadata(text + 1);
    else
        fuzz_domain(text);
    return 0;
}
