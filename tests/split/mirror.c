/* SPDX-License-Identifier: BSD-3-Clause
 *
 * usage: mirror GO [ARG...]
 *
 * Says what the kernel and ld.so tell a program of itself, waits for the file GO, and says it again. Lines that begin with
 * "same" are those of a run without Reprise too; lines with "own" hold addresses and are the same before and after a restart.
 */
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#define LOWER_START 0x2ffff0000000UL
#define LOWER_END 0x310000000000UL

static void *volatile heap;
static char text[1 << 20]; /* no memory is taken while the maps are read */

static size_t read_file(const char *path)
{
	int fd = open(path, O_RDONLY);
	size_t n = 0;
	ssize_t r;

	while (fd >= 0 && (r = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)r;
	close(fd);
	text[n] = 0;
	return n;
}

static void say_names(void)
{
	size_t n = read_file("/proc/self/cmdline");

	for (size_t i = 0; i < n; i++)
		if (!text[i])
			text[i] = '|';
	printf("same cmdline %s\n", text);
	read_file("/proc/self/comm");
	printf("same comm %s", text);
	n = (size_t)readlink("/proc/self/exe", text, sizeof(text) - 1);
	text[n < sizeof(text) ? n : 0] = 0;
	printf("same exe %s\n", text);
}

static void say_auxv(void)
{
	size_t n = read_file("/proc/self/auxv") / sizeof(Elf64_auxv_t);
	Elf64_auxv_t *a = (Elf64_auxv_t *)text;

	for (size_t i = 0; i < n && a[i].a_type != AT_NULL; i++) {
		unsigned long type = a[i].a_type, value = a[i].a_un.a_val;

		if (type == AT_EXECFN || type == AT_PLATFORM)
			printf("same auxv %lu %s\n", type, (char *)value);
		else if (type == AT_SYSINFO_EHDR || type == AT_PHDR || type == AT_BASE || type == AT_ENTRY ||
			 type == AT_RANDOM)
			printf("same auxv %lu\nown auxv %lu %lx\n", type, type, value);
		else
			printf("same auxv %lu %lx\n", type, value);
		if (getauxval(type) != value)
			printf("own getauxval(%lu) is not /proc's\n", type);
	}
}

static int is_stub(const char *name)
{
	return strstr(name, "libmpi.so.40") || strstr(name, "libministub.so");
}

static int say_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	if (strstr(info->dlpi_name, "vdso"))
		printf("same object '%s'\n", info->dlpi_name);
	else if (!is_stub(info->dlpi_name))
		printf("same object '%s' of %d\n", info->dlpi_name, info->dlpi_phnum);
	printf("own object '%s' at %lx\n", info->dlpi_name, (unsigned long)info->dlpi_addr);
	if (!*info->dlpi_name)
		printf("same program's headers %d\n", (unsigned long)info->dlpi_phdr == getauxval(AT_PHDR));
	return 0;
}

static void say_maps(void)
{
	char *line, *rest = text, last[512] = "";

	read_file("/proc/self/maps");
	while ((line = strsep(&rest, "\n")) && *line) {
		unsigned long start = strtoul(line, NULL, 16);
		char *name = strpbrk(line, "/[");

		if (start >= LOWER_START && start < LOWER_END)
			continue;
		printf("own map %s\n", line);
		if (!name || is_stub(name) || !strncmp(name, "[v", 2) || !strcmp(name, last))
			continue;
		snprintf(last, sizeof(last), "%s", name);
		printf("same map %s\n", name);
	}
}

static void say_layout(void)
{
	char *p;

	read_file("/proc/self/stat");
	p = strrchr(text, ')');
	for (int field = 2; p && field <= 51; field++, p = strchr(p + 1, ' '))
		if ((field >= 26 && field <= 28) || field >= 45)
			printf("own stat %d %lu\n", field, strtoul(p, NULL, 10));
}

static void say_all(void)
{
	say_names();
	say_auxv();
	dl_iterate_phdr(say_object, NULL);
	say_layout();
	say_maps();
	printf("end\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static char buffer[1 << 16];

	if (argc < 2)
		return 2;
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	heap = malloc(1000); /* so that there is one */
	say_all();
	while (access(argv[1], F_OK))
		usleep(10000);
	say_all();
	return 0;
}
