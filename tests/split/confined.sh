#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# A system call of the lower half that gets past the confinement ends the rank at launch, with one line that names it.
# Arguments: ministub, directory of the programs.
. "$(dirname "$0")/pieces.sh"
ln -sf "$2/reprise-lower-escapes" pieces/reprise-lower
"$REPRISE" rank --no-agent true || fail "the test's own lower program does not run when nothing escapes"
for what in mmap mremap brk shmat open openat dup fcntl pipe eventfd epoll_create1 timerfd_create signalfd memfd_create \
	socket socketpair recvmsg accept; do
	status=0
	ESCAPE=$what "$REPRISE" rank --no-agent true > out 2>&1 || status=$?
	[ $status = 125 ] || { cat out; fail "$what escapes: status $status"; }
	[ "$(wc -l < out)" = 1 ] && grep -q "cannot be confined ($what)" out || { cat out; fail "$what escapes: not that line"; }
done
echo ok
