/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Mappings that are easily got wrong: file pages overwritten with zeros, pages given back, deleted and truncated files,
 * write-only and execute-only memory, huge pages of both sorts, everything locked, marks for fork, a mapping past the end of
 * its file, System V memory, a thousand small mappings.
 */
#include "load.h"

#include <setjmp.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>

#define PAGE 4096UL
#define HUGE (2UL << 20)
#define MANY 1000

static char *map(size_t len, int prot, int flags, int fd)
{
	char *p = mmap(NULL, len, prot, flags | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static int file(const char *name, size_t pages)
{
	int fd = open(load_path(name), O_RDWR | O_CREAT | O_TRUNC, 0600);
	char page[PAGE];

	memset(page, 'f', sizeof(page));
	CHECK(fd >= 0);
	for (size_t i = 0; i < pages; i++)
		CHECK(write(fd, page, sizeof(page)) == (ssize_t)sizeof(page));
	return fd;
}

static int all(const char *p, size_t len, char byte)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != byte)
			return 0;
	return 1;
}

static sigjmp_buf jump;

static void on_fault(int signo)
{
	siglongjmp(jump, signo);
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_fault };
	char *zeroed, *given, *ghost_private, *ghost_shared, *past, *exec_only, *thp, *htlb, *htlb_shared, *wiped,
		*later, *sysv, *many[MANY];
	int fd, status, id, fault;
	unsigned char is_there;
	pid_t pid;

	load_begin(argc, argv);
	fd = file("zeroed", 4);
	zeroed = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	memset(zeroed + PAGE, 0, PAGE);
	zeroed[2 * PAGE] = 'x';
	CHECK(!madvise(zeroed + 2 * PAGE, PAGE, MADV_DONTNEED)); /* the file's page again */
	close(fd);
	given = map(8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
	memset(given, 'g', 8 * PAGE);
	CHECK(!madvise(given + 3 * PAGE, 2 * PAGE, MADV_DONTNEED));
	fd = file("ghost", 4);
	ghost_private = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	ghost_shared = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	ghost_private[0] = 'p';
	ghost_shared[PAGE] = 's';
	close(fd);
	CHECK(!unlink(load_path("ghost")));
	fd = file("past", 1);
	past = map(3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	past[0] = 'w';
	close(fd);
	exec_only = map(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
	memcpy(exec_only, "\xb8\x07\x00\x00\x00\xc3", 6);
	CHECK(!mprotect(exec_only, PAGE, PROT_EXEC));
	thp = map(3 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
	CHECK(!madvise(thp, 3 * HUGE, MADV_HUGEPAGE));
	memset(thp, 't', 3 * HUGE);
	htlb = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	htlb_shared = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (htlb != MAP_FAILED)
		memset(htlb, 'h', HUGE);
	if (htlb_shared != MAP_FAILED)
		memset(htlb_shared, 'H', HUGE);
	wiped = map(2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
	CHECK(!madvise(wiped, 2 * PAGE, MADV_WIPEONFORK));
	memset(wiped, 'v', 2 * PAGE);
	id = shmget(IPC_PRIVATE, 2 * PAGE, IPC_CREAT | 0600);
	sysv = shmat(id, NULL, 0);
	(void)sysv;
	CHECK(sysv != (void *)-1 && !shmdt(sysv) && !shmctl(id, IPC_RMID, NULL)); /* attached and gone: no trace */
	for (int i = 0; i < MANY; i++) {
		many[i] = map(2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
		many[i][0] = (char)i;
		CHECK(!mprotect(many[i] + PAGE, PAGE, PROT_READ));
	}
	CHECK(!mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT));

	load_loose("maps"); /* mappings of a deleted file become anonymous: docs/format.md */
	load_ready();

	CHECK(all(zeroed, PAGE, 'f') && all(zeroed + PAGE, PAGE, 0) && all(zeroed + 2 * PAGE, 2 * PAGE, 'f'));
	CHECK(all(given, 3 * PAGE, 'g') && all(given + 3 * PAGE, 2 * PAGE, 0) && all(given + 5 * PAGE, 3 * PAGE, 'g'));
	CHECK(ghost_private[0] == 'p' && ghost_private[PAGE - 1] == 'f' && ghost_shared[PAGE] == 's' &&
	      ghost_shared[0] == 'f');
	CHECK(past[0] == 'w' && past[1] == 'f');
	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	fault = sigsetjmp(jump, 1);
	if (!fault)
		CHECK(past[2 * PAGE] == 0); /* faults */
	CHECK_EQ(fault, SIGBUS);
	CHECK_EQ(((int (*)(void))(uintptr_t)exec_only)(), 7);
	CHECK(all(thp, 3 * HUGE, 't'));
	CHECK(htlb == MAP_FAILED || all(htlb, HUGE, 'h'));
	CHECK(htlb_shared == MAP_FAILED || all(htlb_shared, HUGE, 'H'));
	/* New memory is locked, but its pages do not come before they are touched. */
	later = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
	CHECK(!mincore(later, PAGE, &is_there) && !(is_there & 1));
	CHECK(load_has_flag(later, " lo") && load_has_flag(later, " lf"));
	pid = fork();
	if (!pid)
		_exit(all(wiped, 2 * PAGE, 0) ? 5 : 6);
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 5);
	CHECK(all(wiped, 2 * PAGE, 'v'));
	for (volatile int i = 0; i < MANY; i++) {
		CHECK(many[i][0] == (char)i && !many[i][PAGE]);
		many[i][1] = 1;
		fault = sigsetjmp(jump, 1);
		if (!fault && i % 100 == 0)
			many[i][PAGE] = 1;
		CHECK_EQ(fault, i % 100 ? 0 : SIGSEGV);
	}
	return load_end();
}
