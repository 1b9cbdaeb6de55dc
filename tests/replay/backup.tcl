# Copies of a cache that is in use: backup API, VACUUM INTO, file copies, read-only replicas.
#
#     tclsh tests/replay/backup.tcl      (HC_VERBOSE=1 names each test; SOAK=1 for the long form)
#
# A child process writes transaction after transaction; whatever is copied meanwhile has to be a moment that existed: the
# three keys that each transaction changes are in step, counters are those of the rows, `check` is clean, nothing goes back.

source [file join [file dirname [file dirname [file normalize [info script]]]] tcl harness.tcl]

set commits [expr {[info exists ::env(SOAK)] && $::env(SOAK) ne "" ? 20000 : 1500}]
set writer {
    proc work {commits done} {
        try { write_all $commits } finally { close [open $done w] }
    }
    proc write_all {commits} {
        set value [db onecolumn {SELECT value FROM cache WHERE key = 'a'}]
        for {set i 1} {$i <= $commits} {incr i} {
            incr value
            set k [expr {int(rand() * 200)}]
            set size [expr {int(rand() * 3000)}]
            db eval {BEGIN IMMEDIATE;
                UPDATE cache SET value = $value WHERE key IN ('a', 'b', 'c');
                REPLACE INTO cache(key, value, tag) VALUES($k, zeroblob($size), 't' || ($k % 7))}
            if {$i % 40 == 0} { db eval {DELETE FROM cache WHERE tag = 't3'} }
            db eval {COMMIT}
        }
    }
    open_db db test.db
    db timeout 60000
}

# make JOURNAL: test.db with a cache, and the child w that will write to it.
proc make {journal} {
    fresh test.db
    open_db db test.db
    db timeout 60000
    db eval "PRAGMA journal_mode = $journal"
    db eval {CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=0, l1_ttl=0, l2_entries=150);
             INSERT INTO cache(key, value) VALUES('a', 0), ('b', 0), ('c', 0)}
}

# while_writing SCRIPT: how often SCRIPT ran while the child wrote, twice at least.
proc while_writing {script} {
    file delete done
    child w
    w $::writer
    tell w [list work $::commits done]
    set rounds 0
    while {![file exists done] || $rounds < 2} {
        uplevel 1 $script
        incr rounds
    }
    answer w
    end_child w
    return $rounds
}

# findings DB: what is wrong with the cache of an open copy, {} if nothing. Remembers how far the copies have come.
proc findings {copy} {
    set found {}
    if {[catch {$copy eval {INSERT INTO cache(cache) VALUES('check')}} message]} { lappend found $message }
    if {[one $copy {PRAGMA integrity_check}] ne "ok"} { lappend found integrity }
    set step [get_all $copy {a b c}]
    if {[llength [lsort -unique $step]] != 1} { lappend found "out of step: $step" }
    if {[lindex $step 0] < $::newest} { lappend found "[lindex $step 0] after $::newest" }
    set ::newest [lindex $step 0]
    if {[one $copy {SELECT l2_count = (SELECT count(*) FROM cache) AND l2_count = (SELECT count(*) FROM cache_data)
                       AND l2_bytes = (SELECT sum(size) FROM cache_data) FROM hybrid_cache_stats}] != 1} {
        lappend found counters
    }
    return $found
}

proc check_copy {file} {
    open_db copy $file
    set found [findings copy]
    copy close
    return $found
}

