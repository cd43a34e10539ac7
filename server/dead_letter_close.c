/* Dead letters are closed through the journal, whose thread tells when it is on disk; the caller waits. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "server/dead_letter.h"
#include "server/ingest.h"
#include "server/journal_letter.h"

/* So many share an fsync; each document under way holds a compressor. */
enum { TOGETHER = 32, LETTER_BYTES = 64 << 20 };

struct group {
    pthread_mutex_t mutex; /* guards what follows, and the outcomes of its members */
    pthread_cond_t finished;
    size_t under_way;
};

/* One dead letter that is being closed. */
struct closing {
    struct group *group;
    struct journal_letter letter;
    struct journal_op op; /* where it is discarded */
    enum err err;
    char capture_id[UUID_TEXT + 1]; /* where it is resubmitted */
    char why[DEAD_LETTER_WHY];
    struct refusal refusal; /* where its document is not taken for want of room */
};

static const char *state_name(Epcis__V1__DeadLetterState state)
{
    return state == EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_RESUBMITTED ? "resubmitted" : "discarded";
}

/* ---- waiting ---------------------------------------------------------------------------------------- */

static void group_init(struct group *group)
{
    pthread_mutex_init(&group->mutex, NULL);
    pthread_cond_init(&group->finished, NULL);
    group->under_way = 0;
}

static void group_enter(struct group *group)
{
    pthread_mutex_lock(&group->mutex);
    group->under_way++;
    pthread_mutex_unlock(&group->mutex);
}

static void group_leave(struct closing *closing, enum err err)
{
    struct group *group = closing->group;
    pthread_mutex_lock(&group->mutex);
    closing->err = err;
    group->under_way--;
    pthread_cond_signal(&group->finished); /* under the lock: who waits may free the group once it has it */
    pthread_mutex_unlock(&group->mutex);
}

static void group_wait(struct group *group)
{
    pthread_mutex_lock(&group->mutex);
    while (group->under_way > 0)
        pthread_cond_wait(&group->finished, &group->mutex);
    pthread_mutex_unlock(&group->mutex);
    pthread_cond_destroy(&group->finished);
    pthread_mutex_destroy(&group->mutex);
}

/* ---- discarding ------------------------------------------------------------------------------------- */

static void on_discarded(struct journal_op *op, enum err err)
{
    group_leave(op->context, err);
}

static void discard(const struct dead_letters *letters, struct closing *closing)
{
    closing->op = (struct journal_op){.kind = JOURNAL_LETTER,
                                      .done = on_discarded,
                                      .context = closing,
                                      .bytes = sizeof *closing,
                                      .letter = &closing->letter};
    group_enter(closing->group);
    journal_submit(letters->journal, &closing->op);
}

/* ---- resubmitting ----------------------------------------------------------------------------------- */

static void on_sealed(void *context, enum err err, const struct receipt *receipt, const struct refusal *why)
{
    struct closing *closing = context;
    if (!err)
        uuid_text(receipt->capture_id, closing->capture_id);
    else if (err == ERR_FULL || err == ERR_LIMIT)
        closing->refusal = *why;
    group_leave(closing, err);
}

/* The original document. */
static enum err find_original(const struct dead_letters *letters, const Epcis__V1__DeadLetter *letter,
                              struct arena *arena, Epcis__Store__V1__CaptureRecord **out)
{
    uint8_t capture_id[UUID_BYTES];
    enum err err = uuid_parse(letter->capture_id, capture_id) ? ERR_CORRUPT : ERR_OK;
    if (!err)
        err = journal_capture_by_id(letters->journal, capture_id, arena, out);
    return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
}

static enum err take_in(const struct dead_letters *letters, struct closing *closing, const char *partner,
                        const struct buffer *bytes)
{
    struct ingest_document *document = NULL;
    enum err err = ingest_open(letters->ingest, partner, &document);
    if (!err) {
        err = ingest_append(document, bytes->data, bytes->length);
        if (err == ERR_FULL || err == ERR_LIMIT)
            closing->refusal = *ingest_refusal(document);
    }
    if (err) {
        ingest_abort(&document);
        return err == ERR_INPUT ? ERR_CORRUPT : err; /* of a partner that the journal itself has kept */
    }
    ingest_resubmit(document, &closing->letter);
    group_enter(closing->group);
    ingest_finish(&document, on_sealed, closing); /* tells on_sealed, whatever it answers */
    return ERR_OK;
}

