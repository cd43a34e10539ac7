#include "common/epcis/dscsa.h"

#include <string.h>

static size_t find_from(Epcis__V1__Node *const *nodes, size_t count, size_t at, const char *local_name)
{
    static const char space[] = "http://epcis.gs1us.org/hc/ns";
    for (; at < count; at++)
        if (nodes[at]->kind == EPCIS__V1__NODE_KIND__NODE_KIND_ELEMENT &&
            strcmp(nodes[at]->local_name, local_name) == 0 && strcmp(nodes[at]->namespace_uri, space) == 0)
            return at;
    return count;
}

const Epcis__V1__Node *dscsa_find(Epcis__V1__Node *const *nodes, size_t count, const char *local_name)
{
    size_t at = find_from(nodes, count, 0, local_name);
    return at < count ? nodes[at] : NULL;
}

const char *dscsa_statement_text(Epcis__V1__Node *const *nodes, size_t count, const char *local_name)
{
    size_t statement = find_from(nodes, count, 0, "dscsaTransactionStatement");
    if (statement == count)
        return NULL;
    size_t end = statement + 1;
    while (end < count && nodes[end]->depth > nodes[statement]->depth)
        end++;
    size_t child = find_from(nodes, end, statement + 1, local_name);
    return child < end ? nodes[child]->text : "";
}
