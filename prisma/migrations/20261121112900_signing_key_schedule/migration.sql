-- A key is published before it signs and after it has signed: when it does is a column. Those that are here have signed since they were made.
ALTER TABLE "signing_key" ADD COLUMN     "active_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP;
update signing_key set active_at = created_at;

-- Every node keeps the keys in memory. Whoever changes them, by whatever way, tells all nodes.
create function tell_signing_key_changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('signing_key_changed', '');
  return null;
end
$$;

create trigger tell_signing_key_changed after insert or update or delete or truncate on signing_key
for each statement execute function tell_signing_key_changed();
