-- Which API changed, so that a node reads that one and no other. A statement that changes many tells of each once (NOTIFY drops equal messages).
drop trigger tell_resource_servers_changed on resource_server;
drop trigger tell_resource_servers_changed on scope;
drop function tell_resource_servers_changed();

create function tell_resource_server_changed() returns trigger language plpgsql as $$
declare
  changed jsonb := to_jsonb(coalesce(new, old));
begin
  perform pg_notify('resource_server_changed', case tg_table_name when 'scope' then changed->>'resource_server_id' else changed->>'identifier' end);
  return null;
end
$$;

create trigger tell_resource_server_changed after insert or update or delete on resource_server for each row execute function tell_resource_server_changed();
create trigger tell_resource_server_changed after insert or update or delete on scope for each row execute function tell_resource_server_changed();
