/* gRPC's listener stops listening for good after one accept4() that fails for want of descriptors. So the
 * program has an accept4() of its own, which the dynamic linker prefers to the C library's: where there is
 * no descriptor left it takes the connection with one of a few held in reserve, closes it, and tells the
 * caller that nothing is waiting. The client sees its connection closed and tries again. */
#ifndef EPCISD_FRONT_ACCEPT4_H
#define EPCISD_FRONT_ACCEPT4_H

#include "common/base/err.h"

/* Takes the descriptors in reserve; further calls make up for lost ones. ERR_SYSTEM. */
enum err accept4_reserve(void);

#endif
