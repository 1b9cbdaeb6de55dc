# Runs every example of the documentation in the sqlite3 shell and compares what it prints with what is written there:
#
#     tclsh tests/docs/run.tcl [FILE...]      (README.md has the conventions)
#
# Files are named relative to the top of the repository; without one, all documents and all of sql/ are run.

set top [file dirname [file dirname [file dirname [file normalize [info script]]]]]
set dist [expr {[info exists env(DIST)] ? $env(DIST) : "dist"}] ;# where the extension was built
set sandbox [file join $top build docs]
set passed 0
set failed 0

proc slurp {path} {
    set channel [open $path]
    fconfigure $channel -encoding utf-8
    set text [read $channel]
    close $channel
    return $text
}

# An empty folder that looks like the top of the repository to an example, so that ./dist and sql/ are there and files
# that the example makes go nowhere else.
proc new_sandbox {} {
    file delete -force $::sandbox
    file mkdir [file join $::sandbox build]
    file link -symbolic [file join $::sandbox dist] [file join $::top $::dist]
    foreach name {sql tests} {
        file link -symbolic [file join $::sandbox $name] [file join $::top $name]
    }
}

# What COMMAND prints in the sandbox, given INPUT: both streams, in the order in which a person would see them.
proc output_of {command input} {
    set here [pwd]
    cd $::sandbox
    set script [file join $::sandbox build input]
    set channel [open $script w]
    fconfigure $channel -encoding utf-8
    puts -nonewline $channel $input
    close $channel
    if {[auto_execok stdbuf] ne ""} {
        set command [linsert $command 0 stdbuf -oL]
    }
    set pipe [open "|[concat $command [list < $script 2>@1]]"]
    fconfigure $pipe -encoding utf-8
    set text [read $pipe]
    catch {close $pipe}
    cd $here
    return $text
}

proc shell {input} {
    return [output_of {env HOME=/nonexistent sqlite3 -batch app.db} $input]
}

# The line number in an error is that of the script, which a reader who types the example does not see; nor does
# trailing space matter.
proc tidy {text} {
    regsub -all -line { near line \d+:} $text {:} text
    regsub -all -line {[ \t]+$} $text {} text
    return [string trim $text \n]
}

# Whether ACTUAL is EXPECTED, in which `...` stands for anything within a line.
proc matches {expected actual} {
    set pattern [regsub -all {[][\\*+?{}()^$|.]} $expected {\\&}]
    set pattern [string map {{\.\.\.} {[^\n]*}} $pattern]
    return [regexp "\\A$pattern\\Z" $actual]
}

proc check {name expected actual} {
    set expected [tidy $expected]
    set actual [tidy $actual]
    if {[matches $expected $actual]} {
        incr ::passed
        return
    }
    incr ::failed
    puts "FAILED $name"
    foreach {title text} [list expected $expected actual $actual] {
        puts "  $title:"
        foreach line [split $text \n] {
            puts "    $line"
        }
    }
}

proc has_error {text} {
    return [regexp -line {^(Error|Parse error|Runtime error)\M} [tidy $text]]
}

