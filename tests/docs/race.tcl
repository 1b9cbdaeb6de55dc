# Eight sqlite3 shells race the forms of sql/recipes/ that claim to be free of races, with the text of the recipes:
#
#     tclsh tests/docs/race.tcl [ROUNDS]
#
# Each form stands beside the naive one that everybody writes first: a race that nothing loses proves nothing. How often
# that went wrong is printed, and where it is practically certain, it is a check.

set top [file dirname [file dirname [file dirname [file normalize [info script]]]]]
set dist [expr {[info exists env(DIST)] ? $env(DIST) : "dist"}] ;# where the extension was built
set sandbox [file join [expr {[info exists env(TMPDIR)] ? $env(TMPDIR) : [file join $top build]}] hybrid_cache_race_[pid]]
set shells 8
set rounds [expr {$argc ? [lindex $argv 0] : 20}]
set passed 0
set failed 0

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
    set text [read $channel]
    close $channel
    return $text
}

# The SQL of a recipe after its line `.print TITLE...`, up to the next empty line.
proc part {recipe title} {
    set text [slurp [file join $::top sql recipes $recipe]]
    set start [string first "\n.print $title" $text]
    if {$start < 0} {
        error "$recipe has no \".print $title\""
    }
    set start [string first \n $text $start+1]
    return [string range $text $start [string first \n\n $text $start]]
}

# ---- the shells: they stay for all rounds, and get the same input at the same time

proc start_shell {} {
    set shell [open [list | env HOME=/nonexistent stdbuf -oL sqlite3 -batch app.db 2>@1] r+]
    fconfigure $shell -buffering full
    return $shell
}

proc start_shells {} {
    set ::gate [start_shell]
    for {set i 0} {$i < $::shells} {incr i} {
        lappend ::all [start_shell]
    }
    foreach shell [concat $::gate $::all] {
        send $shell ".load ./dist/hybrid_cache\n.timeout 60000\n.print ready"
        await $shell ready
    }
}

proc send {shell sql} {
    puts $shell $sql
    flush $shell
}

# The lines that a shell prints before MARK.
proc await {shell mark} {
    set lines {}
    while {[gets $shell line] >= 0 && $line ne $mark} {
        lappend lines $line
    }
    return [join $lines \n]
}

# What each of the eight prints for SQL. They run at the same time: a ninth shell holds the write lock until all of them
# have begun.
proc tell {sql} {
    ask "BEGIN IMMEDIATE;"
    foreach shell $::all {
        send $shell ".print ready\n$sql\n.print ----8<----"
    }
    foreach shell $::all {
        await $shell ready
    }
    ask "COMMIT;"
    set outputs {}
    foreach shell $::all {
        lappend outputs [await $shell ----8<----]
    }
    return $outputs
}

# What the ninth prints for SQL.
proc ask {sql} {
    send $::gate "$sql\n.print ----8<----"
    return [await $::gate ----8<----]
}

# What shells printed and should not have.
proc errors {outputs} {
    return [lsearch -all -inline -glob $outputs *rror*]
}

proc fresh {options} {
    ask "DROP TABLE IF EXISTS cache; CREATE VIRTUAL TABLE cache USING hybrid_cache($options);"
}

proc must_lose {what count how} {
    puts "  naive $what: $count of $::rounds rounds $how"
    check "the naive $what loses the race" yes [expr {$count ? "yes" : "no"}]
}

# ---- counters: every increment counts

if {0} {}
proc count_up {sql} {
    fresh ttl=600
    set problems {}
    for {set round 0} {$round < $::rounds} {incr round} {
        # Half of the rounds begin without the entry: creating it is where first attempts fail.
        if {$round % 2} {
            ask "DELETE FROM cache WHERE key = 'hits';"
            set before($round) 0
        } else {
            set before($round) [ask "SELECT coalesce((SELECT value FROM cache WHERE key = 'hits'), 0);"]
        }
        lappend problems {*}[errors [tell $sql]]
        lappend sums [expr {[ask "SELECT value FROM cache WHERE key = 'hits';"] - $before($round)}]
    }
    return [list [llength [lsearch -all -not $sums $::shells]] $problems]
}

proc counters {} {
    foreach title {"Increment or create" "The same in two"} {
        check "counters.sql, $title: rounds with a lost count, errors" {0 {}} [count_up [part counters.sql $title]]
    }
    set naive {
        UPDATE cache SET value = value + 1 WHERE key = 'hits';
        INSERT OR REPLACE INTO cache(key, value) SELECT 'hits', 1 WHERE changes() = 0;
    }
    puts "  naive counter: [lindex [count_up $naive] 0] of $::rounds rounds lost a count"
}

# ---- take: exactly one gets it

proc take {sql} {
    fresh ttl=600
    set problems {}
    set wrong 0
    for {set round 0} {$round < $::rounds} {incr round} {
        ask "INSERT INTO cache(key, value) VALUES('hits', 'the job');"
        set outputs [tell $sql]
        lappend problems {*}[errors $outputs]
        incr wrong [expr {[llength [lsearch -all $outputs "the job*"]] != 1}]
    }
    return [list $wrong $problems]
}

proc takes {} {
    check "counters.sql, Take: rounds in which not exactly one got it, errors" {0 {}} [take [part counters.sql "Take: read"]]
    set deleted {
        CREATE TEMP TABLE IF NOT EXISTS mine(value); DELETE FROM mine;
        INSERT INTO mine SELECT value FROM cache WHERE key = 'hits';
        DELETE FROM cache WHERE key = 'hits' AND value = (SELECT value FROM mine);
        SELECT value FROM mine WHERE changes() = 1;
    }
    check "counters.sql, Take without a transaction: rounds in which not exactly one got it, errors" {0 {}} [take $deleted]
    set naive "SELECT value FROM cache WHERE key = 'hits'; DELETE FROM cache WHERE key = 'hits';"
    must_lose take [lindex [take $naive] 0] "gave it to several, or to nobody"
}

