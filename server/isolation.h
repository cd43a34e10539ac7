/* The search for the item of a batch that kills workers: trials of its first so many items, until it is
 * known that the first n harm nobody and the first n + 1 always do. Then item n is condemned. That a trial
 * went through is certain; that one failed may have been chance (a person killed the worker), so the last
 * step has to fail ISOLATION_PROOF times in a row, and one success there begins the search again behind it.
 * No clock and no I/O of its own; the dispatcher's thread. */
#ifndef EPCISD_SERVER_ISOLATION_H
#define EPCISD_SERVER_ISOLATION_H

#include <stdbool.h>
#include <stdint.h>

enum { ISOLATION_PROOF = 3 };

enum isolation_step {
    ISOLATION_GO_ON,    /* with the next trial */
    ISOLATION_CONDEMN,  /* the item at `passed` */
    ISOLATION_HARMLESS, /* no single item is to blame */
};

struct isolation {
    uint32_t items;   /* of the batch; 0: nothing is being searched */
    uint32_t passed;  /* the first so many harm nobody */
    uint32_t suspect; /* the first so many seem to; passed < suspect <= items */
    uint32_t proof;   /* failures in a row at the last step */
    bool by_size;     /* harm is that memory does not suffice: the last step tries the item alone */
};

/* `passed`: what an earlier search of the same batch found, or 0. */
void isolation_begin(struct isolation *isolation, uint32_t items, uint32_t passed, bool by_size);

/* The items of the next trial. */
void isolation_range(const struct isolation *isolation, uint32_t *first, uint32_t *count);

/* What the trial of isolation_range led to. */
enum isolation_step isolation_passed(struct isolation *isolation);
enum isolation_step isolation_failed(struct isolation *isolation);

#endif
