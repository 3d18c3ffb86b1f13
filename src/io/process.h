/* The process itself: signals as something to wait for, privileges, limits, the service manager, the terminal.
 *
 * The simulated world has no process; only the program (cmd/) uses this, from its first thread. */
#ifndef IO_PROCESS_H
#define IO_PROCESS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/time.h"
#include "mail/ip.h"

/* ---- signals ---- */

/* Before any other thread is begun: SIGTERM, SIGINT and SIGHUP are held back for process_wait(), SIGPIPE is ignored. */
void process_signals_begin(void);

enum process_event { PROCESS_STOP, PROCESS_RELOAD, PROCESS_TIMEOUT };
/* Blocks the thread until SIGTERM or SIGINT (stop), SIGHUP (reload), or for span_us (FOREVER: no limit). */
enum process_event process_wait(int64_t span_us);

/* Gives memory that was freed back to the system, if it is much: after a burst the allocator would keep it. */
void process_trim(void);

/* If the process still lives after span_us (whole seconds), it ends itself at once, with words on stderr and exit
 * code 75. */
void process_last_resort(int64_t span_us);

/* ---- privileges and limits ---- */

bool process_is_root(void);
int64_t process_uid(void);

struct process_user {
    int64_t uid, gid;
    char name[64];
    char full_name[128]; /* the person's, cut if it is longer; may be empty */
};
/* 0 or ERR_NOT_FOUND ("there is no user \"penny\""). */
int process_user_find(const char *name, struct process_user *out, struct error *e);

int process_user_by_id(int64_t uid, struct process_user *out); /* 0 or ERR_NOT_FOUND; any thread */

/* Who a file or folder belongs to. 0, ERR_NOT_FOUND (no such file, or nobody has that number), ERR_DENIED. */
int process_owner_of(const char *path, struct process_user *out, struct error *e);

/* Root only: becomes that user for good, with its groups. 0 or ERR_IO. */
int process_become(const struct process_user *u, struct error *e);

/* Root only: makes it the owner of a file or folder. 0 or ERR_IO. */
int process_give(const char *path, const struct process_user *u, struct error *e);

/* Files of ours are nobody else's (umask 077), no core dumps, no new privileges for good, as many open files as the
 * system lets us have. Returns that number. */
int64_t process_harden(void);

/* ---- whose machine is it ---- */

/* The network addresses of this machine's interfaces, as they are now; in `a`. 0 or ERR_IO. */
int process_addresses(struct arena *a, struct ip **out, size_t *n, struct error *e);

/* ---- the service manager ---- */

/* sd_notify(3): "READY=1", "STOPPING=1", "RELOADING=1\nMONOTONIC_USEC=…". Nothing happens without $NOTIFY_SOCKET. */
void process_notify(const char *state);

/* ---- the terminal ---- */

enum process_fd { PROCESS_IN = 0, PROCESS_OUT = 1, PROCESS_ERR = 2 };
bool process_is_tty(enum process_fd fd);
int process_columns(void); /* width of the terminal on stdout, 80 if there is none */

/* One line from stdin, without its line end, at most max bytes; from a terminal after `prompt`, unseen if hidden. 0;
 * ERR_EOF: there is none; ERR_TOO_LONG; ERR_IO. The bytes are added to b. */
int process_ask(const char *prompt, bool hidden, size_t max, struct buf *b);

/* All of a file ("-": stdin), at most max bytes, added to b, which must have room for one byte more: 0, ERR_TOO_LONG,
 * ERR_NOT_FOUND, ERR_DENIED, ERR_IO. */
int process_read(const char *path, size_t max, struct buf *b, struct error *e);

/* Writes all of it, whatever it takes. 0 or ERR_IO. */
int process_write(enum process_fd fd, struct str bytes);

/* Joins stdin and stdout to a Unix socket until its other end closes; lines that end with a bare LF get their CRLF on
 * the way there. 0, or why it could not be reached. */
int process_join(const char *path, struct error *e);

/* The folder a path lies in, absolute, links resolved; in `a`. 0 or ERR_NOT_FOUND, ERR_DENIED. */
int process_folder_of(struct arena *a, const char *path, const char **folder, struct error *e);

#endif
