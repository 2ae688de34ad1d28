-- AlterTable
ALTER TABLE "client" ADD COLUMN     "suspended_at" TIMESTAMPTZ(3);
