/* `epcisctl dead-letters`: what its actions share. Main thread only. */
#ifndef EPCISD_CTL_DEAD_LETTERS_H
#define EPCISD_CTL_DEAD_LETTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "epcis/v1/dead_letter_service.pb-c.h"
#include "server/ctl/client.h"
#include "server/ctl/ctl.h"

/* One command line. */
struct letters_command {
    struct ctl_common common;
    Epcis__V1__ListDeadLettersRequest filter;
    bool filtered; /* it was given any filter */
    const char *file;
    const char *by;
    const char *why;
    bool yes;
    char **ids;
    int id_count;
    struct client *client;
    int64_t deadline_ms;
};

/* Calls `use` with each page of what fits, until it returns another exit code than CTL_OK, which is returned.
 * Failures are told on standard error. */
int letters_each_page(const struct letters_command *command,
                      int (*use)(const struct letters_command *command,
                                 const Epcis__V1__ListDeadLettersResponse *page, void *context),
                      void *context);

/* One dead letter with its event, or NULL with the failure told. Freed with
 * epcis__v1__get_dead_letter_response__free_unpacked(…, NULL). */
Epcis__V1__GetDeadLetterResponse *letters_get(const struct letters_command *command,
                                              const char *dead_letter_id);

/* The actions; each returns the exit code. */
int letters_resubmit(const struct letters_command *command);
int letters_discard(const struct letters_command *command);
int letters_export(const struct letters_command *command);

#endif
