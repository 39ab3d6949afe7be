/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Descriptors of anonymous inodes: eventfd (both modes), timerfd (armed, periodic with unread expirations), signalfd, epoll
 * (nested, one-shot that fired), inotify (exact watch numbers), memfd (shared, sealed, with a hole).
 */
#include "load.h"

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

static int ev, sem, far, near, wall, sfd, ep, outer, shot_src, ino, mem, mem2, sealed;
static int wd_a, wd_c;
static char *map;

static void make_timers(void)
{
	struct itimerspec in = { .it_value = { 5000, 0 }, .it_interval = { 7, 9 } };

	far = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	MUST(!timerfd_settime(far, 0, &in, NULL));
	near = timerfd_create(CLOCK_REALTIME, 0);
	in.it_value = (struct timespec){ 0, 1000000 };
	in.it_interval = (struct timespec){ 4000, 0 };
	MUST(!timerfd_settime(near, 0, &in, NULL));
	wall = timerfd_create(CLOCK_REALTIME, 0);
	in.it_value = (struct timespec){ time(NULL) + 5000, 0 };
	MUST(!timerfd_settime(wall, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &in, NULL));
	usleep(5000);
}

static void make_epoll(void)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = 0x1122334455667788 };

	ep = epoll_create1(EPOLL_CLOEXEC);
	outer = epoll_create1(0);
	shot_src = eventfd(1, 0);
	MUST(!epoll_ctl(ep, EPOLL_CTL_ADD, ev, &e));
	e.events = EPOLLIN | EPOLLET;
	e.data.u64 = 2;
	MUST(!epoll_ctl(outer, EPOLL_CTL_ADD, ep, &e));
	e.events = EPOLLIN | EPOLLONESHOT;
	e.data.u64 = 3;
	MUST(!epoll_ctl(outer, EPOLL_CTL_ADD, shot_src, &e));
	while (epoll_wait(outer, &e, 1, 0) == 1)
		;
}

static void make_inotify(void)
{
	int gone;

	mkdir(load_path("watched"), 0700);
	ino = inotify_init1(IN_NONBLOCK);
	wd_a = inotify_add_watch(ino, load_path("watched"), IN_CREATE | IN_DELETE);
	gone = inotify_add_watch(ino, load_dir, IN_OPEN);
	wd_c = inotify_add_watch(ino, "/", IN_ATTRIB | IN_ONLYDIR);
	MUST(wd_a > 0 && gone > 0 && wd_c > 0 && !inotify_rm_watch(ino, gone));
	/* The removal queues an event of its own. */
	char buf[4096];
	while (read(ino, buf, sizeof(buf)) > 0)
		;
}

static void make_memfd(void)
{
	char name[64];

	mem = memfd_create("load", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	MUST(!ftruncate(mem, 10 << 20) && pwrite(mem, "far", 3, (8 << 20) + 5) == 3 && write(mem, "near", 4) == 4);
	map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, mem, 0);
	MUST(map != MAP_FAILED);
	strcpy(map + 5000, "mapped");
	snprintf(name, sizeof(name), "/proc/self/fd/%d", mem);
	mem2 = open(name, O_RDONLY);
	sealed = memfd_create("sealed", MFD_ALLOW_SEALING);
	MUST(write(sealed, "fixed", 5) == 5 && !fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW));
}

static void check_events(void)
{
	uint64_t v = 0;

	CHECK(read(ev, &v, 8) == 8 && v == 0x123456789b);
	CHECK(read(ev, &v, 8) == -1 && errno == EAGAIN);
	v = 5;
	CHECK(write(ev, &v, 8) == 8);
	CHECK(read(sem, &v, 8) == 8 && v == 1 && read(sem, &v, 8) == 8 && v == 1);
	CHECK(fcntl(sem, F_GETFL) == O_RDWR && fcntl(ev, F_GETFL) == (O_RDWR | O_NONBLOCK));
}

