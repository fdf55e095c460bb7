/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The mapping's sections of the config. What names may be like is catalog/mapping.c's. */
#include "cli/config_map.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/mapping.h"

bool ls_config_map_section(const char *section) { return strncmp(section, "map.", 4) == 0; }

static enum ls_rc begin(struct ls_config *config, const char *file, struct ls_err *err)
{
    if (config->mapping)
        return LS_OK;
    struct ls_mapping *mapping = calloc(1, sizeof *mapping);
    if (!mapping)
        return ls_err_nomem(err);
    config->mapping = mapping;
    return ls_mapping_init(mapping, file, err);
}

enum ls_rc ls_config_map_line(struct ls_config *config, const struct ls_ini_line *line, struct ls_err *err)
{
    int table = 0;
    while (table < LS_MAP_TABLES && strcmp(ls_map_table_word(table), line->section + 4) != 0)
        table++;
    if (table == LS_MAP_TABLES)
        return ls_err_set(err, LS_INVALID,
                          "%s:%u: unknown section [%s] (there are map.product, map.variant, map.image)", line->file,
                          line->line, line->section);
    enum ls_rc rc = begin(config, line->file, err);
    if (rc || !line->key)
        return rc;
    rc = ls_mapping_set(config->mapping, table, line->key, line->value, line->line, err);
    if (rc == LS_NOT_FOUND)
        return ls_err_set(err, LS_INVALID, "%s:%u: unknown key '%s' in [%s]", line->file, line->line, line->key,
                          line->section);
    if (rc)
        ls_err_prefix(err, "%s:%u: [%s] %s: ", line->file, line->line, line->section, line->key);
    return rc;
}

enum ls_rc ls_config_map_check(struct ls_config *config, struct ls_err *err)
{
    if (!config->mapping)
        return LS_OK;
    if (!config->catalog_is_pg)
        return ls_err_set(err, LS_INVALID, "[map.*] wants a catalog on PostgreSQL: an application's own database");
    return ls_mapping_check(config->mapping, err);
}

void ls_config_map_free(struct ls_config *config)
{
    if (config->mapping)
        ls_mapping_dispose(config->mapping);
    free(config->mapping);
}
