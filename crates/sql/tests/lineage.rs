//! Where the values of a masked column can come out.

mod support;

use support::{Shop, read};

const EMAIL: (&str, &str) = ("public.customers", "email");

fn may_carry(text: &str, output: Option<usize>) -> bool {
    read(text).may_carry(&Shop::new().session(), output, EMAIL.0, EMAIL.1)
}

#[test]
fn i6_masked_column_is_found_wherever_it_may_come_out() {
    for text in [
        "SELECT upper(email) FROM customers",
        "SELECT c.email || 'x' FROM customers c",
        "SELECT * FROM customers",
        "SELECT c FROM customers c",
        "SELECT row_to_json(c) FROM customers c",
        "SELECT to_jsonb(customers) FROM customers",
        "SELECT (c).email FROM customers c",
        "SELECT email(c) FROM customers c",
        "SELECT string_agg(email, ',') FROM customers",
        "SELECT x.e FROM (SELECT email AS e FROM customers) x",
        "SELECT upper(b) FROM customers AS c (a, n, b)",
        "WITH x (a, b, c) AS (TABLE customers) SELECT upper(c) FROM x",
        "SELECT (SELECT max(email) FROM customers)",
        "SELECT CASE WHEN email LIKE 'a%' THEN 1 END FROM customers",
        "SELECT contact || '' FROM paid",
        "SELECT a || '' FROM addresses",
        "SELECT address || '' FROM mailing",
        "SELECT name FROM sneaky_view",
        "SELECT evil('x')",
        "SELECT query_to_xml('SELECT * FROM customers', true, true, '')",
        "SELECT most_common_vals FROM pg_stats",
        "SELECT * FROM nowhere",
        "DELETE FROM customers RETURNING upper(email)",
        "UPDATE customers SET name = 'x' RETURNING *",
        "INSERT INTO customers (name) VALUES ('x') RETURNING email || ''",
        "COPY customers TO STDOUT",
        "COPY customers (email) TO STDOUT",
        "FETCH ALL FROM c",
        "EXECUTE never_seen",
        "SELECT upper(email) FROM customers NATURAL JOIN orders",
        "SELECT 1; SELECT upper(email) FROM customers",
        "SELEC",
    ] {
        assert!(may_carry(text, None), "{text}");
    }
}

#[test]
fn what_cannot_carry_the_column_is_left_alone() {
    for text in [
        "SELECT upper(name) FROM customers",
        "SELECT count(*) FROM customers",
        "SELECT upper(payments) FROM orders",
        "SELECT upper(email) FROM crm.customers",
        "SELECT 1",
        "EXECUTE look",
        "COPY customers (id, name) TO STDOUT",
    ] {
        assert!(!may_carry(text, None), "{text}");
    }
}

#[test]
fn one_output_of_several_is_told_apart() {
    let text =
        "SELECT upper(name), upper(email), id + 1, (SELECT max(email) FROM customers), c FROM customers c";
    let carried: Vec<bool> = (0..5).map(|output| may_carry(text, Some(output))).collect();
    assert_eq!(carried, [false, true, false, true, true]);
    let view = "SELECT amount + 1, upper(contact) FROM paid";
    assert!(!may_carry(view, Some(0)));
    assert!(may_carry(view, Some(1)));
}

#[test]
fn i6_a_column_of_a_view_or_a_partition_is_the_column_behind_it() {
    let shop = Shop::new();
    let carries = |relation: &str, attribute, of: (&str, &str)| {
        shop.catalogue.carries(shop.oid(relation), attribute, of.0, of.1)
    };
    assert!(carries("public.customers", 3, EMAIL));
    assert!(!carries("public.customers", 2, EMAIL));
    assert!(carries("public.paid", 3, EMAIL));
    assert!(!carries("public.paid", 2, EMAIL));
    assert!(carries("public.addresses", 1, EMAIL));
    assert!(carries("public.mailing", 2, EMAIL));
    assert!(carries("public.events_1", 3, ("public.events", "email")));
    assert!(carries("public.events", 3, ("public.events_1", "email")));
    assert!(!carries("public.events", 1, ("public.events_1", "email")));
    assert!(!carries("crm.customers", 2, EMAIL));
    assert!(shop.catalogue.carries(1, 1, EMAIL.0, EMAIL.1));
}
