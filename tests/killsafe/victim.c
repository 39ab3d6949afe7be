/* SPDX-License-Identifier: BSD-3-Clause */
#include "victim.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct victim_page *page;
static int pipe_fds[2];

static void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void complain(const char *fmt, ...)
{
	va_list ap;

	if (__atomic_fetch_add(&page->errors, 1, __ATOMIC_SEQ_CST) > 0)
		return;
	va_start(ap, fmt);
	vsnprintf(page->text, sizeof(page->text), fmt, ap);
	va_end(ap);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Each thread blocks a signal of its own besides SIGUSR2, so that a mask that was lost or swapped is seen. */
static void set_mask(int which)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGRTMIN + 2 + which);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
}

static void check_mask(int which)
{
	uint64_t now = 0, want = 1UL << (SIGUSR2 - 1) | 1UL << (SIGRTMIN + 2 + which - 1);

	syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &now, sizeof(now));
	if (now != want)
		complain("thread %d: signal mask %#lx, want %#lx", which, (unsigned long)now, (unsigned long)want);
}

/* Fills the general and vector registers with patterns, waits in a loop that touches only rcx, and compares all.
 * Returns the number of differences. */
static uint64_t spin_registers(uint64_t rounds)
{
	uint64_t bad = 0;

	__asm__ volatile(
		"push %%rbp\n\t"
		"mov %[rounds], %%rcx\n\t"
		"mov $0x1111111111111111, %%rax\n\t"
		"movq %%rax, %%xmm0\n\tmovq %%rax, %%xmm7\n\tmovq %%rax, %%xmm15\n\t"
		"mov $0x2222, %%rbx\n\tmov $0x3333, %%rdx\n\tmov $0x4444, %%rsi\n\tmov $0x5555, %%rdi\n\t"
		"mov $0x6666, %%rbp\n\tmov $0x8888, %%r8\n\tmov $0x9999, %%r9\n\tmov $0xaaaa, %%r10\n\t"
		"mov $0xbbbb, %%r11\n\tmov $0xcccc, %%r12\n\tmov $0xdddd, %%r13\n\tmov $0xeeee, %%r14\n\t"
		"movl $0x5a5a5a5a, -64(%%rsp)\n\t" /* in the red zone */
		"1: dec %%rcx\n\t"
		"jnz 1b\n\t"
		"cmpl $0x5a5a5a5a, -64(%%rsp)\n\tjne 2f\n\t"
		"cmp $0x2222, %%rbx\n\tjne 2f\n\tcmp $0x3333, %%rdx\n\tjne 2f\n\tcmp $0x4444, %%rsi\n\tjne 2f\n\t"
		"cmp $0x5555, %%rdi\n\tjne 2f\n\tcmp $0x6666, %%rbp\n\tjne 2f\n\tcmp $0x8888, %%r8\n\tjne 2f\n\t"
		"cmp $0x9999, %%r9\n\tjne 2f\n\tcmp $0xaaaa, %%r10\n\tjne 2f\n\tcmp $0xbbbb, %%r11\n\tjne 2f\n\t"
		"cmp $0xcccc, %%r12\n\tjne 2f\n\tcmp $0xdddd, %%r13\n\tjne 2f\n\tcmp $0xeeee, %%r14\n\tjne 2f\n\t"
		"movq %%xmm0, %%rbx\n\tcmp %%rax, %%rbx\n\tjne 2f\n\t"
		"movq %%xmm7, %%rbx\n\tcmp %%rax, %%rbx\n\tjne 2f\n\t"
		"movq %%xmm15, %%rbx\n\tcmp %%rax, %%rbx\n\tjne 2f\n\t"
		"mov $0, %%rax\n\tjmp 3f\n\t"
		"2: mov $1, %%rax\n\t"
		"3: pop %%rbp\n\t"
		: "=&a"(bad)
		: [rounds] "r"(rounds)
		: "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "xmm0", "xmm7",
		  "xmm15", "memory", "cc");
	return bad;
}

static void on_timer(int sig)
{
	(void)sig;
	page->signals++;
}

/* Memory enough for a dump to use a copy-on-write child; the pattern moves on with each round. */
#define WORDS (1UL << 20)
static uint64_t *memory;

