/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Debug lines. The library and the kinds never print: they say "stage pid kind: text" to the sink, which the program
 * sets. Without a sink nothing is formatted.
 */
#ifndef RP_UTIL_LOG_H
#define RP_UTIL_LOG_H

enum rp_log_level {
	RP_LOG_QUIET,	/* errors only: those are returned, not logged */
	RP_LOG_WARNING, /* something was changed or left out on purpose; shown unless -q */
	RP_LOG_INFO,	/* -v */
	RP_LOG_DEBUG,	/* -vv */
};

/* line has no newline. Called from any thread. */
typedef void rp_log_sink_fn(enum rp_log_level level, const char *line, void *arg);

void rp_log_set(enum rp_log_level level, rp_log_sink_fn *sink, void *arg);

int rp_log_wants(enum rp_log_level level);

void rp_log(enum rp_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define rp_debug(...) ((void)(rp_log_wants(RP_LOG_DEBUG) && (rp_log(RP_LOG_DEBUG, __VA_ARGS__), 0)))
#define rp_info(...) ((void)(rp_log_wants(RP_LOG_INFO) && (rp_log(RP_LOG_INFO, __VA_ARGS__), 0)))
#define rp_warn(...) ((void)(rp_log_wants(RP_LOG_WARNING) && (rp_log(RP_LOG_WARNING, __VA_ARGS__), 0)))

#endif
