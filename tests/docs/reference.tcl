# README.md against the built extension, in both directions: every option with its default and its words, every column,
# function with its numbers of arguments, statistic and command has its row, and no row speaks of what is not there.
# Besides: every recipe is listed, every link leads somewhere.
#
#     tclsh tests/docs/reference.tcl

set top [file dirname [file dirname [file dirname [file normalize [info script]]]]]
set dist [expr {[info exists env(DIST)] ? $env(DIST) : "dist"}] ;# where the extension was built
set passed 0
set failed 0
set skipped 0

proc check {name expected actual} {
    if {$expected eq $actual} {
        incr ::passed
    } else {
        incr ::failed
        puts "FAILED $name\n  expected: $expected\n  actual:   $actual"
    }
}

proc slurp {path} {
    set channel [open $path]
    fconfigure $channel -encoding utf-8
    set text [read $channel]
    close $channel
    return $text
}

# What the extension says, as a list of lines; errors are lines as well.
proc ask {sql} {
    set command [list sqlite3 -batch -init /dev/null -separator " " :memory: ".load '[file join $::top $::dist hybrid_cache]'" \
        "CREATE VIRTUAL TABLE cache USING hybrid_cache" $sql]
    catch {exec {*}$command 2>@1} output
    return [split [string map {"\nchild process exited abnormally" ""} $output] \n]
}

# The rows of the table of README.md under the header line `| FIRST |...`, each a list of cells.
proc table {header} {
    set rows {}
    set inside 0
    foreach line [split $::readme \n] {
        if {[string first $header $line] == 0} {
            set inside 1
        } elseif {$inside && [string index $line 0] ne "|"} {
            break
        } elseif {$inside && ![string match {|-*} $line]} {
            set cells {}
            foreach cell [lrange [split [string map [list {\|} \1] $line] |] 1 end-1] {
                lappend cells [string trim [string map [list \1 |] $cell]]
            }
            lappend rows $cells
        }
    }
    if {![llength $rows]} {
        check "README.md has a table $header" yes no
    }
    return $rows
}

# The `words` of a text that are names.
proc names {text} {
    set found {}
    foreach {- name} [regexp -all -inline {`([a-z0-9_]+)`} $text] {
        lappend found $name
    }
    return $found
}

proc both_ways {what extension readme} {
    foreach name $extension {
        check "README.md has the $what \"$name\"" yes [expr {$name in $readme ? "yes" : "no"}]
    }
    foreach name $readme {
        check "the extension has the $what \"$name\" of README.md" yes [expr {$name in $extension ? "yes" : "no"}]
    }
    check "README.md has each $what once" [lsort -unique $readme] [lsort $readme]
}

proc options {} {
    set presets {}
    foreach line [ask "SELECT replace(trim(value), '=', ' ') FROM cache_meta, json_each('\[\"' || replace(options, ',', '\",\"') || '\"\]')"] {
        lappend presets {*}$line
    }
    set described {}
    foreach row [table "| option |"] {
        lassign $row name preset meaning
        set name [string trim $name `]
        lappend described $name
        set preset [string trim $preset '`]
        if {[regexp {^(\d+)M$} $preset -> megabytes]} {
            set preset [expr {$megabytes * 1024 * 1024}]
        }
        if {[dict exists $presets $name]} {
            check "README.md: default of $name" [dict get $presets $name] $preset
        }
        # An option with words: what the message says that it accepts.
        set message [join [ask "INSERT INTO cache(cache, value) VALUES('$name', '?')"]]
        if {[regexp {cannot be "\?", it is ([a-z0-9]+) or ([a-z0-9]+)$} $message -> one other]} {
            set known [concat $one $other [dict keys $presets] [ask "SELECT name FROM pragma_table_xinfo('cache')"]]
            set words [concat $preset [names $meaning]]
            foreach word [list $one $other] {
                check "README.md: the word $word of $name" yes [expr {$word in $words ? "yes" : "no"}]
            }
            foreach word $words {
                check "README.md: \"$word\" of $name" yes [expr {$word in $known ? "yes" : "no"}]
            }
        }
    }
    both_ways option [dict keys $presets] $described
}

proc columns {} {
    set described {}
    foreach row [table "| column |"] {
        lassign $row name
        lappend described [expr {[string match "\\**" $name] ? "cache" : [lindex [names $name] 0]}]
        set hidden([lindex $described end]) [string match *(hidden)* $name]
    }
    both_ways column [ask "SELECT name FROM pragma_table_xinfo('cache')"] $described
    foreach line [ask "SELECT name, hidden FROM pragma_table_xinfo('cache')"] {
        lassign $line name flag
        check "README.md: whether column $name is hidden" $flag $hidden($name)
    }
}

# The numbers of arguments that a signature allows: f(a, b [, c]) has 2 and 3.
proc arities {signature} {
    regexp {\((.*)\)} $signature -> arguments
    set required [regexp -all {\w+} [regsub -all {\[[^]]*\]} $arguments {}]]
    set optional [regexp -all {\[} $arguments]
    set result {}
    for {set i 0} {$i <= $optional} {incr i} {
        lappend result [expr {$required + $i}]
    }
    return $result
}

