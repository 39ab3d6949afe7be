# SPDX-License-Identifier: BSD-3-Clause
#
# For the scripts of this directory: a scratch directory, and functions that wait and complain.
set -u
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_mpi_yield_when_idle=1
command -v reprise >/dev/null || { echo "no reprise in PATH"; exit 77; }
command -v mpirun >/dev/null || { echo "no mpirun"; exit 77; }
bin=$1
tmp=$(mktemp -d /tmp/reprise-job.XXXXXX) || exit 1
job=
export REPRISE_DIR=$tmp/store REPRISE_RUNTIME_DIR=$tmp/run

finish()
{
	status=$?
	[ -z "$job" ] || kill_job "$job"
	[ $status -eq 0 ] || [ -z "${KEEP:-}" ] || { echo "kept: $tmp"; exit $status; }
	rm -rf "$tmp"
	exit $status
}
trap finish EXIT

fail()
{
	echo "FAIL: $*"
	exit 1
}

# check TEXT COMMAND...: complains unless the command succeeds
check()
{
	text=$1
	shift
	"$@" || fail "$text$(tail -n 5 "$tmp"/out "$tmp"/err 2>/dev/null)"
}

# refused CODE PATTERN COMMAND...: it ends in time, with that code and one line ($lines: so many) that says so
refused()
{
	code=$1 pattern=$2
	shift 2
	timeout -k 5 60 "$@" >"$tmp/o" 2>&1
	status=$?
	[ $status -eq "$code" ] || fail "$*: exit $status, not $code: $(cat "$tmp/o")"
	grep -q -- "$pattern" "$tmp/o" || fail "$*: says '$(cat "$tmp/o")', not '$pattern'"
	[ "$(wc -l <"$tmp/o")" -le "${lines:-1}" ] || fail "$*: more than one line: $(cat "$tmp/o")"
}

ranks_of() { ps -o pid= --ppid "$1" | xargs; }

# The launcher (hydra: its proxies too) and its ranks, by pid, with -9. Leaves nothing of Open MPI's behind.
kill_job()
{
	# shellcheck disable=SC2046
	set -- "$1" $(ranks_of "$1")
	for pid in "$@"; do
		# shellcheck disable=SC2046
		set -- "$@" $(ranks_of "$pid")
	done
	kill -9 "$@" 2>/dev/null
	wait "$1" 2>/dev/null
	rm -rf "/tmp/ompi.$(hostname -s).$(id -u)/pid.$1"
}

# until_true SECONDS COMMAND...
until_true()
{
	limit=$(($1 * 20))
	shift
	while ! "$@" >/dev/null 2>&1; do
		limit=$((limit - 1))
		[ $limit -gt 0 ] || return 1
		sleep 0.05
	done
}
