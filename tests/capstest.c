/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Capabilities from stored replies, their cache, and binaries that are no QEMU. */
#include "qemu/caps.h"
#include <string.h>
#include <sys/stat.h>
#include <glib/gstdio.h>
#include "qemu/probe-run.h"

#define N_COMMANDS 14

/* The smallest set of answers, in the order of vt_qemu_caps_commands(); any can be replaced. */
static const char *const small_replies[N_COMMANDS] = {
    "{\"qemu\":{\"micro\":1,\"minor\":2,\"major\":7},\"package\":\"p\"}",
    "{\"arch\":\"x86_64\"}",
    "[{\"name\":\"pc-q35-7.2\",\"alias\":\"q35\",\"cpu-max\":288,\"hotpluggable-cpus\":true,"
    "\"default-cpu-type\":\"qemu64-x86_64-cpu\",\"default-ram-id\":\"pc.ram\"},"
    "{\"name\":\"pc-i440fx-7.2\",\"alias\":\"pc\",\"is-default\":true,\"cpu-max\":255,\"deprecated\":true}]",
    "[{\"name\":\"qemu64\",\"unavailable-features\":[]},{\"name\":\"host\",\"unavailable-features\":[\"kvm\"]},"
    "{\"name\":\"odd\"}]",
    "[{\"name\":\"e1000e\",\"parent\":\"x\"},{\"name\":\"qemu64-x86_64-cpu\"}]",
    "[{\"name\":\"tcg-accel\"}]",
    "[{\"name\":\"x-query-virtio-status\"}]",
    "[{\"capability\":\"pause-before-switchover\",\"state\":false}]",
    "{\"enabled\":false,\"present\":true}",
    "[{\"option\":\"sandbox\",\"parameters\":[]}]",
    "[{\"name\":\"failover\",\"type\":\"bool\"}]",
    "[{\"name\":\"failover_pair_id\",\"type\":\"str\"}]",
    NULL,
    NULL,
};

static VtQemuCaps *
caps_of(int replaced, const char *with, GError **error)
{
    JsonNode *nodes[N_COMMANDS] = { NULL };
    VtQemuCaps *caps;
    int i;

    for (i = 0; i < N_COMMANDS; i++) {
        const char *text = i == replaced ? with : small_replies[i];

        nodes[i] = text ? json_from_string(text, NULL) : NULL;
    }
    caps = vt_qemu_caps_from_replies("/qemu", nodes, N_COMMANDS, error);
    for (i = 0; i < N_COMMANDS; i++)
        g_clear_pointer(&nodes[i], json_node_unref);
    return caps;
}

static void
test_replies_are_understood(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VtQemuCaps) caps = caps_of(-1, NULL, &error);
    const VtQemuMachine *machine;
    const VtQemuCpu *cpu;

    g_assert_no_error(error);
    g_assert_cmpuint(g_strv_length((char **)vt_qemu_caps_commands()), ==, N_COMMANDS);
    g_assert_cmpuint(caps->version, ==, 7002001);
    g_assert_cmpstr(caps->arch, ==, "x86_64");
    g_assert_cmpstr(vt_qemu_caps_machine(caps, "q35"), ==, "pc-q35-7.2");
    g_assert_cmpstr(vt_qemu_caps_machine(caps, "pc-q35-7.2"), ==, "pc-q35-7.2");
    g_assert_null(vt_qemu_caps_machine(caps, "virt"));
    g_assert_null(vt_qemu_caps_machine(caps, NULL));
    machine = vt_qemu_caps_find_machine(caps, "q35");
    g_assert_cmpstr(machine->default_cpu, ==, "qemu64");
    g_assert_cmpstr(machine->ram_id, ==, "pc.ram");
    g_assert_cmpuint(machine->max_cpus, ==, 288);
    g_assert_cmpuint(caps->cpus->len, ==, 3);
    cpu = caps->cpus->pdata[0];
    g_assert_cmpstr(cpu->name, ==, "host");
    g_assert_cmpint(cpu->usable, ==, 0);
    g_assert_cmpstr(cpu->blockers[0], ==, "kvm");
    cpu = caps->cpus->pdata[1];
    g_assert_cmpint(cpu->usable, ==, -1);
    g_assert_true(vt_qemu_caps_has_device(caps, "e1000e"));
    g_assert_false(vt_qemu_caps_has_device(caps, "qemu64-x86_64-cpu"));
}