# A script beside its expected output. NAME.setup.sql in tests/docs/ runs before it, in a process of its own.
proc run_script {path} {
    set name [file rootname [file tail $path]]
    new_sandbox
    set setup [file join $::top tests docs $name.setup.sql]
    if {[file exists $setup]} {
        check "$setup" "" [shell [slurp $setup]]
    }
    set out [file rootname [file join $::top $path]].out
    if {![file exists $out]} {
        check "$path has its output beside it" "yes" "no"
        return
    }
    check $path [slurp $out] [shell [slurp [file join $::top $path]]]
    if {[string match sql/recipes/* $path]} {
        check_head $path
    }
}

# A recipe opens by saying when to use it, how, and what to beware of.
proc check_head {path} {
    regexp {\A(--[^\n]*\n)+} [slurp [file join $::top $path]] head
    check "$path opens with its comment" {When: How: Traps:} [regexp -all -inline {When:|How:|Traps:} $head]
}

# The demo prints times, and its boxes are as wide as these.
proc without_times {text} {
    regsub -all {\d+\.\d+ (s|times)} $text {N \1} text
    regsub -all { +} $text { } text
    regsub -all {─+} $text {─} text
    return $text
}

proc run_demo {} {
    new_sandbox
    set out [slurp [file join $::top sql demo.out]]
    check "make demo" [without_times $out] [without_times [output_of {sh tests/tools/demo.sh} ""]]
}

# The fenced blocks of a document, each as {line info text}; the mark of a new session is a block of info `session`.
proc blocks_of {text} {
    set blocks {}
    set number 0
    set fence ""
    foreach line [split $text \n] {
        incr number
        if {$fence eq ""} {
            if {[regexp {^(```+)(.*)$} $line -> fence info]} {
                set start $number
                set body {}
            } elseif {[string trim $line] eq "<!-- new session -->"} {
                lappend blocks [list $number session ""]
            }
        } elseif {$line eq $fence} {
            lappend blocks [list $start [string trim $info] [join $body \n]]
            set fence ""
        } else {
            lappend body $line
        }
    }
    return $blocks
}

# All ```sql blocks of a document, one after the other in one shell, cut apart again by a line that no example prints.
proc run_session {path examples} {
    if {![llength $examples]} {
        return
    }
    new_sandbox
    set cut "----8<---- next example"
    set script ""
    foreach example $examples {
        append script [lindex $example 1] "\n;\n.mode list\n.headers off\n.nullvalue \"\"\n.print \"$cut\"\n"
    }
    set outputs [split [string map [list "$cut\n" \0] [shell $script]] \0]
    foreach example $examples output $outputs {
        lassign $example line sql expected
        if {$line eq ""} {
            break
        }
        if {$expected ne "-"} {
            check "$path:$line" [string range $expected 1 end] $output
        } else {
            check "$path:$line runs without an error" [expr {[has_error $output] ? "no error" : [tidy $output]}] $output
        }
    }
}

proc run_document {path} {
    set blocks [blocks_of [slurp [file join $::top $path]]]
    set examples {}
    set count [llength $blocks]
    for {set i 0} {$i < $count} {incr i} {
        lassign [lindex $blocks $i] line info text
        if {$info eq "session"} {
            run_session $path $examples
            set examples {}
        } elseif {$info eq "sql"} {
            set expected -
            lassign [lindex $blocks [expr {$i + 1}]] next_line next_info next_text
            if {$next_info eq "text"} {
                set expected =$next_text
            }
            lappend examples [list $line $text $expected]
        }
    }
    run_session $path $examples
}

# The README starts with the quick start, to the letter.
proc check_quickstart {} {
    set sql [string trim [slurp [file join $::top sql quickstart.sql]]]
    foreach block [blocks_of [slurp [file join $::top README.md]]] {
        lassign $block line info text
        if {$info eq "sql"} {
            check "README.md:$line is sql/quickstart.sql" $sql $text
            return
        }
    }
    check "README.md has an example" "one" "none"
}

proc run_file {path} {
    switch -glob -- $path {
        *.md { run_document $path }
        sql/schema.sql - sql/recipes/*_worker.sql {}
        sql/demo*.sql { run_demo }
        default { run_script $path }
    }
}

cd $top
if {$argc} {
    foreach path $argv {
        run_file $path
    }
} else {
    foreach path [lsort [glob -nocomplain README.md ext/README.md sql/README.md sql/*.sql sql/recipes/*.sql]] {
        if {$path ne "sql/demo_restart.sql"} {
            run_file $path
        }
    }
    if {[file exists README.md]} {
        check_quickstart
    }
}
file delete -force $sandbox
puts "$passed passed, $failed failed"
exit [expr {$failed > 0}]
