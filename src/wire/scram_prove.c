/* The client's proof of SCRAM, on a thread. */
#include "wire/scram_prove.h"

struct proof {
    struct scram_client *scram;
    struct str password, challenge, final;
    struct arena *arena; /* of its own: the connection's may have a budget, and its guard is another thread's */
    int result;
};

static void prove(void *arg)
{
    struct proof *p = arg;
    p->result = scram_client_final(p->arena, p->scram, p->password, p->challenge, &p->final);
}

static void free_arena(void *a) { arena_free(a); }

FIBER int scram_prove(struct arena *a, struct scram_client *s, struct str password, struct str challenge,
                      struct str *final)
{
    struct proof p = {.scram = s, .password = password, .challenge = challenge, .arena = arena_new(NULL, 0)};
    struct arena_undo *undo = arena_defer(a, free_arena, p.arena);
    offload(prove, &p);
    if (p.result == 0) *final = arena_str(a, p.final);
    arena_undefer(a, undo);
    arena_free(p.arena);
    return p.result;
}
