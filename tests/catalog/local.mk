if HAVE_CMOCKA
check_PROGRAMS += tests/catalog/test_catalog_contract
tests_catalog_test_catalog_contract_SOURCES = tests/catalog/test_catalog_contract.c tests/catalog/contract.h \
	tests/catalog/contract_util.c tests/catalog/contract_images.c tests/catalog/contract_journal.c \
	tests/catalog/contract_pages.c tests/catalog/contract_products.c tests/catalog/contract_side.c
tests_catalog_test_catalog_contract_CPPFLAGS = $(TEST_CPPFLAGS)
tests_catalog_test_catalog_contract_LDADD = $(TEST_LIBS)
endif
