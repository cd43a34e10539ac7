#include "server/quota.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SECOND_US = 1000000 };

struct entry {
    uint8_t id[UUID_BYTES];
    int64_t spent_us; /* what was taken lasts until then, at the partner's rate */
};

struct quota {
    pthread_mutex_t mutex; /* guards what follows */
    struct entry *entries; /* as many as partners with a limit have sent something */
    size_t count, capacity;
};

struct quota *quota_new(void)
{
    struct quota *quota = calloc(1, sizeof *quota);
    if (quota)
        pthread_mutex_init(&quota->mutex, NULL);
    return quota;
}

void quota_free(struct quota *quota)
{
    if (!quota)
        return;
    pthread_mutex_destroy(&quota->mutex);
    free(quota->entries);
    free(quota);
}

/* NULL without memory. */
static struct entry *find(struct quota *quota, const uint8_t id[UUID_BYTES])
{
    for (size_t i = 0; i < quota->count; i++)
        if (memcmp(quota->entries[i].id, id, UUID_BYTES) == 0)
            return &quota->entries[i];
    if (quota->count == quota->capacity) {
        size_t capacity = quota->capacity ? 2 * quota->capacity : 16;
        struct entry *entries = realloc(quota->entries, capacity * sizeof *entries);
        if (!entries)
            return NULL;
        quota->entries = entries;
        quota->capacity = capacity;
    }
    struct entry *entry = &quota->entries[quota->count++];
    *entry = (struct entry){0};
    memcpy(entry->id, id, UUID_BYTES);
    return entry;
}

enum err quota_take(struct quota *quota, const uint8_t id[UUID_BYTES], uint32_t per_second, int64_t now_ms,
                    uint32_t *retry_after_ms)
{
    int64_t now_us = now_ms * 1000, each_us = SECOND_US / per_second;
    enum err err = ERR_MEMORY;
    pthread_mutex_lock(&quota->mutex);
    struct entry *entry = find(quota, id);
    if (entry) {
        int64_t spent_us = (entry->spent_us > now_us ? entry->spent_us : now_us) + each_us;
        err = spent_us - now_us > SECOND_US ? ERR_FULL : ERR_OK;
        if (err)
            *retry_after_ms = (uint32_t)((spent_us - now_us - SECOND_US) / 1000 + 1);
        else
            entry->spent_us = spent_us;
    }
    pthread_mutex_unlock(&quota->mutex);
    return err;
}
