#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# attach.sh VICTIM: a process restored through each attachment has the right parent, gets each signal once and ends for its
# waiter as it would have; standard descriptors, --inherit-fd, --pid, --pidfile do what they say. In a namespace of its own.
. "$(dirname "$(realpath "$0")")/common.sh" || exit 1
mkdir img
fail() { echo "$case: $*"; exit 1; }
say() { echo "$case: ok"; }
state() { sed -n 's/^State:.\(.\).*/\1/p' /proc/$pid/status; }
ppid() { sed -n 's/^PPid:.//p' /proc/$pid/status; }
is_state() { [ "$(state)" = "$1" ]; }
has_name() { case $(state 2>/dev/null) in [SR]) [ "$(cat /proc/$pid/comm)" = victim ] ;; *) false ;; esac; }
# It has its name a moment before it runs.
alive() { has_name && sleep 0.1 && has_name; }
gone() { [ ! -d /proc/$pid ]; }

case=dump
echo 7000 >/proc/sys/kernel/ns_last_pid
setsid ./victim ready </dev/null >img.out 2>&1 &
pid=7001
until_true test -s ready || fail "not ready"
[ "$(cat ready)" = $pid ] || fail "pid $(cat ready)"
timeout 20 "$REPRISE" dump -t $pid -D img || fail "status $?"
wait $! 2>/dev/null
until_true gone || fail "still there"
# Far from the ids that are wanted.
echo 20000 >/proc/sys/kernel/ns_last_pid
line='usr1 1 usr2 0 cont 0 tstp 0 pid same tid same'

case=child
timeout 20 "$REPRISE" restore -D img --stdio inherit >out </dev/null &
until_true alive || fail "does not run"
tokill=$(ppid)
kill -USR1 "$tokill"
sleep 0.1
kill -TERM "$tokill"
wait $!
rc=$?
[ $rc = 42 ] || fail "status $rc"
[ "$(cat out)" = "$line" ] || fail "said $(cat out)"
say

case=child-killed
bash -c '"$REPRISE" restore -D img </dev/null; echo $? >rc' 2>/dev/null &
until_true alive || fail "does not run"
kill -SEGV $pid
wait $!
[ "$(cat rc)" = 139 ] || fail "status $(cat rc)"
say

case=compat-exit
"$REPRISE" restore --compat-exit -D img </dev/null &
until_true alive || fail "does not run"
kill -TERM $pid
wait $! || fail "status $?"
say

case=detached
"$REPRISE" restore -d -D img --pidfile pidfile </dev/null || fail "status $?"
[ "$(cat pidfile)" = $pid ] || fail "pidfile $(cat pidfile)"
alive || fail "does not run when restore is back"
[ "$(ppid)" = 1 ] || fail "parent $(ppid)"
[ "$(readlink /proc/$pid/fd/1)" = /mnt/img.out ] || fail "stdout is $(readlink /proc/$pid/fd/1)"
kill -TERM $pid
until_true gone || fail "does not end"
say

case=sibling
bash -c '"$REPRISE" restore -S -D img </dev/null && echo $BASHPID >parent && exec ./victim --wait waited' &
until_true test -s parent || fail "not restored"
until_true alive || fail "does not run"
[ "$(ppid)" = "$(cat parent)" ] || fail "parent $(ppid), not $(cat parent)"
# The shell reaps what it does not know, so the end has to come after it has become its waiter.
until_true grep -q victim /proc/"$(cat parent)"/comm || fail "no waiter"
kill -TERM $pid
wait $!
[ "$(cat waited)" = "$pid 42" ] || fail "its parent saw $(cat waited)"
rm waited
say

case=exec-cmd
"$REPRISE" restore --exec-cmd -D img -- ./victim --wait waited </dev/null &
until_true alive || fail "does not run"
[ "$(ppid)" = $! ] || fail "parent $(ppid)"
kill -TERM $pid
wait $!
[ "$(cat waited)" = "$pid 42" ] || fail "the command saw $(cat waited)"
say

