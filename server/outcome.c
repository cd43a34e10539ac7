#include "server/outcome.h"

#include <string.h>

#include "epcis/v1/ledger.pb-c.h"

enum err outcome_tally(const uint8_t *outcomes, size_t count, struct outcome_tally *out)
{
    *out = (struct outcome_tally){0};
    for (size_t i = 0; i < count; i++) {
        switch (outcomes[i]) {
        case EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_COMMITTED:
            out->committed++;
            break;
        case EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_DUPLICATE:
            out->duplicates++;
            break;
        case EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_DEAD_LETTER:
        case EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_ROLLED_BACK:
            out->dead_letters++;
            break;
        case EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_MASTER_DATA:
        case EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_DOCUMENT_REFUSED:
            out->others++;
            break;
        default:
            return ERR_INPUT;
        }
    }
    return ERR_OK;
}

void outcome_id(const uint8_t parent[DIGEST_BYTES], const uint8_t batch_id[DIGEST_BYTES], int64_t decided_ms,
                const char *rule_pack, const uint8_t *outcomes, size_t count, uint8_t out[DIGEST_BYTES])
{
    enum { TIME_BYTES = 8 };
    uint8_t text[4 * DIGEST_BYTES + TIME_BYTES], *end = text;
    memcpy(end, parent, DIGEST_BYTES);
    end += DIGEST_BYTES;
    memcpy(end, batch_id, DIGEST_BYTES);
    end += DIGEST_BYTES;
    for (int i = 0; i < TIME_BYTES; i++)
        *end++ = (uint8_t)((uint64_t)decided_ms >> (8 * (TIME_BYTES - 1 - i)));
    digest_of(rule_pack, strlen(rule_pack), end);
    end += DIGEST_BYTES;
    digest_of(outcomes, count, end);
    digest_of(text, sizeof text, out);
}
