#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/ctl/client.h"
#include "server/ctl/ctl.h"
#include "server/ctl/output.h"
#include "server/ctl/pages.h"
#include "server/ctl/partner_edit.h"
#include "server/ctl/partner_output.h"

static const char usage[] =
    "Usage: epcisctl partners [OPTIONS] [list]\n"
    "       epcisctl partners [OPTIONS] show PARTNER\n"
    "       epcisctl partners --name NAME --glns GLN,... [OPTIONS] create\n"
    "       epcisctl partners [OPTIONS] update PARTNER\n"
    "       epcisctl partners [OPTIONS] deactivate PARTNER\n"
    "\n"
    "  list        all trading partners\n"
    "  show        one record and its last 100 changes\n"
    "  create      makes a record\n"
    "  update      changes what the options name, and nothing else\n"
    "  deactivate  refuses all that the partner sends from now on\n"
    "\n"
    "A trading partner has one or more GLNs; documents under any of them are judged by its\n"
    "profile and its overrides. PARTNER is a partner id, or any of the partner's GLNs.\n"
    "Lists are separated by commas. A given list replaces the one of the record, but for\n"
    "--overrides, which changes the rules it names: CODE=off, warn or reject; CODE=default\n"
    "leaves the rule to the profile again. --profile default is what the workers run with.\n"
    "Two people who change a record at once do not undo each other: the second is refused.\n"
    "\n"
    "Examples:\n"
    "  epcisctl partners create --name 'Sample Pharma' --glns 0614141000012,0614141000029\n"
    "  epcisctl partners update 0614141000012 --overrides BT_GLN=off,CBV_UNKNOWN=reject\n"
    "  epcisctl partners deactivate 0614141000012 --changed-by 'quality desk'\n"
    "  epcisctl partners update 0614141000012 --activate\n"
    "  epcisctl partners --json | jq -r 'select(.active | not) | .name'\n"
    "\n"
    "Exit codes: 0 done, 1 error (also: not found, a GLN is another's), 2 wrong usage.\n";

/* What all of the subcommands work with. */
struct run {
    const char *program;
    struct ctl_common common;
    struct partner_edit edit;
    const char *changed_by;
    uint64_t if_version; /* 0: whichever it is */
    const char *partner; /* as named on the command line */
    struct client *client;
    int64_t deadline_ms;
    struct arena arena;
    struct buffer out;
};

enum { ARENA_BYTES = 1 << 20 };

/* NULL: it failed, and that was told. */
static ProtobufCMessage *call(struct run *run, const char *method, const ProtobufCMessage *request,
                              const ProtobufCMessageDescriptor *response_type, const char *what)
{
    struct client_status status;
    ProtobufCMessage *response;
    client_call(run->client, method, request, response_type, run->deadline_ms, &response, &status);
    if (!response)
        ctl_call_failed(&run->common, what, &status);
    return response;
}

/* The caller frees it. NULL as call. */
static Epcis__V1__GetPartnerResponse *get(struct run *run)
{
    enum { GLN_DIGITS = 13 };
    Epcis__V1__GetPartnerRequest request = EPCIS__V1__GET_PARTNER_REQUEST__INIT;
    bool is_gln = strspn(run->partner, "0123456789") == GLN_DIGITS && strlen(run->partner) == GLN_DIGITS;
    *(is_gln ? &request.gln : &request.partner_id) = (char *)(uintptr_t)run->partner;
    return (Epcis__V1__GetPartnerResponse *)call(run, "/epcis.v1.PartnerService/GetPartner", &request.base,
                                                 &epcis__v1__get_partner_response__descriptor, run->partner);
}

static enum err print(struct run *run, const Epcis__V1__TradingPartner *partner,
                      const Epcis__V1__GetPartnerResponse *changes)
{
    if (run->common.json)
        partner_output_json(&run->out, partner, changes);
    else
        partner_output_text(&run->out, partner, changes);
    return output_flush(&run->out);
}

/* The answers to what changes a record have the same one field. Frees the response. */
static int print_changed(struct run *run, ProtobufCMessage *response)
{
    int code = CTL_ERROR;
    if (response && !print(run, ((Epcis__V1__UpdatePartnerResponse *)response)->partner, NULL))
        code = CTL_OK;
    protobuf_c_message_free_unpacked(response, NULL);
    return code;
}

/* ---- subcommands ------------------------------------------------------------------------------------ */

