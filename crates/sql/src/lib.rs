//! What a SQL statement does, read with the server's own grammar.
