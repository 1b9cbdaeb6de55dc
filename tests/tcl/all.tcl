# Runs every *.test file beside it, or those named as arguments, each in a
# process of its own: a crash is one failed file, not a lost run.
#
#   tclsh tests/tcl/all.tcl [modes lifecycle.test ...]

set here [file normalize [file dirname [info script]]]
# A file that takes longer hangs, most likely in a lock.
set timeout_s 300

proc append_output {channel} {
    append ::output [read $channel]
    if {[eof $channel]} { set ::state done }
}

# Runs one file; returns {passed failed skipped} and prints its line.
proc run_file {path directory} {
    global output state timeout_s env
    set output ""
    set state running
    set env(TMPDIR) $directory
    set started [clock milliseconds]
    set channel [open |[list [info nameofexecutable] $path 2>@1] r]
    set process [pid $channel]
    fconfigure $channel -blocking 0 -encoding utf-8
    fileevent $channel readable [list append_output $channel]
    set watchdog [after [expr {$timeout_s * 1000}] {set state "timed out"}]
    vwait state
    after cancel $watchdog
    if {$state ne "done"} { catch {exec kill -9 $process} }
    fconfigure $channel -blocking 1
    set died [catch {close $channel} message options]

    # The verdict of the file is its last line; without one it died.
    set lines [split [string trimright $output] \n]
    set counts {0 1 0}
    set summary "1 failed: no verdict"
    if {[regexp {^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$} \
            [lindex $lines end] summary passed failed skipped]} {
        set counts [list $passed $failed [expr {$skipped eq "" ? 0 : $skipped}]]
        set lines [lrange $lines 0 end-1]
    }
    if {$state ne "done"} { append summary " ($state)" }
    if {[lindex $counts 1] == 0 && ($died || $state ne "done")} {
        lset counts 1 1
        append summary " (then it died: [lindex [split $message \n] 0])"
    }
    foreach line $lines { puts $line }
    puts [format "%-20s %s  \[%.1f s\]" [file tail $path] $summary \
        [expr {([clock milliseconds] - $started) / 1000.0}]]
    flush stdout
    return $counts
}

set files [lsort [glob -directory $here *.test]]
if {$argc} {
    set files [lmap name $argv {
        file join $here [file rootname [file tail $name]].test
    }]
}

set parent [expr {[info exists env(TMPDIR)] ? $env(TMPDIR) : "/tmp"}]
set parent [file join $parent hc-tcl-all-[pid]]
set total {0 0 0}
foreach path $files {
    set directory [file join $parent [file rootname [file tail $path]]]
    file mkdir $directory
    set total [lmap sum $total count [run_file $path $directory] {
        expr {$sum + $count}
    }]
    file delete -force -- $directory
}
file delete -force -- $parent

lassign $total passed failed skipped
puts "$passed passed, $failed failed[expr {
    $skipped ? ", $skipped skipped" : ""}]"
exit [expr {$failed > 0}]
