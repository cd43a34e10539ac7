/* Any bytes as an XML document, or what the parser takes for one. */
#include "read_document.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0)
        read_both_ways(data, size);
    return 0;
}
