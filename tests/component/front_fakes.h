/* What stands behind the front in its tests: a journal in memory whose thread can be held back and whose
 * answers can be set, and a store with a few entries. Included by one test file. */
#ifndef EPCISD_TEST_FRONT_FAKES_H
#define EPCISD_TEST_FRONT_FAKES_H

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/store/store.h"
#include "common/store/store_trace.h"
#include "server/capture_cancel.h"
#include "server/capture_list.h"
#include "server/capture_query.h"
#include "server/converter.h"
#include "server/export.h"
#include "server/ingest.h"
#include "server/journal_audit.h"
#include "server/journal_identity.h"
#include "server/journal_letter.h"
#include "server/journal_news.h"
#include "server/journal_partner.h"
#include "server/ledger_query.h"
#include "server/reading.h"
#include "server/rebuild.h"
#include "server/rejudge.h"
#include "server/server_config.h"
#include "server/server_status.h"
#include "server/signer.h"

/* ---- ingest -------------------------------------------------------------------------------------------- */

struct finished {
    struct receipt receipt;
    ingest_done_fn *done;
    void *context;
    struct finished *next;
};

struct ingest {
    pthread_mutex_t lock; /* guards the list, `held` and `stopping` */
    pthread_cond_t changed;
    struct finished *first;
    bool held; /* the journal syncs nothing now */
    bool stopping;
    pthread_t journal;

    atomic_int admit;           /* what ingest_admit answers */
    atomic_int refusals;        /* so many times ingest_admit answers ERR_FULL first */
    atomic_uint retry_after_ms; /* and this with it; 0: 1234 */
    atomic_int append;          /* what ingest_append answers */
    atomic_int synced;          /* what the done callback is told */
    atomic_long opened, aborted, received;
    atomic_llong appended_bytes;
    char last_partner[14];
};

struct ingest_document {
    struct ingest *ingest;
    struct digest *digest;
    uint64_t length;
    char partner[14];
};

static void fake_remember(const uint8_t id[UUID_BYTES]);

static void *fake_journal(void *context)
{
    struct ingest *ingest = context;
    pthread_mutex_lock(&ingest->lock);
    for (;;) {
        struct finished *next = ingest->held ? NULL : ingest->first;
        if (!next) {
            if (ingest->stopping)
                break;
            pthread_cond_wait(&ingest->changed, &ingest->lock);
            continue;
        }
        ingest->first = next->next;
        enum err err = (enum err)atomic_load(&ingest->synced);
        pthread_mutex_unlock(&ingest->lock);
        static const struct refusal full = {
            .reason = REFUSAL_BACKLOG_BYTES, .retry_after_ms = 1, .text = "full"};
        next->done(next->context, err, err ? NULL : &next->receipt, &full);
        free(next);
        pthread_mutex_lock(&ingest->lock);
    }
    pthread_mutex_unlock(&ingest->lock);
    return NULL;
}

static struct ingest *fake_ingest_new(void)
{
    struct ingest *ingest = calloc(1, sizeof *ingest);
    pthread_mutex_init(&ingest->lock, NULL);
    pthread_cond_init(&ingest->changed, NULL);
    pthread_create(&ingest->journal, NULL, fake_journal, ingest);
    return ingest;
}

static inline void fake_ingest_hold(struct ingest *ingest, bool held)
{
    pthread_mutex_lock(&ingest->lock);
    ingest->held = held;
    pthread_cond_broadcast(&ingest->changed);
    pthread_mutex_unlock(&ingest->lock);
}

static void fake_ingest_free(struct ingest *ingest)
{
    pthread_mutex_lock(&ingest->lock);
    ingest->stopping = true;
    ingest->held = false;
    pthread_cond_broadcast(&ingest->changed);
    pthread_mutex_unlock(&ingest->lock);
    pthread_join(ingest->journal, NULL);
    free(ingest);
}

enum err ingest_admit(struct ingest *ingest, struct refusal *why)
{
    unsigned retry = atomic_load(&ingest->retry_after_ms);
    if (why)
        refusal_set(why, REFUSAL_BACKLOG_BYTES, retry ? retry : 1234, "too much waits; come again");
    if (atomic_load(&ingest->refusals) > 0 && atomic_fetch_sub(&ingest->refusals, 1) > 0)
        return ERR_FULL;
    return (enum err)atomic_load(&ingest->admit);
}

void ingest_set_terms(struct ingest_document *document, struct capture_terms terms)
{
    (void)document, (void)terms;
}

