#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: json.sh BINDIR
#
# What the verbs print with --json is JSON, one value, with the names that others rely on, also of a job whose arguments are hard to
# write down; nothing but JSON goes to standard output, and the exit code is that of the verb without --json.
. "$(dirname "$0")/common.sh"

# has CODE EXPRESSION COMMAND...: ends with that code; EXPRESSION of v, the value, is true
has()
{
	timeout -k 5 60 "${@:3}" >"$tmp/json" 2>"$tmp/o"
	status=$?
	[ $status -eq "$1" ] || fail "${*:3}: exit $status, not $1: $(cat "$tmp/o")"
	NAME=$name DIR=$tmp python3 - "$tmp/json" "$2" <<'P' || fail "${*:3}: not $2: $(head -c 2000 "$tmp/json")"
import json, os, sys
v = json.load(open(sys.argv[1], encoding="utf-8"))
name, tmp = os.environ["NAME"], os.environ["DIR"]
snapshot = f"{tmp}/store/{name}/1"
sys.exit(not eval(f"({sys.argv[2]})"))
P
}

name=$'j "x\\ \x01é'
name=${name//$'\x01'/}
word=$'a "quoted"\\ \x01\n word é'
latin=$'\xe9t\xe9'
has 0 'v == []' reprise ps --json
has 0 'v == []' reprise list --json
reprise run --name "$name" mpirun -n 2 "$bin/plain" count 1000 "$latin" "$word" >"$tmp/out" 2>&1 &
job=$!
check "the job counts" until_true 20 grep -q "^count 0 1" "$tmp/out"
has 0 'set(v) >= {"snapshot", "seq", "bytes", "agree_us", "stop_us", "total_us"} and v["snapshot"] == snapshot and v["bytes"] > 9999' \
	reprise checkpoint --json
has 0 "len(v) == 1 and set(v[0]) >= {'name', 'launcher_pid', 'launcher', 'agent_pid', 'agent_alive', 'np', 'joined', 'started',
	'generations', 'store', 'command'} and v[0]['name'] == name and v[0]['launcher_pid'] == $job and v[0]['generations'] == 1 and
	v[0]['agent_alive'] is True and '\"quoted\"' in v[0]['command']" reprise ps --json
kill_job $job
job=
has 0 'len(v) == 1 and set(v[0]) >= {"name", "seq", "snapshot", "time", "np", "bytes", "launcher"} and v[0]["snapshot"] == snapshot and
	v[0]["np"] == 2' reprise list --json
has 0 'set(v) >= {"snapshot", "seq", "time", "np", "launcher", "launch_argv", "launch_env", "cwd", "mpi_library", "kernel", "libc",
	"machine", "ranks"} and v["snapshot"] == snapshot and [r["rank"] for r in v["ranks"]] == [0, 1] and
	set(v["ranks"][0]) >= {"rank", "pid", "host", "exe", "bytes"} and v["launch_argv"][-2] == "\ufffdt\ufffd" and
	v["launch_argv"][-1].endswith("word é")' reprise info --json "$name"
has 0 'v == {"snapshot": snapshot, "sound": True}' reprise verify --json "$name"
has 0 'set(v) == {"directory", "environment", "command"} and v["command"][0] == "mpirun" and
	v["command"][-1].endswith("word é") and f"REPRISE_RESTART={snapshot}" in v["environment"]' reprise restart --showme --json "$name"
has 0 '[o["words"] for o in v if o["class"] == "mapping"] == [["-n", "2"]] and v[0] == {"class": "launcher", "words": ["mpirun"]}' \
	reprise restart --info --json "$name"
images=$REPRISE_DIR/$name/1/rank-0
has 0 'any(f["magic"] == "MM" and f["entries"][0]["vmas"] for f in v)' reprise show --json "$images"
has 0 'v["clone3"] is True and {"restorer", "rank_pieces", "openmpi"} <= set(v)' reprise check --json
has 0 'v["used"] == 0 and v["not_carried"] == [] and v["program"].endswith("plain")' reprise check --json -- "$bin/plain"
has 0 'v["used"] > 5 and v["not_carried"] == []' reprise check --json -- "$bin/ring"

reprise restart --showme "$name" | grep -qa "count 1000 .*$latin" || fail "the argument is not what it was: $(reprise restart --showme "$name")"
refused 1 "No space left" sh -c "reprise list >/dev/full"
refused 1 "No space left" sh -c "reprise list --json >/dev/full"

# The damage is a fact, too.
printf x | dd of="$(ls "$images"/core-*.img)" conv=notrunc status=none bs=1 seek=100
has 1 'v["sound"] is False and v["error"].endswith("checksum differs from the manifest'"'"'s")' reprise verify --json "$name"
truncate -s 20 "$images/inventory.img"
timeout -k 5 60 reprise show --json "$images" >"$tmp/json" 2>"$tmp/o"
[ $? -eq 1 ] || fail "show --json of a cut image: exit $?"
python3 -m json.tool <"$tmp/json" >/dev/null || fail "show --json of a cut image: $(cat "$tmp/json")"
exit 0
