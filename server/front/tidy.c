#include "server/front/tidy.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/log.h"

enum { KEPT_BYTES = 128 << 20 }; /* for the next documents of 64 MiB */

/* What of the memory that counts as ours is no file's, such as the journal's and the store's. */
static uint64_t own_bytes(void)
{
    unsigned long long all = 0, resident = 0, shared = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    int found = file ? fscanf(file, "%llu %llu %llu", &all, &resident, &shared) : 0;
    if (file)
        fclose(file);
    return found == 3 && resident > shared ? (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

void tidy_memory(void)
{
    struct mallinfo2 info = mallinfo2();
    uint64_t held = own_bytes(), used = info.uordblks + info.hblkhd;
    if (held < used + KEPT_BYTES)
        return;
    malloc_trim(0);
    log_info("memory_given_back", "bytes_before=%" PRIu64 " bytes_after=%" PRIu64, held, own_bytes());
}
