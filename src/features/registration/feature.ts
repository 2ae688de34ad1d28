import compose from 'koa-compose';
import type { Feature } from '../../feature.ts';
import { under } from '../../http/under.ts';
import { hideSecretHandles } from '../../oauth/clients/client-secrets.ts';
import { acceptRequests } from '../../oauth/clients/metadata/accepted-metadata.ts';
import { beforeNaming } from '../../oauth/clients/metadata/client-judgement.ts';
import { ROUTES } from '../../oauth/routes.ts';
import { createRecordStore } from '../../oauth/store/records.ts';
import { actRoute, listRoute } from '../../pages/operators/route.ts';
import { createInitialAccessToken, endInitialAccessToken } from './admin/acts.ts';
import { initialAccessTokens } from './admin/lists.ts';
import { REGISTRATION_PAGES } from './admin/pages.ts';
import { tellRegistrations } from './events.ts';
import { changeWhatIsThere, guardRegistration } from './guard.ts';
import { carryLimits, createInitialAccessStore, registeredWith, spendToken, tokenSpent } from './initial-access.ts';
import { judgeSoftwareStatements } from './software-statements.ts';

const PATH = ROUTES.registration;

/** Clients register themselves, and change what they registered (RFC 7591, RFC 7592). */
export const registration: Feature = {
  // RFC 7591 section 3: everybody may, or whoever holds an initial access token; or nobody.
  libraryFeatures: ({ config: { registration: mode } }) => ({
    registration: { enabled: mode !== 'closed', initialAccessToken: mode === 'token' },
    registrationManagement: { enabled: mode !== 'closed', rotateRegistrationAccessToken: true },
  }),
  stores: ({ database }) => ({
    InitialAccessToken: createInitialAccessStore(database),
    RegistrationAccessToken: createRecordStore(database, 'RegistrationAccessToken'),
  }),
  extend: carryLimits,
  aroundEndpoints(parts) {
    const { config, database, names, resources } = parts;
    // Where nobody may register there is nothing to guard: those addresses are not there.
    if (config.registration === 'closed') return [];
    const around = [
      guardRegistration(database, config, PATH),
      changeWhatIsThere(database, PATH),
      spendToken(database),
      tellRegistrations(database, PATH),
      beforeNaming(names),
      judgeSoftwareStatements(parts, PATH),
      acceptRequests(() => resources.scopes, PATH),
      hideSecretHandles(PATH),
    ];
    return [under([PATH], compose(around as never[]) as never)];
  },
  registeredWith,
  administration: {
    routes: [
      listRoute('/initial-access-tokens', initialAccessTokens),
      actRoute('POST', '/initial-access-tokens', { createInitialAccessToken }),
      actRoute('DELETE', '/initial-access-tokens/{id}', { endInitialAccessToken }),
    ],
    pages: REGISTRATION_PAGES,
  },
  commands: async () => (await import('./commands/issuers.ts')).ISSUER_COMMANDS,
  outrun: (ctx, reason) => (ctx.path.startsWith(PATH) ? tokenSpent(ctx, reason) : undefined),
};
