#include "common/base/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void options_fail(const char *program, const char *format, ...)
{
    const char *slash = strrchr(program, '/');
    const char *name = slash ? slash + 1 : program;
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", name);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\nTry '%s --help'.\n", name);
    va_end(arguments);
    exit(EXIT_USAGE);
}

static void print_help(const struct option_entry *entries, int count, const char *usage)
{
    printf("%s\nOptions:\n", usage);
    for (int i = 0; i < count; i++) {
        const struct option_entry *entry = &entries[i];
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", entry->name, entry->value ? " " : "",
                 entry->value ? entry->value : "");
        printf("  %-32s %s", left, entry->help);
        if (entry->kind == OPTION_NUMBER)
            printf(" [%" PRIu64 "]", *(uint64_t *)entry->target);
        else if (entry->kind == OPTION_TEXT && *(const char **)entry->target &&
                 **(const char **)entry->target)
            printf(" [%s]", *(const char **)entry->target);
        printf("\n");
    }
    printf("  %-32s %s\n", "--help", "print this and exit");
}

static void print_names(const struct option_entry *entries, int count)
{
    for (int i = 0; i < count; i++)
        printf("--%s%s%s\n", entries[i].name, entries[i].value ? " " : "",
               entries[i].value ? entries[i].value : "");
    printf("--help\n");
}

const struct option_entry *options_find(const struct option_entry *entries, int count, const char *word)
{
    if (strncmp(word, "--", 2) != 0)
        return NULL;
    size_t length = strcspn(word + 2, "=");
    for (int i = 0; i < count; i++)
        if (strlen(entries[i].name) == length && memcmp(entries[i].name, word + 2, length) == 0)
            return &entries[i];
    return NULL;
}

static void set_number(const char *program, const struct option_entry *entry, const char *text)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno || *end || end == text || *text == '-' || number < entry->minimum || number > entry->maximum)
        options_fail(program, "--%s takes a whole number from %" PRIu64 " to %" PRIu64 ", not '%s'",
                     entry->name, entry->minimum, entry->maximum, text);
    *(uint64_t *)entry->target = number;
}

static void add_to_list(const char *program, const struct option_entry *entry, const char *text)
{
    struct option_list *list = entry->target;
    if (list->count == OPTION_LIST_MAX)
        options_fail(program, "--%s is given more than %d times", entry->name, OPTION_LIST_MAX);
    list->items[list->count++] = text;
}

void options_parse(int *argc, char **argv, const struct option_entry *entries, int count, const char *usage)
{
    int kept = 1;
    for (int i = 1; i < *argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--") == 0) {
            while (++i < *argc)
                argv[kept++] = argv[i];
            break;
        }
        if (strncmp(word, "--", 2) != 0) {
            argv[kept++] = argv[i];
            continue;
        }
        if (strcmp(word, "--help") == 0) {
            print_help(entries, count, usage);
            exit(EXIT_SUCCESS);
        }
        if (strcmp(word, "--complete") == 0) {
            print_names(entries, count);
            exit(EXIT_SUCCESS);
        }
        const char *equals = strchr(word, '=');
        const struct option_entry *entry = options_find(entries, count, word);
        if (!entry)
            options_fail(argv[0], "unknown option '%s'", word);
        if (entry->kind == OPTION_FLAG) {
            if (equals)
                options_fail(argv[0], "--%s takes no value", entry->name);
            *(bool *)entry->target = true;
            continue;
        }
        const char *value = equals ? equals + 1 : i + 1 < *argc ? argv[++i] : NULL;
        if (!value)
            options_fail(argv[0], "--%s needs a value: %s", entry->name, entry->value);
        if (entry->kind == OPTION_NUMBER)
            set_number(argv[0], entry, value);
        else if (entry->kind == OPTION_LIST)
            add_to_list(argv[0], entry, value);
        else
            *(const char **)entry->target = value;
    }
    *argc = kept;
    argv[kept] = NULL;
}