case=in-place
echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid
"$REPRISE" exec -D img >out </dev/null &
got=$!
echo 20000 >/proc/sys/kernel/ns_last_pid
[ $got = $pid ] || fail "the test got pid $got"
until_true alive || fail "does not run"
[ "$(ppid)" = $$ ] || fail "parent $(ppid)"
kill -USR1 $pid
sleep 0.1
kill -TERM $pid
wait $got
rc=$?
[ $rc = 42 ] || fail "status $rc"
[ "$(cat out)" = "$line" ] || fail "said $(cat out)"
say

case=proxy
setsid "$REPRISE" exec -D img >out </dev/null &
proxy=$!
until_true alive || fail "does not run"
[ "$(ppid)" = $$ ] || fail "parent $(ppid)"
kill -USR1 -$proxy
sleep 0.1
kill -STOP -$proxy
until_true is_state T || fail "SIGSTOP does not reach it: $(state)"
kill -CONT -$proxy
until_true alive || fail "SIGCONT does not reach it"
sleep 0.1
kill -TERM -$proxy
wait $proxy
rc=$?
[ $rc = 42 ] || fail "status $rc"
[ "$(cat out)" = "usr1 1 usr2 0 cont 1 tstp 0 pid same tid same" ] || fail "said $(cat out)"
say

case=proxy-killed
bash -c '"$REPRISE" exec -D img </dev/null 2>err; echo $? >rc' 2>/dev/null &
until_true alive || fail "does not run"
kill -KILL $pid
wait $!
[ "$(cat rc)" = 137 ] || fail "status $(cat rc) $(cat err)"
say

case=other-kernel
cp -r img img2
# The field holds 20 bytes; one of them is another now.
python3 - img2/reprise-task-$pid.img <<'END' || fail "no build id of the vdso in the image"
import sys
data = bytearray(open(sys.argv[1], "rb").read())
at = data.index(b"\x52\x14") + 2
data[at] ^= 1
open(sys.argv[1], "wb").write(data)
END
err=$("$REPRISE" restore -d -D img2 2>&1 </dev/null) && fail "restored under another kernel"
case $err in *"vdso of another kernel"*) ;; *) fail "said $err" ;; esac
gone || fail "left a process"
say

case=limits
[ "$(ulimit -Hc)" = unlimited ] || fail "the test's own limit is not unlimited"
bash -c 'ulimit -Hc 0 && exec "$REPRISE" restore -d -D img --pidfile pidfile' </dev/null 2>err || fail "status $?"
grep -q 'hard limit of core was unlimited and stays at 0' err || fail "no warning: $(cat err)"
grep -q '^Max core file size *0 *0 ' /proc/$pid/limits || fail "raised: $(grep core /proc/$pid/limits)"
kill -TERM $pid
until_true gone || fail "does not end"
say

case=taken
echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid
sleep 30 &
holder=$!
echo 20000 >/proc/sys/kernel/ns_last_pid
[ $holder = $pid ] || fail "the test got pid $holder"
until_true grep -q sleep /proc/$pid/comm || fail "no holder"
err=$("$REPRISE" restore -d -D img 2>&1 </dev/null) && fail "restored although the pid is taken"
case $err in *"$pid"*sleep*) ;; *) fail "does not name the holder: $err" ;; esac
say

for case in prefer any; do
	rm -f pidfile
	"$REPRISE" restore -q -d --pid $case --pidfile pidfile -D img --stdio inherit >out </dev/null || fail "status $?"
	other=$(cat pidfile)
	[ "$other" != $pid ] || fail "pid $other"
	kill -TERM "$other"
	until_true test -s out || fail "no answer"
	# Thread ids that are free may be kept.
	grep -qx 'usr1 0 usr2 0 cont 0 tstp 0 pid other tid [a-z]*' out || fail "said $(cat out)"
	say
done
kill $holder
wait $holder 2>/dev/null
until_true gone

case=inherit-fd
"$REPRISE" restore -D img --inherit-fd 'fd[9]:mnt/img.out' 9>other </dev/null &
until_true alive || fail "does not run"
kill -TERM $pid
wait $!
[ "$(cat other)" = 'usr1 0 usr2 0 cont 0 tstp 0 pid same tid same' ] || fail "said $(cat other)"
say
exit 0
