import compose from 'koa-compose';
import type { Feature } from '../../feature.ts';
import { under } from '../../http/under.ts';
import { beforeNaming } from '../../oauth/clients/metadata/client-judgement.ts';
import { ROUTES } from '../../oauth/routes.ts';
import { createRecordStore } from '../../oauth/store/records.ts';
import { actRoute, listRoute } from '../../pages/operators/route.ts';
import { acceptRequests } from './accepted-requests.ts';
import { createInitialAccessToken, endInitialAccessToken } from './admin/acts.ts';
import { initialAccessTokens } from './admin/lists.ts';
import { REGISTRATION_PAGES } from './admin/pages.ts';
import { recordRegistrations } from './events.ts';
import { changeWhatIsThere, guardRegistration } from './guard.ts';
import { carryLimits, createInitialAccessStore, registeredWith, spendToken, tokenSpent } from './initial-access.ts';
import { hideSecretHandles } from './secret-handles.ts';
import { judgeSoftwareStatements } from './software-statements.ts';

const PATH = ROUTES.registration;

/** Dynamic client registration: clients register themselves and change their registration (RFC 7591, RFC 7592). */
export const registration: Feature = {
  // RFC 7591 section 3: registration is open to all, needs an initial access token, or is closed.
  libraryFeatures: ({ config: { registration: mode } }) => ({
    registration: { enabled: mode !== 'closed', initialAccessToken: mode === 'token' },
    registrationManagement: { enabled: mode !== 'closed', rotateRegistrationAccessToken: true },
  }),
  stores: ({ database }) => ({
    InitialAccessToken: createInitialAccessStore(database),
    RegistrationAccessToken: createRecordStore(database, 'RegistrationAccessToken'),
  }),
  extend: carryLimits,
  aroundEndpoints(app) {
    const { config, database, names, resources } = app;
    // When registration is closed, its endpoints do not exist and need no guard.
    if (config.registration === 'closed') return [];
    const around = [
      guardRegistration(database, config, PATH),
      changeWhatIsThere(database, PATH),
      spendToken(database),
      recordRegistrations(database, PATH),
      beforeNaming(names),
      judgeSoftwareStatements(app, PATH),
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
  raceLost: (ctx, reason) => (ctx.path.startsWith(PATH) ? tokenSpent(ctx, reason) : undefined),
  commands: async () => (await import('./commands/issuers.ts')).ISSUER_COMMANDS,
};
