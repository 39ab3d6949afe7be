/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Attributes of a process: directory, umask, limits, nice, scheduling classes, I/O priority and affinity of threads, names, exe
 * link, command line, dumpable, parent-death signal, no_new_privs, subreaper, timer slack, huge-page switch, personality,
 * memory-deny-write-execute, merging of equal pages.
 */
#include "load.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define SCHED_DEADLINE 6
#define IOPRIO (2 << 13 | 5) /* best effort, level 5 */
#define SET_MDWE 65
#define SET_MEMORY_MERGE 67

static volatile int go, thread_ready, class_ready;

struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static const struct attr classes[] = {
	{ .size = sizeof(struct attr), .policy = SCHED_FIFO, .priority = 3, .flags = 1 /* reset on fork */ },
	{ .size = sizeof(struct attr), .policy = SCHED_RR, .priority = 1 },
	{ .size = sizeof(struct attr), .policy = SCHED_IDLE },
	{ .size = sizeof(struct attr),
	  .policy = SCHED_DEADLINE,
	  .runtime = 2000000,
	  .deadline = 50000000,
	  .period = 60000000 },
};

#define CLASSES (sizeof(classes) / sizeof(classes[0]))

/* Sleeps in a scheduling class, where this machine allows it. */
static void *class_thread(void *arg)
{
	const struct attr *want = arg;
	int is_set = !syscall(SYS_sched_setattr, 0, want, 0);
	struct attr now;

	__atomic_add_fetch(&class_ready, 1, __ATOMIC_SEQ_CST);
	while (!go)
		load_sleep_ms(2);
	CHECK(!syscall(SYS_sched_getattr, 0, &now, sizeof(now), 0));
	if (is_set)
		CHECK(now.policy == want->policy && now.priority == want->priority && now.flags == want->flags);
	if (is_set && want->policy == SCHED_DEADLINE) /* of others the kernel shows its own time slice */
		CHECK(now.runtime == want->runtime && now.deadline == want->deadline && now.period == want->period);
	return arg;
}

static void set_affinity(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	MUST(!sched_setaffinity(0, sizeof(set), &set));
}

static void check_affinity(int cpu)
{
	cpu_set_t set;

	CHECK(!sched_getaffinity(0, sizeof(set), &set));
	CHECK(CPU_COUNT(&set) == 1 && CPU_ISSET(cpu, &set));
}

static void *thread(void *arg)
{
	struct sched_param param = { .sched_priority = 0 };

	MUST(!sched_setscheduler(0, SCHED_BATCH, &param));
	MUST(!setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 7));
	set_affinity(0);
	MUST(!syscall(SYS_ioprio_set, 1, 0, IOPRIO));
	prctl(PR_SET_TIMERSLACK, 123456UL);
	thread_ready = 1;
	while (!go)
		load_sleep_ms(2);
	CHECK_EQ(sched_getscheduler(0), SCHED_BATCH);
	CHECK_EQ(getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid)), 7);
	CHECK_EQ(prctl(PR_GET_TIMERSLACK), 123456);
	CHECK_EQ(syscall(SYS_ioprio_get, 1, 0), IOPRIO);
	check_affinity(0);
	return arg;
}

static void read_link(const char *name, char *to, size_t size)
{
	ssize_t n = readlink(name, to, size - 1);

	MUST(n > 0);
	to[n] = 0;
}

static size_t read_whole(const char *name, char *to, size_t size)
{
	int fd = open(name, O_RDONLY);
	ssize_t n = read(fd, to, size);

	close(fd);
	return n > 0 ? (size_t)n : 0;
}

