/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Figures as Prometheus reads them: its text exposition format, version 0.0.4.
 */
#ifndef LOCKSTEP_BASE_EXPOSITION_H
#define LOCKSTEP_BASE_EXPOSITION_H

#include <stdbool.h>
#include <stdio.h>

#include "base/histogram.h"

#define LS_EXPOSITION_LABEL_MAX 8192 /* bytes of a label, its name and the end included */

/* Write name="value" as a label; false when it does not fit. */
bool ls_exposition_label(const char *name, const char *value, char out[LS_EXPOSITION_LABEL_MAX]);
/* Begin a family of figures; type is "counter", "gauge" or "histogram". */
void ls_exposition_family(FILE *out, const char *name, const char *type, const char *help);
/* The lines of one histogram; labels without braces ("op=\"put\""), or "". */
void ls_exposition_histogram(FILE *out, const char *name, const char *labels, const struct ls_histogram *histogram);

#endif
