/* Sessions as files: what a client says and what it must hear, played to a server over a stream in memory with a fake
 * clock.
 *
 * One behaviour a file, NAME.txt. Its first line names the RFC section ("# RFC 5321 §4.1.1.2: ..."); then, line by
 * line:
 *
 *   @ name value     a setting for the server under test, or "@ client ADDRESS": where the client comes from
 *   @ whole          not to be cut in pieces: what is sent in one write must come as one
 *   C: text          the client sends a line; \r \n \0 \t \\ \xHH as in C, \R100:x is a hundred x
 *   c: text          the same without CRLF behind it
 *   S: pattern       the server's next line; * stands for anything
 *   S:end            the server closes the connection
 *   2C: 2c: 2S: 2S:end   the same on a second connection, which is made when it is first named; with each change from
 *                    one to the other everything asked for has been heard
 *   --               the client must have heard all before it goes on (as after STARTTLS)
 *   wait SECONDS     and then waits
 *   hang up          the client goes away
 *   # ...            a remark
 *
 * Each file is played in lock step, with everything between two "--" in one write, byte by byte (these twice with one
 * seed, as all simulated tests), and in two writes cut at every byte.
 *
 * A test is one C file that includes transcript.c (tests are linked with their folder's library alone). */
#ifndef TESTS_TRANSCRIPT_H
#define TESTS_TRANSCRIPT_H

#include "io/sim.h"
#include "io/stream.h"

struct transcript_rig {
    /* Serves one connection to its end and closes the stream; in a fiber of its own. */
    FIBER void (*serve)(struct stream *s, void *arg);
    /* Before each run, in its world: everything as new. After it. end may be NULL. */
    void (*begin)(struct world *w, void *arg);
    void (*end)(void *arg);
    int cuts; /* places where a file is cut at most, evenly; 0 = 1000 */
    /* A setting; false: there is none of that name. May be NULL. */
    bool (*option)(void *arg, struct str name, struct str value);
    void *arg;
};

/* Plays all files of tests/transcripts/FOLDER; what goes wrong is printed with file and line. Returns how many files
 * were played, and how many of them failed in *failed. */
int transcripts_play(const char *folder, const struct transcript_rig *rig, int *failed);

/* Plays one that a test has written itself; name stands for the file. True if all went as it says. */
bool transcript_play_text(const char *name, const char *text, const struct transcript_rig *rig);

#endif
