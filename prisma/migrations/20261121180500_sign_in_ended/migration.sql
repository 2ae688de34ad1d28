-- Ends what a client got with one sign-in of a person: all codes and tokens of a grant that hang on one session's uid, whether or not the
-- session lives. A redemption or refresh that is under way holds the row of what it consumes: its end is waited for, and the row comes back
-- as consumed. Then there is a second look, which sees the tokens that it left. Whoever comes later finds nothing to consume.
create function end_sign_in(grant_of text, session_of text) returns void language plpgsql as $$
declare
  consumed boolean;
begin
  with
    codes as (delete from authorization_code where grant_id = grant_of and payload->>'sessionUid' = session_of returning consumed_at),
    tokens as (delete from token where grant_id = grant_of and payload->>'sessionUid' = session_of returning consumed_at)
  select exists (select from codes where consumed_at is not null) or exists (select from tokens where consumed_at is not null) into consumed;
  if consumed then
    delete from token where grant_id = grant_of and payload->>'sessionUid' = session_of;
  end if;
end
$$;
