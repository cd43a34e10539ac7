/* Answers libzmq's question whether a peer that proved to have a key may come in (ZAP, RFC 27). It has to be
 * open before the sockets that it guards are bound, in the same context: libzmq lets nobody in while it is
 * not there. The thread of the sockets. */
#ifndef EPCISD_WIRE_GATE_H
#define EPCISD_WIRE_GATE_H

#include "common/base/err.h"
#include "common/wire/allow_list.h"
#include "common/wire/refusals.h"

/* What guarded sockets have as ZMQ_ZAP_DOMAIN. */
#define GATE_DOMAIN "epcisd"

/* The list and the refusals outlive the socket, which is to be polled for input, and closed. ERR_SYSTEM:
 * errno says why. */
enum err gate_open(void *context, void **socket);

/* Answers what waits, up to a bound; never waits. Whatever is not understood is refused. */
void gate_answer(void *socket, struct allow_list *list, struct refusals *refusals);

#endif
