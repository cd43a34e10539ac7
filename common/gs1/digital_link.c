#include "common/gs1/digital_link.h"

#include <string.h>
#include <strings.h>

/* A primary key: its AI, its name in older URIs, and the form of its value. */
struct key_entry {
    const char *ai;
    const char *name;
    uint8_t digits;  /* that the value begins with */
    bool more;       /* a serial may follow them */
    bool short_gtin; /* 8, 12 and 13 digits will do as well */
};

static const struct key_entry keys[] = {
    {"01", "gtin", 14, false, true},    {"00", "sscc", 18, false, false},    {"414", "gln", 13, false, false},
    {"417", "party", 13, false, false}, {"8003", "grai", 14, true, false},   {"8004", "giai", 0, true, false},
    {"8018", "gsrn", 18, false, false}, {"8017", "gsrnp", 18, false, false}, {"253", "gdti", 13, true, false},
    {"8010", "cpid", 0, true, false},   {"255", "gcn", 13, true, false},     {"401", "ginc", 0, true, false},
    {"402", "gsin", 17, false, false},  {"8006", "itip", 18, false, false},  {"8013", "gmn", 0, true, false},
};

static const struct {
    const char *ai;
    const char *name;
} qualifiers[] = {
    {"21", "ser"},  {"10", "lot"},    {"22", "cpv"},     {"254", "glnx"},
    {"235", "tpx"}, {"8011", "cpsn"}, {"8020", "refno"}, {"8019", "srin"},
};

static bool part_is(const struct link_part *part, const char *word)
{
    return strlen(word) == part->length && memcmp(part->text, word, part->length) == 0;
}

static const struct key_entry *find_key(const struct link_part *part)
{
    if (part->length < 2 || part->length > 5)
        return NULL;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (part_is(part, keys[i].ai) || part_is(part, keys[i].name))
            return &keys[i];
    return NULL;
}

const char *digital_link_qualifier(const struct link_part *name)
{
    for (size_t i = 0; i < sizeof qualifiers / sizeof qualifiers[0]; i++)
        if (part_is(name, qualifiers[i].ai) || part_is(name, qualifiers[i].name))
            return qualifiers[i].ai;
    return NULL;
}

bool digital_link_next(const char **rest, size_t *length, struct link_part *out)
{
    if (*length == 0 || **rest != '/')
        return false;
    const char *start = *rest + 1, *slash = memchr(start, '/', *length - 1);
    out->text = start;
    out->length = slash ? (size_t)(slash - start) : *length - 1;
    *rest = start + out->length;
    *length -= out->length + 1;
    return true;
}

static size_t count_digits(const struct link_part *value)
{
    size_t count = 0;
    while (count < value->length && value->text[count] >= '0' && value->text[count] <= '9')
        count++;
    return count;
}

static bool value_fits(const struct key_entry *key, const struct link_part *value)
{
    size_t digits = count_digits(value);
    if (value->length == 0)
        return false;
    if (key->more)
        return digits >= key->digits;
    if (digits != value->length)
        return false;
    return digits == key->digits || (key->short_gtin && (digits == 8 || digits == 12 || digits == 13));
}

/* Whether the value was meant for a key though it is wrong: eight digits are no accident. */
static bool value_resembles(const struct key_entry *key, const struct link_part *value)
{
    return key->digits > 0 && value->length >= 8 && count_digits(value) == value->length;
}

/* Skips "https://domain"; NULL where it is no web address. */
static const char *skip_domain(const char *text, size_t length, bool *gs1)
{
    static const char domain[] = "id.gs1.org";
    size_t skip = length >= 8 && strncasecmp(text, "https://", 8) == 0  ? 8
                  : length >= 7 && strncasecmp(text, "http://", 7) == 0 ? 7
                                                                        : 0;
    const char *slash = skip ? memchr(text + skip, '/', length - skip) : NULL;
    if (!slash)
        return NULL;
    size_t domain_length = (size_t)(slash - text) - skip;
    *gs1 = domain_length == sizeof domain - 1 && strncasecmp(text + skip, domain, domain_length) == 0;
    return slash;
}

static size_t path_length(const char *path, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (path[i] == '?' || path[i] == '#')
            return i;
    return length;
}

bool digital_link_split(const char *text, size_t length, struct digital_link *out)
{
    bool gs1 = false;
    const char *rest = skip_domain(text, length, &gs1);
    if (!rest)
        return false;
    size_t rest_length = path_length(rest, length - (size_t)(rest - text));
    struct link_part name, value;
    bool resembles = false;
    while (digital_link_next(&rest, &rest_length, &name)) {
        const struct key_entry *key = find_key(&name);
        const char *behind = rest;
        size_t behind_length = rest_length;
        if (!key || !digital_link_next(&behind, &behind_length, &value))
            continue;
        bool fits = value_fits(key, &value);
        if (!fits && (resembles || !(gs1 || value_resembles(key, &value))))
            continue;
        *out = (struct digital_link){key->ai, value, behind, behind_length, fits};
        if (fits)
            return true;
        resembles = true;
    }
    return resembles;
}
