/* SPDX-License-Identifier: BSD-3-Clause */
#include "maker.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void make_child(void)
{
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
}

void make_zombie(void)
{
	int pid = fork();
	siginfo_t si;

	if (pid == 0)
		_exit(0);
	waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT);
}

/* A tracer that holds us. It begins only when we have taken the last signal that would stop us for it. */
void make_traced(void)
{
	int ready[2], go[2], self = getpid();
	char c;

	need(pipe(ready) == 0 && pipe(go) == 0);
	if (fork() == 0) {
		if (fork() != 0)
			_exit(0);
		need(read(go[0], &c, 1) == 1);
		ptrace(PTRACE_SEIZE, self, NULL, NULL);
		(void)!write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	wait(NULL);
	need(write(go[1], "x", 1) == 1 && read(ready[0], &c, 1) == 1);
	close(ready[0]);
	close(ready[1]);
	close(go[0]);
	close(go[1]);
}

static volatile int born;

static int long_child(void *arg)
{
	(void)arg;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	born = 1;
	for (;;)
		pause();
	return 0;
}

static void *vfork_thread(void *arg)
{
	static char stack[65536];

	clone(long_child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
	return arg;
}

/* A thread that waits for its child to exec, which cannot be stopped. */
void make_vfork(void)
{
	pthread_t t;

	need(pthread_create(&t, NULL, vfork_thread, NULL) == 0);
	while (!born)
		usleep(1000);
}

/* A filter with a listener, which nobody holds any more. */
void make_notify(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(f) / sizeof(f[0]), f };
	int fd;

	need(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	need(fd >= 0);
	close(fd);
}

static void *timer_thread(void *arg)
{
	struct sigevent ev = { .sigev_notify = SIGEV_NONE };
	int id;

	born = syscall(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &ev, &id) == 0 ? 1 : -1;
	for (;;)
		pause();
	return arg;
}

/* A timer on the CPU time of one thread of two. */
void make_cpu_timer(void)
{
	pthread_t t;

	need(pthread_create(&t, NULL, timer_thread, NULL) == 0);
	while (!born)
		usleep(1000);
	need(born > 0);
}

static volatile int thread_flags, thread_is;

static void *unshared_thread(void *arg)
{
	(void)arg;
	thread_is = unshare(thread_flags) == 0 ? 1 : -1;
	for (;;)
		pause();
	return NULL;
}

/* A thread with something of its own that threads share. */
static void make_thread(int flags)
{
	pthread_t t;

	thread_flags = flags;
	need(pthread_create(&t, NULL, unshared_thread, NULL) == 0);
	while (thread_is == 0)
		usleep(1000);
	need(thread_is > 0);
}

void make_thread_fs(void)
{
	make_thread(CLONE_FS);
}

void make_thread_files(void)
{
	make_thread(CLONE_FILES);
}

void make_thread_net(void)
{
	make_thread(CLONE_NEWNET);
}

/* The set stays when the process is gone: its adjustment would be lost in a restore. */
static void use_semaphore(short flags)
{
	struct sembuf up = { .sem_op = 1, .sem_flg = flags };
	int id = semget(IPC_PRIVATE, 1, 0600), pid;

	need(id >= 0 && semop(id, &up, 1) == 0);
	/* Removes the set when this process is gone; its own parent by then is another. */
	pid = fork();
	if (pid > 0) {
		waitpid(pid, NULL, 0);
		return;
	}
	pid = getppid();
	if (fork() != 0)
		_exit(0);
	setsid();
	while (kill(pid, 0) == 0)
		usleep(10000);
	semctl(id, 0, IPC_RMID);
	_exit(0);
}

void make_semaphores(void)
{
	use_semaphore(SEM_UNDO);
}

void make_semaphores_plain(void)
{
	use_semaphore(0);
}

static void make_ns(int flags)
{
	need(unshare(flags) == 0);
}

void make_ns_cgroup(void)
{
	make_ns(CLONE_NEWCGROUP);
}

void make_ns_ipc(void)
{
	make_ns(CLONE_NEWIPC);
}

void make_ns_mnt(void)
{
	make_ns(CLONE_NEWNS);
}

void make_ns_net(void)
{
	make_ns(CLONE_NEWNET);
}

void make_ns_pid(void)
{
	make_ns(CLONE_NEWPID);
}

void make_ns_time(void)
{
	make_ns(0x80 /* CLONE_NEWTIME */);
}

void make_ns_user(void)
{
	make_ns(CLONE_NEWUSER);
}

void make_ns_uts(void)
{
	make_ns(CLONE_NEWUTS);
}
