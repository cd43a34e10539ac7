/* Gives the memory of a flood back to the system. Calls come and go in heaps of gRPC's threads, which keep
 * what they once had: without this, whoever sends 100,000 calls at once costs a gigabyte for good. */
#ifndef EPCISD_FRONT_TIDY_H
#define EPCISD_FRONT_TIDY_H

/* Where much more memory is held than is in use. May take 100 ms; any thread but the loop's. */
void tidy_memory(void);

#endif
