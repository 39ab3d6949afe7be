#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Every verb has a man page that groff accepts, that names all its options and says its exit status; completion knows
# verbs, options, jobs and snapshots.
set -eu
n=0
for verb in $("$REPRISE" --help | sed -n 's/^  \([a-z][a-z-]*\)  *.*/\1/p'); do
	page=$REPRISE_STAGE/share/man/man1/reprise-$verb.1
	[ -s "$page" ] || { echo "no man page of $verb"; exit 1; }
	for option in $("$REPRISE" "$verb" --help | grep -o -e '^ *\(-., \)\?--[a-z][a-z-]*' | grep -o -e '--[a-z-]*'); do
		grep -qF -e "$(printf '%s' "$option" | sed 's/-/\\-/g')" "$page" || { echo "$page: no $option"; exit 1; }
	done
	grep -q '^\.SH EXIT STATUS' "$page" || { echo "$page: no exit status"; exit 1; }
	if command -v groff >/dev/null; then
		warnings=$(groff -man -ww -z -T utf8 "$page" 2>&1 | grep -v 'cannot adjust\|cannot break' || :)
		[ -z "$warnings" ] || { echo "$warnings"; exit 1; }
	fi
	"$REPRISE" "$verb" --version | grep -q '^reprise [0-9]' || { echo "$verb --version"; exit 1; }
	n=$((n + 1))
done
echo "$n pages"
[ "$n" -gt 0 ]

# Completion: verbs, options and their values from the program, jobs and snapshots from what it lists.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cat >"$tmp/reprise" <<E
#!/bin/sh
case "\$1 \$2 \$3" in
"ps  ") printf 'NAME LAUNCHER RANKS\nmelt 4711 2/2\n' ;;
"list  ") printf 'NAME SEQ TIME\nmelt 3 now\nmelt 4 now\n' ;;
"list --dir "?*) printf 'NAME SEQ TIME\nelsewhere 1 now\n' ;;
*) exec "$REPRISE" "\$@" ;;
esac
E
chmod +x "$tmp/reprise"
cat >"$tmp/complete" <<'E'
. "$1"
cd "$2"
bad=0
expect() { # WANTED WORD...
	local wanted=$1
	shift
	COMP_WORDS=("$PWD/reprise" "$@") COMP_CWORD=$# COMPREPLY=()
	_reprise 2>/dev/null
	[ "${COMPREPLY[*]}" = "$wanted" ] || { echo "completion of '$*': '${COMPREPLY[*]}', not '$wanted'"; bad=1; }
}
expect show sh
expect checkpoint -v checkp
expect --json show --js
expect "--leave-running --leave-stopped" dump --leave
expect "exact" restore --pid ex
expect "prefer" restart --pid = p
expect "inherit image" exec --stdio ""
expect "melt 4711" checkpoint ""
expect "melt/3 melt/4" restart melt/
expect "elsewhere elsewhere/1" verify --dir st else
expect "--name" run --na
exit $bad
E
bash "$tmp/complete" "$REPRISE_STAGE/share/bash-completion/completions/reprise" "$tmp"
