import { z } from 'zod';
import { isClientKnown } from '../../../oauth/clients/store.ts';
import { endClient, findGrant, revokeGrant, revokeGrantsOf } from '../../../oauth/store/grants.ts';
import { endByHandle } from '../../../oauth/store/token-handles.ts';
import { type Act, done, NOTHING, recordActEvent, refused } from '../../../pages/operators/act.ts';
import { findAccountRecordById } from '../people.ts';
import { findByHandle } from '../token-handles.ts';

/** Owns the acts that end grants and tokens. Sessions and registered clients stay. */

const NAMED = z.object({ id: z.string() });
type Named = z.infer<typeof NAMED>;

export const endGrant: Act<object, Named> = {
  summary: 'End one grant, with its codes and tokens',
  scope: 'admin:access',
  input: NOTHING,
  result: NAMED,
  async run(app, id) {
    const grant = await findGrant(app.database, id);
    if (!grant) return refused('unknown');
    const event = { type: 'access_ended' as const, accountId: grant.account_id, clientId: grant.client_id };
    await app.database.transaction([revokeGrant(id), recordActEvent(app, event)]);
    return done({ id });
  },
};

export const endAccessOfPerson: Act<object, Named> = {
  summary: 'End all grants of a user, without signing the user out',
  scope: 'admin:access',
  input: NOTHING,
  result: NAMED,
  async run(app, id) {
    if (!(await findAccountRecordById(app.database, id))) return refused('unknown');
    await app.database.transaction([revokeGrantsOf(id), recordActEvent(app, { type: 'access_ended', accountId: id })]);
    return done({ id });
  },
};

export const endAccessOfClient: Act<object, Named & { ended: number }> = {
  summary: 'End all codes, tokens and grants of a client; `ended` counts them. The client can request new ones',
  scope: 'admin:access',
  input: NOTHING,
  result: z.object({ id: z.string(), ended: z.int() }),
  async run(app, id) {
    if (!(await isClientKnown(app.database, id))) return refused('unknown');
    // Record first: the end runs in batches, and an interrupted act must still leave its event.
    await app.database.transaction([recordActEvent(app, { type: 'access_ended', clientId: id })]);
    return done({ id, ended: await endClient(app.database, id) });
  },
};

export const endToken: Act<object, { handle: string }> = {
  summary: 'End one token by its handle. A client with a refresh token can get a new one',
  scope: 'admin:access',
  input: NOTHING,
  result: z.object({ handle: z.string() }),
  async run(app, handle) {
    const [token, another] = await findByHandle(app.database, handle);
    if (!token) return refused('unknown');
    if (another) return refused('ambiguous');
    const owner = token.account_id === null ? undefined : { accountId: token.account_id };
    const event = recordActEvent(app, { type: 'access_ended', clientId: token.client_id, ...owner, detail: { token: handle } });
    await app.database.transaction([endByHandle(handle), event]);
    return done({ handle });
  },
};
