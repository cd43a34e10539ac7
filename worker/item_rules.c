#include "worker/item_rules.h"

#include <stdio.h>
#include <string.h>

#include "worker/finder.h"
#include "worker/ledger.h"

/* What one check works on. */
struct scene {
    struct work *work;
    struct store_txn *txn;
    struct work_event *event;
    const struct work_ref *refs;
    struct finder finder;
};

static bool is_on(const struct scene *scene, enum rule rule)
{
    return rules_severity(scene->work->rules, rule) != RULES_OFF;
}

static enum err report(struct scene *scene, enum rule rule, const struct work_ref *ref, const char *message)
{
    struct rules_epc epc;
    enum err err = finder_epc(&scene->finder, ref, &epc);
    if (!err)
        rules_add_epc(scene->work->rules, &scene->finder.report, rule, &epc, "%s", message);
    return err;
}

/* The same with a text that the message ends in. */
static enum err report_with(struct scene *scene, enum rule rule, const struct work_ref *ref,
                            const char *message, struct store_text key)
{
    char text[FINDER_TEXT], full[FINDER_TEXT + 256];
    snprintf(full, sizeof full, "%s %s", message, finder_key_text(key, text));
    return report(scene, rule, ref, full);
}

static struct store_text key_of(const struct store_item *item)
{
    return (struct store_text){item->key, item->key_length};
}

/* YYYY-MM-DD */
static void date_text(uint32_t date, char out[32])
{
    snprintf(out, 32, "%04u-%02u-%02u", date / 10000, date / 100 % 100, date % 100);
}

/* ---- commissioning ---- */

static uint64_t gtin_of(const struct work_ref *ref)
{
    uint64_t gtin = 0; /* an SGTIN's key: a kind byte, 6 bytes of GTIN, the serial */
    for (int i = 1; i <= 6; i++)
        gtin = gtin << 8 | ref->key[i];
    return gtin;
}

bool item_rules_same_gtin(const struct work_ref *refs, uint32_t i)
{
    return i > 0 && refs[i].kind == EPC_SGTIN && refs[i - 1].kind == EPC_SGTIN &&
           refs[i].list == refs[i - 1].list && memcmp(refs[i].key, refs[i - 1].key, 7) == 0;
}

enum err item_rules_lot(struct work *work, struct store_txn *txn, const struct work_event *event,
                        const struct work_ref *ref, struct lot **out)
{
    const struct facts *facts = &event->facts;
    *out = NULL;
    if (ref->kind != EPC_SGTIN || ref->list != facts->created || !facts->lot.length || !facts->expiry)
        return ERR_OK;
    return lots_find(&work->lots, txn, gtin_of(ref), facts->lot, out);
}

static enum err report_reuse(struct scene *scene, const struct work_ref *ref)
{
    const struct store_item *item = work_item(scene->work, ref);
    struct rules_epc epc;
    enum err err = finder_epc(&scene->finder, ref, &epc);
    if (!err)
        rules_add_epc(scene->work->rules, &scene->finder.report, RULE_SERIAL_REUSED, &epc,
                      "was commissioned before%s%.*s%s: a GTIN and serial is commissioned once",
                      item->lot.length ? " (in lot '" : "", (int)item->lot.length,
                      item->lot.length ? (const char *)item->lot.data : "", item->lot.length ? "')" : "");
    return err;
}

static void report_expiry(struct scene *scene, const struct lot *lot)
{
    const struct facts *facts = &scene->event->facts;
    char value[32], right[32];
    date_text(facts->expiry, value);
    date_text(lot->value.expiry, right);
    rules_add(scene->work->rules, &scene->finder.report, RULE_MIXED_EXPIRY, "ilmd.itemExpirationDate", value,
              "is another date than lot '%.*s' of GTIN %014llu has: right is %s", (int)facts->lot.length,
              (const char *)facts->lot.data, (unsigned long long)lot->gtin, right);
}

static enum err check_commissioning(struct scene *scene)
{
    const struct facts *facts = &scene->event->facts;
    bool expiry_reported = false; /* one date is wrong, however many GTINs it stands for */
    for (uint32_t i = 0; i < scene->event->ref_count; i++) {
        const struct work_ref *ref = &scene->refs[i];
        struct lot *lot = NULL;
        enum err err = ERR_OK;
        if (ref->kind != EPC_SGTIN || ref->list != facts->created)
            continue;
        if (work_item(scene->work, ref)->flags & STORE_ITEM_COMMISSIONED)
            err = report_reuse(scene, ref);
        if (!err && !expiry_reported && !item_rules_same_gtin(scene->refs, i))
            err = item_rules_lot(scene->work, scene->txn, scene->event, ref, &lot);
        if (err)
            return err;
        if (lot && lot->value.events > 0 && lot->value.expiry != facts->expiry) {
            report_expiry(scene, lot);
            expiry_reported = true;
        }
    }
    return ERR_OK;
}

