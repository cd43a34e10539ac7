#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/digest.h"
#include "common/base/json_text.h"
#include "common/epcis/event_text.h"
#include "server/ctl/audit_keys.h"
#include "server/ctl/audit_ledger.h"
#include "server/ctl/audit_receipt.h"
#include "server/ctl/client.h"
#include "server/ctl/ctl.h"
#include "server/ctl/output.h"
#include "server/ctl/pages.h"

static const char usage[] =
    "Usage: epcisctl audit [OPTIONS] keys\n"
    "       epcisctl audit [OPTIONS] rotate-key\n"
    "       epcisctl audit [OPTIONS] checkpoints\n"
    "       epcisctl audit [OPTIONS] verify-receipt FILE\n"
    "       epcisctl audit [OPTIONS] export|batches [--partition N] [--from TIME] [--to TIME]\n"
    "       epcisctl audit [OPTIONS] batch PARTITION/SEQUENCE\n"
    "       epcisctl audit [OPTIONS] prove EVENT\n"
    "\n"
    "  keys            the public keys that receipts and checkpoints are signed with\n"
    "  rotate-key      makes a new signing key; what was signed before verifies as before\n"
    "  checkpoints     signed statements of how far everything had come, newest first\n"
    "  verify-receipt  whether receipts are as the server signed them; FILE is what\n"
    "                  'epcisctl capture --json' printed, - standard input\n"
    "  export          the ledger as a file that scripts/verify-ledger checks without a server:\n"
    "                  all of it, or what concerns documents received from --from on, before --to\n"
    "  batches         its batches, or those decided from --from on and before --to\n"
    "  batch           one of them with its items\n"
    "  prove           that an event is in the ledger. EVENT is CAPTURE_ID/NUMBER, counted from 0,\n"
    "                  or the sequence of a committed event; with --json for verify-ledger\n"
    "\n"
    "verify-receipt asks the server for its keys, and says so where one is not the one that signs\n"
    "at a receipt's place. With --key FILE (a public key in PEM, or 64 hexadecimal digits) no\n"
    "server is needed.\n"
    "\n"
    "Examples:\n"
    "  epcisctl capture --json shipment.xml > receipt.json\n"
    "  epcisctl audit verify-receipt receipt.json\n"
    "  epcisctl audit keys --json | jq -r .public_key > server.key\n"
    "  epcisctl audit verify-receipt --key server.key receipt.json\n"
    "  epcisctl audit export --from 2025-01-01 > ledger.jsonl && scripts/verify-ledger ledger.jsonl\n"
    "  epcisctl audit prove --json 0197c3a2-5b1e-7c44-9d0f-3f6a8f1f2b10/7 > proof.json\n"
    "\n"
    "Exit codes: 0 done, all receipts are genuine, 3 a receipt is not, 1 error, 2 wrong usage.\n";

struct run {
    struct ctl_common common;
    const char *by, *key_file, *word;
    struct audit_scope scope;
    struct client *client;
    int64_t deadline_ms;
    struct buffer out;
};

/* NULL: it failed, and that was told. */
static ProtobufCMessage *call(struct run *run, const char *method, const ProtobufCMessage *request,
                              const ProtobufCMessageDescriptor *response_type)
{
    struct client_status status;
    ProtobufCMessage *response;
    client_call(run->client, method, request, response_type, run->deadline_ms, &response, &status);
    if (!response)
        ctl_call_failed(&run->common, "audit", &status);
    return response;
}

static void append_hex(struct buffer *out, ProtobufCBinaryData bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        buffer_printf(out, "%02x", bytes.data[i]);
}

static void append_time(struct buffer *out, int64_t ms)
{
    char text[EVENT_TIME_TEXT];
    Epcis__V1__Time time = EPCIS__V1__TIME__INIT;
    time.seconds = ms / 1000;
    event_time_text(&time, text);
    buffer_append_text(out, text);
}

/* ---- keys ------------------------------------------------------------------------------------------- */

static void print_key(struct run *run, const Epcis__V1__SigningKey *key)
{
    Epcis__V1__KeyStatement *statement =
        epcis__v1__key_statement__unpack(NULL, key->statement.len, key->statement.data);
    if (!statement)
        return;
    if (run->common.json) {
        buffer_append_text(&run->out, "{\"key_id\": ");
        json_append_string(&run->out, key->key_id);
        buffer_printf(&run->out, ", \"number\": %" PRIu64 ", \"public_key\": \"", statement->number);
        append_hex(&run->out, key->public_key);
        buffer_printf(&run->out,
                      "\", \"created_ms\": %" PRId64 ", \"first_document\": %" PRIu64 ", \"requested_by\": ",
                      statement->created_ms, statement->first_document);
        json_append_string(&run->out, statement->requested_by);
        buffer_append_text(&run->out, "}\n");
    } else {
        buffer_printf(&run->out, "key %" PRIu64 "  %s  since ", statement->number, key->key_id);
        append_time(&run->out, statement->created_ms);
        buffer_printf(&run->out, ", document %" PRIu64, statement->first_document);
        if (statement->requested_by[0]) {
            buffer_append_text(&run->out, ", asked for by ");
            output_foreign_text(&run->out, statement->requested_by);
        }
        buffer_append_text(&run->out, "\n  public  ");
        append_hex(&run->out, key->public_key);
        buffer_append_text(&run->out, "\n");
    }
    epcis__v1__key_statement__free_unpacked(statement, NULL);
}

