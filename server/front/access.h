/* Who calls, what a method needs of them, and what of others' they may not see. Every method of every service
 * declares its need; what belongs to a single trading partner is asked about here alone. */
#ifndef EPCISD_FRONT_ACCESS_H
#define EPCISD_FRONT_ACCESS_H

#include <stdbool.h>

#include "common/base/arena.h"
#include "common/base/err.h"

struct call;

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
};

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