# ---- one rebuild: of eight that miss at the same time, one computes

proc rebuild {worker} {
    fresh {ttl=60, grace=3600}
    ask "CREATE TABLE IF NOT EXISTS sale(amount INTEGER); CREATE TABLE IF NOT EXISTS answer(computed INTEGER, value TEXT);"
    ask "INSERT INTO sale VALUES(3), (20);"
    set wrong 0
    set unanswered 0
    set problems {}
    for {set round 0} {$round < $::rounds} {incr round} {
        ask "INSERT OR REPLACE INTO cache(key, value, expires) VALUES('report', 'old', unixepoch() - 10); DELETE FROM answer;"
        lappend problems {*}[errors [tell "$worker\nDROP TABLE temp.me; DROP TABLE temp.fresh;"]]
        lassign [split [ask "SELECT sum(computed), sum(value IS NULL) FROM answer;"] |] computed missing
        incr wrong [expr {$computed != 1}]
        incr unanswered $missing
    }
    return [list $wrong $unanswered $problems]
}

proc rebuilds {} {
    set worker [slurp [file join $::top sql recipes one_rebuild_worker.sql]]
    # They are loaded and have their timeout.
    regsub -all -line {^\.(load|timeout) .*$} $worker {} worker
    check "one_rebuild_worker.sql: rounds without exactly one rebuild, processes without an answer, errors" {0 0 {}} [rebuild $worker]

    # The condition asked beforehand, in a statement of its own.
    set count [regsub { WHERE NOT hybrid_cache_has\('cache', 'report'\)} $worker { WHERE (SELECT missing FROM temp.asked)} naive]
    set naive "CREATE TEMP TABLE asked AS SELECT NOT hybrid_cache_has('cache', 'report') AS missing;\n$naive\nDROP TABLE temp.asked;"
    check "the naive worker is made from the recipe" 1 $count
    must_lose worker [lindex [rebuild $naive] 0] "computed more than once"

    # The statement of get_or_compute.sql: the others wait for the write lock, and then find the entry.
    fresh ttl=60
    regexp {INSERT OR IGNORE INTO cache.*?;} [slurp [file join $::top sql recipes get_or_compute.sql]] statement
    ask "CREATE TABLE sale2(product TEXT, amount INTEGER); INSERT INTO sale2 VALUES('pen', 3);"
    set statement [string map {"FROM sale " "FROM sale2 "} $statement]
    set wrong 0
    for {set round 0} {$round < $::rounds} {incr round} {
        ask "DELETE FROM cache;"
        set outputs [tell "$statement\nSELECT changes();"]
        incr wrong [expr {[lsort $outputs] ne "0 0 0 0 0 0 0 1"}]
    }
    check "get_or_compute.sql: rounds in which not exactly one stored" 0 $wrong
}

# ---- rate limits: never more than three

proc rates {} {
    set text [slurp [file join $::top sql recipes rate_limit.sql]]
    regexp {\n(BEGIN IMMEDIATE;.*?COMMIT;)} $text -> fixed
    regexp {\n(INSERT INTO rate.*?;\nSELECT.*?;)} $text -> sliding
    foreach {name sql} [list "fixed window" $fixed "sliding window" $sliding] {
        set wrong 0
        set problems {}
        for {set round 0} {$round < $::rounds} {incr round} {
            ask "DROP TABLE IF EXISTS rate; CREATE VIRTUAL TABLE rate USING hybrid_cache(ttl=60);"
            set outputs [tell $sql]
            lappend problems {*}[errors $outputs]
            incr wrong [expr {[llength [lsearch -all $outputs allowed]] != 3}]
        }
        check "rate_limit.sql, $name: rounds in which not three of eight were allowed, errors" {0 {}} [list $wrong $problems]
    }
}

# ---- a lease: one holder

proc leases {} {
    regexp {\n(INSERT OR \w+ INTO lock[^;]*;)} [slurp [file join $::top sql recipes lock_lease.sql]] -> sql
    set wrong 0
    for {set round 0} {$round < $::rounds} {incr round} {
        ask "DROP TABLE IF EXISTS lock; CREATE VIRTUAL TABLE lock USING hybrid_cache;"
        incr wrong [expr {[lsort [tell "$sql\nSELECT changes();"]] ne "0 0 0 0 0 0 0 1"}]
    }
    check "lock_lease.sql: rounds in which not exactly one got the lock" 0 $wrong
}

if {[auto_execok stdbuf] eq ""} {
    puts "stdbuf is missing (Debian package coreutils): a shell would keep to itself what it prints"
    puts "0 passed, 0 failed, 1 skipped"
    exit 0
}
file delete -force $sandbox
file mkdir $sandbox
cd $sandbox
file link -symbolic dist [file join $top $dist]
start_shells
foreach mode {wal delete} {
    ask "PRAGMA journal_mode = $mode;"
    puts "$mode:"
    counters
    takes
    rebuilds
    ask "DROP TABLE sale2;"
    rates
    leases
}
foreach shell [concat $gate $all] {
    catch {close $shell} ;# its exit code tells of errors that the naive forms are expected to have
}
cd $top
file delete -force $sandbox
puts "$passed passed, $failed failed"
exit [expr {$failed > 0}]
