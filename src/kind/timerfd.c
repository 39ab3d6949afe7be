/* SPDX-License-Identifier: BSD-3-Clause
 *
 * timerfd_create(2): clock, remaining time, interval, unread expirations. The image holds the remaining time, also of
 * timers that were set to an absolute time: they expire after that much more time of the restored process. One that is
 * cancelled when the wall clock is set still is.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "kind/fdcommon.h"
#include "util/fd.h"
#include "util/str.h"

#define NSEC 1000000000ULL
#ifndef TFD_IOC_SET_TICKS
#define TFD_IOC_SET_TICKS _IOW('T', 0, uint64_t)
#endif

static bool timerfd_is(const struct rp_fd *fd)
{
	return !strcmp(fd->link, "anon_inode:[timerfd]");
}

/* A periodic timer that has expired stands still until it is read or asked; asking it on our duplicate makes the kernel
 * count what it missed and arm it again, so the remaining time is exact. The expirations are read after that. */
static int read_timer(const struct rp_fd *fd, TimerfdEntry *m)
{
	struct itimerspec now;
	char path[64], *text RP_AUTOFREE = NULL;

	if (timerfd_gettime(fd->lfd, &now))
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd->lfd);
	if (rp_read_file_at(AT_FDCWD, path, 65536, &text, NULL))
		return -ENOENT;
	m->vsec = (uint64_t)now.it_value.tv_sec;
	m->vnsec = (uint64_t)now.it_value.tv_nsec;
	m->isec = (uint64_t)now.it_interval.tv_sec;
	m->insec = (uint64_t)now.it_interval.tv_nsec;
	return rp_fdtext_u64(text, "ticks", 10, &m->ticks);
}

static int timerfd_dump(struct rp_dump *d, const struct rp_fd *fd, FileEntry *e)
{
	TimerfdEntry *m = RP_DUMP_MSG(d, TimerfdEntry, timerfd_entry__init);
	uint64_t clockid, settime;

	if (!m || !(m->fown = rp_fown_dump(d, fd)))
		return -ENOMEM;
	m->id = fd->id;
	m->flags = fd->flags;
	if (rp_fdtext_u64(fd->fdinfo, "clockid", 10, &clockid) ||
	    rp_fdtext_u64(fd->fdinfo, "settime flags", 8, &settime) || read_timer(fd, m))
		return rp_error(&d->err, -ENOTSUP, "the kernel does not show the timer");
	m->clockid = (uint32_t)clockid;
	m->settime_flags = (uint32_t)settime;
	e->type = FD_TYPES__TIMERFD;
	e->tfd = m;
	return 0;
}

static int timerfd_check(struct rp_restore *r, const FileEntry *e)
{
	const TimerfdEntry *m = e->tfd;

	if (!m || m->vnsec >= NSEC || m->insec >= NSEC || m->vsec > INT64_MAX / NSEC || m->isec > INT64_MAX / NSEC)
		return rp_error(&r->err, -EINVAL, "timerfd, file id %u: not valid", e->id);
	return rp_fown_check(r, m->fown, "timerfd", e->id);
}

static int timerfd_open(struct rp_restore *r, const FileEntry *e, int *out_fd)
{
	int fd = timerfd_create((int)e->tfd->clockid, TFD_CLOEXEC);

	if (fd < 0)
		return rp_error(&r->err, -errno, "timerfd of clock %u: %s", e->tfd->clockid, strerror(errno));
	*out_fd = fd;
	return rp_fd_set_flags(r, fd, e->tfd->flags, "timerfd");
}

/* Unread expirations are set after the timer, which would clear them; such a timer is armed here, others by the
 * restorer, when the process is about to run. */
static uint32_t set_flags(const TimerfdEntry *m)
{
	bool is_wall = m->clockid == CLOCK_REALTIME || m->clockid == CLOCK_REALTIME_ALARM;

	return is_wall && m->settime_flags & TFD_TIMER_CANCEL_ON_SET ? TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET : 0;
}

static int arm_now(const TimerfdEntry *m, int fd)
{
	struct itimerspec spec = {
		.it_value = { (time_t)m->vsec, (long)m->vnsec },
		.it_interval = { (time_t)m->isec, (long)m->insec },
	};
	struct timespec now;

	if (set_flags(m) && (m->vsec || m->vnsec)) {
		clock_gettime(CLOCK_REALTIME, &now);
		spec.it_value.tv_nsec += now.tv_nsec;
		spec.it_value.tv_sec += now.tv_sec + spec.it_value.tv_nsec / (long)NSEC;
		spec.it_value.tv_nsec %= (long)NSEC;
	}
	return timerfd_settime(fd, (int)set_flags(m), &spec, NULL);
}

static int timerfd_finish(struct rp_restore *r, struct rp_rtask *t, const FileEntry *e, int fd)
{
	const TimerfdEntry *m = e->tfd;
	int rc = 0;

	if (m->ticks) {
		uint64_t ticks = m->ticks;

		if (arm_now(m, fd))
			return rp_error(&r->err, -errno, "fd %d timerfd: %s", fd, strerror(errno));
		if (ioctl(fd, TFD_IOC_SET_TICKS, &ticks))
			return rp_error(&r->err, -errno, "fd %d timerfd: %llu unread expirations: %s", fd,
					(unsigned long long)ticks, strerror(errno));
	} else if (m->vsec || m->vnsec) {
		rc = rp_planner_fdop(t->plan, fd, RP_FDOP_TIMERFD, set_flags(m), m->vsec * NSEC + m->vnsec,
				     m->isec * NSEC + m->insec);
	}
	return rc ? rp_error(&r->err, rc, "no memory for the plan") : rp_fown_restore(r, t, m->fown, m->flags, fd);
}

const struct rp_kind rp_kind_timerfd = {
	.name = "timerfd",
	.fd_type = FD_TYPES__TIMERFD,
	.fd_is = timerfd_is,
	.fd_dump = timerfd_dump,
	.fd_check = timerfd_check,
	.fd_open = timerfd_open,
	.fd_finish = timerfd_finish,
};
