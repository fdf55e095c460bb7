if HAVE_CMOCKA
SERVE_LIBS = libls_serve.la $(TEST_LIBS)

check_PROGRAMS += tests/serve/test_tokens
tests_serve_test_tokens_SOURCES = tests/serve/test_tokens.c
tests_serve_test_tokens_CPPFLAGS = $(TEST_CPPFLAGS)
tests_serve_test_tokens_LDADD = $(SERVE_LIBS)

check_PROGRAMS += tests/serve/test_notice
tests_serve_test_notice_SOURCES = tests/serve/test_notice.c
tests_serve_test_notice_CPPFLAGS = $(TEST_CPPFLAGS)
tests_serve_test_notice_LDADD = $(SERVE_LIBS)

check_PROGRAMS += tests/serve/test_request
tests_serve_test_request_SOURCES = tests/serve/test_request.c
tests_serve_test_request_CPPFLAGS = $(TEST_CPPFLAGS)
tests_serve_test_request_LDADD = $(SERVE_LIBS)

check_PROGRAMS += tests/serve/test_conditions
tests_serve_test_conditions_SOURCES = tests/serve/test_conditions.c
tests_serve_test_conditions_CPPFLAGS = $(TEST_CPPFLAGS)
tests_serve_test_conditions_LDADD = $(SERVE_LIBS)

check_PROGRAMS += tests/serve/test_reply
tests_serve_test_reply_SOURCES = tests/serve/test_reply.c
tests_serve_test_reply_CPPFLAGS = $(TEST_CPPFLAGS)
tests_serve_test_reply_LDADD = $(SERVE_LIBS)
endif
