import type { Feature } from '../../feature.ts';
import { ENTRANCES, entrances } from './entrances.ts';
import { grantGraceAgain } from './grace.ts';
import { RESTORE_PAGES, restorePrompt } from './restore.ts';
import { accountRoutes } from './routes.ts';

/** The pages on which a signed-in user manages the account, and the page that cancels its deletion. */
export const account: Feature = {
  prompts: (policy) =>
    policy.add(
      restorePrompt(),
      policy.findIndex(({ name }) => name === 'consent'),
    ),
  promptPages: { restore: RESTORE_PAGES },
  mounts: () => [
    { under: ['/account'], routes: accountRoutes },
    { under: ENTRANCES, routes: ({ config }) => entrances(config.issuer) },
  ],
  afterRestore: () => [grantGraceAgain()],
};
