/* The parts of an uncompressed GS1 Digital Link URI (URI Syntax 1.4, section 4). Internal to
 * common/gs1. */
#ifndef EPCISD_GS1_DIGITAL_LINK_H
#define EPCISD_GS1_DIGITAL_LINK_H

#include "common/gs1/epc.h"

/* A slice of the URI's path between two slashes. */
struct link_part {
    const char *text;
    size_t length;
};

struct digital_link {
    const char *ai;         /* of the primary key: "01", whichever way the URI names it */
    struct link_part value; /* of the primary key, still percent-encoded */
    const char *rest;       /* behind that value: "" or "/10/ABC…" */
    size_t rest_length;
    bool well_formed; /* the value has the form that the AI demands; check digits are not looked at */
};

/* False where the URI's path holds no primary key. In a domain other than id.gs1.org a key counts only
 * where its value looks like one, as any path may have a segment "01". Query and fragment are cut. */
bool digital_link_split(const char *text, size_t length, struct digital_link *out);

/* Takes the next segment off rest; false at the end. */
bool digital_link_next(const char **rest, size_t *length, struct link_part *out);

/* The application identifier that a segment names ("10" for "10" and "lot"); NULL: none known here. */
const char *digital_link_qualifier(const struct link_part *name);

#endif