static void
test_each_capability_has_its_question(void)
{
    static const struct {
        VtQemuCap cap;
        int reply; /* the answer without which it is not there */
    } rows[] = {
        { VT_QEMU_CAP_KVM, 8 },
        { VT_QEMU_CAP_TCG, 5 },
        { VT_QEMU_CAP_VIRTIO_NET_FAILOVER, 10 },
        { VT_QEMU_CAP_VFIO_FAILOVER_PAIR, 11 },
        { VT_QEMU_CAP_QUERY_VIRTIO_STATUS, 6 },
        { VT_QEMU_CAP_PAUSE_BEFORE_SWITCHOVER, 7 },
        { VT_QEMU_CAP_SANDBOX, 9 },
    };
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(VtQemuCaps) with = caps_of(-1, NULL, NULL);
        g_autoptr(VtQemuCaps) without = caps_of(rows[i].reply, NULL, NULL);

        g_test_message("%s", vt_qemu_cap_name(rows[i].cap));
        g_assert_true(with->caps[rows[i].cap]);
        g_assert_false(without->caps[rows[i].cap]);
    }
    for (i = 0; i < VT_QEMU_CAP_COUNT; i++)
        g_assert_nonnull(vt_qemu_cap_name((VtQemuCap)i));
}

static void
test_strange_replies_are_survived(void)
{
    static const char *const strange[] = {
        NULL,
        "null",
        "[]",
        "{}",
        "[1,null,[],{}]",
        "[{\"name\":5}]",
        "{\"qemu\":5}",
        "\"text\"",
        "[{\"name\":\"a\",\"alias\":\"a\",\"cpu-max\":-1}]",
        "[{\"name\":\"x\",\"unavailable-features\":[5]}]",
    };
    gsize i;
    int reply;

    for (i = 0; i < G_N_ELEMENTS(strange); i++)
        for (reply = 0; reply < N_COMMANDS; reply++) {
            g_autoptr(GError) error = NULL;
            g_autoptr(VtQemuCaps) caps = caps_of(reply, strange[i], &error);

            g_assert_true((caps == NULL) == (error != NULL));
        }
}

static void
test_json_keeps_everything(void)
{
    g_autoptr(VtQemuCaps) caps = caps_of(-1, NULL, NULL);
    g_autofree char *once = vt_qemu_caps_to_json(caps), *twice = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(VtQemuCaps) again = vt_qemu_caps_from_json(once, &error);

    g_assert_no_error(error);
    twice = vt_qemu_caps_to_json(again);
    g_assert_cmpstr(once, ==, twice);
    g_assert_cmpstr(vt_qemu_caps_machine(again, "pc"), ==, "pc-i440fx-7.2");
}

static void
test_bad_json_is_refused(void)
{
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"format\":1}",
        "{\"format\":99,\"binary\":\"b\",\"arch\":\"a\",\"version\":1,\"machines\":[]}",
        "{\"format\":1,\"binary\":\"b\",\"arch\":\"a\",\"version\":1,\"machines\":5}",
        "{\"format\":1,\"binary\":\"b\",\"arch\":\"a\",\"version\":-2022,\"machines\":[]}",
        "{\"format\":1,\"binary\":\"b\",\"arch\":\"a\",\"version\":2147483648,\"machines\":[]}",
    };
    /* Aliases that lead to each other, or nowhere. */
    static const char loop[] =
        "{\"format\":1,\"binary\":\"b\",\"arch\":\"a\",\"version\":1,\"machines\":["
        "{\"name\":\"x\",\"canonical\":\"y\"},{\"name\":\"y\",\"canonical\":\"x\"},"
        "{\"name\":\"z\",\"canonical\":\"z\"},{\"name\":\"w\",\"canonical\":\"gone\"},5,{}]}";
    g_autoptr(VtQemuCaps) looped = vt_qemu_caps_from_json(loop, NULL);
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(vt_qemu_caps_from_json(bad[i], &error));
        g_assert_error(error, VT_ERROR, VT_ERROR_INVALID_ARG);
    }
    g_assert_nonnull(looped);
    g_assert_null(vt_qemu_caps_machine(looped, "x"));
    g_assert_null(vt_qemu_caps_machine(looped, "w"));
}

static char *
script(const char *dir, const char *body)
{
    char *path = g_build_filename(dir, "qemu", NULL);

    g_assert_true(g_file_set_contents(path, body, -1, NULL));
    g_assert_cmpint(g_chmod(path, 0755), ==, 0);
    return path;
}

/* Answers every question as an old QEMU would, and counts how often it is started. */
static const char answering[] =
    "#!/bin/sh\n"
    "echo x >> \"$0.count\"\n"
    "echo '{\"QMP\": {}}'\n"
    "while read -r line; do case $line in\n"
    "*query-version*) r='{\"qemu\":{\"micro\":0,\"minor\":2,\"major\":4}}';;\n"
    "*query-target*) r='{\"arch\":\"x86_64\"}';;\n"
    "*query-machines*|*qom-list-types*) r='[]';;\n"
    "*) id=${line#*'\"id\":'}; echo \"{\\\"id\\\": ${id%%,*}, \\\"error\\\": {}}\"; continue;;\n"
    "esac; id=${line#*'\"id\":'}; echo \"{\\\"id\\\": ${id%%,*}, \\\"return\\\": $r}\"; done\n";

