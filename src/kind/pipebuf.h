/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What pipes and FIFOs share: the buffer (bytes in flight, capacity, packets) and the question who holds the other end.
 * Contents are read by tee(2), which takes nothing out.
 */
#ifndef RP_KIND_PIPEBUF_H
#define RP_KIND_PIPEBUF_H

#include "kind/kind.h"

#define RP_PIPE_LAUNCHED 0 /* pipe_id of what a rank had not read of the launcher's pipe; no inode has this number */

/* Writes one pipe_data_entry with the contents (one per packet when the writer uses packets, O_DIRECT). Called once per
 * pipe_id: returns 0 at once when it was saved already. type: RP_IMG_PIPES_DATA or RP_IMG_FIFO_DATA. */
int rp_pipebuf_dump(struct rp_dump *d, const struct rp_fd *fd, enum rp_img type, uint32_t pipe_id);

/* -ENOTSUP (d->err) when the other end is held only by a process outside, unless the descriptor is one of 0-2 or shares
 * its pipe with one of them: those belong to whoever started the process. */
int rp_pipebuf_check_ends(struct rp_dump *d, const struct rp_fd *fd);

/* -EINVAL (text set) when the image's data of this pipe is not valid. */
int rp_pipebuf_check(struct rp_restore *r, enum rp_img type, uint32_t pipe_id);

/* Sets the capacity and writes the recorded bytes into a new, empty pipe through its write end. */
int rp_pipebuf_fill(struct rp_restore *r, enum rp_img type, uint32_t pipe_id, int write_fd);

#endif