static void append_page(struct run *run, const Epcis__V1__ListPartnersResponse *page, bool first)
{
    if (first && !run->common.json)
        partner_output_heading(&run->out);
    for (size_t i = 0; i < page->n_partners; i++) {
        if (run->common.json)
            partner_output_json(&run->out, page->partners[i], NULL);
        else
            partner_output_row(&run->out, page->partners[i]);
    }
}

static int list(struct run *run)
{
    enum { PAGE = 100 }; /* a thousand long records would be a long message */
    Epcis__V1__ListPartnersRequest request = EPCIS__V1__LIST_PARTNERS_REQUEST__INIT;
    Epcis__V1__ListPartnersResponse *page;
    struct pages pages = {.common = &run->common,
                          .client = run->client,
                          .deadline_ms = run->deadline_ms,
                          .what = "partners",
                          .method = "/epcis.v1.PartnerService/ListPartners",
                          .request = &request.base,
                          .token = &request.page_token,
                          .type = &epcis__v1__list_partners_response__descriptor};
    bool first = true;
    request.page_size = PAGE;
    for (; pages_next(&pages, &page); first = false) {
        append_page(run, page, first);
        pages.code = output_flush(&run->out) ? CTL_ERROR : CTL_OK;
    }
    return pages.code;
}

static int show(struct run *run)
{
    Epcis__V1__GetPartnerResponse *response = get(run);
    if (!response)
        return CTL_ERROR;
    int code = print(run, response->partner, response) ? CTL_ERROR : CTL_OK;
    epcis__v1__get_partner_response__free_unpacked(response, NULL);
    return code;
}

static enum err apply_edit(struct run *run, Epcis__V1__TradingPartner *partner)
{
    enum err err = partner_edit_apply(&run->edit, run->program, &run->arena, partner);
    if (err)
        fprintf(stderr, "epcisctl: the record is too long, or memory is short\n");
    return err;
}

static int create(struct run *run)
{
    Epcis__V1__TradingPartner partner = EPCIS__V1__TRADING_PARTNER__INIT;
    Epcis__V1__CreatePartnerRequest request = EPCIS__V1__CREATE_PARTNER_REQUEST__INIT;
    request.partner = &partner;
    request.changed_by = (char *)(uintptr_t)run->changed_by;
    if (apply_edit(run, &partner))
        return CTL_ERROR;
    return print_changed(run, call(run, "/epcis.v1.PartnerService/CreatePartner", &request.base,
                                   &epcis__v1__create_partner_response__descriptor, partner.name));
}

static int update(struct run *run)
{
    Epcis__V1__GetPartnerResponse *read = get(run);
    if (!read)
        return CTL_ERROR;
    Epcis__V1__TradingPartner partner = *read->partner; /* whose parts stay `read`'s */
    Epcis__V1__UpdatePartnerRequest request = EPCIS__V1__UPDATE_PARTNER_REQUEST__INIT;
    int code = CTL_ERROR;
    request.partner = &partner;
    request.changed_by = (char *)(uintptr_t)run->changed_by;
    if (run->if_version)
        partner.version = run->if_version;
    if (!apply_edit(run, &partner))
        code = print_changed(run, call(run, "/epcis.v1.PartnerService/UpdatePartner", &request.base,
                                       &epcis__v1__update_partner_response__descriptor, run->partner));
    epcis__v1__get_partner_response__free_unpacked(read, NULL);
    return code;
}

static int deactivate(struct run *run)
{
    Epcis__V1__GetPartnerResponse *read = get(run); /* which may have been named by a GLN */
    if (!read)
        return CTL_ERROR;
    Epcis__V1__DeactivatePartnerRequest request = EPCIS__V1__DEACTIVATE_PARTNER_REQUEST__INIT;
    request.partner_id = read->partner->partner_id;
    request.version = run->if_version;
    request.changed_by = (char *)(uintptr_t)run->changed_by;
    int code = print_changed(run, call(run, "/epcis.v1.PartnerService/DeactivatePartner", &request.base,
                                       &epcis__v1__deactivate_partner_response__descriptor, run->partner));
    epcis__v1__get_partner_response__free_unpacked(read, NULL);
    return code;
}

/* ---- the command line ------------------------------------------------------------------------------- */

static const struct subcommand {
    const char *name;
    int (*run)(struct run *run);
    bool names_partner, edits, changes;
} subcommands[] = {
    {"list", list, false, false, false},           {"show", show, true, false, false},
    {"create", create, false, true, true},         {"update", update, true, true, true},
    {"deactivate", deactivate, true, false, true},
};

