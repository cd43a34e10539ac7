/* Requests of every method, as they come in: the first line names the method,
 * "epcis.v1.TraceService/GetEvent", the rest is the message. All go through the reader that the server uses;
 * those that only ask are answered as well, out of a journal and a store that hold a little, to a caller who
 * may see all and to one who may see nothing of it, so that page tokens and cursors are read, too. */
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/grpc.h>

#include "server/front/health.h"
#include "server/front/limits.h"
#include "server/front/loop.h"
#include "server/front/query.h"
#include "server/front/reflection.h"
#include "server/front/svc_acknowledgment.h"
#include "server/front/svc_audit.h"
#include "server/front/svc_capture.h"
#include "server/front/svc_capture_list.h"
#include "server/front/svc_dead_letter.h"
#include "server/front/svc_identity.h"
#include "server/front/svc_ledger.h"
#include "server/front/svc_master_data.h"
#include "server/front/svc_partner.h"
#include "server/front/svc_rejudge.h"
#include "server/front/svc_replay.h"
#include "server/front/svc_server.h"
#include "server/front/svc_trace.h"
#include "server/front/svc_upload.h"
#include "server/ingest.h"
#include "server/journal.h"
#include "tests/component/synthetic.h"
#include "worker/commit.h"

enum { MAP_BYTES = 256 << 20, EVENTS = 3, PATH_MAX_BYTES = 128 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/epcisd-fuzz-XXXXXX";
static struct loop loop;
static struct arena arena;

static void must(bool condition)
{
    if (!condition)
        abort();
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

static void clean_up(void)
{
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* One item with a history, in a container. */
static void fill_store(void)
{
    struct commit *commit;
    struct synthetic made;
    struct synthetic_chain chain = {.partition = 3};
    struct buffer frame = {0};
    const struct buffer *frames[] = {&frame};
    struct commit_result result;
    struct commit_config config = {.store = loop.services.store,
                                   .worker_id = "fuzz:1",
                                   .profile = RULES_EPCIS,
                                   .memory_bytes = 256 << 20};
    must(!commit_open(&config, &commit));
    synthetic_init(&made);
    synthetic_segment(&made, 1, 0);
    synthetic_add(&made,
                  synthetic_commission(&arena, 0, "L1", "2027-01-31", (const char *const[]){"a", "b", NULL}));
    for (int i = 1; i <= EVENTS; i++) {
        Epcis__V1__Event *event = synthetic_event(&arena, EPCIS__V1__EVENT_TYPE__EVENT_TYPE_AGGREGATION,
                                                  EPCIS__V1__ACTION__ACTION_ADD, "packing", i);
        event->parent_id = synthetic_sscc(&arena, 1);
        event->child_epcs = synthetic_list(&arena, 2);
        event->n_child_epcs = 2;
        event->child_epcs[0] = synthetic_sgtin(&arena, 10001, "a");
        event->child_epcs[1] = synthetic_sgtin(&arena, 10001, "b");
        synthetic_add(&made, event);
    }
    synthetic_pack(&made, &chain, &frame);
    must(!commit_frames(commit, frames, 1, &result) && result.committed == EVENTS + 1);
    synthetic_free(&made);
    buffer_free(&frame);
    commit_close(&commit);
}

static void note_done(void *context, enum err err, const struct receipt *receipt, const struct refusal *why)
{
    (void)receipt, (void)why;
    must(!err);
    atomic_store((atomic_bool *)context, true);
}

static void ignore_received(void *context, uint64_t number, uint32_t partition, uint64_t upload)
{
    (void)context, (void)number, (void)partition, (void)upload;
}

static void fill_journal(void)
{
    atomic_bool done = false;
    struct ingest_document *document;
    must(!ingest_open(loop.services.ingest, "0614141000005", &document));
    must(!ingest_append(document, "<a/>", 4));
    ingest_finish(&document, note_done, &done);
    while (!atomic_load(&done))
        ;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char journal_dir[64], url[64];
    (void)argc, (void)argv;
    must(mkdtemp(folder) != NULL);
    atexit(clean_up);
    grpc_init();
    arena_init(&arena, front_limits_default.arena_bytes);
    snprintf(journal_dir, sizeof journal_dir, "%s/journal", folder);
    snprintf(url, sizeof url, "lmdb:%s/store", folder);
    must(!journal_open(journal_dir, MAP_BYTES, &loop.services.journal));
    must(!store_open(url, MAP_BYTES, &loop.services.store));
    must(!ingest_init(loop.services.journal, NULL, ignore_received, NULL, &loop.services.ingest));
    fill_store();
    fill_journal();
    arena_reset(&arena);
    return 0;
}

static const struct method *find_method(const char *path)
{
    const struct {
        const struct method *methods;
        size_t count;
    } services[] = {
        {svc_capture_methods, svc_capture_count},
        {svc_upload_methods, svc_upload_count},
        {svc_capture_list_methods, svc_capture_list_count},
        {svc_trace_methods, svc_trace_count},
        {svc_dead_letter_methods, svc_dead_letter_count},
        {svc_master_data_methods, svc_master_data_count},
        {svc_partner_methods, svc_partner_count},
        {svc_acknowledgment_methods, svc_acknowledgment_count},
        {svc_audit_methods, svc_audit_count},
        {svc_ledger_methods, svc_ledger_count},
        {svc_replay_methods, svc_replay_count},
        {svc_rejudge_methods, svc_rejudge_count},
        {svc_identity_methods, svc_identity_count},
        {svc_server_methods, svc_server_count},
        {health_methods, health_count},
        {reflection_methods, reflection_count},
    };
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++)
        for (size_t n = 0; n < services[i].count; n++)
            if (strcmp(services[i].methods[n].path + 1, path) == 0)
                return &services[i].methods[n];
    return NULL;
}

/* Asks only, and of nothing but journal and store. */
static bool is_answered(const struct method *method)
{
    static const char *const others[] = {"ServerService", "ExportLedger", "Replay", "Rejudge"};
    if (method->need != NEED_NOTHING && method->need != NEED_READ && method->need != NEED_AUDIT)
        return false;
    if (method->room != ROOM_QUERIES)
        return false;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strstr(method->path, others[i]))
            return false;
    return true;
}

static void ask(const struct method *method, const char *partner, const uint8_t *data, size_t size)
{
    /* In two slices, so that what is read crosses from one to the other. */
    size_t half = size / 2;
    grpc_slice slices[] = {grpc_slice_from_copied_buffer((const char *)data, half),
                           grpc_slice_from_copied_buffer((const char *)data + half, size - half)};
    struct call call = {.services = &loop.services, .loop = &loop, .method = method, .asked = true};
    snprintf(call.caller.partner, sizeof call.caller.partner, "%s", partner);
    call.request = grpc_raw_byte_buffer_create(slices, 2);
    if (is_answered(method)) {
        enum call_next next = method->work(&call, &arena);
        must(next == CALL_ANSWER || next == CALL_SEND || next == CALL_PARK);
        must(next != CALL_ANSWER || call.reply.message || call.reply.status != GRPC_STATUS_OK);
        if (call.state)
            method->drop(&call);
        must(!call.state);
    } else if (!query_read(&call, &arena)) {
        must(call.reply.status == GRPC_STATUS_INVALID_ARGUMENT ||
             call.reply.status == GRPC_STATUS_RESOURCE_EXHAUSTED);
    }
    must(memchr(call.reply.details, '\0', sizeof call.reply.details) != NULL);
    call_drop_request(&call);
    reply_free(&call.reply);
    grpc_slice_unref(slices[0]);
    grpc_slice_unref(slices[1]);
    arena_reset(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[PATH_MAX_BYTES];
    const uint8_t *end = memchr(data, '\n', size < sizeof path ? size : sizeof path);
    if (!end)
        return -1; /* not worth keeping */
    memcpy(path, data, (size_t)(end - data));
    path[end - data] = '\0';
    const struct method *method = find_method(path);
    if (!method || !method->request)
        return -1;
    size -= (size_t)(end + 1 - data);
    ask(method, "", end + 1, size);
    ask(method, "0614141000012", end + 1, size);
    return 0;
}
