/*
 * door.c: a service that asks for a password and reports who gets it wrong.
 *
 *     cc -o door door.c && ./door 2525 secret
 *
 * A peer sends one line. The right one is let in, an empty one is abuse, any other one a failure.
 */
#include "portguard-report.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

static const char *judge(const char *line, const char *secret)
{
    if (*line == '\0')
        return "abusive";
    return strcmp(line, secret) == 0 ? "ok" : "failed";
}

static void serve(int client, const char *secret)
{
    char line[64] = "";
    ssize_t length = read(client, line, sizeof line - 1);
    const char *deed;
    int result;

    if (length <= 0)
        return;
    line[strcspn(line, "\r\n")] = '\0';
    deed = judge(line, secret);
    result = portguard_report(client, deed, "door", "guest");
    dprintf(client, "%s: %s\n", deed, result == 0 ? "reported" : strerror(errno));
}

int main(int count, char **words)
{
    struct sockaddr_in6 here = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT };
    int yes = 1, listener = socket(AF_INET6, SOCK_STREAM, 0);

    if (count != 3) {
        fprintf(stderr, "usage: door PORT SECRET\n");
        return 2;
    }
    here.sin6_port = htons((unsigned short)atoi(words[1]));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) < 0 || listen(listener, 16) < 0) {
        perror("door");
        return 1;
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client < 0)
            continue;
        serve(client, words[2]);
        close(client);
    }
}
