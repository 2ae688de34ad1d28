-- CreateTable
CREATE TABLE "initial_access_token" (
    "id" TEXT NOT NULL,
    "digest" BYTEA NOT NULL,
    "name" TEXT NOT NULL,
    "max_clients" INTEGER NOT NULL,
    "clients" INTEGER NOT NULL DEFAULT 0,
    "grant_types" TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[],
    "scopes" TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[],
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "initial_access_token_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "initial_access_token_digest_key" ON "initial_access_token"("digest");

-- CreateIndex
CREATE INDEX "initial_access_token_expires_at_idx" ON "initial_access_token"("expires_at");
