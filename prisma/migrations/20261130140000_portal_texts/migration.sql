-- What its owner calls a secret.
ALTER TABLE "client_secret" ADD COLUMN     "label" TEXT;

-- The name of an API in one language, where it differs.
ALTER TABLE "resource_server" ADD COLUMN     "name_en" TEXT,
ADD COLUMN     "name_ko" TEXT;