int main(int argc, char **argv)
{
	char exe[PATH_MAX], now[PATH_MAX], cwd[PATH_MAX], name[16], line[2][4096], aux[2][1024];
	struct rlimit files = { 300, 400 }, core = { 0, 0 }, stack = { 4 << 20, RLIM_INFINITY };
	struct rlimit file = { 4096, 4096 }, seen; /* less than a restore writes */
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	size_t line_len, aux_len;
	pthread_t t, class[CLASSES];
	int has_mdwe, has_merge;

	load_begin(argc, argv);
	read_link("/proc/self/exe", exe, sizeof(exe));
	MUST(!mkdir(load_path("cwd"), 0700) && !chdir(load_path("cwd")));
	umask(027);
	MUST(!setrlimit(RLIMIT_NOFILE, &files) && !setrlimit(RLIMIT_CORE, &core) && !setrlimit(RLIMIT_STACK, &stack));
	MUST(!setrlimit(RLIMIT_FSIZE, &file));
	MUST(!prctl(PR_SET_NAME, "a (name)\n1"));
	MUST(!prctl(PR_SET_PDEATHSIG, SIGWINCH));
	MUST(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	MUST(!prctl(PR_SET_CHILD_SUBREAPER, 1));
	MUST(!prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	MUST(!setpriority(PRIO_PROCESS, 0, 3));
	MUST(!pthread_create(&t, NULL, thread, NULL));
	for (size_t i = 0; i < CLASSES; i++)
		MUST(!pthread_create(&class[i], NULL, class_thread, (void *)&classes[i]));
	while (!thread_ready || class_ready < (int)CLASSES)
		load_sleep_ms(1);
	MUST(personality(ADDR_NO_RANDOMIZE) >= 0);
	has_mdwe = !prctl(SET_MDWE, 1, 0, 0, 0);
	has_merge = !prctl(SET_MEMORY_MERGE, 1, 0, 0, 0);
	set_affinity(cpus - 1);
	line_len = read_whole("/proc/self/cmdline", line[0], sizeof(line[0]));
	aux_len = read_whole("/proc/self/auxv", aux[0], sizeof(aux[0]));
	MUST(!prctl(PR_SET_DUMPABLE, 1));

	load_ready();

	CHECK(getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, load_path("cwd")));
	CHECK_EQ(umask(0), 027);
	CHECK(!getrlimit(RLIMIT_NOFILE, &seen) && seen.rlim_cur == 300 && seen.rlim_max == 400);
	CHECK(!getrlimit(RLIMIT_CORE, &seen) && seen.rlim_cur == 0 && seen.rlim_max == 0);
	CHECK(!getrlimit(RLIMIT_STACK, &seen) && seen.rlim_cur == 4 << 20);
	CHECK(!getrlimit(RLIMIT_FSIZE, &seen) && seen.rlim_cur == 4096 && seen.rlim_max == 4096);
	CHECK(!prctl(PR_GET_NAME, name) && !strcmp(name, "a (name)\n1"));
	CHECK(!prctl(PR_GET_PDEATHSIG, &argc) && argc == SIGWINCH);
	CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	CHECK(!prctl(PR_GET_CHILD_SUBREAPER, &argc) && argc == 1);
	CHECK_EQ(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 1);
	CHECK_EQ(prctl(PR_GET_DUMPABLE), 1);
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 3);
	CHECK_EQ(sched_getscheduler(0), SCHED_OTHER);
	check_affinity(cpus - 1);
	read_link("/proc/self/exe", now, sizeof(now));
	CHECK(!strcmp(exe, now));
	CHECK(read_whole("/proc/self/cmdline", line[1], sizeof(line[1])) == line_len &&
	      !memcmp(line[0], line[1], line_len));
	CHECK(read_whole("/proc/self/auxv", aux[1], sizeof(aux[1])) == aux_len && !memcmp(aux[0], aux[1], aux_len));
	CHECK_EQ(personality(0xffffffff), ADDR_NO_RANDOMIZE);
	CHECK_EQ(prctl(SET_MDWE + 1, 0, 0, 0, 0) == 1, has_mdwe);
	CHECK_EQ(prctl(SET_MEMORY_MERGE + 1, 0, 0, 0, 0) == 1, has_merge);
	go = 1;
	CHECK(!pthread_join(t, NULL));
	for (size_t i = 0; i < CLASSES; i++)
		CHECK(!pthread_join(class[i], NULL));
	return load_end();
}
