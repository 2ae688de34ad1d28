-- CreateTable
CREATE TABLE "client_pkce_use" (
    "client_id" TEXT NOT NULL,
    "bound_at" TIMESTAMPTZ(3),
    "unbound_at" TIMESTAMPTZ(3),
    "in_a_row" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "client_pkce_use_pkey" PRIMARY KEY ("client_id")
);

-- AddForeignKey
ALTER TABLE "client_pkce_use" ADD CONSTRAINT "client_pkce_use_client_id_fkey" FOREIGN KEY ("client_id") REFERENCES "client"("id") ON DELETE CASCADE ON UPDATE CASCADE;
