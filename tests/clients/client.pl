# hybrid_cache from Perl's DBI: perl client.pl EXTENSION FILE [ROUNDS PROCESSES]
use strict;
use warnings;
use utf8;
use DBI qw(:sql_types);

binmode STDOUT, ':encoding(UTF-8)';

sub connect_to {
    my ($file, $extension) = @_;
    my $db = DBI->connect("dbi:SQLite:dbname=$file", '', '',
        { RaiseError => 1, PrintError => 0, AutoCommit => 1, sqlite_unicode => 1 });
    $db->sqlite_busy_timeout(60_000);
    $db->sqlite_enable_load_extension(1);
    $db->sqlite_load_extension($extension);
    $db->sqlite_enable_load_extension(0);
    $db->do('PRAGMA journal_mode = WAL');
    return $db;
}

# begin_work takes the write lock at once (BEGIN IMMEDIATE): what is read inside stays true until the commit.
sub transaction {
    my ($db, $work) = @_;
    $db->begin_work;
    my $result = eval { $work->() };
    if (my $error = $@) {
        $db->rollback;
        die $error;
    }
    $db->commit;
    return $result;
}

# A bound value is text, whatever it looks like, unless its type is said: SQL_INTEGER, SQL_REAL, SQL_BLOB. Without a
# ttl the entry lives as long as the cache's option says.
sub put {
    my ($db, $key, $value, $ttl, $type) = @_;
    my $statement = $db->prepare_cached('INSERT OR REPLACE INTO cache(key, value, ttl) VALUES(?, ?, ?)');
    $statement->bind_param(1, $key);
    $statement->bind_param(2, $value, $type // SQL_VARCHAR);
    $statement->bind_param(3, $ttl);
    $statement->execute;
}

sub get {
    my ($db, $key) = @_;
    my $statement = $db->prepare_cached("SELECT hybrid_cache_get('cache', ?)");
    return ($db->selectrow_array($statement, undef, $key))[0];
}

# On a hit no lock is taken. On a miss one process computes, the others wait for it and find its answer; nobody can
# change the data in between, so no outdated answer is stored. (undef counts as a miss here.)
sub get_or_compute {
    my ($db, $key, $ttl, $compute) = @_;
    return get($db, $key) // transaction($db, sub {
        my $value = get($db, $key);    # another process may have been faster
        if (!defined $value) {
            $value = $compute->();
            put($db, $key, $value, $ttl);
        }
        return $value;
    });
}

sub increment {
    my ($db, $key) = @_;
    return transaction($db, sub {
        $db->do('INSERT OR IGNORE INTO cache(key, value, ttl) VALUES(?, 0, 0)', undef, $key);
        $db->do('UPDATE cache SET value = value + 1 WHERE key = ?', undef, $key);
        return get($db, $key);
    });
}

sub tour {
    my ($db) = @_;
    print 'loaded: hybrid_cache ', $db->selectrow_array('SELECT hybrid_cache_version()'), "\n";
    $db->do($_) for (
        'CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=300)',
        'CREATE TABLE sale(product TEXT, amount INTEGER)',
        q{INSERT INTO sale VALUES('tea', 5), ('tea', 7)},
        q{CREATE TRIGGER sale_added AFTER INSERT ON sale BEGIN DELETE FROM cache WHERE key = 'total'; END},
    );

    put($db, 'name', 'Zoë 🦊', 60);
    print 'put and get: ', get($db, 'name'), "\n";
    print 'miss: ', get($db, 'nobody') // 'null', "\n";
    put($db, 'nothing', undef);
    my ($has) = $db->selectrow_array(q{SELECT hybrid_cache_has('cache', 'nothing')});
    print 'cached null: ', $has ? 'hit' : 'miss', "\n";

    put($db, 'type:0', 42, undef, SQL_INTEGER);
    put($db, 'type:1', 1.5, undef, SQL_REAL);
    put($db, 'type:2', 'text');
    put($db, 'type:3', "\x00\xff", undef, SQL_BLOB);
    put($db, 'type:4', undef);
    my $types = $db->selectcol_arrayref(q{SELECT typeof(value) FROM cache WHERE key GLOB 'type:*' ORDER BY key});
    print "types: @$types\n";
    print 'blob: ', unpack('H*', get($db, 'type:3')), "\n";

    my $total = sub {
        print "computing\n";
        return $db->selectrow_array('SELECT sum(amount) FROM sale');
    };
    print 'total: ', get_or_compute($db, 'total', 60, $total), "\n";
    print 'total: ', get_or_compute($db, 'total', 60, $total), "\n";
    $db->do(q{INSERT INTO sale VALUES('cocoa', 3)});    # the trigger removes the entry
    print 'total: ', get_or_compute($db, 'total', 60, $total), "\n";

    $db->begin_work;
    put($db, 'name', 'Grace');
    print 'in the transaction: ', get($db, 'name'), "\n";
    $db->rollback;
    print 'after the rollback: ', get($db, 'name'), "\n";

    print 'increment: ', increment($db, 'visits'), "\n";
    print 'increment: ', increment($db, 'visits'), "\n";

    $db->selectrow_array(q{SELECT hybrid_cache_reset_stats('cache')});
    get($db, $_) for qw(name total visits nobody);
    my $stats = $db->selectrow_hashref(q{SELECT * FROM hybrid_cache_stats('cache')});
    print "statistics: $stats->{l2_count} entries, hit ratio $stats->{hit_ratio}\n";

    for my $mistake (
        q{INSERT INTO cache(key, value) VALUES('name', 'Ada')},
        q{INSERT INTO cache(key, value, expires) VALUES('k', 'v', 'tomorrow')},
    ) {
        eval { $db->do($mistake) };
        print 'error: ', $db->errstr, "\n" if $@;
    }
}

# Run by several processes at once, which meet in each round: no page is computed twice, no ticket drawn twice.
sub race {
    my ($db, $rounds, $processes) = @_;
    for my $page (1 .. $rounds) {
        increment($db, 'arrived');
        1 while get($db, 'arrived') < $page * $processes;    # a hit that asks whether somebody has written is cheap
        get_or_compute($db, "page:$page", 60, sub {
            print "computing page $page\n";
            return '<html>';
        });
        print 'ticket ', increment($db, 'ticket'), "\n" for 1 .. 10;
    }
}

my ($extension, $file, $rounds, $processes) = @ARGV;
my $db = connect_to($file, $extension);
$rounds ? race($db, $rounds, $processes) : tour($db);
$db->disconnect;
