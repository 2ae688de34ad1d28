-- Every node keeps the clients it knows in memory. Whoever changes one, by whatever way, tells all nodes which.
create function tell_client_changed() returns trigger language plpgsql as $$
declare
  changed jsonb := to_jsonb(coalesce(new, old));
begin
  perform pg_notify('client_changed', case tg_table_name when 'client' then changed->>'id' else changed->>'client_id' end);
  return null;
end
$$;

create trigger tell_client_changed after insert or update or delete on client for each row execute function tell_client_changed();
create trigger tell_client_changed after insert or update or delete on client_secret for each row execute function tell_client_changed();
