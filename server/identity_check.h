/* What an identity's fields must be. */
#ifndef EPCISD_SERVER_IDENTITY_CHECK_H
#define EPCISD_SERVER_IDENTITY_CHECK_H

#include "server/identities.h"

/* ERR_INPUT: `why` says which field is wrong, and what would be right. */
enum err identity_check(const Epcis__V1__Identity *identity, int64_t now_ms, char why[IDENTITY_WHY]);

/* Of a token to come. */
enum err identity_check_expiry(int64_t expires_ms, int64_t now_ms, char why[IDENTITY_WHY]);

/* One bit a role. */
unsigned identity_roles(const Epcis__V1__Identity *identity);

#endif
