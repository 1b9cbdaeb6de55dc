# Helpers shared by every *.test file and by the child processes (child.tcl).
#
# A test file sources this, runs tests, and ends with `finish`.  The working
# directory is a fresh temporary one, so files are named plainly: test.db.

package require Tcl 8.6
package require sqlite3

namespace eval hc {
    variable here [file normalize [file dirname [info script]]]
    variable root [file dirname [file dirname $here]]
    variable passed 0 failed 0 skipped 0
    variable children {}

    # An environment variable, made absolute, for the child processes too,
    # because tests change directory.
    proc path_from_env {name default} {
        global env
        if {![info exists env($name)]} { set env($name) $default }
        return [set env($name) [file normalize $env($name)]]
    }
    variable extension [path_from_env HC_EXTENSION $root/dist/hybrid_cache]
    variable testclock [path_from_env HC_TESTCLOCK $root/build/testclock.so]
    # HC_VERBOSE also prints the tests that pass.
    variable verbose [info exists ::env(HC_VERBOSE)]
}

# ---------------------------------------------------------------- verdicts

# test NAME SCRIPT EXPECTED: the script's result, or "error: MESSAGE", must be
# EXPECTED to the letter.
proc test {name script expected} {
    hc::verdict $name [hc::outcome $script] $expected equal
}

# test_match NAME SCRIPT PATTERN: the same with a glob pattern.
proc test_match {name script pattern} {
    hc::verdict $name [hc::outcome $script] $pattern match
}

# test_error NAME SCRIPT PATTERN: the script must fail, with such a message.
proc test_error {name script pattern} {
    hc::verdict $name [hc::outcome $script] "error: $pattern" match
}

# test_true NAME EXPRESSION: an expression over the caller's variables; the
# report of a failure shows it with its values.
proc test_true {name expression} {
    set got [catch {uplevel 1 [list expr $expression]} value]
    set shown $expression
    catch {set shown [uplevel 1 [list subst -nocommands $expression]]}
    set shown [string trim [regsub -all {\s+} $shown " "]]
    hc::verdict $name \
        [expr {$got == 0 && $value ? "true" : "false: $shown ($value)"}] \
        true equal
}

proc skip {name why} {
    incr hc::skipped
    if {$hc::verbose} { puts "  skip $name: $why" }
}

proc hc::outcome {script} {
    if {[catch {uplevel 2 $script} result]} { return "error: $result" }
    return $result
}

proc hc::verdict {name got expected how} {
    variable passed
    variable failed
    variable verbose
    if {[string $how $expected $got]} {
        incr passed
        if {$verbose} { puts "  ok   $name" }
    } else {
        incr failed
        puts "  FAIL $name\n       expected: [hc::shorten $expected]\n      \
            got:      [hc::shorten $got]"
    }
    flush stdout
}

proc hc::shorten {text} {
    if {[string length $text] <= 600} { return $text }
    return "[string range $text 0 590]... ([string length $text] characters)"
}

# finish: the last command of a test file.
proc finish {} {
    foreach name $hc::children { catch {end_child $name} }
    cd /
    if {![info exists ::env(HC_KEEP)]} { file delete -force -- $hc::directory }
    puts "$hc::passed passed, $hc::failed failed[expr {
        $hc::skipped ? ", $hc::skipped skipped" : ""}]"
    exit [expr {$hc::failed > 0}]
}

# ------------------------------------------------------------- connections

# open_db NAME FILE ?-sql SQL? ?option of the sqlite3 command ...?
# A connection with the extension loaded.  -sql runs first (PRAGMA encoding,
# locking_mode: what must precede the first access to the file).
proc open_db {name file args} {
    set first ""
    if {[dict exists $args -sql]} {
        set first [dict get $args -sql]
        dict unset args -sql
    }
    uplevel #0 [list sqlite3 $name $file -uri 1 {*}$args]
    $name eval $first
    load_into $name $hc::extension
    # No test here crashes the machine, and all of them are faster this way.
    catch {$name eval {PRAGMA synchronous=OFF}}
    return $name
}

proc load_into {db library {entry ""}} {
    $db enable_load_extension 1
    try {
        if {$entry eq ""} {
            $db eval {SELECT load_extension($library)}
        } else {
            $db eval {SELECT load_extension($library, $entry)}
        }
    } finally {
        $db enable_load_extension 0
    }
}

# Closes those of the named connections that are open.
proc close_db {args} {
    foreach name $args { catch {$name close} }
}

# fresh FILE ...: no such database, nor journals of one.
proc fresh {args} {
    foreach file $args {
        file delete -force -- $file $file-wal $file-shm $file-journal
    }
}

# A list of SQL results flattened, one per connection method call.
proc one {db sql} { uplevel 1 [list $db onecolumn $sql] }

# sh FILE LINE ...: what the sqlite3 shell prints, extension loaded, as a user
# has it; errors are lines of it and do not stop it.
proc sh {file args} {
    set script ".load $hc::extension\n.bail off\n[join $args \n]\n"
    catch {exec sqlite3 -batch -init /dev/null $file << $script 2>@1} output
    return [string trimright [string map \
        {"child process exited abnormally" ""} $output]]
}

# The lines of such an output that are neither errors nor echoes of `.limit`.
proc sh_rows {output} {
    return [lmap line [split $output \n] {
        if {[regexp -nocase {error|^ *length \d+$} $line]} continue
        set line
    }]
}

# ------------------------------------------------------- reading the cache

