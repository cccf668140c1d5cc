/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/host-stats.h"
#include "driver/query-block.h"
#include "util/json.h"
#include "driver/query.h"
#include <glib/gstdio.h>
#include <string.h>
#include "driver/console.h"
#include "driver/domain-list.h"
#include "driver/host-cpu.h"
#include "driver/lifecycle.h"
#include "driver/start-host.h"
#include "lib/fake-guest.h"

#define UUID_A "11111111-2222-3333-4444-00000000000a"

static void
test_proc_stat(void)
{
    static const struct {
        const char *text;
        guint64 user_ns, system_ns;
        gboolean ok;
    } rows[] = {
        { "77 (qemu) S 1 2 3 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 4 0 448201 1 2", 2500000000u, 500000000u,
          TRUE },
        { "77 (a) b (c) S 1 2 3 0 -1 4194560 1 2 3 4 1 0 0 0 20 0 4 0 448201 1 2", 10000000u, 0, TRUE },
        { "77 (qemu S 1 2 3", 0, 0, FALSE },
        { "77 (qemu) S 1 2", 0, 0, FALSE },
        { "", 0, 0, FALSE },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        VtProcTimes times = { 0 };

        g_assert_cmpint(vt_query_proc_parse_stat(rows[i].text, 100, &times), ==, rows[i].ok);
        g_assert_cmpuint(times.user_ns, ==, rows[i].user_ns);
        g_assert_cmpuint(times.system_ns, ==, rows[i].system_ns);
    }
}

static void
test_proc_net(void)
{
    static const char text[] = "Inter-|   Receive                 |  Transmit\n"
                               " face |bytes    packets errs drop fifo frame compressed multicast|bytes ...\n"
                               "    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
                               " vnet1:100 20 3 4 0 0 0 0 900 80 7 6 0 0 0 0\n"
                               " vnet11: x\n";
    VtInterfaceStats stats = { 0 };

    /* What the host receives from a tap is what the guest has sent. */
    g_assert_true(vt_query_proc_parse_net(text, "vnet1", &stats));
    g_assert_cmpint(stats.tx_bytes, ==, 100);
    g_assert_cmpint(stats.tx_drop, ==, 4);
    g_assert_cmpint(stats.rx_bytes, ==, 900);
    g_assert_cmpint(stats.rx_errs, ==, 7);
    g_assert_false(vt_query_proc_parse_net(text, "vnet", &stats));
    g_assert_false(vt_query_proc_parse_net(text, "vnet11", &stats));
    g_assert_false(vt_query_proc_parse_net("", "lo", &stats));
}

static void
test_host_cpu(void)
{
    g_autoptr(VtCaps) caps = vt_caps_xml_new();
    g_autofree char *xml = NULL;

    vt_host_cpu_parse(caps,
                      "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\n"
                      "model name\t: AMD\nstepping\t: 1\ncpu MHz\t\t: 2596.1\n"
                      "flags\t\t: fpu sse4_1 constant_tsc avx2 no_such_thing\n\nprocessor\t: 1\nmodel : 9\n");
    g_assert_cmpstr(caps->cpu_vendor, ==, "AMD");
    g_assert_cmpuint(caps->family, ==, 25);
    g_assert_cmpuint(caps->model, ==, 17);
    g_assert_cmpuint(caps->cpu_features->len, ==, 2);
    g_assert_cmpstr(caps->cpu_features->pdata[0], ==, "sse4.1");
    g_assert_cmpstr(caps->cpu_features->pdata[1], ==, "avx2");
    xml = vt_caps_xml_format(caps);
    g_assert_nonnull(strstr(xml, "<feature name='sse4.1'/>"));
    g_assert_null(strstr(xml, "<guest>"));
}

static VtDomain *
querytest_define(FakeHost *host, const char *extra)
{
    g_autofree char *xml = fake_guest_xml("web", UUID_A, extra);

    return fake_define_well(host->driver, xml);
}

static void
querytest_start(FakeHost *host, VtDomain *domain)
{
    FakeDone told = { 0 };

    vt_lifecycle_create(host->driver, domain, 0, NULL, fake_done, &told);
    fake_wait(&told.done);
    g_assert_no_error(told.error);
}

static void
querytest_destroy(FakeHost *host, VtDomain *domain)
{
    FakeDone told = { 0 };

    vt_lifecycle_destroy(host->driver, domain, 0, fake_done, &told);
    fake_wait(&told.done);
    g_assert_no_error(told.error);
}

