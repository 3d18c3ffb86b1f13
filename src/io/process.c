/* The process itself: signals, privileges, limits, the service manager, the terminal. */
#include "io/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <ifaddrs.h>
#include <limits.h>
#include <malloc.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { READ_PIECE = 64 << 10 };

/* ---- signals ---- */

static sigset_t awaited(void)
{
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGTERM);
    sigaddset(&s, SIGINT);
    sigaddset(&s, SIGHUP);
    return s;
}

void process_signals_begin(void)
{
    sigset_t s = awaited();
    sigprocmask(SIG_BLOCK, &s, NULL); /* inherited by every thread made from now on */
    signal(SIGPIPE, SIG_IGN);
}

enum process_event process_wait(int64_t span_us)
{
    sigset_t s = awaited();
    struct timespec t = {.tv_sec = (time_t)(span_us / US_PER_S), .tv_nsec = (long)(span_us % US_PER_S) * 1000};
    int got;
    do got = span_us == FOREVER ? sigwaitinfo(&s, NULL) : sigtimedwait(&s, NULL, &t);
    while (got < 0 && errno == EINTR);
    if (got < 0) return PROCESS_TIMEOUT;
    return got == SIGHUP ? PROCESS_RELOAD : PROCESS_STOP;
}

enum { TRIM_WORTHWHILE = 8 << 20 };

void process_trim(void)
{
    if (mallinfo2().fordblks > TRIM_WORTHWHILE) malloc_trim(0);
}

static void give_up(int signal_number)
{
    (void)signal_number;
    process_write(PROCESS_ERR, S("penny: it does not end, so it is cut off; the store recovers at the next start\n"));
    _exit(75); /* EX_TEMPFAIL */
}

void process_last_resort(int64_t span_us)
{
    struct sigaction act = {.sa_handler = give_up};
    sigaction(SIGALRM, &act, NULL);
    alarm((unsigned)(span_us / US_PER_S));
}

/* ---- privileges and limits ---- */

bool process_is_root(void) { return geteuid() == 0; }
int64_t process_uid(void) { return geteuid(); }

static int user_of(const struct passwd *p, struct process_user *out)
{
    if (!p || strlen(p->pw_name) >= sizeof out->name) return ERR_NOT_FOUND;
    *out = (struct process_user){.uid = p->pw_uid, .gid = p->pw_gid};
    memcpy(out->name, p->pw_name, strlen(p->pw_name) + 1);
    size_t n = p->pw_gecos ? strcspn(p->pw_gecos, ",") : 0; /* "Bob Builder,Room 7,…" */
    if (n >= sizeof out->full_name) n = sizeof out->full_name - 1;
    if (n) memcpy(out->full_name, p->pw_gecos, n);
    return 0;
}

int process_user_find(const char *name, struct process_user *out, struct error *e)
{
    if (user_of(getpwnam(name), out) == 0) return 0;
    return error_set(e, ERR_NOT_FOUND, "there is no user \"%s\"", name);
}

int process_user_by_id(int64_t uid, struct process_user *out)
{
    enum { ENTRY_MAX = 64 << 10 };
    struct passwd room, *found = NULL;
    char *text = malloc(ENTRY_MAX);
    int result =
        text && getpwuid_r((uid_t)uid, &room, text, ENTRY_MAX, &found) == 0 ? user_of(found, out) : ERR_NOT_FOUND;
    free(text);
    return result;
}

int process_owner_of(const char *path, struct process_user *out, struct error *e)
{
    struct stat st;
    if (stat(path, &st) != 0) return error_os(e, errno, "cannot look at %s", path);
    if (user_of(getpwuid(st.st_uid), out) == 0) return 0;
    return error_set(e, ERR_NOT_FOUND, "%s belongs to user %u, whom nobody knows", path, st.st_uid);
}