enum err ingest_open(struct ingest *ingest, const char *partner, struct ingest_document **out)
{
    *out = NULL;
    if (partner[0] && strlen(partner) != 13)
        return ERR_INPUT;
    struct ingest_document *document = calloc(1, sizeof *document);
    document->ingest = ingest;
    document->digest = digest_new();
    strcpy(document->partner, partner);
    atomic_fetch_add(&ingest->opened, 1);
    *out = document;
    return ERR_OK;
}

enum err ingest_append(struct ingest_document *document, const void *data, size_t bytes)
{
    digest_update(document->digest, data, bytes);
    document->length += bytes;
    atomic_fetch_add(&document->ingest->appended_bytes, (long long)bytes);
    return (enum err)atomic_load(&document->ingest->append);
}

const struct refusal *ingest_refusal(const struct ingest_document *document)
{
    static struct refusal why;
    refusal_set(&why, REFUSAL_DISK_SPACE, 4321, "%zu bytes are too many; come again after retry-after-ms",
                (size_t)document->length);
    return &why;
}

uint64_t ingest_length(const struct ingest_document *document)
{
    return document->length;
}

void ingest_digest(const struct ingest_document *document, uint8_t out[DIGEST_BYTES])
{
    digest_peek(document->digest, out);
}

static void free_document(struct ingest_document **document)
{
    digest_free((*document)->digest);
    free(*document);
    *document = NULL;
}

enum err ingest_finish(struct ingest_document **document, ingest_done_fn *done, void *context)
{
    struct ingest *ingest = (*document)->ingest;
    if ((*document)->length == 0) {
        atomic_fetch_add(&ingest->aborted, 1);
        free_document(document);
        done(context, ERR_INPUT, NULL, NULL);
        return ERR_INPUT;
    }
    struct finished *finished = calloc(1, sizeof *finished);
    struct receipt *receipt = &finished->receipt;
    uuid_make(receipt->capture_id);
    fake_remember(receipt->capture_id);
    ingest_digest(*document, receipt->document_sha256);
    receipt->document_bytes = (*document)->length;
    receipt->received_ms = 1700000000000;
    strcpy(receipt->partner, (*document)->partner);
    finished->done = done;
    finished->context = context;
    atomic_fetch_add(&ingest->received, 1);

    pthread_mutex_lock(&ingest->lock);
    strcpy(ingest->last_partner, (*document)->partner);
    struct finished **end = &ingest->first;
    while (*end)
        end = &(*end)->next;
    *end = finished;
    pthread_cond_broadcast(&ingest->changed);
    pthread_mutex_unlock(&ingest->lock);
    free_document(document);
    return ERR_OK;
}

void ingest_set_caller(struct ingest_document *document, const char *identity, const char *partner)
{
    (void)document, (void)identity, (void)partner;
}

void ingest_set_streamed(struct ingest_document *document)
{
    (void)document;
}

void ingest_set_content_type(struct ingest_document *document, const char *content_type)
{
    (void)document, (void)content_type;
}

/* Of every upload 4 bytes are there, "held". */
enum err ingest_claim(struct ingest *ingest, const uint8_t upload_id[UUID_BYTES], const char *partner,
                      uint64_t offset, ingest_claimed_fn *done, void *context)
{
    (void)upload_id;
    struct ingest_document *document = NULL;
    enum err err = ingest_open(ingest, partner, &document);
    if (err)
        return err;
    ingest_append(document, "held", offset < 4 ? offset : 4);
    if (offset > 4) {
        ingest_abort(&document);
        done(context, ERR_ORDER, NULL, 4, NULL);
    } else {
        done(context, ERR_OK, document, 4, NULL);
    }
    return ERR_OK;
}

enum err ingest_upload_key(const uint8_t upload_id[UUID_BYTES], const char *partner,
                           uint8_t key[JOURNAL_UPLOAD_KEY], size_t *key_bytes)
{
    memcpy(key, upload_id, UUID_BYTES);
    *key_bytes = UUID_BYTES;
    return partner[0] && strlen(partner) != 13 ? ERR_INPUT : ERR_OK;
}

void ingest_discard(struct ingest_document **document)
{
    ingest_abort(document);
}

void ingest_abort(struct ingest_document **document)
{
    if (!*document)
        return;
    atomic_fetch_add(&(*document)->ingest->aborted, 1);
    free_document(document);
}

/* ---- the server ------------------------------------------------------------------------------------------
 */

static atomic_bool fake_store_fails;