/* How an element is indented is no matter here: line ends before a tag and the blanks behind them go. */
static void
querytest_drop_indent(char *text)
{
    char *out = text;

    for (const char *in = text; in && *in; in++) {
        const char *tag = in + strspn(in, "\n ");

        if (*in == '\n' && *tag == '<')
            in = tag;
        *out++ = *in;
    }
    if (text)
        *out = '\0';
}

/* One conversation about metadata, in order. */
static void
test_metadata(void)
{
    static const struct {
        gboolean set;
        int type;
        const char *text, *key, *uri;
        guint flags;
        int code;           /* -1: success */
        const char *answer; /* of a get */
    } rows[] = {
        { FALSE, 1, NULL, NULL, NULL, 0, VT_ERROR_NO_METADATA, NULL },
        { TRUE, 1, "a title", NULL, NULL, 2, -1, NULL },
        { FALSE, 1, NULL, NULL, NULL, 0, -1, "a title" },
        { TRUE, 1, "two\nlines", NULL, NULL, 0, VT_ERROR_INVALID_ARG, NULL },
        { TRUE, 0, "some\ntext", NULL, NULL, 0, -1, NULL },
        { FALSE, 0, NULL, NULL, NULL, 2, -1, "some\ntext" },
        { TRUE, 1, NULL, NULL, NULL, 0, -1, NULL },
        { FALSE, 1, NULL, NULL, NULL, 0, VT_ERROR_NO_METADATA, NULL },
        { FALSE, 2, NULL, NULL, "http://a/", 0, VT_ERROR_NO_METADATA, NULL },
        { TRUE, 2, "<x a='1'><y/></x>", "k", "http://a/", 0, -1, NULL },
        { TRUE, 2, "<z/>", "l", "http://b/", 0, -1, NULL },
        { FALSE, 2, NULL, NULL, "http://a/", 0, -1, "<x a=\"1\"><y/></x>" },
        { TRUE, 2, "<x a='2'/>", "k", "http://a/", 0, -1, NULL },
        { FALSE, 2, NULL, NULL, "http://a/", 0, -1, "<x a=\"2\"/>" },
        { FALSE, 2, NULL, NULL, "http://b/", 0, -1, "<z/>" },
        { TRUE, 2, NULL, NULL, "http://b/", 0, -1, NULL },
        { FALSE, 2, NULL, NULL, "http://b/", 0, VT_ERROR_NO_METADATA, NULL },
        { TRUE, 2, "<x", "k", "http://a/", 0, VT_ERROR_XML, NULL },
        { TRUE, 2, "<!DOCTYPE x [<!ENTITY e 'e'>]><x>&e;</x>", "k", "http://a/", 0, VT_ERROR_XML, NULL },
        { TRUE, 2, "<x/>", "not a prefix", "http://a/", 0, VT_ERROR_INVALID_ARG, NULL },
        { TRUE, 2, "<x/>", NULL, "http://a/", 0, VT_ERROR_INVALID_ARG, NULL },
        { TRUE, 2, "<x/>", "k", "", 0, VT_ERROR_INVALID_ARG, NULL },
        { TRUE, 7, "x", NULL, NULL, 0, VT_ERROR_INVALID_ARG, NULL },
        { TRUE, 1, "x", NULL, NULL, 1, VT_ERROR_OPERATION_INVALID, NULL }, /* live, but it does not run */
        { TRUE, 1, "x", NULL, NULL, 64, VT_ERROR_INVALID_ARG, NULL },
        { FALSE, 1, NULL, NULL, NULL, 3, VT_ERROR_INVALID_ARG, NULL },
        /* Our own element is judged as at define. */
        { TRUE, 2, "<teaming><team persistent='ua-none' orchestration='nonsense'/></teaming>", "virtteam",
          "urn:virtteam:domain:1", 0, VT_ERROR_XML_DETAIL, NULL },
        { FALSE, 2, NULL, NULL, "urn:virtteam:domain:1", 0, VT_ERROR_NO_METADATA, NULL },
    };
    FakeHost host;
    VtDomain *domain;

    fake_host_open(&host);
    domain = querytest_define(&host, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = NULL;

        g_test_message("row %u", i);
        if (rows[i].set)
            fake_set_metadata(
                host.driver, domain,
                &(VtMetadataChange){ rows[i].type, rows[i].text, rows[i].key, rows[i].uri, rows[i].flags },
                &error);
        else
            text = vt_query_metadata(host.driver, domain, rows[i].type, rows[i].uri, rows[i].flags, &error);
        if (rows[i].code < 0)
            g_assert_no_error(error);
        else
            g_assert_error(error, VT_ERROR, rows[i].code);
        querytest_drop_indent(text);
        g_assert_cmpstr(text, ==, rows[i].answer);
    }
    fake_host_close(&host);
}

