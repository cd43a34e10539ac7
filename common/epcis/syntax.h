/* What one syntax gives the parser. Internal to common/epcis. */
#ifndef EPCISD_EPCIS_SYNTAX_H
#define EPCISD_EPCIS_SYNTAX_H

#include "common/epcis/assembler.h"

/* Errors go to the assembler's `err`; a call that leaves it ERR_OK went well. `close` takes NULL. */
struct syntax {
    void *(*open)(struct assembler *assembler); /* NULL without memory */
    void (*feed)(void *state, const char *data, size_t bytes);
    void (*finish)(void *state);
    void (*close)(void *state);
};

extern const struct syntax xml_syntax;
extern const struct syntax json_syntax;

#endif