/* ---- what is packed or shipped was commissioned ---- */

static bool concerns(const struct facts *facts, const struct work_ref *ref)
{
    return facts->packs ? ref->list == RULES_CHILD_EPCS : ref->list != RULES_INPUT_EPCS;
}

/* Whether the event's own document commissioned one of the items that stand beside those that lack it. */
static enum err document_commissions(struct scene *scene, bool *out)
{
    *out = false;
    for (uint32_t i = 0; i < scene->event->ref_count && !*out; i++) {
        const struct store_item *item = work_item(scene->work, &scene->refs[i]);
        struct ledger_event commissioning;
        if (!concerns(&scene->event->facts, &scene->refs[i]) || !item->commissioned_sequence)
            continue;
        enum err err = ledger_event(scene->work, scene->txn, item->commissioned_sequence, &commissioning);
        if (err)
            return err;
        *out = memcmp(commissioning.capture_id, scene->event->capture_id, UUID_BYTES) == 0;
    }
    return ERR_OK;
}

static enum err check_commissioned(struct scene *scene)
{
    bool asked = false, here = false;
    enum err err = ERR_OK;
    for (uint32_t i = 0; i < scene->event->ref_count && !err; i++) {
        const struct work_ref *ref = &scene->refs[i];
        if (!concerns(&scene->event->facts, ref) ||
            (work_item(scene->work, ref)->flags & STORE_ITEM_COMMISSIONED))
            continue;
        if (!asked)
            err = document_commissions(scene, &here);
        asked = true;
        if (err)
            break;
        err = here ? report(scene, RULE_NOT_COMMISSIONED_HERE, ref,
                            "was never commissioned, though this document commissions what stands beside it: "
                            "right is an item commissioned before")
                   : report(scene, RULE_NOT_COMMISSIONED, ref,
                            "is not known to be commissioned: no event that commissions it has been taken");
    }
    return err;
}

/* ---- aggregation ---- */

static enum err check_packing(struct scene *scene)
{
    struct store_text ancestors[LEDGER_DEPTH_MAX], parent = work_parent(scene->work, scene->event);
    size_t count = 0;
    enum err err = ledger_ancestors(scene->work, scene->txn, parent, STORE_AGGREGATION, ancestors, &count);
    if (!err && count > 1)
        err = report_with(scene, RULE_PACK_INVERSION, scene->refs,
                          "is filled although it is packed already, into", ancestors[1]);
    for (uint32_t i = 0; i < scene->event->ref_count && !err; i++) {
        const struct work_ref *ref = &scene->refs[i];
        const struct store_item *item = work_item(scene->work, ref);
        struct store_text current;
        if (ref->list != RULES_CHILD_EPCS)
            continue;
        err = ledger_parent(scene->work, scene->txn, item, STORE_AGGREGATION, &current);
        if (!err && current.length && !ledger_same(current, parent))
            err = report_with(scene, RULE_MULTI_PARENT, ref, "has not been unpacked from", current);
        for (size_t a = 0; a < count && !err; a++)
            if (ledger_same(key_of(item), ancestors[a])) {
                err = report_with(scene, RULE_AGG_CYCLE, ref, "holds its own container:", parent);
                break;
            }
    }
    return err;
}

static enum err stop_at_first(void *context, const struct store_item *item)
{
    (void)context;
    (void)item;
    return ERR_STOPPED;
}

static enum err check_unpacking(struct scene *scene)
{
    const struct facts *facts = &scene->event->facts;
    struct store_text parent = work_parent(scene->work, scene->event);
    enum err err = ERR_OK;
    bool complete;
    if (facts->empties) {
        err = ledger_content(scene->work, scene->txn, parent, stop_at_first, NULL, &complete);
        if (err)
            return err == ERR_STOPPED ? ERR_OK : err;
        return report(scene, RULE_DISAGG_UNKNOWN, scene->refs, "holds nothing that could be taken out");
    }
    for (uint32_t i = 0; i < scene->event->ref_count && !err; i++) {
        const struct work_ref *ref = &scene->refs[i];
        struct store_text current;
        if (ref->list != RULES_CHILD_EPCS)
            continue;
        err = ledger_parent(scene->work, scene->txn, work_item(scene->work, ref),
                            (enum store_relation)facts->relation, &current);
        if (!err && !ledger_same(current, parent))
            err = report_with(scene, RULE_DISAGG_UNKNOWN, ref, "is not known to be in", parent);
    }
    return err;
}

/* ---- shipping ---- */

/* What the content of one shipped item shows. */
struct cargo {
    struct scene *scene;
    const struct work_ref *ref;
    size_t leaves;
    size_t incomplete; /* leaves without lot or expiry */
};

