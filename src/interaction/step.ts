import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import type { ResourceServer } from '../clients/resource-servers.ts';
import type { Config } from '../platform/config.ts';
import type { Database } from '../platform/database.ts';

/** The vocabulary of the interaction's pages. */

export type Interaction = Awaited<ReturnType<Provider['interactionDetails']>>;

/** What a step works with. `interaction` is this browser's own: its cookie and the address agree. */
export type Step = { ctx: Context; interaction: Interaction; csrf: string; services: Services };

export type Services = { provider: Provider; database: Database; config: Config; resourceServers: ResourceServer[] };
