-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateEnum
CREATE TYPE "user_role" AS ENUM ('user', 'admin');

-- CreateEnum
CREATE TYPE "client_registration" AS ENUM ('operator', 'dynamic');

-- CreateEnum
CREATE TYPE "token_format" AS ENUM ('opaque', 'jwt');

-- CreateEnum
CREATE TYPE "token_kind" AS ENUM ('AccessToken', 'RefreshToken', 'ClientCredentials');

-- CreateEnum
CREATE TYPE "record_kind" AS ENUM ('Interaction', 'PushedAuthorizationRequest', 'RegistrationAccessToken', 'ReplayDetection');

-- CreateTable
CREATE TABLE "user_account" (
    "id" TEXT NOT NULL,
    "email" TEXT NOT NULL,
    "email_verified" BOOLEAN NOT NULL DEFAULT false,
    "username" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "password_hash" TEXT NOT NULL,
    "role" "user_role" NOT NULL DEFAULT 'user',
    "locale" TEXT,
    "disabled_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "user_account_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "client" (
    "id" TEXT NOT NULL,
    "metadata" JSONB NOT NULL,
    "registration" "client_registration" NOT NULL DEFAULT 'operator',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "introspects" TEXT,

    CONSTRAINT "client_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "client_secret" (
    "digest" BYTEA NOT NULL,
    "client_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3),

    CONSTRAINT "client_secret_pkey" PRIMARY KEY ("digest")
);

-- CreateTable
CREATE TABLE "resource_server" (
    "identifier" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "token_format" "token_format" NOT NULL DEFAULT 'opaque',
    "access_token_ttl_seconds" INTEGER NOT NULL DEFAULT 3600,

    CONSTRAINT "resource_server_pkey" PRIMARY KEY ("identifier")
);

-- CreateTable
CREATE TABLE "scope" (
    "name" TEXT NOT NULL,
    "resource_server_id" TEXT NOT NULL,
    "required" BOOLEAN NOT NULL DEFAULT false,
    "sensitive" BOOLEAN NOT NULL DEFAULT false,
    "title_ko" TEXT NOT NULL,
    "title_en" TEXT NOT NULL,
    "position" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "scope_pkey" PRIMARY KEY ("resource_server_id","name")
);

-- CreateTable
CREATE TABLE "grant_record" (
    "id" TEXT NOT NULL,
    "client_id" TEXT NOT NULL,
    "account_id" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "payload" JSONB NOT NULL,

    CONSTRAINT "grant_record_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "authorization_code" (
    "id" BYTEA NOT NULL,
    "client_id" TEXT NOT NULL,
    "account_id" TEXT NOT NULL,
    "grant_id" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "consumed_at" TIMESTAMPTZ(3),
    "payload" JSONB NOT NULL,

    CONSTRAINT "authorization_code_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "token" (
    "id" BYTEA NOT NULL,
    "kind" "token_kind" NOT NULL,
    "client_id" TEXT NOT NULL,
    "account_id" TEXT,
    "grant_id" TEXT,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "consumed_at" TIMESTAMPTZ(3),
    "payload" JSONB NOT NULL,

    CONSTRAINT "token_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "session" (
    "id" BYTEA NOT NULL,
    "uid" TEXT NOT NULL,
    "account_id" TEXT,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "payload" JSONB NOT NULL,

    CONSTRAINT "session_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "protocol_record" (
    "kind" "record_kind" NOT NULL,
    "id" BYTEA NOT NULL,
    "client_id" TEXT,
    "expires_at" TIMESTAMPTZ(3),
    "consumed_at" TIMESTAMPTZ(3),
    "payload" JSONB NOT NULL,

    CONSTRAINT "protocol_record_pkey" PRIMARY KEY ("kind","id")
);

-- CreateTable
CREATE TABLE "signing_key" (
    "kid" TEXT NOT NULL,
    "algorithm" TEXT NOT NULL,
    "private_jwk" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "retired_at" TIMESTAMPTZ(3),

    CONSTRAINT "signing_key_pkey" PRIMARY KEY ("kid")
);

-- CreateTable
CREATE TABLE "post" (
    "id" TEXT NOT NULL,
    "title" TEXT NOT NULL,
    "body" TEXT NOT NULL,
    "author_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "post_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "user_account_email_key" ON "user_account"("email");

-- CreateIndex
CREATE UNIQUE INDEX "user_account_username_key" ON "user_account"("username");

-- CreateIndex
CREATE INDEX "client_introspects_idx" ON "client"("introspects");

-- CreateIndex
CREATE INDEX "client_secret_client_id_idx" ON "client_secret"("client_id");

-- CreateIndex
CREATE INDEX "grant_record_client_id_idx" ON "grant_record"("client_id");

-- CreateIndex
CREATE INDEX "grant_record_account_id_idx" ON "grant_record"("account_id");

-- CreateIndex
CREATE INDEX "grant_record_expires_at_idx" ON "grant_record"("expires_at");

-- CreateIndex
CREATE INDEX "authorization_code_client_id_idx" ON "authorization_code"("client_id");

-- CreateIndex
CREATE INDEX "authorization_code_account_id_idx" ON "authorization_code"("account_id");

-- CreateIndex
CREATE INDEX "authorization_code_grant_id_idx" ON "authorization_code"("grant_id");

-- CreateIndex
CREATE INDEX "authorization_code_expires_at_idx" ON "authorization_code"("expires_at");

-- CreateIndex
CREATE INDEX "token_client_id_idx" ON "token"("client_id");

-- CreateIndex
CREATE INDEX "token_account_id_idx" ON "token"("account_id");

-- CreateIndex
CREATE INDEX "token_grant_id_idx" ON "token"("grant_id");

-- CreateIndex
CREATE INDEX "token_expires_at_idx" ON "token"("expires_at");

-- CreateIndex
CREATE UNIQUE INDEX "session_uid_key" ON "session"("uid");

-- CreateIndex
CREATE INDEX "session_account_id_idx" ON "session"("account_id");

-- CreateIndex
CREATE INDEX "session_expires_at_idx" ON "session"("expires_at");

-- CreateIndex
CREATE INDEX "protocol_record_client_id_idx" ON "protocol_record"("client_id");

-- CreateIndex
CREATE INDEX "protocol_record_expires_at_idx" ON "protocol_record"("expires_at");

-- CreateIndex
CREATE INDEX "post_author_id_idx" ON "post"("author_id");

-- AddForeignKey
ALTER TABLE "client" ADD CONSTRAINT "client_introspects_fkey" FOREIGN KEY ("introspects") REFERENCES "resource_server"("identifier") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "client_secret" ADD CONSTRAINT "client_secret_client_id_fkey" FOREIGN KEY ("client_id") REFERENCES "client"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "scope" ADD CONSTRAINT "scope_resource_server_id_fkey" FOREIGN KEY ("resource_server_id") REFERENCES "resource_server"("identifier") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "grant_record" ADD CONSTRAINT "grant_record_client_id_fkey" FOREIGN KEY ("client_id") REFERENCES "client"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "grant_record" ADD CONSTRAINT "grant_record_account_id_fkey" FOREIGN KEY ("account_id") REFERENCES "user_account"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "authorization_code" ADD CONSTRAINT "authorization_code_client_id_fkey" FOREIGN KEY ("client_id") REFERENCES "client"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "authorization_code" ADD CONSTRAINT "authorization_code_account_id_fkey" FOREIGN KEY ("account_id") REFERENCES "user_account"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "authorization_code" ADD CONSTRAINT "authorization_code_grant_id_fkey" FOREIGN KEY ("grant_id") REFERENCES "grant_record"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "token" ADD CONSTRAINT "token_client_id_fkey" FOREIGN KEY ("client_id") REFERENCES "client"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "token" ADD CONSTRAINT "token_account_id_fkey" FOREIGN KEY ("account_id") REFERENCES "user_account"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "token" ADD CONSTRAINT "token_grant_id_fkey" FOREIGN KEY ("grant_id") REFERENCES "grant_record"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "session" ADD CONSTRAINT "session_account_id_fkey" FOREIGN KEY ("account_id") REFERENCES "user_account"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "protocol_record" ADD CONSTRAINT "protocol_record_client_id_fkey" FOREIGN KEY ("client_id") REFERENCES "client"("id") ON DELETE CASCADE ON UPDATE CASCADE;
