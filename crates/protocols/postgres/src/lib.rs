//! PostgreSQL: protocol 3.0 and 3.2 on the road.
