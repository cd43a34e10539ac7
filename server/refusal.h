/* Why work is refused for now. One list, which clients (the reason in an error's details), the operator
 * (ServerService) and the log share. Any thread. */
#ifndef EPCISD_SERVER_REFUSAL_H
#define EPCISD_SERVER_REFUSAL_H

#include <stdint.h>

enum refusal_reason {
    REFUSAL_NONE,
    REFUSAL_JOURNAL_FAILED,    /* the last write to the journal failed */
    REFUSAL_DISK_SPACE,        /* the disk has less left than is kept in reserve */
    REFUSAL_JOURNAL_SPACE,     /* the journal's map has */
    REFUSAL_STORE_SPACE,       /* the store's map has */
    REFUSAL_BACKLOG_BYTES,     /* so much is unfinished */
    REFUSAL_BACKLOG_DOCUMENTS, /* so many documents are unfinished */
    REFUSAL_BACKLOG_AGE,       /* the oldest unfinished document is too old */
    REFUSAL_DOCUMENT_BYTES,   /* the document is longer than its partner's record allows: never comes right */
    REFUSAL_UPLOADS,          /* so many uploads are begun and not finished */
    REFUSAL_PARTNER_REQUESTS, /* its partner sends more documents a second than its record allows */
    REFUSAL_PARTNER_BYTES,    /* so much of its partner's is unfinished */
    REFUSAL_PARTNER_SHARE,    /* as much as is left for all others */
    REFUSAL_REASONS,
};

/* What a client is told. */
struct refusal {
    enum refusal_reason reason;
    uint32_t retry_after_ms; /* 0: trying again is of no use */
    char text[256];          /* what, where, and what would be right */
};

/* A stable name in capitals: "BACKLOG_BYTES". */
const char *refusal_code(enum refusal_reason reason);

/* Fills the refusal in. */
void refusal_set(struct refusal *refusal, enum refusal_reason reason, uint32_t retry_after_ms,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
