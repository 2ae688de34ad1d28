-- AlterTable
ALTER TABLE "user_account" ADD COLUMN     "terms_agreed_at" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "client" ADD COLUMN     "origins" TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[],
ADD COLUMN     "services" TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[];

-- CreateTable
CREATE TABLE "upstream_provider" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "settings" JSONB NOT NULL,
    "credentials" TEXT,
    "position" INTEGER NOT NULL DEFAULT 0,
    "disabled_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "upstream_provider_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "upstream_service" (
    "provider_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "upstream_scopes" TEXT[] NOT NULL,
    "sensitive" BOOLEAN NOT NULL DEFAULT true,
    "title_ko" TEXT NOT NULL,
    "title_en" TEXT NOT NULL,
    "position" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "upstream_service_pkey" PRIMARY KEY ("provider_id","name")
);

-- CreateTable
CREATE TABLE "upstream_identity" (
    "id" TEXT NOT NULL,
    "provider_id" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "account_id" TEXT NOT NULL,
    "details" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "refreshed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "upstream_identity_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "upstream_token" (
    "id" TEXT NOT NULL,
    "provider_id" TEXT NOT NULL,
    "identity_id" TEXT NOT NULL,
    "grant_id" TEXT,
    "scope" TEXT NOT NULL,
    "access_token" TEXT NOT NULL,
    "refresh_token" TEXT,
    "expires_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "refreshed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "claimed_until" TIMESTAMPTZ(3),
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "upstream_token_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "upstream_visit" (
    "id" BYTEA NOT NULL,
    "provider_id" TEXT NOT NULL,
    "return_to" TEXT NOT NULL,
    "bound" TEXT NOT NULL,
    "sealed" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "consumed_at" TIMESTAMPTZ(3),

    CONSTRAINT "upstream_visit_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "upstream_revocation" (
    "id" TEXT NOT NULL,
    "provider_id" TEXT NOT NULL,
    "access_token" TEXT NOT NULL,
    "refresh_token" TEXT,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "due_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "upstream_revocation_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "client_origins_idx" ON "client" USING GIN ("origins");

-- CreateIndex
CREATE UNIQUE INDEX "upstream_identity_provider_id_subject_key" ON "upstream_identity"("provider_id", "subject");

-- CreateIndex
CREATE UNIQUE INDEX "upstream_identity_account_id_provider_id_key" ON "upstream_identity"("account_id", "provider_id");

-- CreateIndex
CREATE INDEX "upstream_token_grant_id_idx" ON "upstream_token"("grant_id") WHERE "grant_id" IS NOT NULL;

-- CreateIndex
CREATE INDEX "upstream_token_identity_id_idx" ON "upstream_token"("identity_id");

-- CreateIndex
CREATE INDEX "upstream_visit_expires_at_idx" ON "upstream_visit"("expires_at");

-- CreateIndex
CREATE INDEX "upstream_revocation_due_at_idx" ON "upstream_revocation"("due_at");

-- CreateIndex
CREATE INDEX "upstream_revocation_expires_at_idx" ON "upstream_revocation"("expires_at");

-- AddForeignKey
ALTER TABLE "upstream_service" ADD CONSTRAINT "upstream_service_provider_id_fkey" FOREIGN KEY ("provider_id") REFERENCES "upstream_provider"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "upstream_identity" ADD CONSTRAINT "upstream_identity_provider_id_fkey" FOREIGN KEY ("provider_id") REFERENCES "upstream_provider"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "upstream_identity" ADD CONSTRAINT "upstream_identity_account_id_fkey" FOREIGN KEY ("account_id") REFERENCES "user_account"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "upstream_token" ADD CONSTRAINT "upstream_token_identity_id_fkey" FOREIGN KEY ("identity_id") REFERENCES "upstream_identity"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "upstream_token" ADD CONSTRAINT "upstream_token_grant_id_fkey" FOREIGN KEY ("grant_id") REFERENCES "grant_record"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "upstream_visit" ADD CONSTRAINT "upstream_visit_provider_id_fkey" FOREIGN KEY ("provider_id") REFERENCES "upstream_provider"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- Whoever ends a person's link to a provider, by whatever way, leaves word of the tokens that the provider is to be told of. Not of those of
-- one app: to many a provider one token stands for all that it gave us for this person. Asked at the end of the transaction: with an account
-- the app's grant may go before the link does.
create function leave_for_revocation() returns trigger language plpgsql as $$
begin
  if not exists (select from upstream_identity where id = old.identity_id) then
    insert into upstream_revocation (id, provider_id, access_token, refresh_token, expires_at)
    values (old.id, old.provider_id, old.access_token, old.refresh_token, now() + interval '1 day')
    on conflict (id) do nothing;
    perform pg_notify('upstream_revocation', '');
  end if;
  return null;
end
$$;

create constraint trigger leave_for_revocation after delete on upstream_token deferrable initially deferred
  for each row execute function leave_for_revocation();

-- Which scopes there are is kept in memory on every node.
create function tell_providers_changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('upstream_provider_changed', '');
  return null;
end
$$;

create trigger tell_providers_changed after insert or update or delete on upstream_provider for each statement execute function tell_providers_changed();
create trigger tell_providers_changed after insert or update or delete on upstream_service for each statement execute function tell_providers_changed();
