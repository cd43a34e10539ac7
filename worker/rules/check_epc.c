/* Identifiers: the EPCs of an event, classes in its quantities, places, parties and transactions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/rules/check.h"

enum rule check_fault_rule(enum epc_fault fault)
{
    switch (fault) {
    case EPC_FAULT_GTIN_CHECK:
        return RULE_GTIN_CHECK;
    case EPC_FAULT_SERIAL_FORMAT:
        return RULE_SERIAL_FORMAT;
    case EPC_FAULT_LOT_FORMAT:
        return RULE_LOT_FORMAT;
    case EPC_FAULT_SSCC_FORMAT:
        return RULE_SSCC_FORMAT;
    case EPC_FAULT_GLN_FORMAT:
        return RULE_GLN_FORMAT;
    case EPC_FAULT_SGTIN_FORMAT:
    case EPC_FAULT_NONE:
        break;
    }
    return RULE_SGTIN_FORMAT;
}

void check_epcs(const struct check *check)
{
    for (size_t i = 0; i < check->subject->epc_count; i++) {
        const struct rules_epc *epc = &check->subject->epcs[i];
        if (epc->fault)
            rules_add_epc(check->rules, check->report, check_fault_rule(epc->fault), epc,
                          "is malformed: right is %s", epc_fault_remedy(epc->fault));
        else if (epc->kind != EPC_SGTIN && epc->kind != EPC_SSCC)
            rules_add_epc(check->rules, check->report, RULE_EPC_UNSUPPORTED, epc,
                          "is no SGTIN and no SSCC: only these are traced");
    }
}

/* ---- repetition ---- */

enum err repetition_begin(struct repetition *repetition, size_t count)
{
    if (2 * count > repetition->size) {
        size_t size = repetition->size ? repetition->size : 64;
        while (size < 2 * count)
            size *= 2;
        struct repetition_slot *slots = calloc(size, sizeof *slots);
        if (!slots)
            return ERR_MEMORY;
        free(repetition->slots);
        *repetition = (struct repetition){.slots = slots, .size = size};
    }
    if (++repetition->round == 0) { /* every slot would look taken */
        memset(repetition->slots, 0, repetition->size * sizeof *repetition->slots);
        repetition->round = 1;
    }
    return ERR_OK;
}

/* What goes into a transformation may come out of it again. Other lists of one event share nothing. */
static enum rules_list group_of(const struct rules_epc *epc)
{
    return epc->list == RULES_INPUT_EPCS || epc->list == RULES_OUTPUT_EPCS ? epc->list : RULES_EPC_LIST;
}

static uint64_t hash_key(const struct rules_epc *epc)
{
    uint64_t hash = group_of(epc), word;
    const uint8_t *at = epc->key;
    size_t left = rules_key_length(epc);
    for (; left >= sizeof word; at += sizeof word, left -= sizeof word) {
        memcpy(&word, at, sizeof word);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15U;
        hash ^= hash >> 29;
    }
    word = 0;
    memcpy(&word, at, left);
    hash = (hash ^ word) * 0x9e3779b97f4a7c15U;
    return hash ^ hash >> 32;
}

static bool same_epc(const struct rules_epc *a, const struct rules_epc *b)
{
    return group_of(a) == group_of(b) && a->key_length == b->key_length &&
           memcmp(a->key, b->key, rules_key_length(a)) == 0;
}

/* The place of the same EPC earlier in the event; SIZE_MAX: none. Remembers it. */
static size_t find_or_keep(struct repetition *repetition, const struct rules_epc *epcs, size_t index)
{
    size_t mask = repetition->size - 1;
    for (size_t at = hash_key(&epcs[index]) & mask;; at = (at + 1) & mask) {
        struct repetition_slot *slot = &repetition->slots[at];
        if (slot->round != repetition->round) {
            *slot = (struct repetition_slot){repetition->round, (uint32_t)index};
            return SIZE_MAX;
        }
        if (same_epc(&epcs[slot->epc], &epcs[index]))
            return slot->epc;
    }
}

