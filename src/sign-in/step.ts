import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import type { Counts } from '../audit/counts.ts';
import { languageOf } from '../http/language.ts';
import { render } from '../http/render.ts';
import { allowFormAction } from '../http/security-headers.ts';
import { seeOther } from '../http/see-other.ts';
import { nameOfClient } from '../oauth/clients/display-name.ts';
import { OWN_PAGES } from '../oauth/clients/first-party.ts';
import type { ResourceServer } from '../oauth/scopes/resource-servers.ts';
import type { Config } from '../platform/config.ts';
import type { Database } from '../platform/database.ts';
import type { KeyRing } from '../platform/secrets.ts';
import type { SignInFeature } from './feature.ts';

/** The vocabulary of the interaction's pages. */

export type Interaction = Awaited<ReturnType<Provider['interactionDetails']>>;

/** What a step works with. `interaction` is this browser's own: its cookie and the address agree. */
export type Step = { ctx: Context; interaction: Interaction; csrf: string; services: Services };

export type Services = {
  provider: Provider;
  database: Database;
  config: Config;
  keyRing: KeyRing;
  resourceServers: readonly ResourceServer[];
  counts: Counts;
  features: readonly SignInFeature[];
};

/** A page of a step: what shows it, and what answers its form. */
export type Page = { show?: (step: Step) => Promise<void>; answer?: (step: Step, form: URLSearchParams) => Promise<void> };

/** The pages of a prompt, by their path below the interaction, and the one that it begins with. */
export type PromptPages = { first: string; pages: Record<string, Page> };

/** The address of a page of this interaction. */
export const pathOf = ({ interaction }: Pick<Step, 'interaction'>, page: string): string => `/interaction/${interaction.uid}/${page}`;

/** Answers with a page whose form may end at the client, which the view knows by name, if it is somebody else's. */
export async function showPage(step: Step, view: string, data: Record<string, unknown>, status = 200): Promise<void> {
  const { ctx, interaction, csrf, services } = step;
  const client = await services.provider.Client.find(String(interaction.params['client_id']));
  allowFormAction(ctx, String(interaction.params['redirect_uri']));
  const base = `/interaction/${interaction.uid}`;
  // Our own pages are no app that asks for anything.
  const clientName = client && !OWN_PAGES.includes(client.clientId) ? nameOfClient(client, languageOf(ctx)) : undefined;
  render(ctx, view, { problems: [], ...data, csrf, base, clientName }, status);
}

/** Sends the browser on to another page of this interaction. A redirect that answers a POST must become a GET (RFC 9700 section 4.12). */
export function goTo(step: Step, page: string): void {
  seeOther(step.ctx, pathOf(step, page));
}
