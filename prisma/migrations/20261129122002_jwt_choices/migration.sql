-- How the owner of an API wants its JWT access tokens signed.
ALTER TABLE "resource_server" ADD COLUMN     "jwt_algorithm" TEXT NOT NULL DEFAULT 'ES256',
ADD COLUMN     "jwt_type" TEXT NOT NULL DEFAULT 'at+jwt';
alter table resource_server
  add constraint resource_server_jwt_algorithm check (jwt_algorithm in ('RS256', 'ES256', 'PS256', 'EdDSA')),
  add constraint resource_server_jwt_type check (jwt_type in ('at+jwt', 'JWT'));

-- A client's own token has the client's id as its `sub`, a user's token the account's (RFC 9068 section 2.2): no id may be both.
-- The lock holds until the transaction ends, so that of two that take one id at the same time the second sees the first.
create function keep_subjects_apart() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('subject ' || new.id, 0));
  if tg_table_name = 'client' and exists (select from user_account where id = new.id) then
    raise exception 'client id % is the id of an account', new.id using errcode = 'unique_violation';
  elsif tg_table_name = 'user_account' and exists (select from client where id = new.id) then
    raise exception 'account id % is the id of a client', new.id using errcode = 'unique_violation';
  end if;
  return new;
end
$$;
create trigger keep_subjects_apart before insert on client for each row execute function keep_subjects_apart();
create trigger keep_subjects_apart before insert on user_account for each row execute function keep_subjects_apart();