static int keys(struct run *run)
{
    struct audit_keys keys;
    int code = audit_keys_load(&keys, &run->common, run->client, run->deadline_ms);
    for (size_t i = 0; code == CTL_OK && i < keys.count; i++)
        print_key(run, keys.keys[i]);
    audit_keys_free(&keys);
    return code == CTL_OK && output_flush(&run->out) ? CTL_ERROR : code;
}

static int rotate_key(struct run *run)
{
    Epcis__V1__RotateKeyRequest request = EPCIS__V1__ROTATE_KEY_REQUEST__INIT;
    request.requested_by = (char *)(uintptr_t)run->by;
    Epcis__V1__RotateKeyResponse *response = (Epcis__V1__RotateKeyResponse *)call(
        run, "/epcis.v1.AuditService/RotateKey", &request.base, &epcis__v1__rotate_key_response__descriptor);
    if (!response)
        return CTL_ERROR;
    print_key(run, response->key);
    epcis__v1__rotate_key_response__free_unpacked(response, NULL);
    return output_flush(&run->out) ? CTL_ERROR : CTL_OK;
}

/* ---- checkpoints ------------------------------------------------------------------------------------ */

static void print_checkpoint(struct run *run, const Epcis__V1__SignedCheckpoint *signed_one)
{
    uint8_t digest[DIGEST_BYTES];
    struct buffer *out = &run->out;
    Epcis__V1__Checkpoint *checkpoint =
        epcis__v1__checkpoint__unpack(NULL, signed_one->checkpoint.len, signed_one->checkpoint.data);
    if (!checkpoint)
        return;
    digest_of(signed_one->checkpoint.data, signed_one->checkpoint.len, digest);
    uint64_t partitions = checkpoint->partition_count, batches = checkpoint->batches,
             acknowledged = checkpoint->acknowledged;
    for (size_t i = 0; !checkpoint->partition_count && i < checkpoint->n_partitions; i++) {
        partitions++;
        batches += checkpoint->partitions[i]->last_sequence;
        acknowledged += checkpoint->partitions[i]->acknowledged_sequence;
    }
    if (run->common.json) {
        buffer_printf(out,
                      "{\"number\": %" PRIu64 ", \"made_ms\": %" PRId64 ", \"key_id\": ", checkpoint->number,
                      checkpoint->made_ms);
        json_append_string(out, checkpoint->key_id);
        buffer_printf(out,
                      ", \"last_document\": %" PRIu64 ", \"partitions\": %" PRIu64 ", \"batches\": %" PRIu64
                      ", \"acknowledged\": %" PRIu64 ", \"sha256\": \"",
                      checkpoint->last_document, partitions, batches, acknowledged);
        append_hex(out, (ProtobufCBinaryData){sizeof digest, digest});
        buffer_append_text(out, "\", \"checkpoint\": \"");
        append_hex(out, signed_one->checkpoint);
        buffer_append_text(out, "\", \"signature\": \"");
        append_hex(out, signed_one->signature);
        buffer_append_text(out, "\"}\n");
    } else {
        buffer_printf(out, "checkpoint %" PRIu64 "  ", checkpoint->number);
        append_time(out, checkpoint->made_ms);
        buffer_printf(out,
                      "  key %s  document %" PRIu64 ", %" PRIu64 " batches in %" PRIu64
                      " partitions, %" PRIu64 " acknowledged\n  sha256  ",
                      checkpoint->key_id, checkpoint->last_document, batches, partitions, acknowledged);
        append_hex(out, (ProtobufCBinaryData){sizeof digest, digest});
        buffer_append_text(out, "\n");
    }
    epcis__v1__checkpoint__free_unpacked(checkpoint, NULL);
}

