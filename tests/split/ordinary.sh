#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# An ordinary user's rank: the kernel's exe link is the bootstrap, and the program does not notice. And a program that
# starts itself by /proc/self/exe, as root. Arguments: ministub, directory of the programs.
. "$(dirname "$0")/pieces.sh"
unset LD_LIBRARY_PATH
chmod 755 .
mkdir install snap out
cp -r "$REPRISE_STAGE/bin" "$REPRISE_STAGE/libexec" install/
cp "$1" install/libexec/reprise/libmpi.so.40
cp "$2/exe" "$2/looks-pie" "$2/rankdump" .
export REPRISE_LIBEXECDIR="$WORK/install/libexec/reprise"
REPRISE=$WORK/install/bin/reprise
: > out/first
chmod 777 snap out
chmod 666 out/first
ordinary="setpriv --reuid=65534 --regid=65534 --clear-groups"
[ "$(id -u)" = 0 ] || ordinary=

# same WHAT: native and rank hold the same
same() { diff native rank || fail "$1 sees a difference"; }

"$WORK/exe" > native || :
[ "$(grep -c '^started as' native)" = 4 ] || { cat native; fail "exe alone"; }
"$REPRISE" rank --no-agent "$WORK/exe" > rank || :
same "with a capability, exe"
$ordinary "$REPRISE" rank --no-agent "$WORK/exe" > rank || :
same "without one, exe"
for form in "./looks-pie 0" "/usr/bin/python3 -c 'import os; print(os.path.realpath(\"/proc/self/exe\"), len(open(\"/proc/self/exe\", \"rb\").read()))'"; do
	eval "$ordinary $form" > native 2>&1 || fail "$form alone"
	eval "$ordinary $REPRISE rank --no-agent $form" > rank 2>&1 || fail "$form in a rank"
	same "$form"
done
echo "exe link: ok"

mkdir lib
echo 'int answer(void) { return 42; }' > answer.c
printf '%s\n' '#include <stdio.h>' '#include <stdlib.h>' 'int answer(void);' \
	'int main(void) { printf("%d %s\n", answer(), getenv("LD_LIBRARY_PATH") ?: "none"); return system("true"); }' > origin.c
${CC:-cc} -shared -fPIC -o lib/libanswer.so answer.c
${CC:-cc} -o by-runpath origin.c -Llib -lanswer '-Wl,-rpath,$ORIGIN/lib,--enable-new-dtags'
${CC:-cc} -o by-rpath origin.c -Llib -lanswer '-Wl,-rpath,/none:${ORIGIN}/lib,--disable-new-dtags'
for program in by-runpath by-rpath; do
	[ "$($ordinary "$REPRISE" rank --no-agent ./$program)" = "42 none" ] || fail "$program"
	[ "$(LD_LIBRARY_PATH=/usr/lib $ordinary "$REPRISE" rank --no-agent ./$program)" = "42 /usr/lib" ] || fail "$program with a path"
	[ "$("$REPRISE" rank --no-agent ./$program)" = "42 none" ] || fail "$program with a capability"
done
# ld.so takes the user's path before a DT_RUNPATH, and behind a DT_RPATH.
mkdir users
sed 's/42/43/' answer.c > users/answer.c
${CC:-cc} -shared -fPIC -o users/libanswer.so users/answer.c
export LD_LIBRARY_PATH="/none:$WORK/users"
for launch in "" "$ordinary $REPRISE rank --no-agent"; do
	[ "$($launch ./by-runpath)" = "43 $LD_LIBRARY_PATH" ] || fail "by-runpath with another library"
	[ "$($launch ./by-rpath)" = "42 $LD_LIBRARY_PATH" ] || fail "by-rpath with another library"
done
unset LD_LIBRARY_PATH
echo "run paths: ok"

# A profiler that the program is linked with sees what the program calls, and a constructor may wait for a thread.
printf '%s\n' '#define _GNU_SOURCE' '#include <sys/syscall.h>' '#include <unistd.h>' 'int calls;' \
	'int close(int fd) { calls++; return (int)syscall(SYS_close, fd); }' \
	'int dup2(int from, int to) { calls++; return (int)syscall(SYS_dup2, from, to); }' \
	'int dup3(int from, int to, int flags) { calls++; return (int)syscall(SYS_dup3, from, to, flags); }' \
	'int close_range(unsigned a, unsigned b, int flags) { calls++; return (int)syscall(SYS_close_range, a, b, flags); }' \
	'ssize_t readlink(const char *p, char *b, size_t n) { calls++; return syscall(SYS_readlink, p, b, n); }' \
	'ssize_t readlinkat(int d, const char *p, char *b, size_t n) { calls++; return syscall(SYS_readlinkat, d, p, b, n); }' \
	> profiler.c
printf '%s\n' '#include <pthread.h>' '#include <time.h>' \
	'static void *nap(void *p) { struct timespec t = { 0, 1 }; clock_nanosleep(CLOCK_MONOTONIC, 0, &t, p); return p; }' \
	'__attribute__((constructor)) static void wait_for_thread(void) { pthread_t t; pthread_create(&t, 0, nap, 0);' \
	'pthread_join(t, 0); }' > waits.c
printf '%s\n' '#define _GNU_SOURCE' '#include <dlfcn.h>' '#include <fcntl.h>' '#include <stdio.h>' '#include <unistd.h>' \
	'extern int calls;' 'int main(void) { char b[8]; int n; calls = 0;' \
	'close(dup(0)); dup2(0, 50); dup3(0, 51, 0); close_range(50, 51, 0); readlink("/", b, 8); readlinkat(AT_FDCWD, "/", b, 8);' \
	'n = calls; printf("%d calls\n", dlopen("./libwaits.so", RTLD_NOW) ? n : -1); }' > profiled.c
${CC:-cc} -shared -fPIC -o lib/libprofiler.so profiler.c
${CC:-cc} -shared -fPIC -pthread -o libwaits.so waits.c
${CC:-cc} -o profiled profiled.c -Llib -lprofiler "-Wl,-rpath,$WORK/lib"
for launch in "" "$REPRISE rank --no-agent"; do
	[ "$(timeout 30 $launch ./profiled)" = "6 calls" ] || fail "a profiler with '$launch'"
done
echo "other libraries: ok"

if [ "$(cat /proc/sys/kernel/yama/ptrace_scope 2> yama || echo 0)" != 0 ]; then
	echo "ptrace is for parents only: no restart"
	exit 0
fi
$ordinary "$REPRISE" rank --no-agent "$WORK/exe" 60 > out/first 2>&1 < /dev/null &
target=$!
until grep -q link out/first 2> out/grep; do sleep 0.05; done
[ "$(id -u)" != 0 ] || $ordinary test -r /proc/$target/maps || fail "another user's"
$ordinary "$WORK/rankdump" $target snap/rank-0 || fail "dump of $target"
wait $target 2> out/wait || :
status=0
$ordinary "$REPRISE" rank --no-agent --restart snap --pid any > out/second 2>&1 < /dev/null || status=$?
[ $status = 4 ] || { cat out/second; fail "status $status after the restart"; }
cat out/first out/second | sort -u > rank
"$WORK/exe" | sort -u > native || :
same "after a restart, exe"
echo "restart: ok"
