/* Command-line options as a table: one line an option gives its name, default, bounds and help. Every
 * program's configuration is such a table; `--help` prints it. Main thread only. */
#ifndef EPCISD_BASE_OPTIONS_H
#define EPCISD_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EXIT_USAGE = 2 };

enum option_kind { OPTION_TEXT, OPTION_NUMBER, OPTION_FLAG, OPTION_LIST };

/* What an option that may be repeated was given, in order. */
enum { OPTION_LIST_MAX = 64 };
struct option_list {
    const char *items[OPTION_LIST_MAX];
    size_t count;
};

struct option_entry {
    const char *name; /* without the dashes */
    enum option_kind kind;
    void
        *target; /* const char **, uint64_t *, bool * or struct option_list *; holds the default beforehand */
    uint64_t minimum; /* OPTION_NUMBER */
    uint64_t maximum;
    const char *value; /* what the help calls the value: "DIR" */
    const char *help;
};

/* What an option holds; which member, its kind tells. */
union option_value {
    const char *text;
    uint64_t number;
    bool flag;
    const struct option_list *list;
};

/* What reading the command line changed of an entry. */
struct option_note {
    union option_value before; /* the default; a list has none: NULL */
    bool given;
};

/* What the entry's target holds now. */
union option_value options_value(const struct option_entry *entry);

/* The entry that a word of a command line, "--name" or "--name=value", is of; NULL: it is of none. */
const struct option_entry *options_find(const struct option_entry *entries, int count, const char *word);

/* Takes the options out of argv and leaves the rest there, argv[0] first, `--` ended; *argc is their
 * number. `--name value` and `--name=value` are the same. `--help` prints usage, table and exit codes
 * and exits 0; so does `--version`, after the program's name and version; `--complete`, for shells, prints a
 * line for each option, its name, what its value is called and, behind a tab, its help, and exits 0. A wrong
 * option prints what and why to standard error and exits 2. */
void options_parse(int *argc, char **argv, const struct option_entry *entries, int count, const char *usage);

/* As options_parse; `notes` has as many as there are entries. */
void options_parse_noted(int *argc, char **argv, const struct option_entry *entries, int count,
                         const char *usage, struct option_note *notes);

/* Prints "PROGRAM: message" and how to get help to standard error, exits 2. */
_Noreturn void options_fail(const char *program, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
