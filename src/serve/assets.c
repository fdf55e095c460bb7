/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The assembler takes the files in as they are; LS_ASSETS is the folder that they lie in. */
#include "serve/assets.h"

#ifndef LS_ASSETS /* for tools that look at this file alone */
#define LS_ASSETS "src/serve"
#endif

#define ASSET(symbol, file)                                                                                            \
    __asm__(".pushsection .rodata\n"                                                                                   \
            ".balign 8\n"                                                                                              \
            ".global " #symbol "_len\n"                                                                                \
            ".type " #symbol "_len, %object\n" #symbol "_len:\n"                                                       \
            ".8byte " #symbol "_end - " #symbol "\n"                                                                   \
            ".global " #symbol "\n"                                                                                    \
            ".type " #symbol ", %object\n" #symbol ":\n"                                                               \
            ".incbin \"" LS_ASSETS "/" file "\"\n" #symbol "_end:\n"                                                   \
            ".byte 0\n"                                                                                                \
            ".popsection\n")

ASSET(ls_asset_openapi, "openapi.yaml");