static bool looks_at_cargo(const struct scene *scene)
{
    return is_on(scene, RULE_TI_UNRESOLVED) || is_on(scene, RULE_DECOMM_SHIPPED) ||
           is_on(scene, RULE_EXPIRED_SHIPPED);
}

/* `item` is shipped: as such, or as content. */
static enum err check_cargo_item(struct cargo *cargo, const struct store_item *item, bool inside)
{
    struct scene *scene = cargo->scene;
    char date[32], text[FINDER_TEXT], which[FINDER_TEXT + 32] = "", message[FINDER_TEXT + 128];
    bool decommissioned = item->flags & STORE_ITEM_DECOMMISSIONED;
    bool expired = item->expiry && item->expiry < scene->event->facts.date;
    enum err err = ERR_OK;
    if (!decommissioned && !expired)
        return ERR_OK;
    if (inside)
        snprintf(which, sizeof which, "holds %s, which ", finder_key_text(key_of(item), text));
    if (decommissioned) {
        snprintf(message, sizeof message, "%swas decommissioned: it must not be shipped", which);
        err = report(scene, RULE_DECOMM_SHIPPED, cargo->ref, message);
    }
    if (!err && expired) {
        date_text(item->expiry, date);
        snprintf(message, sizeof message, "%sexpired on %s: it must not be shipped after that", which, date);
        err = report(scene, RULE_EXPIRED_SHIPPED, cargo->ref, message);
    }
    return err;
}

static enum err look_at_content(void *context, const struct store_item *item)
{
    struct cargo *cargo = context;
    if (!(item->flags & STORE_ITEM_CONTAINER)) {
        cargo->leaves++;
        cargo->incomplete += !item->lot.length || !item->expiry;
    }
    return check_cargo_item(cargo, item, true);
}

static enum err check_shipping(struct scene *scene)
{
    enum err err = ERR_OK;
    for (uint32_t i = 0; i < scene->event->ref_count && !err; i++) {
        const struct store_item *item = work_item(scene->work, &scene->refs[i]);
        struct cargo cargo = {.scene = scene, .ref = &scene->refs[i]};
        bool complete = true;
        if (item->stateless)
            continue;
        err = check_cargo_item(&cargo, item, false);
        if (!err && (item->flags & STORE_ITEM_CONTAINER))
            err = ledger_content(scene->work, scene->txn, key_of(item), look_at_content, &cargo, &complete);
        if (err || scene->refs[i].kind != EPC_SSCC)
            continue;
        char message[160];
        if (cargo.leaves == 0 || !complete)
            snprintf(message, sizeof message, "%s: which items are shipped cannot be told",
                     complete ? "has no known content" : "holds more items than are looked at");
        else
            snprintf(message, sizeof message, "holds %zu items, of which %zu have no lot or expiry date",
                     cargo.leaves, cargo.incomplete);
        if (cargo.leaves == 0 || !complete || cargo.incomplete > 0)
            err = report(scene, RULE_TI_UNRESOLVED, cargo.ref, message);
    }
    return err;
}

/* ---- returns ---- */

static enum err check_return(struct scene *scene)
{
    struct ledger_shipments known = {0};
    enum err err = ERR_OK;
    for (uint32_t i = 0; i < scene->event->ref_count && !err; i++) {
        bool shipped;
        if (scene->refs[i].list != RULES_EPC_LIST || work_item(scene->work, &scene->refs[i])->stateless)
            continue;
        err = ledger_was_shipped(scene->work, scene->txn, key_of(work_item(scene->work, &scene->refs[i])),
                                 &known, &shipped);
        if (!err && !shipped)
            err = report(scene, RULE_RETURN_UNLINKED, &scene->refs[i],
                         "comes back, but no event that ships it is known");
    }
    return err;
}

/* ---- all ---- */

enum err item_rules_check(struct work *work, struct store_txn *txn, struct work_event *event)
{
    const struct facts *facts = &event->facts;
    struct scene scene = {.work = work, .txn = txn, .event = event, .refs = work_refs(work, event)};
    finder_init(&scene.finder, work, event);
    bool packs = facts->packs && facts->relation == STORE_AGGREGATION;
    enum err err = facts->creates ? check_commissioning(&scene) : ERR_OK;
    if (!err && (packs || facts->ships) && event->ref_count > 0 && !work_item(work, scene.refs)->stateless)
        err = check_commissioned(&scene);
    if (!err && packs)
        err = check_packing(&scene);
    if (!err && facts->unpacks && is_on(&scene, RULE_DISAGG_UNKNOWN))
        err = check_unpacking(&scene);
    if (!err && facts->ships && looks_at_cargo(&scene))
        err = check_shipping(&scene);
    if (!err && facts->returns && is_on(&scene, RULE_RETURN_UNLINKED))
        err = check_return(&scene);
    return err ? err : work_keep(work, event, &scene.finder.report);
}
