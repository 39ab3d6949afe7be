#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Programs of each form see the same under `reprise rank` as without. Arguments: ministub, directory of the programs.
. "$(dirname "$0")/pieces.sh"
for form in pie fixed static static-pie; do
	cp "$2/looks-$form" "./looks-$form"
	status=0
	"./looks-$form" 7 'a b' > native 2>&1 || status=$?
	[ $status = 7 ] || fail "looks-$form alone: status $status"
	status=0
	"$REPRISE" rank --no-agent "./looks-$form" 7 'a b' > rank 2>&1 || status=$?
	[ $status = 7 ] || { cat rank; fail "looks-$form in a rank: status $status"; }
	diff native rank || fail "looks-$form sees a difference"
	echo "$form: same"
done

cat > script <<'END'
#!/bin/sh -e
echo "script $0 $*"
NEW=1 exec ./looks-pie 9 "$@"
END
chmod +x script
status=0
./script one > native 2>&1 || status=$?
[ $status = 9 ] || fail "script alone: status $status"
status=0
"$REPRISE" rank --no-agent ./script one > rank 2>&1 || status=$?
[ $status = 9 ] || { cat rank; fail "script in a rank: status $status"; }
diff native rank || fail "a script that execs sees a difference"
"$REPRISE" rank --no-agent cat /proc/self/maps > maps
grep -q '^300000000000-' maps || fail "cat ran outside of a rank"
"$REPRISE" rank --no-agent sh -c 'exec cat /proc/self/maps' > maps
grep -q '^300000000000-' maps || fail "exec left the rank"

status=0
"$REPRISE" rank --no-agent ./no-such-program 2> err || status=$?
[ $status = 127 ] || fail "missing program: status $status"
[ "$(wc -l < err)" = 1 ] || fail "missing program: not one line"
echo text > text
status=0
"$REPRISE" rank --no-agent ./text 2> err || status=$?
[ $status = 126 ] || fail "no program: status $status"
status=0
"$REPRISE" rank --no-agent sh -c 'kill -TERM $$' || status=$?
[ $status = 143 ] || fail "death by signal: status $status"
(ulimit -n 300; "$REPRISE" rank --no-agent ./looks-pie 0 > low 2>&1) || { cat low; fail "low limit of descriptors"; }
LD_PRELOAD=$1 "$REPRISE" rank --no-agent sh -c 'echo "$LD_PRELOAD"' > preload
[ "$(cat preload)" = "$1" ] || fail "the user's LD_PRELOAD became $(cat preload)"
echo ok
