/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Files and directories of the store, below the level of generations: sealing (size, checksum, fsync), removing, finding.
 */
#ifndef RP_JOB_STORE_FILES_H
#define RP_JOB_STORE_FILES_H

#include "job/manifest.h"
#include "util/progress.h"
#include "util/str.h"

/* Highest number that names an entry of the directory, 0: none. */
uint32_t rp_store_highest_dir(int dir_fd);

/* Fills r->files and r->bytes from the regular files of the directory and fsyncs them and the directory. 0 or -errno. */
int rp_store_seal_dir(int dir_fd, struct rp_gen_rank *r);

/* Opens a regular file of the store for reading: no link that leads out, no FIFO that would block. Returns its descriptor or
 * -errno (-EBADMSG: something else) with text that begins with the name. */
int rp_store_open_file(int dir_fd, const char *name, struct rp_error *err);

/* Size and CRC-32C of an open file; count: bytes read, may be NULL. 0 or -errno. */
int rp_store_sum(int fd, uint64_t *bytes, uint32_t *crc, struct rp_count *count);

/* What the file `pids` of a generation says. */
void rp_store_pids_text(const struct rp_gen *gen, struct rp_str *out);

/* Removes a directory and what it holds, following no link. Failures are left behind silently: what the manifest does not
 * list is not there, and prune tries again. */
void rp_store_remove_tree(int dir_fd, const char *name);

/* Removes every entry that is a number, at least `from` and below `below`, and not among gens. */
void rp_store_remove_unlisted(int dir_fd, const struct rp_gen *gens, size_t ngens, uint32_t from, uint32_t below);

#endif
