import { interactionPolicy } from 'oidc-provider';
import type { Database } from '../../platform/database.ts';
import { needsNewSignIn, owedConnections, type Scopes } from './services/connections.ts';

/** Owns when an authorization sends the user to a provider: the client acts there for the user, and the provider has not agreed yet. */

const { Check, Prompt } = interactionPolicy;

export function addConnectPrompt(policy: interactionPolicy.DefaultPolicy, database: Database, scopes: Scopes): void {
  policy.get('login')?.checks.add(newLink(database, scopes));
  policy.add(connectPrompt(database, scopes));
}

/** A check of the login prompt. */
const newLink = (database: Database, scopes: Scopes) =>
  new Check('new_link', 'an account elsewhere is to be linked, and the sign-in was too long ago', 'login_required', async (ctx) =>
    Boolean(ctx.oidc.session && needsNewSignIn(await owedConnections(database, scopes, ctx), ctx.oidc.session)),
  );

/** Asked once in an authorization. The client's authorization continues even without the connection. */
const connectPrompt = (database: Database, scopes: Scopes) =>
  new Prompt(
    { name: 'connect', requestable: false },
    new Check(
      'service_not_connected',
      'what the app may do at another provider takes a visit there',
      async (ctx) => (await owedConnections(database, scopes, ctx)).length > 0,
    ),
  );
