#include "server/journal_news.h"

#include "common/base/clock.h"
#include "server/journal_trees.h"

/* A transaction stays short. More than come with the pieces that one removes, on the whole. */
enum { PRUNE_AT_ONCE = 1024 };

static enum err add(struct journal_trees *trees, MDB_txn *txn, const Epcis__Store__V1__CaptureRecord *record,
                    Epcis__Store__V1__NewsRecord *news)
{
    uint8_t key[8];
    news->capture_id = record->capture_id;
    news->partner = record->partner;
    news->noted_ms = clock_wall_ms();
    journal_key_u64(trees->next_news++, key);
    return journal_trees_put_message(trees, txn, TREE_NEWS, journal_val(key, sizeof key), &news->base);
}

enum err journal_news_add_batch(struct journal_trees *trees, MDB_txn *txn,
                                const Epcis__Store__V1__CaptureRecord *record, const struct journal_op *op,
                                const Epcis__Store__V1__BatchSpan *span,
                                const struct journal_span_result *result)
{
    Epcis__Store__V1__NewsRecord news = EPCIS__STORE__V1__NEWS_RECORD__INIT;
    news.state = EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_RUNNING;
    news.partition = op->partition;
    news.sequence = op->sequence;
    news.first_event = span->first_event;
    news.events = span->events;
    news.committed = result->committed;
    news.duplicates = result->duplicates;
    news.dead_letters = result->dead_letters;
    news.warnings = result->warnings;
    return add(trees, txn, record, &news);
}

enum err journal_news_add_end(struct journal_trees *trees, MDB_txn *txn,
                              const Epcis__Store__V1__CaptureRecord *record)
{
    Epcis__Store__V1__NewsRecord news = EPCIS__STORE__V1__NEWS_RECORD__INIT;
    news.state = record->state;
    news.events = record->events;
    news.committed = record->committed;
    news.duplicates = record->duplicates;
    news.dead_letters = record->dead_letters;
    news.warnings = record->warnings;
    return add(trees, txn, record, &news);
}

static enum err unpack(MDB_val value, struct arena *arena, Epcis__Store__V1__NewsRecord **out)
{
    *out = epcis__store__v1__news_record__unpack(&arena->allocator, value.mv_size, value.mv_data);
    return *out ? ERR_OK : ERR_LIMIT;
}

enum err journal_news_prune(struct journal_trees *trees, MDB_txn *txn, int64_t before_ms,
                            struct arena *scratch)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int code = mdb_cursor_open(txn, trees->dbi[TREE_NEWS], &cursor);
    if (code)
        return journal_trees_error("news", code);
    enum err err = ERR_OK;
    code = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
    uint64_t last = code ? 0 : journal_key_read_u64(key.mv_data);
    for (int i = 0; !code && i < PRUNE_AT_ONCE; i++) {
        Epcis__Store__V1__NewsRecord *record = NULL;
        code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
        if (code || journal_key_read_u64(key.mv_data) == last)
            break;
        arena_reset(scratch);
        err = unpack(value, scratch, &record);
        if (err || record->noted_ms >= before_ms)
            break;
        code = mdb_cursor_del(cursor, 0);
    }
    mdb_cursor_close(cursor);
    if (err)
        return err;
    return code && code != MDB_NOTFOUND ? journal_trees_error("news", code) : ERR_OK;
}

static enum err open_cursor(const struct journal_trees *trees, MDB_txn **txn, MDB_cursor **cursor)
{
    int code = mdb_txn_begin(trees->env, NULL, MDB_RDONLY, txn);
    if (code)
        return journal_trees_error("news", code);
    code = mdb_cursor_open(*txn, trees->dbi[TREE_NEWS], cursor);
    if (!code)
        return ERR_OK;
    mdb_txn_abort(*txn);
    return journal_trees_error("news", code);
}

enum err journal_news_range(struct journal *journal, uint64_t *first, uint64_t *last)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key, value;
    *first = 1;
    *last = 0;
    enum err err = open_cursor(journal_trees_of(journal), &txn, &cursor);
    if (err)
        return err;
    int code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    if (!code) {
        *first = journal_key_read_u64(key.mv_data);
        code = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
    }
    if (!code)
        *last = journal_key_read_u64(key.mv_data);
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return code && code != MDB_NOTFOUND ? journal_trees_error("news", code) : ERR_OK;
}

enum err journal_news_read(struct journal *journal, uint64_t *number, uint32_t limit, struct arena *arena,
                           enum err (*take)(void *context, uint64_t number,
                                            const Epcis__Store__V1__NewsRecord *record),
                           void *context)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    uint8_t after[8];
    journal_key_u64(*number + 1, after);
    MDB_val key = journal_val(after, sizeof after), value;
    enum err err = open_cursor(journal_trees_of(journal), &txn, &cursor);
    if (err)
        return err;
    int code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (code == MDB_NOTFOUND)
        err = ERR_NOT_FOUND;
    else if (!code && journal_key_read_u64(key.mv_data) != *number + 1)
        err = ERR_ORDER;
    for (uint32_t i = 0; !code && !err && i < limit; i++) {
        Epcis__Store__V1__NewsRecord *record = NULL;
        uint64_t here = journal_key_read_u64(key.mv_data);
        err = unpack(value, arena, &record);
        if (!err)
            err = take(context, here, record);
        if (err)
            break;
        *number = here;
        code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return !err && code && code != MDB_NOTFOUND ? journal_trees_error("news", code) : err;
}
