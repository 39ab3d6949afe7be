/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A root directory of its own (chroot(2)), a working directory below it, and a file outside of it that is still open.
 */
#include "load.h"

int main(int argc, char **argv)
{
	struct stat before, after;
	char cwd[64] = "", byte = 0;
	int outside;

	load_begin(argc, argv);
	MUST(!mkdir(load_path("below"), 0700) || errno == EEXIST);
	outside = open("/etc/passwd", O_RDONLY);
	MUST(outside >= 0 && lseek(outside, 2, SEEK_SET) == 2);
	if (chroot(load_path(".")))
		load_skip("needs CAP_SYS_CHROOT");
	load_dir[0] = 0;
	MUST(!chdir("/below") && !stat("/", &before));
	load_ready();
	CHECK(getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, "/below"));
	CHECK(!stat("/", &after) && before.st_dev == after.st_dev && before.st_ino == after.st_ino);
	CHECK(access("/etc/passwd", F_OK) && errno == ENOENT);
	CHECK(lseek(outside, 0, SEEK_CUR) == 2 && read(outside, &byte, 1) == 1);
	return load_end();
}
