/* A load of log-ins or of letters for an IMAP server, for the benchmarks.
 *
 *     imap_load [options] login  HOST:PORT      connect, LOGIN, LOGOUT, again and again
 *     imap_load [options] append HOST:PORT      APPEND the letters of a corpus file, each confirmed before the next
 *
 * One thread per client, blocking sockets, so it costs the same whatever it drives. A corpus is letters one after the
 * other, each behind a line with its length. Prints one line of JSON. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct load {
    struct sockaddr_in server;
    int clients, count;
    const char *user, *password, *mailbox;
    bool login;
    struct iovec *letters;
    atomic_int next, failed;
};

struct client {
    int fd;
    char in[8192];
    size_t have;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *why)
{
    fprintf(stderr, "imap_load: %s\n", why);
    exit(1);
}

/* Reads lines until one begins with `start`; true if " OK" follows. */
static bool await(struct client *c, const char *start)
{
    size_t n = strlen(start);
    for (;;) {
        char *end;
        while ((end = memchr(c->in, '\n', c->have))) {
            size_t line = (size_t)(end + 1 - c->in);
            bool mine = line > n && memcmp(c->in, start, n) == 0;
            bool ok = mine && (memcmp(c->in + n, " OK", 3) == 0);
            if (mine && !ok) fprintf(stderr, "imap_load: %.*s", (int)line, c->in);
            memmove(c->in, c->in + line, c->have -= line);
            if (mine) return ok;
        }
        if (c->have == sizeof c->in) return false;
        ssize_t r = recv(c->fd, c->in + c->have, sizeof c->in - c->have, 0);
        if (r <= 0) return false;
        c->have += (size_t)r;
    }
}

static bool put(struct client *c, struct iovec *v, int n)
{
    while (n) {
        ssize_t w = writev(c->fd, v, n);
        if (w <= 0) return false;
        while (n && (size_t)w >= v->iov_len) {
            w -= (ssize_t)v->iov_len;
            v++;
            n--;
        }
        if (n) {
            v->iov_base = (char *)v->iov_base + w;
            v->iov_len -= (size_t)w;
        }
    }
    return true;
}

__attribute__((format(printf, 2, 3))) static bool say(struct client *c, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct iovec v = {text, (size_t)n};
    return put(c, &v, 1);
}

static bool sign_in(struct load *l, struct client *c)
{
    int one = 1;
    *c = (struct client){.fd = socket(AF_INET, SOCK_STREAM, 0)};
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return connect(c->fd, (struct sockaddr *)&l->server, sizeof l->server) == 0 && await(c, "*") &&
           say(c, "a LOGIN \"%s\" \"%s\"\r\n", l->user, l->password) && await(c, "a");
}

static bool append(struct load *l, struct client *c, struct iovec letter)
{
    char head[256];
    int n = snprintf(head, sizeof head, "b APPEND \"%s\" {%zu+}\r\n", l->mailbox, letter.iov_len);
    struct iovec v[] = {{head, (size_t)n}, letter, {(char *)"\r\n", 2}};
    return put(c, v, 3) && await(c, "b");
}

static void *run(void *arg)
{
    struct load *l = arg;
    struct client c = {.fd = -1};
    if (!l->login && !sign_in(l, &c)) {
        atomic_fetch_add(&l->failed, 1);
        return NULL;
    }
    for (int i; (i = atomic_fetch_add(&l->next, 1)) < l->count;) {
        bool good =
            l->login ? sign_in(l, &c) && say(&c, "z LOGOUT\r\n") && await(&c, "z") : append(l, &c, l->letters[i]);
        if (!good) {
            fprintf(stderr, "imap_load: %s %d failed, after \"%.*s\" (errno: %s)\n", l->login ? "login" : "letter", i,
                    (int)c.have, c.in, strerror(errno));
            atomic_fetch_add(&l->failed, 1);
            break;
        }
        if (l->login) close(c.fd);
    }
    if (!l->login) close(c.fd);
    return NULL;
}

static void read_corpus(struct load *l, const char *file, int first)
{
    struct stat st;
    int fd = open(file, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) != 0) die("no corpus");
    char *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0), *end = p + st.st_size;
    l->letters = calloc((size_t)l->count, sizeof *l->letters);
    for (int i = -first; i < l->count; i++) {
        if (p >= end) die("the corpus has too few letters");
        char *body;
        size_t n = strtoul(p, &body, 10);
        body++;
        if (i >= 0) l->letters[i] = (struct iovec){body, n};
        p = body + n;
    }
}

static void parse_server(struct load *l, char *where)
{
    char *colon = strrchr(where, ':');
    if (!colon) die("HOST:PORT is wanted");
    *colon = 0;
    l->server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
    if (inet_pton(AF_INET, where, &l->server.sin_addr) != 1) die("HOST is an IPv4 address");
}

int main(int argc, char **argv)
{
    struct load l = {.clients = 1, .count = 1000, .mailbox = "INBOX"};
    const char *corpus = NULL;
    int first = 0;
    for (int o; (o = getopt(argc, argv, "c:n:u:p:m:f:s:")) != -1;) {
        if (o == 'c') l.clients = atoi(optarg);
        else if (o == 'n') l.count = atoi(optarg);
        else if (o == 'u') l.user = optarg;
        else if (o == 'p') l.password = optarg;
        else if (o == 'm') l.mailbox = optarg;
        else if (o == 'f') corpus = optarg;
        else if (o == 's') first = atoi(optarg);
        else return 64;
    }
    if (argc - optind != 2 || !l.user || !l.password || l.clients < 1 || l.clients > 1000) die("see its source");
    l.login = strcmp(argv[optind], "login") == 0;
    parse_server(&l, argv[optind + 1]);
    if (!l.login && !corpus) die("-f CORPUS is wanted");
    if (!l.login) read_corpus(&l, corpus, first);
    pthread_t *threads = calloc((size_t)l.clients, sizeof *threads);
    double begun = now();
    for (int i = 0; i < l.clients; i++) pthread_create(&threads[i], NULL, run, &l);
    for (int i = 0; i < l.clients; i++) pthread_join(threads[i], NULL);
    double seconds = now() - begun;
    printf("{\"count\": %d, \"failed\": %d, \"seconds\": %.4f, \"rate\": %.1f}\n", l.count, atomic_load(&l.failed),
           seconds, (double)l.count / seconds);
    return atomic_load(&l.failed) != 0;
}