bool server_status_store_fails(const struct server_status *status)
{
    (void)status;
    return atomic_load(&fake_store_fails);
}

enum err server_status_get(const struct server_status *status, bool draining, struct arena *arena,
                           Epcis__V1__ServerStatus **out)
{
    (void)status, (void)draining;
    *out = arena_alloc(arena, sizeof **out);
    epcis__v1__server_status__init(*out);
    (*out)->version = (char *)"7.7";
    (*out)->state = EPCIS__V1__SERVER_STATE__SERVER_STATE_SERVING;
    return ERR_OK;
}

/* One option of each kind, and what a worker says of itself. */
enum err server_config_get(const struct server_config *config, struct arena *arena,
                           Epcis__V1__GetConfigResponse **out)
{
    static const char *listen = "127.0.0.1:0";
    static uint64_t drain_ms = 250;
    static bool verify = true;
    static struct option_list rules = {{"A=off", "B=warn"}, 2};
    static const struct option_entry entries[] = {
        {"listen", OPTION_TEXT, &listen, 0, 0, "HOST:PORT", "gRPC address"},
        {"drain-ms", OPTION_NUMBER, &drain_ms, 0, 1000, "MS", "time to finish"},
        {"verify", OPTION_FLAG, &verify, 0, 0, NULL, "read all"},
        {"rule", OPTION_LIST, &rules, 0, 0, "CODE=SEVERITY", "rules"},
    };
    static const struct option_note notes[] = {
        {{.text = NULL}, true}, {{.number = 250}, false}, {{.flag = false}, false}, {{.list = NULL}, true}};
    static Epcis__V1__WorkerConfig worker, *workers[] = {&worker};
    const struct config own = {entries, notes, 4};
    (void)config;
    *out = arena_alloc(arena, sizeof **out);
    epcis__v1__get_config_response__init(*out);
    ck_assert_int_eq(config_tell(&own, arena, &(*out)->options), ERR_OK);
    (*out)->n_options = 4;
    epcis__v1__worker_config__init(&worker);
    worker.worker_id = (char *)"host:7";
    worker.rule_pack = (char *)"1.0";
    worker.options = &(*out)->options[1];
    worker.n_options = 1;
    (*out)->workers = workers;
    (*out)->n_workers = 1;
    return ERR_OK;
}

/* ---- journal queries: one capture is known; others are those received, running when asked first
 * ------------ */

static const char known_capture[] = "0190d6a0-1111-7000-8000-000000000001";

enum { FAKE_CAPTURES = 64 };
static struct {
    pthread_mutex_t lock; /* of all below: the pool's threads remember and ask at once */
    struct fake_capture {
        uint8_t id[UUID_BYTES];
        bool broken; /* a document that breaks off */
        unsigned asked;
    } all[FAKE_CAPTURES];
    unsigned count;
} fake_captures = {.lock = PTHREAD_MUTEX_INITIALIZER};
static atomic_bool fake_next_is_broken;

static void fake_remember(const uint8_t id[UUID_BYTES])
{
    pthread_mutex_lock(&fake_captures.lock);
    struct fake_capture *capture = &fake_captures.all[fake_captures.count++ % FAKE_CAPTURES];
    *capture = (struct fake_capture){.broken = atomic_load(&fake_next_is_broken)};
    memcpy(capture->id, id, UUID_BYTES);
    pthread_mutex_unlock(&fake_captures.lock);
}

/* How often the capture was asked for before, and whether it is broken; false: it is not known. */
static bool fake_recall(const uint8_t id[UUID_BYTES], unsigned *asked, bool *broken)
{
    bool known = false;
    pthread_mutex_lock(&fake_captures.lock);
    for (unsigned i = 0; i < fake_captures.count && i < FAKE_CAPTURES && !known; i++) {
        struct fake_capture *capture = &fake_captures.all[i];
        known = memcmp(capture->id, id, UUID_BYTES) == 0;
        if (known) {
            *asked = capture->asked++;
            *broken = capture->broken;
        }
    }
    pthread_mutex_unlock(&fake_captures.lock);
    return known;
}

static enum err fake_fill(const uint8_t id[UUID_BYTES], struct arena *arena, Epcis__V1__Capture *capture)
{
    unsigned asked = 0;
    bool broken = false;
    if (!fake_recall(id, &asked, &broken))
        return ERR_NOT_FOUND;
    capture->state = EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_RUNNING;
    capture->events = 10;
    if (asked < 2)
        return ERR_OK;
    capture->state = EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE;
    capture->committed = 10;
    capture->batches = 1;
    if (!broken)
        return ERR_OK;
    capture->state = EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_FAILED;
    capture->error = arena_alloc(arena, sizeof *capture->error);
    epcis__v1__document_error__init(capture->error);
    capture->error->code = "SCHEMA_INVALID";
    capture->error->message = "a \"quoted\" word";
    capture->error->line = 12;
    capture->error->byte_offset = 345;
    return ERR_OK;
}

