//! The shop: a small database of made-up people, orders and payments, the same rows every time.

use anyhow::Result;

use super::{Auth, Postgres};

/// Its database.
pub const DATABASE: &str = "shop";

/// The role that applications use there. It owns the tables, so that DROP is its own to ask for.
pub const ROLE: &str = "shop_app";

/// That role's password; never to be seen by a client of the gateway.
pub const PASSWORD: &str = "korrekt-horse-1977";

/// What the database is made of.
pub(super) const SQL: &str = include_str!("shop.sql");

/// Gives the role its password, stored as the way of asking for it needs it.
pub(super) fn set_password(server: &Postgres, auth: Auth) -> Result<()> {
    let encryption = auth.password_encryption();
    server
        .sql(&format!("SET password_encryption = '{encryption}'; ALTER ROLE {ROLE} PASSWORD '{PASSWORD}'"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PostgresOptions;

    /// The check that every payment terminal makes.
    fn luhn(card: &str) -> bool {
        let digits: Vec<u32> = card.chars().filter_map(|c| c.to_digit(10)).collect();
        let sum: u32 = digits
            .iter()
            .rev()
            .enumerate()
            .map(|(index, digit)| if index % 2 == 0 { *digit } else { digit * 2 - 9 * u32::from(*digit > 4) })
            .sum();
        digits.len() == 16 && sum.is_multiple_of(10)
    }

    #[test]
    fn the_shop_holds_together() {
        let server = Postgres::start(PostgresOptions::default()).unwrap();
        let counts = "SELECT (SELECT count(*) FROM customers), (SELECT count(DISTINCT email) FROM customers),
                             (SELECT count(*) FROM orders), (SELECT count(*) FROM payments)";
        assert_eq!(server.sql(counts).unwrap(), "300|300|900|720");
        let cards = server.sql("SELECT card FROM customers").unwrap();
        assert!(cards.lines().all(luhn), "a card fails its check digit");
        let unpaid = "SELECT count(*) FROM payments p WHERE amount_cents <>
                      (SELECT sum(quantity * price_cents) FROM order_items i WHERE i.order_id = p.order_id)";
        assert_eq!(server.sql(unpaid).unwrap(), "0");
        let owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'";
        assert_eq!(server.sql(owners).unwrap(), ROLE);
    }

    #[test]
    fn every_server_gets_the_same_rows() {
        let digest = "SELECT md5(string_agg(c::text, ',' ORDER BY id)) FROM customers c";
        let one = Postgres::start(PostgresOptions::default()).unwrap().sql(digest).unwrap();
        let other = Postgres::start(PostgresOptions::default()).unwrap().sql(digest).unwrap();
        assert_eq!(one, other);
    }
}
