/* The checks behind the table of rules, one function for what is found in one look. Internal to
 * worker/rules. */
#ifndef EPCISD_RULES_CHECK_H
#define EPCISD_RULES_CHECK_H

#include "worker/rules/rules.h"

/* What a check gets besides the event. */
struct check {
    struct rules *rules;
    const struct rules_context *context;
    const struct rules_subject *subject;
    const Epcis__V1__Event *event; /* the subject's */
    struct rules_report *report;
};

#define check_add(check, rule, field, ...)                                                                   \
    rules_add((check)->rules, (check)->report, rule, field, __VA_ARGS__)

void check_schema(const struct check *check);
void check_time(const struct check *check);
void check_action(const struct check *check);
void check_aggregation(const struct check *check);
void check_epcs(const struct check *check);
void check_repetition(const struct check *check);
void check_classes(const struct check *check);
void check_lot(const struct check *check);
void check_expiry(const struct check *check);
void check_lot_expiry(const struct check *check);
void check_ilmd(const struct check *check);
void check_places(const struct check *check);
void check_transaction_glns(const struct check *check);
void check_words(const struct check *check);
void check_age(const struct check *check);
void check_sensors(const struct check *check);
void check_sender(const struct check *check);
void check_header(const struct check *check);
void check_commissioning_fields(const struct check *check);
void check_shipping_fields(const struct check *check);
void check_parties(const struct check *check);
void check_transactions(const struct check *check);
void check_statement(const struct check *check);
void check_r13(const struct check *check);

/* The rule for a fault of an identifier. */
enum rule check_fault_rule(enum epc_fault fault);

/* A set of EPCs for check_repetition; kept over events, so that it is not cleared for each. */
struct repetition_slot {
    uint32_t round;
    uint32_t epc;
};
struct repetition {
    struct repetition_slot *slots;
    size_t size; /* a power of two */
    uint32_t round;
};

/* Room for `count` EPCs, and none in it. ERR_MEMORY. */
enum err repetition_begin(struct repetition *repetition, size_t count);

struct repetition *rules_repetition(struct rules *rules);

/* Places and parties that were read last, by where they stand in an event: most are those of the event
 * before. */
enum { KNOWN_PLACES = 8 };
struct known_place {
    char text[128]; /* "" has no fault */
    enum epc_fault fault;
};

struct known_place *rules_known_places(struct rules *rules);

#endif
