/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * probe - numbered packets at an exact rate, and what became of each
 *
 *   probe ping ADDRESS [--rate N]            ICMP echo, the usual measure of a blackout; needs root
 *   probe send ADDRESS --port P [--rate N]   numbered datagrams, one way
 *   probe receive --port P                   the other end of it
 *   probe tcp ADDRESS --port P [--rate N]    one connection, a numbered record a tick, each echoed
 *   probe echo --port P                      the other end of it (many connections)
 *
 * receive --quiet MS reports whenever nothing has come for MS after something had, and begins anew with the next.
 * Common: --seconds S ends by itself (else SIGINT or SIGTERM does), --grace MS waits for answers at the end (1000),
 * --log FILE writes one line "NUMBER SENT ARRIVED" a packet (seconds since the epoch; - for never).
 * The answer is one JSON object on standard output, times in milliseconds:
 *   sent, received, lost, duplicates, reordered, longest_gap_ms (between two arrivals, less the interval),
 *   longest_loss (packets lost in a row), rtt_max_ms, rtt_median_ms, late (answers that took over 100 ms),
 *   gaps: the ten longest, as {at (epoch seconds of the last arrival before), ms, lost}
 *
 * It has no dependency but libc, so that it also runs, linked statically, in the guest. Sending is paced by absolute
 * deadlines: a delayed tick does not move the later ones, so a run has as many packets as its time has ticks.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_PACKETS (200 * 3600)
#define MAX_CLIENTS 16

typedef struct {
    double sent, arrived;
    unsigned copies;
} Packet;

typedef struct {
    uint32_t magic, number;
} Record;

typedef struct {
    const char *mode, *address, *log;
    int port;
    double rate, seconds, grace, quiet;
} Options;

static Packet packets[MAX_PACKETS];
static uint32_t n_sent, n_seen, highest, reordered;
static int any_seen;
static volatile sig_atomic_t ending;
static const uint32_t MAGIC = 0x76742d70;

static void
on_signal(int number)
{
    ending = 1;
}

static double
now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void
die(const char *what)
{
    fprintf(stderr, "probe: %s: %s\n", what, strerror(errno));
    exit(2);
}

