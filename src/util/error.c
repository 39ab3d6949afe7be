/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* An error is one line whatever a file name or a message contains. */
static void one_line(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 127)
			*text = ' ';
}

int rp_error(struct rp_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	one_line(err->text);
	return code;
}

int rp_error_prefix(struct rp_error *err, int code, const char *fmt, ...)
{
	char text[RP_ERROR_MAX];
	va_list ap;
	int n;

	if (!err)
		return code;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0)
		return code;
	if ((size_t)n < sizeof(text))
		snprintf(text + n, sizeof(text) - n, "%s", err->text);
	memcpy(err->text, text, sizeof(text));
	one_line(err->text);
	return code;
}
