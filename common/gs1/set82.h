/* GS1 AI encodable character set 82 (General Specifications 7.11) and its percent-encoding in URIs.
 * Internal to common/gs1. */
#ifndef EPCISD_GS1_SET82_H
#define EPCISD_GS1_SET82_H

#include <stdbool.h>
#include <stddef.h>

enum { SET82_MAX = 20 }; /* characters of a serial, lot or GLN extension */

/* Decodes `length` bytes of a URN (`urn`) or of a Digital Link's path segment. Returns the number of
 * characters, or 0 where these are not 1 to SET82_MAX characters of the set: a bad escape, a
 * character outside the set, or one that may only stand percent-encoded. */
size_t set82_decode(const char *text, size_t length, bool urn, char out[SET82_MAX]);

/* The same without the characters, for values of up to `most` of them. */
bool set82_ok(const char *text, size_t length, bool urn, size_t most);

/* The same of a component and part reference in a URN, which may hold '#' as well, escaped (TDS: CPI). */
bool set82_component_ok(const char *text, size_t length, size_t most);

/* Writes `count` characters in the spelling that canonical Digital Link URIs use; returns the bytes
 * written, at most 3 * count. */
size_t set82_encode(const char *characters, size_t count, char *out);

/* True for 1 to SET82_MAX characters that stand as they are in a URN and in the canonical Digital Link. */
bool set82_plain(const char *text, size_t length);

/* How many bytes of a URN's text stand, from its start on, in the hash's canonical form as they are; the one
 * behind them is escaped there though the URN need not. */
size_t set82_span_in_link(const char *text, size_t length);

#endif
