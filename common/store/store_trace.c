#include "common/store/store_trace.h"

#include <string.h>

#include "common/store/store_holding.h"
#include "common/store/store_token.h"

/* The keys that one walk may hold at once. */
enum { KEYS_MAX = 32 << 20 };

/* An item that was found and not told yet. */
struct found {
    uint64_t sequence; /* of the event that packed it */
    uint32_t key;      /* where it stands among the walk's keys */
    uint32_t parent;
    uint16_t key_length;
    uint16_t parent_length;
    uint32_t depth;
};

/* A container, or the item itself, on the way from the root to the item with which a page starts. */
struct step {
    uint64_t sequence; /* of the event that packed it */
    uint16_t length;
    uint8_t key[EPC_KEY_MAX];
};

struct walk {
    struct store *store;
    MDB_txn *txn;
    const struct store_sight *sight;
    uint32_t unseen; /* not heeded: each container is opened whole */
    bool recursive;
    struct store_holding holding;
    MDB_cursor *rows; /* of the container that is opened */
    struct arena scratch;
    struct buffer keys;  /* one behind the other */
    struct buffer inner; /* struct found: the content of the container that is opened */
    struct buffer open;  /* struct found: the next item last */
    struct buffer slots; /* hash table over `inner`, uint32_t: the place in it and one, 0: free */
    size_t found_count;  /* in all */
    size_t told, skip, limit;
    bool spent;     /* no more is looked for */
    bool truncated; /* there is more than is told */
    struct arena *arena;
    Epcis__V1__GetContentsResponse *response;

    struct found container;  /* that is opened */
    const struct step *from; /* what stands before this one in it is passed over; NULL: nothing is */
};

static bool is_full(const struct walk *walk)
{
    /* What lies behind the page's end is not looked for: one item more tells that there is a next page. */
    return walk->told + walk->inner.length / sizeof(struct found) > walk->skip + walk->limit;
}

static size_t slot_of(const struct buffer *slots, const uint8_t *key, size_t length)
{
    uint32_t hash = 0x811c9dc5U; /* FNV-1a */
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ key[i]) * 0x01000193U;
    return hash & (slots->length / sizeof(uint32_t) - 1);
}

/* The slot that holds the key, or the free one where it belongs. */
static uint32_t *find_slot(const struct walk *walk, const uint8_t *key, size_t length)
{
    uint32_t *slots = (uint32_t *)(void *)walk->slots.data; /* as malloc aligned them */
    const struct found *inner = (const struct found *)(const void *)walk->inner.data;
    size_t count = walk->slots.length / sizeof *slots, at = slot_of(&walk->slots, key, length);
    for (; slots[at]; at = (at + 1) & (count - 1)) {
        const struct found *other = &inner[slots[at] - 1];
        if (other->key_length == length && memcmp(walk->keys.data + other->key, key, length) == 0)
            break;
    }
    return &slots[at];
}

/* Makes room for one more: at least half of the slots stay free. */
static enum err grow_slots(struct walk *walk)
{
    const struct found *inner = (const struct found *)(const void *)walk->inner.data;
    size_t count = walk->inner.length / sizeof *inner, slots = walk->slots.length / sizeof(uint32_t);
    if (2 * (count + 1) <= slots)
        return ERR_OK;
    slots = slots ? 2 * slots : 64;
    buffer_clear(&walk->slots);
    if (!buffer_reserve(&walk->slots, slots * sizeof(uint32_t)))
        return ERR_MEMORY;
    walk->slots.length = slots * sizeof(uint32_t);
    memset(walk->slots.data, 0, walk->slots.length);
    for (size_t i = 0; i < count; i++)
        *find_slot(walk, walk->keys.data + inner[i].key, inner[i].key_length) = (uint32_t)i + 1;
    return ERR_OK;
}

static void keep_child(struct walk *walk, const uint8_t *key, size_t length, uint64_t sequence)
{
    struct found child = {.sequence = sequence,
                          .key = (uint32_t)walk->keys.length,
                          .key_length = (uint16_t)length,
                          .parent = walk->container.key,
                          .parent_length = walk->container.key_length,
                          .depth = walk->container.depth + 1};
    if (walk->found_count == STORE_CONTENT_MAX || walk->keys.length + length > KEYS_MAX) {
        walk->spent = walk->truncated = true;
        return;
    }
    walk->found_count++;
    buffer_append(&walk->keys, key, length);
    buffer_append(&walk->inner, &child, sizeof child);
    *find_slot(walk, key, length) = (uint32_t)(walk->inner.length / sizeof child);
}

