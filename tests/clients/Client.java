import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.Callable;
import org.sqlite.SQLiteConfig;

/** hybrid_cache from Java: java -cp sqlite-jdbc.jar Client.java EXTENSION FILE [ROUNDS PROCESSES] */
public final class Client {
    private final Connection db;

    private Client(Connection db) {
        this.db = db;
    }

    static Connection connect(String file, String extension) throws SQLException {
        SQLiteConfig config = new SQLiteConfig();
        config.enableLoadExtension(true);
        config.setBusyTimeout(60_000);
        config.setJournalMode(SQLiteConfig.JournalMode.WAL);
        Connection db = config.createConnection("jdbc:sqlite:" + file);
        try (PreparedStatement load = db.prepareStatement("SELECT load_extension(?)")) {
            load.setString(1, extension);
            load.execute();
        }
        return db;
    }

    /** The first column of the first row. */
    private Object query(String sql, Object... parameters) throws SQLException {
        try (PreparedStatement statement = db.prepareStatement(sql)) {
            for (int i = 0; i < parameters.length; i++) {
                statement.setObject(i + 1, parameters[i]);
            }
            try (ResultSet row = statement.executeQuery()) {
                return row.next() ? row.getObject(1) : null;
            }
        }
    }

    private void execute(String sql, Object... parameters) throws SQLException {
        try (PreparedStatement statement = db.prepareStatement(sql)) {
            for (int i = 0; i < parameters.length; i++) {
                statement.setObject(i + 1, parameters[i]);
            }
            statement.executeUpdate();
        }
    }

    Object get(String key) throws SQLException {
        return query("SELECT hybrid_cache_get('cache', ?)", key);
    }

    /** With null for ttl the entry lives as long as the cache's option says. */
    void put(String key, Object value, Integer ttl) throws SQLException {
        execute("INSERT OR REPLACE INTO cache(key, value, ttl) VALUES(?, ?, ?)", key, value, ttl);
    }

    /**
     * On a hit no lock is taken. On a miss one process computes, the others wait for it and find its answer; nobody
     * can change the data in between, so no outdated answer is stored. (null counts as a miss here.)
     */
    Object getOrCompute(String key, Integer ttl, Callable<Object> compute) throws Exception {
        Object found = get(key);
        if (found != null) {
            return found;
        }
        return transaction(() -> {
            Object value = get(key); // another process may have been faster
            if (value == null) {
                value = compute.call();
                put(key, value, ttl);
            }
            return value;
        });
    }

    int increment(String key) throws Exception {
        return transaction(() -> {
            execute("INSERT OR IGNORE INTO cache(key, value, ttl) VALUES(?, 0, 0)", key);
            execute("UPDATE cache SET value = value + 1 WHERE key = ?", key);
            return (Integer) get(key);
        });
    }

    /**
     * IMMEDIATE takes the write lock at once: what is read inside stays true until COMMIT. Not by setAutoCommit(false):
     * this driver's commit() begins the next transaction at once, which can fail when the work is already stored.
     */
    private <T> T transaction(Callable<T> work) throws Exception {
        execute("BEGIN IMMEDIATE");
        try {
            T result = work.call();
            execute("COMMIT");
            return result;
        } catch (Exception error) {
            execute("ROLLBACK");
            throw error;
        }
    }

    private void tour() throws Exception {
        System.out.println("loaded: hybrid_cache " + query("SELECT hybrid_cache_version()"));
        try (Statement statement = db.createStatement()) {
            statement.executeUpdate(
                    """
                    CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=300);
                    CREATE TABLE sale(product TEXT, amount INTEGER);
                    INSERT INTO sale VALUES('tea', 5), ('tea', 7);
                    CREATE TRIGGER sale_added AFTER INSERT ON sale BEGIN DELETE FROM cache WHERE key = 'total'; END;
                    """);
        }

        put("name", "Zoë 🦊", 60);
        System.out.println("put and get: " + get("name"));
        System.out.println("miss: " + get("nobody"));
        put("nothing", null, null);
        boolean has = query("SELECT hybrid_cache_has('cache', 'nothing')").equals(1);
        System.out.println("cached null: " + (has ? "hit" : "miss"));

        Object[] values = {42, 1.5, "text", new byte[] {0x00, (byte) 0xff}, null};
        for (int i = 0; i < values.length; i++) {
            put("type:" + i, values[i], null);
        }
        List<String> types = new ArrayList<>();
        try (Statement statement = db.createStatement();
                ResultSet row = statement.executeQuery(
                        "SELECT typeof(value) FROM cache WHERE key GLOB 'type:*' ORDER BY key")) {
            while (row.next()) {
                types.add(row.getString(1));
            }
        }
        System.out.println("types: " + String.join(" ", types));
        System.out.println("blob: " + HexFormat.of().formatHex((byte[]) get("type:3")));

        Callable<Object> total = () -> {
            System.out.println("computing");
            return query("SELECT sum(amount) FROM sale");
        };
        System.out.println("total: " + getOrCompute("total", 60, total));
        System.out.println("total: " + getOrCompute("total", 60, total));
        execute("INSERT INTO sale VALUES('cocoa', 3)"); // the trigger removes the entry
        System.out.println("total: " + getOrCompute("total", 60, total));

        db.setAutoCommit(false);
        put("name", "Grace", null);
        System.out.println("in the transaction: " + get("name"));
        db.rollback();
        db.setAutoCommit(true);
        System.out.println("after the rollback: " + get("name"));

        System.out.println("increment: " + increment("visits"));
        System.out.println("increment: " + increment("visits"));

        query("SELECT hybrid_cache_reset_stats('cache')");
        for (String key : List.of("name", "total", "visits", "nobody")) {
            get(key);
        }
        try (Statement statement = db.createStatement();
                ResultSet stats = statement.executeQuery("SELECT * FROM hybrid_cache_stats('cache')")) {
            stats.next();
            System.out.printf(
                    "statistics: %d entries, hit ratio %s%n", stats.getInt("l2_count"), stats.getDouble("hit_ratio"));
        }

        List<String> mistakes = List.of(
                "INSERT INTO cache(key, value) VALUES('name', 'Ada')",
                "INSERT INTO cache(key, value, expires) VALUES('k', 'v', 'tomorrow')");
        for (String mistake : mistakes) {
            try {
                execute(mistake);
            } catch (SQLException error) {
                System.out.println("error: " + text(error));
            }
        }
    }

    /** The driver wraps SQLite's own text: "[SQLITE_CONSTRAINT_UNIQUE] A UNIQUE constraint failed (TEXT)". */
    private static String text(SQLException error) {
        return error.getMessage().replaceFirst("^\\[\\w+\\][^(]*\\((.*)\\)$", "$1");
    }

    /** Run by several processes at once, which meet in each round: no page is computed twice, no ticket drawn twice. */
    private void race(int rounds, int processes) throws Exception {
        for (int round = 1; round <= rounds; round++) {
            int page = round;
            increment("arrived");
            while ((Integer) get("arrived") < page * processes) {
                // a hit that asks whether somebody has written costs next to nothing
            }
            getOrCompute("page:" + page, 60, () -> {
                System.out.println("computing page " + page);
                return "<html>";
            });
            for (int i = 0; i < 10; i++) {
                System.out.println("ticket " + increment("ticket"));
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        try (Connection db = connect(arguments[1], arguments[0])) {
            Client client = new Client(db);
            if (arguments.length > 2) {
                client.race(Integer.parseInt(arguments[2]), Integer.parseInt(arguments[3]));
            } else {
                client.tour();
            }
        }
    }
}
