#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Every verb has a man page that groff accepts and that names all its options; completion knows the verbs.
set -eu
n=0
for verb in $("$REPRISE" --help | sed -n 's/^  \([a-z][a-z-]*\)  *.*/\1/p'); do
	page=$REPRISE_STAGE/share/man/man1/reprise-$verb.1
	[ -s "$page" ] || { echo "no man page of $verb"; exit 1; }
	for option in $("$REPRISE" "$verb" --help | grep -o -e '^ *\(-., \)\?--[a-z][a-z-]*' | grep -o -e '--[a-z-]*'); do
		grep -qF -e "$(printf '%s' "$option" | sed 's/-/\\-/g')" "$page" || { echo "$page: no $option"; exit 1; }
	done
	if command -v groff >/dev/null; then
		warnings=$(groff -man -ww -z -T utf8 "$page" 2>&1 | grep -v 'cannot adjust\|cannot break' || :)
		[ -z "$warnings" ] || { echo "$warnings"; exit 1; }
	fi
	"$REPRISE" "$verb" --version | grep -q '^reprise [0-9]' || { echo "$verb --version"; exit 1; }
	n=$((n + 1))
done
echo "$n pages"
[ "$n" -gt 0 ]
export PATH="$(dirname "$REPRISE"):$PATH"
bash -c '. "$1/share/bash-completion/completions/reprise"
	COMP_WORDS=(reprise sh) COMP_CWORD=1; _reprise
	[ "${COMPREPLY[*]}" = show ] || { echo "completion of verbs: ${COMPREPLY[*]}"; exit 1; }
	COMP_WORDS=(reprise show --js) COMP_CWORD=2; _reprise
	[ "${COMPREPLY[*]}" = --json ] || { echo "completion of options: ${COMPREPLY[*]}"; exit 1; }' - "$REPRISE_STAGE"
