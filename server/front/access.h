/* Who calls, what a method needs of them, and what of others' they may not see. Every method of every service
 * declares its need; what belongs to a single trading partner is asked about here alone.
 *
 * A caller is known by the token in its call's metadata ("authorization: Bearer TOKEN", RFC 6750
 * section 2.1), or where it sends none by the certificate of its connection. One that proves nothing is
 * refused, unless identities are not required: then it may do everything. */
#ifndef EPCISD_FRONT_ACCESS_H
#define EPCISD_FRONT_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/err.h"

struct call;
struct identities;

/* What a caller must be allowed to do. A method that declares none is not registered. */
enum need {
    NEED_UNDECLARED,
    NEED_NOTHING, /* anybody may: health, reflection */
    NEED_SUBMIT,  /* sends documents */
    NEED_READ,    /* sees documents, events, dead letters, master data */
    NEED_OPERATE, /* closes dead letters, keeps partners' records */
    NEED_AUDIT,   /* sees the ledger and its proofs */
    NEED_ADMIN,   /* makes and revokes identities */
};

enum { CALLER_NAME = 65, CALLER_PARTNER = 14 };

/* Who calls, as far as it is proved. Set before a byte of the body is read, and constant from then on. */
struct caller {
    char name[CALLER_NAME];       /* of the identity; "": none was given where none is asked for */
    char partner[CALLER_PARTNER]; /* GLN: sends and sees only what is this trading partner's, whose other
                                     GLNs count as well; "": whatever there is */
    bool note_due;                /* access_note has something to do */
};

/* Why a call is refused for who calls. */
enum access_refusal {
    ACCESS_GRANTED,
    ACCESS_NO_IDENTITY, /* neither token nor certificate */
    ACCESS_MALFORMED,   /* the header is no bearer token's */
    ACCESS_UNKNOWN_TOKEN,
    ACCESS_UNKNOWN_CERTIFICATE,
    ACCESS_EXPIRED,
    ACCESS_REVOKED,
    ACCESS_WRONG_ROLE,
};

/* By what callers are judged. The first two are set before calls come; the others are the loop's. */
struct access {
    struct identities *identities; /* NULL: there are none */
    bool required;                 /* a caller must prove one */
    int64_t log_due_ms;            /* of clock_steady_ms: when a refusal may be logged again */
    uint64_t refused, refused_logged;
};

/* Sets call->caller, or refuses in the reply. On the loop, before a byte of the body is asked for: nothing
 * here waits. Where it sets call->refused, access_log is to be called, on a pool thread. */
bool access_admit(struct call *call);

/* Logs the refusal, with how many there were since the last that was logged. */
void access_log(const struct call *call);

/* Has the time of the caller's last use written down, where that is due. Pool thread. */
void access_note(struct call *call);

/* Whether the caller may see what came from the trading partner `gln` ("": none known). ERR_NOT_FOUND: no;
 * answered as what does not exist, so that a stranger learns nothing. ERR_DISK, ERR_CORRUPT, ERR_LIMIT. Pool
 * thread. */
enum err access_sees(const struct call *call, const char *gln);

/* The trading partner under which the caller sends: the one it named, or where it named none its own, if it
 * has one. ERR_INPUT: it named another's, as the reply says. Otherwise as access_sees, and the reply says
 * so. Pool thread. */
enum err access_sender(struct call *call, const char *named, const char **out);

/* Who did it, for an audit entry: the caller's proved name, then in parentheses what the request said beside
 * it; the latter alone where no name is proved. NULL without memory. */
const char *access_who(const struct call *call, const char *said, struct arena *arena);

#endif
