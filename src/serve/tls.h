/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Certificate and key of HTTPS, which may be exchanged while connections are open: who has shaken hands goes on, who
 * comes gets the new ones. Thread-safe.
 */
#ifndef LOCKSTEP_SERVE_TLS_H
#define LOCKSTEP_SERVE_TLS_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "lockstep/err.h"

struct ls_tls;

/* Read a certificate (and what follows it in its chain) and its key, both PEM. LS_INVALID: they are no good, or do not
 * belong together. */
enum ls_rc ls_tls_open(const char *cert_path, const char *key_path, struct ls_tls **out_tls, struct ls_err *err)
    LS_MUST_CHECK;
/* Handshakes must have ended. Takes NULL. */
void ls_tls_close(struct ls_tls *tls);

/* Read the files again. What is no good is logged, and what was read before stays. Takes NULL: without TLS. */
void ls_tls_reload(struct ls_tls *tls);

/* Say whose certificate a new session shows. */
void ls_tls_attach(struct ls_tls *tls, gnutls_session_t session);

/* For GnuTLS, which asks it in each handshake of an attached session. */
int ls_tls_retrieve(gnutls_session_t session, const gnutls_datum_t *authorities, int n_authorities,
                    const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_pcert_st **out_chain,
                    unsigned *out_chain_len, gnutls_privkey_t *out_key);

#endif
