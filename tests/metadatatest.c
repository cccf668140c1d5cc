/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/domain-xml.h"
#include "conf/metadata.h"
#include "driver/domain-list.h"
#include "driver/query.h"
#include "lib/fake-guest.h"

#define UUID_A "11111111-2222-3333-4444-000000000001"
#define TEAM   "urn:virtteam:domain:1"
#define BOTH   3u
#define LIVE   1u
#define CONFIG 2u

/* A domain that runs, with a definition for the next start beside it. */
static VtDomain *
metadatatest_domain(FakeHost *host)
{
    g_autofree char *xml = fake_guest_xml("web", UUID_A, NULL);
    VtDomain *domain = vt_domain_list_admit(host->driver, vt_domain_xml_parse(xml, NULL), FALSE, NULL);

    domain->live = vt_domain_xml_parse(xml, NULL);
    domain->id = 1;
    domain->driver->status_changed = NULL;
    return domain;
}

static void
metadatatest_over(VtDomain *domain)
{
    vt_domain_end_run(domain, 0);
}

static void
test_both_or_neither(void)
{
    g_autofree char *large = g_strnfill(VT_METADATA_MAX, 'x');
    g_autofree char *too_large = g_strdup_printf("<a>%s</a>", large);
    const struct {
        int type;
        const char *text, *key, *uri;
        int code;
    } rows[] = {
        { .type = 2, .text = too_large, .key = "k", .uri = "urn:a", .code = VT_ERROR_INVALID_ARG },
        { .type = 2, .text = "<a>", .key = "k", .uri = "urn:a", .code = VT_ERROR_XML },
        { .type = 2, .text = "<a/>", .key = "1k", .uri = "urn:a", .code = VT_ERROR_INVALID_ARG },
        { .type = 2, .text = "<a/>", .key = "k", .uri = NULL, .code = VT_ERROR_INVALID_ARG },
        { .type = 2,
          .text = "<teaming><team persistent='ua-no-such'/></teaming>",
          .key = "v",
          .uri = TEAM,
          .code = VT_ERROR_XML_DETAIL },
        { .type = 1, .text = "two\nlines", .code = VT_ERROR_INVALID_ARG },
        { .type = 0, .text = "bell \a", .code = VT_ERROR_INVALID_ARG },
        { .type = 0, .text = "\xff\xfe", .code = VT_ERROR_INVALID_ARG },
        { .type = 3, .text = "x", .code = VT_ERROR_INVALID_ARG },
    };
    FakeHost host;
    VtDomain *domain;

    fake_host_open(&host);
    domain = metadatatest_domain(&host);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(fake_set_metadata(
            host.driver, domain,
            &(VtMetadataChange){ rows[i].type, rows[i].text, rows[i].key, rows[i].uri, BOTH }, &error));
        g_assert_error(error, VT_ERROR, rows[i].code);
        g_assert_null(domain->live->metadata);
        g_assert_null(domain->persistent->metadata);
        g_assert_null(domain->live->title);
        g_assert_null(domain->persistent->description);
    }
    fake_settle();
    g_assert_cmpuint(host.events->len, ==, 0);
    metadatatest_over(domain);
    fake_host_close(&host);
}

static void
test_live_and_config_are_apart(void)
{
    FakeHost host;
    VtDomain *domain;
    g_autoptr(GError) error = NULL;
    g_autofree char *live = NULL, *config = NULL, *title = NULL;

    fake_host_open(&host);
    domain = metadatatest_domain(&host);
    g_assert_true(fake_set_metadata(host.driver, domain,
                                    &(VtMetadataChange){ 2, "<a x='1'/>", "k", "urn:a", BOTH }, &error));
    g_assert_true(fake_set_metadata(host.driver, domain,
                                    &(VtMetadataChange){ 2, "<a x='2'/>", "k", "urn:a", LIVE }, &error));
    g_assert_true(fake_set_metadata(host.driver, domain,
                                    &(VtMetadataChange){ 1, "of both", NULL, NULL, BOTH }, &error));
    live = vt_query_metadata(host.driver, domain, 2, "urn:a", LIVE, &error);
    config = vt_query_metadata(host.driver, domain, 2, "urn:a", CONFIG, &error);
    title = vt_query_metadata(host.driver, domain, 1, NULL, CONFIG, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(live, ==, "<a x=\"2\"/>");
    g_assert_cmpstr(config, ==, "<a x=\"1\"/>");
    g_assert_cmpstr(title, ==, "of both");
    fake_settle();
    g_assert_cmpuint(host.events->len, ==, 3);
    g_assert_cmpstr(host.events->pdata[0], ==, "event23");
    /* Taken away again. */
    g_assert_true(fake_set_metadata(host.driver, domain,
                                    &(VtMetadataChange){ 2, NULL, NULL, "urn:a", CONFIG }, &error));
    g_assert_null(vt_query_metadata(host.driver, domain, 2, "urn:a", CONFIG, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_NO_METADATA);
    metadatatest_over(domain);
    fake_host_close(&host);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/driver/metadata/a-refusal-changes-neither", test_both_or_neither);
    g_test_add_func("/driver/metadata/live-and-config-are-apart", test_live_and_config_are_apart);
    return g_test_run();
}
