/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Digests against the published vectors, encodings, ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/hash.h"

static void digests_match_the_published_vectors(void **state)
{
    (void)state;
    uint8_t md5[LS_MD5_LEN], sha[LS_SHA256_LEN];
    char hex[LS_SHA256_HEX];
    ls_md5("abc", 3, md5); /* RFC 1321, A.5 */
    ls_hex(md5, sizeof md5, hex);
    assert_string_equal(hex, "900150983cd24fb0d6963f7d28e17f72");
    ls_md5("", 0, md5);
    ls_hex(md5, sizeof md5, hex);
    assert_string_equal(hex, "d41d8cd98f00b204e9800998ecf8427e");
    ls_sha256("abc", 3, sha); /* FIPS 180-4 example */
    ls_hex(sha, sizeof sha, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    ls_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, sha); /* RFC 4231, case 2 */
    ls_hex(sha, sizeof sha, hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void a_running_digest_starts_anew_after_final(void **state)
{
    (void)state;
    struct ls_hash *hash = ls_hash_new(LS_HASH_MD5);
    uint8_t have[LS_MD5_LEN], want[LS_MD5_LEN];
    ls_md5("abc", 3, want);
    for (int round = 0; round < 2; round++) {
        ls_hash_update(hash, "a", 1);
        ls_hash_update(hash, "bc", 2);
        ls_hash_final(hash, have);
        assert_memory_equal(have, want, sizeof want);
    }
    ls_hash_free(hash);
    ls_hash_free(NULL);
}

static void a_files_range_is_hashed_in_one_pass(void **state)
{
    (void)state;
    enum { SIZE = 300001 };
    LS_AUTO(ls_fd) int fd = memfd_create("hash", MFD_CLOEXEC);
    uint8_t *bytes = malloc(SIZE), md5[LS_MD5_LEN], sha[LS_SHA256_LEN], want[LS_SHA256_LEN];
    ls_random(bytes, SIZE);
    assert_int_equal(write(fd, bytes, SIZE), SIZE);
    assert_int_equal(ls_hash_fd(fd, 1, SIZE - 1, md5, sha, NULL), LS_OK);
    ls_md5(bytes + 1, SIZE - 1, want);
    assert_memory_equal(md5, want, LS_MD5_LEN);
    ls_sha256(bytes + 1, SIZE - 1, want);
    assert_memory_equal(sha, want, LS_SHA256_LEN);
    assert_int_equal(ls_hash_fd(fd, 0, SIZE + 1, md5, NULL, NULL), LS_IO);
    free(bytes);
}

static void base64_pads(void **state)
{
    (void)state;
    static const char *const want[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"}; /* RFC 4648 */
    char out[16];
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        ls_base64((const uint8_t *)"foobar", i, out);
        assert_string_equal(out, want[i]);
    }
}

static void ids_are_unique_and_ordered_by_time(void **state)
{
    (void)state;
    char ids[64][LS_ID_LEN];
    for (int i = 0; i < 64; i++) {
        ls_id_new(ids[i]);
        assert_int_equal(strlen(ids[i]), LS_ID_LEN - 1);
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(ids[i], ids[j]);
            assert_true(memcmp(ids[j], ids[i], 10) <= 0); /* the time is the first ten characters */
        }
    }
    assert_true(ls_equal_const_time("abc", "abc", 3));
    assert_false(ls_equal_const_time("abc", "abd", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_match_the_published_vectors),
        cmocka_unit_test(a_running_digest_starts_anew_after_final),
        cmocka_unit_test(a_files_range_is_hashed_in_one_pass),
        cmocka_unit_test(base64_pads),
        cmocka_unit_test(ids_are_unique_and_ordered_by_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
