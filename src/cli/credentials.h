/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where the store's keys come from: environment, files, systemd; never the command line.
 *
 * Secrets are wiped when freed. Nothing here prints or logs one.
 */
#ifndef LOCKSTEP_CLI_CREDENTIALS_H
#define LOCKSTEP_CLI_CREDENTIALS_H

#include "lockstep/err.h"

struct ls_credentials {
    char *access_key, *secret_key;
    char *session_token; /* or NULL */
    char *source;        /* where they were found, for messages */
};

/* The first of these that there is:
 * 1. $AWS_ACCESS_KEY_ID with $AWS_SECRET_ACCESS_KEY and, if set, $AWS_SESSION_TOKEN;
 * 2. `file` ([store] credentials), which must then exist;
 * 3. $CREDENTIALS_DIRECTORY/lockstep-credentials (systemd's LoadCredential=);
 * 4. $AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials.
 * Files have the form of the last one; the profile is `profile` ([store] profile), $AWS_PROFILE or "default"; keys
 * before the first section belong to "default". LS_NOT_FOUND says where was looked. */
enum ls_rc ls_credentials_find(const char *file, const char *profile, struct ls_credentials *out, struct ls_err *err)
    LS_MUST_CHECK;
void ls_credentials_dispose(struct ls_credentials *credentials);
static inline void ls_credentials_auto(struct ls_credentials *credentials) { ls_credentials_dispose(credentials); }

#endif
