/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * GnuTLS asks for the certificate in each handshake, and is lent the newest pair.
 *
 * A handshake may take several rounds and uses what it was lent until its end, so a pair that was replaced is kept
 * until no handshake can be left that began with it: the server gives each connection less time than RETIRED_MS.
 * The session's database pointer, which GnuTLS uses for nothing else than to hand it to a cache of sessions that there
 * is none of here, says to whom the session belongs.
 */
#include "serve/tls.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#define CHAIN_MOST 16
#define RETIRED_MS 60000

struct pair {
    struct pair *next;  /* older */
    int64_t retired_ms; /* since when there is a newer one */
    gnutls_pcert_st chain[CHAIN_MOST];
    unsigned n;
    gnutls_privkey_t key;
};

struct ls_tls {
    char *cert_path, *key_path;
    pthread_mutex_t lock; /* the list */
    struct pair *pairs;   /* newest first */
};

static void pair_free(struct pair *pair)
{
    if (!pair)
        return;
    for (unsigned i = 0; i < pair->n; i++)
        gnutls_pcert_deinit(&pair->chain[i]);
    if (pair->key)
        gnutls_privkey_deinit(pair->key);
    free(pair);
}

LS_AUTO_DEFINE(pair, struct pair *, pair_free)

/* Do they belong together? GnuTLS looks when it is given both. */
static int check(const gnutls_datum_t *cert, const gnutls_datum_t *key)
{
    gnutls_certificate_credentials_t both;
    int code = gnutls_certificate_allocate_credentials(&both);
    if (code < 0)
        return code;
    code = gnutls_certificate_set_x509_key_mem2(both, cert, key, GNUTLS_X509_FMT_PEM, NULL, 0);
    gnutls_certificate_free_credentials(both);
    return code < 0 ? code : 0;
}

static int parse(const gnutls_datum_t *cert, const gnutls_datum_t *key, struct pair *out)
{
    unsigned n = CHAIN_MOST;
    int code = check(cert, key);
    if (!code)
        code = gnutls_pcert_list_import_x509_raw(out->chain, &n, cert, GNUTLS_X509_FMT_PEM, 0);
    if (code)
        return code;
    out->n = n;
    code = gnutls_privkey_init(&out->key);
    return code ? code : gnutls_privkey_import_x509_raw(out->key, key, GNUTLS_X509_FMT_PEM, NULL, 0);
}

static enum ls_rc read_pair(const struct ls_tls *tls, struct pair **out_pair, struct ls_err *err)
{
    LS_AUTO(pair) struct pair *pair = calloc(1, sizeof *pair);
    LS_AUTO(ls_buf) struct ls_buf cert = LS_BUF_INIT(LS_BUF_BODY), key = LS_BUF_INIT(LS_BUF_BODY);
    if (!pair)
        return ls_err_nomem(err);
    enum ls_rc rc = ls_read_file(tls->cert_path, &cert, err);
    if (!rc)
        rc = ls_read_file(tls->key_path, &key, err);
    if (rc)
        return ls_err_prefix(err, "serve: TLS: ");
    const gnutls_datum_t cert_pem = {(unsigned char *)cert.data, (unsigned)cert.len};
    const gnutls_datum_t key_pem = {(unsigned char *)key.data, (unsigned)key.len};
    int code = parse(&cert_pem, &key_pem, pair);
    explicit_bzero(key.data, key.len);
    if (code)
        return ls_err_set(err, LS_INVALID, "serve: TLS: %s and %s: %s", tls->cert_path, tls->key_path,
                          code == GNUTLS_E_CERTIFICATE_KEY_MISMATCH ? "they do not belong together"
                                                                    : gnutls_strerror(code));
    *out_pair = LS_STEAL(pair);
    return LS_OK;
}

/* Make it the one that is shown, and free what nobody can be using any more. */
static void show(struct ls_tls *tls, struct pair *pair)
{
    int64_t now_ms = ls_monotonic_ms();
    LS_LOCK(&tls->lock);
    if (tls->pairs)
        tls->pairs->retired_ms = now_ms;
    pair->next = tls->pairs;
    tls->pairs = pair;
    for (struct pair **at = &pair->next; *at;) {
        struct pair *old = *at;
        if (old->retired_ms + RETIRED_MS > now_ms) {
            at = &old->next;
            continue;
        }
        *at = old->next;
        pair_free(old);
    }
}

enum ls_rc ls_tls_open(const char *cert_path, const char *key_path, struct ls_tls **out_tls, struct ls_err *err)
{
    struct ls_tls *tls = calloc(1, sizeof *tls);
    struct pair *pair = NULL;
    if (!tls)
        return ls_err_nomem(err);
    pthread_mutex_init(&tls->lock, NULL);
    tls->cert_path = strdup(cert_path);
    tls->key_path = strdup(key_path);
    enum ls_rc rc = tls->cert_path && tls->key_path ? read_pair(tls, &pair, err) : ls_err_nomem(err);
    if (rc || !pair) {
        ls_tls_close(tls);
        return rc;
    }
    show(tls, pair);
    *out_tls = tls;
    return LS_OK;
}

void ls_tls_close(struct ls_tls *tls)
{
    if (!tls)
        return;
    for (struct pair *pair = tls->pairs, *next; pair; pair = next) {
        next = pair->next;
        pair_free(pair);
    }
    pthread_mutex_destroy(&tls->lock);
    free(tls->cert_path);
    free(tls->key_path);
    free(tls);
}

void ls_tls_reload(struct ls_tls *tls)
{
    struct ls_err err = LS_ERR_INIT;
    struct pair *pair = NULL;
    if (!tls)
        return;
    if (read_pair(tls, &pair, &err) || !pair) {
        LS_LOG_WARN("serve", "certificate-not-read", {"error", ls_v_str(err.text)},
                    {"advice", ls_v_str("the one read before goes on being shown")});
        return;
    }
    show(tls, pair);
    LS_LOG_INFO("serve", "certificate-read", {"file", ls_v_str(tls->cert_path)});
}

void ls_tls_attach(struct ls_tls *tls, gnutls_session_t session) { gnutls_db_set_ptr(session, tls); }

int ls_tls_retrieve(gnutls_session_t session, const gnutls_datum_t *authorities, int n_authorities,
                    const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_pcert_st **out_chain,
                    unsigned *out_chain_len, gnutls_privkey_t *out_key)
{
    struct ls_tls *tls = gnutls_db_get_ptr(session);
    (void)authorities;
    (void)n_authorities;
    (void)algorithms;
    (void)n_algorithms;
    if (!tls)
        return -1;
    LS_LOCK(&tls->lock);
    *out_chain = tls->pairs->chain;
    *out_chain_len = tls->pairs->n;
    *out_key = tls->pairs->key;
    return 0;
}