enum err capture_get(struct journal *journal, const uint8_t capture_id[UUID_BYTES], struct arena *arena,
                     Epcis__V1__Capture **out)
{
    (void)journal;
    char text[UUID_TEXT + 1];
    Epcis__V1__Capture *capture = arena_alloc(arena, sizeof *capture);
    Epcis__V1__Receipt *receipt = arena_alloc(arena, sizeof *receipt);
    uuid_text(capture_id, text);
    epcis__v1__capture__init(capture);
    epcis__v1__receipt__init(receipt);
    receipt->capture_id = arena_copy(arena, text, UUID_TEXT);
    receipt->document_digest = "sha256:00";
    capture->receipt = receipt;
    *out = capture;
    if (strcmp(text, known_capture) != 0)
        return fake_fill(capture_id, arena, capture);
    capture->state = EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE;
    capture->events = 1000;
    capture->committed = 998;
    capture->dead_letters = 2;
    return ERR_OK;
}

/* ---- store: item "urn:…:2017" has three events, five dead letters, event 7 ------------------------------
 */

enum { FAKE_HISTORY = 3, FAKE_LETTERS = 5 };

enum err store_item_history(struct store *store, const char *epc, const struct store_sight *sight,
                            uint32_t limit, char cursor[STORE_CURSOR], struct arena *arena,
                            Epcis__V1__GetItemHistoryResponse **out)
{
    (void)store, (void)sight;
    if (!strstr(epc, "2017"))
        return ERR_NOT_FOUND;
    Epcis__V1__GetItemHistoryResponse *response = arena_alloc(arena, sizeof *response);
    epcis__v1__get_item_history_response__init(response);
    response->state = arena_alloc(arena, sizeof *response->state);
    epcis__v1__item_state__init(response->state);
    response->state->status = "shipped";
    response->state->disposition = "in_transit";
    response->state->serial = "2017";
    size_t from = strtoul(cursor, NULL, 10);
    response->history = arena_alloc(arena, FAKE_HISTORY * sizeof *response->history);
    for (; from < FAKE_HISTORY && response->n_history < limit; from++) {
        Epcis__V1__HistoryEntry *entry = arena_alloc(arena, sizeof *entry);
        epcis__v1__history_entry__init(entry);
        entry->sequence = from + 1;
        entry->error_declaration = from + 1 == FAKE_HISTORY;
        entry->declared_wrong_by = from + 1 == FAKE_HISTORY ? 9 : 0;
        entry->event_time = arena_alloc(arena, sizeof *entry->event_time);
        epcis__v1__time__init(entry->event_time);
        entry->event_time->seconds = 1736150625;
        entry->type = EPCIS__V1__EVENT_TYPE__EVENT_TYPE_OBJECT;
        entry->action = EPCIS__V1__ACTION__ACTION_OBSERVE;
        entry->biz_step = "shipping";
        response->history[response->n_history++] = entry;
    }
    snprintf(cursor, STORE_CURSOR, "%s", "");
    if (from < FAKE_HISTORY)
        snprintf(cursor, STORE_CURSOR, "%zu", from);
    response->next_page_token = arena_copy(arena, cursor, strlen(cursor));
    *out = response;
    return ERR_OK;
}

enum err store_event_get(struct store *store, uint64_t sequence, struct arena *arena,
                         Epcis__V1__CommittedEvent **out)
{
    (void)store;
    if (sequence == 13)
        return ERR_CORRUPT;
    if (sequence != 7)
        return ERR_NOT_FOUND;
    *out = arena_alloc(arena, sizeof **out);
    epcis__v1__committed_event__init(*out);
    (*out)->sequence = sequence;
    return ERR_OK;
}

