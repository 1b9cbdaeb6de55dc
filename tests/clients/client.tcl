# hybrid_cache from Tcl: tclsh client.tcl EXTENSION FILE ?ROUNDS PROCESSES?
package require sqlite3

proc connect {file extension} {
    sqlite3 db $file
    db timeout 60000
    db enable_load_extension 1
    db eval {SELECT load_extension($extension)}
    db enable_load_extension 0
    db eval {PRAGMA journal_mode = WAL}
}

# Without a ttl the entry lives as long as the cache's option says. `null` puts an SQL NULL.
proc put {key value {ttl {}}} {
    if {$ttl eq ""} {
        db eval {INSERT OR REPLACE INTO cache(key, value) VALUES($key, $value)}
    } else {
        db eval {INSERT OR REPLACE INTO cache(key, value, ttl) VALUES($key, $value, $ttl)}
    }
}

# Tcl has no NULL: the default tells a miss from an empty text.
proc get {key {default {}}} {
    db onecolumn {SELECT hybrid_cache_get('cache', $key, $default)}
}

proc has {key} {
    db onecolumn {SELECT hybrid_cache_has('cache', $key)}
}

# On a hit no lock is taken. On a miss one process computes, the others wait for it and find its answer; nobody can
# change the data in between (IMMEDIATE takes the write lock at once), so no outdated answer is stored.
proc get_or_compute {key ttl script} {
    set none "\u0000no such entry"
    set value [get $key $none]
    if {$value eq $none} {
        db transaction immediate {
            set value [get $key $none] ;# another process may have been faster
            if {$value eq $none} {
                set value [uplevel 1 $script]
                put $key $value $ttl
            }
        }
    }
    return $value
}

proc increment {key} {
    db transaction immediate {
        db eval {INSERT OR IGNORE INTO cache(key, value, ttl) VALUES($key, 0, 0)}
        db eval {UPDATE cache SET value = value + 1 WHERE key = $key}
        set value [get $key]
    }
    return $value
}

proc tour {} {
    puts "loaded: hybrid_cache [db onecolumn {SELECT hybrid_cache_version()}]"
    db eval {
        CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=300);
        CREATE TABLE sale(product TEXT, amount INTEGER);
        INSERT INTO sale VALUES('tea', 5), ('tea', 7);
        CREATE TRIGGER sale_added AFTER INSERT ON sale BEGIN DELETE FROM cache WHERE key = 'total'; END;
    }

    put name "Zoë 🦊" 60
    puts "put and get: [get name]"
    puts "miss: [get nobody null]"
    db eval {INSERT OR REPLACE INTO cache(key, value) VALUES('nothing', NULL)}
    puts "cached null: [expr {[has nothing] ? "hit" : "miss"}]"

    # A value is bound as what it was last used as: expr makes numbers, binary format makes bytes.
    put type:0 [expr {42}]
    put type:1 [expr {1.5}]
    put type:2 text
    put type:3 [binary format H* 00ff]
    db eval {INSERT INTO cache(key, value) VALUES('type:4', NULL)}
    puts "types: [db eval {SELECT typeof(value) FROM cache WHERE key GLOB 'type:*' ORDER BY key}]"
    binary scan [get type:3] H* hex
    puts "blob: $hex"

    set total {
        puts computing
        db onecolumn {SELECT sum(amount) FROM sale}
    }
    puts "total: [get_or_compute total 60 $total]"
    puts "total: [get_or_compute total 60 $total]"
    db eval {INSERT INTO sale VALUES('cocoa', 3)} ;# the trigger removes the entry
    puts "total: [get_or_compute total 60 $total]"

    db eval BEGIN
    put name Grace
    puts "in the transaction: [get name]"
    db eval ROLLBACK
    puts "after the rollback: [get name]"

    puts "increment: [increment visits]"
    puts "increment: [increment visits]"

    db eval {SELECT hybrid_cache_reset_stats('cache')}
    foreach key {name total visits nobody} {
        get $key
    }
    db eval {SELECT * FROM hybrid_cache_stats('cache')} stats {
        puts "statistics: $stats(l2_count) entries, hit ratio $stats(hit_ratio)"
    }

    foreach mistake {
        {INSERT INTO cache(key, value) VALUES('name', 'Ada')}
        {INSERT INTO cache(key, value, expires) VALUES('k', 'v', 'tomorrow')}
    } {
        if {[catch {db eval $mistake} message]} {
            puts "error: $message"
        }
    }
}

# Run by several processes at once, which meet in each round: no page is computed twice, no ticket drawn twice.
proc race {rounds processes} {
    for {set page 1} {$page <= $rounds} {incr page} {
        increment arrived
        while {[get arrived] < $page * $processes} {
            # a hit that asks whether somebody has written costs next to nothing
        }
        get_or_compute page:$page 60 {
            puts "computing page $page"
            string cat "<html>"
        }
        for {set i 0} {$i < 10} {incr i} {
            puts "ticket [increment ticket]"
        }
    }
}

lassign $argv extension file rounds processes
connect $file $extension
if {$rounds ne ""} {
    race $rounds $processes
} else {
    tour
}
db close
