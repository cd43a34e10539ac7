#include "common/epcis/event_hash.h"

#include <stdlib.h>
#include <string.h>

#include "common/epcis/event_text.h"
#include "common/epcis/hash_text.h"

struct event_hash {
    struct hash_text text;
};

struct event_hash *event_hash_new(void)
{
    return calloc(1, sizeof(struct event_hash));
}

void event_hash_free(struct event_hash *hash)
{
    if (!hash)
        return;
    hash_text_free(&hash->text);
    free(hash);
}

/* Begins a container that is taken back by close_container where nothing came into it. */
static inline size_t open_container(struct hash_text *hash, const char *key)
{
    hash_key(hash, key);
    return hash->text.length;
}

static inline void close_container(struct hash_text *hash, size_t opened, const char *key)
{
    if (hash->text.length == opened)
        hash->text.length -= strlen(key);
}

static void put_texts(struct hash_text *hash, const char *key, char *const *texts, size_t count)
{
    size_t mark = hash_list_begin(hash);
    for (size_t i = 0; i < count; i++) {
        size_t start = hash->text.length;
        hash_value(hash, key, texts[i]);
        hash_list_item(hash, start);
    }
    hash_list_end(hash, mark);
}

static void put_epcs(struct hash_text *hash, const char *key, char *const *epcs, size_t count)
{
    if (count == 0)
        return;
    size_t opened = open_container(hash, key);
    hash_epcs(hash, epcs, count);
    close_container(hash, opened, key);
}

static void put_quantities(struct hash_text *hash, const char *key,
                           Epcis__V1__QuantityElement *const *elements, size_t count)
{
    if (count == 0)
        return;
    static const char element_key[] = "quantityElement";
    size_t opened = open_container(hash, key), mark = hash_list_begin(hash);
    for (size_t i = 0; i < count; i++) {
        size_t start = hash->text.length, inside = open_container(hash, element_key);
        hash_value(hash, "epcClass", elements[i]->epc_class);
        hash_number(hash, "quantity", elements[i]->quantity);
        hash_value(hash, "uom", elements[i]->uom);
        hash_nodes(hash, elements[i]->extensions, elements[i]->n_extensions);
        close_container(hash, inside, element_key);
        hash_list_item(hash, start);
    }
    hash_list_end(hash, mark);
    close_container(hash, opened, key);
}

static void put_location(struct hash_text *hash, const char *key, const Epcis__V1__Location *location)
{
    if (!location)
        return;
    size_t opened = open_container(hash, key);
    hash_value(hash, "id", location->id);
    hash_nodes(hash, location->extensions, location->n_extensions);
    close_container(hash, opened, key);
}

static void put_words(struct hash_text *hash, const char *key, char *const *words, size_t count)
{
    size_t mark = hash_list_begin(hash);
    for (size_t i = 0; i < count; i++) {
        size_t start = hash->text.length;
        hash_word(hash, key, CBV_DISPOSITION, words[i]);
        hash_list_item(hash, start);
    }
    hash_list_end(hash, mark);
}

static void put_persistent_disposition(struct hash_text *hash,
                                       const Epcis__V1__PersistentDisposition *disposition)
{
    static const char key[] = "persistentDisposition";
    if (!disposition)
        return;
    size_t opened = open_container(hash, key);
    put_words(hash, "set", disposition->set, disposition->n_set);
    put_words(hash, "unset", disposition->unset, disposition->n_unset);
    close_container(hash, opened, key);
}

static void put_entry(struct hash_text *hash, const char *key, enum cbv_family family, const char *type,
                      const char *value)
{
    size_t start = hash->text.length;
    hash_word(hash, "type", family, type);
    hash_value(hash, key, value);
    hash_list_item(hash, start);
}

static void put_biz_transactions(struct hash_text *hash, const Epcis__V1__Event *event)
{
    if (event->n_biz_transaction_list == 0)
        return;
    hash_key(hash, "bizTransactionList");
    size_t mark = hash_list_begin(hash);
    for (size_t i = 0; i < event->n_biz_transaction_list; i++)
        put_entry(hash, "bizTransaction", CBV_BIZ_TYPE, event->biz_transaction_list[i]->type,
                  event->biz_transaction_list[i]->biz_transaction);
    hash_list_end(hash, mark);
}

