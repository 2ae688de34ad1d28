import { z } from 'zod';
import { SELF_SERVICE_GRANTS } from '../../../oauth/clients/metadata/registration-limits.ts';
import { type Act, done, NOTHING, nameInWords, recordActEvent, recordActEventWith, refused } from '../../../pages/operators/act.ts';
import { DAY, MINUTE } from '../../../platform/clock.ts';
import { randomSecret } from '../../../platform/secrets.ts';
import { mustFind } from '../../../platform/sql-errors.ts';
import {
  createInitialAccessToken as insertToken,
  isInitialAccessToken,
  knownScopes,
  revokeInitialAccessToken,
} from '../initial-access-tokens.ts';

/** Owns the operators' acts on initial access tokens. */

const newToken = z.strictObject({
  name: nameInWords,
  max_clients: z.int().min(1).max(10_000).default(1),
  expires_in_seconds: z
    .int()
    .min(MINUTE)
    .max(365 * DAY)
    .default(DAY),
  grant_types: z
    .array(z.enum(SELF_SERVICE_GRANTS as [string, ...string[]]))
    .max(SELF_SERVICE_GRANTS.length)
    .default([]),
  scopes: z.array(z.string().max(200)).max(100).default([]),
});

const MADE = z.object({ id: z.string(), token: z.string(), expires_at: z.iso.datetime() });

export const createInitialAccessToken: Act<z.infer<typeof newToken>, z.infer<typeof MADE>> = {
  summary: 'Create an initial access token (RFC 7591 section 3). Only this answer contains `token`',
  scope: 'admin:clients',
  input: newToken,
  result: MADE,
  creates: true,
  async run(app, _target, { name, max_clients, expires_in_seconds, grant_types, scopes }) {
    const known = await knownScopes(app.database);
    const problems = scopes.flatMap((scope, n) =>
      known.includes(scope) ? [] : [{ field: `scopes.${n}`, detail: 'there is no such scope' }],
    );
    if (problems.length) return refused('invalid', problems);
    const token = randomSecret();
    const wish = {
      name,
      maxClients: max_clients,
      lifeSeconds: expires_in_seconds,
      grantTypes: [...new Set(grant_types)],
      scopes: [...new Set(scopes)],
      madeBy: app.actor.accountId,
    };
    const event = { type: 'initial_access_token_made', detail: { name, clients: max_clients } } as const;
    const [made = []] = await app.database.transaction(recordActEventWith(app, insertToken(token, wish), event, 'token'));
    const [{ id, expiresAt }] = made as [{ id: string; expiresAt: Date }];
    return done({ id, token, expires_at: expiresAt.toISOString() });
  },
};

const NAMED = z.object({ id: z.string() });

export const endInitialAccessToken: Act<object, z.infer<typeof NAMED>> = {
  summary: 'End an initial access token. The clients registered with it stay',
  scope: 'admin:clients',
  input: NOTHING,
  result: NAMED,
  async run(app, id) {
    if (!(await isInitialAccessToken(app.database, id))) return refused('unknown');
    const event = recordActEvent(app, { type: 'initial_access_token_ended', detail: { token: id } });
    await app.database.transaction([mustFind(revokeInitialAccessToken(id)), event]);
    return done({ id });
  },
};
