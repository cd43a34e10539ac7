#include "worker/master_rules.h"

#include <stdio.h>
#include <string.h>

/* The rules, as numbers of `reported`. */
enum { UNKNOWN, NDC, INCOMPLETE };

enum { FIELD_MAX = 64 };

/* ---- noting ----------------------------------------------------------------------------------------- */

/* Names gathered for one event, in a block of the arena that grows. */
struct notes {
    struct work *work;
    struct master_names *names;
    uint32_t capacity;
};

static enum err note(struct notes *notes, enum master_kind kind, const char *text, size_t length,
                     struct master_name name)
{
    struct work *work = notes->work;
    enum err err =
        length ? master_data_find(&work->master, &work->arena, kind, text, length, &name.entry) : ERR_OK;
    if (err || length == 0)
        return err;
    struct master_entry *entry = &work->master.entries[name.entry];
    if (!entry->id[0] || (kind != MASTER_PLACE && entry->event == work->event_count))
        return ERR_OK; /* none of GS1's, or noted for this event */
    entry->event = (uint32_t)work->event_count;
    struct master_names *names = notes->names;
    if (names->count == notes->capacity) {
        uint32_t capacity = notes->capacity ? 2 * notes->capacity : 8;
        struct master_name *list = arena_alloc(&work->arena, capacity * sizeof *list);
        if (!list)
            return ERR_LIMIT;
        if (names->count > 0)
            memcpy(list, names->list, names->count * sizeof *list);
        names->list = list;
        notes->capacity = capacity;
    }
    names->list[names->count++] = name;
    return ERR_OK;
}

static enum err note_epcs(struct notes *notes, const struct rules_subject *subject)
{
    enum err err = ERR_OK;
    const char *last = "";
    for (size_t i = 0; i < subject->epc_count && !err; i++) {
        const struct rules_epc *epc = &subject->epcs[i];
        if (!epc->gtin[0] || strcmp(epc->gtin, last) == 0)
            continue; /* neighbours in a list are mostly of one GTIN */
        last = epc->gtin;
        err = note(notes, MASTER_GTIN, epc->gtin, strlen(epc->gtin),
                   (struct master_name){.field = rules_list_name(epc->list), .index = epc->index});
    }
    return err;
}

static enum err note_classes(struct notes *notes, const char *field, Epcis__V1__QuantityElement **list,
                             size_t count)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < count && !err; i++)
        err = note(notes, MASTER_CLASS, list[i]->epc_class, strlen(list[i]->epc_class),
                   (struct master_name){.field = field, .index = (uint32_t)i});
    return err;
}

static enum err note_place(struct notes *notes, const char *field, size_t index, const char *type,
                           const char *text)
{
    bool owner = type && strcmp(type, "owning_party") == 0;
    return note(
        notes, MASTER_PLACE, text, strlen(text),
        (struct master_name){.field = field, .index = (uint32_t)index, .single = !type, .owner = owner});
}

static enum err note_places(struct notes *notes, const Epcis__V1__Event *event)
{
    enum err err = ERR_OK;
    if (event->read_point)
        err = note_place(notes, "readPoint", 0, NULL, event->read_point->id);
    if (!err && event->biz_location)
        err = note_place(notes, "bizLocation", 0, NULL, event->biz_location->id);
    for (size_t i = 0; i < event->n_source_list && !err; i++)
        err = note_place(notes, "sourceList", i, event->source_list[i]->type, event->source_list[i]->source);
    for (size_t i = 0; i < event->n_destination_list && !err; i++)
        err = note_place(notes, "destinationList", i, event->destination_list[i]->type,
                         event->destination_list[i]->destination);
    return err;
}

static bool any_rule_on(const struct rules *rules)
{
    return rules_severity(rules, RULE_UNKNOWN_GTIN) || rules_severity(rules, RULE_UNKNOWN_GLN) ||
           rules_severity(rules, RULE_NDC_MISMATCH) || rules_severity(rules, RULE_TI_INCOMPLETE);
}

enum err master_rules_note(struct work *work, const struct rules_subject *subject, struct work_event *event)
{
    const Epcis__V1__Event *from = subject->event;
    struct notes notes = {.work = work, .names = &event->names};
    if (!any_rule_on(work->rules))
        return ERR_OK;
    enum err err = note_epcs(&notes, subject);
    if (!err)
        err = note_classes(&notes, "quantityList", from->quantity_list, from->n_quantity_list);
    if (!err)
        err =
            note_classes(&notes, "childQuantityList", from->child_quantity_list, from->n_child_quantity_list);
    if (!err)
        err =
            note_classes(&notes, "inputQuantityList", from->input_quantity_list, from->n_input_quantity_list);
    if (!err)
        err = note_classes(&notes, "outputQuantityList", from->output_quantity_list,
                           from->n_output_quantity_list);
    return err ? err : note_places(&notes, from);
}

/* ---- checking --------------------------------------------------------------------------------------- */

