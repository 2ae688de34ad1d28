import { interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import type { Database } from '../platform/database.ts';
import { isPublic } from './clients/client-profile.ts';
import { OWN_PAGES } from './clients/first-party.ts';
import { hasAppScheme, leadsToDevice } from './clients/redirect-uri.ts';
import { askedBy, isUnanswered } from './consent/asked.ts';
import type { ProtocolApp, ProtocolFeature } from './feature.ts';
import type { ResourcePolicy } from './scopes/resource-policy.ts';
import { anotherAccount, expectedAccount, selectAccountPrompt } from './session/account-choice.ts';
import { askedOf, isWeaker, owesFactor } from './session/strength.ts';

/**
 * Owns the question of what a user must still do before a client gets its response. In order: sign up when asked for, sign in, choose an account,
 * present another factor, consent. Features add their own questions.
 * Steps never route to one another. Each returns here through finish.ts, and this policy decides the next step.
 */

const { Check, Prompt } = interactionPolicy;

export function createInteractionPolicy(app: ProtocolApp, features: readonly Pick<ProtocolFeature, 'prompts'>[]) {
  const { database, resources: scopes } = app;
  const policy = interactionPolicy.base();
  const [login, consent] = ['login', 'consent'].map((name) => policy.get(name) as interactionPolicy.Prompt) as [
    interactionPolicy.Prompt,
    interactionPolicy.Prompt,
  ];
  login.checks.add(accountGone());
  login.checks.add(anotherAccount());
  // A further factor satisfies an essential `acr`; another sign-in does not. See factorPrompt().
  for (const check of ['id_token_hint', 'essential_acr', 'essential_acrs']) login.checks.remove(check);
  login.checks.add(expectedAccount());
  policy.add(selectAccountPrompt(), policy.indexOf(consent));
  policy.add(factorPrompt(database), policy.indexOf(consent));
  // The library also counts every scope that it knows as the server's own. It would ask for scopes of other APIs without end.
  for (const check of ['native_client_prompt', 'op_scopes_missing', 'op_claims_missing', 'rs_scopes_missing', 'rar_prompt'])
    consent.checks.remove(check);
  consent.checks.add(unanswered(scopes));
  consent.checks.add(unprovenReceiver());
  skipForOwnPages(consent);
  // Only on request: no user must create another account. It comes first, because it ends with a signed-in user.
  policy.add(new Prompt({ name: 'create', requestable: true }), 0);
  for (const feature of features) feature.prompts?.(policy, app);
  return policy;
}

/** A browser may still be signed in to an account that was closed since. Its user signs in again instead of getting an error. */
const accountGone = () =>
  new Check(
    'account_gone',
    'the signed-in account is not available any more',
    'login_required',
    ({ oidc }) => oidc.session?.accountId !== undefined && oidc.account === undefined,
  );

const factorPrompt = (database: Database) =>
  new Prompt(
    { name: 'factor' },
    new Check('second_factor', 'the account has a further factor, which was not shown', ({ oidc }) =>
      oidc.session ? owesFactor(database, oidc.session) : false,
    ),
    // The user steps up (RFC 9470 section 5). The page explains what the user cannot reach.
    new Check('acr_values', 'a stronger authentication is asked for', ({ oidc }) =>
      oidc.session ? isWeaker(oidc.session, askedOf(oidc.params ?? {})) : false,
    ),
  );

/**
 * Any app on a device can claim a loopback address or a scheme, and so pass for an app that was allowed before. So the user consents each
 * time,
 * unless an operator verified the client's publisher (RFC 8252 section 8.6). A confidential client on the loopback interface is exempt:
 * another app cannot redeem the code without its secret. A secret inside an app on a device proves nothing (RFC 8252 section 8.5).
 * A device request has no redirect URI.
 */
const unprovenReceiver = () =>
  new Check(
    'unproven_receiver',
    'clients on a device require End-User interaction',
    'interaction_required',
    ({ oidc }: KoaContextWithOIDC) => {
      const address = oidc.params?.['redirect_uri'];
      const unproven = typeof address !== 'string' || hasAppScheme(address) || (isPublic(oidc.client ?? {}) && leadsToDevice(address));
      return !oidc.client?.['publisher'] && unproven && !oidc.result?.['consent'];
    },
  );

const unanswered = (known: Pick<ResourcePolicy, 'servers' | 'issuer'>) =>
  new Check(
    'unanswered',
    'the client asks for something that the person has neither allowed nor declined yet',
    'consent_required',
    ({ oidc }) => !oidc.entities.Grant || isUnanswered(askedBy(known, oidc.params ?? {}), oidc.entities.Grant),
  );

/** This server's own pages only learn what the browser's session already shows, so no user has to allow them anything. */
function skipForOwnPages(consent: interactionPolicy.Prompt): void {
  for (const check of consent.checks) {
    const asks = check.check;
    check.check = (ctx: KoaContextWithOIDC) => !OWN_PAGES.includes(String(ctx.oidc.client?.clientId)) && asks(ctx);
  }
}
