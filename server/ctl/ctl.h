/* The commands of epcisctl. Each reads its own command line (argv[0] is "epcisctl COMMAND"), does its work
 * against one server and returns the program's exit code. Main thread only. */
#ifndef EPCISD_CTL_CTL_H
#define EPCISD_CTL_CTL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/options.h"

/* Scripts rely on these. */
enum ctl_exit {
    CTL_OK = 0,      /* all is committed, a duplicate, or as asked */
    CTL_ERROR = 1,   /* it did not work */
    CTL_USAGE = 2,   /* the command line is wrong */
    CTL_REFUSED = 3, /* it worked, and something in the document was refused */
};

/* What every command that talks to a server takes. */
struct ctl_common {
    const char *server;
    const char *tls_ca, *tls_certificate, *tls_key; /* PEM files; NULL: none */
    const char *token_file;
    bool json;
    uint64_t timeout_s;
};

enum { CTL_TIMEOUT_S = 600, CTL_TIMEOUT_MAX_S = 604800 };

/* The defaults: EPCISD_SERVER from the environment, or 127.0.0.1:50051; EPCISD_TLS_CA and EPCISD_TOKEN_FILE.
 */
struct ctl_common ctl_common_default(void);

/* As entries of an options table. */
#define CTL_COMMON_OPTIONS(common)                                                                           \
    {"server", OPTION_TEXT, &(common).server, 0, 0, "HOST:PORT", "epcis-server (or set EPCISD_SERVER)"},     \
        {"tls-ca", OPTION_TEXT, &(common).tls_ca, 0, 0, "FILE", "TLS: its issuer (or set EPCISD_TLS_CA)"},   \
        {"tls-cert", OPTION_TEXT, &(common).tls_certificate, 0, 0, "FILE", "our own certificate"},           \
        {"tls-key", OPTION_TEXT, &(common).tls_key, 0, 0, "FILE", "and its private key"},                    \
        {"token-file",                                                                                       \
         OPTION_TEXT,                                                                                        \
         &(common).token_file,                                                                               \
         0,                                                                                                  \
         0,                                                                                                  \
         "FILE",                                                                                             \
         "token to send (or set EPCISD_TOKEN_FILE)"},                                                        \
        {"timeout",         OPTION_NUMBER, &(common).timeout_s,      1,                                      \
         CTL_TIMEOUT_MAX_S, "SECONDS",     "give up after this time"},                                       \
    {                                                                                                        \
        "json", OPTION_FLAG, &(common).json, 0, 0, NULL, "print JSON for programs"                           \
    }

struct client;

/* Opens the client that the options describe. Those that contradict each other end the process as wrong
 * usage; so does a token that would go neither over TLS nor to this machine. Failures are told on standard
 * error. ERR_INPUT, ERR_MEMORY. */
enum err ctl_connect(const struct ctl_common *common, struct client **out);

/* The moment the timeout names, of clock_steady_ms. */
int64_t ctl_deadline_ms(const struct ctl_common *common);

/* An option's time in milliseconds since 1970-01-01T00:00:00Z, 0 for "". What is no time ends the program, as
 * options_fail does. */
int64_t ctl_time_ms(const char *program, const char *option, const char *text);

/* Sleeps. */
void ctl_pause_ms(int64_t ms);

struct client_status;

/* Prints why a call failed, and what a person can do, to standard error. Returns CTL_ERROR. */
int ctl_call_failed(const struct ctl_common *common, const char *what, const struct client_status *status);

int ctl_capture(int argc, char **argv);
int ctl_validate(int argc, char **argv);
int ctl_captures(int argc, char **argv);
int ctl_watch(int argc, char **argv);
int ctl_cancel(int argc, char **argv);
int ctl_status(int argc, char **argv);
int ctl_server(int argc, char **argv);
int ctl_config(int argc, char **argv);
int ctl_trace(int argc, char **argv);
int ctl_contains(int argc, char **argv);
int ctl_events(int argc, char **argv);
int ctl_dead_letters(int argc, char **argv);
int ctl_master_data(int argc, char **argv);
int ctl_partners(int argc, char **argv);
int ctl_tokens(int argc, char **argv);
int ctl_audit(int argc, char **argv);
int ctl_replay(int argc, char **argv);
int ctl_rules(int argc, char **argv);
int ctl_backup(int argc, char **argv);
int ctl_restore(int argc, char **argv);
int ctl_verify(int argc, char **argv);
int ctl_compact(int argc, char **argv);
int ctl_completion(int argc, char **argv);

#endif
