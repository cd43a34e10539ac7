/* The `work` of every method that takes a small request and answers with one message. */
#ifndef EPCISD_FRONT_QUERY_H
#define EPCISD_FRONT_QUERY_H

#include "server/front/call.h"

/* Reads the request as method->request tells, hands it to method->answer and packs what comes back. A
 * request's strings are known to be UTF-8 without a NUL by then. Pool thread. */
enum call_next query_work(struct call *call, struct arena *arena);

/* The first half of it, for methods that answer later: NULL, and the reply says why. */
const ProtobufCMessage *query_read(struct call *call, struct arena *arena);

#endif
