/* What can go wrong, as one enumeration that every module returns. Two classes matter to callers:
 * bad input (ERR_INPUT, ERR_LIMIT, ERR_NOT_FOUND …), after which the object goes on, and a finished
 * object or process (ERR_MEMORY, ERR_DISK, ERR_CORRUPT …). Safe on any thread. */
#ifndef EPCISD_BASE_ERR_H
#define EPCISD_BASE_ERR_H

enum err {
    ERR_OK = 0,
    ERR_INPUT, /* the input is malformed; where it is, the module's own error struct says */
    ERR_LIMIT, /* the input is over a configured cap */
    ERR_NOT_FOUND,
    ERR_EXISTS,
    ERR_FULL, /* a bounded queue or budget has no room now: try again later */
    ERR_TIMEOUT,
    ERR_STOPPED, /* the object is shutting down */
    ERR_ORDER,   /* a batch before this one is missing */
    ERR_FORK,    /* another batch stands in this one's place */
    ERR_MEMORY,
    ERR_DISK,    /* a write, sync or map failed, or the disk is full */
    ERR_CORRUPT, /* stored or received data contradicts itself */
    ERR_VERSION, /* data of a newer version */
    ERR_SYSTEM,  /* the operating system refused something else */
};

/* The constant's name without the prefix, lower case: "not_found". Never NULL. */
const char *err_name(enum err err);

/* Ends the process with file and line where our own logic is broken. Never for input, memory, disk or
 * peers. */
#define CHECK(condition) ((condition) ? (void)0 : err_check_failed(__FILE__, __LINE__, #condition))
_Noreturn void err_check_failed(const char *file, int line, const char *condition);

#endif
