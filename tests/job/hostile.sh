#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: hostile.sh BINDIR
#
# A store that somebody has prepared: wrong types and numbers in the manifest, names and links that lead out, FIFOs that would
# block, a launcher that is none. One line and the right exit code from every verb, and nothing is run. With the store as it was
# the job restarts.
. "$(dirname "$0")/common.sh"
e=$REPRISE_DIR/e rank=$REPRISE_DIR/e/1/rank-0

# both PATTERN: refused by everything that reads the snapshot
both()
{
	refused 1 "$1" reprise verify e
	refused 125 "$1" reprise restart e
}

# manifest PYTHON PATTERN: the manifest with a change (m: all, g: its generation, r: its rank) is refused by every reader
manifest()
{
	python3 - "$tmp/kept" "$e/manifest.json" "$1" <<'P' || fail "cannot make: $1"
import json, sys
m = json.load(open(sys.argv[1] + "/manifest.json"))
g = m["generations"][0]
r = g["ranks"][0]
exec(sys.argv[3])
json.dump(m, open(sys.argv[2], "w"))
P
	both "$2"
	refused 1 "$2" reprise info e
	refused 0 "warning: .*$2" reprise list
}

# instead FILE COMMAND...: FILE is set aside and COMMAND makes something else of that name
instead()
{
	mv "$1" "$tmp/aside"
	"${@:2}" || fail "$*"
}
again() { rm -r "$1" && mv "$tmp/aside" "$1"; }

reprise run --name e mpirun -n 1 "$bin/plain" count 100 >"$tmp/out" 2>&1 &
job=$!
check "the job counts" until_true 20 grep -q "count 0 1" "$tmp/out"
check "checkpoint" reprise checkpoint e
kill_job $job
job=
cp -a "$e" "$tmp/kept"

manifest 'g["seq"] = 1 << 40' "seq"
manifest 'g["seq"] = "1"' "seq"
manifest 'g["np"] = 1 << 30' "np"
manifest 'g["np"] = 2' "ranks: 1 of them where np is 2"
manifest 'g["time"] = -1' "time"
manifest 'g["ranks"] = {}' "ranks"
manifest 'r["pid"] = 1' "pid"
manifest 'r["pid"] = 1e99' "pid"
manifest 'r["max_id"] = 1 << 31' "max_id"
manifest 'r["rank"] = 7' "rank"
manifest 'r["files"][0]["name"] = "../../../etc/passwd"' "is not the name of a file"
manifest 'r["files"][0]["name"] = ".."' "is not the name of a file"
manifest 'r["files"][0]["crc32c"] = -1' "crc32c"
manifest 'r["files"] = 7' "files"
manifest 'g["launch_argv"] = [None]' "launch_argv"
manifest 'g["launcher"] = {}' "launcher"
manifest 'm["generations"] = None' "generations"
manifest 'm["generations"] = [g, g]' "seq does not grow"
manifest 'm["generations"] = [[[[[[[]]]]]]]' "generation 0"
manifest 'm["format"] = 2' "format"
printf '%100000s' '' | tr ' ' '[' >"$e/manifest.json"
both "manifest.json"
: >"$e/manifest.json"
both "manifest.json"

# What only a restart looks at.
change()
{
	cp "$tmp/kept/manifest.json" "$e/manifest.json"
	sed -i "$1" "$e/manifest.json"
	cmp -s "$tmp/kept/manifest.json" "$e/manifest.json" && fail "no change: $1"
	refused "$2" "$3" reprise restart e
}
cat >"$tmp/evil" <<X
#!/bin/sh
touch "$tmp/was-run"
X
chmod +x "$tmp/evil"
change "s|\"mpirun\"|\"$tmp/evil\"|" 125 "is not the launcher that the job had"
change 's|"mpirun"|"nosuchlauncher"|' 127 "nosuchlauncher: command not found"
change 's|"launcher":"openmpi"|"launcher":"nosuch"|' 125 "without a launcher that Reprise knows"
change 's|"cwd":"[^"]*"|"cwd":"/nonexistent"|' 125 "/nonexistent"
[ ! -e "$tmp/was-run" ] || fail "a program that the manifest names was run"
cp "$tmp/kept/manifest.json" "$e/manifest.json"

for what in "mkfifo" "ln -s /etc/shadow" "ln -s /dev/zero" "mkdir"; do
	# shellcheck disable=SC2086
	instead "$e/manifest.json" $what "$e/manifest.json"
	both "manifest.json: \(not a regular\|Too many levels\)"
	again "$e/manifest.json"
done
for file in "$rank/inventory.img" "$(ls "$rank"/core-*.img)" "$(ls "$rank"/pages-*.img)" "$e/1/pids"; do
	instead "$file" mkfifo "$file"
	both "$(basename "$file"): \(not a regular\|has 0 bytes\)"
	again "$file"
	instead "$file" ln -s "$tmp/aside" "$file"
	both "$(basename "$file"): \(Too many levels\|has .* bytes\)"
	again "$file"
	instead "$file" true
	both "$(basename "$file"): No such file"
	: >"$file"
	again "$file"
done
echo "0 1" >"$tmp/pids"
instead "$e/1/pids" cp "$tmp/pids" "$e/1/pids"
both "pids: differs from the manifest"
again "$e/1/pids"
for dir in "$rank" "$e/1"; do
	instead "$dir" ln -s "$tmp/aside" "$dir"
	both "$dir: Not a directory"
	again "$dir"
done

# As it was.
diff -r "$e" "$tmp/kept" || fail "a refused command changed the store"
reprise restart e >"$tmp/out" 2>&1 &
job=$!
check "it restarts: $(cat "$tmp/out")" until_true 20 grep -q "^count" "$tmp/out"
