#include "server/identities.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "server/identity_check.h"
#include "server/journal_identity.h"
#include "server/journal_wait.h"

enum {
    NOTE_MS = 3600 * 1000,          /* the time of last use is written down so often */
    OVERLAP_MAX_S = 30 * 24 * 3600, /* of two tokens */
};

enum key_kind { KEY_TOKEN, KEY_PREVIOUS_TOKEN, KEY_CERTIFICATE };

/* How an identity is found: by the SHA-256 of what proves it. */
struct key {
    uint8_t sha256[DIGEST_BYTES];
    enum key_kind kind;
    uint32_t entry;
};

struct entry {
    Epcis__Store__V1__IdentityRecord *record;
    int64_t written_ms; /* of its last use, in the journal */
};

struct identities {
    struct journal *journal;
    pthread_mutex_t changing; /* one change at a time; taken first */
    pthread_mutex_t mutex;    /* guards what follows, never held over a wait */
    struct entry *entries;    /* by name */
    struct key *keys;         /* by sha256 and kind */
    uint32_t count, capacity; /* of entries; two keys each at most */
    uint32_t key_count;
};

/* ---- the table --------------------------------------------------------------------------------------- */

static int compare_keys(const void *a, const void *b)
{
    const struct key *left = a, *right = b;
    int order = memcmp(left->sha256, right->sha256, DIGEST_BYTES);
    return order ? order : (int)left->kind - (int)right->kind;
}

static void add_key(struct identities *identities, uint32_t entry, enum key_kind kind,
                    ProtobufCBinaryData sha256)
{
    if (sha256.len != DIGEST_BYTES)
        return;
    struct key *key = &identities->keys[identities->key_count++];
    *key = (struct key){.kind = kind, .entry = entry};
    memcpy(key->sha256, sha256.data, DIGEST_BYTES);
}

static void rebuild_keys(struct identities *identities)
{
    identities->key_count = 0;
    for (uint32_t i = 0; i < identities->count; i++) {
        const Epcis__Store__V1__IdentityRecord *record = identities->entries[i].record;
        const Epcis__V1__Identity *identity = record->identity;
        uint8_t sha256[DIGEST_BYTES];
        add_key(identities, i, KEY_TOKEN, record->token_sha256);
        add_key(identities, i, KEY_PREVIOUS_TOKEN, record->previous_token_sha256);
        if (!identity->certificate[0] || identity->revoked_ms)
            continue; /* what a revoked identity had may be another's by now */
        digest_of(identity->certificate, strlen(identity->certificate), sha256);
        add_key(identities, i, KEY_CERTIFICATE, (ProtobufCBinaryData){DIGEST_BYTES, sha256});
    }
    qsort(identities->keys, identities->key_count, sizeof *identities->keys, compare_keys);
}

