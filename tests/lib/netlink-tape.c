/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/netlink-tape.h"

#include "lib/kernel-answer.h"

#include <linux/rtnetlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#define TAPE_ZEROES 4  /* so many in a row are counted */
#define TAPE_LONG   40 /* a line longer than that is not written twice */

typedef struct {
    char *said; /* (nullable) when recording: before it */
    GByteArray *request, *reply;
    int errnum;
} Exchange;

typedef struct {
    GString *out;
    GHashTable *lines; /* long ones: their numbers */
    guint line;        /* number of the one that is being written */
} Writer;

struct _NetlinkTape {
    char *path;
    gboolean records;
    GPtrArray *exchanges; /* of Exchange */
    guint at;             /* played: the next one */
    char *said;
};

static const struct {
    int type;
    const char *name;
} tape_names[] = {
    { RTM_NEWLINK, "RTM_NEWLINK" },       { RTM_DELLINK, "RTM_DELLINK" },
    { RTM_GETLINK, "RTM_GETLINK" },       { RTM_SETLINK, "RTM_SETLINK" },
    { RTM_NEWNEIGH, "RTM_NEWNEIGH" },     { RTM_DELNEIGH, "RTM_DELNEIGH" },
    { RTM_GETNEIGH, "RTM_GETNEIGH" },     { RTM_NEWQDISC, "RTM_NEWQDISC" },
    { RTM_DELQDISC, "RTM_DELQDISC" },     { RTM_GETQDISC, "RTM_GETQDISC" },
    { RTM_NEWTFILTER, "RTM_NEWTFILTER" }, { RTM_DELTFILTER, "RTM_DELTFILTER" },
};

static const char *
tape_name(const GByteArray *request)
{
    int type = ((const struct nlmsghdr *)request->data)->nlmsg_type;

    for (gsize i = 0; i < G_N_ELEMENTS(tape_names); i++)
        if (tape_names[i].type == type)
            return tape_names[i].name;
    return "unknown";
}

/* In rtnetlink's numbers of messages: new, delete, get, set. */
static gboolean
tape_is_question(const Exchange *one)
{
    return (((const struct nlmsghdr *)one->request->data)->nlmsg_type & 3) == 2;
}

static void
exchange_free(gpointer data)
{
    Exchange *one = data;

    g_free(one->said);
    g_byte_array_unref(one->request);
    g_byte_array_unref(one->reply);
    g_free(one);
}

static Exchange *
exchange_new(void)
{
    Exchange *one = g_new0(Exchange, 1);

    one->request = g_byte_array_new();
    one->reply = g_byte_array_new();
    return one;
}

static gboolean
same_bytes(const GByteArray *a, const GByteArray *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* ---- writing ---- */

static gsize
message_head(const struct nlmsghdr *header)
{
    switch (header->nlmsg_type & ~3) {
    case RTM_NEWLINK & ~3:
        return NLMSG_HDRLEN + sizeof(struct ifinfomsg);
    case RTM_NEWNEIGH & ~3:
        return NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct ndmsg));
    default:
        return NLMSG_HDRLEN + sizeof(struct tcmsg);
    }
}

static void
put_hex(GString *out, const guint8 *bytes, gsize length)
{
    gsize at = 0;

    while (at < length) {
        gsize zeroes = 0;

        while (at + zeroes < length && bytes[at + zeroes] == 0)
            zeroes++;
        if (zeroes >= TAPE_ZEROES) {
            g_string_append_printf(out, "%s00*%zu", at ? " " : "", zeroes);
            at += zeroes;
            if (at < length)
                g_string_append_c(out, ' ');
            continue;
        }
        g_string_append_printf(out, "%02x", bytes[at++]);
    }
}

/* Without its end. A long one that stands above already is that line's number. */
static void
put_line(Writer *writer, const guint8 *bytes, gsize length)
{
    g_autoptr(GString) line = g_string_new(NULL);
    gpointer number = NULL;

    put_hex(line, bytes, length);
    if (line->len > TAPE_LONG) {
        number = g_hash_table_lookup(writer->lines, line->str);
        if (!number)
            g_hash_table_insert(writer->lines, g_strdup(line->str), GUINT_TO_POINTER(writer->line));
    }
    if (number)
        g_string_append_printf(writer->out, "@%u", GPOINTER_TO_UINT(number));
    else
        g_string_append(writer->out, line->str);
}

