/* Why a message still waits: what its owner ordered comes first, then what its next hop said, then when it is tried
 * again and how long. */
#include "cmd/queue_words.h"

void put_moment(struct buf *b, utc_us t)
{
    struct civil c = civil_of(t, 0);
    buf_printf(b, "%04d-%02d-%02d %02d:%02d:%02d UTC", c.year, c.month, c.day, c.hour, c.minute, c.second);
}

void put_span(struct buf *b, int64_t span_us)
{
    long long s = span_us < 0 ? 0 : span_us / US_PER_S;
    if (s < 60) buf_printf(b, "%lld s", s);
    else if (s < 3600) buf_printf(b, "%lld min", s / 60);
    else if (s < 86400) buf_printf(b, "%lld h %lld min", s / 3600, s / 60 % 60);
    else buf_printf(b, "%lld d %lld h", s / 86400, s / 3600 % 24);
}

static void put_when(struct buf *b, utc_us t, utc_us now)
{
    put_moment(b, t);
    if (t <= now) return;
    buf_lit(b, " (in ");
    put_span(b, t - now);
    buf_lit(b, ")");
}

/* Lines of a reply as one. */
static void put_words(struct buf *b, struct str words)
{
    struct str line;
    for (bool first = true; words.n; first = false) {
        str_cut(words, '\n', &line, &words);
        if (!first) buf_lit(b, " / ");
        buf_add(b, line);
    }
}

static void put_held(struct buf *b, const struct queue_item *item)
{
    buf_lit(b, "held until somebody releases it");
    if (item->last_reply.n == 0) return;
    buf_lit(b, "; ");
    put_words(b, item->last_reply);
}

/* What keeps the whole next hop waiting. False: nothing does. */
static bool put_hop(struct buf *b, const struct waiting *w)
{
    struct str key = w->item->next_hop;
    if (w->said && w->said->suspended) {
        buf_printf(b, "%.*s is suspended until somebody resumes it", STR_FMT(key));
    } else if (w->hop && w->hop->rests_until > w->now) {
        struct str words = w->hop->last_words, told = w->item->last_reply;
        /* this recipient's attempt was the one that found out */
        bool again = words.n && str_find(told, words) < told.n;
        if (!again) buf_printf(b, "%.*s cannot be reached", STR_FMT(key));
        if (!again && words.n) buf_lit(b, ": ");
        if (!again) put_words(b, words);
        if (again) buf_printf(b, "%.*s is left alone until ", STR_FMT(key));
        else buf_lit(b, "; it is left alone until ");
        put_when(b, w->hop->rests_until, w->now);
    } else if (w->hop && w->hop->hour_left == 0) {
        buf_printf(b, "the hour's limit of %.*s is used up", STR_FMT(key));
    } else {
        return false;
    }
    return true;
}

static void put_next(struct buf *b, const struct waiting *w)
{
    const struct queue_item *item = w->item;
    if (item->attempts > 0) buf_printf(b, "%d attempt%s, ", item->attempts, item->attempts == 1 ? "" : "s");
    if (w->stopped) {
        buf_lit(b, "waits for the server to run");
    } else if (item->due > w->now && item->attempts == 0 && item->last_reply.n == 0) {
        buf_lit(b, "about to be sent"); /* from memory: its row is for the crash */
    } else if (item->due > w->now) {
        buf_lit(b, "next at ");
        put_when(b, item->due, w->now);
    } else {
        buf_lit(b, "due now");
    }
}

static void put_end(struct buf *b, const struct queue_item *item)
{
    if (item->expires <= 0) return;
    buf_lit(b, "; gives up on ");
    put_moment(b, item->expires);
}

void queue_put_why(struct buf *b, const struct waiting *w)
{
    const struct queue_item *item = w->item;
    if (item->held) {
        put_held(b, item);
        return;
    }
    if (item->attempts == 0 && item->last_reply.n == 0 && item->not_before > w->now) {
        buf_lit(b, "to be sent at ");
        put_when(b, item->not_before, w->now);
        buf_lit(b, ", as its sender asked");
        put_end(b, item);
        return;
    }
    put_words(b, item->last_reply);
    if (item->last_reply.n) buf_lit(b, "; ");
    if (put_hop(b, w)) buf_lit(b, "; ");
    put_next(b, w);
    put_end(b, item);
}
