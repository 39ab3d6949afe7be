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
[ "$(grep -c '^started as' native)" = 3 ] || { cat native; fail "exe alone"; }
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
echo "run paths: ok"

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