static void check_timers(void)
{
	char path[64], text[512] = "";
	struct itimerspec now;
	uint64_t v = 0;
	int fd;

	CHECK(!timerfd_gettime(far, &now) && now.it_value.tv_sec <= 5000 && now.it_value.tv_sec > 4000);
	CHECK(now.it_interval.tv_sec == 7 && now.it_interval.tv_nsec == 9);
	CHECK(read(far, &v, 8) == -1 && errno == EAGAIN);
	CHECK(read(near, &v, 8) == 8 && v == 1);
	CHECK(!timerfd_gettime(near, &now) && now.it_interval.tv_sec == 4000 && now.it_value.tv_sec > 3000);
	CHECK(!timerfd_gettime(wall, &now) && now.it_value.tv_sec <= 5000 && now.it_value.tv_sec > 4000);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", wall);
	fd = open(path, O_RDONLY);
	CHECK(read(fd, text, sizeof(text) - 1) > 0 && strstr(text, "settime flags: 03"));
	close(fd);
}

static void check_epoll(void)
{
	struct epoll_event e[4];
	uint64_t v = 1;

	CHECK(fcntl(ep, F_GETFD) == FD_CLOEXEC);
	CHECK(epoll_wait(ep, e, 4, 0) == 1 && e[0].data.u64 == 0x1122334455667788);
	CHECK(write(shot_src, &v, 8) == 8 && write(ev, &v, 8) == 8);
	CHECK(epoll_wait(outer, e, 4, 0) == 1 && e[0].data.u64 == 2);
	e[0] = (struct epoll_event){ .events = EPOLLIN, .data.u64 = 4 };
	CHECK(!epoll_ctl(outer, EPOLL_CTL_MOD, shot_src, &e[0]));
	CHECK(epoll_wait(outer, e, 4, 0) == 1 && e[0].data.u64 == 4);
}

static void check_inotify(void)
{
	char buf[4096];
	struct inotify_event *e = (struct inotify_event *)buf;

	CHECK(read(ino, buf, sizeof(buf)) == -1 && errno == EAGAIN);
	close(open(load_path("watched/new"), O_CREAT | O_WRONLY, 0600));
	CHECK(read(ino, buf, sizeof(buf)) > 0 && e->wd == wd_a && e->mask == IN_CREATE && !strcmp(e->name, "new"));
	unlink(load_path("watched/new"));
	CHECK(inotify_add_watch(ino, "/", IN_ATTRIB) == wd_c);
}

static void check_memfd(void)
{
	struct stat st;
	char b[16];

	CHECK(!fstat(mem, &st) && st.st_size == 10 << 20 && st.st_blocks < 1000);
	CHECK(lseek(mem, 0, SEEK_CUR) == 4 && pread(mem, b, 3, (8 << 20) + 5) == 3 && !memcmp(b, "far", 3));
	CHECK(!strcmp(map + 5000, "mapped") && !memcmp(map, "near", 4));
	strcpy(map + 100, "seen");
	CHECK(pread(mem2, b, 5, 100) == 5 && !strcmp(b, "seen") && (fcntl(mem2, F_GETFL) & O_ACCMODE) == O_RDONLY);
	CHECK(fcntl(sealed, F_GET_SEALS) == (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW));
	CHECK(write(sealed, "x", 1) == -1 && pread(sealed, b, 5, 0) == 5 && !memcmp(b, "fixed", 5));
}

int main(int argc, char **argv)
{
	struct signalfd_siginfo si;
	sigset_t usr;

	load_begin(argc, argv);
	sigemptyset(&usr);
	sigaddset(&usr, SIGUSR1);
	sigaddset(&usr, SIGRTMIN + 3);
	MUST(!sigprocmask(SIG_BLOCK, &usr, NULL));
	ev = eventfd(0, EFD_NONBLOCK);
	MUST(write(ev, &(uint64_t){ 0x123456789a }, 8) == 8);
	sem = eventfd(2, EFD_SEMAPHORE);
	sfd = signalfd(-1, &usr, SFD_NONBLOCK);
	make_timers();
	make_epoll();
	make_inotify();
	make_memfd();
	load_ready();

	check_epoll();
	check_events();
	check_timers();
	check_inotify();
	check_memfd();
	CHECK(read(sfd, &si, sizeof(si)) == -1 && errno == EAGAIN);
	raise(SIGUSR1);
	CHECK(read(sfd, &si, sizeof(si)) == sizeof(si) && si.ssi_signo == SIGUSR1);
	kill(getpid(), SIGRTMIN + 3);
	CHECK(read(sfd, &si, sizeof(si)) == sizeof(si) && si.ssi_signo == (unsigned)SIGRTMIN + 3);
	return load_end();
}
