-- The password hashes that came from other servers, of which sign-in asks for one of each kind: people/kinds-of-hashes.ts.
-- Each sign-in with such a password replaces the hash, so the index becomes empty. The collation lets it skip from kind to kind.
create index concurrently user_account_foreign_password_idx on user_account (password_hash collate "C")
  where password_hash is not null and password_hash not like '$argon2id$v=19$m=19456,%';