static int checkpoints(struct run *run)
{
    enum { PAGE = 100 };
    Epcis__V1__ListCheckpointsRequest request = EPCIS__V1__LIST_CHECKPOINTS_REQUEST__INIT;
    Epcis__V1__ListCheckpointsResponse *page;
    struct pages pages = {.common = &run->common,
                          .client = run->client,
                          .deadline_ms = run->deadline_ms,
                          .what = "audit",
                          .method = "/epcis.v1.AuditService/ListCheckpoints",
                          .request = &request.base,
                          .token = &request.page_token,
                          .type = &epcis__v1__list_checkpoints_response__descriptor};
    request.newest_first = true;
    request.page_size = PAGE;
    while (pages_next(&pages, &page)) {
        for (size_t i = 0; i < page->n_checkpoints; i++)
            print_checkpoint(run, page->checkpoints[i]);
        pages.code = output_flush(&run->out) ? CTL_ERROR : CTL_OK;
    }
    return pages.code;
}

/* ---- the command line ------------------------------------------------------------------------------- */

static int verify_receipt(struct run *run)
{
    struct audit_keys keys = {0};
    int code = run->key_file ? audit_keys_read(&keys, run->key_file)
                             : audit_keys_load(&keys, &run->common, run->client, run->deadline_ms);
    if (code == CTL_OK)
        code = audit_receipt_verify(&keys, run->word, run->common.json);
    audit_keys_free(&keys);
    return code;
}

static int export_ledger(struct run *run)
{
    return audit_ledger_export(&run->common, run->client, run->deadline_ms, &run->scope);
}

static int batches(struct run *run)
{
    return audit_ledger_batches(&run->common, run->client, run->deadline_ms, &run->scope);
}

static int batch(struct run *run)
{
    return audit_ledger_batch(&run->common, run->client, run->deadline_ms, run->word);
}

static int prove(struct run *run)
{
    return audit_ledger_prove(&run->common, run->client, run->deadline_ms, run->word);
}

static const struct subcommand {
    const char *name;
    int (*run)(struct run *run);
    const char *word; /* what it is about; NULL: it takes none */
    bool scoped;      /* takes --partition, --from, --to */
} subcommands[] = {
    {"keys", keys, NULL, false},
    {"rotate-key", rotate_key, NULL, false},
    {"checkpoints", checkpoints, NULL, false},
    {"verify-receipt", verify_receipt, "a file of receipts", false},
    {"export", export_ledger, NULL, true},
    {"batches", batches, NULL, true},
    {"batch", batch, "PARTITION/SEQUENCE", false},
    {"prove", prove, "an event", false},
};

static const struct subcommand *read_words(struct run *run, int argc, char **argv)
{
    const struct subcommand *sub = NULL;
    for (size_t i = 0; argc > 1 && i < sizeof subcommands / sizeof subcommands[0]; i++)
        if (strcmp(subcommands[i].name, argv[1]) == 0)
            sub = &subcommands[i];
    if (!sub)
        options_fail(
            argv[0],
            "keys, rotate-key, checkpoints, verify-receipt, export, batches, batch or prove is expected");
    int wanted = sub->word ? 3 : 2;
    if (argc > wanted)
        options_fail(argv[0], "unexpected argument '%s'", argv[wanted]);
    if (argc < wanted)
        options_fail(argv[0], "%s: %s is expected", sub->name, sub->word);
    if (run->key_file && sub->run != verify_receipt)
        options_fail(argv[0], "--key is for verify-receipt");
    if (!sub->scoped && (run->scope.partition[0] || run->scope.from_ms || run->scope.to_ms))
        options_fail(argv[0], "--partition, --from and --to go with export and batches");
    run->word = argv[2];
    return sub;
}

int ctl_audit(int argc, char **argv)
{
    const char *user = getenv("USER");
    const char *from = "", *to = "";
    struct run run = {.common = ctl_common_default(), .by = user ? user : "", .scope = {.partition = ""}};
    const struct option_entry options[] = {
        {"key", OPTION_TEXT, &run.key_file, 0, 0, "FILE", "verify-receipt: a public key; no server is asked"},
        {"by", OPTION_TEXT, &run.by, 0, 0, "WHO", "rotate-key: who asks, for the record"},
        {"partition", OPTION_TEXT, &run.scope.partition, 0, 0, "N", "export, batches: of this one alone"},
        {"from", OPTION_TEXT, &from, 0, 0, "TIME", "export, batches: from this time on"},
        {"to", OPTION_TEXT, &to, 0, 0, "TIME", "export, batches: before this time"},
        CTL_COMMON_OPTIONS(run.common),
    };
    options_parse(&argc, argv, options, sizeof options / sizeof options[0], usage);
    run.scope.from_ms = ctl_time_ms(argv[0], "from", from);
    run.scope.to_ms = ctl_time_ms(argv[0], "to", to);
    const struct subcommand *sub = read_words(&run, argc, argv);
    if (!run.key_file && ctl_connect(&run.common, &run.client))
        return CTL_ERROR;
    run.deadline_ms = ctl_deadline_ms(&run.common);
    int code = sub->run(&run);
    buffer_free(&run.out);
    client_close(&run.client);
    return code;
}
