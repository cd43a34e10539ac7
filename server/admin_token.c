#include "server/admin_token.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "server/identities.h"
#include "server/token.h"

static enum err write_file(const char *path, const char *token)
{
    char line[TOKEN_SIZE + 1];
    int length = snprintf(line, sizeof line, "%s\n", token);
    enum err err = file_write("admin_token", path, S_IRUSR | S_IWUSR, line, (size_t)length);
    explicit_bzero(line, sizeof line);
    return err;
}

/* The file comes first: an identity whose token nobody has would lock everybody out. */
enum err admin_token_write(struct identities *identities, const char *dir)
{
    enum { ARENA_BYTES = 1 << 16 };
    char path[PATH_MAX + 16], token[TOKEN_SIZE], why[IDENTITY_WHY] = "";
    uint8_t sha256[DIGEST_BYTES];
    Epcis__V1__Role roles[] = {EPCIS__V1__ROLE__ROLE_ADMIN};
    Epcis__V1__Identity wanted = EPCIS__V1__IDENTITY__INIT, *made;
    struct arena arena;
    if (!identities_are_none(identities))
        return ERR_OK;
    snprintf(path, sizeof path, "%s/admin.token", dir);
    wanted.name = (char *)"admin";
    wanted.roles = roles;
    wanted.n_roles = 1;
    arena_init(&arena, ARENA_BYTES);
    enum err err = token_make(token, sha256);
    if (!err)
        err = write_file(path, token);
    if (!err)
        err = identities_create(identities, &wanted, sha256, "epcis-server", &arena, &made, why);
    if (!err)
        log_info(
            "admin_token",
            "file=\"%s\" detail=\"there was no identity: this is the first one's, use it with --token-file\"",
            path);
    explicit_bzero(token, sizeof token);
    arena_free(&arena);
    return err;
}