static void put_sources(struct hash_text *hash, const Epcis__V1__Event *event)
{
    if (event->n_source_list == 0)
        return;
    hash_key(hash, "sourceList");
    size_t mark = hash_list_begin(hash);
    for (size_t i = 0; i < event->n_source_list; i++)
        put_entry(hash, "source", CBV_PARTY_TYPE, event->source_list[i]->type, event->source_list[i]->source);
    hash_list_end(hash, mark);
}

static void put_destinations(struct hash_text *hash, const Epcis__V1__Event *event)
{
    if (event->n_destination_list == 0)
        return;
    hash_key(hash, "destinationList");
    size_t mark = hash_list_begin(hash);
    for (size_t i = 0; i < event->n_destination_list; i++)
        put_entry(hash, "destination", CBV_PARTY_TYPE, event->destination_list[i]->type,
                  event->destination_list[i]->destination);
    hash_list_end(hash, mark);
}

static void put_sensor_metadata(struct hash_text *hash, const Epcis__V1__SensorMetadata *metadata)
{
    static const char key[] = "sensorMetadata";
    if (!metadata)
        return;
    size_t opened = open_container(hash, key);
    hash_time(hash, "time", metadata->time);
    hash_time(hash, "startTime", metadata->start_time);
    hash_time(hash, "endTime", metadata->end_time);
    hash_value(hash, "deviceID", metadata->device_id);
    hash_value(hash, "deviceMetadata", metadata->device_metadata);
    hash_value(hash, "rawData", metadata->raw_data);
    hash_value(hash, "dataProcessingMethod", metadata->data_processing_method);
    hash_value(hash, "bizRules", metadata->biz_rules);
    hash_nodes(hash, metadata->extensions, metadata->n_extensions);
    close_container(hash, opened, key);
}

static void put_sensor_report(struct hash_text *hash, const Epcis__V1__SensorReport *report)
{
    hash_word(hash, "type", CBV_GS1_TERM, report->type);
    hash_word(hash, "exception", CBV_GS1_TERM, report->exception);
    hash_value(hash, "deviceID", report->device_id);
    hash_value(hash, "deviceMetadata", report->device_metadata);
    hash_value(hash, "rawData", report->raw_data);
    hash_value(hash, "dataProcessingMethod", report->data_processing_method);
    hash_time(hash, "time", report->time);
    hash_value(hash, "microorganism", report->microorganism);
    hash_value(hash, "chemicalSubstance", report->chemical_substance);
    hash_number(hash, "value", report->value);
    hash_word(hash, "component", CBV_COMPONENT, report->component);
    hash_value(hash, "stringValue", report->string_value);
    hash_value(hash, "booleanValue", report->boolean_value);
    hash_value(hash, "hexBinaryValue", report->hex_binary_value);
    hash_value(hash, "uriValue", report->uri_value);
    hash_number(hash, "minValue", report->min_value);
    hash_number(hash, "maxValue", report->max_value);
    hash_number(hash, "meanValue", report->mean_value);
    hash_number(hash, "sDev", report->s_dev);
    hash_number(hash, "percRank", report->perc_rank);
    hash_number(hash, "percValue", report->perc_value);
    hash_value(hash, "uom", report->uom);
    hash_value(hash, "coordinateReferenceSystem", report->coordinate_reference_system);
    hash_nodes(hash, report->extensions, report->n_extensions);
}

static void put_sensor_element(struct hash_text *hash, const Epcis__V1__SensorElement *element)
{
    static const char report_key[] = "sensorReport";
    put_sensor_metadata(hash, element->sensor_metadata);
    size_t mark = hash_list_begin(hash);
    for (size_t i = 0; i < element->n_sensor_reports; i++) {
        size_t start = hash->text.length, opened = open_container(hash, report_key);
        put_sensor_report(hash, element->sensor_reports[i]);
        close_container(hash, opened, report_key);
        hash_list_item(hash, start);
    }
    hash_list_end(hash, mark);
    hash_nodes(hash, element->extensions, element->n_extensions);
}

static void put_sensor_elements(struct hash_text *hash, const Epcis__V1__Event *event)
{
    static const char key[] = "sensorElementList", element_key[] = "sensorElement";
    if (event->n_sensor_element_list == 0)
        return;
    size_t opened = open_container(hash, key), mark = hash_list_begin(hash);
    for (size_t i = 0; i < event->n_sensor_element_list; i++) {
        size_t start = hash->text.length, inside = open_container(hash, element_key);
        put_sensor_element(hash, event->sensor_element_list[i]);
        close_container(hash, inside, element_key);
        hash_list_item(hash, start);
    }
    hash_list_end(hash, mark);
    close_container(hash, opened, key);
}

