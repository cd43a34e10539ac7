/* Looks things up in the definitions of the public services, which are part of the program: a serialized
 * google.protobuf.FileDescriptorSet, read where it lies. Any thread, nothing is kept. */
#ifndef EPCISD_FRONT_DESCRIPTORS_H
#define EPCISD_FRONT_DESCRIPTORS_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

/* The serialized FileDescriptorProto of that name. ERR_NOT_FOUND. */
enum err descriptors_file(const char *name, const uint8_t **data, size_t *length);

/* The one that defines that message, enum, service or method, by its full name. ERR_NOT_FOUND. */
enum err descriptors_symbol(const char *symbol, const uint8_t **data, size_t *length);

#endif