static const struct subcommand *find_subcommand(const char *program, const char *name)
{
    for (size_t i = 0; i < sizeof subcommands / sizeof subcommands[0]; i++)
        if (strcmp(subcommands[i].name, name) == 0)
            return &subcommands[i];
    options_fail(program, "no subcommand '%s': list, show, create, update or deactivate", name);
}

/* Which subcommand it is; ends the program where words or options do not fit it. */
static const struct subcommand *read_words(struct run *run, int argc, char **argv)
{
    const struct subcommand *sub = find_subcommand(argv[0], argc > 1 ? argv[1] : "list");
    int wanted = sub->names_partner ? 3 : 2;
    if (argc > wanted)
        options_fail(argv[0], "unexpected argument '%s'", argv[wanted]);
    if (sub->names_partner && argc < wanted)
        options_fail(argv[0], "%s: a partner id or GLN is expected", sub->name);
    if (!sub->edits && !partner_edit_is_empty(&run->edit))
        options_fail(argv[0], "%s changes no field: that is what create and update do", sub->name);
    if (sub->run == update && partner_edit_is_empty(&run->edit))
        options_fail(argv[0], "update: say what to change, as --name or --overrides");
    if (sub->run == create && (!run->edit.name || !run->edit.glns))
        options_fail(argv[0], "create: --name and --glns are needed");
    if (run->if_version && (!sub->changes || sub->run == create))
        options_fail(argv[0], "--if-version is for update and deactivate");
    run->partner = sub->names_partner ? argv[2] : "";
    return sub;
}

int ctl_partners(int argc, char **argv)
{
    const char *user = getenv("USER");
    struct run run = {.program = argv[0], .common = ctl_common_default(), .changed_by = user ? user : ""};
    const struct option_entry options[] = {
        {"name", OPTION_TEXT, &run.edit.name, 0, 0, "NAME", "what the partner is called"},
        {"glns", OPTION_TEXT, &run.edit.glns, 0, 0, "GLN,...", "its GLNs, 13 digits each"},
        {"prefixes", OPTION_TEXT, &run.edit.prefixes, 0, 0, "DIGITS,...", "its GS1 company prefixes"},
        {"profile", OPTION_TEXT, &run.edit.profile, 0, 0, "NAME", "epcis, dscsa, strict or default"},
        {"overrides", OPTION_TEXT, &run.edit.overrides, 0, 0, "CODE=SEVERITY,...", "for single rules"},
        {"contact-name", OPTION_TEXT, &run.edit.contact_name, 0, 0, "NAME", "whom to ask"},
        {"contact-email", OPTION_TEXT, &run.edit.contact_email, 0, 0, "ADDRESS", "and where"},
        {"contact-phone", OPTION_TEXT, &run.edit.contact_phone, 0, 0, "NUMBER", "and where"},
        {"max-document-bytes", OPTION_TEXT, &run.edit.max_document_bytes, 0, 0, "BYTES",
         "longer documents are refused; 0: none is too long"},
        {"max-requests", OPTION_TEXT, &run.edit.max_requests, 0, 0, "N",
         "documents taken in a second; 0: any"},
        {"max-unfinished-bytes", OPTION_TEXT, &run.edit.max_unfinished_bytes, 0, 0, "BYTES",
         "none is taken while so much of its own is unfinished; 0: any"},
        {"max-events", OPTION_TEXT, &run.edit.max_events, 0, 0, "N",
         "events read in a second, of each GLN; 0: any"},
        {"activate", OPTION_FLAG, &run.edit.activate, 0, 0, NULL, "update: take its documents again"},
        {"if-version", OPTION_NUMBER, &run.if_version, 0, INT64_MAX, "N",
         "only if the record still has this version; 0: whichever it has"},
        {"changed-by", OPTION_TEXT, &run.changed_by, 0, 0, "WHO", "for the record's history"},
        CTL_COMMON_OPTIONS(run.common),
    };
    options_parse(&argc, argv, options, sizeof options / sizeof options[0], usage);
    const struct subcommand *sub = read_words(&run, argc, argv);
    if (ctl_connect(&run.common, &run.client))
        return CTL_ERROR;
    arena_init(&run.arena, ARENA_BYTES);
    run.deadline_ms = ctl_deadline_ms(&run.common);
    int code = sub->run(&run);
    arena_free(&run.arena);
    buffer_free(&run.out);
    client_close(&run.client);
    return code;
}