static void put_text(Writer *writer, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
put_text(Writer *writer, const char *format, ...)
{
    gsize before = writer->out->len;
    va_list args;

    va_start(args, format);
    g_string_append_vprintf(writer->out, format, args);
    va_end(args);
    for (gsize i = before; i < writer->out->len; i++)
        writer->line += writer->out->str[i] == '\n';
}

static void
put_attribute(Writer *writer, const struct nlattr *attr)
{
    const char *text = nla_data(attr);
    int length = nla_len(attr);
    gboolean printable = length > 1 && text[length - 1] == '\0';

    put_line(writer, (const guint8 *)attr, NLA_ALIGN(attr->nla_len));
    for (int i = 0; i < length - 1; i++)
        printable &= g_ascii_isprint(text[i]) != 0;
    if (printable)
        put_text(writer, " # %d \"%s\"\n", nla_type(attr), text);
    else
        put_text(writer, " # %d\n", nla_type(attr));
}

static void
put_messages(Writer *writer, const GByteArray *bytes)
{
    for (gsize at = 0; at + NLMSG_HDRLEN <= bytes->len;) {
        const struct nlmsghdr *header = (const struct nlmsghdr *)(bytes->data + at);
        gsize head = MIN(message_head(header), header->nlmsg_len);
        const struct nlattr *attr = (const struct nlattr *)(bytes->data + at + head);
        int left = (int)(header->nlmsg_len - head);

        put_line(writer, bytes->data + at, head);
        put_text(writer, "\n");
        for (; nla_ok(attr, left); attr = nla_next(attr, &left))
            put_attribute(writer, attr);
        if (left > 0) { /* not of that form */
            put_line(writer, (const guint8 *)attr, (gsize)NLMSG_ALIGN(left));
            put_text(writer, "\n");
        }
        at += NLMSG_ALIGN(header->nlmsg_len);
    }
}

static const Exchange *
tape_find_twin(const NetlinkTape *tape, guint at, guint *twin)
{
    const Exchange *one = g_ptr_array_index(tape->exchanges, at);

    for (*twin = 0; *twin < at; (*twin)++) {
        const Exchange *other = g_ptr_array_index(tape->exchanges, *twin);

        if (one->errnum == other->errnum && same_bytes(one->request, other->request) &&
            same_bytes(one->reply, other->reply))
            return other;
    }
    return NULL;
}

static Writer
writer_new(void)
{
    return (Writer){ .out = g_string_new(NULL),
                     .lines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
                     .line = 1 };
}

static void
writer_clear(Writer *writer)
{
    g_string_free(writer->out, TRUE);
    g_hash_table_unref(writer->lines);
}

static void
tape_write(NetlinkTape *tape)
{
    Writer writer = writer_new();
    g_autoptr(GError) error = NULL;
    struct utsname kernel;

    uname(&kernel);
    put_text(
        &writer,
        "# SPDX-License-Identifier: LGPL-2.1-or-later\n# recorded by tests/switchdev/run.py: netdevsim, Linux %s (%s); "
        "form: tests/lib/netlink-tape.h\n",
        kernel.release, kernel.version);
    for (guint i = 0; i < tape->exchanges->len; i++) {
        const Exchange *one = g_ptr_array_index(tape->exchanges, i);
        guint twin;

        if (one->said)
            put_text(&writer, "# ---- %s\n", one->said);
        if (tape_find_twin(tape, i, &twin)) {
            put_text(&writer, "= %u %u %s\n", i + 1, twin + 1, tape_name(one->request));
            continue;
        }
        put_text(&writer, "> %u %s\n", i + 1, tape_name(one->request));
        put_messages(&writer, one->request);
        put_text(&writer, "< %d%s%s\n", one->errnum, one->errnum ? " " : "",
                 one->errnum ? g_strerror(one->errnum) : "");
        put_messages(&writer, one->reply);
    }
    g_file_set_contents(tape->path, writer.out->str, (gssize)writer.out->len, &error);
    g_assert_no_error(error);
    writer_clear(&writer);
}

/* ---- reading ---- */

static void
take_bytes(char *const *lines, guint line, GByteArray *into)
{
    g_auto(GStrv) words = g_strsplit(lines[line], " ", -1);
    guint other;

    if (sscanf(lines[line], "@%u", &other) == 1) {
        g_assert_true(other > 0 && other <= line && lines[other - 1][0] != '@');
        take_bytes(lines, other - 1, into);
        return;
    }

    for (guint i = 0; words[i] && words[i][0] != '#'; i++) {
        guint count = 0;

        if (sscanf(words[i], "00*%u", &count) == 1) {
            g_byte_array_set_size(into, into->len + count);
            memset(into->data + into->len - count, 0, count);
            continue;
        }
        for (const char *p = words[i]; p[0] && p[1]; p += 2) {
            guint8 byte = (guint8)(g_ascii_xdigit_value(p[0]) << 4 | g_ascii_xdigit_value(p[1]));

            g_assert_true(g_ascii_isxdigit(p[0]) && g_ascii_isxdigit(p[1]));
            g_byte_array_append(into, &byte, 1);
        }
    }
}

static void
tape_take_twin(NetlinkTape *tape, const char *line)
{
    Exchange *one = exchange_new();
    const Exchange *twin;
    guint number, of = 0;

    g_assert_cmpint(sscanf(line, "= %u %u", &number, &of), ==, 2);
    g_assert_true(of > 0 && of <= tape->exchanges->len);
    twin = g_ptr_array_index(tape->exchanges, of - 1);
    g_byte_array_append(one->request, twin->request->data, twin->request->len);
    g_byte_array_append(one->reply, twin->reply->data, twin->reply->len);
    one->errnum = twin->errnum;
    g_ptr_array_add(tape->exchanges, one);
}

static void
tape_read(NetlinkTape *tape)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) lines = NULL;
    Exchange *one = NULL;
    GByteArray *into = NULL;

    g_file_get_contents(tape->path, &text, NULL, &error);
    g_assert_no_error(error);
    lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        const char *line = lines[i];

        if (line[0] == '>') {
            g_ptr_array_add(tape->exchanges, one = exchange_new());
            into = one->request;
        } else if (line[0] == '<' && one) {
            one->errnum = atoi(line + 1);
            into = one->reply;
        } else if (line[0] == '=') {
            tape_take_twin(tape, line);
        } else if (line[0] && line[0] != '#' && into) {
            take_bytes(lines, i, into);
        }
    }
    g_assert_cmpuint(tape->exchanges->len, >, 0);
}