static bool is_key(const struct step *step, const uint8_t *key, size_t length)
{
    return step->length == length && memcmp(step->key, key, length) == 0;
}

/* The children of one event that are in the container by that event. */
static enum err find_children(struct walk *walk, const Epcis__V1__Event *event, uint64_t sequence)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < event->n_child_epcs && !err && !walk->spent && !is_full(walk); i++) {
        uint8_t key[EPC_KEY_MAX], room[EPC_KEY_MAX];
        struct store_link link;
        size_t length = epc_key(event->child_epcs[i], strlen(event->child_epcs[i]), key);
        if (walk->from && !is_key(walk->from, key, length))
            continue;
        walk->from = NULL;
        err = store_holding_find(&walk->holding, key, length, room, &link);
        if (!err && link.sequence == sequence)
            err = grow_slots(walk);
        if (err || link.sequence != sequence || *find_slot(walk, key, length))
            continue; /* one event may name an item twice */
        keep_child(walk, key, length, sequence);
        if (walk->keys.failed || walk->inner.failed)
            err = ERR_MEMORY;
    }
    return err;
}

static enum err open_filling(void *context, int64_t time_us, const struct store_history *entry)
{
    struct walk *walk = context;
    const struct store_packing *packing;
    struct event_head head;
    (void)time_us;
    if (entry->action != EPCIS__V1__ACTION__ACTION_ADD || walk->spent || is_full(walk) ||
        (walk->from && walk->from->sequence != entry->sequence))
        return ERR_OK;
    enum err err = store_read_sees(walk->store, walk->txn, walk->sight, entry->sequence, &walk->unseen);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    err = store_holding_packing(&walk->holding, entry->sequence, &packing);
    const uint8_t *container = walk->keys.data + walk->container.key;
    if (err || packing->wrong || packing->parent_length != walk->container.key_length ||
        memcmp(packing->parent, container, packing->parent_length) != 0)
        return err;
    err = store_read_event(walk->store, walk->txn, entry->sequence, &head);
    if (err)
        return err;
    arena_reset(&walk->scratch);
    Epcis__V1__Event *event =
        epcis__v1__event__unpack(&walk->scratch.allocator, head.packed_bytes, head.packed);
    return event ? find_children(walk, event, entry->sequence) : ERR_CORRUPT;
}

/* Its content becomes what is told next. */
static enum err open_container(struct walk *walk, const struct found *container)
{
    uint8_t key[EPC_KEY_MAX];
    walk->container = *container;
    memcpy(key, walk->keys.data + container->key, container->key_length);
    buffer_clear(&walk->inner);
    buffer_clear(&walk->slots);
    enum err err =
        store_holding_rows(&walk->holding, walk->rows, key, container->key_length, open_filling, walk);
    for (size_t at = walk->inner.length; at > 0 && !err; at -= sizeof(struct found))
        buffer_append(&walk->open, walk->inner.data + at - sizeof(struct found), sizeof(struct found));
    return walk->open.failed ? ERR_MEMORY : err;
}

static enum err tell(struct walk *walk, const struct found *found, const struct store_item *item)
{
    Epcis__V1__ContainedItem *told = arena_alloc(walk->arena, sizeof *told);
    if (!told)
        return ERR_LIMIT;
    epcis__v1__contained_item__init(told);
    told->epc = store_read_key(walk->arena, item->key, item->key_length);
    told->parent = store_read_key(walk->arena, walk->keys.data + found->parent, found->parent_length);
    told->depth = found->depth;
    told->packed_sequence = found->sequence;
    if (!told->epc || !told->parent || !store_read_gtin(walk->arena, told->epc, &told->gtin) ||
        !store_read_text(walk->arena, (const char *)item->lot.data, item->lot.length, &told->lot) ||
        !store_read_date(walk->arena, item->expiry, &told->expiry))
        return ERR_LIMIT;
    walk->response->items[walk->response->n_items++] = told;
    return ERR_OK;
}

/* The next item: told where it is on the page, and opened where it is a container. */
static enum err visit(struct walk *walk, const struct found *found, const struct found *root)
{
    struct store_item item;
    uint8_t key[EPC_KEY_MAX];
    memcpy(key, walk->keys.data + found->key, found->key_length);
    enum err err = store_read_state(walk->store, walk->txn, key, found->key_length, &item);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    if (walk->told++ >= walk->skip)
        err = tell(walk, found, &item);
    bool is_root =
        found->key_length == root->key_length && memcmp(key, walk->keys.data, root->key_length) == 0;
    if (err || !walk->recursive || !(item.flags & STORE_ITEM_CONTAINER) ||
        is_root) /* a circle is told once */
        return err;
    if (found->depth == STORE_DEPTH_MAX) {
        walk->truncated = true;
        return ERR_OK;
    }
    return walk->spent ? ERR_OK : open_container(walk, found);
}

