import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import javax.sql.DataSource;

/** HikariCP loads the extension into each connection it opens: java -cp ... Pool.java EXTENSION FILE */
public final class Pool {
    private final DataSource pool;

    private Pool(DataSource pool) {
        this.pool = pool;
    }

    static HikariDataSource open(String file, String extension) {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl("jdbc:sqlite:" + file);
        config.setMaximumPoolSize(4);
        config.addDataSourceProperty("enable_load_extension", "true");
        config.addDataSourceProperty("busy_timeout", "60000");
        config.addDataSourceProperty("journal_mode", "WAL");
        config.setConnectionInitSql("SELECT load_extension('" + extension.replace("'", "''") + "')");
        return new HikariDataSource(config);
    }

    private static Object query(Connection db, String sql, Object... parameters) throws SQLException {
        try (PreparedStatement statement = db.prepareStatement(sql)) {
            for (int i = 0; i < parameters.length; i++) {
                statement.setObject(i + 1, parameters[i]);
            }
            // false: no rows, as from INSERT and BEGIN
            if (!statement.execute()) {
                return null;
            }
            try (ResultSet row = statement.getResultSet()) {
                return row.next() ? row.getObject(1) : null;
            }
        }
    }

    private static Object get(Connection db, String key) throws SQLException {
        return query(db, "SELECT hybrid_cache_get('cache', ?)", key);
    }

    /** Work on a connection of the pool. */
    private interface Work<T> {
        T on(Connection db) throws Exception;
    }

    /** IMMEDIATE takes the write lock at once: what is read inside stays true until COMMIT. */
    private <T> T transaction(Work<T> work) throws Exception {
        try (Connection db = pool.getConnection()) {
            query(db, "BEGIN IMMEDIATE");
            try {
                T result = work.on(db);
                query(db, "COMMIT");
                return result;
            } catch (Exception error) {
                query(db, "ROLLBACK");
                throw error;
            }
        }
    }

    /** On a hit no lock is taken. On a miss one thread or process computes, the others wait and find its answer. */
    Object getOrCompute(String key, int ttl, Callable<Object> compute) throws Exception {
        try (Connection db = pool.getConnection()) {
            Object found = get(db, key);
            if (found != null) {
                return found;
            }
        }
        return transaction(db -> {
            Object value = get(db, key); // another one may have been faster
            if (value == null) {
                value = compute.call();
                query(db, "INSERT OR REPLACE INTO cache(key, value, ttl) VALUES(?, ?, ?)", key, value, ttl);
            }
            return value;
        });
    }

    int increment(String key) throws Exception {
        return transaction(db -> {
            query(db, "INSERT OR IGNORE INTO cache(key, value, ttl) VALUES(?, 0, 0)", key);
            query(db, "UPDATE cache SET value = value + 1 WHERE key = ?", key);
            return (Integer) get(db, key);
        });
    }

    public static void main(String[] arguments) throws Exception {
        try (HikariDataSource source = open(arguments[1], arguments[0])) {
            Pool pool = new Pool(source);
            try (Connection db = source.getConnection()) {
                query(db, "CREATE VIRTUAL TABLE IF NOT EXISTS cache USING hybrid_cache(ttl=300)");
            }
            try (Connection a = source.getConnection();
                    Connection b = source.getConnection();
                    Connection c = source.getConnection();
                    Connection d = source.getConnection()) {
                int loaded = 0;
                for (Connection db : List.of(a, b, c, d)) {
                    loaded += (Integer) query(db, "SELECT hybrid_cache_version() IS NOT NULL");
                }
                System.out.println("connections with the extension: " + loaded);
            }

            // Eight threads share the four connections. They meet before each page: all want it at once.
            ConcurrentLinkedQueue<Integer> tickets = new ConcurrentLinkedQueue<>();
            ConcurrentLinkedQueue<Integer> computed = new ConcurrentLinkedQueue<>();
            CyclicBarrier barrier = new CyclicBarrier(8);
            Callable<Void> work = () -> {
                for (int round = 0; round < 5; round++) {
                    int page = round;
                    barrier.await();
                    pool.getOrCompute("page:" + page, 60, () -> {
                        computed.add(page);
                        return "<html>";
                    });
                    for (int i = 0; i < 10; i++) {
                        tickets.add(pool.increment("ticket"));
                    }
                }
                return null;
            };
            ExecutorService threads = Executors.newFixedThreadPool(8);
            List<Future<Void>> done = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                done.add(threads.submit(work));
            }
            for (Future<Void> future : done) {
                future.get();
            }
            threads.shutdown();
            System.out.printf("tickets drawn: %d different: %d%n", tickets.size(), new HashSet<>(tickets).size());
            System.out.printf("pages computed: %d different: %d%n", computed.size(), new HashSet<>(computed).size());
        }
    }
}
