/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The words that the side tables hold for operations, actions and states, and the way back. Static text.
 */
#ifndef LOCKSTEP_CATALOG_WORDS_H
#define LOCKSTEP_CATALOG_WORDS_H

#include "lockstep/catalog.h"

const char *ls_action_name(enum ls_action action);
const char *ls_intent_state_name(enum ls_intent_state state);
const char *ls_scan_findings_name(enum ls_scan_findings findings); /* 0 is NONE */
const char *ls_range_state_name(enum ls_range_state state);

/* 0, which none of the values is, when the text is no such word. */
enum ls_op ls_op_parse(const char *text);
enum ls_action ls_action_parse(const char *text);
enum ls_intent_state ls_intent_state_parse(const char *text);
enum ls_scan_findings ls_scan_findings_parse(const char *text);
enum ls_range_state ls_range_state_parse(const char *text);

#endif
