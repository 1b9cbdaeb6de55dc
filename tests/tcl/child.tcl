# A process started by `child` of harness.tcl: runs the scripts that come down
# the pipe and sends {CODE RESULT} back, until the pipe closes.

namespace eval hc { variable is_child 1 }
source [file join [file dirname [info script]] harness.tcl]

fconfigure stdin -encoding utf-8 -translation lf
fconfigure stdout -encoding utf-8 -translation lf
while {![catch {hc::receive stdin} script]} {
    set code [catch {uplevel #0 $script} result]
    hc::send stdout [list $code $result]
}
