#include "server/rejudge_compare.h"

#include <stdlib.h>
#include <string.h>

#include "common/store/store.h"
#include "server/batch.h"
#include "server/partner.h"

enum { LETTERS = 100, LETTERS_BYTES = 64 << 20, CODES_MAX = 32 };

/* Where a partition's dead letters are read on: its documents follow each other, and so do a document's. */
struct place {
    uint8_t capture_id[UUID_BYTES];
    char cursor[STORE_CURSOR]; /* of the page that holds the last one found */
};

struct codes {
    const char *all[CODES_MAX]; /* each once */
    size_t count;
};

struct rejudge_compare {
    struct store *store;
    struct rejudge_scope scope;
    uint64_t events;
    struct place places[PARTNER_PARTITIONS];

    const struct batch *batch;
    const Epcis__Store__V1__BatchRecord *record;
    const Epcis__Wire__V1__Rejudged *now;
    uint32_t item;        /* the next one */
    size_t span, refusal; /* at it */
    uint32_t span_end;    /* the first item behind its span */
    uint64_t event_index;
    bool wanted; /* the span is in the scope */

    struct arena letters_arena;
    Epcis__V1__ListDeadLettersResponse *letters; /* NULL: none were read for this span */
    size_t letter;
    char next_cursor[STORE_CURSOR];
};

struct rejudge_compare *rejudge_compare_new(struct store *store, const struct rejudge_scope *scope)
{
    struct rejudge_compare *compare = calloc(1, sizeof *compare);
    if (!compare)
        return NULL;
    compare->store = store;
    compare->scope = *scope;
    arena_init(&compare->letters_arena, LETTERS_BYTES);
    return compare;
}

void rejudge_compare_free(struct rejudge_compare *compare)
{
    if (!compare)
        return;
    arena_free(&compare->letters_arena);
    free(compare);
}

uint64_t rejudge_compare_events(const struct rejudge_compare *compare)
{
    return compare->events;
}

/* ---- recorded reasons ------------------------------------------------------------------------------- */

static void add_code(struct codes *codes, const char *code)
{
    for (size_t i = 0; i < codes->count; i++)
        if (strcmp(codes->all[i], code) == 0)
            return;
    if (codes->count < CODES_MAX)
        codes->all[codes->count++] = code;
}

static enum err read_letters(struct rejudge_compare *compare)
{
    struct place *place = &compare->places[compare->batch->partition];
    const struct store_letter_filter filter = {.capture_id = place->capture_id, .validated = true};
    arena_reset(&compare->letters_arena);
    compare->letters = NULL;
    compare->letter = 0;
    memcpy(compare->next_cursor, place->cursor, sizeof place->cursor);
    return store_dead_letters(compare->store, &filter, LETTERS, compare->next_cursor, &compare->letters_arena,
                              &compare->letters);
}

/* A letter before the one that is looked for, among those of its document. */
static bool is_before(const Epcis__V1__DeadLetter *letter, bool whole_document, uint64_t event_index)
{
    if (letter->n_reasons == 0) /* of a document that was only validated, with warnings */
        return true;
    bool has_index = letter->position_case == EPCIS__V1__DEAD_LETTER__POSITION_EVENT_INDEX;
    return whole_document ? has_index : !has_index || letter->event_index < event_index;
}

/* The reasons for which the item was refused, as its dead letter has them; borrowed until the next call. None
 * where there is no such letter: the store was brought back from before it. */
static enum err find_codes(struct rejudge_compare *compare, bool whole_document, struct codes *out)
{
    struct place *place = &compare->places[compare->batch->partition];
    enum err err = compare->letters ? ERR_OK : read_letters(compare);
    while (!err) {
        Epcis__V1__ListDeadLettersResponse *page = compare->letters;
        while (compare->letter < page->n_dead_letters &&
               is_before(page->dead_letters[compare->letter], whole_document, compare->event_index))
            compare->letter++;
        if (compare->letter < page->n_dead_letters || !compare->next_cursor[0])
            break;
        memcpy(place->cursor, compare->next_cursor, sizeof place->cursor);
        err = read_letters(compare);
    }
    if (err || compare->letter == compare->letters->n_dead_letters)
        return err;
    const Epcis__V1__DeadLetter *letter = compare->letters->dead_letters[compare->letter];
    if (!whole_document && letter->event_index != compare->event_index)
        return ERR_OK;
    for (size_t i = 0; i < letter->n_reasons; i++)
        add_code(out, letter->reasons[i]->code);
    compare->letter++;
    return ERR_OK;
}

/* ---- one item --------------------------------------------------------------------------------------- */

static bool is_refusal(uint8_t outcome)
{
    return outcome == EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_DEAD_LETTER ||
           outcome == EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_ROLLED_BACK ||
           outcome == EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_DOCUMENT_REFUSED;
}

static bool is_event(uint8_t outcome)
{
    return outcome != EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_MASTER_DATA &&
           outcome != EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_DOCUMENT_REFUSED;
}

/* For what the item is refused now. */
static void take_codes(struct rejudge_compare *compare, struct codes *out)
{
    const Epcis__Wire__V1__Rejudged *now = compare->now;
    while (compare->refusal < now->n_refusals && now->refusals[compare->refusal]->item < compare->item)
        compare->refusal++;
    if (compare->refusal == now->n_refusals || now->refusals[compare->refusal]->item != compare->item)
        return;
    const Epcis__Wire__V1__RejudgedRefusal *refusal = now->refusals[compare->refusal];
    for (size_t i = 0; i < refusal->n_codes; i++)
        add_code(out, refusal->codes[i]);
}

static bool same_codes(const struct codes *a, const struct codes *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = strcmp(a->all[i], b->all[i]) == 0;
    return same;
}

