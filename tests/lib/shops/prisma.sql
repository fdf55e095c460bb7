-- SPDX-License-Identifier: GPL-3.0-or-later
-- A shop's database as Prisma makes it: quoted camelCase, ids that the client makes, timestamps without a zone, an enum,
-- cascades, and an updatedAt that a trigger of the application keeps. No url is stored.
CREATE TYPE "ImageType" AS ENUM ('hero-card', 'info-card', 'other-images');

CREATE TABLE "Category" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "title" TEXT NOT NULL
);
CREATE TABLE "Product" (
    "id" TEXT NOT NULL,
    "title" TEXT NOT NULL,
    "price" DECIMAL(10, 2) NOT NULL DEFAULT 0,
    "stock" INTEGER NOT NULL DEFAULT 0,
    "categoryId" TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    CONSTRAINT "Product_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "Product_categoryId_fkey" FOREIGN KEY ("categoryId") REFERENCES "Category" ("id")
        ON DELETE SET NULL ON UPDATE CASCADE
);
CREATE TABLE "ProductVariant" (
    "id" TEXT NOT NULL,
    "productId" TEXT NOT NULL,
    "weight" VARCHAR(60) NOT NULL,
    "isActive" BOOLEAN NOT NULL DEFAULT true,
    "priceFactor" DOUBLE PRECISION NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    CONSTRAINT "ProductVariant_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "ProductVariant_productId_fkey" FOREIGN KEY ("productId") REFERENCES "Product" ("id")
        ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE UNIQUE INDEX "ProductVariant_productId_weight_key" ON "ProductVariant" ("productId", "weight");
CREATE TABLE "ProductImage" (
    "id" TEXT NOT NULL,
    "productId" TEXT NOT NULL,
    "variantId" TEXT,
    "variantWeight" TEXT,
    "imageType" "ImageType" NOT NULL,
    "fileName" TEXT NOT NULL,
    "altText" TEXT NOT NULL,
    "position" INTEGER NOT NULL DEFAULT 0,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    CONSTRAINT "ProductImage_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "ProductImage_productId_fkey" FOREIGN KEY ("productId") REFERENCES "Product" ("id")
        ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "ProductImage_variantId_fkey" FOREIGN KEY ("variantId") REFERENCES "ProductVariant" ("id")
        ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE UNIQUE INDEX "ProductImage_fileName_key" ON "ProductImage" ("fileName");
CREATE INDEX "ProductImage_variantId_idx" ON "ProductImage" ("variantId");
CREATE INDEX "ProductImage_productId_idx" ON "ProductImage" ("productId");
CREATE TABLE "Order" (
    "id" SERIAL PRIMARY KEY,
    "variantId" TEXT REFERENCES "ProductVariant" ("id") ON DELETE SET NULL ON UPDATE CASCADE,
    "customer" TEXT NOT NULL
);

CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN NEW."updatedAt" := now() AT TIME ZONE 'UTC'; RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON "ProductImage" FOR EACH ROW EXECUTE FUNCTION touch();
