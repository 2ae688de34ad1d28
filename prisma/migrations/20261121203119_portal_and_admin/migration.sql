-- AlterEnum
-- This migration adds more than one value to an enum.
-- With PostgreSQL versions 11 and earlier, this is not possible
-- in a single migration. This can be worked around by creating
-- multiple migrations, each migration adding only one value to
-- the enum.


ALTER TYPE "user_role" ADD VALUE 'support';
ALTER TYPE "user_role" ADD VALUE 'auditor';

-- AlterTable
ALTER TABLE "client" ADD COLUMN     "admin_scopes" TEXT[] DEFAULT ARRAY[]::TEXT[],
ADD COLUMN     "registered_with" TEXT;

-- AlterTable
ALTER TABLE "client_secret" ADD COLUMN     "hint" TEXT,
ADD COLUMN     "used_at" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "resource_server" ADD COLUMN     "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "id" TEXT NOT NULL DEFAULT uuidv7()::text,
ADD COLUMN     "owner_id" TEXT;

-- AlterTable
ALTER TABLE "audit_event" ADD COLUMN     "actor_id" TEXT;

-- CreateTable
CREATE TABLE "client_owner" (
    "client_id" TEXT NOT NULL,
    "account_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "client_owner_pkey" PRIMARY KEY ("client_id","account_id")
);

-- CreateTable
CREATE TABLE "client_invitation" (
    "id" TEXT NOT NULL,
    "client_id" TEXT NOT NULL,
    "email" TEXT NOT NULL,
    "invited_by" TEXT NOT NULL,
    "transfer" BOOLEAN NOT NULL DEFAULT false,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "client_invitation_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "client_error" (
    "id" TEXT NOT NULL,
    "client_id" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "endpoint" TEXT NOT NULL,
    "error" TEXT NOT NULL,
    "description" TEXT,
    "request_id" TEXT,
    "detail" JSONB NOT NULL,

    CONSTRAINT "client_error_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "hourly_count" (
    "hour" TIMESTAMPTZ(3) NOT NULL,
    "name" TEXT NOT NULL,
    "label" TEXT NOT NULL DEFAULT '',
    "count" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "hourly_count_pkey" PRIMARY KEY ("hour","name","label")
);

-- CreateTable
CREATE TABLE "idempotency_key" (
    "key" BYTEA NOT NULL,
    "request" BYTEA NOT NULL,
    "sealed" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "idempotency_key_pkey" PRIMARY KEY ("key")
);

-- CreateTable
CREATE TABLE "software_statement_issuer" (
    "issuer" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "jwks" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "software_statement_issuer_pkey" PRIMARY KEY ("issuer")
);

-- CreateIndex
CREATE INDEX "client_owner_account_id_idx" ON "client_owner"("account_id");

-- CreateIndex
CREATE INDEX "client_invitation_email_idx" ON "client_invitation"("email");

-- CreateIndex
CREATE INDEX "client_invitation_expires_at_idx" ON "client_invitation"("expires_at");

-- CreateIndex
CREATE UNIQUE INDEX "client_invitation_client_id_email_key" ON "client_invitation"("client_id", "email");

-- CreateIndex
CREATE INDEX "client_error_client_id_at_idx" ON "client_error"("client_id", "at");

-- CreateIndex
CREATE INDEX "client_error_at_idx" ON "client_error"("at");

-- CreateIndex
CREATE INDEX "idempotency_key_expires_at_idx" ON "idempotency_key"("expires_at");

-- CreateIndex
CREATE UNIQUE INDEX "resource_server_id_key" ON "resource_server"("id");

-- AddForeignKey
ALTER TABLE "client_owner" ADD CONSTRAINT "client_owner_client_id_fkey" FOREIGN KEY ("client_id") REFERENCES "client"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "client_owner" ADD CONSTRAINT "client_owner_account_id_fkey" FOREIGN KEY ("account_id") REFERENCES "user_account"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "client_invitation" ADD CONSTRAINT "client_invitation_client_id_fkey" FOREIGN KEY ("client_id") REFERENCES "client"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "client_error" ADD CONSTRAINT "client_error_client_id_fkey" FOREIGN KEY ("client_id") REFERENCES "client"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "resource_server" ADD CONSTRAINT "resource_server_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "user_account"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- Partial, because these columns are mostly null.
CREATE INDEX "resource_server_owner_id_idx" ON "resource_server"("owner_id") WHERE "owner_id" IS NOT NULL;
CREATE INDEX "audit_event_actor_id_at_idx" ON "audit_event"("actor_id", "at") WHERE "actor_id" IS NOT NULL;
CREATE INDEX "audit_event_client_id_at_idx" ON "audit_event"("client_id", "at") WHERE "client_id" IS NOT NULL;
CREATE INDEX "audit_event_request_id_idx" ON "audit_event"("request_id") WHERE "request_id" IS NOT NULL;

-- What was written of what was done stays as it was written.
create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end
$$;

create trigger audit_event_append_only before update on audit_event for each row execute function refuse_change();

-- When a secret was used is written now and then, and nobody has to know; who looks after a client is part of what nodes keep of it.
drop trigger tell_client_changed on client_secret;
create trigger tell_client_changed after insert or update of digest, client_id, expires_at or delete on client_secret for each row execute function tell_client_changed();
create trigger tell_client_changed after insert or update or delete on client_owner for each row execute function tell_client_changed();

create function tell_resource_servers_changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('resource_server_changed', '');
  return null;
end
$$;

create trigger tell_resource_servers_changed after insert or update or delete on resource_server for each statement execute function tell_resource_servers_changed();
create trigger tell_resource_servers_changed after insert or update or delete on scope for each statement execute function tell_resource_servers_changed();
