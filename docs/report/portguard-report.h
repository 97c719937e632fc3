/*
 * portguard-report.h: tells Portguard what the peer of a connection did.
 *
 * A service calls portguard_report() with the socket that accept(2) gave it. Portguard asks the
 * kernel who is at its other end; the service names nobody, so nobody can be framed. Root, members
 * of the group `portguard-reporters` and operators may report; link nothing, copy this file.
 *
 *     portguard_report(client, "failed", "smtp", user);    one failed attempt to log in
 *     portguard_report(client, "ok", "smtp", user);        a login: its failures are forgotten
 *     portguard_report(client, "abusive", "smtp", NULL);   one is enough for a ban
 *
 * Returns 0 if the report was taken; -1 with errno if nobody is there to take it (ENOENT,
 * ECONNREFUSED: Portguard is not running) or if it was refused (EPERM).
 */
#ifndef PORTGUARD_REPORT_H
#define PORTGUARD_REPORT_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef PORTGUARD_REPORT_SOCKET
#define PORTGUARD_REPORT_SOCKET "/run/portguard/report.sock"
#endif

/* Sends one message with one file descriptor, and waits a second at most for the answer. */
static inline int portguard_report_over(int to, int client, const char *text, size_t length)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = { .iov_base = (void *)text, .iov_len = length };
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.space,
        .msg_controllen = sizeof control.space,
    };
    struct timeval patience = { .tv_sec = 1 };
    struct cmsghdr *header;
    char answer[256];
    ssize_t got;

    memset(&control, 0, sizeof control);
    header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &client, sizeof client);

    if (setsockopt(to, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0
        || sendmsg(to, &message, MSG_NOSIGNAL) < 0)
        return -1;
    got = recv(to, answer, sizeof answer, 0);
    if (got < 0)
        return -1;
    if (got >= 2 && memcmp(answer, "ok", 2) == 0)
        return 0;
    errno = EPERM;
    return -1;
}

/* `client` is the accepted socket; `user` may be NULL. */
static inline int portguard_report(int client, const char *deed, const char *service,
                                   const char *user)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char text[512];
    int length, to, result, why;

    length = snprintf(text, sizeof text, user ? "%s service=%s user=%s" : "%s service=%s", deed,
                      service, user);
    if (length < 0)
        return -1;
    if ((size_t)length >= sizeof text)
        length = sizeof text - 1;
    if (strlen(PORTGUARD_REPORT_SOCKET) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, PORTGUARD_REPORT_SOCKET);
    to = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (to < 0)
        return -1;
    result = connect(to, (struct sockaddr *)&address, sizeof address);
    if (result == 0)
        result = portguard_report_over(to, client, text, (size_t)length);
    why = errno;
    close(to);
    errno = why;
    return result;
}

#endif