static gsize
starts_of(const char *binary)
{
    g_autofree char *path = g_strconcat(binary, ".count", NULL), *text = NULL;
    gsize length = 0;

    g_file_get_contents(path, &text, &length, NULL);
    return length / 2;
}

static void
test_a_probe_is_cached_until_the_binary_changes(void)
{
    g_autofree char *dir = g_dir_make_tmp("vt-caps-XXXXXX", NULL);
    g_autofree char *binary = script(dir, answering), *cache = g_build_filename(dir, "cache", NULL);
    g_autofree char *found = NULL, *file = NULL;
    g_autoptr(GDir) listing = NULL;
    int i;

    for (i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(VtQemuCaps) caps = vt_qemu_caps_probe(binary, cache, &error);

        g_assert_no_error(error);
        g_assert_cmpuint(caps->version, ==, 4002000);
        g_assert_false(caps->caps[VT_QEMU_CAP_SANDBOX]);
    }
    g_assert_cmpuint(starts_of(binary), ==, 1);

    listing = g_dir_open(cache, 0, NULL);
    file = g_build_filename(cache, g_dir_read_name(listing), NULL);
    g_assert_true(g_file_set_contents(file, "{\"key\": \"rubbish", -1, NULL));
    vt_qemu_caps_unref(vt_qemu_caps_probe(binary, cache, NULL));
    g_assert_cmpuint(starts_of(binary), ==, 2);

    found = g_strconcat(answering, "# changed\n", NULL);
    g_free(script(dir, found));
    vt_qemu_caps_unref(vt_qemu_caps_probe(binary, cache, NULL));
    g_assert_cmpuint(starts_of(binary), ==, 3);
    vt_qemu_caps_unref(vt_qemu_caps_probe(binary, NULL, NULL));
    g_assert_cmpuint(starts_of(binary), ==, 4);
    g_spawn_command_line_sync(found = (g_free(found), g_strdup_printf("rm -r %s", dir)), NULL, NULL, NULL,
                              NULL);
}

static void
test_what_is_no_qemu_says_why(void)
{
    static const struct {
        const char *body;
        VtErrorCode code;
        const char *word;
    } rows[] = {
        { "#!/bin/sh\necho no such option >&2; exit 1\n", VT_ERROR_OPERATION_FAILED, "no such option" },
        { "#!/bin/sh\nexit 0\n", VT_ERROR_OPERATION_FAILED, "without answering" },
        { "#!/bin/sh\nexec sleep 60\n", VT_ERROR_TIMEOUT, "in time" },
        { "#!/no/such/interpreter\n", VT_ERROR_SYSTEM, "cannot start" },
        { "#!/bin/sh\nexec yes \"$(head -c 60000 /dev/zero | tr '\\0' x)\"\n", VT_ERROR_OPERATION_FAILED,
          "without end" },
    };
    static const char *const commands[] = { "{\"execute\":\"query-version\"}", NULL };
    g_autofree char *dir = g_dir_make_tmp("vt-caps-XXXXXX", NULL), *path = NULL;
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;

        g_free(path);
        path = script(dir, rows[i].body);
        g_assert_null(vt_probe_run(path, commands, rows[i].code == VT_ERROR_TIMEOUT ? 200 : 10000, &error));
        g_assert_error(error, VT_ERROR, (int)rows[i].code);
        g_assert_nonnull(strstr(error->message, rows[i].word));
    }
    g_unlink(path);
    g_assert_null(vt_qemu_caps_probe(path, NULL, NULL));
    g_rmdir(dir);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu/caps/replies-are-understood", test_replies_are_understood);
    g_test_add_func("/qemu/caps/each-capability-has-its-question", test_each_capability_has_its_question);
    g_test_add_func("/qemu/caps/strange-replies-are-survived", test_strange_replies_are_survived);
    g_test_add_func("/qemu/caps/json-keeps-everything", test_json_keeps_everything);
    g_test_add_func("/qemu/caps/bad-json-is-refused", test_bad_json_is_refused);
    g_test_add_func("/qemu/caps/a-probe-is-cached-until-the-binary-changes",
                    test_a_probe_is_cached_until_the_binary_changes);
    g_test_add_func("/qemu/probe-run/what-is-no-qemu-says-why", test_what_is_no_qemu_says_why);
    return g_test_run();
}
