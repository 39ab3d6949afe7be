/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Error text in a fixed buffer that the caller owns. The text is made once, where the fact is known; a caller may put
 * the object in front ("pid 7 fd 3 eventfd: ..."). Functions that take one return -errno and leave it untouched on
 * success.
 */
#ifndef RP_UTIL_ERROR_H
#define RP_UTIL_ERROR_H

#define RP_ERROR_MAX 512

struct rp_error {
	char text[RP_ERROR_MAX]; /* one line, no newline; empty: no error */
};

/* Sets err's text (err may be NULL) and returns code unchanged, so that `return rp_error(err, -EINVAL, "...")` works.
 * code is -errno; its strerror() is not added: say ": %s" yourself where it helps. */
int rp_error(struct rp_error *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts a prefix in front of the text and returns code. */
int rp_error_prefix(struct rp_error *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
