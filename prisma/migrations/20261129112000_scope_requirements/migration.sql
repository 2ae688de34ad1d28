-- Which scopes an app requires is the app's to say. The owner of the API has the last word: where `may_be_required` is false, people always choose.
alter table "scope" rename column "required" to "may_be_required";
alter table "scope" alter column "may_be_required" set default true;
update "scope" set "may_be_required" = true;

-- What a request that names no scope gets; null means: unless the scope is sensitive.
alter table "scope" add column "is_default" boolean;

-- By default a request need not name the API that its scopes belong to.
alter table "resource_server" add column "resource_required" boolean not null default false;
