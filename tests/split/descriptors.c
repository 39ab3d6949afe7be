/* SPDX-License-Identifier: BSD-3-Clause
 *
 * usage: descriptors STOP [LIMIT]
 *
 * An MPI program that closes what it did not open, in every way, and wants numbers that are taken, over and over until the
 * file STOP is there; MPI works all the time. Its own descriptors get the lowest numbers, as without MPI. LIMIT: sets its
 * limit of descriptors, once MPI is there.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWN 40
#define CHECK(cond) \
	do { \
		if (!(cond)) \
			give_up(__LINE__, #cond); \
	} while (0)

static int rank, size, base, limited;

static void give_up(int line, const char *what)
{
	fprintf(stderr, "rank %d, line %d: %s (%s)\n", rank, line, what, strerror(errno));
	MPI_Abort(MPI_COMM_WORLD, 5);
}

/* Numbers above the program's own, as /proc shows them. */
static int list(int *numbers, int max, int above)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;
	int n = 0;

	while ((e = readdir(dir)))
		if (e->d_name[0] != '.' && atoi(e->d_name) > above && atoi(e->d_name) != dirfd(dir) && n < max)
			numbers[n++] = atoi(e->d_name);
	closedir(dir);
	return n;
}

static int lower_base(void)
{
	struct rlimit lim;

	getrlimit(RLIMIT_NOFILE, &lim);
	return lim.rlim_cur >= 1024 ? 512 : (int)lim.rlim_cur / 2;
}

static void open_and_select(int *taken, int *ntaken)
{
	struct timeval soon = { 5, 0 };
	int fds[OWN], two[2];
	fd_set set;

	for (int i = 0; i < OWN; i++) {
		fds[i] = open("/dev/null", O_RDWR);
		CHECK(fds[i] == 3 + i);
	}
	*ntaken = list(taken, 512, fds[OWN - 1]);
	for (int i = 0; i < *ntaken; i++)
		CHECK(taken[i] >= base && taken[i] < FD_SETSIZE);
	for (int i = 0; i < OWN; i++)
		CHECK(!close(fds[i]));
	CHECK(!pipe(two) && two[0] == 3 && two[1] == 4 && write(two[1], "x", 1) == 1);
	FD_ZERO(&set);
	FD_SET(two[0], &set);
	CHECK(select(two[1] + 1, &set, NULL, NULL, &soon) == 1 && FD_ISSET(two[0], &set));
}

static void child(const int *taken, int n)
{
	int status;
	pid_t pid = fork();

	if (!pid) { /* here all numbers are free */
		closefrom(3);
		for (int i = 0; i < n; i++)
			if (dup2(0, taken[i]) != taken[i] || close(taken[i]))
				_exit(1);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && !status);
}

static void hit(const int *taken, int n)
{
	int own = dup(0);

	closefrom(3);
	CHECK(fcntl(own, F_GETFD) == -1);
	own = dup(0);
	CHECK(own == 3 && !close_range(3, ~0U, 0) && fcntl(own, F_GETFD) == -1);
	own = dup(0);
	for (int fd = 3; fd < FD_SETSIZE; fd++)
		CHECK((close(fd) == 0) == (fd == own));
	for (int i = 0; i < n; i++) {
		CHECK(dup2(0, taken[i]) == -1 && errno == EBUSY);
		CHECK(dup3(0, taken[i], O_CLOEXEC) == -1 && errno == EBUSY);
	}
	CHECK(dup2(0, 60) == 60 && !close(60));
	if (!limited)
		child(taken, n);
}

static void talk(void)
{
	static char out[1 << 20], in[1 << 20];
	int one = rank, sum = -1;

	memset(out, rank + 1, sizeof(out));
	MPI_Sendrecv(out, sizeof(out), MPI_CHAR, (rank + 1) % size, 1, in, sizeof(in), MPI_CHAR,
		     (rank + size - 1) % size, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	CHECK(in[sizeof(in) - 1] == (rank + size - 1) % size + 1);
	MPI_Allreduce(&one, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
	CHECK(sum == size * (size - 1) / 2);
}

int main(int argc, char **argv)
{
	int taken[512], n = 0, stop = 0, all = 0;

	if (argc < 2)
		return 2;
	base = lower_base();
	closefrom(3);
	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	limited = argc > 2;
	if (limited) {
		struct rlimit lim;

		CHECK(!getrlimit(RLIMIT_NOFILE, &lim));
		lim.rlim_cur = (rlim_t)atoi(argv[2]);
		CHECK(!setrlimit(RLIMIT_NOFILE, &lim));
		base = base < lower_base() ? base : lower_base();
	}
	for (int step = 0; !all; step++) {
		open_and_select(taken, &n);
		CHECK(n > 0);
		hit(taken, n);
		talk();
		if (!rank && !(step % 5))
			printf("step %d\n", step), fflush(stdout);
		stop = !access(argv[1], F_OK);
		MPI_Allreduce(&stop, &all, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
	}
	if (!rank)
		printf("content\n");
	MPI_Finalize();
	return 0;
}
