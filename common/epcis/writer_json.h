/* What the parts of the JSON writer share. All of it appends to the writer's text, or to `out`. Internal to
 * the writer. */
#ifndef EPCISD_EPCIS_WRITER_JSON_H
#define EPCISD_EPCIS_WRITER_JSON_H

#include "common/epcis/cbv.h"
#include "common/epcis/writer_parts.h"

/* `,"key":` - every object written here starts with a member of its own kind, so a comma always fits. */
void writer_json_key(struct buffer *out, const char *name);

/* Nothing for an empty value, an absent time or an empty list. */
void writer_json_text_member(struct buffer *out, const char *name, const char *value);
void writer_json_number_member(struct buffer *out, const char *name, const char *value);
void writer_json_time_member(struct buffer *out, const char *name, const Epcis__V1__Time *time);
void writer_json_list_member(struct buffer *out, const char *name, char *const *values, size_t count);

/* The same for words. One that is not listed, and so must be a URI here, becomes the URI that it is short
 * for. */
void writer_json_word_member(struct buffer *out, const char *name, enum cbv_family family, const char *word);
void writer_json_word_list_member(struct buffer *out, const char *name, enum cbv_family family,
                                  char *const *words, size_t count);

/* Prefixes that an event's extensions need and the document does not declare go into its @context. */
void writer_json_declare_nodes(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count);

/* The members of an object, without its braces. */
void writer_json_members(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count);

/* Extensions behind an object's own members. */
void writer_json_extension_members(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count);

#endif
