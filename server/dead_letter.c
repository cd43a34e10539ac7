#include "server/dead_letter.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/gs1/epc.h"
#include "server/journal_letter.h"

/* The journal's records that are looked at on the way; and what one page leaves free for what they add. */
enum { SCRATCH_BYTES = 1 << 20, CHANGES_SHARE = 4 };

/* ---- state ------------------------------------------------------------------------------------------ */

/* `*out` NULL: it is open. */
static enum err find_changes(const struct dead_letters *letters, uint64_t number, struct arena *arena,
                             Epcis__Store__V1__LetterRecord **out)
{
    enum err err = journal_letter(letters->journal, number, arena, out);
    if (err)
        *out = NULL;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

struct state_wanted {
    const struct dead_letters *letters;
    Epcis__V1__DeadLetterState state;
    struct arena scratch;
};

static enum err has_state(void *context, uint64_t number, bool *out)
{
    struct state_wanted *wanted = context;
    Epcis__Store__V1__LetterRecord *record;
    arena_reset(&wanted->scratch);
    enum err err = find_changes(wanted->letters, number, &wanted->scratch, &record);
    Epcis__V1__DeadLetterState state =
        record ? record->state : EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_OPEN;
    *out = !err && state == wanted->state;
    return err;
}

/* Neighbours come out of the same document mostly: what is known of the last one is kept. */
struct origin {
    struct arena scratch;
    const char *capture_id;
    char *resubmission_of;
};

static enum err find_origin(const struct dead_letters *letters, const char *capture_id, struct origin *origin,
                            struct arena *arena)
{
    uint8_t id[UUID_BYTES];
    char text[24];
    Epcis__Store__V1__CaptureRecord *record;
    if (origin->capture_id && strcmp(origin->capture_id, capture_id) == 0)
        return ERR_OK;
    arena_reset(&origin->scratch);
    origin->capture_id = capture_id;
    origin->resubmission_of = NULL;
    enum err err = uuid_parse(capture_id, id) ? ERR_CORRUPT : ERR_OK;
    if (!err)
        err = journal_capture_by_id(letters->journal, id, &origin->scratch, &record);
    if (err || !record->resubmission_of)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    int length = snprintf(text, sizeof text, "%" PRIu64, record->resubmission_of);
    origin->resubmission_of = arena_copy(arena, text, (size_t)length);
    return origin->resubmission_of ? ERR_OK : ERR_LIMIT;
}

/* Adds what the journal knows to what the store keeps. */
static enum err add_progress(const struct dead_letters *letters, Epcis__V1__DeadLetter *letter,
                             struct origin *origin, struct arena *arena)
{
    uint64_t number;
    Epcis__Store__V1__LetterRecord *record;
    enum err err = store_dead_letter_number(letter->dead_letter_id, &number);
    if (!err)
        err = find_changes(letters, number, arena, &record);
    if (!err)
        err = find_origin(letters, letter->capture_id, origin, arena);
    if (err)
        return err;
    letter->state = EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_OPEN;
    if (record) {
        letter->state = record->state;
        letter->changes = record->changes;
        letter->n_changes = record->n_changes;
    }
    if (origin->resubmission_of)
        letter->resubmission_of = origin->resubmission_of;
    return ERR_OK;
}

/* ---- pages ------------------------------------------------------------------------------------------ */

static bool is_number(const char *text, size_t digits)
{
    return strlen(text) == digits && strspn(text, "0123456789") == digits && gs1_check_digit_ok(text, digits);
}

static const char *given(const char *text)
{
    return text[0] ? text : NULL;
}

/* `capture_id` is where that of the filter is kept. */
static enum err read_filter(const Epcis__V1__ListDeadLettersRequest *request, uint8_t capture_id[UUID_BYTES],
                            struct store_letter_filter *out, char why[DEAD_LETTER_WHY])
{
    *out = (struct store_letter_filter){.capture_id = request->capture_id[0] ? capture_id : NULL,
                                        .partner = given(request->partner),
                                        .code = given(request->code),
                                        .gtin = given(request->gtin),
                                        .from_ms = request->refused_from_ms,
                                        .until_ms = request->refused_until_ms};
    if (out->capture_id && uuid_parse(request->capture_id, capture_id))
        snprintf(why, DEAD_LETTER_WHY,
                 "`capture_id` is \"%.60s\": a UUID as in a receipt is expected, or nothing",
                 request->capture_id);
    else if (out->partner && !is_number(out->partner, 13))
        snprintf(why, DEAD_LETTER_WHY,
                 "`partner` is \"%.60s\": a GLN of 13 digits with its check digit is expected, or nothing",
                 out->partner);
    else if (out->gtin && !is_number(out->gtin, 14))
        snprintf(why, DEAD_LETTER_WHY,
                 "`gtin` is \"%.60s\": 14 digits with their check digit are expected, or nothing", out->gtin);
    else if (!protobuf_c_enum_descriptor_get_value(&epcis__v1__dead_letter_state__descriptor,
                                                   (int)request->state))
        snprintf(why, DEAD_LETTER_WHY, "`state` is %d: it is none", (int)request->state);
    else
        return ERR_OK;
    return ERR_INPUT;
}

static enum err list(const struct dead_letters *letters, const struct store_letter_filter *filter,
                     uint32_t limit, char cursor[STORE_CURSOR], struct arena *arena,
                     Epcis__V1__ListDeadLettersResponse **out, char why[DEAD_LETTER_WHY])
{
    struct origin origin = {0};
    size_t reserve = arena->budget_bytes / CHANGES_SHARE;
    arena_init(&origin.scratch, SCRATCH_BYTES);
    arena->budget_bytes -= reserve; /* a page ends where the arena does, and more is added to it here */
    enum err err = store_dead_letters(letters->store, filter, limit, cursor, arena, out);
    arena->budget_bytes += reserve;
    if (err == ERR_INPUT)
        snprintf(why, DEAD_LETTER_WHY,
                 "`page_token` is none: send next_page_token of the answer before, or nothing");
    for (size_t i = 0; !err && i < (*out)->n_dead_letters; i++)
        err = add_progress(letters, (*out)->dead_letters[i], &origin, arena);
    arena_free(&origin.scratch);
    return err;
}

enum err dead_letter_list(const struct dead_letters *letters, const Epcis__V1__ListDeadLettersRequest *filter,
                          const struct store_sight *sight, uint32_t limit, char cursor[STORE_CURSOR],
                          struct arena *arena, Epcis__V1__ListDeadLettersResponse **out,
                          char why[DEAD_LETTER_WHY])
{
    uint8_t capture_id[UUID_BYTES];
    struct store_letter_filter wanted;
    struct state_wanted state = {.letters = letters, .state = filter->state};
    why[0] = '\0';
    enum err err = read_filter(filter, capture_id, &wanted, why);
    if (err)
        return err;
    wanted.sight = sight;
    wanted.validated = wanted.capture_id && !filter->state; /* who asks for a state wants dead letters */
    if (filter->state) {
        wanted.wanted = has_state;
        wanted.context = &state;
    }
    arena_init(&state.scratch, SCRATCH_BYTES);
    err = list(letters, &wanted, limit, cursor, arena, out, why);
    arena_free(&state.scratch);
    return err;
}

/* ---- one -------------------------------------------------------------------------------------------- */

static enum err add_json(Epcis__V1__DeadLetter *letter, struct arena *arena)
{
    struct buffer json = {0};
    enum err err = dead_letter_json(letter->event, &json);
    char *text = err ? NULL : arena_copy(arena, (char *)json.data, json.length);
    if (text)
        letter->event_json = text;
    buffer_free(&json);
    return err == ERR_INPUT ? ERR_OK : err;
}

enum err dead_letter_get(const struct dead_letters *letters, const char *dead_letter_id, struct arena *arena,
                         Epcis__V1__GetDeadLetterResponse **out)
{
    struct origin origin = {0};
    arena_init(&origin.scratch, SCRATCH_BYTES);
    enum err err = store_dead_letter_get(letters->store, dead_letter_id, arena, out);
    if (!err)
        err = add_progress(letters, (*out)->dead_letter, &origin, arena);
    if (!err && (*out)->dead_letter->event)
        err = add_json((*out)->dead_letter, arena);
    arena_free(&origin.scratch);
    return err;
}
