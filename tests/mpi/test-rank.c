/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `reprise rank` for a test that plays the agent itself (cycles.c): the control page is the file that
 * $REPRISE_TEST_CTL names, the slot is the rank. Without the variable: a rank without an agent.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/layout.h"
#include "cmd/rank_launch.h"
#include "cmd/rank_program.h"
#include "util/pieces.h"

extern char **environ;

static int fail(const struct rp_error *err)
{
	fprintf(stderr, "test-rank: %s\n", err->text);
	return 125;
}

static int find_ctl(struct rank_launch *l, struct rp_error *err)
{
	const char *path = getenv("REPRISE_TEST_CTL"), *rank = getenv("OMPI_COMM_WORLD_RANK");
	const char *size = getenv("OMPI_COMM_WORLD_SIZE");
	struct stat st;
	int fd;

	l->head.agent_fd = l->head.ctl_fd = -1;
	l->head.world_rank = rank ? atoi(rank) : 0;
	l->head.world_size = size ? atoi(size) : 1;
	if (!path)
		return 0;
	fd = open(path, O_RDWR);
	if (fd < 0 || fstat(fd, &st))
		return rp_error(err, -errno, "%s: %s", path, strerror(errno));
	l->head.ctl_fd = fcntl(fd, F_DUPFD, RP_LOWER_FD_MIN);
	close(fd);
	/* nobody talks on the control connection here */
	fd = open("/dev/null", O_RDWR);
	l->head.agent_fd = fcntl(fd, F_DUPFD, RP_LOWER_FD_MIN);
	close(fd);
	l->head.ctl_size = (uint64_t)st.st_size;
	l->head.slot = (uint32_t)l->head.world_rank;
	return 0;
}

int main(int argc, char **argv)
{
	static char boot[PATH_MAX], lower[PATH_MAX], stub[PATH_MAX];
	struct rank_launch l = { .envp = environ, .lower = lower, .stub = stub, .reprise = argv[0] };
	struct rank_program program = { 0 };
	struct rp_error err = { "" };
	char number[16], name[] = "reprise-boot", *boot_argv[] = { name, number, NULL }, *none[] = { NULL };
	int fd;

	if (argc < 2)
		return 2;
	if (rp_piece_find("reprise-boot", boot, sizeof(boot), &err) ||
	    rp_piece_find("reprise-lower", lower, sizeof(lower), &err) ||
	    rp_piece_find("libmpi.so.40", stub, sizeof(stub), &err) ||
	    rank_program_find(&program, argv + 1, NULL, &err) || find_ctl(&l, &err))
		return fail(&err);
	l.program = &program;
	fd = rank_launch_memfd(&l, RP_LOWER_FD_MIN, &err);
	if (fd < 0)
		return fail(&err);
	snprintf(number, sizeof(number), "%d", fd);
	execve(boot, boot_argv, none);
	rp_error(&err, -errno, "%s: %s", boot, strerror(errno));
	return fail(&err);
}
