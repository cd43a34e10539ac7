#include "worker/finder.h"

#include "common/gs1/epc.h"

void finder_init(struct finder *finder, struct work *work, struct work_event *event)
{
    *finder = (struct finder){.work = work, .event = event};
    rules_report_init(&finder->report, &work->arena);
}

enum err finder_unpack(struct finder *finder)
{
    const struct batch_item *item = finder->event->item;
    if (finder->unpacked)
        return ERR_OK;
    arena_reset(&finder->work->scratch);
    finder->unpacked = work_unpack(&finder->work->scratch, item->event, item->content_bytes);
    return finder->unpacked ? ERR_OK : ERR_MEMORY;
}

enum err finder_epc(struct finder *finder, const struct work_ref *ref, struct rules_epc *out)
{
    enum err err = finder_unpack(finder);
    if (err)
        return err;
    const Epcis__V1__Event *event = finder->unpacked;
    *out = (struct rules_epc){.text = "", .list = (enum rules_list)ref->list, .index = ref->index};
    switch (out->list) {
    case RULES_PARENT_ID:
        out->text = event->parent_id;
        break;
    case RULES_EPC_LIST:
        if (ref->index < event->n_epc_list) /* none where the event names no EPC */
            out->text = event->epc_list[ref->index];
        break;
    case RULES_CHILD_EPCS:
        out->text = event->child_epcs[ref->index];
        break;
    case RULES_INPUT_EPCS:
        out->text = event->input_epc_list[ref->index];
        break;
    case RULES_OUTPUT_EPCS:
        out->text = event->output_epc_list[ref->index];
        break;
    }
    return ERR_OK;
}

const char *finder_key_text(struct store_text key, char out[FINDER_TEXT])
{
    epc_key_text(key.data, key.length, out, FINDER_TEXT);
    return out;
}
