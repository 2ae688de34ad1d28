import type { Feature } from '../../feature.ts';
import { under } from '../../http/under.ts';
import { keepBudgets } from './budgets.ts';
import { limitClientFailures } from './client-failures.ts';
import { spendBudgets } from './request-budgets.ts';

/** Limits on what strangers send to the protocol's endpoints. A deployment whose proxy limits requests could do without. */
export const requestLimits: Feature = {
  guard({ config, database, log, counts, clients }) {
    const budgets = keepBudgets(database, log);
    return {
      parts: [under(['/oauth/'], spendBudgets({ config, budgets, clients, counts })), under(['/oauth/'], limitClientFailures())],
      close: budgets.close,
    };
  },
};
