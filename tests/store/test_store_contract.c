/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What every store promises, shown over whichever one contract.h's functions open: the groups are in
 * contract_objects.c, contract_batches.c and contract_listing.c. Each test starts with an empty container.
 */
#include "store/contract_tools.h"

struct ls_store *store;
struct ls_store_caps caps;
struct ls_err last;

int empty_the_container(void **state)
{
    (void)state;
    for (;;) {
        struct ls_list_request req = {.prefix = ""};
        struct ls_list_page page;
        assert_ok(ls_store_list(store, &req, &page, &last));
        size_t n = page.n;
        struct ls_store_delete *items = calloc(n + 1, sizeof *items);
        for (size_t i = 0; i < n; i++)
            items[i].key = page.entries[i].key;
        if (n > 0)
            assert_ok(ls_store_delete_many(store, items, n, &last));
        free(items);
        ls_list_page_dispose(&page);
        if (n == 0)
            return 0;
    }
}

/* The groups over one way of opening the store. */
static int run_way(const char *way)
{
    store = contract_open(way);
    if (ls_store_probe(store, &caps, &last)) {
        printf("over a store that is %s: %s\n", way, last.text);
        ls_store_close(store);
        return 1;
    }
    printf("over a store that is %s\n", way);
    int failed = contract_objects(way) + contract_batches(way) + contract_listing(way);
    ls_store_close(store);
    return failed;
}

int main(void)
{
    if (contract_skip_reason()) {
        printf("skipped: %s\n", contract_skip_reason());
        return 77;
    }
    int failed = 0;
    for (size_t i = 0; contract_ways[i]; i++)
        failed += run_way(contract_ways[i]);
    contract_clean_up();
    return failed ? 1 : 0;
}
