/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Only for cppcheck, whose preprocessor does not know __VA_OPT__: base/log.h without it. */
#define LOCKSTEP_BASE_LOG_H
#define LS_LOG_ERROR(...) ((void)0)
#define LS_LOG_WARN(...) ((void)0)
#define LS_LOG_INFO(...) ((void)0)
#define LS_LOG_DEBUG(...) ((void)0)
