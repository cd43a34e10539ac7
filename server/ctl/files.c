#include "server/ctl/files.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "server/ctl/output.h"

static enum err add_name(struct files *files, const char *name)
{
    if (files->count == files->capacity) {
        size_t capacity = files->capacity ? 2 * files->capacity : 16;
        char **names = realloc(files->names, capacity * sizeof *names);
        if (!names)
            return ERR_MEMORY;
        files->names = names;
        files->capacity = capacity;
    }
    files->names[files->count] = strdup(name);
    return files->names[files->count] ? (files->count++, ERR_OK) : ERR_MEMORY;
}

/* By its first bytes: '<' or '{', after a byte order mark and blanks, in UTF-8 or UTF-16; gzip; zstd. */
static bool begins_as_document(const char *name)
{
    unsigned char head[64];
    FILE *file = fopen(name, "re");
    size_t length = file ? fread(head, 1, sizeof head, file) : 0, at = 0;
    if (file)
        fclose(file);
    if (length >= 4 && (memcmp(head, "\x1f\x8b", 2) == 0 || memcmp(head, "\x28\xb5\x2f\xfd", 4) == 0))
        return true;
    while (at < length && (strchr(" \t\r\n\xef\xbb\xbf\xfe\xff", head[at]))) /* and the zeros of UTF-16 */
        at++;
    return at < length && (head[at] == '<' || head[at] == '{');
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static enum err add_found(struct files *files, const char *name);

static enum err add_folder(struct files *files, const char *folder)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_visible, alphasort);
    enum err err = count < 0 ? ERR_SYSTEM : ERR_OK;
    if (err)
        output_complain("%s: %s", folder, strerror(errno));
    for (int i = 0; i < count; i++) {
        char *name = NULL;
        if (!err && asprintf(&name, "%s/%s", folder, entries[i]->d_name) < 0)
            err = ERR_MEMORY;
        if (!err)
            err = add_found(files, name);
        free(name);
        free(entries[i]);
    }
    free(entries);
    return err;
}

/* What was found in a folder. Links to folders are not followed: they may lead back. */
static enum err add_found(struct files *files, const char *name)
{
    struct stat about;
    if (lstat(name, &about)) {
        output_complain("%s: %s", name, strerror(errno));
        return ERR_SYSTEM;
    }
    if (S_ISDIR(about.st_mode))
        return add_folder(files, name);
    if (S_ISLNK(about.st_mode) && stat(name, &about))
        return ERR_OK;
    return S_ISREG(about.st_mode) && begins_as_document(name) ? add_name(files, name) : ERR_OK;
}

enum err files_add(struct files *files, const char *name)
{
    struct stat about;
    if (strcmp(name, "-") != 0 && stat(name, &about) == 0 && S_ISDIR(about.st_mode))
        return add_folder(files, name);
    return add_name(files, name); /* where it cannot be read, sending it will say so */
}

void files_free(struct files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->names[i]);
    free(files->names);
    *files = (struct files){0};
}