struct finding {
    const struct work *work;
    const struct work_event *event;
    const struct master_name *name;
    struct master_entry *entry;
    struct rules_report *report;
};

static bool has(const struct master_entry *entry, unsigned bit)
{
    return (entry->bits >> bit & 1) != 0;
}

/* Whether the rule is to be reported now. */
static bool is_due(const struct finding *finding, enum rule rule, int number)
{
    const uint8_t **reported = &finding->entry->reported[number], *document = finding->event->capture_id;
    switch (rules_severity(finding->work->rules, rule)) {
    case RULES_OFF:
        return false;
    case RULES_REJECT:
        return true;
    case RULES_WARN:
        break;
    }
    bool told = *reported && memcmp(*reported, document, UUID_BYTES) == 0;
    *reported = document;
    return !told;
}

static void write_field(const struct master_name *name, char out[FIELD_MAX])
{
    if (name->single || strcmp(name->field, "parentID") == 0)
        snprintf(out, FIELD_MAX, "%s", name->field);
    else
        snprintf(out, FIELD_MAX, "%s[%u]", name->field, name->index);
}

static void report_unknown(const struct finding *finding)
{
    char field[FIELD_MAX];
    bool place = finding->entry->kind == MASTER_PLACE;
    enum rule rule = place ? RULE_UNKNOWN_GLN : RULE_UNKNOWN_GTIN;
    if (!is_due(finding, rule, UNKNOWN))
        return;
    write_field(finding->name, field);
    rules_add(finding->work->rules, finding->report, rule, field, finding->entry->text,
              "has no master data, neither in the document before it nor from before: %s %s is expected "
              "there",
              place ? "GLN" : "GTIN", finding->entry->id);
}

static void report_ndc(const struct finding *finding)
{
    char field[FIELD_MAX];
    if (!has(finding->entry, MASTER_NDC_DIFFERS) || !is_due(finding, RULE_NDC_MISMATCH, NDC))
        return;
    write_field(finding->name, field);
    rules_add(
        finding->work->rules, finding->report, RULE_NDC_MISMATCH, field, finding->entry->text,
        "is of GTIN %s, which holds NDC %.10s, but its master data states %s: right is one and the same",
        finding->entry->id, finding->entry->id + 3, finding->entry->ndc);
}

/* The attributes that master data must state of a product, and of an owner. */
static uint32_t missing_of(const struct master_entry *entry)
{
    enum { PRODUCT = (1 << (MASTER_MANUFACTURER + 1)) - 1, ALL = (1 << MASTER_ATTRIBUTES) - 1 };
    uint32_t wanted = entry->kind == MASTER_PLACE ? ALL & ~PRODUCT : PRODUCT;
    if (has(entry, MASTER_STATELESS))
        wanted &= ~(UINT32_C(1) << MASTER_STATE);
    return wanted & ~entry->bits;
}

static void report_incomplete(const struct finding *finding)
{
    char field[FIELD_MAX], names[512];
    size_t length = 0;
    uint32_t missing = missing_of(finding->entry);
    bool wanted = finding->event->facts.ships &&
                  (finding->entry->kind != MASTER_PLACE || finding->name->owner) && missing;
    if (!wanted || !is_due(finding, RULE_TI_INCOMPLETE, INCOMPLETE))
        return;
    for (unsigned i = 0; i < MASTER_ATTRIBUTES; i++)
        if (missing >> i & 1)
            length += (size_t)snprintf(names + length, sizeof names - length, "%s%s", length ? ", " : "",
                                       master_data_names[i]);
    write_field(finding->name, field);
    rules_add(finding->work->rules, finding->report, RULE_TI_INCOMPLETE, field, finding->entry->text,
              "is shipped, and its master data does not tell all: right is with %s", names);
}

static void check_name(const struct finding *finding)
{
    if (has(finding->entry, MASTER_KNOWN)) {
        report_ndc(finding);
        report_incomplete(finding);
        return;
    }
    enum rule rule = finding->entry->kind == MASTER_PLACE ? RULE_UNKNOWN_GLN : RULE_UNKNOWN_GTIN;
    report_unknown(finding);
    if (rules_severity(finding->work->rules, rule) == RULES_OFF)
        report_incomplete(finding);
}

enum err master_rules_check(struct work *work, struct store_txn *txn, struct work_event *event)
{
    struct rules_report report;
    enum err err = ERR_OK;
    if (event->names.count == 0)
        return ERR_OK;
    rules_report_init(&report, &work->arena);
    for (uint32_t i = 0; i < event->names.count && !err; i++) {
        const struct master_name *name = &event->names.list[i];
        struct master_entry *entry = &work->master.entries[name->entry];
        err = master_data_load(&work->master, txn, &work->scratch, entry);
        if (!err)
            check_name(&(struct finding){work, event, name, entry, &report});
    }
    return err ? err : work_keep(work, event, &report);
}
