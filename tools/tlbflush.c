/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tlbflush - makes a guest under TCG fit to migrate
 *
 * QEMU before 9.0 does not tell its software TLB when a pass over the memory takes the marks of written pages away:
 * what the guest writes to them is not sent again until something flushes that TLB. A guest that idles and answers
 * pings from interrupts may never do so, and finds stacks and rings of the past after a migration. On a busy machine
 * that was one migration in five, under stock libvirtd, too. KVM is not concerned. [Source: QEMU's "physmem: Fix
 * migration dirty bitmap coherency with TCG memory access".]
 *
 * The kernel flushes the whole TLB when the right to write is taken from more than 33 pages at once.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#define PAGES   64
#define PAGE    4096
#define WAIT_NS 1000000L
#define SHARE   20 /* of its time, at most one part is spent on flushing */

static long
now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

int
main(void)
{
    char *pages =
        mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    long begun, took = 0;

    if (pages == MAP_FAILED) {
        perror("tlbflush");
        return 1;
    }
    for (;;) {
        long wait_ns = took * SHARE > WAIT_NS ? took * SHARE : WAIT_NS;
        struct timespec wait = { wait_ns / 1000000000L, wait_ns % 1000000000L };

        nanosleep(&wait, NULL);
        begun = now_ns();
        if (mprotect(pages, PAGES * PAGE, PROT_READ) < 0 ||
            mprotect(pages, PAGES * PAGE, PROT_READ | PROT_WRITE) < 0) {
            perror("tlbflush");
            return 1;
        }
        pages[0]++;
        took = now_ns() - begun;
    }
}