/* A container of three items; of which, and when, is asked stands in the first's. */
enum { FAKE_CONTENT = 3 };
enum err store_contents(struct store *store, const struct store_contents_query *query,
                        char cursor[STORE_CURSOR], struct arena *arena, Epcis__V1__GetContentsResponse **out)
{
    (void)store;
    if (!strstr(query->epc, "sscc"))
        return ERR_NOT_FOUND;
    if (strspn(cursor, "0123456789") != strlen(cursor))
        return ERR_INPUT;
    Epcis__V1__GetContentsResponse *response = arena_alloc(arena, sizeof *response);
    epcis__v1__get_contents_response__init(response);
    response->items = arena_alloc(arena, FAKE_CONTENT * sizeof *response->items);
    size_t from = strtoul(cursor, NULL, 10);
    for (; from < FAKE_CONTENT && response->n_items < query->limit; from++) {
        Epcis__V1__ContainedItem *item = arena_alloc(arena, sizeof *item);
        epcis__v1__contained_item__init(item);
        item->epc = "urn:\x1b[31m";
        item->parent = arena_copy(arena, query->epc, strlen(query->epc));
        item->depth = query->recursive ? (uint32_t)from + 1 : 1;
        item->lot = from ? "" : "L1";
        item->packed_sequence = query->at_us ? (uint64_t)*query->at_us : from + 1;
        response->items[response->n_items++] = item;
    }
    cursor[0] = '\0';
    if (from < FAKE_CONTENT)
        snprintf(cursor, STORE_CURSOR, "%zu", from);
    response->next_page_token = arena_copy(arena, cursor, strlen(cursor));
    response->truncated = strstr(query->epc, "sscc:0614141.9") && !cursor[0];
    *out = response;
    return ERR_OK;
}

enum err store_containers(struct store *store, const char *epc, const int64_t *at_us, struct arena *arena,
                          Epcis__V1__GetContainersResponse **out)
{
    (void)store;
    if (!strstr(epc, "2017"))
        return ERR_NOT_FOUND;
    Epcis__V1__GetContainersResponse *response = *out = arena_alloc(arena, sizeof *response);
    epcis__v1__get_containers_response__init(response);
    response->containers = arena_alloc(arena, sizeof *response->containers);
    response->containers[0] = arena_alloc(arena, sizeof **response->containers);
    epcis__v1__container__init(response->containers[0]);
    response->containers[0]->epc = "urn:epc:id:sscc:0614141.0000000001";
    response->containers[0]->packed_sequence = at_us ? (uint64_t)*at_us : 5;
    response->n_containers = 1;
    return ERR_OK;
}

/* Two events, whose steps say what was asked for. */
enum err store_events(struct store *store, const struct store_events_query *query, char cursor[STORE_CURSOR],
                      struct arena *arena, Epcis__V1__ListEventsResponse **out)
{
    (void)store;
    char step[128];
    uint64_t number = strtoull(cursor, NULL, 10) + 1;
    if ((query->capture_id && query->capture_id[15] != 1) || number > 2)
        return ERR_NOT_FOUND;
    if (query->capture_id)
        snprintf(step, sizeof step, "capture %u", query->capture_id[15]);
    else if (query->lot)
        snprintf(step, sizeof step, "lot %" PRIu64 " %s", query->gtin, query->lot);
    else
        snprintf(step, sizeof step, "place %" PRIu64 " %" PRId64 " %" PRId64, query->place, query->from_us,
                 query->to_us);
    Epcis__V1__ListEventsResponse *response = *out = arena_alloc(arena, sizeof *response);
    Epcis__V1__HistoryEntry *entry = arena_alloc(arena, sizeof *entry);
    epcis__v1__list_events_response__init(response);
    epcis__v1__history_entry__init(entry);
    entry->sequence = number;
    entry->biz_step = arena_copy(arena, step, strlen(step));
    response->events = arena_alloc(arena, sizeof *response->events);
    response->events[response->n_events++] = entry;
    snprintf(cursor, STORE_CURSOR, "%s", number == 1 ? "1" : "");
    response->next_page_token = arena_copy(arena, cursor, strlen(cursor));
    return ERR_OK;
}

static Epcis__V1__DeadLetter *fake_letter(struct arena *arena, size_t number)
{
    Epcis__V1__DeadLetter *letter = arena_alloc(arena, sizeof *letter);
    char id[8];
    epcis__v1__dead_letter__init(letter);
    letter->dead_letter_id = arena_copy(arena, id, (size_t)snprintf(id, sizeof id, "%zu", number));
    letter->capture_id = (char *)known_capture;
    letter->line = 40 + number;
    letter->path = "/*/EventList/ObjectEvent[2]";
    if (number > 1) { /* the first is a document's */
        letter->position_case = EPCIS__V1__DEAD_LETTER__POSITION_EVENT_INDEX;
        letter->event_index = number;
    }
    letter->reasons = arena_alloc(arena, sizeof *letter->reasons);
    letter->n_reasons = 1;
    letter->reasons[0] = arena_alloc(arena, sizeof **letter->reasons);
    epcis__v1__finding__init(letter->reasons[0]);
    letter->reasons[0]->code = "SERIAL_FORMAT";
    letter->reasons[0]->field = "epcList[0]";
    letter->reasons[0]->value = "urn:\x1b[31m\xff";
    letter->reasons[0]->message = "1 to 20 characters";
    return letter;
}

