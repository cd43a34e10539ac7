#include "server/front/share.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct share **bucket_of(struct shares *shares, const char *key)
{
    uint32_t hash = 0x811c9dc5U; /* FNV-1a */
    for (int i = 0; i < SHARE_KEY - 1 && key[i]; i++)
        hash = (hash ^ (uint8_t)key[i]) * 0x01000193U;
    return &shares->buckets[hash % SHARE_BUCKETS];
}

struct share *share_find(struct shares *shares, const char *key)
{
    struct share **bucket = bucket_of(shares, key), *share = *bucket;
    while (share && strncmp(share->key, key, SHARE_KEY - 1) != 0)
        share = share->next;
    if (!share) {
        share = calloc(1, sizeof *share);
        if (!share)
            return NULL;
        snprintf(share->key, sizeof share->key, "%s", key);
        share->next = *bucket;
        *bucket = share;
    }
    share->users++;
    return share;
}

void share_drop(struct shares *shares, struct share **share)
{
    struct share *dropped = *share;
    *share = NULL;
    if (!dropped || --dropped->users)
        return;
    struct share **place = bucket_of(shares, dropped->key);
    while (*place != dropped)
        place = &(*place)->next;
    *place = dropped->next;
    free(dropped);
}

bool share_take(struct shares *shares, struct share *share, int kind, uint64_t amount, uint64_t limit)
{
    uint64_t held = shares->held[kind];
    if (held >= limit || share->held[kind] + amount > limit - held)
        return false;
    shares->held[kind] += amount;
    share->held[kind] += amount;
    return true;
}

void share_give(struct shares *shares, struct share *share, int kind, uint64_t amount)
{
    shares->held[kind] -= amount;
    share->held[kind] -= amount;
}
