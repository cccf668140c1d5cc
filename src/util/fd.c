/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a peer may put into one message before we call it an attack; unix(7) caps it at 253. */
#define FD_RECV_MAX 16

void
vt_fd_close(VtFd fd)
{
    int saved = errno;

    if (fd >= 0)
        close(fd);
    errno = saved;
}

gboolean
vt_fd_pipe(VtFd *read_end, VtFd *write_end, GError **error)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return vt_error_set_errno(error, errno, "Cannot make a pipe");
    *read_end = ends[0];
    *write_end = ends[1];
    return TRUE;
}

gboolean
vt_fd_set_inherit(int fd, gboolean inherit, GError **error)
{
    int flags = fcntl(fd, F_GETFD);

    if (flags < 0 || fcntl(fd, F_SETFD, inherit ? flags & ~FD_CLOEXEC : flags | FD_CLOEXEC) < 0)
        return vt_error_set_errno(error, errno, "Cannot change the close-on-exec flag of descriptor %d", fd);
    return TRUE;
}

gboolean
vt_fd_set_nonblock(int fd, gboolean nonblock, GError **error)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, nonblock ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0)
        return vt_error_set_errno(error, errno, "Cannot change the blocking mode of descriptor %d", fd);
    return TRUE;
}

VtFdIo
vt_fd_send(int socket, int fd, GError **error)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = { .bytes = { 0 } };
    char zero = 0;
    struct iovec iov = { .iov_base = &zero, .iov_len = 1 };
    struct msghdr message = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
    ssize_t sent;

    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(cmsg), &fd, sizeof fd);
    do
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent == 1)
        return VT_FD_IO_DONE;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return VT_FD_IO_AGAIN;
    vt_error_set_errno(error, errno, "Cannot pass descriptor %d over a socket", fd);
    return VT_FD_IO_FAILED;
}

/* All descriptors of a message, so that none of them leaks whatever the peer sent. */
static guint
fd_collect(struct msghdr *message, int fds[FD_RECV_MAX])
{
    guint n = 0;

    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(message); cmsg; cmsg = CMSG_NXTHDR(message, cmsg)) {
        gsize count;

        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
            continue;
        count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (gsize i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof fd, sizeof fd);
            if (n < FD_RECV_MAX)
                fds[n++] = fd;
            else
                vt_fd_close(fd);
        }
    }
    return n;
}

VtFdIo
vt_fd_recv(int socket, VtFd *fd, GError **error)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(FD_RECV_MAX * sizeof(int))];
    } control = { .bytes = { 0 } };
    char byte = 0;
    struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
    struct msghdr message = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    int fds[FD_RECV_MAX];
    ssize_t received;
    guint n;

    do
        received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (received < 0 && errno == EINTR);
    if (received == 0)
        return VT_FD_IO_EOF;
    if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return VT_FD_IO_AGAIN;
    if (received < 0) {
        vt_error_set_errno(error, errno, "Cannot receive a descriptor over a socket");
        return VT_FD_IO_FAILED;
    }
    n = fd_collect(&message, fds);
    if (n == 1 && !(message.msg_flags & MSG_CTRUNC)) {
        *fd = fds[0];
        return VT_FD_IO_DONE;
    }
    for (guint i = 0; i < n; i++)
        vt_fd_close(fds[i]);
    vt_error_set(error, VT_ERROR_RPC, "The peer announced one descriptor for a byte, but sent %u.", n);
    return VT_FD_IO_FAILED;
}