enum err store_dead_letters(struct store *store, const struct store_letter_filter *filter, uint32_t limit,
                            char cursor[STORE_CURSOR], struct arena *arena,
                            Epcis__V1__ListDeadLettersResponse **out)
{
    (void)store;
    size_t from = strtoul(cursor, NULL, 10), end = filter->capture_id ? 1 : FAKE_LETTERS;
    Epcis__V1__ListDeadLettersResponse *response = arena_alloc(arena, sizeof *response);
    epcis__v1__list_dead_letters_response__init(response);
    response->dead_letters = arena_alloc(arena, FAKE_LETTERS * sizeof *response->dead_letters);
    for (; from < end && response->n_dead_letters < limit; from++)
        response->dead_letters[response->n_dead_letters++] = fake_letter(arena, from + 1);
    cursor[0] = '\0';
    if (from < end)
        snprintf(cursor, STORE_CURSOR, "%zu", from);
    *out = response;
    return ERR_OK;
}

enum err store_dead_letter_get(struct store *store, const char *dead_letter_id, struct arena *arena,
                               Epcis__V1__GetDeadLetterResponse **out)
{
    (void)store;
    if (strcmp(dead_letter_id, "1") != 0)
        return ERR_NOT_FOUND;
    *out = arena_alloc(arena, sizeof **out);
    epcis__v1__get_dead_letter_response__init(*out);
    (*out)->dead_letter = fake_letter(arena, 1);
    return ERR_OK;
}

enum err store_dead_letter_number(const char *dead_letter_id, uint64_t *out)
{
    *out = strtoull(dead_letter_id, NULL, 10);
    return *out ? ERR_OK : ERR_INPUT;
}

/* ---- what was done about dead letters: nothing ----------------------------------------------------------
 */

enum err journal_letter(const struct journal *journal, uint64_t number, struct arena *arena,
                        Epcis__Store__V1__LetterRecord **out)
{
    (void)journal, (void)number, (void)arena, (void)out;
    return ERR_NOT_FOUND;
}

enum err journal_capture_by_id(struct journal *journal, const uint8_t capture_id[UUID_BYTES],
                               struct arena *arena, Epcis__Store__V1__CaptureRecord **out)
{
    (void)journal, (void)capture_id, (void)arena, (void)out;
    return ERR_NOT_FOUND;
}

enum err capture_list(struct journal *journal, const Epcis__V1__ListCapturesRequest *filter, uint32_t limit,
                      char cursor[STORE_CURSOR], capture_sees_fn *sees, const void *context,
                      struct arena *arena, Epcis__V1__ListCapturesResponse **out)
{
    (void)journal, (void)filter, (void)limit, (void)sees, (void)context;
    *out = arena_alloc(arena, sizeof **out);
    epcis__v1__list_captures_response__init(*out);
    return cursor[0] ? ERR_INPUT : ERR_OK;
}

enum err capture_list_events(struct journal *journal, struct store *store,
                             const uint8_t capture_id[UUID_BYTES], bool dead_letters_only, uint32_t limit,
                             char cursor[STORE_CURSOR], struct arena *arena,
                             Epcis__V1__ListCaptureEventsResponse **out)
{
    (void)journal, (void)store, (void)capture_id, (void)dead_letters_only, (void)limit, (void)cursor;
    *out = arena_alloc(arena, sizeof **out);
    epcis__v1__list_capture_events_response__init(*out);
    return ERR_OK;
}

enum err capture_cancel(struct journal *journal, struct converter *converter,
                        const uint8_t capture_id[UUID_BYTES], const char *who, const char *why)
{
    (void)journal, (void)converter, (void)who, (void)why;
    return capture_id[15] == 1 ? ERR_EXISTS : ERR_OK;
}

enum err journal_upload_by_key(struct journal *journal, const uint8_t *key, size_t key_bytes,
                               struct arena *arena, Epcis__Store__V1__UploadRecord **out)
{
    (void)journal, (void)key_bytes;
    if (key[15] != 1)
        return ERR_NOT_FOUND;
    *out = arena_alloc(arena, sizeof **out);
    epcis__store__v1__upload_record__init(*out);
    (*out)->bytes = 3 * JOURNAL_PIECE_BYTES + 5;
    return ERR_OK;
}

