/* SPDX-License-Identifier: BSD-3-Clause
 *
 * reprise-restorer with a capability of its own file, started by an ordinary user with a plan that says nothing of
 * credentials: the process must not get the capability. Argument: path of reprise-restorer. Needs root to set that up.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "arch/x86_64/regs.h"
#include "engine/plan.h"

#define USER 65534
#define PAGE 0x10000000UL
#define HAS_CAPS 41
#define HAS_NONE 42

/* The process: capget(2), then exit with what it says. Header and data lie in the same page. */
extern const char code_start[], code_end[];
__asm__(".pushsection .rodata\n"
	"code_start:\n"
	"	mov $125, %eax\n"
	"	mov $0x10000800, %edi\n"
	"	mov $0x10000810, %esi\n"
	"	syscall\n"
	"	mov 0x10000810, %ecx\n"
	"	or 0x10000814, %ecx\n"
	"	or 0x1000081c, %ecx\n"
	"	or 0x10000820, %ecx\n"
	"	mov $42, %edi\n"
	"	test %ecx, %ecx\n"
	"	jz 1f\n"
	"	mov $41, %edi\n"
	"1:	mov $231, %eax\n"
	"	syscall\n"
	"code_end:\n"
	"	.popsection\n");

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* A copy that everybody may run, with CAP_CHECKPOINT_RESTORE (40) in its file (struct vfs_cap_data). */
static void make_program(const char *from, const char *to)
{
	const uint32_t caps[5] = { 0x02000001, 0, 0, 1U << 8, 0 };
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0755);
	struct stat st;

	if (in < 0 || out < 0 || fstat(in, &st) || sendfile(out, in, NULL, (size_t)st.st_size) != st.st_size)
		die(to);
	fchmod(out, 0755);
	if (fsetxattr(out, "security.capability", caps, sizeof(caps), 0)) {
		printf("no file capabilities here: %s\n", strerror(errno));
		unlink(to);
		exit(77);
	}
	close(in);
	close(out);
}

static int make_plan(void)
{
	struct rp_plan_vma vma = { .start = PAGE,
				   .end = PAGE + 4096,
				   .type = RP_VMA_ANON,
				   .prot = 7,
				   .flags = MAP_PRIVATE | MAP_ANONYMOUS,
				   .fd = -1,
				   .shm = UINT32_MAX };
	struct rp_plan_run run = { .vaddr = PAGE, .len = 4096, .shm = UINT32_MAX };
	struct rp_plan_thread thread = { .tid = getpid(), .sas_flags = 2, .comm = "caps" };
	uint32_t header[2] = { 0x20080522, 0 };
	struct rp_planner *p = NULL;
	struct rp_error err;
	int fd;

	run.fd = memfd_create("pages", 0);
	if (run.fd < 0 || ftruncate(run.fd, 4096) ||
	    pwrite(run.fd, code_start, (size_t)(code_end - code_start), 0) < 0 ||
	    pwrite(run.fd, header, sizeof(header), 0x800) < 0 || rp_planner_new(&p))
		die("pages");
	thread.regs[RP_REG_RIP] = PAGE;
	thread.regs[RP_REG_RSP] = PAGE + 0xf00;
	thread.regs[RP_REG_CS] = RP_CS_USER64;
	thread.regs[RP_REG_EFLAGS] = 0x202;
	thread.regs[20] = 0x2b; /* ss */
	rp_planner_head(p)->pid = thread.tid;
	rp_planner_head(p)->task_size = 0x7ffffffff000UL;
	rp_planner_head(p)->flags = RP_PLAN_PID_ANY;
	rp_planner_head(p)->mm = (struct rp_plan_mm){
		.start_code = PAGE,
		.end_code = PAGE + 0x100,
		.start_data = PAGE + 0x800,
		.end_data = PAGE + 0x840,
		.start_brk = PAGE + 0x2000,
		.brk = PAGE + 0x2000,
		.start_stack = PAGE + 0xf00,
		.arg_start = PAGE + 0xf80,
		.arg_end = PAGE + 0xf80,
		.env_start = PAGE + 0xf80,
		.env_end = PAGE + 0xf80,
		.exe_fd = -1,
	};
	rp_planner_add(p, RP_PART_VMAS, &vma);
	rp_planner_add(p, RP_PART_RUNS, &run);
	rp_planner_add(p, RP_PART_THREADS, &thread);
	if (rp_planner_hole(p, 8 << 20, &err) || rp_planner_memfd(&fd, &err) || rp_planner_seal(p, fd, &err)) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	fcntl(fd, F_SETFD, 0);
	rp_planner_free(p);
	return fd;
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/reprise-caps-XXXXXX", program[64], number[16];
	int fd, status = 0;
	pid_t pid;

	if (argc != 2)
		return 1;
	if (geteuid()) {
		printf("needs root\n");
		return 77;
	}
	if (!mkdtemp(dir) || chmod(dir, 0755))
		die(dir);
	snprintf(program, sizeof(program), "%s/restorer", dir);
	make_program(argv[1], program);
	pid = fork();
	if (pid == 0) {
		fd = make_plan();
		snprintf(number, sizeof(number), "%d", fd);
		if (setgroups(0, NULL) || setresgid(USER, USER, USER) || setresuid(USER, USER, USER))
			die("becoming an ordinary user");
		execl(program, "reprise-restorer", number, (char *)NULL);
		die(program);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		die("fork");
	unlink(program);
	rmdir(dir);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != HAS_NONE) {
		fprintf(stderr, status == HAS_CAPS << 8 ? "the process has capabilities\n" : "status %#x\n", status);
		return 1;
	}
	return 0;
}