static enum err check_letter(const Epcis__V1__DeadLetter *letter, char why[DEAD_LETTER_WHY])
{
    if (!letter->validate_only)
        return ERR_OK;
    snprintf(why, DEAD_LETTER_WHY, "it is no dead letter: its document was sent with validate_only");
    return ERR_EXISTS;
}

/* The document in which the event comes again as it is. ERR_EXISTS: there is no event to write. */
static enum err write_document(const struct dead_letters *letters, const Epcis__V1__DeadLetter *letter,
                               const Epcis__Store__V1__CaptureRecord *original, struct buffer *out,
                               char why[DEAD_LETTER_WHY])
{
    struct buffer head = {0};
    if (!letter->event) {
        snprintf(why, DEAD_LETTER_WHY, "it holds no event that could be read: a corrected one is needed");
        return ERR_EXISTS;
    }
    if (original->pruned_ms) {
        snprintf(why, DEAD_LETTER_WHY,
                 "the document it came in, which says who sent it to whom, is kept no longer: send it in a "
                 "corrected document that says so");
        return ERR_EXISTS;
    }
    enum err err = journal_piece(letters->journal, original->upload, 0, &head);
    if (!err)
        err = dead_letter_document(letter->event, head.data, head.length, out, why);
    buffer_free(&head);
    return err == ERR_INPUT ? ERR_EXISTS : err;
}

/* Starts it, or fails with nothing under way. */
static enum err resubmit(const struct dead_letters *letters, const char *dead_letter_id,
                         struct closing *closing, const void *corrected, size_t corrected_bytes,
                         struct arena *arena)
{
    Epcis__V1__GetDeadLetterResponse *found;
    Epcis__Store__V1__CaptureRecord *original = NULL;
    struct buffer bytes = {0};
    enum err err = ingest_admit(letters->ingest, &closing->refusal);
    if (!err)
        err = store_dead_letter_get(letters->store, dead_letter_id, arena, &found);
    if (!err)
        err = check_letter(found->dead_letter, closing->why);
    if (!err)
        err = find_original(letters, found->dead_letter, arena, &original);
    if (!err && corrected_bytes > 0)
        err = dead_letter_document_corrected(corrected, corrected_bytes, &bytes, closing->why);
    else if (!err)
        err = write_document(letters, found->dead_letter, original, &bytes, closing->why);
    if (!err)
        err = take_in(letters, closing, original->partner, &bytes);
    buffer_free(&bytes);
    return err;
}

/* ---- one -------------------------------------------------------------------------------------------- */

static void closing_init(struct closing *closing, struct group *group, uint64_t number,
                         Epcis__V1__DeadLetterState state, const struct dead_letter_deed *deed)
{
    *closing = (struct closing){.group = group,
                                .letter = {.number = number,
                                           .state = state,
                                           .who = deed->who,
                                           .why = deed->why,
                                           .changed_ms = clock_wall_ms()}};
}

/* Refused by the journal, which alone knows for sure: somebody else may have been faster. Where `why` is told
 * already it is open, and something else is in the way. */
static enum err closing_result(struct closing *closing)
{
    if (closing->err != ERR_EXISTS || closing->why[0])
        return closing->err == ERR_EXISTS ? ERR_ORDER : closing->err;
    snprintf(closing->why, DEAD_LETTER_WHY, "it is not open: it was %s before",
             state_name(closing->letter.state));
    return ERR_EXISTS;
}

/* What is closed is told as such, whatever else is wrong with the call. */
static enum err check_open(const struct dead_letters *letters, uint64_t number, struct arena *arena,
                           struct closing *closing)
{
    Epcis__Store__V1__LetterRecord *record;
    enum err err = journal_letter(letters->journal, number, arena, &record);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    closing->letter.state = record->state;
    return ERR_EXISTS;
}

enum err dead_letter_resubmit(const struct dead_letters *letters, const char *dead_letter_id,
                              const struct dead_letter_deed *deed, const void *corrected,
                              size_t corrected_bytes, struct arena *arena, char capture_id[UUID_TEXT + 1],
                              char why[DEAD_LETTER_WHY], struct refusal *refusal)
{
    struct group group;
    struct closing closing;
    uint64_t number;
    why[0] = refusal->text[0] = '\0';
    if (store_dead_letter_number(dead_letter_id, &number))
        return ERR_NOT_FOUND;
    closing_init(&closing, &group, number, EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_RESUBMITTED, deed);
    closing.err = check_open(letters, number, arena, &closing);
    if (!closing.err) {
        group_init(&group);
        enum err err = resubmit(letters, dead_letter_id, &closing, corrected, corrected_bytes, arena);
        group_wait(&group);
        if (err)
            closing.err = err;
    }
    enum err err = closing_result(&closing);
    memcpy(why, closing.why, sizeof closing.why);
    memcpy(capture_id, closing.capture_id, sizeof closing.capture_id);
    *refusal = closing.refusal;
    return err;
}

