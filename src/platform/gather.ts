/**
 * Gathers what is asked in one turn of the event loop, by whichever requests, into one question. A busy node then asks less often,
 * and nobody waits longer than the turn.
 * @param ask answers in the order of its questions. When it fails, it has failed for each of them.
 */
export function gather<Question, Answer>(ask: (questions: Question[]) => Promise<Answer[]>): (question: Question) => Promise<Answer> {
  type Asked = { question: Question; resolve: (answer: Answer) => void; reject: (reason: unknown) => void };
  let asked: Asked[] = [];

  async function askTogether(): Promise<void> {
    const together = asked;
    asked = [];
    try {
      const answers = await ask(together.map(({ question }) => question));
      for (const [n, { resolve }] of together.entries()) resolve(answers[n] as Answer);
    } catch (error) {
      for (const { reject } of together) reject(error);
    }
  }

  return (question) =>
    new Promise((resolve, reject) => {
      if (asked.push({ question, resolve, reject }) === 1) setImmediate(askTogether);
    });
}
