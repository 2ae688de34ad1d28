-- User names that were given up, so that nobody passes for who had one: see people/usernames.ts.

-- CreateTable
CREATE TABLE "resting_username" (
    "id" BYTEA NOT NULL,
    "holder" BYTEA NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "resting_username_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "resting_username_expires_at_idx" ON "resting_username"("expires_at");

-- People change their names, and operators, pruning and commands delete accounts: each way gives a name up.
create function rest_username() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' or new.username is distinct from old.username then
    insert into resting_username (id, holder, expires_at)
    values (sha256(convert_to(old.username, 'UTF8')), sha256(convert_to(old.id, 'UTF8')), now() + interval '90 days')
    on conflict (id) do update set holder = excluded.holder, expires_at = excluded.expires_at;
  end if;
  return null;
end $$;
create trigger rest_username after update of username or delete on user_account for each row execute function rest_username();