enum err dead_letter_discard(const struct dead_letters *letters, const char *dead_letter_id,
                             const struct dead_letter_deed *deed, struct arena *arena,
                             char why[DEAD_LETTER_WHY])
{
    struct group group;
    struct closing closing;
    uint64_t number;
    Epcis__V1__GetDeadLetterResponse *found;
    why[0] = '\0';
    if (store_dead_letter_number(dead_letter_id, &number))
        return ERR_NOT_FOUND;
    enum err err = store_dead_letter_get(letters->store, dead_letter_id, arena, &found);
    if (!err)
        err = check_letter(found->dead_letter, why);
    if (err)
        return err == ERR_EXISTS ? ERR_ORDER : err;
    closing_init(&closing, &group, number, EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_DISCARDED, deed);
    group_init(&group);
    discard(letters, &closing);
    group_wait(&group);
    err = closing_result(&closing);
    memcpy(why, closing.why, sizeof closing.why);
    return err;
}

/* ---- pages ------------------------------------------------------------------------------------------ */

/* The page's ids, and what was made of each: in order, one closing after the other. */
struct page {
    const struct dead_letters *letters;
    const struct dead_letter_deed *deed;
    Epcis__V1__DeadLetterState state;
    struct arena found;   /* the page's dead letters */
    struct arena scratch; /* one of them with its event */
    enum err (*closed)(void *context, const char *dead_letter_id, const struct closing *closing);
    void *context;
    char *why;
    struct refusal refusal; /* as closing has it, of the first that failed */
};

static enum err page_start(struct page *page, const char *dead_letter_id, struct closing *closing)
{
    if (page->state == EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_DISCARDED) {
        discard(page->letters, closing);
        return ERR_OK;
    }
    arena_reset(&page->scratch);
    return resubmit(page->letters, dead_letter_id, closing, NULL, 0, &page->scratch);
}

/* Closes some of the page together. What was closed meanwhile by somebody else is no error. */
static enum err page_group(struct page *page, Epcis__V1__DeadLetter *const *found, size_t count)
{
    struct group group;
    struct closing closings[TOGETHER];
    enum err errs[TOGETHER] = {ERR_OK}, err = ERR_OK;
    size_t started = 0;
    group_init(&group);
    while (started < count && !err) {
        uint64_t number = 0;
        err = store_dead_letter_number(found[started]->dead_letter_id, &number);
        closing_init(&closings[started], &group, number, page->state, page->deed);
        if (!err)
            err = errs[started] = page_start(page, found[started]->dead_letter_id, &closings[started]);
        if (err == ERR_EXISTS) /* it has no event that can be written */
            err = ERR_OK;
        if (err)
            page->refusal = closings[started].refusal;
        started += !err;
    }
    group_wait(&group);
    for (size_t i = 0; i < started; i++) {
        if (errs[i])
            closings[i].err = errs[i];
        enum err told = ERR_OK;
        if (!closings[i].err || closings[i].err == ERR_EXISTS)
            told = page->closed(page->context, found[i]->dead_letter_id, &closings[i]);
        else
            told = closings[i].err;
        if (told && !err) {
            page->refusal = closings[i].refusal;
            err = told;
        }
    }
    return err;
}

static enum err page_close(struct page *page, const Epcis__V1__ListDeadLettersRequest *filter, uint32_t limit,
                           char cursor[STORE_CURSOR])
{
    Epcis__V1__ListDeadLettersRequest open = *filter;
    Epcis__V1__ListDeadLettersResponse *found = NULL;
    open.state = EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_OPEN;
    arena_init(&page->found, LETTER_BYTES);
    arena_init(&page->scratch, LETTER_BYTES);
    enum err err =
        dead_letter_list(page->letters, &open, NULL, limit, cursor, &page->found, &found, page->why);
    size_t count = err ? 0 : found->n_dead_letters;
    for (size_t i = 0; i < count && !err; i += TOGETHER)
        err = page_group(page, &found->dead_letters[i], count - i < TOGETHER ? count - i : TOGETHER);
    arena_free(&page->found);
    arena_free(&page->scratch);
    return err;
}

