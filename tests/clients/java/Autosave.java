// Ordinary work with the JDBC driver and `autosave=always`: a savepoint before each statement of a transaction. See
// ../README.md.

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;

public class Autosave {
    private static final Gson GSON = new GsonBuilder().serializeNulls().disableHtmlEscaping().create();

    private final Connection connection;

    Autosave(JsonObject dsn) throws SQLException {
        String url = "jdbc:postgresql://" + dsn.get("host").getAsString() + ":" + dsn.get("port").getAsInt() + "/"
                + dsn.get("database").getAsString();
        Properties properties = new Properties();
        properties.setProperty("user", dsn.get("user").getAsString());
        properties.setProperty("password", dsn.get("password").getAsString());
        properties.setProperty("autosave", "always");
        connection = DriverManager.getConnection(url, properties);
        connection.setAutoCommit(false);
    }

    public static void main(String[] arguments) throws Exception {
        Autosave work = new Autosave(JsonParser.parseString(arguments[0]).getAsJsonObject());
        if (arguments[1].equals("writes")) {
            work.writes();
        } else {
            work.reads();
        }
        work.connection.close();
    }

    private void say(String name, Object found) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("name", name);
        line.put("found", found);
        System.out.println(GSON.toJson(line));
    }

    /** The rows of a query, or the SQLSTATE that it fails with. */
    private Object query(String sql, Object... parameters) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int index = 0; index < parameters.length; index++) {
                statement.setObject(index + 1, parameters[index]);
            }
            List<List<String>> rows = new ArrayList<>();
            try (ResultSet result = statement.executeQuery()) {
                while (result.next()) {
                    List<String> row = new ArrayList<>();
                    for (int column = 1; column <= result.getMetaData().getColumnCount(); column++) {
                        row.add(result.getString(column));
                    }
                    rows.add(row);
                }
            }
            return rows;
        } catch (SQLException error) {
            return error.getSQLState();
        }
    }

    /** The number of rows that a statement changes, or the SQLSTATE that it fails with. */
    private Object change(String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            return statement.executeUpdate(sql);
        } catch (SQLException error) {
            return error.getSQLState();
        }
    }

    private void reads() throws SQLException {
        say("a read", query("SELECT id, name FROM customers WHERE id < ? ORDER BY id", 4));
        say("a read that fails", query("SELECT 1/0"));
        say("a read behind it", query("SELECT count(*) FROM orders"));
        say("an unknown table", query("SELECT * FROM nowhere"));
        for (int run = 0; run < 8; run++) {
            say("a statement that the server keeps, " + run, query("SELECT name FROM customers WHERE id = ?", run));
        }
        Savepoint savepoint = connection.setSavepoint("own");
        say("a read behind a savepoint", query("SELECT 2"));
        connection.rollback(savepoint);
        say("a read behind its rollback", query("SELECT id FROM customers WHERE id = ?", 1));
        connection.commit();
        say("a read behind the commit", query("SELECT 3"));
        connection.rollback();
    }

    private void writes() throws SQLException {
        say("a table", change("CREATE TABLE autosave (id int PRIMARY KEY, text text)"));
        say("an insert", change("INSERT INTO autosave VALUES (1, 'one')"));
        say("a duplicate", change("INSERT INTO autosave VALUES (1, 'again')"));
        say("an insert behind it", change("INSERT INTO autosave VALUES (2, 'two')"));
        say("a read that fails", query("SELECT nonsense"));
        say("an update behind it", change("UPDATE autosave SET text = text || '!'"));
        connection.commit();
        say("what lasts", query("SELECT id, text FROM autosave ORDER BY id"));
        say("an insert that is undone", change("INSERT INTO autosave VALUES (3, 'three')"));
        connection.rollback();
        say("what still lasts", query("SELECT count(*) FROM autosave"));
        say("the end of the table", change("DROP TABLE autosave"));
        connection.commit();
    }
}
