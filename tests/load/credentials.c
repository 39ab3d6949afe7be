/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Credentials: ids that differ, supplementary groups, capability sets, bounding and ambient set, securebits, in two
 * threads that hold different ones.
 */
#include "load.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

struct caps {
	uint32_t eff[2], prm[2], inh[2];
};

static volatile int go, thread_ready;

static struct caps caps_get(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];
	struct caps c;

	CHECK(!syscall(SYS_capget, &h, d));
	for (int i = 0; i < 2; i++) {
		c.eff[i] = d[i].effective;
		c.prm[i] = d[i].permitted;
		c.inh[i] = d[i].inheritable;
	}
	return c;
}

static void caps_set(uint32_t eff, uint32_t prm, uint32_t inh)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = { { eff, prm, inh }, { 0, 0, 0 } };

	MUST(!syscall(SYS_capset, &h, d));
}

static void *thread(void *arg)
{
	struct caps before, now;

	/* Raw calls: of this thread alone. */
	MUST(!syscall(SYS_setresgid, 2001, 2002, 2003));
	MUST(!prctl(PR_CAPBSET_DROP, CAP_SYS_MODULE));
	MUST(!prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP));
	caps_set(1U << CAP_NET_RAW, 1U << CAP_NET_RAW | 1U << CAP_KILL, 1U << CAP_KILL);
	before = caps_get();
	thread_ready = 1;
	while (!go)
		load_sleep_ms(2);
	now = caps_get();
	CHECK(!memcmp(&before, &now, sizeof(now)));
	CHECK_EQ(prctl(PR_GET_SECUREBITS), SECBIT_NO_SETUID_FIXUP);
	CHECK_EQ(prctl(PR_CAPBSET_READ, CAP_SYS_MODULE), 0);
	CHECK_EQ(prctl(PR_CAPBSET_READ, CAP_SYS_BOOT), 1);
	return arg;
}

int main(int argc, char **argv)
{
	gid_t groups[3] = { 10, 20, 3000 }, seen[8];
	uid_t r, e, s;
	gid_t rg, eg, sg;
	struct caps before, now;
	pthread_t t;
	uint32_t keep = 1U << CAP_NET_BIND_SERVICE | 1U << CAP_CHOWN;

	load_begin(argc, argv);
	if (getuid())
		load_skip("wants root");
	MUST(!chmod(load_dir, 0777));
	MUST(!pthread_create(&t, NULL, thread, NULL));
	while (!thread_ready)
		load_sleep_ms(1);
	MUST(!syscall(SYS_setgroups, 3, groups));
	MUST(!prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS));
	MUST(!syscall(SYS_setresgid, 1001, 1002, 1003));
	MUST(!syscall(SYS_setresuid, 1001, 1002, 1003));
	caps_set(1U << CAP_CHOWN, keep, keep);
	MUST(!prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0));
	syscall(SYS_setfsgid, 1003);
	before = caps_get();

	load_ready();

	CHECK(!getresuid(&r, &e, &s) && r == 1001 && e == 1002 && s == 1003);
	CHECK(!getresgid(&rg, &eg, &sg) && rg == 1001 && eg == 1002 && sg == 1003);
	CHECK_EQ(getgroups(8, seen), 3);
	CHECK(!memcmp(seen, groups, sizeof(groups)));
	CHECK_EQ(setfsuid((uid_t)-1), 1002);
	CHECK_EQ(setfsgid((gid_t)-1), 1003);
	now = caps_get();
	CHECK(!memcmp(&before, &now, sizeof(now)));
	CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_BIND_SERVICE, 0, 0), 1);
	CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0), 0);
	CHECK_EQ(prctl(PR_GET_SECUREBITS), SECBIT_KEEP_CAPS);
	CHECK_EQ(prctl(PR_CAPBSET_READ, CAP_SYS_MODULE), 1);
	go = 1;
	CHECK(!pthread_join(t, NULL));
	return load_end();
}
