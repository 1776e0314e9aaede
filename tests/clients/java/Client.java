// Does what it is told with the PostgreSQL JDBC driver. See ../README.md.

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Timer;
import java.util.TimerTask;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.PGStatement;
import org.postgresql.util.PSQLException;
import org.postgresql.util.PSQLWarning;
import org.postgresql.util.ServerErrorMessage;

public class Client {
    private static final int LONG = 200;
    private static final Gson GSON = new GsonBuilder().serializeNulls().disableHtmlEscaping().create();

    private final JsonObject dsn;
    private Connection connection;

    Client(JsonObject dsn) throws SQLException {
        this.dsn = dsn;
        connect();
    }

    private void connect() throws SQLException {
        String url = "jdbc:postgresql://" + dsn.get("host").getAsString() + ":" + dsn.get("port").getAsInt() + "/"
                + dsn.get("database").getAsString();
        Properties properties = new Properties();
        properties.setProperty("user", dsn.get("user").getAsString());
        properties.setProperty("password", dsn.get("password").getAsString());
        connection = DriverManager.getConnection(url, properties);
    }

    public static void main(String[] arguments) throws Exception {
        Client client;
        try {
            client = new Client(JsonParser.parseString(arguments[0]).getAsJsonObject());
        } catch (SQLException error) {
            say(Map.of("connected", false, "error", failure(error).get("error")));
            return;
        }
        say(Map.of("connected", true));
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            Object answer;
            try {
                answer = client.perform(JsonParser.parseString(line).getAsJsonObject());
            } catch (SQLException error) {
                answer = failure(error);
            }
            say(Map.of("answer", answer));
        }
    }

    private Object perform(JsonObject op) throws Exception {
        switch (op.get("op").getAsString()) {
            case "query": return query(op.get("sql").getAsString());
            case "params": return params(op, 5);
            case "binary": return params(op, -1);
            case "prepared": return prepared(op);
            case "pipeline": return pipeline(op);
            case "copy_out": return copyOut(op);
            case "copy_in": return copyIn(op);
            case "cursor": return cursor(op);
            case "transaction": return transaction(op);
            case "listen": return query("LISTEN " + op.get("channel").getAsString());
            case "notification": return notification();
            case "cancel": return cancel(op);
            case "reconnect":
                connection.close();
                connect();
                return Map.of();
            default: throw new IllegalArgumentException(op.toString());
        }
    }

    private Object query(String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            boolean hasRows = statement.execute(sql);
            Object results = results(statement, hasRows);
            notices(statement.getWarnings());
            return Map.of("results", results);
        }
    }

    private Object params(JsonObject op, int threshold) throws SQLException {
        try (PreparedStatement statement = prepare(op)) {
            statement.unwrap(PGStatement.class).setPrepareThreshold(threshold);
            bind(statement, op.getAsJsonArray("params"));
            Object results = results(statement, statement.execute());
            notices(statement.getWarnings());
            return Map.of("results", results);
        }
    }

    private Object prepared(JsonObject op) throws SQLException {
        List<Object> runs = new ArrayList<>();
        try (PreparedStatement statement = prepare(op)) {
            statement.unwrap(PGStatement.class).setPrepareThreshold(1);
            for (JsonElement run : op.getAsJsonArray("runs")) {
                bind(statement, run.getAsJsonArray());
                runs.add(results(statement, statement.execute()));
            }
        }
        return Map.of("runs", runs);
    }

    private Object pipeline(JsonObject op) throws SQLException {
        try (PreparedStatement statement = prepare(op)) {
            for (JsonElement run : op.getAsJsonArray("runs")) {
                bind(statement, run.getAsJsonArray());
                statement.addBatch();
            }
            return Map.of("counts", statement.executeBatch());
        } catch (BatchUpdateException error) {
            throw error.getNextException() == null ? error : error.getNextException();
        }
    }

    private Object copyOut(JsonObject op) throws Exception {
        StringWriter data = new StringWriter();
        copyManager().copyOut("COPY (" + op.get("query").getAsString() + ") TO STDOUT", data);
        return Map.of("data", value(data.toString()));
    }

    private Object copyIn(JsonObject op) throws Exception {
        String sql = "COPY " + op.get("table").getAsString() + " FROM STDIN";
        return Map.of("count", copyManager().copyIn(sql, new StringReader(op.get("data").getAsString())));
    }

    private org.postgresql.copy.CopyManager copyManager() throws SQLException {
        return connection.unwrap(PGConnection.class).getCopyAPI();
    }

    private Object cursor(JsonObject op) throws SQLException {
        List<Object> all = new ArrayList<>();
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(op.get("fetch").getAsInt());
            ResultSet found = statement.executeQuery(op.get("sql").getAsString());
            int width = found.getMetaData().getColumnCount();
            while (found.next()) {
                all.add(row(found, width));
            }
            connection.commit();
        } catch (SQLException error) {
            connection.rollback();
            throw error;
        } finally {
            connection.setAutoCommit(true);
        }
        StringBuilder text = new StringBuilder(GSON.toJson(all));
        text.append(" ".repeat(LONG + 1));
        return Map.of("rows", all.size(), "digest", value(text.toString()));
    }

    private Object transaction(JsonObject op) throws SQLException {
        List<Object> counts = new ArrayList<>();
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            for (JsonElement sql : op.getAsJsonArray("statements")) {
                statement.execute(sql.getAsString());
                counts.add(statement.getUpdateCount());
            }
            connection.commit();
        } catch (SQLException error) {
            connection.rollback();
            throw error;
        } finally {
            connection.setAutoCommit(true);
        }
        return Map.of("counts", counts);
    }

    private Object notification() throws SQLException {
        PGConnection server = connection.unwrap(PGConnection.class);
        PGNotification[] found = server.getNotifications(5000);
        if (found == null || found.length == 0) {
            return Map.of();
        }
        boolean own = found[0].getPID() == server.getBackendPID();
        return Map.of("channel", found[0].getName(), "payload", found[0].getParameter(), "own", own);
    }

    private Object cancel(JsonObject op) throws SQLException {
        Timer timer = new Timer(true);
        try (Statement statement = connection.createStatement()) {
            timer.schedule(new TimerTask() {
                @Override
                public void run() {
                    try {
                        statement.cancel();
                    } catch (SQLException error) {
                        say(Map.of("cancel_failed", error.getMessage()));
                    }
                }
            }, op.get("after_ms").getAsLong());
            return Map.of("results", results(statement, statement.execute(op.get("sql").getAsString())));
        } finally {
            timer.cancel();
        }
    }

    /** JDBC writes parameters as question marks; ours come in order, each used once. */
    private PreparedStatement prepare(JsonObject op) throws SQLException {
        return connection.prepareStatement(op.get("sql").getAsString().replaceAll("\\$\\d+", "?"));
    }

    private static void bind(PreparedStatement statement, JsonArray params) throws SQLException {
        for (int i = 0; params != null && i < params.size(); i++) {
            JsonElement p = params.get(i);
            if (p.isJsonNull()) {
                statement.setObject(i + 1, null);
            } else if (p.isJsonObject()) {
                JsonObject repeated = p.getAsJsonObject();
                int times = repeated.get("times").getAsInt();
                statement.setString(i + 1, repeated.get("repeat").getAsString().repeat(times));
            } else if (p.getAsJsonPrimitive().isNumber()) {
                statement.setInt(i + 1, p.getAsInt());
            } else {
                statement.setString(i + 1, p.getAsString());
            }
        }
    }

    private static List<Object> results(Statement statement, boolean hasRows) throws SQLException {
        List<Object> results = new ArrayList<>();
        while (hasRows || statement.getUpdateCount() != -1) {
            results.add(hasRows ? table(statement.getResultSet()) : Map.of("count", statement.getUpdateCount()));
            hasRows = statement.getMoreResults();
        }
        return results;
    }

    private static Object table(ResultSet found) throws SQLException {
        ResultSetMetaData meta = found.getMetaData();
        List<Object> columns = new ArrayList<>();
        for (int i = 1; i <= meta.getColumnCount(); i++) {
            columns.add(List.of(meta.getColumnLabel(i), meta.getColumnTypeName(i)));
        }
        List<Object> rows = new ArrayList<>();
        while (found.next()) {
            rows.add(row(found, meta.getColumnCount()));
        }
        return Map.of("columns", columns, "rows", rows);
    }

    private static List<Object> row(ResultSet found, int width) throws SQLException {
        List<Object> row = new ArrayList<>();
        for (int i = 1; i <= width; i++) {
            boolean bytes = "bytea".equals(found.getMetaData().getColumnTypeName(i));
            // In binary format the driver has no text for bytes but the name of the array.
            byte[] raw = bytes ? found.getBytes(i) : null;
            row.add(value(bytes ? raw == null ? null : new BigInteger(1, raw).toString(16) : found.getString(i)));
        }
        return row;
    }

    private static Object value(String text) {
        if (text == null || text.length() <= LONG) {
            return text;
        }
        try {
            byte[] digest = MessageDigest.getInstance("MD5").digest(text.getBytes(StandardCharsets.UTF_8));
            return Map.of("length", text.length(), "md5", String.format("%032x", new BigInteger(1, digest)));
        } catch (java.security.NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    private static void notices(SQLWarning warning) {
        for (SQLWarning each = warning; each != null; each = each.getNextWarning()) {
            say(Map.of("notice", diagnosis(((PSQLWarning) each).getServerErrorMessage(), each.getMessage())));
        }
    }

    private static Map<String, Object> failure(SQLException error) {
        ServerErrorMessage message = error instanceof PSQLException
                ? ((PSQLException) error).getServerErrorMessage() : null;
        Map<String, Object> diagnosis = diagnosis(message, error.getMessage());
        diagnosis.putIfAbsent("sqlstate", error.getSQLState());
        return Map.of("error", diagnosis);
    }

    private static Map<String, Object> diagnosis(ServerErrorMessage message, String otherwise) {
        Map<String, Object> fields = new java.util.TreeMap<>();
        if (message == null) {
            fields.put("message", otherwise);
            return fields;
        }
        fields.put("sqlstate", message.getSQLState());
        fields.put("severity", message.getSeverity());
        fields.put("message", message.getMessage());
        fields.put("detail", message.getDetail());
        fields.put("hint", message.getHint());
        return fields;
    }

    private static synchronized void say(Object message) {
        System.out.println(GSON.toJson(message));
        System.out.flush();
    }
}