/* Where the name is, or would stand. */
static uint32_t place_of(const struct identities *identities, const char *name, bool *found)
{
    uint32_t low = 0, high = identities->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (strcmp(identities->entries[middle].record->identity->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < identities->count && strcmp(identities->entries[low].record->identity->name, name) == 0;
    return low;
}

static enum err reserve_one(struct identities *identities)
{
    if (identities->count < identities->capacity)
        return ERR_OK;
    uint32_t capacity = identities->capacity ? 2 * identities->capacity : 16;
    struct entry *entries = realloc(identities->entries, capacity * sizeof *entries);
    if (entries)
        identities->entries = entries;
    struct key *keys = entries ? realloc(identities->keys, 2 * (size_t)capacity * sizeof *keys) : NULL;
    if (!keys)
        return ERR_MEMORY;
    identities->keys = keys;
    identities->capacity = capacity;
    return ERR_OK;
}

/* Takes the record, in the place of the one of that name; there is room for it. */
static void install(struct identities *identities, Epcis__Store__V1__IdentityRecord *record)
{
    bool found;
    uint32_t place = place_of(identities, record->identity->name, &found);
    struct entry *entry = &identities->entries[place];
    if (found) {
        int64_t used_ms = entry->record->identity->last_used_ms;
        if (used_ms > record->identity->last_used_ms)
            record->identity->last_used_ms = used_ms;
        epcis__store__v1__identity_record__free_unpacked(entry->record, NULL);
    } else {
        memmove(entry + 1, entry, (identities->count - place) * sizeof *entry);
        identities->count++;
    }
    *entry = (struct entry){.record = record, .written_ms = record->identity->last_used_ms};
    rebuild_keys(identities);
}

/* ---- opening ----------------------------------------------------------------------------------------- */

static enum err load_record(void *context, Epcis__Store__V1__IdentityRecord *record)
{
    struct identities *identities = context;
    enum err err = reserve_one(identities);
    if (err)
        epcis__store__v1__identity_record__free_unpacked(record, NULL);
    else
        install(identities, record);
    return err;
}

static void free_all(struct identities *identities)
{
    for (uint32_t i = 0; i < identities->count; i++)
        epcis__store__v1__identity_record__free_unpacked(identities->entries[i].record, NULL);
    free(identities->entries);
    free(identities->keys);
    pthread_mutex_destroy(&identities->changing);
    pthread_mutex_destroy(&identities->mutex);
    free(identities);
}

enum err identities_open(struct journal *journal, struct identities **out)
{
    struct identities *identities = calloc(1, sizeof *identities);
    if (!identities)
        return ERR_MEMORY;
    identities->journal = journal;
    pthread_mutex_init(&identities->changing, NULL);
    pthread_mutex_init(&identities->mutex, NULL);
    enum err err = journal_identities(journal, load_record, identities);
    if (err)
        free_all(identities);
    else
        *out = identities;
    return err;
}

bool identities_are_none(struct identities *identities)
{
    pthread_mutex_lock(&identities->mutex);
    bool none = identities->count == 0;
    pthread_mutex_unlock(&identities->mutex);
    return none;
}

/* ---- finding ----------------------------------------------------------------------------------------- */

static const struct key *find_key(const struct identities *identities, const uint8_t sha256[DIGEST_BYTES],
                                  enum key_kind kind)
{
    struct key wanted = {.kind = kind};
    memcpy(wanted.sha256, sha256, DIGEST_BYTES);
    return identities->key_count
               ? bsearch(&wanted, identities->keys, identities->key_count, sizeof wanted, compare_keys)
               : NULL;
}

static enum identity_state state_of(const Epcis__V1__Identity *identity, enum key_kind kind, int64_t now_ms)
{
    int64_t until_ms = kind == KEY_PREVIOUS_TOKEN ? identity->previous_until_ms : identity->expires_ms;
    if (identity->revoked_ms)
        return IDENTITY_REVOKED;
    return (until_ms || kind == KEY_PREVIOUS_TOKEN) && now_ms >= until_ms ? IDENTITY_EXPIRED : IDENTITY_GOOD;
}

static enum identity_state prove(struct identities *identities, const struct key *key, int64_t now_ms,
                                 struct identity_proof *out)
{
    struct entry *entry = &identities->entries[key->entry];
    Epcis__V1__Identity *identity = entry->record->identity;
    enum identity_state state = state_of(identity, key->kind, now_ms);
    snprintf(out->name, sizeof out->name, "%s", identity->name);
    snprintf(out->partner, sizeof out->partner, "%s", identity->partner);
    out->roles = identity_roles(identity);
    if (state != IDENTITY_GOOD)
        return state;
    if (now_ms > identity->last_used_ms)
        identity->last_used_ms = now_ms;
    out->note_due = now_ms >= entry->written_ms + NOTE_MS;
    if (out->note_due)
        entry->written_ms = now_ms;
    return state;
}

static enum identity_state find(struct identities *identities, const void *proof, size_t bytes,
                                bool certificate, int64_t now_ms, struct identity_proof *out)
{
    uint8_t sha256[DIGEST_BYTES];
    *out = (struct identity_proof){.roles = 0};
    digest_of(proof, bytes, sha256);
    pthread_mutex_lock(&identities->mutex);
    const struct key *key = find_key(identities, sha256, certificate ? KEY_CERTIFICATE : KEY_TOKEN);
    if (!key && !certificate)
        key = find_key(identities, sha256, KEY_PREVIOUS_TOKEN);
    enum identity_state state = key ? prove(identities, key, now_ms, out) : IDENTITY_UNKNOWN;
    pthread_mutex_unlock(&identities->mutex);
    return state;
}

enum identity_state identities_by_token(struct identities *identities, const void *token, size_t bytes,
                                        int64_t now_ms, struct identity_proof *out)
{
    return find(identities, token, bytes, false, now_ms, out);
}

enum identity_state identities_by_certificate(struct identities *identities, const char *entry,
                                              int64_t now_ms, struct identity_proof *out)
{
    return find(identities, entry, strlen(entry), true, now_ms, out);
}

/* ---- changing ---------------------------------------------------------------------------------------- */

static void note_done(struct journal_op *op, enum err err)
{
    (void)err; /* it was no more than a note */
    buffer_free(&op->data);
    free((char *)(uintptr_t)op->name);
    free(op);
}

/* The entry as it is now; NULL without memory. The mutex is held. */
static struct journal_op *make_note(const struct entry *entry)
{
    struct journal_op *op = calloc(1, sizeof *op);
    if (!op)
        return NULL;
    op->kind = JOURNAL_IDENTITY;
    op->done = note_done;
    op->name = strdup(entry->record->identity->name);
    buffer_append_message(&op->data, &entry->record->base);
    op->bytes = op->data.capacity;
    if (op->name && !op->data.failed)
        return op;
    note_done(op, ERR_MEMORY);
    return NULL;
}

/* What changes the identity next is submitted after this. */
void identities_note(struct identities *identities, const char *name)
{
    bool found;
    pthread_mutex_lock(&identities->changing);
    pthread_mutex_lock(&identities->mutex);
    uint32_t place = place_of(identities, name, &found);
    struct journal_op *op = found ? make_note(&identities->entries[place]) : NULL;
    pthread_mutex_unlock(&identities->mutex);
    if (op)
        journal_submit(identities->journal, op);
    pthread_mutex_unlock(&identities->changing);
}

void identities_close(struct identities **identities)
{
    struct identities *self = *identities;
    *identities = NULL;
    if (!self)
        return;
    for (uint32_t i = 0; i < self->count; i++) {
        const struct entry *entry = &self->entries[i];
        bool used = entry->record->identity->last_used_ms > entry->written_ms;
        struct journal_op *op = used ? make_note(entry) : NULL;
        if (op)
            journal_submit(self->journal, op);
    }
    free_all(self);
}

/* Writes the record, and once it is on disk it holds. */
static enum err keep(struct identities *identities, const Epcis__Store__V1__IdentityRecord *record)
{
    struct journal_op op = {.kind = JOURNAL_IDENTITY, .name = record->identity->name};
    buffer_append_message(&op.data, &record->base);
    op.bytes = op.data.capacity;
    Epcis__Store__V1__IdentityRecord *copy =
        op.data.failed ? NULL : epcis__store__v1__identity_record__unpack(NULL, op.data.length, op.data.data);
    pthread_mutex_lock(&identities->mutex);
    enum err err = copy ? reserve_one(identities) : ERR_MEMORY;
    pthread_mutex_unlock(&identities->mutex);
    if (!err)
        err = journal_wait(identities->journal, &op);
    if (!err) {
        pthread_mutex_lock(&identities->mutex);
        install(identities, copy);
        pthread_mutex_unlock(&identities->mutex);
        copy = NULL;
    }
    epcis__store__v1__identity_record__free_unpacked(copy, NULL);
    buffer_free(&op.data);
    return err;
}

/* A copy in the arena; NULL: its budget is spent. */
static ProtobufCMessage *copy_message(const ProtobufCMessage *message, struct arena *arena)
{
    size_t bytes = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = arena_alloc(arena, bytes + 1);
    if (!packed)
        return NULL;
    protobuf_c_message_pack(message, packed);
    return protobuf_c_message_unpack(message->descriptor, &arena->allocator, bytes, packed);
}

/* A copy of the record that has the name, to be changed. ERR_NOT_FOUND, ERR_LIMIT. */
static enum err copy_record(struct identities *identities, const char *name, struct arena *arena,
                            Epcis__Store__V1__IdentityRecord **out)
{
    bool found;
    pthread_mutex_lock(&identities->mutex);
    uint32_t place = place_of(identities, name, &found);
    *out = found ? (Epcis__Store__V1__IdentityRecord *)copy_message(&identities->entries[place].record->base,
                                                                    arena)
                 : NULL;
    pthread_mutex_unlock(&identities->mutex);
    return *out ? ERR_OK : found ? ERR_LIMIT : ERR_NOT_FOUND;
}

static enum err check_new(struct identities *identities, const Epcis__V1__Identity *wanted,
                          char why[IDENTITY_WHY])
{
    uint8_t sha256[DIGEST_BYTES];
    bool found;
    digest_of(wanted->certificate, strlen(wanted->certificate), sha256);
    pthread_mutex_lock(&identities->mutex);
    place_of(identities, wanted->name, &found);
    const struct key *key = wanted->certificate[0] ? find_key(identities, sha256, KEY_CERTIFICATE) : NULL;
    if (found)
        snprintf(why, IDENTITY_WHY, "`name` is \"%s\": an identity has or had this name", wanted->name);
    else if (key)
        snprintf(why, IDENTITY_WHY, "`certificate` is that of \"%s\"",
                 identities->entries[key->entry].record->identity->name);
    pthread_mutex_unlock(&identities->mutex);
    return found || key ? ERR_EXISTS : ERR_OK;
}

enum err identities_create(struct identities *identities, const Epcis__V1__Identity *wanted,
                           const uint8_t token_sha256[DIGEST_BYTES], const char *who, struct arena *arena,
                           Epcis__V1__Identity **out, char why[IDENTITY_WHY])
{
    int64_t now_ms = clock_wall_ms();
    why[0] = '\0';
    enum err err = identity_check(wanted, now_ms, why);
    if (err)
        return err;
    Epcis__V1__Identity identity = EPCIS__V1__IDENTITY__INIT;
    Epcis__Store__V1__IdentityRecord record = EPCIS__STORE__V1__IDENTITY_RECORD__INIT;
    identity.name = wanted->name;
    identity.roles = wanted->roles;
    identity.n_roles = wanted->n_roles;
    identity.partner = wanted->partner;
    identity.certificate = wanted->certificate;
    identity.expires_ms = wanted->expires_ms;
    identity.created_ms = now_ms;
    identity.created_by = (char *)(uintptr_t)who;
    record.identity = &identity;
    if (!identity.certificate[0])
        record.token_sha256 = (ProtobufCBinaryData){DIGEST_BYTES, (uint8_t *)(uintptr_t)token_sha256};
    *out = (Epcis__V1__Identity *)copy_message(&identity.base, arena);
    if (!*out)
        return ERR_LIMIT;
    pthread_mutex_lock(&identities->changing);
    err = check_new(identities, wanted, why);
    if (!err)
        err = keep(identities, &record);
    pthread_mutex_unlock(&identities->changing);
    return err;
}

/* Changes the copy of a record, in its arena. */
static enum err rotate_record(Epcis__Store__V1__IdentityRecord *record,
                              const Epcis__V1__RotateTokenRequest *wanted, const char *who, int64_t now_ms,
                              const uint8_t sha256[DIGEST_BYTES], char why[IDENTITY_WHY])
{
    Epcis__V1__Identity *identity = record->identity;
    if (identity->revoked_ms || identity->certificate[0]) {
        snprintf(why, IDENTITY_WHY, "identity \"%s\" %s", identity->name,
                 identity->revoked_ms ? "is revoked" : "has a certificate, which its issuer renews");
        return ERR_EXISTS;
    }
    int64_t until_ms = wanted->overlap_ms ? now_ms + wanted->overlap_ms : 0;
    if (until_ms && identity->expires_ms && identity->expires_ms < until_ms)
        until_ms = identity->expires_ms;
    record->previous_token_sha256 = until_ms ? record->token_sha256 : (ProtobufCBinaryData){0};
    record->token_sha256 = (ProtobufCBinaryData){DIGEST_BYTES, (uint8_t *)(uintptr_t)sha256};
    identity->previous_until_ms = until_ms;
    identity->expires_ms = wanted->expires_ms;
    identity->rotated_ms = now_ms;
    identity->rotated_by = (char *)(uintptr_t)who;
    return ERR_OK;
}

enum err identities_rotate(struct identities *identities, const Epcis__V1__RotateTokenRequest *wanted,
                           const uint8_t token_sha256[DIGEST_BYTES], const char *who, struct arena *arena,
                           Epcis__V1__Identity **out, char why[IDENTITY_WHY])
{
    int64_t now_ms = clock_wall_ms();
    Epcis__Store__V1__IdentityRecord *record = NULL;
    why[0] = '\0';
    enum err err = identity_check_expiry(wanted->expires_ms, now_ms, why);
    if (!err && (wanted->overlap_ms < 0 || wanted->overlap_ms > (int64_t)OVERLAP_MAX_S * 1000)) {
        snprintf(why, IDENTITY_WHY, "`overlap_ms` is not within 0 and 30 days");
        err = ERR_INPUT;
    }
    if (err)
        return err;
    pthread_mutex_lock(&identities->changing);
    err = copy_record(identities, wanted->name, arena, &record);
    if (!err)
        err = rotate_record(record, wanted, who, now_ms, token_sha256, why);
    if (!err)
        err = keep(identities, record);
    pthread_mutex_unlock(&identities->changing);
    *out = err ? NULL : record->identity;
    return err;
}

enum err identities_revoke(struct identities *identities, const char *name, const char *who,
                           struct arena *arena, Epcis__V1__Identity **out)
{
    Epcis__Store__V1__IdentityRecord *record = NULL;
    pthread_mutex_lock(&identities->changing);
    enum err err = copy_record(identities, name, arena, &record);
    if (!err && !record->identity->revoked_ms) {
        record->identity->revoked_ms = clock_wall_ms();
        record->identity->revoked_by = (char *)(uintptr_t)who;
        err = keep(identities, record);
    }
    pthread_mutex_unlock(&identities->changing);
    *out = err ? NULL : record->identity;
    return err;
}

/* ---- listing ----------------------------------------------------------------------------------------- */

enum err identities_list(struct identities *identities, const char *after, uint32_t limit,
                         struct arena *arena, Epcis__V1__ListIdentitiesResponse *out, bool *more)
{
    bool found;
    enum err err = ERR_OK;
    pthread_mutex_lock(&identities->mutex);
    uint32_t from = place_of(identities, after, &found);
    from += found;
    uint32_t count = identities->count - from < limit ? identities->count - from : limit;
    *more = identities->count - from > limit;
    out->identities = arena_alloc(arena, (count + 1) * sizeof(Epcis__V1__Identity *));
    if (!out->identities)
        err = ERR_LIMIT;
    for (uint32_t i = 0; !err && i < count; i++) {
        out->identities[i] =
            (Epcis__V1__Identity *)copy_message(&identities->entries[from + i].record->identity->base, arena);
        err = out->identities[i] ? ERR_OK : ERR_LIMIT;
        out->n_identities += !err;
    }
    pthread_mutex_unlock(&identities->mutex);
    return err;
}