int process_become(const struct process_user *u, struct error *e)
{
    gid_t gid = (gid_t)u->gid;
    uid_t uid = (uid_t)u->uid;
    if (initgroups(u->name, gid) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
        return error_os(e, errno, "cannot become user %s", u->name);
    return 0;
}

int process_give(const char *path, const struct process_user *u, struct error *e)
{
    if (lchown(path, (uid_t)u->uid, (gid_t)u->gid) != 0)
        return error_os(e, errno, "cannot give %s to %s", path, u->name);
    return 0;
}

int64_t process_harden(void)
{
    umask(077);
    struct rlimit none = {0, 0}, files;
    setrlimit(RLIMIT_CORE, &none); /* letters and passwords do not belong into core files */
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return -1;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    return (int64_t)files.rlim_cur;
}

/* ---- whose machine is it ---- */

static struct ip ip_of(const struct sockaddr *a)
{
    struct ip ip = {0};
    if (a && a->sa_family == AF_INET) {
        ip.family = 4;
        memcpy(ip.b, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
    } else if (a && a->sa_family == AF_INET6) {
        ip.family = 6;
        memcpy(ip.b, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, 16);
    }
    return ip;
}

int process_addresses(struct arena *a, struct ip **out, size_t *n, struct error *e)
{
    struct ifaddrs *all;
    if (getifaddrs(&all) != 0) return error_os(e, errno, "cannot list the machine's network addresses");
    size_t count = 0;
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) count += ip_of(i->ifa_addr).family != 0;
    *out = arena_array(a, count, sizeof **out);
    *n = 0;
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        struct ip ip = ip_of(i->ifa_addr);
        if (ip.family) (*out)[(*n)++] = ip;
    }
    freeifaddrs(all);
    return 0;
}

/* ---- the service manager ---- */

void process_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof to.sun_path) return;
    size_t n = strlen(path);
    memcpy(to.sun_path, path, n);
    if (path[0] == '@') to.sun_path[0] = 0; /* an abstract socket */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    (void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, size);
    close(fd);
}

/* ---- the terminal ---- */

bool process_is_tty(enum process_fd fd) { return isatty((int)fd) == 1; }

int process_columns(void)
{
    struct winsize w;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col >= 20 ? w.ws_col : 80;
}

/* Byte by byte: what follows the line is somebody else's to read. */
static int read_line(size_t max, struct buf *b)
{
    for (size_t n = 0;; n++) {
        char c;
        ssize_t got;
        do got = read(STDIN_FILENO, &c, 1);
        while (got < 0 && errno == EINTR);
        if (got < 0) return ERR_IO;
        if (got == 0) return n ? 0 : ERR_EOF;
        if (c == '\n') break;
        if (n == max) return ERR_TOO_LONG;
        buf_char(b, c);
    }
    if (b->n && b->p[b->n - 1] == '\r') b->n--;
    return b->failed;
}

int process_ask(const char *prompt, bool hidden, size_t max, struct buf *b)
{
    bool tty = process_is_tty(PROCESS_IN);
    struct termios before, unseen;
    bool changed = tty && hidden && tcgetattr(STDIN_FILENO, &before) == 0;
    if (changed) { /* before the prompt, and without throwing away what was typed ahead */
        unseen = before;
        unseen.c_lflag &= (tcflag_t) ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSADRAIN, &unseen);
    }
    if (tty) process_write(PROCESS_ERR, str_c(prompt));
    int e = read_line(max, b);
    if (changed) {
        tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
        process_write(PROCESS_ERR, S("\n"));
    }
    return e;
}

static int read_all(int fd, const char *path, size_t max, struct buf *b, struct error *e)
{
    for (size_t begin = b->n;;) {
        size_t left = max - (b->n - begin) + 1, piece = left < READ_PIECE ? left : READ_PIECE;
        char *room = buf_reserve(b, piece);
        if (!room) return error_set(e, ERR_TOO_LONG, "%s is too long", path);
        ssize_t got = read(fd, room, piece);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return error_os(e, errno, "cannot read %s", path);
        if (got == 0) return 0;
        b->n += (size_t)got;
        if (b->n - begin > max) return error_set(e, ERR_TOO_LONG, "%s is longer than %zu bytes", path, max);
    }
}

