#include "server/isolation.h"

void isolation_begin(struct isolation *isolation, uint32_t items, uint32_t passed, bool by_size)
{
    *isolation = (struct isolation){.items = items, .passed = passed, .suspect = items, .by_size = by_size};
}

static bool is_last_step(const struct isolation *isolation)
{
    return isolation->suspect - isolation->passed == 1;
}

/* How many items, from the batch's first on, are in question now. */
static uint32_t reach(const struct isolation *isolation)
{
    return isolation->suspect - (isolation->suspect - isolation->passed) / 2;
}

void isolation_range(const struct isolation *isolation, uint32_t *first, uint32_t *count)
{
    *first = isolation->by_size && is_last_step(isolation) ? isolation->passed : 0;
    *count = reach(isolation) - *first;
}

enum isolation_step isolation_passed(struct isolation *isolation)
{
    if (isolation->by_size && is_last_step(isolation)) /* the batch is too large, and no item is */
        return ISOLATION_HARMLESS;
    isolation->passed = reach(isolation);
    isolation->proof = 0;
    if (isolation->passed == isolation->items)
        return ISOLATION_HARMLESS;
    if (isolation->passed == isolation->suspect)
        isolation->suspect = isolation->items;
    return ISOLATION_GO_ON;
}

enum isolation_step isolation_failed(struct isolation *isolation)
{
    bool last = is_last_step(isolation);
    isolation->suspect = reach(isolation);
    if (!last && !is_last_step(isolation))
        return ISOLATION_GO_ON;
    if (!last && isolation->by_size) /* the item was not alone yet */
        return ISOLATION_GO_ON;
    return ++isolation->proof == ISOLATION_PROOF ? ISOLATION_CONDEMN : ISOLATION_GO_ON;
}
