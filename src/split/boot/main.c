/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The bootstrap: first code of a rank. The launcher's `reprise rank` execs it with the number of a memfd: struct
 * rp_launch (launch) or a plan (restart). It moves what must not be saved into the arena, loads the lower program there
 * and, when that is ready, the application.
 */
#include <sys/prctl.h>

#include "abi/ctl.h"
#include "abi/plan.h"
#include "arch/x86_64/tls.h"
#include "split/boot/boot.h"

#ifndef PR_SET_PTRACER
#define PR_SET_PTRACER 0x59616d61
#endif

struct rp_boot rp_boot;

const struct rp_boot_ops rp_boot_table = {
	.version = 1,
	.size = sizeof(struct rp_boot_ops),
	.fill = rp_restart_fill,
	.run = rp_app_run,
	.die = rp_die,
	.vdso_symbol = rp_vdso_symbol,
};

static char *append(char *p, char *end, const char *s)
{
	while (s && *s && p < end)
		*p++ = *s++;
	return p;
}

static char *append_number(char *p, char *end, unsigned long v)
{
	char digits[24];
	int n = 0;

	do
		digits[n++] = '0' + v % 10;
	while (v /= 10);
	while (n && p < end)
		*p++ = digits[--n];
	return p;
}

void rp_die_with(int status, const char *text, const char *name, long err)
{
	char line[512], *p = line, *end = line + sizeof(line) - 1;

	p = append(p, end, "reprise: ");
	p = append(p, end, text);
	if (name) {
		p = append(p, end, ": ");
		p = append(p, end, name);
	}
	if (err < 0) {
		p = append(p, end, ": error ");
		p = append_number(p, end, -err);
	}
	*p++ = '\n';
	rp_sys(SYS_write, 2, line, p - line, 0);
	for (;;)
		rp_sys(SYS_exit_group, status, 0, 0, 0);
}

void rp_die(const char *text)
{
	rp_die_with(125, text, NULL, 0);
}

uint64_t rp_auxval(uint64_t type)
{
	for (const Elf64_auxv_t *a = rp_boot.auxv; a->a_type != AT_NULL; a++)
		if (a->a_type == type)
			return a->a_un.a_val;
	return 0;
}

/* The kernel's stack becomes the application's: nothing there may be needed later. */
static void copy_auxv(const Elf64_auxv_t *from)
{
	static Elf64_auxv_t copy[64];
	static char platform[32];
	uint64_t n = 0;

	for (; n < 63 && from[n].a_type != AT_NULL; n++) {
		copy[n] = from[n];
		if (copy[n].a_type == AT_PLATFORM || copy[n].a_type == AT_BASE_PLATFORM) {
			append(platform, platform + sizeof(platform) - 1, (const char *)copy[n].a_un.a_val);
			copy[n].a_un.a_val = (uint64_t)platform;
		}
	}
	copy[n].a_type = AT_NULL;
	rp_boot.auxv = copy;
}

static void read_kernel_stack(uint64_t sp)
{
	uint64_t argc = *(uint64_t *)sp;
	char **argv = (char **)(sp + 8);
	char **p = argv + argc + 1;
	int fd = 0;

	if (argc != 2)
		rp_die("reprise-boot is started by `reprise rank`, not by hand");
	for (const char *c = argv[1]; *c; c++) {
		if (*c < '0' || *c > '9' || fd > RP_FD_BITS)
			rp_die("reprise-boot: bad descriptor number");
		fd = fd * 10 + *c - '0';
	}
	while (*p)
		p++;
	copy_auxv((const Elf64_auxv_t *)(p + 1));
	rp_boot.sp = sp;
	rp_boot.input_fd = fd;
}

static void take_agent(void)
{
	struct rp_arena *a = rp_arena();
	struct rp_launch *l = rp_boot.launch;
	long r;

	a->world_rank = l->world_rank;
	a->world_size = l->world_size;
	a->agent_fd = -1;
	if (l->agent_fd < 0)
		return;
	a->agent_fd = rp_fd_own(l->agent_fd);
	rp_sys(SYS_fcntl, a->agent_fd, 2 /* F_SETFD */, 1, 0);
	r = rp_mmap(RP_ARENA_CTL, l->ctl_size, 3, 0x100001 /* SHARED|NOREPLACE */, l->ctl_fd, 0);
	if (rp_is_error(r))
		rp_die_with(125, "cannot map the agent's page", NULL, r);
	rp_sys(SYS_close, l->ctl_fd, 0, 0, 0);
	a->ctl = RP_ARENA_CTL;
	a->slot = (uint64_t)rp_ctl_slot((struct rp_ctl *)RP_ARENA_CTL, l->slot);
	if (l->agent_pid > 0)
		rp_sys(SYS_prctl, PR_SET_PTRACER, l->agent_pid, 0, 0);
}

/* The launch record at its fixed place, from a descriptor or from memory. */
void rp_launch_map(void)
{
	long r = rp_mmap(RP_ARENA_LAUNCH, RP_ARENA_LAUNCH_MAX, 3, 0x104022 /* NORESERVE|NOREPLACE */, -1, 0);

	if (rp_is_error(r))
		rp_die_with(125, "cannot map the launch record", NULL, r);
}

void rp_launch_take(uint64_t size)
{
	struct rp_launch *l = (struct rp_launch *)RP_ARENA_LAUNCH;

	if (size < sizeof(*l) || l->magic != RP_LAUNCH_MAGIC || l->version != RP_LAUNCH_VERSION || l->size != size)
		rp_die("the launch record is damaged or from another version");
	rp_boot.launch = l;
	take_agent();
}

static void read_launch(void)
{
	uint64_t done = 0;
	long r;

	rp_launch_map();
	while (done < RP_ARENA_LAUNCH_MAX) {
		r = rp_sys(SYS_pread64, rp_boot.input_fd, RP_ARENA_LAUNCH + done, RP_ARENA_LAUNCH_MAX - done, done);
		if (r <= 0)
			break;
		done += r;
	}
	rp_sys(SYS_close, rp_boot.input_fd, 0, 0, 0);
	rp_launch_take(done);
}

static int find_stack(const struct rp_map *m, void *arg)
{
	if (rp_boot.sp >= m->start && rp_boot.sp < m->end) {
		rp_boot.stack_top = m->end;
		return 1;
	}
	return 0;
}

void rp_boot_main(uint64_t sp)
{
	uint64_t magic = 0;

	read_kernel_stack(sp);
	if (!(rp_auxval(AT_HWCAP2) & RP_HWCAP2_FSGSBASE))
		rp_die("this machine has no FSGSBASE instructions; ranks cannot be carried here");
	rp_sys(SYS_pread64, rp_boot.input_fd, &magic, sizeof(magic), 0);
	rp_boot.restart = magic == RP_PLAN_MAGIC;
	if (rp_maps_walk(find_stack, NULL) != 1)
		rp_die("cannot read /proc/self/maps");
	rp_arena_init();
	rp_vdso_move();
	rp_patch_init();
	if (rp_boot.restart)
		rp_restart_begin();
	else
		read_launch();
	rp_lower_start();
}
