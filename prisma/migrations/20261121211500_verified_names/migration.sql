-- The names that no other client may come near are those of verified clients, which are few.
create index client_verified_at_idx on client (verified_at) where publisher is not null;