static void
test_metadata_live_and_config(void)
{
    FakeHost host;
    VtDomain *domain;

    fake_host_open(&host);
    domain = querytest_define(&host, NULL);
    querytest_start(&host, domain);
    g_assert_true(
        fake_set_metadata(host.driver, domain, &(VtMetadataChange){ 1, "live", NULL, NULL, 0 }, NULL));
    g_assert_cmpstr(domain->live->title, ==, "live");
    g_assert_null(domain->persistent->title);
    g_assert_true(
        fake_set_metadata(host.driver, domain, &(VtMetadataChange){ 1, "both", NULL, NULL, 3 }, NULL));
    g_assert_cmpstr(domain->live->title, ==, "both");
    g_assert_cmpstr(domain->persistent->title, ==, "both");
    querytest_destroy(&host, domain);
    fake_host_close(&host);
}

static void
test_xml_flags(void)
{
    FakeHost host;
    VtDomain *domain;
    g_autoptr(GError) error = NULL;
    g_autofree char *live = NULL;
    g_autofree char *inactive = NULL;
    g_autofree char *migratable = NULL;

    fake_host_open(&host);
    domain = querytest_define(&host, "<devices><serial type='pty'><target port='0'/></serial></devices>");
    querytest_start(&host, domain);
    live = vt_query_xml(host.driver, domain, 0, &error);
    inactive = vt_query_xml(host.driver, domain, 2, &error);
    g_assert_true(g_str_has_prefix(live, "<domain type='qemu' id='1'>"));
    g_assert_nonnull(strstr(live, "/dev/pts/77"));
    g_assert_true(g_str_has_prefix(inactive, "<domain type='qemu'>"));
    g_assert_null(strstr(inactive, "/dev/pts/77"));
    migratable = vt_query_xml(host.driver, domain, 8, &error);
    g_assert_true(g_str_has_prefix(migratable, "<domain type='qemu'>"));
    g_assert_null(strstr(migratable, "/dev/pts/77"));
    g_assert_null(strstr(migratable, "<alias"));
    g_assert_null(vt_query_xml(host.driver, domain, 0x40, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_INVALID_ARG);
    querytest_destroy(&host, domain);
    fake_host_close(&host);
}

static void
test_vcpus(void)
{
    static const struct {
        gboolean running;
        guint flags;
        int expected, code;
    } rows[] = {
        { FALSE, 0, 1, 0 },
        { FALSE, 2, 1, 0 },
        { FALSE, 6, 1, 0 },
        { FALSE, 1, -1, VT_ERROR_OPERATION_INVALID },
        { FALSE, 3, -1, VT_ERROR_INVALID_ARG },
        { FALSE, 8, -1, VT_ERROR_AGENT },
        { FALSE, 64, -1, VT_ERROR_INVALID_ARG },
        { TRUE, 1, 1, 0 },
        { TRUE, 5, 1, 0 },
    };
    FakeHost host;
    VtDomain *domain;

    fake_host_open(&host);
    domain = querytest_define(&host, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;

        if (rows[i].running && !vt_domain_is_active(domain))
            querytest_start(&host, domain);
        g_assert_cmpint(vt_query_vcpus(host.driver, domain, rows[i].flags, &error), ==, rows[i].expected);
        if (rows[i].expected < 0)
            g_assert_error(error, VT_ERROR, rows[i].code);
    }
    querytest_destroy(&host, domain);
    fake_host_close(&host);
}

static void
test_stats_groups(void)
{
    FakeHost host;
    VtDomain *domain;
    g_autoptr(VtTypedParams) all = NULL;
    g_autoptr(VtTypedParams) state = NULL;
    gint32 value = 0;

    fake_host_open(&host);
    domain = querytest_define(&host, NULL);
    querytest_start(&host, domain);
    all = vt_query_domain_stats(host.driver, domain, 0);
    g_assert_true(vt_typed_params_get_int(all, "state.state", &value));
    g_assert_cmpint(value, ==, VT_DOMAIN_RUNNING);
    g_assert_nonnull(vt_typed_params_get(all, "balloon.maximum"));
    g_assert_nonnull(vt_typed_params_get(all, "net.count"));
    state = vt_query_domain_stats(host.driver, domain, 1);
    g_assert_cmpuint(state->items->len, ==, 2);
    querytest_destroy(&host, domain);
    fake_host_close(&host);
}

/* query-chardev's answer comes from a QEMU that may be anything. */
static void
test_chardevs(void)
{
    static const struct {
        const char *json, *path;
    } rows[] = {
        { "[{\"label\":\"charserial0\",\"filename\":\"pty:/dev/pts/5\"}]", "/dev/pts/5" },
        { "[{\"label\":\"charserial1\",\"filename\":\"pty:/dev/pts/5\"}]", NULL },
        { "[{\"label\":\"charserial0\",\"filename\":\"disconnected:unix:/x\"}]", NULL },
        { "[{\"label\":5,\"filename\":\"pty:/dev/pts/5\"}, 7, null, {}]", NULL },
        { "{}", NULL },
        { "7", NULL },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(VtDomainDef) def = vt_domain_def_new();
        g_autoptr(JsonNode) node = json_from_string(rows[i].json, NULL);
        VtCharDef *serial = g_new0(VtCharDef, 1);

        serial->type = VT_CHAR_PTY;
        serial->info.alias = g_strdup("serial0");
        g_ptr_array_add(def->serials, serial);
        vt_start_host_read_chardevs(def, node);
        g_assert_cmpstr(serial->path, ==, rows[i].path);
    }
}

static guint querytest_evictions;

static void
querytest_evicted(gpointer user)
{
    querytest_evictions++;
}

static void
test_console(void)
{
    FakeHost host;
    VtDomain *domain;
    g_autoptr(GError) error = NULL;
    gpointer release = NULL;
    int fd = -1;

    fake_host_open(&host);
    domain = querytest_define(&host, "<devices><serial type='pty'><target port='0'/></serial>"
                                     "<serial type='null'><target port='1'/></serial></devices>");
    g_assert_false(
        vt_console_open(host.driver, domain, NULL, 0, querytest_evicted, NULL, &fd, &release, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_INVALID);
    g_clear_error(&error);
    querytest_start(&host, domain);
    g_assert_false(
        vt_console_open(host.driver, domain, "nope", 0, querytest_evicted, NULL, &fd, &release, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_NO_DEVICE);
    g_clear_error(&error);
    g_assert_false(
        vt_console_open(host.driver, domain, "serial1", 0, querytest_evicted, NULL, &fd, &release, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    /* The fake's terminal does not exist: that is said, and the console is free again. */
    for (guint i = 0; i < 2; i++) {
        g_assert_false(
            vt_console_open(host.driver, domain, NULL, 0, querytest_evicted, NULL, &fd, &release, &error));
        g_assert_error(error, VT_ERROR, VT_ERROR_SYSTEM);
        g_clear_error(&error);
    }
    vt_console_close(host.driver, &fd); /* of somebody who has nothing: no matter */
    g_assert_cmpuint(querytest_evictions, ==, 0);
    querytest_destroy(&host, domain);
    fake_host_close(&host);
}

/* ---- numbers of the host ---- */

#define MEMINFO                                                                                                  \
    "MemTotal:       24683656 kB\nMemFree:        15917000 kB\nBuffers:            1234 kB\nSwapCached:  7 kB\n" \
    "Cached:          2600000 kB\n"

static void
test_host_stats(void)
{
    static const struct {
        const char *text, *name;
        gint64 kib; /* -1: not there */
    } rows[] = {
        { MEMINFO, "MemFree", 15917000 },
        { MEMINFO, "Cached", 2600000 },
        { MEMINFO, "Mem", -1 },
        { "Node 0 MemTotal: 5 kB\nNode 0 MemFree:  3 kB\n", "MemFree", 3 },
        { "", "MemFree", -1 },
        { NULL, "MemFree", -1 },
    };
    static const char stat[] =
        "cpu  10 1 20 300 4 5 6 0 0 0\ncpu0 1 2 3 4 5 6 7 0 0 0\ncpu10 9 9 9 9 9 9 9\nintr 5\n";
    g_autoptr(VtTypedParams) all = vt_host_stats_parse_stat(stat, -1, 100);
    g_autoptr(VtTypedParams) ten = vt_host_stats_parse_stat(stat, 10, 100);
    g_autoptr(VtTypedParams) one = vt_host_stats_parse_stat(stat, 1, 100);
    g_autoptr(VtTypedParams) torn = vt_host_stats_parse_stat("cpu 1 2 3", -1, 100);
    static const guint numbers[] = { 0, 1, 2, 9 };
    g_autoptr(GArray) list = vt_host_stats_parse_list("0-2,9,x,70000");
    guint64 value = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_assert_true(vt_host_stats_parse_meminfo(rows[i].text, rows[i].name, &value) == (rows[i].kib >= 0));
        if (rows[i].kib >= 0)
            g_assert_cmpuint(value, ==, rows[i].kib);
    }
    g_assert_true(vt_typed_params_get_ullong(all, "kernel", &value) && value == 310000000);
    g_assert_true(vt_typed_params_get_ullong(all, "user", &value) && value == 110000000);
    g_assert_true(vt_typed_params_get_ullong(ten, "idle", &value) && value == 90000000);
    g_assert_null(one);
    g_assert_null(torn);
    for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
        g_assert_cmpuint(list->len > i ? g_array_index(list, guint, i) : G_MAXUINT, ==, numbers[i]);
    g_assert_cmpuint(list->len, ==, G_N_ELEMENTS(numbers));
}

/* What this host says makes sense. */
static void
test_host_stats_of_this_host(void)
{
    g_autoptr(GArray) cells = g_array_new(FALSE, FALSE, sizeof(guint64));
    g_autoptr(GError) error = NULL;
    g_autoptr(VtTypedParams) memory = vt_host_stats_memory(-1, &error);
    guint present = 0, online = 0;
    g_autoptr(GByteArray) map = vt_host_stats_cpu_map(&present, &online);
    guint64 value = 0;

    g_assert_no_error(error);
    g_assert_cmpuint(memory->items->len, ==, 4);
    g_assert_true(vt_host_stats_free(&value, &error) && value > 0);
    g_assert_true(vt_host_stats_cells(0, 8, cells, &error));
    g_assert_cmpuint(cells->len, >=, 1);
    g_assert_cmpuint(online, >, 0);
    g_assert_cmpuint(present, >=, online);
    g_assert_cmpuint(map->len, ==, (present + 7) / 8);
    g_assert_false(vt_host_stats_cells(1000, 1, cells, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_INVALID_ARG);
    g_clear_error(&error);
    g_assert_false(vt_host_stats_free_pages(0, 3, &value, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_INVALID_ARG);
}

static void
test_arp(void)
{
    g_autoptr(GPtrArray) found = vt_query_proc_parse_arp(
        "IP address       HW type     Flags       HW address            Mask     Device\n"
        "10.77.0.2        0x1         0x2         52:54:00:77:00:0A     *        br0\n"
        "10.77.0.3        0x1         0x0         00:00:00:00:00:00     *        br0\nnonsense\n");
    const VtArpEntry *entry = g_ptr_array_index(found, 0);

    g_assert_cmpuint(found->len, ==, 1);
    g_assert_cmpstr(entry->ip, ==, "10.77.0.2");
    g_assert_cmpstr(entry->mac, ==, "52:54:00:77:00:0a");
}

/* ---- disks ---- */

#define TOLD(qdev, n)                                                                                        \
    "{\"device\":\"\",\"qdev\":\"" qdev "\",\"stats\":{\"rd_operations\":" n                                 \
    ",\"rd_bytes\":512,\"wr_operations\":2}}"

static void
test_block_counters(void)
{
    static const char text[] = "[" TOLD("/machine/peripheral/virtio-disk1/virtio-backend", "7") "," TOLD(
        "/machine/peripheral/virtio-disk10", "9") "," TOLD("/machine/unattached/device[18]", "100") ",5]";
    static const struct {
        const char *alias;
        gint64 reads; /* -1: no such */
    } rows[] = { { "virtio-disk1", 7 }, { "virtio-disk10", 9 }, { "virtio-disk", -1 }, { NULL, 16 } };
    g_autoptr(JsonNode) told = vt_json_parse(text, strlen(text), NULL);

    g_assert_nonnull(told);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(VtTypedParams) params = vt_typed_params_new();
        const VtTypedParam *reads;

        g_assert_true(vt_query_block_sum(told, rows[i].alias, params) == (rows[i].reads >= 0));
        reads = vt_typed_params_get(params, "rd_operations");
        if (rows[i].reads >= 0)
            g_assert_cmpint(reads->value.l, ==, rows[i].reads);
        g_assert_cmpuint(params->items->len, ==, rows[i].reads >= 0 ? 8 : 0);
    }
}

static void
test_block_capacity(void)
{
    guint8 head[32] = { 'Q', 'F', 'I', 0xfb, [24] = 0, 0, 0, 0, 4, 0, 0, 0 };

    g_assert_cmpuint(vt_query_block_capacity(head, sizeof head, 200704), ==, 64 * 1024 * 1024);
    g_assert_cmpuint(vt_query_block_capacity(head, 20, 200704), ==, 200704);
    head[0] = 'X';
    g_assert_cmpuint(vt_query_block_capacity(head, sizeof head, 200704), ==, 200704);
}

typedef struct {
    gboolean done;
    VtBlockInfo info;
    GError *error;
} BlockAnswer;

static void
block_answered(gpointer user, const VtBlockInfo *info, const GError *error)
{
    BlockAnswer *answer = user;

    answer->done = TRUE;
    if (info)
        answer->info = *info;
    answer->error = error ? g_error_copy(error) : NULL;
}

/* More questions at a time than there are threads for them; then the file is gone. */
static void
test_block_info(void)
{
    FakeHost host;
    VtDomain *domain;
    BlockAnswer answers[8] = { { 0 } };
    g_autofree char *path = NULL, *extra = NULL, *xml = NULL;
    g_autoptr(GError) error = NULL;

    fake_host_open(&host);
    path = g_build_filename(host.dir, "web.img", NULL);
    g_assert_true(g_file_set_contents(path, "0123456789", 10, NULL));
    extra = g_strdup_printf("<devices><disk type='file'><driver name='qemu' type='raw'/><source file='%s'/>"
                            "<target dev='vda' bus='virtio'/></disk></devices>",
                            path);
    xml = fake_guest_xml("web", UUID_A, extra);
    domain = fake_define(host.driver, xml, 0, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < G_N_ELEMENTS(answers); i++)
        vt_query_block_info(domain, i % 2 ? path : "vda", block_answered, &answers[i]);
    for (guint i = 0; i < G_N_ELEMENTS(answers); i++) {
        FAKE_UNTIL(answers[i].done);
        g_assert_no_error(answers[i].error);
        g_assert_cmpuint(answers[i].info.physical, ==, 10);
        g_assert_cmpuint(answers[i].info.capacity, ==, 10);
    }
    g_assert_cmpint(g_unlink(path), ==, 0);
    answers[0].done = FALSE;
    vt_query_block_info(domain, "vda", block_answered, &answers[0]);
    FAKE_UNTIL(answers[0].done);
    g_assert_error(answers[0].error, VT_ERROR, VT_ERROR_SYSTEM);
    g_clear_error(&answers[0].error);
    fake_host_close(&host);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/driver/host-stats/texts", test_host_stats);
    g_test_add_func("/driver/host-stats/this-host", test_host_stats_of_this_host);
    g_test_add_func("/driver/query-proc/arp", test_arp);
    g_test_add_func("/driver/query-block/counters", test_block_counters);
    g_test_add_func("/driver/query-block/capacity", test_block_capacity);
    g_test_add_func("/driver/query-block/sizes", test_block_info);
    g_test_add_func("/driver/query-proc/cpu-times", test_proc_stat);
    g_test_add_func("/driver/query-proc/counters-are-turned-round", test_proc_net);
    g_test_add_func("/driver/host-cpu/flags-become-features", test_host_cpu);
    g_test_add_func("/driver/query/metadata", test_metadata);
    g_test_add_func("/driver/query/metadata-live-and-config", test_metadata_live_and_config);
    g_test_add_func("/driver/query/xml-flags", test_xml_flags);
    g_test_add_func("/driver/query/vcpus", test_vcpus);
    g_test_add_func("/driver/query/statistics-by-group", test_stats_groups);
    g_test_add_func("/driver/start-host/chardevs-from-a-strange-qemu", test_chardevs);
    g_test_add_func("/driver/console/who-may-open-what", test_console);
    return g_test_run();
}
