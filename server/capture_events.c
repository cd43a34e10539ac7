/* What became of the events of one document: the journal's batches tell the outcomes in the document's order,
 * the store has what it keeps of committed events and of dead letters in the same order, so that a page of
 * each is read from where the page before ended, and joined by position. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/store/store_trace.h"
#include "epcis/v1/ledger.pb-c.h"
#include "server/capture_list.h"
#include "server/journal.h"

enum {
    EVENTS_MAX = 200,   /* in a page: a dead letter may have many reasons */
    BATCHES_LOOK = 500, /* batches read for a page */
    RECORD_BYTES = 4 << 20,
    CURSOR_PART = 64,
};

/* Where a page begins, and the next one. */
struct place {
    uint64_t sequence;                              /* of the batch; 0: the document's first */
    uint32_t item;                                  /* of the document's items in it */
    char events[CURSOR_PART], letters[CURSOR_PART]; /* the store's cursors; "-": from the first */
};

struct listing {
    struct journal *journal;
    struct store *store;
    const uint8_t *capture_id;
    const Epcis__Store__V1__CaptureRecord *document;
    uint64_t number;
    bool dead_letters_only;
    uint32_t limit;
    struct place place;
    struct arena *arena;
    struct arena scratch;
    Epcis__V1__ListCaptureEventsResponse *page;
    uint32_t committed, refused; /* in the page */
    bool ended;                  /* no more is known */
};

static enum err read_place(const char *cursor, struct place *out)
{
    int end = 0;
    *out = (struct place){.events = "-", .letters = "-"};
    if (!*cursor)
        return ERR_OK;
    if (sscanf(cursor, "%" SCNu64 ".%" SCNu32 ".%63[-0-9a-f].%63[-0-9a-f]%n", &out->sequence, &out->item,
               out->events, out->letters, &end) != 4 ||
        cursor[end])
        return ERR_INPUT;
    return ERR_OK;
}

/* ---- the journal's part ------------------------------------------------------------------------------- */

static bool is_refused(uint8_t outcome)
{
    return outcome == EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_DEAD_LETTER ||
           outcome == EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_ROLLED_BACK;
}

static bool is_event(uint8_t outcome)
{
    return is_refused(outcome) || outcome == EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_COMMITTED ||
           outcome == EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_DUPLICATE;
}

static enum err add_event(struct listing *listing, uint64_t event_index, uint8_t outcome,
                          const char *batch_id)
{
    Epcis__V1__CaptureEvent *event = arena_alloc(listing->arena, sizeof *event);
    if (!event)
        return ERR_LIMIT;
    epcis__v1__capture_event__init(event);
    event->event_index = event_index;
    event->outcome = (Epcis__V1__ItemOutcome)outcome;
    event->batch_id = (char *)(uintptr_t)batch_id;
    listing->page->events[listing->page->n_events++] = event;
    listing->committed += outcome == EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_COMMITTED;
    listing->refused += is_refused(outcome);
    return ERR_OK;
}

/* The document's items in one batch, from place.item on, as far as the page goes. */
static enum err add_span(struct listing *listing, const Epcis__Store__V1__BatchRecord *batch,
                         const Epcis__Store__V1__BatchSpan *span, const uint8_t *outcomes)
{
    uint64_t event_index = span->first_event;
    char *batch_id = arena_alloc(listing->arena, DIGEST_HEX + 1);
    if (!batch_id)
        return ERR_LIMIT;
    if (batch->batch_id.len != DIGEST_BYTES)
        return ERR_CORRUPT;
    digest_hex(batch->batch_id.data, DIGEST_BYTES, batch_id);
    for (uint32_t i = 0; i < span->count; i++) {
        bool listed = is_event(outcomes[i]) && i >= listing->place.item &&
                      (!listing->dead_letters_only || is_refused(outcomes[i]));
        if (listed && listing->page->n_events == listing->limit) {
            listing->place.item = i;
            return ERR_OK;
        }
        enum err err = listed ? add_event(listing, event_index, outcomes[i], batch_id) : ERR_OK;
        if (err)
            return err;
        event_index += is_event(outcomes[i]);
    }
    listing->place.sequence++;
    listing->place.item = 0;
    return ERR_OK;
}

static enum err add_batch(struct listing *listing)
{
    Epcis__Store__V1__BatchRecord *batch = NULL;
    arena_reset(&listing->scratch);
    enum err err = journal_batch(listing->journal, listing->document->partition, listing->place.sequence,
                                 &listing->scratch, &batch);
    if (err == ERR_NOT_FOUND || (!err && !batch->acknowledged)) {
        listing->ended = true;
        return ERR_OK;
    }
    if (err)
        return err;
    size_t first = 0, i = 0;
    while (i < batch->n_spans && batch->spans[i]->document_number != listing->number)
        first += batch->spans[i++]->count;
    if (i == batch->n_spans) { /* those of other documents follow */
        listing->ended = true;
        return ERR_OK;
    }
    if (first + batch->spans[i]->count > batch->outcomes.len)
        return ERR_CORRUPT;
    return add_span(listing, batch, batch->spans[i], batch->outcomes.data + first);
}

static enum err add_outcomes(struct listing *listing)
{
    enum err err = ERR_OK;
    if (!listing->place.sequence)
        listing->place.sequence = listing->document->first_batch;
    listing->ended = listing->place.sequence == 0;
    for (int i = 0; !err && !listing->ended && i < BATCHES_LOOK && listing->page->n_events < listing->limit;
         i++)
        err = add_batch(listing);
    return err;
}

/* ---- the store's part --------------------------------------------------------------------------------- */

