/* SPDX-License-Identifier: BSD-3-Clause
 *
 * reprise show DIR|FILE: what an image holds, for people or as JSON.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "image/image.h"
#include "image/json.h"
#include "util/fd.h"
#include "util/json.h"
#include "util/str.h"

struct options {
	const char *path;
	bool json;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (o->path)
			argp_error(state, "one directory or file only");
		o->path = arg;
		return 0;
	case ARGP_KEY_END:
		if (!o->path)
			argp_error(state, "which directory or file?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option option_list[] = { { "json", 'j', NULL, 0, "Print JSON", 0 }, { 0 } };
static const struct argp_child children[] = { CMD_COMMON, { 0 } };
static const struct argp argp = { option_list,
				  parse_option,
				  "DIR|FILE",
				  "Print the images of a directory, or one image file.\v"
				  "Reads what Reprise and CRIU write. Prints everything that can be read; the exit "
				  "code is 1 when a file could not.",
				  children,
				  NULL,
				  NULL };

/* Fields that people read in hexadecimal: addresses, masks and flags. */
static bool is_hex(const char *name)
{
	static const char *const ends[] = { "addr",   "flags", "_base",	   "sigset", "sigset_extended",
					    "mask",   "rla",   "_pointer", "_data",  "_code",
					    "_stack", "_brk",  "_start",   "_end",   "ptr" };
	static const char *const whole[] = {
		"start",     "end",   "vaddr",	"sigaction", "restorer", "ip",	   "sp",	"bp",
		"ax",	     "bx",    "cx",	"dx",	     "si",	 "di",	   "orig_ax",	"r8",
		"r9",	     "r10",   "r11",	"r12",	     "r13",	 "r14",	   "r15",	"madv",
		"status",    "prot",  "dev",	"rdev",	     "mode",	 "events", "signature", "mm_saved_auxv",
		"xstate_bv", "ss_sp", "handle", "gadgets",   "s_dev",	 "seals"
	};
	size_t i;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (rp_str_has_suffix(name, ends[i]))
			return true;
	for (i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		if (rp_streq(name, whole[i]))
			return true;
	return rp_str_has_prefix(name, "cap_");
}

static void print_scalar(const char *name, struct json_object *v)
{
	if (json_object_is_type(v, json_type_int) && is_hex(name))
		printf("%#" PRIx64,
		       json_object_get_uint64(v) ? json_object_get_uint64(v) : (uint64_t)json_object_get_int64(v));
	else if (json_object_is_type(v, json_type_string))
		fputs(json_object_to_json_string_ext(v, JSON_C_TO_STRING_NOSLASHESCAPE), stdout);
	else
		fputs(json_object_get_string(v), stdout);
}

static bool is_composite(struct json_object *v)
{
	return json_object_is_type(v, json_type_object) || json_object_is_type(v, json_type_array);
}

static void print_tree(struct json_object *o, int depth);

/* An array of numbers is one line; of messages, a list. */
static void print_array(const char *name, struct json_object *array, int depth)
{
	size_t i, n = json_object_array_length(array);

	if (n && is_composite(json_object_array_get_idx(array, 0))) {
		for (i = 0; i < n; i++) {
			printf("%*s%s[%zu]:\n", depth * 2, "", name, i);
			print_tree(json_object_array_get_idx(array, i), depth + 1);
		}
		return;
	}
	printf("%*s%s:", depth * 2, "", name);
	for (i = 0; i < n; i++) {
		putchar(' ');
		print_scalar(name, json_object_array_get_idx(array, i));
	}
	putchar('\n');
}

static void print_tree(struct json_object *o, int depth)
{
	json_object_object_foreach(o, name, v)
	{
		if (json_object_is_type(v, json_type_array)) {
			print_array(name, v, depth);
		} else if (json_object_is_type(v, json_type_object)) {
			printf("%*s%s:\n", depth * 2, "", name);
			print_tree(v, depth + 1);
		} else {
			printf("%*s%s: ", depth * 2, "", name);
			print_scalar(name, v);
			putchar('\n');
		}
	}
}

static void print_file(struct json_object *file)
{
	struct json_object *entries = json_object_object_get(file, "entries");
	size_t i, n = json_object_array_length(entries);

	printf("%s (%s, %zu)\n", json_object_get_string(json_object_object_get(file, "file")),
	       json_object_get_string(json_object_object_get(file, "magic")), n);
	for (i = 0; i < n; i++) {
		printf("  [%zu]\n", i);
		print_tree(json_object_array_get_idx(entries, i), 2);
	}
}

/* The type of a file that does not have an image's name, from its magic. */
static int guess_type(int dir_fd, const char *name, enum rp_img *type, struct rp_error *err)
{
	int fd RP_AUTOCLOSE = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint32_t magic[2] = { 0 };
	int r = fd < 0 ? -errno : 0;

	if (r == 0)
		r = rp_read_all(fd, magic, sizeof(magic));
	if (r < 0 && r != -ENODATA)
		return rp_error(err, r, "%s: %s", name, strerror(-r));
	*type = rp_img_by_magic(magic[0] == RP_IMG_COMMON_MAGIC || magic[0] == RP_IMG_SERVICE_MAGIC ? magic[1]
												    : magic[0]);
	return *type == RP_IMG_COUNT ? rp_error(err, -EBADMSG, "%s: not an image (magic)", name) : 0;
}

/* Raw pages: the size is all there is to say. */
static int pages_json(int dir_fd, const char *name, struct json_object **out, struct rp_error *err)
{
	struct json_object *o = json_object_new_object();
	struct stat st;

	if (!o || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		json_object_put(o);
		return rp_error(err, -EIO, "%s: %s", name, strerror(errno));
	}
	rp_json_set_str(o, "file", name);
	rp_json_set_i64(o, "bytes", st.st_size);
	*out = o;
	return 0;
}

static bool is_pages(const char *name)
{
	return rp_str_has_prefix(name, "pages-") && rp_str_has_suffix(name, ".img");
}

static int file_json(struct rp_image *im, const char *name, struct json_object **out, struct rp_error *err)
{
	const struct rp_img_file *f;
	enum rp_img type;
	uint64_t id;
	int r;

	if (is_pages(name))
		return pages_json(rp_image_dirfd(im), name, out, err);
	if (rp_img_parse_name(name, &type, &id) == 0) {
		r = rp_image_load(im, type, id, &f, err);
	} else {
		r = guess_type(rp_image_dirfd(im), name, &type, err);
		if (r == 0)
			r = rp_image_load_as(im, name, type, &f, err);
	}
	return r < 0 ? r : rp_img_json(f, out, err);
}

/* inventory.img first, then by name. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	bool first = rp_streq((*a)->d_name, "inventory.img"), second = rp_streq((*b)->d_name, "inventory.img");

	return first != second ? (first ? -1 : 1) : strverscmp((*a)->d_name, (*b)->d_name);
}

static int is_image_name(const struct dirent *e)
{
	enum rp_img type;
	uint64_t id;

	return is_pages(e->d_name) || rp_str_has_suffix(e->d_name, ".img") ||
	       rp_img_parse_name(e->d_name, &type, &id) == 0;
}

static int show_one(struct rp_image *im, const char *name, const struct options *o, struct json_object *list)
{
	struct rp_error err = { "" };
	struct json_object *file;
	int r = file_json(im, name, &file, &err);

	if (r < 0)
		return cmd_fail_error(CMD_FAILED, &err);
	if (o->json) {
		json_object_array_add(list, file);
		return CMD_DONE;
	}
	if (json_object_object_get(file, "entries"))
		print_file(file);
	else
		printf("%s (%" PRId64 " bytes)\n", name, json_object_get_int64(json_object_object_get(file, "bytes")));
	json_object_put(file);
	return CMD_DONE;
}

static int show_dir(struct rp_image *im, const struct options *o, struct json_object *list)
{
	struct dirent **names;
	int i, n, result = CMD_DONE;

	n = scandir(o->path, &names, is_image_name, by_name);
	if (n < 0)
		return cmd_fail(CMD_FAILED, "%s: %s", o->path, strerror(errno));
	for (i = 0; i < n; i++) {
		if (show_one(im, names[i]->d_name, o, list) != CMD_DONE)
			result = CMD_FAILED;
		free(names[i]);
	}
	free(names);
	return n ? result : cmd_fail(CMD_FAILED, "%s: holds no images", o->path);
}

int cmd_show(int argc, char **argv)
{
	struct json_object *list RP_AUTOJSON = json_object_new_array();
	struct options o = { 0 };
	struct rp_image *im;
	struct rp_error err;
	struct stat st;
	int result;

	cmd_parse(&argp, argc, argv, 0, NULL, &o);
	if (stat(o.path, &st) < 0)
		return cmd_fail(CMD_FAILED, "%s: %s", o.path, strerror(errno));
	if (S_ISDIR(st.st_mode)) {
		if (rp_image_open(&im, o.path, &err) < 0)
			return cmd_fail_error(CMD_FAILED, &err);
		result = show_dir(im, &o, list);
	} else {
		char *dir RP_AUTOFREE = strdup(o.path), *name RP_AUTOFREE = strdup(o.path);

		if (!dir || !name || rp_image_open(&im, dirname(dir), &err) < 0)
			return cmd_fail(CMD_FAILED, "%s: cannot be opened", o.path);
		result = show_one(im, basename(name), &o, list);
	}
	rp_image_close(im);
	if (o.json && cmd_print_json(list))
		return cmd_fail(CMD_FAILED, "writing the output failed");
	return result;
}