int process_read(const char *path, size_t max, struct buf *b, struct error *e)
{
    if (strcmp(path, "-") == 0) return read_all(STDIN_FILENO, "standard input", max, b, e);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return error_os(e, errno, "cannot read %s", path);
    int result = read_all(fd, path, max, b, e);
    close(fd);
    return result;
}

int process_write(enum process_fd fd, struct str bytes)
{
    while (bytes.n > 0) {
        ssize_t put = write((int)fd, bytes.p, bytes.n);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return ERR_IO;
        bytes = str_skip(bytes, (size_t)put);
    }
    return 0;
}

/* ---- a socket behind stdin and stdout ---- */

enum { JOIN_PIECE = 32 << 10 };

struct joined {
    int fd;
    char out[2 * JOIN_PIECE]; /* for the socket */
    char piece[JOIN_PIECE];   /* read just now */
    size_t n, sent;
    char last;
    bool in_ended, told; /* stdin is at its end; the socket knows */
};

/* False: it cannot be read any more. */
static bool read_stdin(struct joined *j)
{
    ssize_t got = read(STDIN_FILENO, j->piece, sizeof j->piece);
    if (got < 0) return errno == EINTR;
    for (ssize_t i = 0; i < got; i++) {
        if (j->piece[i] == '\n' && j->last != '\r') j->out[j->n++] = '\r';
        j->out[j->n++] = j->last = j->piece[i];
    }
    return got > 0;
}

static void write_socket(struct joined *j)
{
    ssize_t put = send(j->fd, j->out + j->sent, j->n - j->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put > 0) j->sent += (size_t)put;
    if (j->sent == j->n) j->sent = j->n = 0;
}

/* False: it has ended, or nobody hears what it says. */
static bool read_socket(struct joined *j)
{
    ssize_t got = recv(j->fd, j->piece, sizeof j->piece, MSG_DONTWAIT);
    if (got < 0) return errno == EINTR || errno == EAGAIN;
    return got > 0 && process_write(PROCESS_OUT, str_of(j->piece, (size_t)got)) == 0;
}

static void join(struct joined *j)
{
    for (bool open = true; open;) {
        struct pollfd p[2] = {{.fd = j->fd, .events = (short)(POLLIN | (j->n ? POLLOUT : 0))},
                              {.fd = j->in_ended || j->n ? -1 : STDIN_FILENO, .events = POLLIN}};
        if (poll(p, 2, -1) < 0 && errno != EINTR) return;
        if (p[1].revents) j->in_ended = !read_stdin(j);
        if (j->n && p[0].revents & POLLOUT) write_socket(j);
        if (p[0].revents & (POLLIN | POLLHUP | POLLERR)) open = read_socket(j);
        if (j->in_ended && !j->n && !j->told) j->told = shutdown(j->fd, SHUT_WR) == 0;
    }
}

int process_join(const char *path, struct error *e)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct joined *j = calloc(1, sizeof *j);
    if (!j) abort();
    int result = strlen(path) < sizeof to.sun_path ? 0 : error_set(e, ERR_TOO_LONG, "socket path too long: %s", path);
    j->fd = result ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (!result) memcpy(to.sun_path, path, strlen(path));
    if (!result && (j->fd < 0 || connect(j->fd, (struct sockaddr *)&to, sizeof to) != 0))
        result = error_os(e, errno, "cannot reach the server at %s", path);
    if (!result) join(j);
    if (j->fd >= 0) close(j->fd);
    free(j);
    return result;
}

int process_folder_of(struct arena *a, const char *path, const char **folder, struct error *e)
{
    const char *slash = strrchr(path, '/');
    const char *named = !slash ? "." : slash == path ? "/" : arena_cstr(a, str_of(path, (size_t)(slash - path)));
    char *real = realpath(named, NULL);
    if (!real) return error_os(e, errno, "cannot find the folder of %s", path);
    *folder = arena_cstr(a, str_c(real));
    free(real);
    return 0;
}