proc functions {} {
    set real {}
    foreach line [ask "SELECT name, group_concat(narg, ',') FROM (SELECT DISTINCT name, narg FROM pragma_function_list
                       WHERE name LIKE 'hybrid!_cache!_%' ESCAPE '!' ORDER BY name, narg) GROUP BY name"] {
        dict set real [lindex $line 0] [split [lindex $line 1] ,]
    }
    set tables [ask "SELECT name FROM pragma_module_list WHERE name LIKE 'hybrid!_cache!_%' ESCAPE '!'"]
    set described {}
    foreach row [table "| function |"] {
        lassign $row signature meaning
        set name [string range $signature 1 [string first ( $signature]-1]
        lappend described $name
        if {[dict exists $real $name]} {
            check "README.md: arguments of $name" [dict get $real $name] [arities $signature]
        }
        check "README.md: whether $name is table-valued" [expr {$name in $tables}] [string match *table-valued* $meaning]
    }
    both_ways function [lsort -unique [concat [dict keys $real] $tables]] $described
}

proc statistics {} {
    set described {}
    foreach row [table "| statistic |"] {
        lappend described {*}[names [lindex $row 0]]
    }
    both_ways statistic [ask "SELECT key FROM json_each(hybrid_cache_stats('cache'))"] $described
    check "the table-valued statistics have the same figures, and schema and name" [lsort [concat schema name $described]] \
        [lsort [ask "SELECT name FROM pragma_table_xinfo('hybrid_cache_stats') WHERE hidden = 0"]]
}

proc commands {} {
    set message [join [ask "INSERT INTO cache(cache) VALUES('?')"]]
    regexp {the commands are (.*)} $message -> real
    set real [split [string map {, ""} $real]]
    set described {}
    foreach row [table "| `INSERT INTO cache(cache)"] {
        if {[regexp {^`'([a-z]+)'`$} [lindex $row 0] -> name]} {
            lappend described $name
        }
    }
    both_ways command [lrange $real 0 [lsearch $real ttl]-1] $described
}

# Each statement of the table of what is refused is refused, with that message.
proc refusals {} {
    foreach row [table "| refused |"] {
        lassign $row sql message
        set sql [string trim $sql `]
        set output [join [ask $sql]]
        check "README.md: $sql: $message" yes [expr {[string first $message $output] >= 0 ? "yes" : $output}]
    }
}

proc recipes {} {
    set real {}
    foreach path [lsort [glob -directory [file join $::top sql recipes] -tails *.sql]] {
        if {![string match *_worker.sql $path]} {
            lappend real $path
        }
    }
    set described {}
    foreach row [table "| recipe |"] {
        foreach {- name} [regexp -all -inline {\(sql/recipes/([a-z_]+\.sql)\)} [lindex $row 0]] {
            lappend described $name
        }
    }
    both_ways recipe $real $described
}

# A suite that is not there (some are left out of a copy) cannot be looked at; said once.
proc suite_is_missing {path} {
    if {![regexp {^tests/[a-z]+} $path folder] || [file isdirectory $folder]} {
        return 0
    }
    if {![info exists ::missing($folder)]} {
        set ::missing($folder) 1
        puts "skipped: $folder is not there"
        incr ::skipped
    }
    return 1
}

# The calls that README.md shows for a language are in the program that it names, which tests/clients/ runs.
proc languages {} {
    if {[suite_is_missing tests/clients]} {
        return
    }
    foreach row [table "| language "] {
        lassign $row language snippet programs
        set text {}
        foreach {- path} [regexp -all -inline {\]\(([^)]+)\)} $programs] {
            append text [slurp $path]
        }
        if {$text eq ""} {
            continue
        }
        foreach {- call} [regexp -all -inline {(\.?\w*load\w*)} [string tolower [string map {./dist/hybrid_cache {} hybrid_cache.so {}} $snippet]]] {
            check "README.md: $call of $language is in its program" yes \
                [expr {[string first $call [string tolower $text]] >= 0 ? "yes" : "no"}]
        }
    }
}

# Each `make TARGET` is a target of the Makefile or of a part of it.
proc targets {} {
    set makefile ""
    foreach path [concat Makefile [glob -nocomplain ext/*/*.mk tests/*/*.mk]] {
        append makefile [slurp $path] \n
    }
    foreach {- target} [regexp -all -inline -line {(?:`|^    )make ([a-z]+)(?![a-z/])} $::readme] {
        if {![file isdirectory ext/packaging] && $target in {deb static amalgamation npm wheel}} {
            puts "skipped: ext/packaging is not there, and with it make $target"
            incr ::skipped
            continue
        }
        check "README.md: make $target" yes [expr {[regexp -line "^(\[a-z \]+ )?$target\[: \]" $makefile] ? "yes" : "no"}]
    }
}

proc links {} {
    set anchors {}
    foreach {- title} [regexp -all -inline -line {^##+ (.*)$} [regsub -all {```.*?```} $::readme {}]] {
        lappend anchors [string map {" " -} [regsub -all {[^a-z0-9 _-]} [string tolower $title] {}]]
    }
    foreach {- target} [regexp -all -inline {\]\(([^)\s]+)\)} $::readme] {
        if {[string match http* $target]} {
            continue
        }
        if {[string index $target 0] eq "#"} {
            check "README.md: link to $target" yes [expr {[string range $target 1 end] in $anchors ? "yes" : "no"}]
        } elseif {![suite_is_missing $target]} {
            check "README.md: link to $target" yes [expr {[file exists [lindex [split $target #] 0]] ? "yes" : "no"}]
        }
    }
    # Files that are named without a link.
    foreach {- target} [regexp -all -inline {`((?:sql|ext|tests)/[A-Za-z0-9_./-]+)`} $::readme] {
        if {[suite_is_missing $target]} {
            continue
        }
        check "README.md: there is a $target" yes [expr {[file exists $target] ? "yes" : "no"}]
    }
}

cd $top
set readme [slurp README.md]
options
columns
functions
statistics
commands
refusals
recipes
languages
targets
links
puts "$passed passed, $failed failed[expr {$skipped ? ", $skipped skipped" : ""}]"
exit [expr {$failed > 0}]
