#include "worker/rules/rules_print.h"

#include "common/base/json_text.h"
#include "worker/rules/rules_table.h"

static const char *severity_of(const struct rules_entry *rule, enum rules_profile profile)
{
    return rules_severity_name((enum rules_severity)rule->severity[profile]);
}

static void print_text(struct buffer *out, const struct rules_entry *rule)
{
    buffer_printf(out, "%-20s", rule->code);
    for (int i = 0; i < RULES_PROFILES; i++)
        buffer_printf(out, "%-8s", severity_of(rule, (enum rules_profile)i));
    buffer_printf(out, "%-10s%s\n    %s\n    %s\n", rule->stateful ? "yes" : "no",
                  *rule->source ? rule->source : "-", rule->meaning, rule->remedy);
}

static void member(struct buffer *out, const char *name, const char *value)
{
    buffer_printf(out, "\"%s\": ", name);
    json_append_string(out, value);
    buffer_append_text(out, ", ");
}

static void print_json(struct buffer *out, const struct rules_entry *rule)
{
    buffer_append_text(out, "{");
    member(out, "code", rule->code);
    for (int i = 0; i < RULES_PROFILES; i++)
        member(out, rules_profile_name((enum rules_profile)i), severity_of(rule, (enum rules_profile)i));
    member(out, "source", *rule->source ? rule->source : NULL);
    member(out, "meaning", rule->meaning);
    member(out, "remedy", rule->remedy);
    buffer_printf(out, "\"stateful\": %s}", rule->stateful ? "true" : "false");
}

void rules_print(struct buffer *out, bool json)
{
    if (json) {
        buffer_append_text(out, "{");
        member(out, "rule_pack", rules_pack);
        buffer_append_text(out, "\"rules\": [");
    } else {
        buffer_printf(out,
                      "Rule pack %s. The second line of a rule says what is right, the third how to get "
                      "there.\n\n%-20s%-8s%-8s%-8s%-10s%s\n",
                      rules_pack, "CODE", "EPCIS", "DSCSA", "STRICT", "STATEFUL", "SOURCE");
    }
    for (int i = 0; i < RULES; i++) {
        if (json) {
            buffer_append_text(out, i == 0 ? "" : ", ");
            print_json(out, &rules_table[i]);
        } else {
            print_text(out, &rules_table[i]);
        }
    }
    if (json)
        buffer_append_text(out, "]}\n");
}
