/* Places where a test makes a real process fail: EPCISD_FAULT="name[:count]" in the environment makes
 * the named point fail once, at its count-th passage (default 1). Without the variable a point costs one
 * comparison. Points are named module.step and listed where they stand; safe on any thread. */
#ifndef EPCISD_BASE_FAULT_H
#define EPCISD_BASE_FAULT_H

#include <stdbool.h>

/* Reads the environment. In main, before threads. */
void fault_init(void);

/* True at the passage that shall fail. */
bool fault_hit(const char *point);

/* Ends the process as kill -9 would at the passage that shall fail. */
void fault_crash(const char *point);

/* The same at every text that contains what EPCISD_FAULT_POISON says: an event that no worker survives. */
void fault_poison(const char *text);

#endif