enum err capture_receipt(struct journal *journal, uint64_t number, struct arena *arena,
                         Epcis__V1__Receipt **out)
{
    (void)journal, (void)number, (void)arena, (void)out;
    return ERR_NOT_FOUND;
}

enum err journal_piece(struct journal *journal, uint64_t upload, uint32_t piece, struct buffer *out)
{
    (void)journal, (void)upload, (void)piece, (void)out;
    return ERR_NOT_FOUND;
}

/* Keeps identities, and refuses all else. */
void journal_submit(struct journal *journal, struct journal_op *op)
{
    (void)journal;
    op->done(op, op->kind == JOURNAL_IDENTITY ? ERR_OK : ERR_DISK);
}

/* News that are kept; none until a test says otherwise. */
static atomic_ullong fake_news_first = 1, fake_news_last = 0;

enum err journal_news_range(struct journal *journal, uint64_t *first, uint64_t *last)
{
    (void)journal;
    *first = atomic_load(&fake_news_first);
    *last = atomic_load(&fake_news_last);
    return ERR_OK;
}

enum err journal_news_read(struct journal *journal, uint64_t *number, uint32_t limit, struct arena *arena,
                           enum err (*take)(void *context, uint64_t number,
                                            const Epcis__Store__V1__NewsRecord *record),
                           void *context)
{
    static uint8_t capture_id[UUID_BYTES];
    Epcis__Store__V1__NewsRecord record = EPCIS__STORE__V1__NEWS_RECORD__INIT;
    enum err err = ERR_OK;
    (void)journal, (void)arena;
    record.capture_id = (ProtobufCBinaryData){sizeof capture_id, capture_id};
    if (*number >= atomic_load(&fake_news_last))
        return ERR_NOT_FOUND;
    if (*number + 1 < atomic_load(&fake_news_first))
        return ERR_ORDER;
    for (uint32_t i = 0; !err && i < limit && *number < atomic_load(&fake_news_last); i++) {
        err = take(context, *number + 1, &record);
        *number += !err;
    }
    return err;
}

enum err journal_identities(struct journal *journal,
                            enum err (*use)(void *context, Epcis__Store__V1__IdentityRecord *record),
                            void *context)
{
    (void)journal, (void)use, (void)context;
    return ERR_OK;
}

void ingest_resubmit(struct ingest_document *document, struct journal_letter *letter)
{
    (void)document, (void)letter;
}

/* ---- trading partners: none ---- */

enum err journal_partner_get(struct journal *journal, const uint8_t id[UUID_BYTES], struct arena *arena,
                             Epcis__V1__TradingPartner **out)
{
    (void)journal, (void)id, (void)arena, (void)out;
    return ERR_NOT_FOUND;
}

enum err journal_partner_by_gln(struct journal *journal, const char *gln, struct arena *arena,
                                Epcis__V1__TradingPartner **out)
{
    (void)journal, (void)gln, (void)arena, (void)out;
    return ERR_NOT_FOUND;
}

enum err journal_partner_list(struct journal *journal, const uint8_t *after, uint32_t limit,
                              struct arena *arena, Epcis__V1__ListPartnersResponse *out, bool *more)
{
    (void)journal, (void)after, (void)limit, (void)arena, (void)out;
    *more = false;
    return ERR_OK;
}

enum err journal_partner_changes(struct journal *journal, const uint8_t id[UUID_BYTES], uint64_t version,
                                 uint32_t limit, struct arena *arena, Epcis__V1__GetPartnerResponse *out)
{
    (void)journal, (void)id, (void)version, (void)limit, (void)arena, (void)out;
    return ERR_OK;
}

/* ---- what auditors get: nothing, and keys cannot be rotated ---- */

enum err journal_audit_last_key(struct journal *journal, struct arena *arena, Epcis__V1__SigningKey **out)
{
    (void)journal, (void)arena, (void)out;
    return ERR_NOT_FOUND;
}

enum err journal_audit_keys(struct journal *journal, struct journal_audit_page *page, struct arena *arena,
                            Epcis__V1__ListKeysResponse *out)
{
    (void)journal, (void)arena, (void)out;
    page->from = 0;
    return ERR_OK;
}