void check_repetition(const struct check *check)
{
    const struct rules_epc *epcs = check->subject->epcs;
    if (check->subject->epc_count < 2)
        return;
    struct repetition *repetition = rules_repetition(check->rules);
    for (size_t i = 0; i < check->subject->epc_count; i++) {
        size_t earlier = find_or_keep(repetition, epcs, i);
        if (earlier != SIZE_MAX)
            rules_add_epc(check->rules, check->report, RULE_SERIAL_REPEATED, &epcs[i],
                          "stands in the event before, at %u of %s: an event names each EPC once",
                          epcs[earlier].index, rules_list_name(epcs[earlier].list));
    }
}

/* ---- identifiers outside the EPC lists ---- */

static enum epc_fault fault_of(const char *text)
{
    struct epc epc;
    epc_parse(text, strlen(text), &epc);
    return epc.fault;
}

static void tell_fault(const struct check *check, enum epc_fault fault, const char *text, const char *list,
                       size_t index, const char *member)
{
    char field[64];
    if (!fault)
        return;
    if (member)
        snprintf(field, sizeof field, "%s[%zu]%s", list, index, member);
    else
        snprintf(field, sizeof field, "%s", list);
    check_add(check, check_fault_rule(fault), field, text, "is malformed: right is %s",
              epc_fault_remedy(fault));
}

static void check_quantities(const struct check *check, const char *list,
                             Epcis__V1__QuantityElement *const *elements, size_t count)
{
    for (size_t i = 0; i < count; i++)
        tell_fault(check, fault_of(elements[i]->epc_class), elements[i]->epc_class, list, i, ".epcClass");
}

void check_classes(const struct check *check)
{
    const Epcis__V1__Event *event = check->event;
    check_quantities(check, "quantityList", event->quantity_list, event->n_quantity_list);
    check_quantities(check, "childQuantityList", event->child_quantity_list, event->n_child_quantity_list);
    check_quantities(check, "inputQuantityList", event->input_quantity_list, event->n_input_quantity_list);
    check_quantities(check, "outputQuantityList", event->output_quantity_list, event->n_output_quantity_list);
}

/* The place or party number `number` of the event. */
static void check_place(const struct check *check, size_t number, const char *text, const char *list,
                        size_t index, const char *member)
{
    struct known_place *known = &rules_known_places(check->rules)[number % KNOWN_PLACES];
    enum epc_fault fault = known->fault;
    if (strcmp(known->text, text) != 0) {
        size_t bytes = strlen(text) + 1;
        fault = fault_of(text);
        if (bytes <= sizeof known->text) {
            memcpy(known->text, text, bytes);
            known->fault = fault;
        }
    }
    tell_fault(check, fault, text, list, index, member);
}

void check_places(const struct check *check)
{
    const Epcis__V1__Event *event = check->event;
    size_t number = 2;
    if (event->read_point)
        check_place(check, 0, event->read_point->id, "readPoint", 0, NULL);
    if (event->biz_location)
        check_place(check, 1, event->biz_location->id, "bizLocation", 0, NULL);
    for (size_t i = 0; i < event->n_source_list; i++)
        check_place(check, number++, event->source_list[i]->source, "sourceList", i, "");
    for (size_t i = 0; i < event->n_destination_list; i++)
        check_place(check, number++, event->destination_list[i]->destination, "destinationList", i, "");
}

/* CBV 8.5.2: urn:epcglobal:cbv:bt:GLN:identifier. */
void check_transaction_glns(const struct check *check)
{
    static const char prefix[] = "urn:epcglobal:cbv:bt:";
    const Epcis__V1__Event *event = check->event;
    for (size_t i = 0; i < event->n_biz_transaction_list; i++) {
        const char *id = event->biz_transaction_list[i]->biz_transaction;
        if (strncmp(id, prefix, sizeof prefix - 1) != 0)
            continue;
        const char *gln = id + sizeof prefix - 1;
        if (strcspn(gln, ":") == 13 && gs1_check_digit_ok(gln, 13))
            continue;
        char field[64];
        snprintf(field, sizeof field, "bizTransactionList[%zu]", i);
        check_add(check, RULE_BT_GLN, field, id,
                  "holds no GLN: right is %s and 13 digits of which the last is the check digit", prefix);
    }
}
