-- SPDX-License-Identifier: GPL-3.0-or-later
-- A shop's database as Rails or Laravel make it: plural snake_case, serial ids, rows that are deleted softly, products
-- that are known by a slug. Images have no weight of their own.
CREATE TABLE products (
    id serial PRIMARY KEY,
    slug varchar(255) NOT NULL UNIQUE,
    title text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE product_variants (
    id bigserial PRIMARY KEY,
    product_id integer NOT NULL REFERENCES products (id),
    weight text NOT NULL,
    active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);
CREATE UNIQUE INDEX ON product_variants (product_id, weight) WHERE deleted_at IS NULL;
CREATE TABLE product_images (
    id bigserial PRIMARY KEY,
    product_id integer REFERENCES products (id),
    product_variant_id bigint REFERENCES product_variants (id),
    image_type varchar(40) NOT NULL,
    file_name varchar(1024) NOT NULL,
    image_url text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);
CREATE UNIQUE INDEX ON product_images (file_name) WHERE deleted_at IS NULL;
CREATE INDEX ON product_images (product_variant_id);
CREATE INDEX ON product_images (product_id);
CREATE TABLE orders (id serial PRIMARY KEY, product_variant_id bigint REFERENCES product_variants (id), customer text);
