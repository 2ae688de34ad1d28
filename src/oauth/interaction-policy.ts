import { interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import type { Config } from '../platform/config.ts';
import type { Database } from '../platform/database.ts';
import { isPublic } from './clients/client-profile.ts';
import { OWN_PAGES } from './clients/first-party.ts';
import { hasAppScheme, leadsToDevice } from './clients/redirect-uri.ts';
import { askedBy, isUnanswered } from './consent/asked.ts';
import type { ProtocolFeature } from './feature.ts';
import type { ResourcePolicy } from './scopes/resource-policy.ts';
import { anotherAccount, expectedAccount, selectAccountPrompt } from './session/account-choice.ts';
import type { SignedInAccount } from './session/accounts.ts';
import { askedOf, isWeaker, owesFactor } from './session/strength.ts';

/**
 * Owns the question of what a person must still do before a client gets its answer: sign up when that is wished for, or sign in; say
 * with which account; show a further factor; take back a wish to be deleted; consent; then what features ask.
 * Steps never route to one another; each returns here by finish.ts, and this says what is next.
 */

const { Check, Prompt } = interactionPolicy;

type Parts = { config: Config; database: Database; resources: ResourcePolicy };

export function createInteractionPolicy(parts: Parts, features: readonly Pick<ProtocolFeature, 'prompts'>[]) {
  const { database, resources: scopes } = parts;
  const policy = interactionPolicy.base();
  const [login, consent] = ['login', 'consent'].map((name) => policy.get(name) as interactionPolicy.Prompt) as [
    interactionPolicy.Prompt,
    interactionPolicy.Prompt,
  ];
  login.checks.add(accountGone());
  login.checks.add(anotherAccount());
  // An essential `acr` is reached by a further factor, not by another sign-in: see factorPrompt().
  for (const check of ['id_token_hint', 'essential_acr', 'essential_acrs']) login.checks.remove(check);
  login.checks.add(expectedAccount());
  policy.add(selectAccountPrompt(), policy.indexOf(consent));
  policy.add(factorPrompt(database), policy.indexOf(consent));
  policy.add(restorePrompt(), policy.indexOf(consent));
  // The library counts every scope that it knows as the server's own too, and would ask for those of other APIs for ever.
  for (const check of ['native_client_prompt', 'op_scopes_missing', 'op_claims_missing', 'rs_scopes_missing', 'rar_prompt'])
    consent.checks.remove(check);
  consent.checks.add(unanswered(scopes));
  consent.checks.add(unprovenReceiver());
  neverOfOurOwnPages(consent);
  // Asked for alone: nobody must have an account anew. It comes first, because it ends with somebody signed in.
  policy.add(new Prompt({ name: 'create', requestable: true }), 0);
  for (const feature of features) feature.prompts?.(policy, parts);
  return policy;
}

/** A browser may still be signed in to an account that was closed meanwhile: it signs in anew instead of failing. */
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
    // RFC 9470 section 5: the person steps up; what they cannot reach, the page says.
    new Check('acr_values', 'a stronger authentication is asked for', ({ oidc }) =>
      oidc.session ? isWeaker(oidc.session, askedOf(oidc.params ?? {})) : false,
    ),
  );

/** An account that is to be deleted can be used for nothing but taking that back. */
const restorePrompt = () =>
  new Prompt(
    { name: 'restore', requestable: false },
    new Check(
      'deletion_scheduled',
      'the account is to be deleted',
      ({ oidc }) => (oidc.account as SignedInAccount | undefined)?.toBeDeleted === true,
    ),
  );

/**
 * Any app on a device can claim a loopback address or a scheme, and so pass for one that was allowed before. Unless an operator knows who
 * publishes the client, the user says yes each time (RFC 8252 section 8.6). A confidential client on the loopback interface proves itself by its
 * secret, so another app can do nothing with its code; a secret inside an app on a device proves nothing (RFC 8252 section 8.5).
 * A device waits for its answer without an address.
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

/** Our own pages learn what the browser's session says already: whatever they are made to ask for, nobody has to allow it. */
function neverOfOurOwnPages(consent: interactionPolicy.Prompt): void {
  for (const check of consent.checks) {
    const asks = check.check;
    check.check = (ctx: KoaContextWithOIDC) => !OWN_PAGES.includes(String(ctx.oidc.client?.clientId)) && asks(ctx);
  }
}
