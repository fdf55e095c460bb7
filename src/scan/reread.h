/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads many objects again, by listing where keys lie close together and one by one elsewhere. */
#ifndef LOCKSTEP_SCAN_REREAD_H
#define LOCKSTEP_SCAN_REREAD_H

#include "scan/recheck.h"

/* Fill object of each item; keys ascend. Items that cannot be read are marked unknown, with an error in the spool. */
enum ls_rc ls_reread_objects(struct ls_scan *scan, struct ls_recheck **items, size_t n, struct ls_err *err)
    LS_MUST_CHECK;

#endif