struct answer {
    struct arena *arena;
    Epcis__V1__ResubmitDeadLettersResponse *resubmitted;
    Epcis__V1__DiscardDeadLettersResponse *discarded;
};

static enum err on_resubmitted(void *context, const char *dead_letter_id, const struct closing *closing)
{
    struct answer *answer = context;
    Epcis__V1__ResubmitDeadLettersResponse *response = answer->resubmitted;
    char *id = arena_copy(answer->arena, dead_letter_id, strlen(dead_letter_id));
    if (!id)
        return ERR_LIMIT;
    if (closing->err) {
        if (closing->why[0]) /* otherwise somebody else has closed it */
            response->left_open_ids[response->n_left_open_ids++] = id;
        return ERR_OK;
    }
    Epcis__V1__Resubmission *resubmission = arena_alloc(answer->arena, sizeof *resubmission);
    char *capture_id = arena_copy(answer->arena, closing->capture_id, UUID_TEXT);
    if (!resubmission || !capture_id)
        return ERR_LIMIT;
    epcis__v1__resubmission__init(resubmission);
    resubmission->dead_letter_id = id;
    resubmission->capture_id = capture_id;
    response->resubmissions[response->n_resubmissions++] = resubmission;
    return ERR_OK;
}

enum err dead_letter_resubmit_page(const struct dead_letters *letters,
                                   const Epcis__V1__ListDeadLettersRequest *filter, uint32_t limit,
                                   char cursor[STORE_CURSOR], const struct dead_letter_deed *deed,
                                   struct arena *arena, Epcis__V1__ResubmitDeadLettersResponse **out,
                                   char why[DEAD_LETTER_WHY], struct refusal *refusal)
{
    Epcis__V1__ResubmitDeadLettersResponse *response = *out = arena_alloc(arena, sizeof *response);
    struct answer answer = {.arena = arena, .resubmitted = response};
    struct page page = {.letters = letters,
                        .deed = deed,
                        .state = EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_RESUBMITTED,
                        .closed = on_resubmitted,
                        .context = &answer};
    page.why = why;
    refusal->text[0] = '\0';
    if (!response)
        return ERR_LIMIT;
    epcis__v1__resubmit_dead_letters_response__init(response);
    response->resubmissions = arena_alloc(arena, limit * sizeof *response->resubmissions);
    response->left_open_ids = arena_alloc(arena, limit * sizeof *response->left_open_ids);
    if (!response->resubmissions || !response->left_open_ids)
        return ERR_LIMIT;
    enum err err = page_close(&page, filter, limit, cursor);
    *refusal = page.refusal;
    return err;
}

static enum err on_discarded_one(void *context, const char *dead_letter_id, const struct closing *closing)
{
    struct answer *answer = context;
    Epcis__V1__DiscardDeadLettersResponse *response = answer->discarded;
    if (closing->err) /* somebody else has closed it */
        return ERR_OK;
    char *id = arena_copy(answer->arena, dead_letter_id, strlen(dead_letter_id));
    if (id)
        response->dead_letter_ids[response->n_dead_letter_ids++] = id;
    return id ? ERR_OK : ERR_LIMIT;
}

enum err dead_letter_discard_page(const struct dead_letters *letters,
                                  const Epcis__V1__ListDeadLettersRequest *filter, uint32_t limit,
                                  char cursor[STORE_CURSOR], const struct dead_letter_deed *deed,
                                  struct arena *arena, Epcis__V1__DiscardDeadLettersResponse **out,
                                  char why[DEAD_LETTER_WHY])
{
    Epcis__V1__DiscardDeadLettersResponse *response = *out = arena_alloc(arena, sizeof *response);
    struct answer answer = {.arena = arena, .discarded = response};
    struct page page = {.letters = letters,
                        .deed = deed,
                        .state = EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_DISCARDED,
                        .closed = on_discarded_one,
                        .context = &answer};
    page.why = why;
    if (!response)
        return ERR_LIMIT;
    epcis__v1__discard_dead_letters_response__init(response);
    response->dead_letter_ids = arena_alloc(arena, limit * sizeof *response->dead_letter_ids);
    return response->dead_letter_ids ? page_close(&page, filter, limit, cursor) : ERR_LIMIT;
}
