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

/* Words, on lines of at most LINE columns; those behind the first begin at column LEFT. */
static void print_wrapped(const char *text)
{
    enum { LEFT = 35, LINE = 100 };
    for (size_t at = LEFT; *text;) {
        size_t length = strcspn(text, " ");
        if (at > LEFT && at + 1 + length > LINE) {
            printf("\n%*s", LEFT - 1, "");
            at = LEFT;
        }
        printf(" %.*s", (int)length, text);
        at += 1 + length;
        text += length + strspn(text + length, " ");
    }
    printf("\n");
}

static void print_help(const struct option_entry *entries, int count, const char *usage)
{
    printf("%s\nOptions:\n", usage);
    for (int i = 0; i < count; i++) {
        const struct option_entry *entry = &entries[i];
        char left[64], text[512];
        snprintf(left, sizeof left, "--%s%s%s", entry->name, entry->value ? " " : "",
                 entry->value ? entry->value : "");
        if (entry->kind == OPTION_NUMBER)
            snprintf(text, sizeof text, "%s [%" PRIu64 "]", entry->help, *(uint64_t *)entry->target);
        else if (entry->kind == OPTION_TEXT && *(const char **)entry->target &&
                 **(const char **)entry->target)
            snprintf(text, sizeof text, "%s [%s]", entry->help, *(const char **)entry->target);
        else
            snprintf(text, sizeof text, "%s", entry->help);
        printf("  %-32s", left);
        print_wrapped(text);
    }
    printf("  %-32s %s\n", "--version", "print the version and exit");
    printf("  %-32s %s\n", "--help", "print this and exit");
}

static void print_names(const struct option_entry *entries, int count)
{
    for (int i = 0; i < count; i++)
        printf("--%s%s%s\t%s\n", entries[i].name, entries[i].value ? " " : "",
               entries[i].value ? entries[i].value : "", entries[i].help);
    printf("--version\tprint the version and exit\n--help\tprint this and exit\n");
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

union option_value options_value(const struct option_entry *entry)
{
    union option_value value = {.text = NULL};
    switch (entry->kind) {
    case OPTION_TEXT:
        value.text = *(const char **)entry->target;
        break;
    case OPTION_NUMBER:
        value.number = *(uint64_t *)entry->target;
        break;
    case OPTION_FLAG:
        value.flag = *(bool *)entry->target;
        break;
    case OPTION_LIST:
        value.list = entry->target;
        break;
    }
    return value;
}

/* Notes what the entries hold before the command line is read. */
static void note_defaults(const struct option_entry *entries, int count, struct option_note *notes)
{
    for (int i = 0; i < count; i++) {
        notes[i] = (struct option_note){.given = false};
        if (entries[i].kind != OPTION_LIST)
            notes[i].before = options_value(&entries[i]);
    }
}

static void set_value(const char *program, const struct option_entry *entry, const char *value)
{
    if (!value)
        options_fail(program, "--%s needs a value: %s", entry->name, entry->value);
    if (entry->kind == OPTION_NUMBER)
        set_number(program, entry, value);
    else if (entry->kind == OPTION_LIST)
        add_to_list(program, entry, value);
    else
        *(const char **)entry->target = value;
}

void options_parse(int *argc, char **argv, const struct option_entry *entries, int count, const char *usage)
{
    options_parse_noted(argc, argv, entries, count, usage, NULL);
}

void options_parse_noted(int *argc, char **argv, const struct option_entry *entries, int count,
                         const char *usage, struct option_note *notes)
{
    int kept = 1;
    if (notes)
        note_defaults(entries, count, notes);
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
        if (strcmp(word, "--version") == 0) {
            printf("%s %s\n", program_invocation_short_name, EPCISD_VERSION);
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
        if (notes)
            notes[entry - entries].given = true;
        if (entry->kind == OPTION_FLAG) {
            if (equals)
                options_fail(argv[0], "--%s takes no value", entry->name);
            *(bool *)entry->target = true;
            continue;
        }
        set_value(argv[0], entry, equals ? equals + 1 : i + 1 < *argc ? argv[++i] : NULL);
    }
    *argc = kept;
    argv[kept] = NULL;
}
