#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "server/ctl/client.h"
#include "server/ctl/ctl.h"
#include "server/ctl/output.h"
#include "server/ctl/pages.h"
#include "server/ctl/token_output.h"

static const char usage[] =
    "Usage: epcisctl tokens [OPTIONS] [list]\n"
    "       epcisctl tokens --roles ROLE,... [OPTIONS] create NAME\n"
    "       epcisctl tokens [OPTIONS] rotate NAME\n"
    "       epcisctl tokens [OPTIONS] revoke NAME\n"
    "\n"
    "  list    all identities: who may call, what they may do, when they did last\n"
    "  create  makes an identity, with a token or for a certificate\n"
    "  rotate  gives it another token\n"
    "  revoke  ends it, for good\n"
    "\n"
    "A token is printed once, alone on standard output: keep it in a file that only its user\n"
    "reads (umask 077; epcisctl tokens ... > FILE), for --token-file. What is wrong or worth\n"
    "knowing goes to standard error.\n"
    "\n"
    "Roles: submit (send documents), read (see documents, events and dead letters), operate\n"
    "(close dead letters, keep partners' records), audit (see the ledger), admin (all of these,\n"
    "and identities). operate and audit may read, too. With --partner GLN the identity sends and\n"
    "sees only what is that trading partner's; its roles are then submit and read.\n"
    "\n"
    "--certificate names what a client certificate says: URI:, DNS: or EMAIL: and an entry of its\n"
    "subject alternative name, or CN: and its common name.\n"
    "\n"
    "Examples:\n"
    "  epcisctl tokens create acme --roles submit,read --partner 0614141000012 > acme.token\n"
    "  epcisctl tokens create erp --roles submit --certificate URI:spiffe://example.com/erp\n"
    "  epcisctl tokens rotate acme --overlap-hours 24 > acme.token\n"
    "  epcisctl tokens revoke acme\n"
    "\n"
    "Exit codes: 0 done, 1 error (also: not found, the name is taken), 2 wrong usage.\n";

enum { EXPIRES_DAYS = 365, EXPIRES_DAYS_MAX = 36500, OVERLAP_HOURS_MAX = 720, ROLES_MAX = 8 };
enum { HOUR_MS = 3600 * 1000, DAY_MS = 24 * HOUR_MS };

struct run {
    struct ctl_common common;
    const char *roles, *partner, *certificate, *who;
    uint64_t expires_days, overlap_hours;
    const char *program, *name;
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
        ctl_call_failed(&run->common, run->name[0] ? run->name : "tokens", &status);
    return response;
}

static int64_t expires_ms(const struct run *run)
{
    return run->expires_days ? clock_wall_ms() + (int64_t)run->expires_days * DAY_MS : 0;
}

/* Answers to create and rotate have the same fields, that to revoke the first of them. Frees the response. */
static int print_changed(struct run *run, ProtobufCMessage *response, bool has_token)
{
    if (!response)
        return CTL_ERROR;
    const Epcis__V1__CreateIdentityResponse *made = (const Epcis__V1__CreateIdentityResponse *)response;
    const char *token = has_token ? made->token : "";
    if (run->common.json) {
        token_output_json(&run->out, made->identity, token);
    } else if (token[0]) {
        buffer_printf(&run->out, "%s\n", token);
        fprintf(stderr, "epcisctl: this is the token of %s; it is not shown again\n", run->name);
    } else {
        token_output_heading(&run->out);
        token_output_row(&run->out, made->identity);
    }
    int code = output_flush(&run->out) ? CTL_ERROR : CTL_OK;
    protobuf_c_message_free_unpacked(response, NULL);
    return code;
}

/* ---- subcommands ------------------------------------------------------------------------------------- */

static int list(struct run *run)
{
    Epcis__V1__ListIdentitiesRequest request = EPCIS__V1__LIST_IDENTITIES_REQUEST__INIT;
    Epcis__V1__ListIdentitiesResponse *page;
    struct pages pages = {.common = &run->common,
                          .client = run->client,
                          .deadline_ms = run->deadline_ms,
                          .what = "tokens",
                          .method = "/epcis.v1.IdentityService/ListIdentities",
                          .request = &request.base,
                          .token = &request.page_token,
                          .type = &epcis__v1__list_identities_response__descriptor};
    if (!run->common.json)
        token_output_heading(&run->out);
    while (pages_next(&pages, &page)) {
        for (size_t i = 0; i < page->n_identities; i++) {
            if (run->common.json)
                token_output_json(&run->out, page->identities[i], "");
            else
                token_output_row(&run->out, page->identities[i]);
        }
        pages.code = output_flush(&run->out) ? CTL_ERROR : CTL_OK;
    }
    return pages.code;
}

static size_t read_roles(const struct run *run, Epcis__V1__Role out[ROLES_MAX])
{
    size_t count = 0;
    for (const char *at = run->roles; *at;) {
        size_t length = strcspn(at, ",");
        Epcis__V1__Role role = token_output_role(at, length);
        if (!role || count == ROLES_MAX)
            options_fail(run->program, "--roles: '%.*s' is none: submit, read, operate, audit or admin",
                         (int)length, at);
        out[count++] = role;
        at += length + (at[length] == ',');
    }
    return count;
}

