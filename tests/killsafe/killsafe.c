/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Kills a tracer with SIGKILL at each of its system calls, at the entry and at the exit, and looks whether the process
 * that it held runs on undisturbed (victim.h).
 *
 *	test-killsafe tracee [STRIDE]		the tracer is tracee/: seize, calls in every thread, release
 *	test-killsafe exec [STRIDE] -- CMD ...	the tracer is a command; the argument PID stands for the victim's pid,
 *						DIR for a directory that is removed afterwards
 *
 * STRIDE: only every STRIDE-th system call (default 1). KILLSAFE_SECONDS in the environment ends the test after that time,
 * KILLSAFE_FIRST is the first system call (both for parts of a long test).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tracee/tracee.h"
#include "victim.h"

static struct victim_page *page;
static char page_path[256], work_dir[256];
static char *const *command;
static const char *self;

static void nap_ms(int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

static int start_victim(void)
{
	int pid;

	memset(page, 0, sizeof(*page));
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(self, self, "victim", page_path, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 2000 && !page->ready; i++)
		nap_ms(1);
	return page->ready ? pid : -1;
}

/* Every thread completes another round, without an error. */
static bool is_victim_well(int pid, const char *when)
{
	uint64_t before[VICTIM_THREADS];
	int i, waited;

	for (i = 0; i < VICTIM_THREADS; i++)
		before[i] = page->beats[i];
	for (waited = 0; waited < 3000; waited++) {
		for (i = 0; i < VICTIM_THREADS && page->beats[i] >= before[i] + 2; i++)
			;
		if (i == VICTIM_THREADS || page->errors)
			break;
		nap_ms(1);
	}
	if (page->errors) {
		fprintf(stderr, "%s: the process was disturbed: %s\n", when, page->text);
		return false;
	}
	if (waited == 3000 || kill(pid, 0) < 0) {
		int status, ended = waitpid(pid, &status, WNOHANG | __WALL) == pid;

		fprintf(stderr, "%s: thread %d of the process no longer runs (%s %#x)\n", when, i,
			ended ? "ended with status" : "stands still", ended ? status : 0);
		if (getenv("KILLSAFE_KEEP"))
			pause();
		return false;
	}
	return true;
}

/* Is there a process of this name that is more than a zombie? */
static int find_running(const char *name)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	int found = 0;

	while (dir && !found && (e = readdir(dir)) != NULL) {
		char path[300], comm[64] = "", state = '?';
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
		f = e->d_name[0] >= '1' && e->d_name[0] <= '9' ? fopen(path, "re") : NULL;
		if (!f)
			continue;
		if (fscanf(f, "%*d (%63[^)]) %c", comm, &state) == 2 && strcmp(comm, name) == 0 && state != 'Z' &&
		    state != 'X')
			found = atoi(e->d_name);
		fclose(f);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* A copy-on-write child of a tracer that was killed ends by itself. */
static bool is_nothing_left(const char *when)
{
	int pid = 0;

	for (int i = 0; i < 100; i++) {
		pid = find_running(RP_SNAPSHOT_COMM);
		if (!pid)
			return true;
		nap_ms(50);
	}
	fprintf(stderr, "%s: the copy, process %d, still runs\n", when, pid);
	return false;
}

/* What the tracer under test does when it is our own code. */
static int trace_once(int pid)
{
	static const uint64_t none[6];
	struct rp_error err = { "" };
	struct rp_tracee *t;
	int64_t got;
	int ret;

	ret = rp_tracee_seize(&t, pid, 5000, &err);
	for (size_t i = 0; ret == 0 && i < t->nthreads; i++) {
		struct rp_tracee_thread *th = t->threads[i];
		uint64_t args[6] = { 0, 0, RP_SCRATCH(16), 8 };
		uint64_t mask = 0;

		ret = rp_tracee_read_state(t, th, &err);
		if (ret == 0)
			ret = rp_tracee_call(t, th, SYS_gettid, none, &got, &err);
		if (ret == 0 && got != th->tid) {
			fprintf(stderr, "injected gettid returned %ld in thread %d\n", (long)got, th->tid);
			ret = -EPROTO;
		}
		/* With all signals blocked, as seen from inside. */
		args[2] = RP_SCRATCH(0);
		if (ret == 0)
			ret = rp_tracee_call_data(t, th, SYS_rt_sigprocmask, args, NULL, 0, &mask, sizeof(mask), &got,
						  &err);
		if (ret == 0 && (got != 0 || ~mask & ~(1UL << (SIGKILL - 1) | 1UL << (SIGSTOP - 1)))) {
			fprintf(stderr, "injected call saw the signal mask %#lx\n", (unsigned long)mask);
			ret = -EPROTO;
		}
		if (ret == 0)
			ret = rp_tracee_disarm(t, th, &err);
	}
	if (ret < 0) {
		fprintf(stderr, "tracer: %s\n", err.text);
		return 1;
	}
	rp_tracee_release(t, false);
	return 0;
}

static int start_tracer(int victim)
{
	int pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	if (command) {
		char *argv[64], number[16];
		int n = 0;

		snprintf(number, sizeof(number), "%d", victim);
		for (; command[n] && n < 63; n++)
			argv[n] = strcmp(command[n], "PID") == 0   ? number
				  : strcmp(command[n], "DIR") == 0 ? work_dir
								   : command[n];
		argv[n] = NULL;
		execvp(argv[0], argv);
		_exit(127);
	}
	_exit(trace_once(victim));
}

/* Runs the tracer up to its n-th system-call stop and kills it there. Returns 1 when it ended by itself before, with its exit
 * code in *code; 0: killed. nr: the call at which it was. */
static int kill_at(int tracer, long n, int *code, long *nr)
{
	int status, tid;
	long seen = 0;

	waitpid(tracer, &status, 0);
	ptrace(PTRACE_SETOPTIONS, tracer, NULL,
	       (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC));
	ptrace(PTRACE_SYSCALL, tracer, NULL, NULL);
	for (;;) {
		long deliver = 0;

		/* Of the tracer and its own threads only: the victim is our child as well. */
		tid = waitpid(-1, &status, __WALL);
		if (tid < 0)
			return -1;
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (tid != tracer)
				continue;
			*code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
			return 1;
		}
		if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			struct __ptrace_syscall_info info = { 0 };

			if (seen++ == n) {
				ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info);
				*nr = info.op == PTRACE_SYSCALL_INFO_ENTRY ? (long)info.entry.nr : -1;
				kill(tracer, SIGKILL);
				/* Reap it, so that the kernel has let go of the victim; its threads come first. */
				do
					tid = waitpid(-1, &status, __WALL);
				while (tid > 0 && (tid != tracer || WIFSTOPPED(status)));
				return 0;
			}
		} else if ((status >> 16) == 0 && WSTOPSIG(status) != SIGSTOP && WSTOPSIG(status) != SIGTRAP) {
			deliver = WSTOPSIG(status);
		}
		ptrace(PTRACE_SYSCALL, tid, NULL, (void *)deliver);
	}
}

