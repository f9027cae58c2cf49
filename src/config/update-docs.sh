#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes anew what is made from the table of configuration keys: data/configuration.toml, and the parts behind the heading
# "Keys" of the man page and of docs/configuration.md. Usage: update-docs.sh CAISSON-CONFIG-DOCS SOURCE-ROOT DATADIR
set -eu

docs=$1 root=$2 datadir=$3

generate() {
	"$docs" "$1" | sed "s|$datadir|/usr/share/caisson|g"
}

# Replaces what is between the line $3 and the line that begins with $4 in file $2 by document $1.
replace() {
	generate "$1" >"$2.part"
	awk -v part="$2.part" -v from="$3" -v to="$4" '
		!inside { print }
		$0 == from { inside = 1; print ""; while ((getline line < part) > 0) print line }
		inside && index($0, to) == 1 { inside = 0; print }
	' "$2" >"$2.new"
	mv "$2.new" "$2"
	rm "$2.part"
}

generate template >"$root/data/configuration.toml"
replace man "$root/docs/man/caisson-configuration.toml.5.scd" "# KEYS" "# SEE ALSO"
replace markdown "$root/docs/configuration.md" "## Keys" "Unsupported keys are listed"
