#include "worker/partner.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"

/* Every batch of the partner would say the same again. */
enum { LOG_MS = 60000, LOG_BYTES = 512 };

static void log_ignored(const char *partner, const char *codes)
{
    static atomic_llong next_ms;
    long long now_ms = clock_steady_ms(), due_ms = atomic_load(&next_ms);
    if (now_ms >= due_ms && atomic_compare_exchange_strong(&next_ms, &due_ms, now_ms + LOG_MS))
        log_warning("overrides_ignored", "partner=%s rules=%s codes=\"%s\" detail=\"%s\"", partner,
                    rules_pack, codes, "no such rule here, or one that always rejects");
}

/* ERR_NOT_FOUND, ERR_INPUT: it does not hold here. */
static enum err set_override(struct rules_severities *severities, const char *code,
                             Epcis__V1__RuleSeverity severity)
{
    switch (severity) {
    case EPCIS__V1__RULE_SEVERITY__RULE_SEVERITY_OFF:
        return rules_severities_set(severities, code, RULES_OFF);
    case EPCIS__V1__RULE_SEVERITY__RULE_SEVERITY_WARN:
        return rules_severities_set(severities, code, RULES_WARN);
    case EPCIS__V1__RULE_SEVERITY__RULE_SEVERITY_REJECT:
        return rules_severities_set(severities, code, RULES_REJECT);
    default:
        return ERR_INPUT;
    }
}

static void set_overrides(struct rules_severities *severities, const Epcis__Wire__V1__PartnerFacts *facts,
                          const char *partner)
{
    char ignored[LOG_BYTES] = "";
    for (size_t i = 0; i < facts->n_overrides; i++) {
        const Epcis__Wire__V1__PartnerFacts__OverridesEntry *entry = facts->overrides[i];
        size_t length = strlen(ignored);
        if (set_override(severities, entry->key, entry->value))
            snprintf(ignored + length, sizeof ignored - length, "%s%s", length ? " " : "", entry->key);
    }
    if (ignored[0])
        log_ignored(partner, ignored);
}

static void set_base(struct rules *rules, struct rules_severities *severities, Epcis__V1__RuleProfile profile)
{
    switch (profile) {
    case EPCIS__V1__RULE_PROFILE__RULE_PROFILE_EPCIS:
        rules_severities_init(severities, RULES_EPCIS);
        break;
    case EPCIS__V1__RULE_PROFILE__RULE_PROFILE_DSCSA:
        rules_severities_init(severities, RULES_DSCSA);
        break;
    case EPCIS__V1__RULE_PROFILE__RULE_PROFILE_STRICT:
        rules_severities_init(severities, RULES_STRICT);
        break;
    default:
        rules_begin(rules, &(struct rules_context){.severities = NULL});
        for (int i = 0; i < RULES; i++)
            severities->of[i] = (uint8_t)rules_severity(rules, (enum rule)i);
        break;
    }
}

static enum err resolve(struct rules *rules, const Epcis__Wire__V1__BatchSegment *segment,
                        struct arena *arena, struct partner_terms *out)
{
    const Epcis__Wire__V1__PartnerFacts *facts = segment->partner_record;
    *out = (struct partner_terms){.facts = facts};
    if (!facts || !facts->known ||
        (facts->profile == EPCIS__V1__RULE_PROFILE__RULE_PROFILE_UNSPECIFIED && facts->n_overrides == 0))
        return ERR_OK;
    struct rules_severities *severities = arena_alloc(arena, sizeof *severities);
    if (!severities)
        return ERR_LIMIT;
    set_base(rules, severities, facts->profile);
    set_overrides(severities, facts, segment->partner);
    out->severities = severities;
    return ERR_OK;
}

enum err partner_terms_of(struct rules *rules, Epcis__Wire__V1__BatchSegment *const *segments, size_t count,
                          struct arena *arena, struct partner_terms **out)
{
    struct partner_terms *terms = *out = arena_alloc(arena, count * sizeof *terms);
    enum err err = terms ? ERR_OK : ERR_LIMIT;
    for (size_t i = 0; i < count && !err; i++) {
        bool as_before = i > 0 && !segments[i]->partner_record &&
                         strcmp(segments[i]->partner, segments[i - 1]->partner) == 0;
        if (as_before)
            terms[i] = terms[i - 1];
        else
            err = resolve(rules, segments[i], arena, &terms[i]);
    }
    return err;
}

void partner_terms_check(const struct rules *rules, const struct partner_terms *terms, const char *partner,
                         struct rules_report *report)
{
    if (!terms->facts)
        return;
    if (!terms->facts->known)
        rules_add(rules, report, RULE_PARTNER_UNKNOWN, "partner", partner,
                  *partner ? "is the GLN of no registered trading partner"
                           : "is not known: neither request nor document names a trading partner by its GLN");
    else if (!terms->facts->active)
        rules_add(rules, report, RULE_PARTNER_INACTIVE, "partner", partner,
                  "is the GLN of a trading partner that was deactivated");
}
