/* Unpacks messages from protobuf form into an arena: what protobuf_c_message_unpack gives, at a third of its
 * cost, where fields stand in order and are known, as pack.h writes them. Anything else is left to
 * protobuf-c. For the messages that pack.h packs. Not for sharing between threads. */
#ifndef EPCISD_BASE_UNPACK_H
#define EPCISD_BASE_UNPACK_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"

/* NULL: it is no such message, or the arena's budget or memory is spent. Nothing borrows from `data`. */
ProtobufCMessage *unpack_message(const ProtobufCMessageDescriptor *type, struct arena *arena,
                                 const uint8_t *data, size_t bytes);

#endif
