/* Text from outside that has to be UTF-8. */
#ifndef EPCISD_BASE_UTF8_H
#define EPCISD_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Length of the UTF-8 sequence at `text`, 0 where there is none (RFC 3629: no overlong form, no
 * surrogate, nothing above U+10FFFF). A NUL ends every sequence early, so nothing behind it is read. */
size_t utf8_length(const unsigned char *text);

/* Whether no byte of these is above 0x7f: a quick look that makes closer ones needless. */
bool utf8_is_ascii(const void *bytes, size_t length);

/* Makes each byte that belongs to no sequence a "?". */
void utf8_mend(char *text);

#endif
