import type { Feature } from '../../feature.ts';
import { displayName } from '../../oauth/clients/display-name.ts';
import { actRoute } from '../../pages/operators/route.ts';
import { allowServices } from './admin/acts.ts';
import { servicesOfClient } from './admin/pages.ts';
import { broughtToSignUp } from './brought.ts';
import { upstreamCallbacks } from './endpoints/callback.ts';
import { upstreamClientKeys } from './endpoints/jwks.ts';
import { sessionServices } from './endpoints/session-token.ts';
import { SEALED_TOKENS } from './held-tokens.ts';
import { listIdentities, listLinks } from './identities.ts';
import { readServiceScopes } from './own-scopes.ts';
import { addConnectPrompt } from './prompts.ts';
import { listProviderIds, listSignInProviders, PROVIDER_ID, SEALED_CREDENTIALS } from './providers.ts';
import { keepProvidersTold } from './revocations.ts';
import { linkRoutes } from './routes.ts';
import { judgeServiceScopes } from './services/service-scopes.ts';
import { exchangeTokens } from './services/token-exchange.ts';
import { comeBack as comeBackConnected, goOnWithout, goToProvider, showConnect } from './sign-in/connect.ts';
import { linkAfterSignIn } from './sign-in/link.ts';
import { forget, pendingOf } from './sign-in/pending.ts';
import { showUpstreamSignUp, submitUpstreamSignUp } from './sign-in/sign-up.ts';
import { comeBack, leave } from './sign-in/upstream.ts';

/** Other identity providers: users sign in with them, and clients act there for a user with a token that this server stores (RFC 8693). */
export const federation: Feature = {
  extend: exchangeTokens,
  prompts: (policy, { database, resources }) => addConnectPrompt(policy, database, resources),
  ownScopes: { changed: 'upstream_provider_changed', read: readServiceScopes },
  judgeScopes: judgeServiceScopes,
  reservedPrefixes: listProviderIds,

  signInPages: {
    'upstream/:part': { show: leave },
    'upstream/return': { show: comeBack },
    'signup/upstream': { show: showUpstreamSignUp, answer: submitUpstreamSignUp },
  },
  promptPages: {
    connect: {
      first: 'connect',
      pages: {
        connect: { show: showConnect, answer: goOnWithout },
        'connect/go': { show: goToProvider },
        'connect/return': { show: comeBackConnected },
      },
    },
  },
  async offers(step) {
    const providers = (await listSignInProviders(step.app.database)).map(({ id, name }) => ({ id, name: displayName(name, id) }));
    const pending = pendingOf(step);
    if (!pending?.accountId) return { providers };
    const email = pending.details.email ?? '';
    // The link that signing in to the account of this address will make.
    return { providers, email, link: { provider: displayName(pending.providerName, pending.providerId), email } };
  },
  leaveOffer: forget,
  afterSignIn: async (step, login) => ({ upstream: await linkAfterSignIn(step, login) }),
  signUpPage: (step) => (pendingOf(step) ? 'signup/upstream' : undefined),
  broughtToSignUp,

  async countsOfAccount(database, accountId) {
    return { links: (await listIdentities(database, accountId)).length };
  },
  async dataOfAccount(database, accountId) {
    const links = await listLinks(database, accountId);
    return {
      linkedAccounts: links.map(({ providerId, provider, subject, details, createdAt, refreshedAt }) => ({
        provider: { id: providerId, name: provider.name },
        subject,
        details,
        createdAt,
        refreshedAt,
      })),
    };
  },
  afterProof(what, which, request) {
    if (what !== 'connect' || !PROVIDER_ID.test(which)) return undefined;
    return { title: 'links', onward: request === undefined ? '/account/links' : `/account/links/${which}/connect?request=${request}` };
  },

  administration: {
    routes: [actRoute('POST', '/clients/{id}/allow-services', { allowServices })],
    clientActs: [servicesOfClient],
  },

  early: ({ database, keyRing }) => [upstreamCallbacks(database, keyRing), upstreamClientKeys(database, keyRing)],
  mounts: () => [
    { under: ['/account/links'], routes: linkRoutes },
    { under: ['/services'], routes: sessionServices },
  ],
  tasks: ({ database, keyRing, log }) => [keepProvidersTold({ database, keyRing, log })],
  sealed: [SEALED_CREDENTIALS, ...SEALED_TOKENS],
  commands: async () => (await import('./commands/providers.ts')).PROVIDER_COMMANDS,
};