static char *copy(struct arena *arena, const char *text)
{
    return arena_copy(arena, text, strlen(text));
}

static Epcis__V1__Verdict *make_verdict(struct arena *arena, uint8_t outcome, const struct codes *codes,
                                        const char *rule_pack)
{
    Epcis__V1__Verdict *verdict = arena_alloc(arena, sizeof *verdict);
    char **texts = arena_alloc(arena, (codes->count + 1) * sizeof *texts);
    if (!verdict || !texts)
        return NULL;
    epcis__v1__verdict__init(verdict);
    verdict->outcome = (Epcis__V1__ItemOutcome)outcome;
    verdict->codes = texts;
    verdict->rule_pack = copy(arena, rule_pack);
    for (; verdict->n_codes < codes->count; verdict->n_codes++)
        if (!(texts[verdict->n_codes] = copy(arena, codes->all[verdict->n_codes])))
            return NULL;
    return verdict->rule_pack ? verdict : NULL;
}

static enum err add_difference(const struct rejudge_compare *compare, const struct codes *recorded,
                               const struct codes *now, struct arena *arena, struct buffer *differences)
{
    static const uint8_t none[DIGEST_BYTES];
    const struct batch_span *span = &compare->batch->spans[compare->span];
    const Epcis__Wire__V1__Acknowledgment *ack = compare->now->acknowledgment;
    const uint8_t *hash = compare->now->event_hashes.data + (size_t)compare->item * DIGEST_BYTES;
    Epcis__V1__VerdictDifference *difference = arena_alloc(arena, sizeof *difference);
    char *capture_id = arena_alloc(arena, UUID_TEXT + 1);
    if (!difference || !capture_id)
        return ERR_LIMIT;
    epcis__v1__verdict_difference__init(difference);
    uuid_text(span->capture_id, capture_id);
    difference->partition = compare->batch->partition;
    difference->sequence = compare->batch->sequence;
    difference->document = span->number;
    difference->capture_id = capture_id;
    difference->event_index = compare->event_index;
    if (memcmp(hash, none, DIGEST_BYTES) != 0) {
        difference->event_hash.data = (uint8_t *)arena_copy(arena, (const char *)hash, DIGEST_BYTES);
        difference->event_hash.len = difference->event_hash.data ? DIGEST_BYTES : 0;
    }
    difference->recorded = make_verdict(arena, compare->record->outcomes.data[compare->item], recorded,
                                        compare->record->rule_pack);
    difference->now = make_verdict(arena, ack->outcomes.data[compare->item], now, ack->rule_pack);
    if (!difference->recorded || !difference->now)
        return ERR_LIMIT;
    buffer_append(differences, &difference, sizeof difference);
    return differences->failed ? ERR_MEMORY : ERR_OK;
}

static enum err compare_item(struct rejudge_compare *compare, struct arena *arena, struct buffer *differences)
{
    uint8_t was = compare->record->outcomes.data[compare->item];
    uint8_t is = compare->now->acknowledgment->outcomes.data[compare->item];
    struct codes recorded = {.count = 0}, now = {.count = 0};
    enum err err = is_refusal(was) ? find_codes(compare, !is_event(was), &recorded) : ERR_OK;
    if (is_refusal(is))
        take_codes(compare, &now);
    compare->events += is_event(was);
    if (err || (was == is && same_codes(&recorded, &now)))
        return err;
    return add_difference(compare, &recorded, &now, arena, differences);
}

/* ---- batches ---------------------------------------------------------------------------------------- */

static bool in_scope(const struct rejudge_compare *compare, const struct batch_span *span)
{
    const struct rejudge_scope *scope = &compare->scope;
    const struct batch *batch = compare->batch;
    return (!scope->one_partition || scope->partition == batch->partition) &&
           batch->sequence >= scope->first_sequence &&
           (!scope->last_sequence || batch->sequence <= scope->last_sequence) &&
           span->received_ms >= scope->from_ms && (!scope->to_ms || span->received_ms < scope->to_ms);
}

static void enter_span(struct rejudge_compare *compare)
{
    const struct batch_span *span = &compare->batch->spans[compare->span];
    struct place *place = &compare->places[compare->batch->partition];
    compare->span_end = compare->item + span->count;
    compare->event_index = span->first_event;
    compare->wanted = in_scope(compare, span);
    compare->letters = NULL;
    if (memcmp(place->capture_id, span->capture_id, UUID_BYTES) == 0)
        return;
    memcpy(place->capture_id, span->capture_id, UUID_BYTES);
    place->cursor[0] = '\0';
}

enum err rejudge_compare_begin(struct rejudge_compare *compare, const struct batch *batch,
                               const Epcis__Store__V1__BatchRecord *record,
                               const Epcis__Wire__V1__Rejudged *now)
{
    if (record->outcomes.len != batch->items)
        return ERR_CORRUPT;
    compare->batch = batch;
    compare->record = record;
    compare->now = now;
    compare->item = 0;
    compare->span = compare->refusal = 0;
    enter_span(compare);
    return ERR_OK;
}

enum err rejudge_compare_go_on(struct rejudge_compare *compare, size_t limit, struct arena *arena,
                               struct buffer *differences, bool *done)
{
    enum err err = ERR_OK;
    while (!err && compare->item < compare->batch->items &&
           differences->length < limit * sizeof(Epcis__V1__VerdictDifference *)) {
        if (compare->item == compare->span_end) {
            compare->span++;
            enter_span(compare);
        }
        if (compare->wanted)
            err = compare_item(compare, arena, differences);
        compare->event_index += is_event(compare->record->outcomes.data[compare->item]);
        compare->item++;
    }
    *done = !err && compare->item == compare->batch->items;
    return err;
}