/* ---- where a page starts ---- */

/* The token has the item's key behind a byte that says whether something was left out before it, and how many
 * items stand before it. */
static void write_token(const struct walk *walk, char cursor[STORE_CURSOR])
{
    const struct found *all = (const struct found *)(const void *)walk->open.data;
    const struct found *next = &all[walk->open.length / sizeof *all - 1];
    struct store_token token = {.length = 1U + next->key_length, .behind = (uint32_t)walk->told};
    token.key[0] = walk->truncated;
    memcpy(token.key + 1, walk->keys.data + next->key, next->key_length);
    store_token_write(&token, cursor);
}

static enum err read_token(const char *cursor, struct store_token *out)
{
    enum err err = store_token_read(cursor, out);
    bool good = out->length == 0 ? out->behind == 0
                                 : out->key[0] <= 1 && out->length > 1 && out->length <= 1 + EPC_KEY_MAX &&
                                       out->behind > 0;
    return err || good ? err : ERR_INPUT;
}

/* The way up from the item to the root; *count 0: it is not inside. */
static enum err find_way(struct walk *walk, const struct store_token *token, struct step way[STORE_DEPTH_MAX],
                         size_t *count)
{
    struct step root = {.length = (uint16_t)walk->keys.length};
    struct store_link link = {.parent.length = (uint32_t)token->length - 1};
    uint8_t room[EPC_KEY_MAX];
    enum err err = ERR_OK;
    memcpy(root.key, walk->keys.data, root.length);
    memcpy(room, token->key + 1, link.parent.length);
    for (size_t i = 0; !err && i < STORE_DEPTH_MAX && link.parent.length > 0; i++) {
        way[i].length = (uint16_t)link.parent.length;
        memcpy(way[i].key, room, way[i].length);
        err = store_holding_find(&walk->holding, way[i].key, way[i].length, room, &link);
        way[i].sequence = link.sequence;
        if (!err && is_key(&root, room, link.parent.length)) {
            *count = i + 1;
            return ERR_OK;
        }
    }
    *count = 0;
    return err;
}

/* Opens the containers on the way, each from where the way leads on. *there: the item is what comes next. */
static enum err go(struct walk *walk, const struct step *way, size_t count, struct found container,
                   bool *there)
{
    enum err err = ERR_OK;
    *there = count == 1 || (count > 1 && walk->recursive);
    for (size_t i = count; !err && *there && i-- > 0;) {
        size_t before = walk->open.length;
        walk->from = &way[i];
        err = open_container(walk, &container);
        *there = !err && !walk->from && walk->open.length > before;
        if (*there && i > 0) {
            walk->open.length -= sizeof container;
            memcpy(&container, walk->open.data + walk->open.length, sizeof container);
        }
    }
    walk->from = NULL;
    return err;
}

/* The first page, or where the token says. If the item with which the page would start was taken out
 * meanwhile, as many as stood before it are passed over. */
static enum err begin(struct walk *walk, const struct found *root, const struct store_token *token)
{
    struct step way[STORE_DEPTH_MAX];
    size_t count = 0, keys = walk->keys.length;
    bool there = false;
    walk->skip = token->behind;
    walk->truncated = token->length > 0 && token->key[0];
    enum err err = token->length > 0 ? find_way(walk, token, way, &count) : ERR_OK;
    walk->told = walk->found_count = walk->skip;
    if (!err && count > 0)
        err = go(walk, way, count, *root, &there);
    if (err || there)
        return err;
    walk->told = walk->found_count = 0;
    walk->spent = false;
    walk->keys.length = keys;
    buffer_clear(&walk->open);
    return open_container(walk, root);
}

static enum err walk_all(struct walk *walk, const uint8_t *key, size_t length, char cursor[STORE_CURSOR])
{
    struct found root = {.key_length = (uint16_t)length};
    struct store_token token;
    enum err err = read_token(cursor, &token);
    if (err)
        return err;
    buffer_append(&walk->keys, key, length);
    err = walk->keys.failed ? ERR_MEMORY : begin(walk, &root, &token);
    cursor[0] = '\0';
    while (!err && walk->open.length > 0) {
        struct found next;
        if (walk->told == walk->skip + walk->limit) {
            write_token(walk, cursor);
            break;
        }
        walk->open.length -= sizeof next;
        memcpy(&next, walk->open.data + walk->open.length, sizeof next);
        err = visit(walk, &next, &root);
    }
    walk->response->truncated = walk->truncated && cursor[0] == '\0';
    return err;
}

