/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/event.h"
#include <string.h>
#include "driver/domain-private.h"

typedef struct {
    GString *log;
    VtDriver *driver;
    guint drop; /* handle to unsubscribe when told */
} Watcher;

static void
eventtest_note(const VtEvent *event, gpointer user)
{
    Watcher *watcher = user;

    g_string_append_printf(watcher->log, "%s:%d", event->dom_name, (int)event->id);
    if (event->id == VT_EVENT_LIFECYCLE)
        g_string_append_printf(watcher->log, "=%d/%d", event->lifecycle.event, event->lifecycle.detail);
    if (event->id == VT_EVENT_MONITOR)
        g_string_append_printf(watcher->log, "=%s%s", event->monitor.name,
                               event->monitor.details ? event->monitor.details : "");
    g_string_append_c(watcher->log, ' ');
    if (watcher->drop)
        vt_event_unsubscribe(watcher->driver, watcher->drop);
}

static void
eventtest_expect(Watcher *watcher, const char *text)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_assert_cmpstr(watcher->log->str, ==, text);
    g_string_truncate(watcher->log, 0);
}

static void
test_subscribers(void)
{
    VtDriver driver = { 0 };
    VtUuid a = { { 1 } }, b = { { 2 } };
    g_autoptr(VtDomain) web = vt_domain_new(&driver, "web", &a);
    g_autoptr(VtDomain) db = vt_domain_new(&driver, "db", &b);
    Watcher all = { .log = g_string_new(NULL) }, one = { .log = g_string_new(NULL) };
    guint handle;

    vt_event_subscribe(&driver, VT_EVENT_LIFECYCLE, NULL, NULL, 0, eventtest_note, &all);
    handle = vt_event_subscribe(&driver, VT_EVENT_LIFECYCLE, &b, NULL, 0, eventtest_note, &one);
    vt_event_lifecycle(&driver, web, 2, 0);
    vt_event_lifecycle(&driver, db, 5, 1);
    vt_event_simple(&driver, db, VT_EVENT_REBOOT);
    g_assert_cmpuint(all.log->len, ==, 0); /* never from within the call */
    eventtest_expect(&all, "web:0=2/0 db:0=5/1 ");
    eventtest_expect(&one, "db:0=5/1 ");
    vt_event_lifecycle(&driver, db, 5, 1);
    vt_event_unsubscribe(&driver, handle); /* queued before, not told any more */
    eventtest_expect(&one, "");
    eventtest_expect(&all, "db:0=5/1 ");
    g_datalist_clear(&driver.data);
    g_string_free(all.log, TRUE);
    g_string_free(one.log, TRUE);
}

static void
test_unsubscribe_from_within(void)
{
    VtDriver driver = { 0 };
    VtUuid a = { { 1 } };
    g_autoptr(VtDomain) web = vt_domain_new(&driver, "web", &a);
    Watcher first = { .log = g_string_new(NULL), .driver = &driver }, second = { .log = g_string_new(NULL) };

    vt_event_subscribe(&driver, VT_EVENT_REBOOT, NULL, NULL, 0, eventtest_note, &first);
    first.drop = vt_event_subscribe(&driver, VT_EVENT_REBOOT, NULL, NULL, 0, eventtest_note, &second);
    vt_event_simple(&driver, web, VT_EVENT_REBOOT);
    eventtest_expect(&first, "web:1 ");
    eventtest_expect(&second, "");
    g_datalist_clear(&driver.data);
    g_string_free(first.log, TRUE);
    g_string_free(second.log, TRUE);
}

static void
test_snapshot_outlives_domain(void)
{
    VtDriver driver = { 0 };
    VtUuid a = { { 1 } };
    VtDomain *web = vt_domain_new(&driver, "web", &a);
    Watcher all = { .log = g_string_new(NULL) };

    vt_event_subscribe(&driver, VT_EVENT_DEVICE_REMOVED, NULL, NULL, 0, eventtest_note, &all);
    vt_event_device(&driver, web, VT_EVENT_DEVICE_REMOVED, "net0");
    vt_domain_unref(web);
    eventtest_expect(&all, "web:15 ");
    g_datalist_clear(&driver.data);
    g_string_free(all.log, TRUE);
}

static void
test_monitor_patterns(void)
{
    static const struct {
        const char *name;
        guint flags;
        const char *told; /* NULL: the pattern is refused */
    } rows[] = {
        { NULL, 0, "w:1000=STOP w:1000=RESUME{\"a\":1} " },
        { "STOP", 0, "w:1000=STOP " },
        { "stop", 0, "" },
        { "stop", 2, "w:1000=STOP " },
        { "^RES", 1, "w:1000=RESUME{\"a\":1} " },
        { "res|stop", 1 | 2, "w:1000=STOP w:1000=RESUME{\"a\":1} " },
        { "(", 1, NULL },
        { "(", 0, "" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        VtDriver driver = { 0 };
        VtUuid a = { { 1 } };
        g_autoptr(VtDomain) domain = vt_domain_new(&driver, "w", &a);
        g_autoptr(JsonObject) data = json_object_new();
        Watcher all = { .log = g_string_new(NULL) };
        VtQmpEvent stop = { .name = (char *)"STOP" }, resume = { .name = (char *)"RESUME", .data = data };
        guint handle = vt_event_subscribe(&driver, VT_EVENT_MONITOR, NULL, rows[i].name, rows[i].flags,
                                          eventtest_note, &all);

        json_object_set_int_member(data, "a", 1);
        g_assert_true((handle == 0) == (rows[i].told == NULL));
        vt_event_monitor(&driver, domain, &stop);
        vt_event_monitor(&driver, domain, &resume);
        eventtest_expect(&all, rows[i].told ? rows[i].told : "");
        g_datalist_clear(&driver.data);
        g_string_free(all.log, TRUE);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/driver/event/subscribers-get-theirs-later", test_subscribers);
    g_test_add_func("/driver/event/unsubscribing-from-within", test_unsubscribe_from_within);
    g_test_add_func("/driver/event/snapshot-outlives-the-domain", test_snapshot_outlives_domain);
    g_test_add_func("/driver/event/monitor-patterns", test_monitor_patterns);
    return g_test_run();
}
