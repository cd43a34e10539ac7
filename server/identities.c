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

static void add_key(struct identities *self, uint32_t entry, enum key_kind kind, ProtobufCBinaryData sha256)
{
    if (sha256.len != DIGEST_BYTES)
        return;
    struct key *key = &self->keys[self->key_count++];
    *key = (struct key){.kind = kind, .entry = entry};
    memcpy(key->sha256, sha256.data, DIGEST_BYTES);
}

static void rebuild_keys(struct identities *self)
{
    self->key_count = 0;
    for (uint32_t i = 0; i < self->count; i++) {
        const Epcis__Store__V1__IdentityRecord *record = self->entries[i].record;
        const Epcis__V1__Identity *identity = record->identity;
        uint8_t sha256[DIGEST_BYTES];
        add_key(self, i, KEY_TOKEN, record->token_sha256);
        add_key(self, i, KEY_PREVIOUS_TOKEN, record->previous_token_sha256);
        if (!identity->certificate[0] || identity->revoked_ms)
            continue; /* what a revoked identity had may be another's by now */
        digest_of(identity->certificate, strlen(identity->certificate), sha256);
        add_key(self, i, KEY_CERTIFICATE, (ProtobufCBinaryData){DIGEST_BYTES, sha256});
    }
    qsort(self->keys, self->key_count, sizeof *self->keys, compare_keys);
}

