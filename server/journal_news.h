/* What became of documents, in the order in which it came to be durable: the journal's tree `news`, number
 * from 1 -> NewsRecord. It is written in the transaction that makes it so, so none is missed and none is told
 * twice, whatever crashes. */
#ifndef EPCISD_SERVER_JOURNAL_NEWS_H
#define EPCISD_SERVER_JOURNAL_NEWS_H

#include "server/journal.h"

/* The first number that is kept and the last; 1 and 0: there are none. Any thread. ERR_DISK. */
enum err journal_news_range(struct journal *journal, uint64_t *first, uint64_t *last);

/* Calls `take` for up to `limit` of those behind `*number`, which it moves to the last one taken, until it
 * returns another than ERR_OK, which is returned. Records are in the arena. ERR_NOT_FOUND: none follow;
 * ERR_ORDER: some of those that follow are no longer kept; ERR_DISK, ERR_CORRUPT, ERR_LIMIT. Any thread. */
enum err journal_news_read(struct journal *journal, uint64_t *number, uint32_t limit, struct arena *arena,
                           enum err (*take)(void *context, uint64_t number,
                                            const Epcis__Store__V1__NewsRecord *record),
                           void *context);

#endif