static int create(struct run *run)
{
    Epcis__V1__Identity identity = EPCIS__V1__IDENTITY__INIT;
    Epcis__V1__CreateIdentityRequest request = EPCIS__V1__CREATE_IDENTITY_REQUEST__INIT;
    Epcis__V1__Role roles[ROLES_MAX];
    identity.name = (char *)(uintptr_t)run->name;
    identity.roles = roles;
    identity.n_roles = read_roles(run, roles);
    identity.partner = (char *)(uintptr_t)run->partner;
    identity.certificate = (char *)(uintptr_t)run->certificate;
    identity.expires_ms = expires_ms(run);
    request.identity = &identity;
    request.who = (char *)(uintptr_t)run->who;
    return print_changed(run,
                         call(run, "/epcis.v1.IdentityService/CreateIdentity", &request.base,
                              &epcis__v1__create_identity_response__descriptor),
                         true);
}

static int rotate(struct run *run)
{
    Epcis__V1__RotateTokenRequest request = EPCIS__V1__ROTATE_TOKEN_REQUEST__INIT;
    request.name = (char *)(uintptr_t)run->name;
    request.expires_ms = expires_ms(run);
    request.overlap_ms = (int64_t)run->overlap_hours * HOUR_MS;
    request.who = (char *)(uintptr_t)run->who;
    return print_changed(run,
                         call(run, "/epcis.v1.IdentityService/RotateToken", &request.base,
                              &epcis__v1__rotate_token_response__descriptor),
                         true);
}

static int revoke(struct run *run)
{
    Epcis__V1__RevokeIdentityRequest request = EPCIS__V1__REVOKE_IDENTITY_REQUEST__INIT;
    request.name = (char *)(uintptr_t)run->name;
    request.who = (char *)(uintptr_t)run->who;
    return print_changed(run,
                         call(run, "/epcis.v1.IdentityService/RevokeIdentity", &request.base,
                              &epcis__v1__revoke_identity_response__descriptor),
                         false);
}

/* ---- the command line -------------------------------------------------------------------------------- */

static const struct subcommand {
    const char *name;
    int (*run)(struct run *run);
} subcommands[] = {{"list", list}, {"create", create}, {"rotate", rotate}, {"revoke", revoke}};

/* Which subcommand it is; ends the program where words or options do not fit it. */
static const struct subcommand *read_words(struct run *run, int argc, char **argv)
{
    const struct subcommand *sub = NULL;
    const char *word = argc > 1 ? argv[1] : "list";
    for (size_t i = 0; i < sizeof subcommands / sizeof subcommands[0]; i++)
        if (strcmp(subcommands[i].name, word) == 0)
            sub = &subcommands[i];
    if (!sub)
        options_fail(argv[0], "no subcommand '%s': list, create, rotate or revoke", word);
    int wanted = sub->run == list ? 2 : 3;
    if (argc > wanted)
        options_fail(argv[0], "unexpected argument '%s'", argv[wanted]);
    if (wanted == 3 && argc < 3)
        options_fail(argv[0], "%s: a name is expected", sub->name);
    if (sub->run == create && !run->roles[0])
        options_fail(argv[0], "create: --roles is needed");
    if (sub->run != create && (run->roles[0] || run->partner[0] || run->certificate[0]))
        options_fail(argv[0], "--roles, --partner and --certificate are for create");
    if (sub->run != rotate && run->overlap_hours)
        options_fail(argv[0], "--overlap-hours is for rotate");
    run->name = wanted == 3 ? argv[2] : "";
    return sub;
}

int ctl_tokens(int argc, char **argv)
{
    const char *user = getenv("USER");
    struct run run = {.program = argv[0],
                      .common = ctl_common_default(),
                      .roles = "",
                      .partner = "",
                      .certificate = "",
                      .who = user ? user : "",
                      .expires_days = EXPIRES_DAYS};
    const struct option_entry options[] = {
        {"roles", OPTION_TEXT, &run.roles, 0, 0, "ROLE,...", "what it may do"},
        {"partner", OPTION_TEXT, &run.partner, 0, 0, "GLN", "the trading partner that it is"},
        {"certificate", OPTION_TEXT, &run.certificate, 0, 0, "KIND:ENTRY", "it has this, and no token"},
        {"expires-days", OPTION_NUMBER, &run.expires_days, 0, EXPIRES_DAYS_MAX, "N",
         "how long it, or its new token, is good; 0: for ever"},
        {"overlap-hours", OPTION_NUMBER, &run.overlap_hours, 0, OVERLAP_HOURS_MAX, "N",
         "rotate: how long the token so far stays good"},
        {"by", OPTION_TEXT, &run.who, 0, 0, "WHO", "for the record"},
        CTL_COMMON_OPTIONS(run.common),
    };
    options_parse(&argc, argv, options, sizeof options / sizeof options[0], usage);
    const struct subcommand *sub = read_words(&run, argc, argv);
    if (ctl_connect(&run.common, &run.client))
        return CTL_ERROR;
    run.deadline_ms = ctl_deadline_ms(&run.common);
    int code = sub->run(&run);
    if (run.out.data)
        explicit_bzero(run.out.data, run.out.capacity);
    buffer_free(&run.out);
    client_close(&run.client);
    return code;
}
