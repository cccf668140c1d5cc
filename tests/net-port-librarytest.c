/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt's client library: opened or refused with the remedy, and each way in which a call through it ends, with a
 * library of ours in its place.
 */
#include "driver/net-port-library.h"

#include <string.h>
#include "driver/net-port-libvirt.h"

#define LIBRARYTEST_URI  "network:///system"
#define LIBRARYTEST_PORT "99999999-2222-4333-8444-000000000009"

/* ---- opening ---- */

static void
test_a_missing_library_says_what_to_install(void)
{
    VtNetPortLibrary library = { NULL };
    g_autoptr(GError) error = NULL;

    g_assert_false(vt_net_port_library_open("libvirt-of-nobody.so.0", &library, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_SYSTEM);
    g_assert_nonnull(strstr(error->message, "libvirt0"));
    g_assert_nonnull(strstr(error->message, "libvirt-of-nobody.so.0"));
    g_assert_null(library.connect_open);
}

static void
test_a_library_without_the_functions_is_named(void)
{
    VtNetPortLibrary library = { NULL };
    g_autoptr(GError) error = NULL;

    g_assert_false(vt_net_port_library_open("libc.so.6", &library, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_SYSTEM);
    g_assert_nonnull(strstr(error->message, "virSetErrorFunc"));
    g_assert_null(library.set_error_func);
}

static void
test_what_is_installed_has_every_function(void)
{
    g_autoptr(GError) error = NULL;
    const VtNetPortLibrary *library = vt_net_port_library(&error);

    if (!library) {
        g_test_skip(error->message);
        return;
    }
    g_assert_true(vt_net_port_library(NULL) == library);
    for (gsize i = 0; i < sizeof *library / sizeof(gpointer); i++)
        g_assert_nonnull(((const gpointer *)library)[i]);
}

/* ---- calls, with a library of ours ---- */

/* The functions that may fail; a bit each. */
typedef enum {
    LIBRARYTEST_OPEN = 1 << 0,
    LIBRARYTEST_NETWORK = 1 << 1,
    LIBRARYTEST_CREATE = 1 << 2,
    LIBRARYTEST_SHOW = 1 << 3,
    LIBRARYTEST_PORT_LOOKUP = 1 << 4,
    LIBRARYTEST_DELETE = 1 << 5,
} LibrarytestFail;

static struct {
    guint fails; /* LibrarytestFail */
    gboolean inactive;
    virError last;
    int open; /* handles that are open */
    gboolean deleted;
} librarytest;

/* Handles are only passed around. */
#define LIBRARYTEST_HANDLE(type, what)                                                                       \
    (librarytest.fails & (what) ? NULL : (librarytest.open++, (type)(gpointer)&librarytest))

static void
librarytest_set_error_func(void *user, virErrorFunc handler)
{
    g_assert_nonnull(handler);
}

static virErrorPtr
librarytest_get_last_error(void)
{
    return librarytest.last.code ? &librarytest.last : NULL;
}

static virConnectPtr
librarytest_connect_open(const char *uri)
{
    g_assert_cmpstr(uri, ==, LIBRARYTEST_URI);
    return LIBRARYTEST_HANDLE(virConnectPtr, LIBRARYTEST_OPEN);
}

static int
librarytest_connect_close(virConnectPtr connect)
{
    librarytest.open--;
    return 0;
}

static virNetworkPtr
librarytest_network_lookup(virConnectPtr connect, const char *name)
{
    g_assert_cmpstr(name, ==, "pool");
    return LIBRARYTEST_HANDLE(virNetworkPtr, LIBRARYTEST_NETWORK);
}

static int
librarytest_network_is_active(virNetworkPtr network)
{
    return librarytest.inactive ? 0 : 1;
}

static int
librarytest_network_free(virNetworkPtr network)
{
    librarytest.open--;
    return 0;
}

static virNetworkPortPtr
librarytest_port_create(virNetworkPtr network, const char *xml, unsigned int flags)
{
    g_assert_cmpstr(xml, ==, "<networkport/>");
    return LIBRARYTEST_HANDLE(virNetworkPortPtr, LIBRARYTEST_CREATE);
}

static char *
librarytest_port_show(virNetworkPortPtr port, unsigned int flags)
{
    return librarytest.fails & LIBRARYTEST_SHOW ? NULL : strdup("<networkport>made</networkport>");
}

static virNetworkPortPtr
librarytest_port_lookup(virNetworkPtr network, const char *uuid)
{
    g_assert_cmpstr(uuid, ==, LIBRARYTEST_PORT);
    return LIBRARYTEST_HANDLE(virNetworkPortPtr, LIBRARYTEST_PORT_LOOKUP);
}

static int
librarytest_port_delete(virNetworkPortPtr port, unsigned int flags)
{
    librarytest.deleted = !(librarytest.fails & LIBRARYTEST_DELETE);
    return librarytest.deleted ? 0 : -1;
}

static int
librarytest_port_free(virNetworkPortPtr port)
{
    librarytest.open--;
    return 0;
}

static const VtNetPortLibrary librarytest_library = {
    .set_error_func = librarytest_set_error_func,
    .get_last_error = librarytest_get_last_error,
    .connect_open = librarytest_connect_open,
    .connect_close = librarytest_connect_close,
    .network_lookup_by_name = librarytest_network_lookup,
    .network_is_active = librarytest_network_is_active,
    .network_free = librarytest_network_free,
    .network_port_create_xml = librarytest_port_create,
    .network_port_get_xml_desc = librarytest_port_show,
    .network_port_lookup_by_uuid_string = librarytest_port_lookup,
    .network_port_delete = librarytest_port_delete,
    .network_port_free = librarytest_port_free,
};

static const struct {
    const char *name;
    gboolean remove;
    guint fails;
    int said; /* virErrorNumber of the failure */
    gboolean inactive;
    int code; /* VtErrorCode; -1: it succeeds */
    const char *words;
} librarytest_calls[] = {
    { .name = "a-port-is-made", .code = -1 },
    { .name = "no-daemon",
      .fails = LIBRARYTEST_OPEN,
      .said = VIR_ERR_SYSTEM_ERROR,
      .code = VT_ERROR_SYSTEM,
      .words = LIBRARYTEST_URI },
    { .name = "no-reason-given",
      .fails = LIBRARYTEST_OPEN,
      .code = VT_ERROR_SYSTEM,
      .words = "no reason was given" },
    { .name = "no-such-network",
      .fails = LIBRARYTEST_NETWORK,
      .said = VIR_ERR_NO_NETWORK,
      .code = VT_ERROR_NO_NETWORK,
      .words = "no network with matching name 'pool'" },
    { .name = "the-look-up-fails",
      .fails = LIBRARYTEST_NETWORK,
      .said = VIR_ERR_RPC,
      .code = VT_ERROR_OPERATION_FAILED,
      .words = "network 'pool': the daemon's words" },
    { .name = "the-network-is-not-started",
      .fails = LIBRARYTEST_CREATE,
      .said = VIR_ERR_OPERATION_INVALID,
      .code = VT_ERROR_OPERATION_INVALID,
      .words = "gives no port: the daemon's words" },
    { .name = "no-vf-is-free",
      .fails = LIBRARYTEST_CREATE,
      .said = VIR_ERR_INTERNAL_ERROR,
      .code = VT_ERROR_OPERATION_FAILED,
      .words = "gives no port: the daemon's words" },
    { .name = "the-port-is-not-shown",
      .fails = LIBRARYTEST_SHOW,
      .said = VIR_ERR_RPC,
      .code = VT_ERROR_OPERATION_FAILED,
      .words = "does not show its port" },
    { .name = "a-port-is-deleted", .remove = TRUE, .code = -1 },
    { .name = "no-daemon-to-delete-at",
      .remove = TRUE,
      .fails = LIBRARYTEST_OPEN,
      .said = VIR_ERR_SYSTEM_ERROR,
      .code = VT_ERROR_SYSTEM,
      .words = LIBRARYTEST_URI },
    { .name = "a-network-that-is-gone",
      .remove = TRUE,
      .fails = LIBRARYTEST_NETWORK,
      .said = VIR_ERR_NO_NETWORK,
      .code = -1 },
    { .name = "a-port-that-is-gone",
      .remove = TRUE,
      .fails = LIBRARYTEST_PORT_LOOKUP,
      .said = VIR_ERR_NO_NETWORK_PORT,
      .code = -1 },
    { .name = "a-network-that-was-stopped",
      .remove = TRUE,
      .fails = LIBRARYTEST_DELETE,
      .said = VIR_ERR_OPERATION_INVALID,
      .inactive = TRUE,
      .code = -1 },
    { .name = "a-port-that-stays",
      .remove = TRUE,
      .fails = LIBRARYTEST_DELETE,
      .said = VIR_ERR_OPERATION_FAILED,
      .code = VT_ERROR_OPERATION_FAILED,
      .words = LIBRARYTEST_PORT },
};

static void
test_call(gconstpointer data)
{
    gsize row = GPOINTER_TO_SIZE(data);
    char words[] = "the daemon's words";
    const VtNetPortClient *client = vt_net_port_libvirt();
    g_autofree char *xml = NULL;
    g_autoptr(GError) error = NULL;
    gboolean ok;

    memset(&librarytest, 0, sizeof librarytest);
    librarytest.fails = librarytest_calls[row].fails;
    librarytest.inactive = librarytest_calls[row].inactive;
    librarytest.last.code = librarytest_calls[row].said;
    librarytest.last.message = words;
    vt_net_port_library_set(&librarytest_library);
    ok = librarytest_calls[row].remove
             ? client->remove(LIBRARYTEST_URI, "pool", LIBRARYTEST_PORT, &error)
             : client->create(LIBRARYTEST_URI, "pool", "<networkport/>", &xml, &error);
    vt_net_port_library_set(NULL);
    if (librarytest_calls[row].code < 0) {
        g_assert_no_error(error);
        g_assert_true(ok);
    } else {
        g_assert_false(ok);
        g_assert_error(error, VT_ERROR, librarytest_calls[row].code);
        g_assert_nonnull(strstr(error->message, librarytest_calls[row].words));
    }
    if (ok && !librarytest_calls[row].remove)
        g_assert_cmpstr(xml, ==, "<networkport>made</networkport>");
    if (ok && librarytest_calls[row].remove && !librarytest_calls[row].fails)
        g_assert_true(librarytest.deleted);
    g_assert_cmpint(librarytest.open, ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/driver/net-port-library/a-missing-library-says-what-to-install",
                    test_a_missing_library_says_what_to_install);
    g_test_add_func("/driver/net-port-library/a-library-without-the-functions-is-named",
                    test_a_library_without_the_functions_is_named);
    for (gsize i = 0; i < G_N_ELEMENTS(librarytest_calls); i++) {
        g_autofree char *path =
            g_strconcat("/driver/net-port-library/call/", librarytest_calls[i].name, NULL);

        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_call);
    }
    g_test_add_func("/driver/net-port-library/what-is-installed-has-every-function",
                    test_what_is_installed_has_every_function);
    return g_test_run();
}
