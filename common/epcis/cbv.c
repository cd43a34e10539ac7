#include "common/epcis/cbv.h"

#include <stdbool.h>
#include <string.h>

#define PREFIX(text)                                                                                         \
    {                                                                                                        \
        text, sizeof(text) - 1                                                                               \
    }

struct prefix {
    const char *text;
    size_t length;
};

struct family {
    struct prefix uri; /* the canonical one */
    struct prefix others[3];
};

static const struct family families[] = {
    [CBV_BIZ_STEP] = {PREFIX("https://ref.gs1.org/cbv/BizStep-"),
                      {PREFIX("urn:epcglobal:cbv:bizstep:"), PREFIX("http://ref.gs1.org/cbv/BizStep-"),
                       PREFIX("cbv:BizStep-")}},
    [CBV_DISPOSITION] = {PREFIX("https://ref.gs1.org/cbv/Disp-"),
                         {PREFIX("urn:epcglobal:cbv:disp:"), PREFIX("http://ref.gs1.org/cbv/Disp-"),
                          PREFIX("cbv:Disp-")}},
    [CBV_BIZ_TYPE] = {PREFIX("https://ref.gs1.org/cbv/BTT-"),
                      {PREFIX("urn:epcglobal:cbv:btt:"), PREFIX("http://ref.gs1.org/cbv/BTT-"),
                       PREFIX("cbv:BTT-")}},
    [CBV_PARTY_TYPE] = {PREFIX("https://ref.gs1.org/cbv/SDT-"),
                        {PREFIX("urn:epcglobal:cbv:sdt:"), PREFIX("http://ref.gs1.org/cbv/SDT-"),
                         PREFIX("cbv:SDT-")}},
    [CBV_ERROR_REASON] = {PREFIX("https://ref.gs1.org/cbv/ER-"),
                          {PREFIX("urn:epcglobal:cbv:er:"), PREFIX("http://ref.gs1.org/cbv/ER-"),
                           PREFIX("cbv:ER-")}},
    [CBV_COMPONENT] = {PREFIX("https://ref.gs1.org/cbv/Comp-"),
                       {PREFIX("cbv:Comp-"), PREFIX("http://ref.gs1.org/cbv/Comp-"), PREFIX("cbv:Comp-")}},
    [CBV_GS1_TERM] = {PREFIX("https://gs1.org/voc/"),
                      {PREFIX("gs1:"), PREFIX("http://gs1.org/voc/"), PREFIX("gs1:")}},
};

static bool begins(const char *text, size_t length, const struct prefix *prefix)
{
    return length > prefix->length && memcmp(text, prefix->text, prefix->length) == 0;
}

const char *cbv_word(enum cbv_family family, const char *text, size_t *length)
{
    const struct family *words = &families[family];
    const struct prefix *found = NULL;
    if (family == CBV_NONE)
        return text;
    if (begins(text, *length, &words->uri))
        found = &words->uri;
    for (size_t i = 0; !found && i < sizeof words->others / sizeof words->others[0]; i++)
        if (begins(text, *length, &words->others[i]))
            found = &words->others[i];
    if (!found)
        return text;
    *length -= found->length;
    return text + found->length;
}

const char *cbv_uri(enum cbv_family family)
{
    return family == CBV_NONE ? "" : families[family].uri.text;
}

static const struct {
    struct prefix prefix;
    const char *uri;
} expansions[] = {
    {PREFIX("urn:epcglobal:cbv:bizstep:"), "https://ref.gs1.org/cbv/BizStep-"},
    {PREFIX("urn:epcglobal:cbv:disp:"), "https://ref.gs1.org/cbv/Disp-"},
    {PREFIX("urn:epcglobal:cbv:btt:"), "https://ref.gs1.org/cbv/BTT-"},
    {PREFIX("urn:epcglobal:cbv:sdt:"), "https://ref.gs1.org/cbv/SDT-"},
    {PREFIX("urn:epcglobal:cbv:er:"), "https://ref.gs1.org/cbv/ER-"},
    {PREFIX("gs1:"), "https://gs1.org/voc/"},
    {PREFIX("cbv:"), "https://ref.gs1.org/cbv/"},
    {PREFIX("epcis:"), "https://ref.gs1.org/epcis/"},
};

const char *cbv_expand(const char *text, size_t length, size_t *skip)
{
    static const char urn[] = "urn:epcglobal:cbv:";
    /* Nearly all values are EPC URNs: out with them first. */
    if (length == 0 || (text[0] == 'u' ? length < sizeof urn || memcmp(text, urn, sizeof urn - 1) != 0
                                       : text[0] != 'g' && text[0] != 'c' && text[0] != 'e'))
        return NULL;
    for (size_t i = 0; i < sizeof expansions / sizeof expansions[0]; i++) {
        if (!begins(text, length, &expansions[i].prefix))
            continue;
        *skip = expansions[i].prefix.length;
        return expansions[i].uri;
    }
    return NULL;
}
