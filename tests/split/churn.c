/* SPDX-License-Identifier: BSD-3-Clause
 *
 * usage: churn STOP FORK
 *
 * What threads and signals of an application do, step after step while checkpoints come: threads that live shortly, joined,
 * detached and cancelled, that call MPI; thread-specific data, __thread variables and errno of short and of long ones; a
 * SIGSEGV handler on an alternate stack; jumps out of a handler, from computing and from inside MPI. Each time the file FORK
 * appears, children are made in all ways and the file goes. Ends when STOP is there.
 */
#include <errno.h>
#include <mpi.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(cond) \
	do { \
		if (!(cond)) \
			give_up(__LINE__, #cond); \
	} while (0)

extern char **environ;

static int rank, size, level;
static volatile int step;
static pthread_key_t key;
static volatile int destroyed, detached, cleaned;
static __thread long mine = 7;
static char *guarded;
static volatile int faults;
static sigjmp_buf back;
static volatile int armed, jumps, alarms;

static void give_up(int line, const char *what)
{
	fprintf(stderr, "rank %d, step %d, line %d: %s (%s)\n", rank, step, line, what, strerror(errno));
	_exit(5);
}

/* ---- threads ---- */

static void destroy(void *value)
{
	free(value);
	__atomic_add_fetch(&destroyed, 1, __ATOMIC_SEQ_CST);
}

/* Its own data are its own, whatever the others do and over calls of MPI. */
static void look_at_own(int id)
{
	long *value = malloc(sizeof(*value));
	int r;

	*value = id;
	pthread_setspecific(key, value);
	mine += id;
	errno = 100 + id % 20;
	if (level == MPI_THREAD_MULTIPLE) {
		MPI_Comm_rank(MPI_COMM_WORLD, &r);
		CHECK(r == rank);
	}
	for (int i = 0; i < 3; i++)
		usleep(50); /* no sched_yield(): threads that spin in it starve the kernel's RCU thread */
	CHECK(errno == 100 + id % 20 && mine == 7 + id && *(long *)pthread_getspecific(key) == id);
}

static void *joined(void *arg)
{
	look_at_own((int)(intptr_t)arg);
	return arg;
}

static void *loose(void *arg)
{
	look_at_own((int)(intptr_t)arg);
	__atomic_add_fetch(&detached, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void clean(void *arg)
{
	(void)arg;
	cleaned++;
}

static void *cancelled(void *arg)
{
	pthread_cleanup_push(clean, NULL);
	look_at_own((int)(intptr_t)arg);
	for (;;)
		pause();
	pthread_cleanup_pop(0);
	return NULL;
}

static void threads(void)
{
	int before = destroyed, loose_before = detached;
	pthread_attr_t attr;
	pthread_t t[4];
	void *ret;

	cleaned = 0;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (intptr_t i = 0; i < 2; i++)
		CHECK(!pthread_create(&t[i], NULL, joined, (void *)(step + i)));
	CHECK(!pthread_create(&t[2], NULL, cancelled, (void *)(intptr_t)step));
	CHECK(!pthread_create(&t[3], &attr, loose, (void *)(intptr_t)step));
	pthread_attr_destroy(&attr);
	pthread_cancel(t[2]);
	CHECK(!pthread_join(t[2], &ret) && ret == PTHREAD_CANCELED);
	for (intptr_t i = 0; i < 2; i++)
		CHECK(!pthread_join(t[i], &ret) && ret == (void *)(step + i));
	while (detached == loose_before || destroyed < before + 3 + (cleaned > 0))
		usleep(50);
}

/* One that is there all the time. */
static void *keeper(void *arg)
{
	int last = -1;

	pthread_setspecific(key, malloc(8));
	mine = 4242;
	errno = ENOTTY;
	for (;;) {
		CHECK(mine == 4242 && errno == ENOTTY && pthread_getspecific(key));
		if (step != last)
			last = step;
		usleep(500);
	}
	return arg;
}

/* ---- signals ---- */

static void on_fault(int sig, siginfo_t *info, void *uc)
{
	stack_t now;
	char here;

	(void)sig;
	(void)uc;
	CHECK(!sigaltstack(NULL, &now) && (now.ss_flags & SS_ONSTACK));
	CHECK(&here > (char *)now.ss_sp && &here < (char *)now.ss_sp + now.ss_size && (char *)info->si_addr == guarded);
	faults++;
	mprotect(guarded, 4096, PROT_READ | PROT_WRITE);
}

static void on_alarm(int sig)
{
	(void)sig;
	alarms++;
	if (armed) {
		jumps++;
		siglongjmp(back, 1);
	}
}

static void fault(void)
{
	int before = faults;

	mprotect(guarded, 4096, PROT_NONE);
	*(volatile char *)guarded = (char)step;
	CHECK(faults == before + 1 && *guarded == (char)step);
}

/* Out of a handler, from computing and from calls that are local to the rank. */
static void jump(int calls)
{
	volatile int until = jumps + 2;
	int r;

	sigsetjmp(back, 1);
	armed = jumps < until;
	while (armed)
		if (calls)
			MPI_Comm_rank(MPI_COMM_WORLD, &r);
	armed = 0;
	CHECK(mine == 7);
}

/* ---- children ---- */

static void *in_child(void *arg)
{
	char *p = malloc(1 << 20);

	memset(p, 1, 1 << 20);
	free(p);
	return arg;
}

static int child(void)
{
	pthread_t t;
	void *ret = NULL;

	if (mine != 7 || pthread_create(&t, NULL, in_child, &mine) || pthread_join(t, &ret) || ret != &mine)
		return 1;
	*(volatile char *)guarded = 1; /* the handlers are there too */
	return WEXITSTATUS(system("exit 5")) == 5 ? 6 : 1;
}

static void children(void)
{
	char echo[] = "echo", word[] = "word", *argv[] = { echo, word, NULL }, line[32] = "";
	FILE *f = popen("echo $0 $LD_PRELOAD", "r");
	int status, two[2];
	posix_spawn_file_actions_t actions;
	pid_t pid;

	CHECK(fgets(line, sizeof(line), f) && !strcmp(line, "sh\n") && !pclose(f));
	CHECK(WEXITSTATUS(system("exit 3")) == 3);
	pid = fork();
	if (!pid)
		_exit(child());
	CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 6);
	pid = vfork();
	if (!pid) {
		execl("/bin/sh", "sh", "-c", "exit 8", (char *)NULL);
		_exit(1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 8);
	CHECK(!pipe(two));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, two[1], 1);
	CHECK(!posix_spawnp(&pid, "echo", &actions, NULL, argv, environ));
	posix_spawn_file_actions_destroy(&actions);
	CHECK(waitpid(pid, &status, 0) == pid && !status && read(two[0], line, 5) == 5 && !memcmp(line, "word\n", 5));
	close(two[0]);
	close(two[1]);
}

/* ---- */

/* The MPI library's own are not the application's (it sets four, of which a native run sees something). */
static int handlers(void)
{
	struct sigaction act;
	int n = 0;

	for (int sig = 1; sig < SIGRTMIN; sig++)
		n += !sigaction(sig, NULL, &act) && act.sa_handler != SIG_DFL && act.sa_handler != SIG_IGN;
	return n;
}

static void setup(void)
{
	static char stack[65536];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction act = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	struct itimerval every = { { 0, 1000 }, { 0, 1000 } };
	pthread_t t;

	guarded = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(!sigaltstack(&ss, NULL) && !sigaction(SIGSEGV, &act, NULL));
	act = (struct sigaction){ .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	CHECK(!pthread_key_create(&key, destroy) && !sigaction(SIGALRM, &act, NULL));
	CHECK(!pthread_create(&t, NULL, keeper, NULL));
	setitimer(ITIMER_REAL, &every, NULL);
}

static void alarms_go(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(how, &set, NULL);
}

/* Alarms only hit the main thread, and only here. */
static void with_alarms(void)
{
	alarms_go(SIG_UNBLOCK);
	jump(0);
	jump(1);
	alarms_go(SIG_BLOCK);
}

int main(int argc, char **argv)
{
	int stop = 0, all = 0, in, sum;
	double last = 0;

	if (argc < 3)
		return 2;
	alarms_go(SIG_BLOCK); /* in all threads that will be, without Reprise also in those of the MPI library */
	MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	CHECK(handlers() == 0);
	setup();
	for (step = 0; !all; step++) {
		threads();
		fault();
		with_alarms();
		MPI_Sendrecv((void *)&step, 1, MPI_INT, (rank + 1) % size, 0, &in, 1, MPI_INT, (rank + size - 1) % size,
			     0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		CHECK(in == step && MPI_Wtime() >= last);
		last = MPI_Wtime();
		if (!rank && !access(argv[2], F_OK)) {
			children();
			unlink(argv[2]);
		}
		stop = !access(argv[1], F_OK);
		MPI_Allreduce(&stop, &all, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
		MPI_Allreduce((void *)&step, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
		CHECK(sum == step * size);
		if (!rank && step % 5 == 0) {
			printf("step %d\n", step);
			fflush(stdout);
		}
	}
	if (!rank)
		printf("content\n");
	MPI_Finalize();
	return 0;
}