static uint16_t
checksum(const void *data, size_t size)
{
    const uint16_t *p = data;
    uint32_t sum = 0;

    for (; size > 1; size -= 2)
        sum += *p++;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

static void
note_arrival(uint32_t number)
{
    if (number >= MAX_PACKETS)
        return;
    packets[number].copies++;
    if (packets[number].copies > 1)
        return;
    packets[number].arrived = now();
    if (any_seen && number < highest)
        reordered++;
    if (!any_seen || number > highest)
        highest = number;
    any_seen = 1;
    n_seen++;
}

/* ---- one function a transport: how a packet goes out, how answers come in ---- */

static int sock = -1;
static struct sockaddr_in peer;
static uint16_t ident;
static unsigned char stream[65536];
static size_t stream_used;

static void
send_packet(const Options *options, uint32_t number)
{
    struct {
        struct icmphdr header;
        Record record;
        char padding[40];
    } icmp = { .header = { .type = ICMP_ECHO } };
    Record record = { htonl(MAGIC), htonl(number) };

    packets[number].sent = now();
    if (options->mode[0] == 'p') {
        icmp.header.un.echo.id = htons(ident);
        icmp.header.un.echo.sequence = htons(number & 0xffff);
        icmp.record = record;
        icmp.header.checksum = checksum(&icmp, sizeof icmp);
        (void)!sendto(sock, &icmp, sizeof icmp, MSG_DONTWAIT, (struct sockaddr *)&peer, sizeof peer);
    } else {
        (void)!send(sock, &record, sizeof record, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

static void
take_record(const void *data, size_t size)
{
    Record record;

    if (size < sizeof record)
        return;
    memcpy(&record, data, sizeof record);
    if (ntohl(record.magic) == MAGIC)
        note_arrival(ntohl(record.number));
}

static void
receive_packets(const Options *options)
{
    unsigned char buffer[2048];
    ssize_t n;

    while ((n = recv(sock, buffer, sizeof buffer, MSG_DONTWAIT)) > 0) {
        if (options->mode[0] == 'p') {
            size_t skip = (buffer[0] & 15) * 4;
            struct icmphdr header;

            if ((size_t)n < skip + sizeof header)
                continue;
            memcpy(&header, buffer + skip, sizeof header);
            if (header.type == ICMP_ECHOREPLY && header.un.echo.id == htons(ident))
                take_record(buffer + skip + sizeof header, n - skip - sizeof header);
        } else if (options->mode[0] == 't') {
            size_t used = 0;

            if (stream_used + n > sizeof stream)
                stream_used = 0;
            memcpy(stream + stream_used, buffer, n);
            stream_used += n;
            for (; stream_used - used >= sizeof(Record); used += sizeof(Record))
                take_record(stream + used, sizeof(Record));
            memmove(stream, stream + used, stream_used - used);
            stream_used -= used;
        } else {
            take_record(buffer, n);
        }
    }
}

static void
open_socket(const Options *options)
{
    int one = 1, size = 4 << 20;

    peer.sin_family = AF_INET;
    peer.sin_port = htons(options->port);
    if (options->address != NULL && inet_pton(AF_INET, options->address, &peer.sin_addr) != 1) {
        errno = EINVAL;
        die(options->address);
    }
    if (options->mode[0] == 'p')
        sock = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
    else
        sock =
            socket(AF_INET, options->mode[0] == 't' || options->mode[0] == 'e' ? SOCK_STREAM : SOCK_DGRAM, 0);
    if (sock < 0)
        die("socket");
    setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (options->mode[0] == 's' || options->mode[0] == 't') {
        if (connect(sock, (struct sockaddr *)&peer, sizeof peer) < 0)
            die("connect");
        if (options->mode[0] == 't')
            setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    } else if (options->mode[0] != 'p' && bind(sock, (struct sockaddr *)&peer, sizeof peer) < 0) {
        die("bind");
    }
    ident = (uint16_t)(getpid() ^ time(NULL));
}

/* ---- the report ---- */

static int
longer_first(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? 1 : x > y ? -1 : 0;
}

typedef struct {
    double ms, at;
    unsigned lost;
} Gap;

static int
gap_longer_first(const void *a, const void *b)
{
    return longer_first(&((const Gap *)a)->ms, &((const Gap *)b)->ms);
}

static int
earlier_first(const void *a, const void *b)
{
    const Packet *x = *(Packet *const *)a, *y = *(Packet *const *)b;

    return x->arrived < y->arrived ? -1 : x->arrived > y->arrived ? 1 : 0;
}

static unsigned
count_lost(uint32_t first, uint32_t last)
{
    unsigned lost = 0;

    for (uint32_t i = first; i < last; i++)
        lost += packets[i].copies == 0;
    return lost;
}

static void
write_log(const Options *options, uint32_t total)
{
    FILE *f = options->log ? fopen(options->log, "w") : NULL;

    if (f == NULL)
        return;
    for (uint32_t i = 0; i < total; i++) {
        if (packets[i].copies)
            fprintf(f, "%u %.6f %.6f\n", i, packets[i].sent, packets[i].arrived);
        else
            fprintf(f, "%u %.6f -\n", i, packets[i].sent);
    }
    fclose(f);
}

static void
report(const Options *options)
{
    int two_way = options->mode[0] == 'p' || options->mode[0] == 't';
    uint32_t first = 0, total = options->mode[0] == 'r' ? highest + any_seen : n_sent;
    double interval = 1000.0 / options->rate, rtt_max = 0, rtt_median = 0;
    unsigned run = 0, longest_run = 0, duplicates = 0, late = 0, n_gaps = 0;
    Packet **order = calloc(n_seen + 1, sizeof *order);
    double *rtts = calloc(n_seen + 1, sizeof *rtts);
    Gap *gaps = calloc(n_seen + 1, sizeof *gaps);
    uint32_t n = 0;

    if (options->mode[0] == 'r')
        while (first < total && packets[first].copies == 0)
            first++;
    for (uint32_t i = first; i < total; i++) {
        run = packets[i].copies ? 0 : run + 1;
        longest_run = run > longest_run ? run : longest_run;
        if (packets[i].copies == 0)
            continue;
        duplicates += packets[i].copies - 1;
        rtts[n] = (packets[i].arrived - packets[i].sent) * 1000;
        late += two_way && rtts[n] > 100;
        order[n++] = &packets[i];
    }
    qsort(rtts, n, sizeof *rtts, longer_first);
    if (n > 0 && two_way) {
        rtt_max = rtts[0];
        rtt_median = rtts[n / 2];
    }
    qsort(order, n, sizeof *order, earlier_first);
    for (uint32_t i = 1; i < n; i++) {
        double ms = (order[i]->arrived - order[i - 1]->arrived) * 1000 - interval;

        if (ms < 0)
            continue;
        gaps[n_gaps].ms = ms;
        gaps[n_gaps].at = order[i - 1]->arrived;
        gaps[n_gaps++].lost =
            order[i] > order[i - 1] ? count_lost(order[i - 1] - packets, order[i] - packets) : 0;
    }
    qsort(gaps, n_gaps, sizeof *gaps, gap_longer_first);
    if (options->quiet > 0 && n_gaps > 3)
        n_gaps = 3; /* it goes through the guest's kernel log, whose lines are short */
    printf(
        "{\"mode\": \"%s\", \"sent\": %u, \"received\": %u, \"lost\": %u, \"duplicates\": %u, \"reordered\": %u, "
        "\"longest_gap_ms\": %.1f, \"longest_loss\": %u, \"rtt_max_ms\": %.1f, \"rtt_median_ms\": %.2f, "
        "\"late\": %u, \"rate\": %g, \"gaps\": [",
        options->mode, total - first, n, total - first - n, duplicates, reordered, n_gaps ? gaps[0].ms : 0.0,
        longest_run, rtt_max, rtt_median, late, options->rate);
    for (unsigned i = 0; i < n_gaps && i < 10; i++)
        printf("%s{\"at\": %.6f, \"ms\": %.1f, \"lost\": %u}", i ? ", " : "", gaps[i].at, gaps[i].ms,
               gaps[i].lost);
    printf("]}\n");
    fflush(stdout);
    write_log(options, total);
    free(order);
    free(rtts);
    free(gaps);
}

/* ---- the loops ---- */

static void
run_sender(const Options *options)
{
    double interval = 1 / options->rate, start = now(), next = start, end = 0;
    struct pollfd fd = { .fd = sock, .events = POLLIN };

    for (;;) {
        double t = now(), until;

        if (end == 0 &&
            (ending || n_sent >= MAX_PACKETS || (options->seconds > 0 && t - start >= options->seconds)))
            end = t;
        if (end > 0 && (t - end >= options->grace || n_seen >= n_sent || options->mode[0] == 's'))
            break;
        if (end == 0 && t >= next) {
            send_packet(options, n_sent++);
            next = start + n_sent * interval;
            continue;
        }
        until = end > 0 ? end + options->grace : next;
        {
            double wait = until - t;
            struct timespec ts = { 0, wait <= 0 ? 0 : wait > 0.5 ? 500000000 : (long)(wait * 1e9) };

            if (ppoll(&fd, 1, &ts, NULL) > 0) {
                if (fd.revents & (POLLHUP | POLLERR) && options->mode[0] == 't')
                    break;
                receive_packets(options);
            }
        }
    }
}

static void
forget_packets(void)
{
    memset(packets, 0, (highest + 1) * sizeof *packets);
    n_seen = highest = reordered = 0;
    any_seen = 0;
}

static void
run_receiver(const Options *options)
{
    struct pollfd fd = { .fd = sock, .events = POLLIN };
    double start = now(), last = start;

    while (!ending && (options->seconds <= 0 || now() - start < options->seconds)) {
        if (poll(&fd, 1, 200) > 0) {
            receive_packets(options);
            last = now();
        } else if (options->quiet > 0 && any_seen && now() - last > options->quiet) {
            report(options);
            forget_packets();
        }
    }
}

static void
run_echo(void)
{
    struct pollfd fds[MAX_CLIENTS + 1] = { { .fd = sock, .events = POLLIN } };
    int n = 1;
    char buffer[4096];

    if (listen(sock, 8) < 0)
        die("listen");
    while (!ending) {
        if (poll(fds, n, 1000) <= 0)
            continue;
        for (int i = n - 1; i > 0; i--) {
            ssize_t got;

            if (!fds[i].revents)
                continue;
            got = recv(fds[i].fd, buffer, sizeof buffer, MSG_DONTWAIT);
            if (got > 0 || (got < 0 && errno == EAGAIN)) {
                if (got > 0)
                    (void)!send(fds[i].fd, buffer, got, MSG_NOSIGNAL);
                continue;
            }
            close(fds[i].fd);
            fds[i] = fds[--n];
        }
        if (fds[0].revents && n <= MAX_CLIENTS) {
            int fd = accept(sock, NULL, NULL), one = 1;

            if (fd < 0)
                continue;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            fds[n++] = (struct pollfd){ .fd = fd, .events = POLLIN };
        }
    }
}

int
main(int argc, char **argv)
{
    Options options = { .rate = 200, .grace = 1 };
    static const char *const modes[] = { "ping", "send", "receive", "tcp", "echo" };

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";

        if (strncmp(argv[i], "--", 2) != 0) {
            if (options.mode == NULL)
                options.mode = argv[i];
            else
                options.address = argv[i];
            continue;
        }
        i++;
        if (strcmp(argv[i - 1], "--rate") == 0)
            options.rate = atof(value);
        else if (strcmp(argv[i - 1], "--seconds") == 0)
            options.seconds = atof(value);
        else if (strcmp(argv[i - 1], "--grace") == 0)
            options.grace = atof(value) / 1000;
        else if (strcmp(argv[i - 1], "--quiet") == 0)
            options.quiet = atof(value) / 1000;
        else if (strcmp(argv[i - 1], "--port") == 0)
            options.port = atoi(value);
        else if (strcmp(argv[i - 1], "--log") == 0)
            options.log = value;
        else
            options.mode = "";
    }
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (options.mode == NULL || strcmp(options.mode, modes[i]) != 0)
            continue;
        if (options.rate <= 0 || (options.address == NULL && strchr("pst", modes[i][0])))
            break;
        signal(SIGINT, on_signal);
        signal(SIGTERM, on_signal);
        signal(SIGPIPE, SIG_IGN);
        open_socket(&options);
        if (modes[i][0] == 'e') {
            run_echo();
            return 0;
        }
        if (modes[i][0] == 'r')
            run_receiver(&options);
        else
            run_sender(&options);
        if (options.quiet <= 0)
            report(&options);
        return 0;
    }
    fprintf(stderr,
            "usage: probe ping|send|tcp ADDRESS | probe receive|echo, with --port P --rate N --seconds S "
            "--grace MS --quiet MS --log FILE\n");
    return 2;
}
