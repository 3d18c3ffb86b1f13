/* A load of letters for a mail server, over SMTP or LMTP, plain or with TLS and a password; for the benchmarks and the
 * kill tests.
 *
 *     smtp_load [options] HOST:PORT
 *
 * One thread per session, blocking sockets; so the generator costs the same whatever it drives. Prints one line of
 * JSON. With --log each accepted letter's number is written (one write, before the next letter) to a file: what was
 * promised is known even if we or the server die. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct load {
    struct sockaddr_in server;
    int sessions, messages, size, recipients;
    const char *from, *recipient[256], *user, *password, *tag;
    bool lmtp, keep, tls, any_failure_ends;
    int log;
    SSL_CTX *ssl;
    char *filler; /* lines to cut bodies from */
    atomic_int next, sent, failed;
    double *latency; /* seconds, by message number */
};

struct session {
    struct load *load;
    int fd;
    SSL *ssl;
    char in[16384];
    size_t have;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool put(struct session *s, const char *p, size_t n)
{
    while (n) {
        ssize_t w = s->ssl ? SSL_write(s->ssl, p, (int)n) : send(s->fd, p, n, MSG_NOSIGNAL);
        if (w <= 0) return false;
        p += w;
        n -= (size_t)w;
    }
    return true;
}

/* The code of the next whole reply, 0 when the connection is gone. */
static int get_reply(struct session *s)
{
    for (;;) {
        char *end;
        while ((end = memchr(s->in, '\n', s->have))) {
            size_t n = (size_t)(end + 1 - s->in);
            int code = n > 4 ? atoi(s->in) : 0;
            bool last = n > 4 && s->in[3] != '-';
            memmove(s->in, s->in + n, s->have -= n);
            if (last) return code;
        }
        if (s->have == sizeof s->in) return 0;
        ssize_t r = s->ssl ? SSL_read(s->ssl, s->in + s->have, (int)(sizeof s->in - s->have))
                           : recv(s->fd, s->in + s->have, sizeof s->in - s->have, 0);
        if (r <= 0) return 0;
        s->have += (size_t)r;
    }
}

static bool say(struct session *s, int want, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static bool say(struct session *s, int want, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    return put(s, line, (size_t)n) && get_reply(s) / 100 == want;
}

static bool authenticate(struct session *s)
{
    const struct load *l = s->load;
    unsigned char plain[512], text[700];
    size_t u = strlen(l->user), p = strlen(l->password);
    if (u + p + 2 > sizeof plain) return false;
    plain[0] = 0;
    memcpy(plain + 1, l->user, u);
    plain[u + 1] = 0;
    memcpy(plain + u + 2, l->password, p);
    EVP_EncodeBlock(text, plain, (int)(u + p + 2));
    return say(s, 2, "AUTH PLAIN %s\r\n", text);
}

static void hang_up(struct session *s)
{
    if (s->ssl) SSL_free(s->ssl);
    if (s->fd >= 0) close(s->fd);
    s->ssl = NULL;
    s->fd = -1;
    s->have = 0;
}

static bool dial(struct session *s)
{
    const struct load *l = s->load;
    int one = 1;
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(s->fd, (const struct sockaddr *)&l->server, sizeof l->server)) return false;
    if (l->tls) {
        s->ssl = SSL_new(l->ssl);
        SSL_set_fd(s->ssl, s->fd);
        if (SSL_connect(s->ssl) != 1) return false;
    }
    return get_reply(s) == 220 && say(s, 2, "%s load.test\r\n", l->lmtp ? "LHLO" : "EHLO") &&
           (!l->user || authenticate(s));
}

static size_t make_letter(const struct load *l, int number, char *out, size_t cap)
{
    int n = snprintf(out, cap,
                     "From: <%s>\r\nTo: <%s>\r\nSubject: letter %s-%d\r\nMessage-ID: <%s-%d@load.test>\r\n"
                     "Date: Sun, 22 Nov 2026 01:30:00 +0000\r\nX-Load: %s-%d\r\n\r\n",
                     l->from, l->recipient[number % l->recipients], l->tag, number, l->tag, number, l->tag, number);
    size_t at = (size_t)n, body = (size_t)l->size > at ? (size_t)l->size - at : 0;
    memcpy(out + at, l->filler, body);
    at += body;
    memcpy(out + at, "\r\n.\r\n", 5);
    return at + 5;
}

static bool send_letter(struct session *s, int number, char *letter)
{
    struct load *l = s->load;
    size_t n = make_letter(l, number, letter, (size_t)l->size + 2048);
    if (!say(s, 2, "MAIL FROM:<%s>\r\n", l->from)) return false;
    if (!say(s, 2, "RCPT TO:<%s>\r\n", l->recipient[number % l->recipients])) return false;
    if (!say(s, 3, "DATA\r\n")) return false;
    if (!put(s, letter, n) || get_reply(s) / 100 != 2) return false;
    if (l->log >= 0) {
        char line[128];
        int w = snprintf(line, sizeof line, "%s-%d\n", l->tag, number);
        if (write(l->log, line, (size_t)w) != w) abort();
    }
    return true;
}

static void *run_session(void *arg)
{
    struct session *s = arg;
    struct load *l = s->load;
    char *letter = malloc((size_t)l->size + 4096);
    int number;
    while ((number = atomic_fetch_add(&l->next, 1)) < l->messages) {
        double begun = now();
        bool ok = (s->fd >= 0 || dial(s)) && send_letter(s, number, letter);
        l->latency[number] = now() - begun;
        atomic_fetch_add(ok ? &l->sent : &l->failed, 1);
        if (ok && !l->keep) put(s, "QUIT\r\n", 6), get_reply(s);
        if (!ok || !l->keep) hang_up(s);
        if (!ok && l->any_failure_ends) break;
    }
    if (s->fd >= 0) put(s, "QUIT\r\n", 6);
    hang_up(s);
    free(letter);
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(struct load *l, double seconds)
{
    int n = l->messages;
    qsort(l->latency, (size_t)n, sizeof *l->latency, by_size);
    printf("{\"sent\": %d, \"failed\": %d, \"seconds\": %.4f, \"rate\": %.1f, \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n",
           atomic_load(&l->sent), atomic_load(&l->failed), seconds, atomic_load(&l->sent) / seconds,
           l->latency[n / 2] * 1e3, l->latency[n * 99 / 100] * 1e3);
}

static void make_filler(struct load *l)
{
    size_t n = (size_t)l->size + 256;
    l->filler = malloc(n);
    for (size_t i = 0; i < n; i++) l->filler[i] = i % 78 == 76 ? '\r' : i % 78 == 77 ? '\n' : (char)('a' + i * 7 % 26);
}

static void usage(void)
{
    fputs("usage: smtp_load [-s SESSIONS] [-m MESSAGES] [-l BYTES] [-f FROM] [-t TO,TO...] [-d] [--lmtp] [--tls]\n"
          "                 [--user U --password P] [--tag WORD] [--log FILE] [--until-failure] HOST:PORT\n",
          stderr);
    exit(64);
}

static void parse_options(struct load *l, int argc, char **argv)
{
    static const struct option longs[] = {
        {"lmtp", 0, NULL, 'L'}, {"tls", 0, NULL, 'T'}, {"user", 1, NULL, 'u'},          {"password", 1, NULL, 'p'},
        {"tag", 1, NULL, 'g'},  {"log", 1, NULL, 'o'}, {"until-failure", 0, NULL, 'x'}, {NULL, 0, NULL, 0}};
    char *to = strdup("r@sink.test"), *save = NULL;
    for (int c; (c = getopt_long(argc, argv, "s:m:l:f:t:d", longs, NULL)) != -1;) switch (c) {
        case 's': l->sessions = atoi(optarg); break;
        case 'm': l->messages = atoi(optarg); break;
        case 'l': l->size = atoi(optarg); break;
        case 'f': l->from = optarg; break;
        case 't': to = strdup(optarg); break;
        case 'd': l->keep = true; break;
        case 'L': l->lmtp = true; break;
        case 'T': l->tls = true; break;
        case 'u': l->user = optarg; break;
        case 'p': l->password = optarg; break;
        case 'g': l->tag = optarg; break;
        case 'o': l->log = open(optarg, O_WRONLY | O_CREAT | O_APPEND, 0600); break;
        case 'x': l->any_failure_ends = true; break;
        default: usage();
        }
    for (char *t = strtok_r(to, ",", &save); t && l->recipients < 256; t = strtok_r(NULL, ",", &save))
        l->recipient[l->recipients++] = t;
    char *colon = optind < argc ? strrchr(argv[optind], ':') : NULL;
    if (!colon || l->recipients == 0 || l->sessions < 1 || l->messages < 1) usage();
    *colon = 0;
    l->server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
    if (inet_pton(AF_INET, argv[optind], &l->server.sin_addr) != 1) usage();
}

int main(int argc, char **argv)
{
    static struct load load =
        {.sessions = 1, .messages = 100, .size = 10240, .from = "s@load.test", .tag = "load", .log = -1};
    struct load *l = &load;
    parse_options(l, argc, argv);
    make_filler(l);
    l->latency = calloc((size_t)l->messages, sizeof *l->latency);
    if (l->tls) l->ssl = SSL_CTX_new(TLS_client_method());
    pthread_t *threads = calloc((size_t)l->sessions, sizeof *threads);
    struct session *sessions = calloc((size_t)l->sessions, sizeof *sessions);
    double begun = now();
    for (int i = 0; i < l->sessions; i++) {
        sessions[i] = (struct session){.load = l, .fd = -1};
        if (pthread_create(&threads[i], NULL, run_session, &sessions[i])) abort();
    }
    for (int i = 0; i < l->sessions; i++) pthread_join(threads[i], NULL);
    report(l, now() - begun);
    return atomic_load(&l->failed) ? 1 : 0;
}
