-- AlterTable
ALTER TABLE "user_account" ADD COLUMN "factor_due_at" TIMESTAMPTZ(3);

-- Pages, the API, commands and sign-ups write roles. Each of them so says from when an operator owes a second factor: at once, but for the
-- first admin of a place, who has seven days. A date that comes along with a new row, as in a restore, stays.
create function set_factor_due() returns trigger language plpgsql as $$
begin
  if new.role = 'user' then
    new.factor_due_at := null;
  elsif tg_op = 'INSERT' or old.role = 'user' then
    if tg_op = 'UPDATE' or new.factor_due_at is null then
      new.factor_due_at := now() + case
        when new.role = 'admin' and not exists (select from user_account where role = 'admin' and id <> new.id) then interval '7 days'
        else interval '0' end;
    end if;
  end if;
  return new;
end
$$;

create trigger set_factor_due before insert or update of role on user_account for each row execute function set_factor_due();

-- Those who are operators already: the admin who was there first has the seven days.
update user_account set factor_due_at = now() + case
  when id = (select id from user_account where role = 'admin' order by created_at, id limit 1) then interval '7 days'
  else interval '0' end
where role <> 'user';
