-- Answers that are kept for a moment, sealed, so that a request that is sent twice is answered like the first time: see http/kept-answers.ts.

-- CreateTable
CREATE TABLE "kept_answer" (
    "id" BYTEA NOT NULL,
    "sealed" TEXT,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "kept_answer_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "kept_answer_expires_at_idx" ON "kept_answer"("expires_at");
