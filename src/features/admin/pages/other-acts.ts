import { findGrant } from '../../../oauth/store/grants.ts';
import { actPage, goBack } from '../../../pages/operators/acting.ts';
import { namesOf } from '../../../pages/operators/named.ts';
import { named, type OwnPage, type Visit } from '../../../pages/own-pages.ts';
import { isStorable } from '../../../platform/database.ts';
import { AppError } from '../../../platform/errors.ts';
import * as accessActs from '../acts/access.ts';
import * as keyActs from '../acts/keys.ts';
import * as resourceServerActs from '../acts/resource-servers.ts';
import { findResourceServerById } from '../resource-server-removal.ts';
import { findByHandle } from '../token-handles.ts';

/** Owns the pages on which operators end grants and tokens, delete APIs, and rotate keys. */

const nothingThere = (reason: string) => new AppError('not_found', { status: 404, reason });

/** @returns one line with the names of the client and the user. */
async function between({ app: { database } }: Visit, clientId: string, accountId: string | null): Promise<string> {
  const names = await namesOf(database, { people: [accountId], clients: [clientId] });
  return [names.client(clientId)?.name, names.person(accountId)?.name].filter(Boolean).join(' · ');
}

const endGrant = actPage({
  act: accessActs.endGrant,
  words: 'end_grant',
  grave: true,
  async ask(visit) {
    const id = named(visit, 'grant');
    const grant = await findGrant(visit.app.database, id);
    if (!grant) throw nothingThere('no such grant');
    return { target: id, name: await between(visit, grant.client_id, grant.account_id), back: '/admin/access' };
  },
});

const endToken = actPage({
  act: accessActs.endToken,
  words: 'end_token',
  grave: true,
  async ask(visit) {
    const handle = named(visit, 'handle');
    const [token] = await findByHandle(visit.app.database, handle);
    if (!token) throw nothingThere('no such token');
    return { target: handle, name: await between(visit, token.client_id, token.account_id), back: '/admin/tokens' };
  },
});

const deleteApi = actPage({
  act: resourceServerActs.deleteDevelopersResourceServer,
  words: 'delete_api',
  grave: true,
  async ask(visit) {
    const id = named(visit, 'api');
    const server = isStorable(id) ? await findResourceServerById(visit.app.database, id) : undefined;
    if (!server) throw nothingThere('no such API');
    return { target: id, name: server.identifier, back: '/admin/apis', typed: server.identifier };
  },
});

const rotateKeys = actPage({
  act: keyActs.rotateKeys,
  words: 'rotate_keys',
  ask: async () => ({ target: '', back: '/admin/keys' }),
  tell: (visit, { keys }: { keys: { made: boolean }[] }) =>
    keys.some(({ made }) => made) ? goBack(visit, '/admin/keys') : 'admin.problem.rotating',
});

// The operator must type the host, since this act makes the server refuse every issued token.
const replaceKeys = actPage({
  act: keyActs.replaceKeys,
  words: 'replace_keys',
  grave: true,
  ask: async ({ app: { config } }) => ({ target: '', back: '/admin/keys', typed: new URL(config.issuer).host }),
});

export const OTHER_ACT_PAGES: Record<string, OwnPage> = {
  '/admin/access/:grant/end': endGrant,
  '/admin/tokens/:handle/end': endToken,
  '/admin/apis/:api/delete': deleteApi,
  '/admin/keys/rotate': rotateKeys,
  '/admin/keys/replace': replaceKeys,
};