# get DB KEY ?CACHE? ?BY?: the live value as the reader named by BY tells it,
# or <none>.
#   function  hybrid_cache_get, outside any read transaction of the caller
#   select    SELECT ... WHERE key=, which may also answer from L1
#   scan      a SELECT that may not use the key: always from L2
#   all       all of them, which must agree
proc get {db key {cache cache} {by all}} {
    switch $by {
        function {
            return [$db onecolumn \
                {SELECT hybrid_cache_get($cache, $key, '<none>')}]
        }
        select { set where {key = $key} }
        scan { set where {+key = $key} }
        all {
            set answers [lmap reader {function select scan} {
                get $db $key $cache $reader
            }]
            if {[llength [lsort -unique $answers]] != 1} {
                error "readers disagree on $key\
                    (function, select, scan): $answers"
            }
            return [lindex $answers 0]
        }
        default { error "no reader called $by" }
    }
    set values [$db eval "SELECT value FROM $cache WHERE $where"]
    if {[llength $values] > 1} { error "$key found twice: $values" }
    # Not by expr, which would make a number of the text 007.
    if {$values eq ""} { return "<none>" }
    return [lindex $values 0]
}

# get_all DB KEYS ...: a list of them.
proc get_all {db keys {cache cache} {by all}} {
    return [lmap key $keys { get $db $key $cache $by }]
}

proc tier {db key {cache cache}} {
    return [$db onecolumn {SELECT hybrid_cache_tier($cache, $key)}]
}

# stat DB NAME ?CACHE?: one figure of the statistics.
proc stat {db name {cache cache}} {
    set path "\$.$name"
    return [$db onecolumn {
        SELECT json_extract(hybrid_cache_stats($cache), $path)
    }]
}

# growth DB NAMES SCRIPT: by how much the figures grow while SCRIPT runs, as
# a list.  The statistics are read once before and once after.
proc growth {db names script {cache cache}} {
    set before [$db onecolumn {SELECT hybrid_cache_stats($cache)}]
    uplevel 1 $script
    set after [$db onecolumn {SELECT hybrid_cache_stats($cache)}]
    return [lmap name $names {
        set path "\$.$name"
        $db onecolumn {SELECT json_extract($after, $path) -
                              json_extract($before, $path)}
    }]
}

# --------------------------------------------------------------- the clock

# use_clock DB: gives this process a clock that stands still until `tick`.
# Returns 0 where the shim is not built.
proc use_clock {db} {
    if {![file exists $hc::testclock]} { return 0 }
    if {[catch {$db eval {SELECT test_clock_now()}}]} {
        load_into $db $hc::testclock sqlite3_testclock_init
    }
    real_clock $db
    $db eval {SELECT test_clock_set(unixepoch())}
    return 1
}

# Back to real time, which other processes have kept.
proc real_clock {db} { catch {$db eval {SELECT test_clock_set(NULL)}} }

proc tick {db seconds} { $db eval {SELECT test_clock_advance($seconds)} }

# --------------------------------------------------------- other processes

# child NAME: a new process with this harness in it, and a command NAME that
# runs a script there and returns its result:
#   child p; p {open_db db test.db; db eval {SELECT 1}}
# The caller waits for the answer, so the order of events is the order of the
# text.  Where the point is that two processes run at once:
#   tell p SCRIPT ; ... ; answer p
proc child {name} {
    set channel [open |[list [info nameofexecutable] $hc::here/child.tcl] r+]
    fconfigure $channel -encoding utf-8 -translation lf
    set hc::channel($name) $channel
    lappend hc::children $name
    interp alias {} $name {} ask $name
}

proc ask {name script} {
    tell $name $script
    return [answer $name]
}

proc tell {name script} { hc::send $hc::channel($name) $script }

proc answer {name} {
    lassign [hc::receive $hc::channel($name)] code result
    if {$code} { error $result }
    return $result
}

proc end_child {name} {
    set hc::children [lsearch -all -inline -not -exact $hc::children $name]
    close $hc::channel($name)
    unset hc::channel($name)
    rename $name ""
}

# A message is its length on a line, then its text: scripts may hold newlines.
proc hc::send {channel text} {
    puts $channel [string length $text]
    puts -nonewline $channel $text
    flush $channel
}

proc hc::receive {channel} {
    if {[gets $channel length] < 0} { error "the child process died" }
    return [read $channel $length]
}

# peer NAME WHERE FILE ?SETUP?: a second connection to FILE, in this process
# (WHERE is `here`) or in another one (`child`), after which `NAME SQL` runs
# SQL there.  What holds between connections must hold between processes, so
# most tests run with both.
proc peer {name where file {setup ""}} {
    switch $where {
        here {
            open_db peer_$name $file
            proc $name {sql} "peer_$name eval \$sql"
        }
        child {
            child process_$name
            process_$name [list open_db db $file]
            proc $name {sql} "process_$name \[list db eval \$sql\]"
        }
        default { error "a peer is here or child, not $where" }
    }
    $name $setup
}

# The handle of a peer in a script for peer_script, where SQL is not enough.
proc peer_script {name where script} {
    if {$where eq "here"} {
        return [apply [list db $script] peer_$name]
    }
    return [process_$name [list apply [list db $script] db]]
}

proc end_peer {name where} {
    if {$where eq "here"} { peer_$name close } else { end_child process_$name }
    rename $name ""
}

# ------------------------------------------------------------------- start

proc hc::temporary_directory {} {
    global env
    set parent [expr {[info exists env(TMPDIR)] ? $env(TMPDIR) : "/tmp"}]
    for {set i 0} {$i < 100} {incr i} {
        set name [file join $parent hc-tcl-[pid]-$i]
        if {![file exists $name]} {
            file mkdir $name
            return $name
        }
    }
    error "cannot make a temporary directory in $parent"
}

# A child works in its parent's directory.
if {![info exists hc::is_child]} {
    set hc::directory [hc::temporary_directory]
    cd $hc::directory
}
