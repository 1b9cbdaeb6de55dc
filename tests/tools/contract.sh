#!/bin/sh
# The suite `contract`: every line of tests/CONTRACT.md names tests that exist, none is without one, and nothing that
# the extension offers in SQL is without a line. DIST says where the extension is.
set -u

table=tests/CONTRACT.md
extension=${DIST:-dist}/hybrid_cache
case $extension in /*) ;; *) extension=./$extension ;; esac
passed=0 failed=0

good() { passed=$((passed + 1)); }
bad() {
    failed=$((failed + 1))
    echo "FAILED $*"
}

# The rows, as `id<tab>test<tab>test...`; a \| in a cell is a | that does not end it.
tab=$(printf '\t')
rows=$(mktemp)
trap 'rm -f "$rows" "$rows.sql"' EXIT
sed -n 's/^| \([0-9]\.[^ ]*\) | /\1 | /p' "$table" | awk '{
    gsub(/\\\|/, "\001")
    n = split($0, cell, / *\| */)
    line = cell[1]
    gsub(/ /, "", line)
    if (n < 4) cell[3] = ""
    if (cell[3] ~ /^issue of its own$/) line = line "\tissue"
    while (match(cell[3], /`[^`]+`/)) {
        line = line "\t" substr(cell[3], RSTART + 1, RLENGTH - 2)
        cell[3] = substr(cell[3], RSTART + RLENGTH)
    }
    gsub(/\001/, "|", line)
    print line
}' >"$rows"

skipped=0
while IFS=$tab read -r id tests; do
    if [ "$tests" = issue ]; then
        skipped=$((skipped + 1))
        continue
    fi
    [ -n "$tests" ] || bad "$id: no test"
    while [ -n "$tests" ]; do
        test=${tests%%"$tab"*}
        case $tests in *"$tab"*) tests=${tests#*"$tab"} ;; *) tests= ;; esac
        name=${test%%: *} text=${test#*: }
        file=tests/$name
        if [ "$name" = "$text" ] || [ ! -f "$file" ]; then
            bad "$id: no file \"$name\""
        elif ! grep -qF -e "$text" "$file"; then
            bad "$id: no \"$text\" in $name"
        else
            good
        fi
    done
done <"$rows"

# One line, one id.
for id in $(cut -f 1 "$rows" | sort | uniq -d); do
    bad "$id: more than one line"
done

# What the extension offers: `prefix name` for each option, column, function, statistic and command.
sqlite3 -batch -init /dev/null -separator ' ' :memory: ".load $extension" "
    CREATE VIRTUAL TABLE cache USING hybrid_cache;
    SELECT '2.opt', substr(trim(value), 1, instr(trim(value), '=') - 1)
      FROM cache_meta, json_each('[\"' || replace(options, ',', '\",\"') || '\"]');
    SELECT '2.col', CASE name WHEN 'cache' THEN 'command' ELSE name END FROM pragma_table_xinfo('cache');
    SELECT DISTINCT '3.fn', substr(name, 14) FROM pragma_function_list WHERE name LIKE 'hybrid!_cache!_%' ESCAPE '!';
    SELECT '3.stat', key FROM json_each(hybrid_cache_stats('cache'));" >"$rows.sql" 2>&1

# The commands that are not options: what the message about an unknown one lists first.
sqlite3 -batch -init /dev/null :memory: ".load $extension" "
    CREATE VIRTUAL TABLE cache USING hybrid_cache;
    INSERT INTO cache(cache) VALUES('?')" 2>&1 |
    sed -n 's/.*the commands are //p' | tr -d ',' | tr ' ' '\n' | sed '/^ttl$/,$d; s/^/4.cmd /' >>"$rows.sql"

while read -r prefix name; do
    if cut -f 1 "$rows" | grep -qxF "$prefix.$name"; then
        good
    else
        bad "the extension has \"$name\", the table has no line $prefix.$name"
    fi
done <"$rows.sql"
for prefix in 2.opt 2.col 3.fn 3.stat 4.cmd; do
    grep -q "^$prefix " "$rows.sql" || bad "the extension was not asked for $prefix"
done

line="$passed passed, $failed failed"
[ $skipped -eq 0 ] || line="$line, $skipped skipped"
echo "$line"
[ $failed -eq 0 ]
