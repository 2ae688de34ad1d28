/**
 * Combines the questions that all requests ask in one turn of the event loop into one call. A busy node then asks less often, and no
 * request waits longer than the turn.
 * @param ask answers in the order of its questions. Its failure is the failure of each question.
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
