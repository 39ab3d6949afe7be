/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdint.h>
#include <sys/uio.h>

#include "tracee/tracee.h"

static int transfer(int pid, uint64_t addr, void *buf, size_t len, bool write)
{
	while (len > 0) {
		struct iovec local = { buf, len };
		struct iovec remote = { (void *)(uintptr_t)addr, len };
		ssize_t n = write ? process_vm_writev(pid, &local, 1, &remote, 1, 0)
				  : process_vm_readv(pid, &local, 1, &remote, 1, 0);

		if (n < 0)
			return -errno;
		if (n == 0)
			return -EFAULT;
		buf = (char *)buf + n;
		addr += (size_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int rp_tracee_read(int pid, uint64_t addr, void *buf, size_t len)
{
	return transfer(pid, addr, buf, len, false);
}

int rp_tracee_write(int pid, uint64_t addr, const void *buf, size_t len)
{
	return transfer(pid, addr, (void *)(uintptr_t)buf, len, true);
}