enum err store_contents(struct store *store, const struct store_contents_query *query,
                        char cursor[STORE_CURSOR], struct arena *arena, Epcis__V1__GetContentsResponse **out)
{
    uint8_t key[EPC_KEY_MAX];
    struct store_item item;
    struct walk walk = {.store = store,
                        .sight = query->sight,
                        .recursive = query->recursive,
                        .limit = store_read_limit(query->limit),
                        .arena = arena};
    size_t length = epc_key(query->epc, strlen(query->epc), key);
    *out = walk.response = arena_alloc(arena, sizeof *walk.response);
    Epcis__V1__ContainedItem **items = arena_alloc(arena, walk.limit * sizeof *items);
    arena_init(&walk.scratch, STORE_SCRATCH_BYTES);
    enum err err = walk.response && items ? store_read_begin(store, &walk.txn) : ERR_LIMIT;
    if (err)
        return err;
    epcis__v1__get_contents_response__init(walk.response);
    walk.response->items = items;
    err = store_holding_init(&walk.holding, store, walk.txn, query->at_us);
    if (!err)
        err = store_read_state(store, walk.txn, key, length, &item);
    if (!err)
        err = trees_error(mdb_cursor_open(walk.txn, store->trees[TREE_ITEM], &walk.rows));
    if (!err)
        err = walk_all(&walk, key, length, cursor);
    if (!err && !store_read_text(arena, cursor, strlen(cursor), &walk.response->next_page_token))
        err = ERR_LIMIT;
    if (walk.rows)
        mdb_cursor_close(walk.rows);
    store_holding_free(&walk.holding);
    mdb_txn_abort(walk.txn);
    buffer_free(&walk.keys);
    buffer_free(&walk.inner);
    buffer_free(&walk.slots);
    buffer_free(&walk.open);
    arena_free(&walk.scratch);
    return err;
}

/* ---- upward ---- */

static bool is_told(const Epcis__V1__GetContainersResponse *response, const char *epc)
{
    for (size_t i = 0; i < response->n_containers; i++)
        if (strcmp(response->containers[i]->epc, epc) == 0)
            return true;
    return false;
}

/* A circle, which the rules refuse, ends where it closes. */
static enum err climb(struct store_holding *holding, uint8_t key[EPC_KEY_MAX], size_t length,
                      struct arena *arena, Epcis__V1__GetContainersResponse *response)
{
    while (response->n_containers < STORE_DEPTH_MAX) {
        uint8_t room[EPC_KEY_MAX];
        struct store_link link;
        enum err err = store_holding_find(holding, key, length, room, &link);
        if (err || link.parent.length == 0)
            return err;
        Epcis__V1__Container *container = arena_alloc(arena, sizeof *container);
        if (!container)
            return ERR_LIMIT;
        epcis__v1__container__init(container);
        container->packed_sequence = link.sequence;
        container->epc = store_read_key(arena, room, link.parent.length);
        if (!container->epc)
            return ERR_LIMIT;
        if (is_told(response, container->epc))
            return ERR_OK;
        response->containers[response->n_containers++] = container;
        length = link.parent.length;
        memcpy(key, room, length);
    }
    return ERR_OK;
}

enum err store_containers(struct store *store, const char *epc, const int64_t *at_us, struct arena *arena,
                          Epcis__V1__GetContainersResponse **out)
{
    uint8_t key[EPC_KEY_MAX];
    struct store_item item;
    struct store_holding holding;
    MDB_txn *txn = NULL;
    size_t length = epc_key(epc, strlen(epc), key);
    Epcis__V1__GetContainersResponse *response = *out = arena_alloc(arena, sizeof *response);
    Epcis__V1__Container **containers = arena_alloc(arena, STORE_DEPTH_MAX * sizeof *containers);
    enum err err = response && containers ? store_read_begin(store, &txn) : ERR_LIMIT;
    if (err)
        return err;
    epcis__v1__get_containers_response__init(response);
    response->containers = containers;
    err = store_holding_init(&holding, store, txn, at_us);
    if (!err)
        err = store_read_state(store, txn, key, length, &item);
    if (!err)
        err = climb(&holding, key, length, arena, response);
    store_holding_free(&holding);
    mdb_txn_abort(txn);
    return err;
}
