/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Image types by magic bytes and by extension. */
#include "serve/sniff.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

static bool starts(const char *data, size_t len, size_t at, const char *magic, size_t magic_len)
{
    return len >= at + magic_len && memcmp(data + at, magic, magic_len) == 0;
}

const char *ls_sniff_bytes(const void *data, size_t len)
{
    const char *bytes = data;
    if (starts(bytes, len, 0, "\xff\xd8\xff", 3))
        return "image/jpeg";
    if (starts(bytes, len, 0, "\x89PNG\r\n\x1a\n", 8))
        return "image/png";
    if (starts(bytes, len, 0, "GIF87a", 6) || starts(bytes, len, 0, "GIF89a", 6))
        return "image/gif";
    if (starts(bytes, len, 0, "RIFF", 4) && starts(bytes, len, 8, "WEBPVP8", 7))
        return "image/webp";
    if (starts(bytes, len, 4, "ftypavif", 8) || starts(bytes, len, 4, "ftypavis", 8))
        return "image/avif";
    return NULL;
}

const char *ls_sniff_name(const char *file)
{
    static const struct {
        const char *extension, *type;
    } types[] = {{".jpg", "image/jpeg"}, {".jpeg", "image/jpeg"}, {".png", "image/png"},
                 {".gif", "image/gif"},  {".webp", "image/webp"}, {".avif", "image/avif"}};
    const char *dot = strrchr(file, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
        if (strcasecmp(dot, types[i].extension) == 0)
            return types[i].type;
    return NULL;
}
