/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `reprise verify SNAPSHOT`: is every file of a generation what was written?
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "cmd.h"
#include "snapshot.h"
#include "util/json.h"
#include "util/str.h"

static void print_json(const struct rp_store *s, const struct rp_gen *g, const struct rp_error *err)
{
	struct json_object *o RP_AUTOJSON = json_object_new_object();
	char *ref RP_AUTOFREE = rp_strf("%s/%u", s->path, g->seq);

	rp_json_set_str(o, "snapshot", ref ? ref : "");
	json_object_object_add(o, "sound", json_object_new_boolean(!err->text[0]));
	if (err->text[0])
		rp_json_set_str(o, "error", err->text);
	(void)cmd_print_json(o);
}

int cmd_verify(int argc, char **argv)
{
	static const struct argp_child children[] = { { &snapshot_argp, 0, NULL, 0 }, CMD_COMMON, { 0 } };
	static const struct argp argp = {
		NULL,	      NULL,
		"[SNAPSHOT]", "Read every file of a snapshot against the sizes and checksums of its manifest.",
		children,     NULL,
		NULL
	};
	struct snapshot_options o = { 0 };
	struct rp_error err = { "" };
	const struct rp_gen *gen;
	struct rp_store *store;
	int rc;

	cmd_parse(&argp, argc, argv, 0, NULL, &o);
	if (snapshot_find(&o, &store, &gen, &err))
		return cmd_fail_error(CMD_FAILED, &err);
	rc = rp_store_verify(store, gen, cmd_progress_start("reading"), &err);
	cmd_progress_stop();
	if (o.json)
		print_json(store, gen, &err);
	else if (!rc)
		printf("%s/%u: sound\n", store->path, gen->seq);
	else
		cmd_fail_error(CMD_FAILED, &err);
	rp_store_free(store);
	return rc ? CMD_FAILED : CMD_DONE;
}