/* The store's cursor, kept apart from its end, "". */
static void cursor_begin(const char *kept, char cursor[STORE_CURSOR])
{
    snprintf(cursor, STORE_CURSOR, "%s", strcmp(kept, "-") == 0 ? "" : kept);
}

static enum err cursor_keep(const char *cursor, char kept[CURSOR_PART])
{
    return snprintf(kept, CURSOR_PART, "%s", *cursor ? cursor : "-") < CURSOR_PART ? ERR_OK : ERR_LIMIT;
}

/* The next event of the page at this position. */
static Epcis__V1__CaptureEvent *at(const struct listing *listing, size_t *next, uint64_t event_index)
{
    const Epcis__V1__ListCaptureEventsResponse *page = listing->page;
    while (*next < page->n_events && page->events[*next]->event_index < event_index)
        ++*next;
    return *next < page->n_events && page->events[*next]->event_index == event_index ? page->events[*next]
                                                                                     : NULL;
}

static enum err join_committed(struct listing *listing)
{
    char cursor[STORE_CURSOR];
    Epcis__V1__ListEventsResponse *found = NULL;
    const struct store_events_query query = {.capture_id = listing->capture_id, .limit = listing->committed};
    size_t next = 0, joined = 0;
    if (!listing->committed || listing->document->validate_only || listing->dead_letters_only)
        return ERR_OK;
    cursor_begin(listing->place.events, cursor);
    enum err err = store_events(listing->store, &query, cursor, listing->arena, &found);
    for (size_t i = 0; !err && i < found->n_events; i++) {
        Epcis__V1__CaptureEvent *event = at(listing, &next, found->events[i]->event_index);
        if (!event)
            continue;
        event->sequence = found->events[i]->sequence;
        event->event_id = found->events[i]->event_id;
        joined++;
    }
    if (!err && joined < listing->committed)
        err = ERR_LIMIT;
    return err ? err : cursor_keep(cursor, listing->place.events);
}

static enum err set_letter(const struct listing *listing, const Epcis__V1__DeadLetter *letter,
                           Epcis__V1__CaptureEvent *event)
{
    event->dead_letter_id = letter->dead_letter_id;
    event->codes = arena_alloc(listing->arena, letter->n_reasons * sizeof *event->codes);
    if (!event->codes && letter->n_reasons)
        return ERR_LIMIT;
    for (size_t i = 0; i < letter->n_reasons; i++)
        event->codes[event->n_codes++] = letter->reasons[i]->code;
    return ERR_OK;
}

static enum err join_letters(struct listing *listing)
{
    char cursor[STORE_CURSOR];
    Epcis__V1__ListDeadLettersResponse *found = NULL;
    const struct store_letter_filter filter = {.capture_id = listing->capture_id, .validated = true};
    size_t next = 0, joined = 0;
    if (!listing->refused)
        return ERR_OK;
    cursor_begin(listing->place.letters, cursor);
    enum err err =
        store_dead_letters(listing->store, &filter, listing->refused, cursor, listing->arena, &found);
    for (size_t i = 0; !err && i < found->n_dead_letters; i++) {
        const Epcis__V1__DeadLetter *letter = found->dead_letters[i];
        bool placed = letter->position_case == EPCIS__V1__DEAD_LETTER__POSITION_EVENT_INDEX;
        Epcis__V1__CaptureEvent *event = placed ? at(listing, &next, letter->event_index) : NULL;
        if (event) {
            err = set_letter(listing, letter, event);
            joined++;
        }
    }
    if (!err && joined < listing->refused && !listing->document->validate_only)
        err = ERR_LIMIT;
    return err ? err : cursor_keep(cursor, listing->place.letters);
}

/* ---- a page ------------------------------------------------------------------------------------------- */

static enum err read_document(struct listing *listing)
{
    Epcis__Store__V1__CaptureRecord *record = NULL;
    enum err err = journal_capture_number(listing->journal, listing->capture_id, &listing->number);
    if (!err)
        err = journal_capture(listing->journal, listing->number, listing->arena, &record);
    listing->document = record;
    return err;
}

enum err capture_list_events(struct journal *journal, struct store *store,
                             const uint8_t capture_id[UUID_BYTES], bool dead_letters_only, uint32_t limit,
                             char cursor[STORE_CURSOR], struct arena *arena,
                             Epcis__V1__ListCaptureEventsResponse **out)
{
    struct listing listing = {.journal = journal,
                              .store = store,
                              .capture_id = capture_id,
                              .dead_letters_only = dead_letters_only,
                              .limit = limit < EVENTS_MAX ? limit : EVENTS_MAX,
                              .arena = arena};
    enum err err = read_place(cursor, &listing.place);
    if (err)
        return err;
    listing.page = arena_alloc(arena, sizeof *listing.page);
    Epcis__V1__CaptureEvent **events = arena_alloc(arena, listing.limit * sizeof *events);
    if (!listing.page || !events)
        return ERR_LIMIT;
    epcis__v1__list_capture_events_response__init(listing.page);
    listing.page->events = events;
    arena_init(&listing.scratch, RECORD_BYTES);
    err = read_document(&listing);
    if (!err)
        err = add_outcomes(&listing);
    if (!err)
        err = join_committed(&listing);
    if (!err)
        err = join_letters(&listing);
    arena_free(&listing.scratch);
    if (err)
        return err;
    cursor[0] = '\0';
    if (!listing.ended)
        snprintf(cursor, STORE_CURSOR, "%" PRIu64 ".%" PRIu32 ".%s.%s", listing.place.sequence,
                 listing.place.item, listing.place.events, listing.place.letters);
    *out = listing.page;
    return ERR_OK;
}