static long env_number(const char *name, long otherwise)
{
	const char *text = getenv(name);

	return text ? atol(text) : otherwise;
}

static int run(long stride)
{
	int victim = start_victim(), code = -1;
	long kills = 0, n, seconds = env_number("KILLSAFE_SECONDS", 100000);
	time_t end = time(NULL) + seconds;

	if (victim < 0) {
		fprintf(stderr, "the victim does not start\n");
		return 1;
	}
	if (!is_victim_well(victim, "before any dump"))
		return 1;
	for (n = env_number("KILLSAFE_FIRST", 0);; n += stride) {
		char when[64];
		long nr = -1;
		int tracer = start_tracer(victim);
		int ended = kill_at(tracer, n, &code, &nr);

		if (ended < 0) {
			fprintf(stderr, "wait: %s\n", strerror(errno));
			break;
		}
		snprintf(when, sizeof(when), "tracer %s system call %ld (number %ld)",
			 ended ? "ended before" : "killed at", n, nr);
		if (getenv("KILLSAFE_VERBOSE"))
			fprintf(stderr, "%s\n", when);
		if (!is_victim_well(victim, when) || !is_nothing_left(when)) {
			kill(victim, SIGKILL);
			return 1;
		}
		if (ended)
			break;
		kills++;
		if (time(NULL) >= end) {
			code = 0;
			break;
		}
	}
	page->stop = 1;
	if (code != 0) {
		fprintf(stderr, "the tracer, when not killed, ended with %d\n", code);
		kill(victim, SIGKILL);
		return 1;
	}
	waitpid(victim, &code, 0);
	if (!WIFEXITED(code) || WEXITSTATUS(code) != 0) {
		fprintf(stderr, "the victim ended with status %#x: %s\n", code, page->text);
		return 1;
	}
	printf("%ld kills up to system call %ld, %ld signals handled, the process ran on after each\n", kills, n,
	       (long)page->signals);
	return kills > 20 ? 0 : 1;
}

static void remove_dir(void)
{
	DIR *d = opendir(work_dir);
	struct dirent *e;

	while (d && (e = readdir(d)) != NULL)
		unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	rmdir(work_dir);
}

int main(int argc, char **argv)
{
	const char *dir = getenv("TMPDIR");
	long stride = 1;
	int fd, ret;

	if (argc == 3 && strcmp(argv[1], "victim") == 0)
		return victim_main(argv[2]);
	if (argc < 2 || (strcmp(argv[1], "tracee") != 0 && strcmp(argv[1], "exec") != 0)) {
		fprintf(stderr, "usage: %s tracee [STRIDE] | exec [STRIDE] -- COMMAND ... PID ...\n", argv[0]);
		return 2;
	}
	self = "/proc/self/exe";
	if (argc > 2 && strcmp(argv[2], "--") != 0)
		stride = atol(argv[2]);
	for (int i = 2; i < argc; i++)
		if (strcmp(argv[i], "--") == 0)
			command = argv + i + 1;
	snprintf(work_dir, sizeof(work_dir), "%s/killsafe-dir-XXXXXX", dir ? dir : "/tmp");
	snprintf(page_path, sizeof(page_path), "%s/killsafe-XXXXXX", dir ? dir : "/tmp");
	fd = mkstemp(page_path);
	if (fd < 0 || ftruncate(fd, 4096) < 0 || !mkdtemp(work_dir))
		return 1;
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (page == MAP_FAILED)
		return 1;
	ret = run(stride);
	unlink(page_path);
	remove_dir();
	return ret;
}
