/* What the tests of the front share: a front on a real port, before fakes, and a client of it. */
#ifndef EPCISD_TEST_FRONT_BENCH_H
#define EPCISD_TEST_FRONT_BENCH_H

#include <check.h>
#include <time.h>

#include "common/base/clock.h"
#include "server/ctl/client.h"
#include "server/front/front.h"
#include "server/front/limits.h"
#include "tests/component/front_fakes.h"

enum { PATIENCE_MS = 60000, GRACE_MS = 200 };

static const char capture_method[] = "/epcis.v1.CaptureService/Capture";
static const char stream_method[] = "/epcis.v1.CaptureService/CaptureStream";
static const char capture_query[] = "/epcis.v1.CaptureService/GetCapture";
static const char history_query[] = "/epcis.v1.TraceService/GetItemHistory";

static struct ingest *ingest;
static struct front *front;
static struct client *client;

static int64_t soon(void)
{
    return clock_steady_ms() + PATIENCE_MS;
}

static void begin_with(const struct front_limits *limits)
{
    ingest = fake_ingest_new();
    ck_assert_int_eq(front_open_limited(&(struct front_options){.listen = "127.0.0.1:0"}, ingest, NULL, NULL,
                                        limits, &front),
                     ERR_OK);
    ck_assert_int_eq(client_open(front_address(front), NULL, &client), ERR_OK);
}

static inline void begin(void)
{
    begin_with(&front_limits_default);
}

/* Whatever a test did, no document may be left over. */
static void end(void)
{
    client_close(&client);
    front_close(&front, GRACE_MS);
    ck_assert_int_eq(atomic_load(&ingest->opened),
                     atomic_load(&ingest->aborted) + atomic_load(&ingest->received));
    fake_ingest_free(ingest);
}

static inline void wait_until(atomic_long *counter, long wanted)
{
    for (int64_t until = soon(); atomic_load(counter) < wanted;
         nanosleep(&(struct timespec){0, 1000000}, NULL))
        ck_assert_int_lt(clock_steady_ms(), until);
}

#endif
