#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/epcis/event_text.h"
#include "server/ctl/client.h"
#include "server/ctl/ctl.h"
#include "server/ctl/output.h"

static const char *from_environment(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

struct ctl_common ctl_common_default(void)
{
    const char *server = from_environment("EPCISD_SERVER");
    return (struct ctl_common){
        .server = server ? server : "127.0.0.1:50051",
        .tls_ca = from_environment("EPCISD_TLS_CA"),
        .token_file = from_environment("EPCISD_TOKEN_FILE"),
        .timeout_s = CTL_TIMEOUT_S,
    };
}

int64_t ctl_deadline_ms(const struct ctl_common *common)
{
    return clock_steady_ms() + (int64_t)common->timeout_s * 1000;
}

int64_t ctl_time_ms(const char *program, const char *option, const char *text)
{
    Epcis__V1__Time time = EPCIS__V1__TIME__INIT;
    char whole[48];
    if (!text[0])
        return 0;
    int length = snprintf(whole, sizeof whole, "%s%s", text, strlen(text) == 10 ? "T00:00:00Z" : "");
    if ((size_t)length >= sizeof whole || event_time_parse(whole, &time))
        options_fail(program, "--%s: '%s' is no time: right is one like 2025-01-06T08:00:00-05:00, or a date",
                     option, text);
    return event_time_us(&time) / 1000;
}

void ctl_pause_ms(int64_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) && errno == EINTR)
        ;
}

/* What the server itself said, and what its text does not say yet: where a field is wrong, the text is what
 * to do. */
static void complain_refused(const char *what, const struct client_status *status)
{
    output_complain("epcisctl: %s: %s: %s [%s%s%s]", what, client_code_name(status->code), status->message,
                    status->reason, status->field[0] ? " " : "", status->field);
    if (!status->field[0] && status->remedy[0] && !strstr(status->message, status->remedy))
        output_complain("what to do: %s", status->remedy);
}

int ctl_call_failed(const struct ctl_common *common, const char *what, const struct client_status *status)
{
    if (status->reason[0]) {
        complain_refused(what, status);
        if (status->code == CLIENT_UNAUTHENTICATED && !common->token_file)
            output_complain("--token-file or EPCISD_TOKEN_FILE names a file that holds a token");
        return CTL_ERROR;
    }
    switch (status->code) {
    case CLIENT_UNAVAILABLE:
        fprintf(stderr,
                "epcisctl: %s: no answer from %s: %s\nIs epcis-server running there? --server or "
                "EPCISD_SERVER names another. %s\n",
                what, common->server, status->message,
                common->tls_ca ? "Does it speak TLS, with a certificate that --tls-ca issued?"
                               : "If it speaks TLS, give --tls-ca.");
        break;
    case CLIENT_DEADLINE_EXCEEDED:
        fprintf(stderr, "epcisctl: %s: not done within %" PRIu64 " seconds (--timeout): %s\n", what,
                common->timeout_s, status->message);
        break;
    default:
        output_complain("epcisctl: %s: %s: %s", what, client_code_name(status->code), status->message);
        break;
    }
    return CTL_ERROR;
}