/* Where the name is, or would stand. */
static uint32_t place_of(const struct identities *self, const char *name, bool *found)
{
    uint32_t low = 0, high = self->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (strcmp(self->entries[middle].record->identity->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < self->count && strcmp(self->entries[low].record->identity->name, name) == 0;
    return low;
}

static enum err reserve_one(struct identities *self)
{
    if (self->count < self->capacity)
        return ERR_OK;
    uint32_t capacity = self->capacity ? 2 * self->capacity : 16;
    struct entry *entries = realloc(self->entries, capacity * sizeof *entries);
    if (entries)
        self->entries = entries;
    struct key *keys = entries ? realloc(self->keys, 2 * (size_t)capacity * sizeof *keys) : NULL;
    if (!keys)
        return ERR_MEMORY;
    self->keys = keys;
    self->capacity = capacity;
    return ERR_OK;
}

/* Takes the record, in the place of the one of that name; there is room for it. */
static void install(struct identities *self, Epcis__Store__V1__IdentityRecord *record)
{
    bool found;
    uint32_t place = place_of(self, record->identity->name, &found);
    struct entry *entry = &self->entries[place];
    if (found) {
        int64_t used_ms = entry->record->identity->last_used_ms;
        if (used_ms > record->identity->last_used_ms)
            record->identity->last_used_ms = used_ms;
        epcis__store__v1__identity_record__free_unpacked(entry->record, NULL);
    } else {
        memmove(entry + 1, entry, (self->count - place) * sizeof *entry);
        self->count++;
    }
    *entry = (struct entry){.record = record, .written_ms = record->identity->last_used_ms};
    rebuild_keys(self);
}

/* ---- opening ----------------------------------------------------------------------------------------- */

static enum err load_record(void *context, Epcis__Store__V1__IdentityRecord *record)
{
    struct identities *self = context;
    enum err err = reserve_one(self);
    if (err)
        epcis__store__v1__identity_record__free_unpacked(record, NULL);
    else
        install(self, record);
    return err;
}

static void free_all(struct identities *self)
{
    for (uint32_t i = 0; i < self->count; i++)
        epcis__store__v1__identity_record__free_unpacked(self->entries[i].record, NULL);
    free(self->entries);
    free(self->keys);
    pthread_mutex_destroy(&self->changing);
    pthread_mutex_destroy(&self->mutex);
    free(self);
}

enum err identities_open(struct journal *journal, struct identities **out)
{
    struct identities *self = calloc(1, sizeof *self);
    if (!self)
        return ERR_MEMORY;
    self->journal = journal;
    pthread_mutex_init(&self->changing, NULL);
    pthread_mutex_init(&self->mutex, NULL);
    enum err err = journal_identities(journal, load_record, self);
    if (err)
        free_all(self);
    else
        *out = self;
    return err;
}

bool identities_are_none(struct identities *self)
{
    pthread_mutex_lock(&self->mutex);
    bool none = self->count == 0;
    pthread_mutex_unlock(&self->mutex);
    return none;
}

/* ---- finding ----------------------------------------------------------------------------------------- */

static const struct key *find_key(const struct identities *self, const uint8_t sha256[DIGEST_BYTES],
                                  enum key_kind kind)
{
    struct key wanted = {.kind = kind};
    memcpy(wanted.sha256, sha256, DIGEST_BYTES);
    return self->key_count ? bsearch(&wanted, self->keys, self->key_count, sizeof wanted, compare_keys)
                           : NULL;
}

static enum identity_state state_of(const Epcis__V1__Identity *identity, enum key_kind kind, int64_t now_ms)
{
    int64_t until_ms = kind == KEY_PREVIOUS_TOKEN ? identity->previous_until_ms : identity->expires_ms;
    if (identity->revoked_ms)
        return IDENTITY_REVOKED;
    return (until_ms || kind == KEY_PREVIOUS_TOKEN) && now_ms >= until_ms ? IDENTITY_EXPIRED : IDENTITY_GOOD;
}

static enum identity_state prove(struct identities *self, const struct key *key, int64_t now_ms,
                                 struct identity_proof *out)
{
    struct entry *entry = &self->entries[key->entry];
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

static enum identity_state find(struct identities *self, const void *proof, size_t bytes, bool certificate,
                                int64_t now_ms, struct identity_proof *out)
{
    uint8_t sha256[DIGEST_BYTES];
    *out = (struct identity_proof){.roles = 0};
    digest_of(proof, bytes, sha256);
    pthread_mutex_lock(&self->mutex);
    const struct key *key = find_key(self, sha256, certificate ? KEY_CERTIFICATE : KEY_TOKEN);
    if (!key && !certificate)
        key = find_key(self, sha256, KEY_PREVIOUS_TOKEN);
    enum identity_state state = key ? prove(self, key, now_ms, out) : IDENTITY_UNKNOWN;
    pthread_mutex_unlock(&self->mutex);
    return state;
}

enum identity_state identities_by_token(struct identities *self, const void *token, size_t bytes,
                                        int64_t now_ms, struct identity_proof *out)
{
    return find(self, token, bytes, false, now_ms, out);
}

enum identity_state identities_by_certificate(struct identities *self, const char *entry, int64_t now_ms,
                                              struct identity_proof *out)
{
    return find(self, entry, strlen(entry), true, now_ms, out);
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
void identities_note(struct identities *self, const char *name)
{
    bool found;
    pthread_mutex_lock(&self->changing);
    pthread_mutex_lock(&self->mutex);
    uint32_t place = place_of(self, name, &found);
    struct journal_op *op = found ? make_note(&self->entries[place]) : NULL;
    pthread_mutex_unlock(&self->mutex);
    if (op)
        journal_submit(self->journal, op);
    pthread_mutex_unlock(&self->changing);
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
static enum err keep(struct identities *self, const Epcis__Store__V1__IdentityRecord *record)
{
    struct journal_op op = {.kind = JOURNAL_IDENTITY, .name = record->identity->name};
    buffer_append_message(&op.data, &record->base);
    op.bytes = op.data.capacity;
    Epcis__Store__V1__IdentityRecord *copy =
        op.data.failed ? NULL : epcis__store__v1__identity_record__unpack(NULL, op.data.length, op.data.data);
    pthread_mutex_lock(&self->mutex);
    enum err err = copy ? reserve_one(self) : ERR_MEMORY;
    pthread_mutex_unlock(&self->mutex);
    if (!err)
        err = journal_wait(self->journal, &op);
    if (!err) {
        pthread_mutex_lock(&self->mutex);
        install(self, copy);
        pthread_mutex_unlock(&self->mutex);
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
static enum err copy_record(struct identities *self, const char *name, struct arena *arena,
                            Epcis__Store__V1__IdentityRecord **out)
{
    bool found;
    pthread_mutex_lock(&self->mutex);
    uint32_t place = place_of(self, name, &found);
    *out = found ? (Epcis__Store__V1__IdentityRecord *)copy_message(&self->entries[place].record->base, arena)
                 : NULL;
    pthread_mutex_unlock(&self->mutex);
    return *out ? ERR_OK : found ? ERR_LIMIT : ERR_NOT_FOUND;
}

static enum err check_new(struct identities *self, const Epcis__V1__Identity *wanted, char why[IDENTITY_WHY])
{
    uint8_t sha256[DIGEST_BYTES];
    bool found;
    digest_of(wanted->certificate, strlen(wanted->certificate), sha256);
    pthread_mutex_lock(&self->mutex);
    place_of(self, wanted->name, &found);
    const struct key *key = wanted->certificate[0] ? find_key(self, sha256, KEY_CERTIFICATE) : NULL;
    if (found)
        snprintf(why, IDENTITY_WHY,
                 "`name` is \"%s\": an identity has or had this name; choose another, or rotate its token",
                 wanted->name);
    else if (key)
        snprintf(why, IDENTITY_WHY, "`certificate` is that of \"%s\": revoke it first",
                 self->entries[key->entry].record->identity->name);
    pthread_mutex_unlock(&self->mutex);
    return found || key ? ERR_EXISTS : ERR_OK;
}

enum err identities_create(struct identities *self, const Epcis__V1__Identity *wanted,
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
    pthread_mutex_lock(&self->changing);
    err = check_new(self, wanted, why);
    if (!err)
        err = keep(self, &record);
    pthread_mutex_unlock(&self->changing);
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
                 identity->revoked_ms ? "is revoked: create another"
                                      : "has a certificate: it is its issuer who renews that");
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

enum err identities_rotate(struct identities *self, const Epcis__V1__RotateTokenRequest *wanted,
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
    pthread_mutex_lock(&self->changing);
    err = copy_record(self, wanted->name, arena, &record);
    if (!err)
        err = rotate_record(record, wanted, who, now_ms, token_sha256, why);
    if (!err)
        err = keep(self, record);
    pthread_mutex_unlock(&self->changing);
    *out = err ? NULL : record->identity;
    return err;
}

enum err identities_revoke(struct identities *self, const char *name, const char *who, struct arena *arena,
                           Epcis__V1__Identity **out)
{
    Epcis__Store__V1__IdentityRecord *record = NULL;
    pthread_mutex_lock(&self->changing);
    enum err err = copy_record(self, name, arena, &record);
    if (!err && !record->identity->revoked_ms) {
        record->identity->revoked_ms = clock_wall_ms();
        record->identity->revoked_by = (char *)(uintptr_t)who;
        err = keep(self, record);
    }
    pthread_mutex_unlock(&self->changing);
    *out = err ? NULL : record->identity;
    return err;
}

/* ---- listing ----------------------------------------------------------------------------------------- */

enum err identities_list(struct identities *self, const char *after, uint32_t limit, struct arena *arena,
                         Epcis__V1__ListIdentitiesResponse *out, bool *more)
{
    bool found;
    enum err err = ERR_OK;
    pthread_mutex_lock(&self->mutex);
    uint32_t from = place_of(self, after, &found);
    from += found;
    uint32_t count = self->count - from < limit ? self->count - from : limit;
    *more = self->count - from > limit;
    out->identities = arena_alloc(arena, (count + 1) * sizeof(Epcis__V1__Identity *));
    if (!out->identities)
        err = ERR_LIMIT;
    for (uint32_t i = 0; !err && i < count; i++) {
        out->identities[i] =
            (Epcis__V1__Identity *)copy_message(&self->entries[from + i].record->identity->base, arena);
        err = out->identities[i] ? ERR_OK : ERR_LIMIT;
        out->n_identities += !err;
    }
    pthread_mutex_unlock(&self->mutex);
    return err;
}
