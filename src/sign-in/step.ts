import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import { languageOf } from '../http/language.ts';
import { seeOther } from '../http/redirects.ts';
import { render } from '../http/render.ts';
import { allowFormAction } from '../http/security-headers.ts';
import type { App } from '../oauth/app.ts';
import { nameOfClient } from '../oauth/clients/display-name.ts';
import { OWN_PAGES } from '../oauth/clients/first-party.ts';
import type { SignInFeature } from './feature.ts';

/** The types and functions that all pages of an interaction share. */

export type Interaction = Awaited<ReturnType<Provider['interactionDetails']>>;

/** What a step works with. `interaction` belongs to this browser: the cookie and the address carry the same id. */
export type Step = { ctx: Context; interaction: Interaction; csrf: string; app: App<SignInFeature> };

/** A page of a step: `show` renders it and `answer` handles its form. */
export type Page = { show?: (step: Step) => Promise<void>; answer?: (step: Step, form: URLSearchParams) => Promise<void> };

/** The pages of a prompt, by path below the interaction, and the first one. */
export type PromptPages = { first: string; pages: Record<string, Page> };

/** @returns the path of a page of this interaction. */
export const pathOf = ({ interaction }: Pick<Step, 'interaction'>, page: string): string => `/interaction/${interaction.uid}/${page}`;

/** Renders a page whose form may redirect to the client. The view gets the client's name unless the client is one of our own pages. */
export async function showPage(step: Step, view: string, data: Record<string, unknown>, status = 200): Promise<void> {
  const { ctx, interaction, csrf, app } = step;
  const client = await app.provider.Client.find(String(interaction.params['client_id']));
  allowFormAction(ctx, String(interaction.params['redirect_uri']));
  const base = `/interaction/${interaction.uid}`;
  // Our own pages are not clients that ask for access.
  const clientName = client && !OWN_PAGES.includes(client.clientId) ? nameOfClient(client, languageOf(ctx)) : undefined;
  render(ctx, view, { problems: [], ...data, csrf, base, clientName }, status);
}

/** Redirects the browser to another page of this interaction. A redirect that answers a POST must become a GET (RFC 9700 section 4.12). */
export function goTo(step: Step, page: string): void {
  seeOther(step.ctx, pathOf(step, page));
}
