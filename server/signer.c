#include "server/signer.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/arena.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "server/journal_audit.h"
#include "server/journal_wait.h"
#include "server/key_file.h"

enum { ARENA_BYTES = 64 << 10, PATH_BYTES = PATH_MAX + 32 };

struct signer {
    struct journal *journal;
    char current_path[PATH_BYTES], next_path[PATH_BYTES];
    pthread_mutex_t rotating;   /* guards the files and the two below */
    struct signature_key *next; /* one in next_path that the journal may know or not */
    bool unsettled;             /* the current key is still in next_path */
    pthread_rwlock_t lock;      /* guards `current` */
    struct signature_key *current;
};

/* ---- a new key -------------------------------------------------------------------------------------- */

/* The journal signs with the key from now on. */
static enum err hand_over(struct signer *signer, const struct signature_key *key, const char *requested_by)
{
    struct journal_key put = {.key = key, .requested_by = requested_by};
    struct journal_op op = {.kind = JOURNAL_KEY, .key = &put};
    return journal_wait(signer->journal, &op);
}

static void set_current(struct signer *signer, struct signature_key **key)
{
    pthread_rwlock_wrlock(&signer->lock);
    struct signature_key *old = signer->current;
    signer->current = *key;
    pthread_rwlock_unlock(&signer->lock);
    *key = NULL;
    signature_key_free(&old);
}

/* The file of the current key takes the old one's place. A failure is logged, and tried again when the next
 * key comes or the server starts. */
static void settle(struct signer *signer)
{
    signer->unsettled = key_file_replace(signer->next_path, signer->current_path) != ERR_OK;
}

/* Whether a failed attempt was recorded, the disk alone knows: so the next one offers the same key again. */
static enum err introduce(struct signer *signer, const char *requested_by)
{
    if (signer->unsettled)
        settle(signer);
    enum err err = signer->unsettled ? ERR_DISK : ERR_OK;
    if (!err && !signer->next)
        err = signature_key_make(&signer->next);
    if (!err)
        err = key_file_write(signer->next_path, signer->next);
    if (err)
        return err;
    fault_end(FAULT_KEY_WRITTEN);
    err = hand_over(signer, signer->next, requested_by);
    if (err)
        return err;
    fault_end(FAULT_KEY_RECORDED);
    set_current(signer, &signer->next);
    log_info("key_signs", "key=%s", signature_key_id(signer->current));
    settle(signer);
    return ERR_OK;
}

enum err signer_rotate(struct signer *signer, const char *requested_by)
{
    pthread_mutex_lock(&signer->rotating);
    enum err err = introduce(signer, requested_by);
    pthread_mutex_unlock(&signer->rotating);
    return err;
}

/* ---- opening ---------------------------------------------------------------------------------------- */

static bool is_key(const struct signature_key *key, const Epcis__V1__SigningKey *record)
{
    return key && record->public_key.len == SIGNATURE_PUBLIC_BYTES &&
           memcmp(signature_key_public(key), record->public_key.data, SIGNATURE_PUBLIC_BYTES) == 0;
}

/* The file of a key that should be there is not, or another is. */
static enum err refuse_lost(const struct signer *signer, const Epcis__V1__SigningKey *last, bool there)
{
    if (!there) {
        log_error(
            "key_lost",
            "key=%s file=\"%s\" detail=\"the private key is gone: put it back from a backup; where there "
            "is none, start once with --replace-lost-key, which makes another\"",
            last->key_id, signer->current_path);
        return ERR_NOT_FOUND;
    }
    log_error(
        "key_lost",
        "key=%s file=\"%s\" detail=\"this is not the private key that the journal names: put that one back "
        "from a backup; where there is none, move this file away and start once with "
        "--replace-lost-key, which makes another\"",
        last->key_id, signer->current_path);
    return ERR_INPUT;
}

