/* What a program runs with, as messages: its table of options after the command line was read. */
#ifndef EPCISD_BASE_CONFIG_H
#define EPCISD_BASE_CONFIG_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/options.h"
#include "epcis/v1/config.pb-c.h"

struct config {
    const struct option_entry *entries; /* whose targets change no more */
    const struct option_note *notes;    /* of options_parse_noted */
    size_t count;
};

/* A message for each entry, in their order, built in the arena. ERR_LIMIT: its budget. Any thread. */
enum err config_tell(const struct config *config, struct arena *arena, Epcis__V1__ConfigOption ***out);

#endif