enum err journal_audit_checkpoints(struct journal *journal, struct journal_audit_page *page,
                                   struct arena *arena, Epcis__V1__ListCheckpointsResponse *out)
{
    (void)journal, (void)arena, (void)out;
    page->from = 0;
    return ERR_OK;
}

enum err signer_rotate(struct signer *signer, const char *requested_by)
{
    (void)signer, (void)requested_by;
    return ERR_DISK;
}

/* An export of as many lines as one asks for, and no batches. */

struct export
{
    uint64_t left;
};

enum err export_open(struct journal *journal, struct signer *signer, const struct export_range *range,
                     struct export **out)
{
    (void)journal, (void)signer;
    *out = calloc(1, sizeof **out);
    (*out)->left = (uint64_t)range->from_ms;
    return ERR_OK;
}

void export_close(struct export **export)
{
    free(*export);
    *export = NULL;
}

enum err export_next(struct export *export, struct buffer *out, bool *done)
{
    if (export->left == 13)
        return ERR_CORRUPT;
    if (export->left)
        buffer_printf(out, "line %" PRIu64 "\n", export->left--);
    *done = export->left == 0;
    return ERR_OK;
}

/* No batches to make anew. */

enum err journal_capture(struct journal *journal, uint64_t number, struct arena *arena,
                         Epcis__Store__V1__CaptureRecord **out)
{
    (void)journal, (void)number, (void)arena, (void)out;
    return ERR_NOT_FOUND;
}

const struct converter_options *converter_options(const struct converter *converter)
{
    static const struct converter_options options;
    (void)converter;
    return &options;
}

enum err reading_tools_init(struct reading_tools *tools, struct journal *journal,
                            const struct parser_limits *limits, uint64_t rollback_max_bytes)
{
    (void)tools, (void)journal, (void)limits, (void)rollback_max_bytes;
    return ERR_OK;
}

void reading_tools_free(struct reading_tools *tools)
{
    (void)tools;
}

enum err rebuild_open(struct reading_tools *tools, const struct rebuild_range *range,
                      const struct rebuild_sink *sink, struct rebuild **out)
{
    (void)tools, (void)range, (void)sink;
    *out = NULL;
    return ERR_OK;
}

void rebuild_close(struct rebuild **rebuild)
{
    *rebuild = NULL;
}

enum err rebuild_step(struct rebuild *rebuild, bool *done)
{
    (void)rebuild;
    *done = true;
    return ERR_OK;
}

/* Somebody else has history judged. */

enum err rejudge_open(struct rejudge_options *options, const struct rejudge_request *request,
                      void (*notify)(void *context), void *context, struct rejudge **out)
{
    (void)options, (void)request, (void)notify, (void)context;
    *out = NULL;
    return ERR_EXISTS;
}

const Epcis__V1__ReplayRulesResponse *rejudge_ready(struct rejudge *rejudge)
{
    (void)rejudge;
    return NULL;
}

void rejudge_go_on(struct rejudge *rejudge)
{
    (void)rejudge;
}

bool rejudge_ended(struct rejudge *rejudge, struct rejudge_end *out)
{
    (void)rejudge, (void)out;
    return false;
}

void rejudge_close(struct rejudge **rejudge)
{
    *rejudge = NULL;
}

enum err ledger_query_batch(struct journal *journal, uint32_t partition, uint64_t sequence,
                            struct arena *arena, Epcis__V1__LedgerBatch **out,
                            Epcis__Store__V1__BatchRecord **record)
{
    (void)journal, (void)partition, (void)sequence, (void)arena, (void)out, (void)record;
    return ERR_NOT_FOUND;
}

enum err ledger_query_batches(struct journal *journal, const struct ledger_query *query, uint32_t *partition,
                              uint64_t *sequence, struct arena *arena, Epcis__V1__ListBatchesResponse *out)
{
    (void)journal, (void)query, (void)sequence, (void)arena, (void)out;
    *partition = PARTNER_PARTITIONS;
    return ERR_OK;
}

enum err ledger_query_proof(struct journal *journal, const uint8_t capture_id[UUID_BYTES],
                            uint64_t event_index, struct arena *arena, Epcis__V1__InclusionProof **out)
{
    (void)journal, (void)capture_id, (void)event_index, (void)arena, (void)out;
    return ERR_ORDER;
}

enum err journal_leaves(struct journal *journal, uint32_t partition, uint64_t sequence, size_t first,
                        size_t count, struct buffer *out)
{
    (void)journal, (void)partition, (void)sequence, (void)first, (void)count, (void)out;
    return ERR_NOT_FOUND;
}

#endif
