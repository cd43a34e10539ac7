/* `epcisctl dead-letters export`: one EPCIS 2.0 JSON-LD document, written as the dead letters come. */
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/json_text.h"
#include "common/epcis/annotation.h"
#include "common/epcis/event_text.h"
#include "server/ctl/dead_letters.h"
#include "server/ctl/letter.h"
#include "server/ctl/output.h"

struct export
{
    struct buffer out;
    struct buffer unreadable; /* they stand behind the events, not among them */
    bool any_event;
};

static void append_head(struct buffer *out)
{
    Epcis__V1__Time now = EPCIS__V1__TIME__INIT;
    char time[EVENT_TIME_TEXT];
    now.seconds = clock_wall_ms() / 1000;
    event_time_text(&now, time);
    buffer_append_text(out,
                       "{\"@context\": [\"https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld\", "
                       "{\"" ANNOTATION_PREFIX "\": \"" ANNOTATION_URI "\"}],\n"
                       "\"type\": \"EPCISDocument\", \"schemaVersion\": \"2.0\", \"creationDate\": ");
    json_append_string(out, time);
    buffer_append_text(out, ",\n\"epcisBody\": {\"eventList\": [\n");
}

static int export_one(const struct letters_command *command, struct export *export, const char *id)
{
    Epcis__V1__GetDeadLetterResponse *found = letters_get(command, id);
    if (!found)
        return CTL_ERROR;
    size_t length = export->out.length;
    buffer_append_text(&export->out, export->any_event ? ",\n" : "");
    if (letter_append_event(&export->out, found->dead_letter)) {
        export->any_event = true;
    } else {
        export->out.length = length;
        buffer_append_text(&export->unreadable, export->unreadable.length ? ",\n" : "");
        letter_append_unreadable(&export->unreadable, found->dead_letter);
    }
    epcis__v1__get_dead_letter_response__free_unpacked(found, NULL);
    return output_flush(&export->out) ? CTL_ERROR : CTL_OK;
}

static int export_page(const struct letters_command *command, const Epcis__V1__ListDeadLettersResponse *page,
                       void *context)
{
    int code = CTL_OK;
    for (size_t i = 0; i < page->n_dead_letters && code == CTL_OK; i++)
        code = export_one(command, context, page->dead_letters[i]->dead_letter_id);
    return code;
}

int letters_export(const struct letters_command *command)
{
    struct export export = {0};
    if (command->id_count > 0)
        options_fail("epcisctl dead-letters", "unexpected argument '%s': export takes filters",
                     command->ids[0]);
    append_head(&export.out);
    int code = letters_each_page(command, export_page, &export);
    if (code == CTL_OK) {
        buffer_append_text(&export.out, "\n]}");
        if (export.unreadable.length) {
            buffer_append_text(&export.out, ",\n\"" ANNOTATION_PREFIX ":unreadable\": [\n");
            buffer_append(&export.out, export.unreadable.data, export.unreadable.length);
            buffer_append_text(&export.out, "\n]");
        }
        buffer_append_text(&export.out, "}\n");
        export.out.failed |= export.unreadable.failed;
        code = output_flush(&export.out) ? CTL_ERROR : CTL_OK;
    }
    buffer_free(&export.out);
    buffer_free(&export.unreadable);
    return code;
}