/* ---- answering ---- */

/* What does not belong to the conversation: numbers that differ from run to run. */
static void
anonymise(GByteArray *bytes)
{
    for (gsize at = 0; at + NLMSG_HDRLEN <= bytes->len;) {
        struct nlmsghdr *header = (struct nlmsghdr *)(bytes->data + at);

        header->nlmsg_seq = 0;
        header->nlmsg_pid = 0;
        at += MAX(NLMSG_ALIGN(header->nlmsg_len), (gsize)NLMSG_HDRLEN);
    }
}

static const Exchange *
tape_record(NetlinkTape *tape, const struct nlmsghdr *request, Exchange *one)
{
    one->errnum = kernel_answer(request, one->reply);
    one->said = g_steal_pointer(&tape->said);
    anonymise(one->reply);
    g_ptr_array_add(tape->exchanges, one);
    return one;
}

/* From @from up to @to, without it; in whichever direction. */
static const Exchange *
tape_seek(NetlinkTape *tape, const Exchange *asked, int from, int to)
{
    for (int i = from; i != to; i += from < to ? 1 : -1) {
        const Exchange *one = g_ptr_array_index(tape->exchanges, (guint)i);

        if (!same_bytes(one->request, asked->request))
            continue;
        tape->at = MAX(tape->at, (guint)i + 1);
        return one;
    }
    return NULL;
}

static int
tape_next_order(const NetlinkTape *tape)
{
    guint at = tape->at;

    while (at < tape->exchanges->len && tape_is_question(g_ptr_array_index(tape->exchanges, at)))
        at++;
    return (int)at;
}

static const Exchange *
tape_play(NetlinkTape *tape, const Exchange *asked)
{
    int order = tape_next_order(tape);
    const Exchange *found = NULL;

    if (!tape_is_question(asked)) {
        if (order < (int)tape->exchanges->len)
            found = tape_seek(tape, asked, order, order + 1);
    } else {
        found = tape_seek(tape, asked, (int)tape->at, order);
        if (!found && tape->at > 0)
            found = tape_seek(tape, asked, (int)tape->at - 1, -1);
    }
    if (!found) {
        Writer writer = writer_new();

        put_messages(&writer, asked->request);
        g_error(
            "%s: after exchange %u the kernel is told something that it was not when this was recorded (to record "
            "again: tests/switchdev/run.py): %s\n%s",
            tape->path, tape->at, tape_name(asked->request), writer.out->str);
    }
    return found;
}

static int
tape_answer(const struct nlmsghdr *request, GByteArray *reply, gpointer user)
{
    NetlinkTape *tape = user;
    Exchange *asked = exchange_new();
    const Exchange *found;
    int errnum;

    g_byte_array_append(asked->request, (const guint8 *)request, NLMSG_ALIGN(request->nlmsg_len));
    anonymise(asked->request);
    found = tape->records ? tape_record(tape, request, asked) : tape_play(tape, asked);
    g_byte_array_append(reply, found->reply->data, found->reply->len);
    errnum = found->errnum;
    if (found != asked)
        exchange_free(asked);
    return errnum;
}

gboolean
netlink_tape_records(void)
{
    return g_getenv("VT_RECORD") != NULL;
}

NetlinkTape *
netlink_tape_open(const char *name)
{
    NetlinkTape *tape = g_new0(NetlinkTape, 1);
    g_autofree char *base = g_strconcat(name, ".txt", NULL);

    tape->records = netlink_tape_records();
    tape->path = tape->records ? g_build_filename(g_getenv("VT_RECORD"), base, NULL)
                               : g_build_filename(VT_TEST_DATA_DIR, "netlinkdata", base, NULL);
    tape->exchanges = g_ptr_array_new_with_free_func(exchange_free);
    if (!tape->records)
        tape_read(tape);
    return tape;
}

VtNetlink *
netlink_tape_netlink(NetlinkTape *tape)
{
    return vt_netlink_new_fake(tape_answer, tape);
}

void
netlink_tape_say(NetlinkTape *tape, const char *what)
{
    g_free(tape->said);
    tape->said = g_strdup(what);
}

void
netlink_tape_close(NetlinkTape *tape)
{
    if (tape->records)
        tape_write(tape);
    else
        g_assert_cmpint(tape_next_order(tape), ==, (int)tape->exchanges->len);
    g_ptr_array_unref(tape->exchanges);
    g_free(tape->said);
    g_free(tape->path);
    g_free(tape);
}
