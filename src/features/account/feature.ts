import type { Feature } from '../../feature.ts';
import { accountRoutes } from './routes.ts';

/** The pages on which a signed-in user manages the account. */
export const account: Feature = { mounts: () => [{ under: ['/account'], routes: accountRoutes }] };
