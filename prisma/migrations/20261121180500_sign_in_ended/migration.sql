-- Ends what a client got with one sign-in of a person: all codes and tokens of a grant that hang on one session's uid, whether or not the
-- session lives. Two looks, each of which sees what was committed before it: the first waits for a redemption or refresh that is under way,
-- which holds the row of what it consumes; the second finds what that one left. Whoever comes later finds nothing to consume.
create function end_sign_in(grant_of text, session_of text) returns void language plpgsql as $$
begin
  for look in 1..2 loop
    delete from authorization_code where grant_id = grant_of and payload->>'sessionUid' = session_of;
    delete from token where grant_id = grant_of and payload->>'sessionUid' = session_of;
  end loop;
end
$$;
