-- A user proves the mailbox again before a new way in is added: see features/account/proof.ts.
alter type one_time_token_purpose add value 'prove_mailbox';

-- When the user last proved to read the mail of the account's address. A reset removes what was added since.
-- What an existing account has at this upgrade counts as its own: a reset must not take a factor of years ago away. By a default, which is dropped
-- again: no row is written.
ALTER TABLE "user_account" ADD COLUMN     "mailbox_proven_at" TIMESTAMPTZ(3) DEFAULT now(),
ADD COLUMN     "devices_since" TIMESTAMPTZ(3);
ALTER TABLE "user_account" ALTER COLUMN "mailbox_proven_at" DROP DEFAULT;

-- Which account brought a co-owner, made a client secret, or made an initial access token: a reset of that account removes them.
ALTER TABLE "client_owner" ADD COLUMN     "invited_by" TEXT;
ALTER TABLE "client_secret" ADD COLUMN     "made_by" TEXT;
ALTER TABLE "initial_access_token" ADD COLUMN     "made_by" TEXT;
create index client_owner_invited_by_idx on client_owner (invited_by) where invited_by is not null;
create index client_secret_made_by_idx on client_secret (made_by) where made_by is not null;

-- The links "this was not me" in letters about a change.
CREATE TABLE "not_me_link" (
    "id" BYTEA NOT NULL,
    "account_id" TEXT NOT NULL,
    "change" TEXT NOT NULL,
    "email" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "not_me_link_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "not_me_link_account_id_idx" ON "not_me_link"("account_id");

-- CreateIndex
CREATE INDEX "not_me_link_expires_at_idx" ON "not_me_link"("expires_at");

-- AddForeignKey
ALTER TABLE "not_me_link" ADD CONSTRAINT "not_me_link_account_id_fkey" FOREIGN KEY ("account_id") REFERENCES "user_account"("id") ON DELETE CASCADE ON UPDATE CASCADE;
