/* The namespace of what is written beside an exported dead letter's event: why it was refused. It is no part
 * of the event, and left out where the event comes back corrected. */
#ifndef EPCISD_EPCIS_ANNOTATION_H
#define EPCISD_EPCIS_ANNOTATION_H

#define ANNOTATION_URI    "urn:epcisd:dead-letter:"
#define ANNOTATION_PREFIX "epcisd"

#endif
