/* Blocking work off the loops: a pool of threads, begun as they are needed, never more than was said. */
#include <assert.h>
#include <stdlib.h>

#include "io/world_real.h"

struct job { /* on the waiting fiber's stack */
    struct list link;
    void (*fn)(void *);
    void *arg;
    struct fiber *fiber;
    struct post done;
    bool finished; /* written and read on the fiber's loop */
};

struct pool {
    pthread_mutex_t mutex;
    pthread_cond_t work;
    struct list jobs;
    int max, started;
    int idle, queued; /* idle ones may have been called already: each of them will take a job */
    bool closing;
    pthread_t threads[];
};

struct pool *pool_new(int threads)
{
    struct pool *p = calloc(1, sizeof *p + (size_t)threads * sizeof(pthread_t));
    if (!p || pthread_mutex_init(&p->mutex, NULL) != 0 || pthread_cond_init(&p->work, NULL) != 0) abort();
    p->max = threads;
    list_init(&p->jobs);
    return p;
}

static void job_done(struct post *done)
{
    struct job *j = list_entry(done, struct job, done);
    j->finished = true;
    fiber_wake(j->fiber);
}

static void *work(void *arg)
{
    struct pool *p = arg;
    pthread_setname_np(pthread_self(), "offload");
    pthread_mutex_lock(&p->mutex);
    for (;;) {
        struct list *first = list_shift(&p->jobs);
        if (first) {
            struct job *j = list_entry(first, struct job, link);
            p->queued--;
            pthread_mutex_unlock(&p->mutex);
            j->fn(j->arg);
            loop_post(j->fiber->loop, &j->done);
            pthread_mutex_lock(&p->mutex);
        } else if (p->closing) {
            break;
        } else {
            p->idle++;
            pthread_cond_wait(&p->work, &p->mutex);
            p->idle--;
        }
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

void pool_free(struct pool *p)
{
    pthread_mutex_lock(&p->mutex);
    p->closing = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->mutex);
    for (int i = 0; i < p->started; i++) pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}

FIBER void offload_real(struct world *w, void (*fn)(void *), void *arg)
{
    struct pool *p = ((struct real_world *)w)->pool;
    struct job j = {.fn = fn, .arg = arg, .fiber = fiber_self(), .done.fn = job_done};
    pthread_mutex_lock(&p->mutex);
    list_push(&p->jobs, &j.link);
    bool call = ++p->queued <= p->idle;
    if (!call && p->started < p->max) {
        if (pthread_create(&p->threads[p->started], NULL, work, p) == 0) p->started++;
        else if (p->started == 0) abort();
    }
    pthread_mutex_unlock(&p->mutex);
    if (call) pthread_cond_signal(&p->work); /* unlocked, so that who wakes need not wait again for the mutex */
    while (!j.finished) fiber_park_whatever();
}
