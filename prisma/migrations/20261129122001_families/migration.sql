-- The answer to a refresh, kept sealed for the client's grace window: see oauth/store/token-responses.ts.
alter type record_kind add value 'TokenResponse';

-- Ends all that came of one code: its family, under one grant. A row from before there were families belongs to that of its session, which
-- familyOf() in oauth/store/lineage.ts says too. A redemption or refresh that is under way holds the row of what it consumes: its end is
-- waited for. Each statement then sees what was committed before it, so the function looks until there is nothing left to delete.
create function end_family(grant_of text, family_of text) returns void language plpgsql as $$
begin
  loop
    delete from authorization_code where grant_id = grant_of and coalesce(payload->'lineage'->>'family', payload->>'sessionUid', '') = family_of;
    delete from protocol_record where grant_id = grant_of and kind = 'DeviceCode' and coalesce(payload->'lineage'->>'family', payload->>'sessionUid', '') = family_of;
    delete from token where grant_id = grant_of and coalesce(payload->'lineage'->>'family', payload->>'sessionUid', '') = family_of;
    exit when not found;
  end loop;
end
$$;

-- The same for a sign-in. It used to look twice only when something was consumed; a refresh token that does not rotate is used and not consumed.
create or replace function end_sign_in(grant_of text, session_of text) returns void language plpgsql as $$
begin
  loop
    delete from authorization_code where grant_id = grant_of and payload->>'sessionUid' = session_of;
    delete from token where grant_id = grant_of and payload->>'sessionUid' = session_of;
    exit when not found;
  end loop;
end
$$;
