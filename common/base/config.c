#include "common/base/config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/utf8.h"

struct texts {
    char **items; /* NULL: the arena is spent */
    size_t count;
};

static char *copy_text(struct arena *arena, const char *text)
{
    char *copy = arena_copy(arena, text, strlen(text));
    if (copy)
        utf8_mend(copy);
    return copy;
}

static struct texts copy_texts(struct arena *arena, const char *const *texts, size_t count)
{
    struct texts out = {arena_alloc(arena, (count + 1) * sizeof *out.items), count};
    for (size_t i = 0; out.items && i < count; i++)
        if (!(out.items[i] = copy_text(arena, texts[i])))
            out.items = NULL;
    return out;
}

/* A value in words. An empty text is none: nobody can tell it from an option that was not given. */
static struct texts value_texts(enum option_kind kind, union option_value value, struct arena *arena)
{
    char number[24];
    const char *text = NULL;
    switch (kind) {
    case OPTION_LIST:
        return copy_texts(arena, value.list ? value.list->items : NULL, value.list ? value.list->count : 0);
    case OPTION_TEXT:
        text = value.text && value.text[0] ? value.text : NULL;
        break;
    case OPTION_NUMBER:
        snprintf(number, sizeof number, "%" PRIu64, value.number);
        text = number;
        break;
    case OPTION_FLAG:
        text = value.flag ? "true" : "false";
        break;
    }
    return copy_texts(arena, &text, text ? 1 : 0);
}

static bool are_equal(struct texts a, struct texts b)
{
    bool equal = a.count == b.count;
    for (size_t i = 0; equal && i < a.count; i++)
        equal = strcmp(a.items[i], b.items[i]) == 0;
    return equal;
}

static enum err tell_option(const struct option_entry *entry, const struct option_note *note,
                            struct arena *arena, Epcis__V1__ConfigOption *out)
{
    static const Epcis__V1__ConfigOptionKind kinds[] = {
        [OPTION_TEXT] = EPCIS__V1__CONFIG_OPTION_KIND__CONFIG_OPTION_KIND_TEXT,
        [OPTION_NUMBER] = EPCIS__V1__CONFIG_OPTION_KIND__CONFIG_OPTION_KIND_NUMBER,
        [OPTION_FLAG] = EPCIS__V1__CONFIG_OPTION_KIND__CONFIG_OPTION_KIND_FLAG,
        [OPTION_LIST] = EPCIS__V1__CONFIG_OPTION_KIND__CONFIG_OPTION_KIND_LIST,
    };
    struct texts values = value_texts(entry->kind, options_value(entry), arena);
    struct texts defaults = value_texts(entry->kind, note->before, arena);
    if (!values.items || !defaults.items)
        return ERR_LIMIT;
    epcis__v1__config_option__init(out);
    out->name = (char *)(uintptr_t)entry->name;
    out->kind = kinds[entry->kind];
    out->values = values.items;
    out->n_values = values.count;
    out->defaults = defaults.items;
    out->n_defaults = defaults.count;
    out->source = note->given                   ? EPCIS__V1__CONFIG_SOURCE__CONFIG_SOURCE_COMMAND_LINE
                  : are_equal(values, defaults) ? EPCIS__V1__CONFIG_SOURCE__CONFIG_SOURCE_DEFAULT
                                                : EPCIS__V1__CONFIG_SOURCE__CONFIG_SOURCE_DERIVED;
    out->unit = (char *)(uintptr_t)(entry->value ? entry->value : "");
    out->meaning = (char *)(uintptr_t)entry->help;
    return ERR_OK;
}

enum err config_tell(const struct config *config, struct arena *arena, Epcis__V1__ConfigOption ***out)
{
    Epcis__V1__ConfigOption *options = arena_alloc(arena, config->count * sizeof *options);
    *out = arena_alloc(arena, config->count * sizeof **out);
    enum err err = options && *out ? ERR_OK : ERR_LIMIT;
    for (size_t i = 0; !err && i < config->count; i++) {
        err = tell_option(&config->entries[i], &config->notes[i], arena, &options[i]);
        (*out)[i] = &options[i];
    }
    return err;
}
