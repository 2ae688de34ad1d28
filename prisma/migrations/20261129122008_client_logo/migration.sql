-- CreateTable
CREATE TABLE "client_logo" (
    "client_id" TEXT NOT NULL,
    "uri" TEXT NOT NULL,
    "image" BYTEA,
    "digest" BYTEA,
    "problem" TEXT,
    "fetched_at" TIMESTAMPTZ(3),
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "due_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "client_logo_pkey" PRIMARY KEY ("client_id")
);

-- CreateIndex
CREATE INDEX "client_logo_due_at_idx" ON "client_logo"("due_at");
create index client_logo_digest_idx on client_logo (digest) where digest is not null;

-- AddForeignKey
ALTER TABLE "client_logo" ADD CONSTRAINT "client_logo_client_id_fkey" FOREIGN KEY ("client_id") REFERENCES "client"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- A PNG is compressed already.
alter table client_logo alter column image set storage external;

-- Registration, the portal, imports, scripts and a restore write clients. Each of them so has its logo fetched.
create function follow_client_logo() returns trigger language plpgsql as $$
declare
  named text := nullif(new.metadata->>'logo_uri', '');
begin
  if named is null then
    delete from client_logo where client_id = new.id;
    return null;
  end if;
  insert into client_logo (client_id, uri) values (new.id, named)
  on conflict (client_id) do update
    set uri = excluded.uri, image = null, digest = null, problem = null, fetched_at = null, attempts = 0, due_at = now()
    where client_logo.uri <> excluded.uri;
  if found then
    perform pg_notify('client_logo', '');
  end if;
  return null;
end
$$;

create trigger follow_client_logo after insert or update of metadata on client for each row execute function follow_client_logo();

-- Those that are registered already.
insert into client_logo (client_id, uri) select id, metadata->>'logo_uri' from client where nullif(metadata->>'logo_uri', '') is not null;