foreach journal {wal delete} {
    make $journal
    set newest 0
    test backup-under-load-$journal {
        set found {}
        while_writing {
            fresh copy.db
            # A writer with a rollback journal may hold the file at that moment.
            while {[catch {db backup copy.db} message]} {
                if {![string match "*locked*" $message]} { error $message }
            }
            lappend found {*}[check_copy copy.db]
        }
        set found
    } {}

    set newest 0
    test vacuum-into-under-load-$journal {
        set found {}
        while_writing {
            fresh copy.db
            db eval {VACUUM INTO 'copy.db'}
            lappend found {*}[check_copy copy.db]
        }
        set found
    } {}

    # Onto a connection that is open and warm, and beside it another one on the same file: neither may keep what it had.
    set newest 0
    test restore-onto-live-under-load-$journal {
        fresh live.db
        db backup live.db
        open_db live live.db
        open_db beside live.db
        live timeout 60000
        beside timeout 60000
        set found {}
        while_writing {
            get_all live {a b c 1 2 3}
            get_all beside {a b c 1 2 3}
            while {[catch {live restore test.db} message]} {
                if {![regexp {locked|busy} $message]} { error $message }
            }
            lappend found {*}[findings live]
            if {[get_all beside {a b c}] ne [get_all live {a b c}]} { lappend found beside }
            foreach reader {live beside} {
                set stale [one $reader {SELECT count(*) FROM cache_data d
                    WHERE hybrid_cache_get('cache', d.key) IS NOT d.value}]
                if {$stale} { lappend found "$reader: $stale stale" }
            }
        }
        close_db live beside
        set found
    } {}

    # A copy of the files, while the write lock keeps the writer off: with the WAL as it is, and after a checkpoint.
    foreach how {with-wal checkpointed} {
        if {$how eq "checkpointed" && $journal ne "wal"} continue
        set newest 0
        test file-copy-$how-$journal {
            set found {}
            while_writing {
                fresh copy.db
                if {$how eq "checkpointed"} {
                    # Again, should the writer have committed in between.
                    while 1 {
                        db eval {PRAGMA wal_checkpoint(TRUNCATE)}
                        db eval {BEGIN IMMEDIATE}
                        if {[file size test.db-wal] == 0} break
                        db eval {COMMIT}
                    }
                } else {
                    db eval {BEGIN IMMEDIATE}
                }
                # By another process: to open and close the file in this one would drop SQLite's locks on it.
                exec cp test.db copy.db
                if {$how eq "with-wal" && [file exists test.db-wal]} { exec cp test.db-wal copy.db-wal }
                db eval {COMMIT}
                lappend found {*}[check_copy copy.db]
            }
            set found
        } {}
    }
    close_db db
}

# ------------------------------------------------------------------ read-only replicas

make wal
db eval {INSERT INTO cache(key, value, tag) VALUES('user:1', 'Ada', 'staff'), ('user:2', 'Grace', 'staff')}
file mkdir replica
fresh replica/r.db
db eval {VACUUM INTO 'replica/r.db'}
close_db db
set question {
    list [get r user:1] [get r user:1] [get r absent] [tier r user:1] [stat r l1_hits] \
        [one r {SELECT count(*) FROM cache WHERE tag = 'staff'}] [stat r l2_count]
}
foreach {name uri} {mode-ro file:replica/r.db?mode=ro immutable file:replica/r.db?immutable=1} {
    open_db r $uri
    test replica-$name { eval $question } {Ada Ada <none> 1 3 2 5}
    test_error replica-$name-refuses-writes { r eval {DELETE FROM cache} } "attempt to write a readonly database"
    close_db r
}

# A directory in which nothing can be made: no journal, no -shm. Root may write anywhere, so somebody else asks.
file attributes replica/r.db -permissions 0444
file attributes replica -permissions 0555
set as {}
if {[string trim [exec id -u]] == 0} { set as {setpriv --reuid 65534 --regid 65534 --clear-groups} }
set reader [open reader.tcl w]
puts $reader {
    package require sqlite3
    lassign $argv extension
    if {![catch {open replica/new w}]} { puts "the directory can be written"; exit }
    sqlite3 r replica/r.db
    r enable_load_extension 1
    r eval {SELECT load_extension($extension)}
    puts [r eval {SELECT hybrid_cache_get('cache', 'user:1'), hybrid_cache_get('cache', 'user:1'),
        (SELECT value FROM cache WHERE key = 'user:2'), hybrid_cache_tier('cache', 'user:1')}]
}
close $reader
file attributes $hc::directory -permissions 0755
file copy $hc::extension[info sharedlibextension] .
set extension [file join $hc::directory [file tail $hc::extension]]
if {[catch {exec {*}$as true}]} {
    skip replica-readonly-directory "no setpriv (Debian package util-linux)"
} else {
    test replica-readonly-directory {
        exec {*}$as [info nameofexecutable] reader.tcl $extension
    } {Ada Ada Grace 1}
}
file attributes replica -permissions 0755

# What the tests above would say of a copy that is no moment at all: pages of two moments in one file.
make delete
fresh copy.db
file copy test.db copy.db
set before [open copy.db r+b]
for {set i 1} {$i <= 30} {incr i} {
    db eval {REPLACE INTO cache(key, value) VALUES($i, zeroblob(700)), ('a', $i), ('b', $i), ('c', $i)}
}
set after [open test.db rb]
seek $after 4096
seek $before 4096
puts -nonewline $before [read $after 12288]
close $before
close $after
close_db db
set newest 0
test_true planted-mixed-copy-is-found { [catch {check_copy copy.db} found] || [llength $found] > 0 }
close_db copy

finish
