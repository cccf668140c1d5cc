/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A QEMU that only talks: it replays a conversation on a QMP socket and insists on its part of it.
 *
 *   fake-qemu TRANSCRIPT (--fd N | --listen-fd N | --listen PATH)
 *
 * A transcript has one line an action:
 *   # ...        comment
 *   S: {...}     send; a "return" or "error" without "id" gets the id of the last command received
 *   R: text      send these bytes as they are (\n, \r, \t, \\, \0 and \xHH are understood)
 *   C: {...}     expect a command equal to this one, "id" apart
 *   W: 50        wait so many milliseconds
 *   E: text      write a line to stderr
 *   X: 3         exit with this status
 * At its end it waits for the peer to close (0), or fails with what it got instead. A mismatch is told on stderr
 * and ends with status 3. Stray options (a QEMU command line) before "--" are ignored.
 */
#include <errno.h>
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int peer = -1;
static GString *input;
static char *last_id;

static void G_GNUC_NORETURN G_GNUC_PRINTF(1, 2) fake_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("fake-qemu: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(3);
}

static void
fake_send(const char *data, gsize size)
{
    while (size > 0) {
        gssize n = send(peer, data, size, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            fake_fail("the peer does not take what is sent: %s", g_strerror(errno));
        data += n;
        size -= (gsize)n;
    }
}

/* The next line from the peer; NULL when it has closed. */
static char *
fake_read_line(void)
{
    for (;;) {
        char *end = memchr(input->str, '\n', input->len);
        char buffer[4096];
        gssize n;

        if (end) {
            char *line = g_strndup(input->str, (gsize)(end - input->str));

            g_string_erase(input, 0, end - input->str + 1);
            return line;
        }
        n = recv(peer, buffer, sizeof(buffer), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return NULL;
        g_string_append_len(input, buffer, n);
    }
}

static JsonNode *
fake_parse(const char *text, guint line)
{
    g_autoptr(GError) error = NULL;
    JsonNode *node = json_from_string(text, &error);

    if (!node || !JSON_NODE_HOLDS_OBJECT(node))
        fake_fail("line %u: not a JSON object: %s", line, text);
    return node;
}

static void
fake_do_send(const char *text, guint line)
{
    g_autoptr(JsonNode) node = fake_parse(text, line);
    JsonObject *object = json_node_get_object(node);
    g_autofree char *out = NULL;
    g_autofree char *bytes = NULL;

    if ((json_object_has_member(object, "return") || json_object_has_member(object, "error")) &&
        !json_object_has_member(object, "id") && last_id)
        json_object_set_string_member(object, "id", last_id);
    out = json_to_string(node, FALSE);
    bytes = g_strconcat(out, "\r\n", NULL);
    fake_send(bytes, strlen(bytes));
}

static void
fake_do_raw(const char *text)
{
    g_autoptr(GString) bytes = g_string_new(NULL);

    for (; *text; text++) {
        if (*text != '\\') {
            g_string_append_c(bytes, *text);
            continue;
        }
        text++;
        if (*text == 'n')
            g_string_append_c(bytes, '\n');
        else if (*text == 'r')
            g_string_append_c(bytes, '\r');
        else if (*text == 't')
            g_string_append_c(bytes, '\t');
        else if (*text == '0')
            g_string_append_c(bytes, '\0');
        else if (*text == 'x' && g_ascii_isxdigit(text[1]) && g_ascii_isxdigit(text[2])) {
            g_string_append_c(bytes,
                              (char)(g_ascii_xdigit_value(text[1]) * 16 + g_ascii_xdigit_value(text[2])));
            text += 2;
        } else {
            g_string_append_c(bytes, *text);
        }
    }
    fake_send(bytes->str, bytes->len);
}

static void
fake_do_expect(const char *text, guint line)
{
    g_autoptr(JsonNode) want = fake_parse(text, line);
    g_autofree char *got_text = fake_read_line();
    g_autoptr(JsonNode) got = got_text ? json_from_string(got_text, NULL) : NULL;
    JsonObject *object;

    if (!got || !JSON_NODE_HOLDS_OBJECT(got))
        fake_fail("line %u: expected %s, got %s", line, text, got_text ? got_text : "the end");
    object = json_node_get_object(got);
    g_free(last_id);
    last_id = g_strdup(json_object_get_string_member_with_default(object, "id", ""));
    json_object_remove_member(object, "id");
    if (!json_node_equal(want, got))
        fake_fail("line %u: expected %s, got %s", line, text, got_text);
}

static void
fake_replay(const char *path)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    g_autofree char *rest = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        fake_fail("cannot read '%s'", path);
    lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        const char *argument = lines[i][0] && lines[i][1] == ':' ? g_strstrip(lines[i] + 2) : "";

        switch (lines[i][0]) {
        case 'S':
            fake_do_send(argument, i + 1);
            break;
        case 'R':
            fake_do_raw(argument);
            break;
        case 'C':
            fake_do_expect(argument, i + 1);
            break;
        case 'W':
            g_usleep((gulong)atoi(argument) * 1000);
            break;
        case 'E':
            fprintf(stderr, "%s\n", argument);
            break;
        case 'X':
            exit(atoi(argument));
        case '#':
        case '\0':
            break;
        default:
            fake_fail("line %u: not understood: %s", i + 1, lines[i]);
        }
    }
    rest = fake_read_line();
    if (rest)
        fake_fail("after the end: got %s", rest);
}

static int
fake_listen(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    unlink(path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0)
        fake_fail("cannot listen on '%s'", path);
    return fd;
}

int
main(int argc, char **argv)
{
    int listener = -1;

    input = g_string_new(NULL);
    for (int i = 2; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--fd") == 0)
            peer = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--listen-fd") == 0)
            listener = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--listen") == 0)
            listener = fake_listen(argv[i + 1]);
    }
    if (argc < 2 || (peer < 0 && listener < 0)) {
        fprintf(stderr, "usage: fake-qemu TRANSCRIPT (--fd N | --listen-fd N | --listen PATH)\n");
        return 2;
    }
    if (peer < 0)
        peer = accept(listener, NULL, NULL);
    if (peer < 0)
        fake_fail("nobody connects");
    fake_replay(argv[1]);
    return 0;
}
