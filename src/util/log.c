/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/log.h"

#include <stdarg.h>
#include <stdio.h>

static struct {
	enum rp_log_level level;
	rp_log_sink_fn *sink;
	void *arg;
} log_sink;

void rp_log_set(enum rp_log_level level, rp_log_sink_fn *sink, void *arg)
{
	log_sink.level = level;
	log_sink.sink = sink;
	log_sink.arg = arg;
}

int rp_log_wants(enum rp_log_level level)
{
	return log_sink.sink && level <= log_sink.level;
}

void rp_log(enum rp_log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	if (!rp_log_wants(level))
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	log_sink.sink(level, line, log_sink.arg);
}
