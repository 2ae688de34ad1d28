-- AlterTable
ALTER TABLE "client" ADD COLUMN     "seen_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP;

-- CreateIndex
CREATE INDEX "client_seen_at_idx" ON "client"("seen_at") WHERE "registration" = 'dynamic';
