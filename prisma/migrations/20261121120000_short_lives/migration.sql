-- These tables live by inserting and deleting: nearly every row is gone within days. What that asks of the database, table by table.

-- Vacuumed when a twentieth of a table is dead, not a fifth; never cut short, which would lock everybody out for a moment: the room is needed again.
-- Room on each page for the row's second version: to consume a code or token, or to keep a session, then touches no index (a heap-only update).
alter table token set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05, vacuum_truncate = off, fillfactor = 90);
alter table authorization_code set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05, vacuum_truncate = off, fillfactor = 70);
alter table grant_record set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05, vacuum_truncate = off, fillfactor = 90);
alter table session set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05, vacuum_truncate = off, fillfactor = 70);
alter table protocol_record set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05, vacuum_truncate = off, fillfactor = 80);

-- These indexes are for cascades and revocation, which never ask for null; a client's own token has neither person nor grant,
-- and need not be written into two indexes under null.
drop index token_account_id_idx, token_grant_id_idx, session_account_id_idx, protocol_record_client_id_idx;
create index token_account_id_idx on token (account_id) where account_id is not null;
create index token_grant_id_idx on token (grant_id) where grant_id is not null;
create index session_account_id_idx on session (account_id) where account_id is not null;
create index protocol_record_client_id_idx on protocol_record (client_id) where client_id is not null;
