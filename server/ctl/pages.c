#include "server/ctl/pages.h"

static char *token_behind(const ProtobufCMessage *page)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(page->descriptor, "next_page_token");
    return *(char **)(void *)((char *)(uintptr_t)page + field->offset);
}

bool pages_next(struct pages *pages, void *out)
{
    ProtobufCMessage *last = pages->page;
    struct client_status status;
    pages->page = NULL;
    if (last)
        *pages->token = token_behind(last);
    if (!last || (pages->code == CTL_OK && !pages->enough && (*pages->token)[0])) {
        client_call(pages->client, pages->method, pages->request, pages->type, pages->deadline_ms,
                    &pages->page, &status);
        if (!pages->page)
            pages->code = ctl_call_failed(pages->common, pages->what, &status);
    }
    *pages->token = (char *)(uintptr_t)protobuf_c_empty_string; /* it was the last page's */
    if (last)
        protobuf_c_message_free_unpacked(last, NULL);
    *(ProtobufCMessage **)out = pages->page;
    return pages->page;
}