static void turn_memory(uint64_t round)
{
	for (uint64_t i = round % 64; i < WORDS; i += 512) {
		uint64_t want = round / 64 * 0x9e3779b97f4a7c15UL + (round / 64 ? i : 0);

		if (memory[i] != want)
			complain("memory at word %lu: %#lx, want %#lx", (unsigned long)i, (unsigned long)memory[i],
				 (unsigned long)want);
		memory[i] = (round / 64 + 1) * 0x9e3779b97f4a7c15UL + i;
	}
}

static void run_regs(void)
{
	struct sigaction sa = { .sa_handler = on_timer, .sa_flags = SA_RESTART };
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN };
	struct itimerspec every = { { 0, 7000000 }, { 0, 7000000 } };
	uint64_t seq = 0;
	timer_t timer;

	ev._sigev_un._tid = (int)syscall(SYS_gettid);
	sigaction(SIGRTMIN, &sa, NULL);
	if (timer_create(CLOCK_MONOTONIC, &ev, &timer) < 0 || timer_settime(timer, 0, &every, NULL) < 0)
		complain("timer: %s", strerror(errno));
	while (!page->stop) {
		uint64_t end = now_ms() + 5;

		while (now_ms() < end)
			if (spin_registers(20000) != 0)
				complain("registers have changed");
		check_mask(VICTIM_REGS);
		turn_memory(seq);
		if (write(pipe_fds[1], &seq, sizeof(seq)) != sizeof(seq))
			complain("write to the pipe: %s", strerror(errno));
		seq++;
		page->beats[VICTIM_REGS]++;
		usleep(5000);
	}
	close(pipe_fds[1]);
}

static void run_sleep(void)
{
	struct timespec ts = { 0, 30000000 };
	uint64_t begin = now_ms();

	if (nanosleep(&ts, NULL) < 0)
		complain("nanosleep: %s", strerror(errno));
	if (now_ms() - begin < 30)
		complain("nanosleep of 30 ms took %lu", (unsigned long)(now_ms() - begin));
}

static void run_read(uint64_t *want)
{
	uint64_t got = 0;
	ssize_t n = read(pipe_fds[0], &got, sizeof(got));

	if (n == 0 && page->stop)
		return;
	if (n != sizeof(got) || got != *want)
		complain("read: %zd bytes, %lu, want %lu (%s)", n, (unsigned long)got, (unsigned long)*want,
			 strerror(errno));
	*want = got + 1;
}

static void run_futex(void)
{
	uint32_t word = 0;
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += 25000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	if (syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 0, &until, NULL, ~0U) == 0 || errno != ETIMEDOUT)
		complain("futex: %s", strerror(errno));
}

static void run_poll(void)
{
	uint64_t begin = now_ms();

	if (poll(NULL, 0, 20) != 0)
		complain("poll: %s", strerror(errno));
	if (now_ms() - begin < 20)
		complain("poll of 20 ms took %lu", (unsigned long)(now_ms() - begin));
}

static void run_pselect(void)
{
	struct timespec ts = { 0, 15000000 };
	sigset_t set;

	sigfillset(&set);
	if (pselect(0, NULL, NULL, NULL, &ts, &set) != 0)
		complain("pselect: %s", strerror(errno));
}

static void *run(void *arg)
{
	int which = (int)(long)arg;
	uint64_t want = 0;

	set_mask(which);
	if (which == VICTIM_REGS)
		run_regs();
	while (!page->stop) {
		switch (which) {
		case VICTIM_SLEEP:
			run_sleep();
			break;
		case VICTIM_READ:
			run_read(&want);
			break;
		case VICTIM_FUTEX:
			run_futex();
			break;
		case VICTIM_POLL:
			run_poll();
			break;
		case VICTIM_PSELECT:
			run_pselect();
			break;
		default:
			break;
		}
		check_mask(which);
		page->beats[which]++;
	}
	return NULL;
}

int victim_main(const char *path)
{
	pthread_t threads[VICTIM_THREADS];
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0 || pipe(pipe_fds) < 0)
		return 1;
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	memory = mmap(NULL, WORDS * sizeof(*memory), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
		      -1, 0);
	if (page == MAP_FAILED || memory == MAP_FAILED)
		return 1;
	for (long i = 1; i < VICTIM_THREADS; i++)
		if (pthread_create(&threads[i], NULL, run, (void *)i) != 0)
			return 1;
	page->ready = 1;
	run((void *)VICTIM_REGS);
	for (int i = 1; i < VICTIM_THREADS; i++)
		pthread_join(threads[i], NULL);
	return page->errors ? 2 : 0;
}