/* With the journal's last key: `current` and `next` are what the files hold, and are taken. */
static enum err open_known(struct signer *signer, const Epcis__V1__SigningKey *last, bool there,
                           bool replace_lost, struct signature_key **current, struct signature_key **next)
{
    bool rotated = is_key(*next, last);
    if (!rotated && !is_key(*current, last)) {
        if (!there && replace_lost)
            return introduce(signer, "--replace-lost-key");
        return refuse_lost(signer, last, there);
    }
    if (replace_lost) {
        log_error("key_not_lost", "key=%s detail=\"its file is there: start without --replace-lost-key\"",
                  last->key_id);
        return ERR_EXISTS;
    }
    enum err err = rotated ? ERR_OK : key_file_erase(signer->next_path);
    if (err)
        return err;
    set_current(signer, rotated ? next : current);
    if (rotated)
        settle(signer);
    return hand_over(signer, signer->current, "");
}

/* Whether the file's content is known, and be it that there is none. */
static bool is_told(enum err err)
{
    return err == ERR_OK || err == ERR_NOT_FOUND || err == ERR_INPUT;
}

static enum err open_keys(struct signer *signer, bool replace_lost)
{
    struct arena arena;
    Epcis__V1__SigningKey *last = NULL;
    struct signature_key *current = NULL, *next = NULL;
    arena_init(&arena, ARENA_BYTES);
    enum err of_current = key_file_read(signer->current_path, &current);
    enum err of_next = key_file_read(signer->next_path, &next);
    bool there = of_current != ERR_NOT_FOUND;
    enum err err = journal_audit_last_key(signer->journal, &arena, &last);
    if (!is_told(of_current) || !is_told(of_next)) {
        err = is_told(of_current) ? of_next : of_current;
    } else if (!err) {
        err = open_known(signer, last, there, replace_lost, &current, &next);
    } else if (err == ERR_NOT_FOUND && there) {
        log_error("key_unknown",
                  "file=\"%s\" detail=\"the journal knows no key, so this one is another journal's: put that "
                  "journal back, or move the file away\"",
                  signer->current_path);
        err = ERR_INPUT;
    } else if (err == ERR_NOT_FOUND) {
        err = introduce(signer, "");
    }
    signature_key_free(&current);
    signature_key_free(&next);
    arena_free(&arena);
    return err;
}

enum err signer_open(const char *dir, struct journal *journal, bool replace_lost, struct signer **out)
{
    struct signer *signer = calloc(1, sizeof *signer);
    if (!signer)
        return ERR_MEMORY;
    signer->journal = journal;
    pthread_mutex_init(&signer->rotating, NULL);
    pthread_rwlock_init(&signer->lock, NULL);
    snprintf(signer->current_path, sizeof signer->current_path, "%s/signing.pem", dir);
    snprintf(signer->next_path, sizeof signer->next_path, "%s/next.pem", dir);
    enum err err = ERR_OK;
    if (mkdir(dir, 0700) && errno != EEXIST) {
        log_error("key_folder", "dir=\"%s\" detail=\"%s\"", dir, strerror(errno));
        err = ERR_DISK;
    }
    if (!err)
        err = open_keys(signer, replace_lost);
    if (err)
        signer_close(&signer);
    *out = signer;
    return err;
}

void signer_close(struct signer **signer)
{
    struct signer *self = *signer;
    if (!self)
        return;
    signature_key_free(&self->current);
    signature_key_free(&self->next);
    pthread_rwlock_destroy(&self->lock);
    pthread_mutex_destroy(&self->rotating);
    free(self);
    *signer = NULL;
}

/* ---- signing ---------------------------------------------------------------------------------------- */

enum err signer_sign(struct signer *signer, const char *domain, const void *data, size_t bytes,
                     struct signer_signature *out)
{
    pthread_rwlock_rdlock(&signer->lock);
    enum err err = signature_make(signer->current, domain, data, bytes, out->bytes);
    memcpy(out->key_id, signature_key_id(signer->current), sizeof out->key_id);
    pthread_rwlock_unlock(&signer->lock);
    return err;
}
