/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the files of the dump share among each other: dump.c (stages), dump_mem.c (memory), dump_fd.c (descriptors),
 * dump_pages.c (memory of the process), dump_rank.c (lower half), dump_write.c (messages to files).
 */
#ifndef RP_ENGINE_DUMP_IMPL_H
#define RP_ENGINE_DUMP_IMPL_H

#include "engine/dump.h"
#include "tracee/tracee.h"

uint64_t rp_now_ns(void);

/* dump_mem.c */
void rp_dump_mem_free(struct rp_dump *d);

/* dump_fd.c: every descriptor of the stopped process goes through the kinds; t->fds is filled. */
int rp_dump_fds(struct rp_dump *d, struct rp_task *t);
void rp_dump_fds_done(struct rp_dump *d);

/* dump_rank.c */
bool rp_rank_fd_is_lower(const struct rp_task *t, int fd);
/* Reads the arena's header of a running rank. */
int rp_rank_read(struct rp_dump *d, struct rp_task *t);
/* Sorts out the lower half's threads of a stopped rank. 1: a thread of the application is inside the lower half now. */
int rp_rank_threads(struct rp_dump *d, struct rp_task *t, const struct rp_tracee *tracee);

/* dump_shm.c: shared anonymous objects of the stopped process, each into a pages file of its own. */
int rp_shm_copy(struct rp_dump *d, struct rp_task *t);
int rp_put_pagemap(struct rp_dump *d, enum rp_img type, uint64_t id, uint64_t vaddr, uint64_t len);
int rp_put_pagemap_head(struct rp_dump *d, enum rp_img type, uint64_t id, uint32_t pages_id);

/* dump_pages.c: the private memory of the process into one pages file. */
struct rp_pages;
int rp_pages_new(struct rp_pages **out, struct rp_dump *d, struct rp_task *t); /* running: reserves room */
/* Is there so much that a copy-on-write child is worth making? */
bool rp_pages_wants_cow(const struct rp_pages *p);
/* Stopped, before a copy-on-write child is made: copies what the child would not have. */
int rp_pages_hold(struct rp_pages *p);
int rp_pages_scan(struct rp_pages *p, int pid); /* chooses what to copy, from the process or from its child */
int rp_pages_copy(struct rp_pages *p, int pid);
int rp_pages_write(struct rp_pages *p); /* pagemap; cuts zero pages out */
void rp_pages_free(struct rp_pages *p);

/* dump_write.c */
int rp_dump_write(struct rp_dump *d, struct rp_task *t);
int rp_dump_inventory(struct rp_dump *d, struct rp_task *t);

#endif
