/* One administrative request of a command. */
#include "cmd/ask.h"

#include <stdio.h>

#include "mail/limits.h"

void ask_begin(struct ask *q, struct program *p, const char *op)
{
    *q = (struct ask){.program = p, .request = buf_in(p->arena, LIMIT_ADMIN_REQUEST)};
    q->json = JSON(q->request);
    json_put_object(&q->json, NULL);
    json_put_str(&q->json, "op", str_c(op));
}

static void take_row(void *arg, struct str row)
{
    struct ask *q = arg;
    if (q->row) q->row(q, row);
    else if (q->listing) listing_row(q->listing, row);
}

static void take_tell(void *arg, struct str line, bool finding)
{
    struct ask *q = arg;
    q->findings |= finding;
    fprintf(stderr, "%.*s\n", STR_FMT(line));
}

static void take_done(void *arg, const json_t *facts)
{
    struct ask *q = arg;
    if (q->done) q->done(q, facts);
}

static FIBER void ask_in_fiber(struct world *w, void *arg)
{
    struct ask *q = arg;
    const struct client_listener l = {.row = take_row, .tell = take_tell, .done = take_done, .arg = q};
    q->result = client_open(w, &q->config, &q->client, &q->error);
    if (!q->result) q->result = client_ask(q->client, buf_str(q->request), &l, &q->error);
    client_close(q->client);
}

static void ask_after(void *arg) { client_free(((struct ask *)arg)->client); }

int ask_run(struct ask *q)
{
    json_put_end(&q->json, '}');
    if (q->request->failed) return program_fail(q->program, EX_DATAERR, "that is too much for one request");
    int code = program_config(q->program, &q->config);
    if (code) return code;
    if (q->rows && !q->row) q->listing = listing_begin(q->program->arena, q->columns, q->program->json);
    program_run(ask_in_fiber, ask_after, q);
    if (q->result) return program_error(q->program, &q->error);
    if (q->listing) listing_end(q->listing);
    if (q->said && !q->program->json) printf("%s\n", q->said);
    return EX_OK;
}

int ask_simple(struct program *p, const char *op, const char *member, const char *value, const char *said)
{
    struct ask q;
    ask_begin(&q, p, op);
    json_put_str(&q.json, member, str_c(value));
    q.said = said;
    return ask_run(&q);
}

int ask_list(struct program *p, const char *op, const struct column *columns)
{
    struct ask q;
    ask_begin(&q, p, op);
    q.columns = columns;
    q.rows = true;
    return ask_run(&q);
}

int ask_show(struct program *p, const char *op, const char *member, const char *value)
{
    struct ask q;
    ask_begin(&q, p, op);
    json_put_str(&q.json, member, str_c(value));
    q.rows = true;
    return ask_run(&q);
}
