/* What people did about dead letters: the journal's tree `letter`, number -> LetterRecord. A dead letter
 * without a record is open. It is closed once: by discarding it, or in the transaction that seals the
 * document in which its event comes again, so that a crash leaves both or neither. */
#ifndef EPCISD_SERVER_JOURNAL_LETTER_H
#define EPCISD_SERVER_JOURNAL_LETTER_H

#include "server/journal.h"

/* One change, the submitter's until its operation is done. */
struct journal_letter {
    uint64_t number;                  /* of the dead letter in the store */
    Epcis__V1__DeadLetterState state; /* what it becomes; where it was not open (ERR_EXISTS): what it is */
    const char *who, *why;
    int64_t changed_ms;
};

/* The record of a dead letter that was closed, in `arena`. ERR_NOT_FOUND: it is open; otherwise as
 * journal_capture. */
enum err journal_letter(const struct journal *journal, uint64_t number, struct arena *arena,
                        Epcis__Store__V1__LetterRecord **out);

#endif
