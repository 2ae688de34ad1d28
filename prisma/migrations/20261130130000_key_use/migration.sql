-- Which of the keys in COOKIE_KEYS and DATA_ENCRYPTION_KEYS the nodes may write with: see platform/key-use.ts.
CREATE TABLE "key_use" (
    "kind" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "seen_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "used_from" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "key_use_pkey" PRIMARY KEY ("kind","id")
);

create function tell_key_use_changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('key_use_changed', '');
  return null;
end
$$;

create trigger tell_key_use_changed after insert or update or delete on key_use for each statement execute function tell_key_use_changed();
