-- A small shop. Every person, address and card is made up; the cards pass the Luhn check and lie in
-- ranges that no bank issues. Nothing here is random: the rows are the same every time.
CREATE ROLE shop_app LOGIN;
ALTER DATABASE shop OWNER TO shop_app;
ALTER SCHEMA public OWNER TO shop_app;
SET ROLE shop_app;

CREATE TABLE customers (
    id      integer PRIMARY KEY,
    name    text NOT NULL,
    email   text NOT NULL UNIQUE,
    phone   text NOT NULL,
    card    text NOT NULL,
    city    text NOT NULL,
    credit_cents integer NOT NULL DEFAULT 0 CHECK (credit_cents >= 0),
    since   date NOT NULL
);
CREATE TABLE products (
    id          integer PRIMARY KEY,
    name        text NOT NULL,
    price_cents integer NOT NULL CHECK (price_cents > 0)
);
CREATE TABLE orders (
    id          integer PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES customers,
    status      text NOT NULL CHECK (status IN ('open', 'paid', 'shipped', 'cancelled')),
    placed_at   timestamptz NOT NULL
);
CREATE TABLE order_items (
    order_id    integer NOT NULL REFERENCES orders,
    line        integer NOT NULL,
    product_id  integer NOT NULL REFERENCES products,
    quantity    integer NOT NULL CHECK (quantity > 0),
    price_cents integer NOT NULL,
    PRIMARY KEY (order_id, line)
);
CREATE TABLE payments (
    id           integer PRIMARY KEY,
    order_id     integer NOT NULL REFERENCES orders,
    amount_cents integer NOT NULL,
    card_last4   text NOT NULL,
    paid_at      timestamptz NOT NULL
);

-- The 16th digit that makes 15 digits pass the Luhn check.
CREATE FUNCTION pg_temp.with_check_digit(digits text) RETURNS text LANGUAGE sql AS $$
    SELECT digits || ((10 - sum(CASE WHEN i % 2 = 1 THEN (d * 2) / 10 + (d * 2) % 10 ELSE d END) % 10) % 10)
    FROM (SELECT i, substr(digits, i, 1)::integer AS d FROM generate_series(1, 15) AS i) AS each_digit
$$;

INSERT INTO customers
SELECT n,
       first || ' ' || last,
       lower(first) || '.' || lower(last) || '@example.' || (ARRAY['com', 'org', 'net'])[1 + n % 3],
       '+49 30 555' || lpad(((n * 7919) % 10000)::text, 4, '0'),
       regexp_replace(pg_temp.with_check_digit('400000' || lpad(((n::bigint * 982451653) % 1000000000)::text, 9, '0')),
                      '(\d{4})(?=\d)', '\1 ', 'g'),
       (ARRAY['Berlin', 'Hamburg', 'Leipzig', 'Köln', 'München', 'Bremen'])[1 + n % 6],
       (n * 137) % 5000,
       date '2022-01-01' + (n * 3) % 1000
FROM generate_series(1, 300) AS n,
     LATERAL (SELECT (ARRAY['Ada', 'Bela', 'Carla', 'Dario', 'Edda', 'Franz', 'Greta', 'Hugo', 'Ines', 'Jonas',
                            'Klara', 'Levin', 'Mila', 'Nils', 'Olga', 'Paul', 'Rosa', 'Simon', 'Tilda', 'Udo'])
                     [1 + (n - 1) % 20] AS first,
                     (ARRAY['Adler', 'Brandt', 'Conrad', 'Dietrich', 'Engel', 'Falk', 'Graf', 'Hartmann', 'Jung',
                            'Keller', 'Lorenz', 'Maurer', 'Neumann', 'Otto', 'Peters'])
                     [1 + (n - 1) / 20] AS last) AS person;

INSERT INTO products
SELECT n, (ARRAY['Teapot', 'Lamp', 'Notebook', 'Umbrella', 'Chair', 'Kettle', 'Scarf', 'Clock', 'Basket', 'Mirror'])
          [1 + (n - 1) % 10] || ' ' || (ARRAY['small', 'medium', 'large', 'green'])[1 + (n - 1) / 10],
       495 + (n * 1371) % 9000
FROM generate_series(1, 40) AS n;

INSERT INTO orders
SELECT n, 1 + (n * 37) % 300,
       CASE WHEN n % 5 = 0 THEN (ARRAY['open', 'cancelled'])[1 + n % 2] ELSE (ARRAY['paid', 'shipped'])[1 + n % 2] END,
       timestamptz '2026-01-01 08:00+00' + n * interval '7 hours 11 minutes'
FROM generate_series(1, 900) AS n;

INSERT INTO order_items
SELECT o.id, line, p.id, 1 + (o.id + line) % 3, p.price_cents
FROM orders AS o, generate_series(1, 3) AS line, LATERAL (SELECT 1 + (o.id * 7 + line * 11) % 40 AS pick) AS chosen
JOIN products AS p ON p.id = chosen.pick
WHERE line <= 1 + o.id % 3;

INSERT INTO payments
SELECT row_number() OVER (ORDER BY o.id), o.id, sum(i.quantity * i.price_cents), right(c.card, 4),
       o.placed_at + interval '12 minutes'
FROM orders AS o JOIN order_items AS i ON i.order_id = o.id JOIN customers AS c ON c.id = o.customer_id
WHERE o.status IN ('paid', 'shipped')
GROUP BY o.id, c.card;

RESET ROLE;
ANALYZE;