static void put_ilmd(struct hash_text *hash, const Epcis__V1__Event *event)
{
    if (event->n_ilmd == 0)
        return;
    size_t opened = open_container(hash, "ilmd");
    hash_nodes(hash, event->ilmd, event->n_ilmd);
    close_container(hash, opened, "ilmd");
}

static void put_things(struct hash_text *hash, const Epcis__V1__Event *event)
{
    put_epcs(hash, "epcList", event->epc_list, event->n_epc_list);
    hash_value(hash, "parentID", event->parent_id);
    put_epcs(hash, "inputEPCList", event->input_epc_list, event->n_input_epc_list);
    put_epcs(hash, "childEPCs", event->child_epcs, event->n_child_epcs);
    put_quantities(hash, "quantityList", event->quantity_list, event->n_quantity_list);
    put_quantities(hash, "childQuantityList", event->child_quantity_list, event->n_child_quantity_list);
    put_quantities(hash, "inputQuantityList", event->input_quantity_list, event->n_input_quantity_list);
    put_epcs(hash, "outputEPCList", event->output_epc_list, event->n_output_epc_list);
    put_quantities(hash, "outputQuantityList", event->output_quantity_list, event->n_output_quantity_list);
}

/* CBV 8.9.1: the fields in the standard's order, which is the same for all kinds of events. */
static void put_event(struct hash_text *hash, const Epcis__V1__Event *event)
{
    const char *action = event_action_name(event->action);
    hash_value(hash, "eventType", event_type_name(event->type));
    hash_time(hash, "eventTime", event->event_time);
    if (event->event_time_zone_offset[0]) {
        hash_key(hash, "eventTimeZoneOffset=");
        hash_key(hash, event->event_time_zone_offset);
    }
    put_texts(hash, "certificationInfo", event->certification_info, event->n_certification_info);
    put_things(hash, event);
    hash_value(hash, "action", action[0] ? action : event->action_text);
    hash_value(hash, "transformationID", event->transformation_id);
    hash_word(hash, "bizStep", CBV_BIZ_STEP, event->biz_step);
    hash_word(hash, "disposition", CBV_DISPOSITION, event->disposition);
    put_persistent_disposition(hash, event->persistent_disposition);
    put_location(hash, "readPoint", event->read_point);
    put_location(hash, "bizLocation", event->biz_location);
    put_biz_transactions(hash, event);
    put_sources(hash, event);
    put_destinations(hash, event);
    put_sensor_elements(hash, event);
    put_ilmd(hash, event);
    hash_nodes(hash, event->extensions, event->n_extensions);
}

static enum err write_text(struct hash_text *hash, const Epcis__V1__Event *event, bool join_mda)
{
    buffer_clear(&hash->text);
    buffer_clear(&hash->spans);
    hash->join_mda = join_mda;
    hash->mda_with_colon = false;
    put_event(hash, event);
    return hash->text.failed || hash->spans.failed ? ERR_MEMORY : ERR_OK;
}

enum err event_hash_compute(struct event_hash *hash, const Epcis__V1__Event *event, uint8_t out[DIGEST_BYTES],
                            uint8_t content[DIGEST_BYTES])
{
    if (write_text(&hash->text, event, false) != ERR_OK)
        return ERR_MEMORY;
    digest_of(hash->text.text.data, hash->text.text.length, out);
    memcpy(content, out, DIGEST_BYTES);
    if (!hash->text.mda_with_colon)
        return ERR_OK;
    if (write_text(&hash->text, event, true) != ERR_OK)
        return ERR_MEMORY;
    digest_of(hash->text.text.data, hash->text.text.length, content);
    return ERR_OK;
}

const char *event_hash_prehash(struct event_hash *hash, const Epcis__V1__Event *event)
{
    if (write_text(&hash->text, event, false) != ERR_OK)
        return NULL;
    buffer_append(&hash->text.text, "", 1);
    return hash->text.text.failed ? NULL : (const char *)hash->text.text.data;
}

void event_hash_text(const uint8_t hash[DIGEST_BYTES], char out[EVENT_HASH_TEXT])
{
    static const char before[] = "ni:///sha-256;", after[] = "?ver=CBV2.0";
    memcpy(out, before, sizeof before - 1);
    digest_hex(hash, DIGEST_BYTES, out + sizeof before - 1);
    memcpy(out + sizeof before - 1 + DIGEST_HEX, after, sizeof after);
}
