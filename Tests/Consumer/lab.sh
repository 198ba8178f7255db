#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A user's package with a scenario of its own, in debug and release, as the article "Find a race of your
# own" tells it: Examples/LabTemplate is copied next to Folio and built; each file that the article
# shows is the template's, each command that it shows prints what it says. Then the same package without
# -DFOLIO_LAB, which every entry to the lab must refuse, naming the flag. Then reproducers of planted
# bugs, in C and in Swift, built and run as somebody would who got them with a report.
# Takes about as long as two builds of Folio. One line for each case; exit status 1 when one fails.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
article=$root/Sources/FolioCore/FolioCore.docc/FirstWitness.md
template=$root/Examples/LabTemplate
place=$root/.build-consumer
package=$place/counter
. Tests/Consumer/cases.sh

# same NAME WANTED GOT
same() {
	if diff -u "$2" "$3" >"$scratch/diff"; then pass "$1"; else fail "$1" "$scratch/diff"; fi
}

# block LANGUAGE NUMBER: the article's code block of that language, counted from 1.
block() {
	awk -v fence="\`\`\`$1" -v number="$2" '
		$0 == fence && ++seen == number { on = 1; next }
		on && /^```$/ { exit }
		on' "$article"
}

# A source as the article shows it: without its licence.
shown() {
	grep -v '^// SPDX-License-Identifier' "$1" | sed '/./,$!d'
}

# build CONFIGURATION
build() {
	(cd "$package" && swift build --disable-index-store --configuration "$1") >"$scratch/build" 2>&1
}

# console NAME NUMBER CONFIGURATION STATUS: the command of a console block prints what the block says.
console() {
	local status=0 command
	block console "$2" >"$scratch/block"
	command=$(sed -n '1s/^\$ //p' "$scratch/block" | sed "s,/debug/,/$3/,")
	sed 1d "$scratch/block" | sed "s,/debug/,/$3/,g" >"$scratch/wanted"
	(cd "$package" && $command) >"$scratch/got" 2>&1 || status=$?
	[ "$status" = "$4" ] || echo "exit status $status, not $4" >>"$scratch/got"
	same "$1 ($3)" "$scratch/wanted" "$scratch/got"
}

# The template's sources, as they are at the beginning of the article.
begin() {
	cp "$template/Package.swift" "$package/"
	cp "$template"/Sources/counter/*.swift "$package/Sources/counter/"
}

# What the article does to tryGet().
mend() {
	block swift 4 >"$scratch/mended"
	awk -v mended="$scratch/mended" '
		/^  \/\/\/ A reference, unless/ { skip = 1; while ((getline line < mended) > 0) print line }
		!skip
		skip && /^  }$/ { skip = 0 }' "$template/Sources/counter/Counter.swift" \
		>"$package/Sources/counter/Counter.swift"
}

# Every entry to the lab, for the package without the flag.
entries() {
	cat <<-'END'
		import FolioLab

		func refused(_ body: () throws(LabError) -> Void) {
		  do throws(LabError) {
		    try body()
		    print("not refused")
		  } catch {
		    print(error)
		  }
		}

		refused { () throws(LabError) in _ = try LabWorld(Counter.scenario) }
		refused { () throws(LabError) in
		  _ = try LabReplay(token: "folio:v1:counter.1.strict.sc:EAA", scenario: Counter.scenario)
		}
		LabTool.main([Counter.scenario])
	END
}

# reproduced NAME CONFIGURATION STATUS TEXT: the reproducer ends with the status and says the text.
reproduced() {
	local status=0
	"$package/.build/$2/$1" >"$scratch/got" 2>&1 || status=$?
	if [ "$status" = "$3" ] && grep -q "^$4" "$scratch/got"; then
		pass "$1 ends with $3 and says $4 ($2)"
	else
		echo "exit status $status, not $3; or it does not say: $4" >>"$scratch/got"
		fail "$1 ($2)" "$scratch/got"
	fi
}

# reproducers CONFIGURATION
reproducers() {
	local names=() mutant invariant
	rm -rf "$package"/Sources/*
	mkdir -p "$package/Sources/plant"
	cp Tests/Consumer/Witnesses/Package.swift "$package/"
	cp Tests/Consumer/Witnesses/plant.swift "$package/Sources/plant/main.swift"
	if ! build "$1"; then
		fail "a package that plants bugs builds ($1)" "$scratch/build"
		return
	fi
	if ! (cd "$package" && ".build/$1/plant") >"$scratch/planted" 2>&1; then
		fail "planted bugs are found ($1)" "$scratch/planted"
		return
	fi
	# One whose token says nothing of the bug: the schedule alone does no harm.
	mkdir -p "$package/Sources/c-C01-mended"
	sed 's/[.]C01:/:/' "$package/Sources/c-C01/main.c" >"$package/Sources/c-C01-mended/main.c"
	names=(c-C01-mended)
	while read -r mutant invariant; do
		names+=("c-$mutant" "swift-$mutant")
	done <"$scratch/planted"
	if ! REPRODUCERS=${names[*]} build "$1"; then
		fail "reproducers build ($1)" "$scratch/build"
		return
	fi
	while read -r mutant invariant; do
		reproduced "c-$mutant" "$1" 1 "$invariant: "
		reproduced "swift-$mutant" "$1" 1 "$invariant: "
	done <"$scratch/planted"
	grep -q 'c11.O07' "$package/Sources/c-O07/main.c" ||
		fail "O07's token is one of c11 ($1)" "$package/Sources/c-O07/main.c"
	reproduced c-C01-mended "$1" 0 'no violation'
}

mkdir -p "$package/Sources/counter"
ln -sfn "$root" "$place/folio"
shown "$template/Package.swift" >"$scratch/wanted"
block swift 1 >"$scratch/got"
same "the article's Package.swift is the template's" "$scratch/wanted" "$scratch/got"
shown "$template/Sources/counter/Counter.swift" >"$scratch/wanted"
block swift 2 >"$scratch/got"
same "the article's Counter.swift is the template's" "$scratch/wanted" "$scratch/got"
shown "$template/Sources/counter/main.swift" >"$scratch/wanted"
block swift 3 >"$scratch/got"
same "the article's main.swift is the template's" "$scratch/wanted" "$scratch/got"

for configuration in debug release; do
	begin
	if ! build "$configuration"; then
		fail "the template builds ($configuration)" "$scratch/build"
		continue
	fi
	pass "the template builds ($configuration)"
	rm -f "$package/race.html"
	console "the race is found" 1 "$configuration" 1
	if grep -q '<svg' "$package/race.html"; then
		pass "it is drawn ($configuration)"
	else
		fail "it is drawn ($configuration)" "$scratch/got"
	fi
	console "its token replays" 2 "$configuration" 1
	mend
	if build "$configuration"; then
		console "the mended counter is proven" 3 "$configuration" 0
	else
		fail "the mended counter builds ($configuration)" "$scratch/build"
	fi

	sed -i 's/"-Xcc", "-DFOLIO_LAB", //' "$package/Package.swift"
	entries >"$package/Sources/counter/main.swift"
	status=0
	if ! build "$configuration"; then
		fail "a package without the flag builds ($configuration)" "$scratch/build"
	elif (cd "$package" && ".build/$configuration/counter") >"$scratch/got" 2>&1 || status=$?
		[ "$status" = 77 ] && [ "$(grep -c '"-Xcc", "-DFOLIO_LAB"' "$scratch/got")" = 3 ] &&
			! grep -q 'not refused' "$scratch/got"; then
		pass "without the flag every entry names it ($configuration)"
	else
		echo "exit status $status" >>"$scratch/got"
		fail "without the flag every entry names it ($configuration)" "$scratch/got"
	fi

	reproducers "$configuration"
	rm -rf "$package"/Sources/*
	mkdir -p "$package/Sources/counter"
done

summary
