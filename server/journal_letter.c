#include "server/journal_letter.h"

#include "common/base/log.h"
#include "server/journal_trees.h"

enum err journal_letter(const struct journal *journal, uint64_t number, struct arena *arena,
                        Epcis__Store__V1__LetterRecord **out)
{
    uint8_t key[8];
    journal_key_u64(number, key);
    return journal_trees_read(journal_trees_of(journal), TREE_LETTER, key, sizeof key,
                              &epcis__store__v1__letter_record__descriptor, arena, out);
}

/* The dead letter was closed before: the change is refused and told what it is. */
static enum err refuse(struct journal_op *op, MDB_val value, struct arena *scratch)
{
    Epcis__Store__V1__LetterRecord *record =
        epcis__store__v1__letter_record__unpack(&scratch->allocator, value.mv_size, value.mv_data);
    if (!record) {
        log_error("journal_record_unreadable", "tree=letter bytes=%zu", value.mv_size);
        return ERR_CORRUPT;
    }
    op->letter->state = record->state;
    op->refused = ERR_EXISTS;
    return ERR_OK;
}

enum err journal_letter_apply(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                              struct arena *scratch)
{
    const struct journal_letter *letter = op->letter;
    uint8_t key_bytes[8];
    journal_key_u64(letter->number, key_bytes);
    MDB_val key = {sizeof key_bytes, key_bytes}, value;
    int code = mdb_get(txn, trees->dbi[TREE_LETTER], &key, &value);
    if (code == 0)
        return refuse(op, value, scratch);
    if (code != MDB_NOTFOUND)
        return journal_trees_error("letter", code);

    char capture_id[UUID_TEXT + 1];
    Epcis__V1__DeadLetterChange change = EPCIS__V1__DEAD_LETTER_CHANGE__INIT, *changes[] = {&change};
    Epcis__Store__V1__LetterRecord record = EPCIS__STORE__V1__LETTER_RECORD__INIT;
    record.state = change.state = letter->state;
    record.changes = changes;
    record.n_changes = 1;
    change.who = (char *)(uintptr_t)letter->who;
    change.why = (char *)(uintptr_t)letter->why;
    change.changed_ms = letter->changed_ms;
    if (op->document) {
        uuid_text(op->document->capture_id, capture_id);
        change.capture_id = capture_id;
    }
    value.mv_size = epcis__store__v1__letter_record__get_packed_size(&record);
    code = mdb_put(txn, trees->dbi[TREE_LETTER], &key, &value, MDB_RESERVE);
    if (code)
        return journal_trees_error("letter", code);
    epcis__store__v1__letter_record__pack(&record, value.mv_data);
    return ERR_OK;
}
