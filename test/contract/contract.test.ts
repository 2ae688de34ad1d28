import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { createDeviceCodeStore } from '../../src/features/device/device-codes.ts';
import { createAdapterFactory } from '../../src/oauth/adapter.ts';
import { createClientCache } from '../../src/oauth/clients/cache.ts';
import { endAccount, revokeGrant } from '../../src/oauth/store/grants.ts';
import { prune } from '../../src/oauth/store/prune.ts';
import { createRecordStore, rememberOnce } from '../../src/oauth/store/records.ts';
import type { ProtocolStore } from '../../src/oauth/store/store.ts';
import { SingleUseLost, unitOfWork } from '../../src/oauth/store/unit-of-work.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { waitingForLocks } from '../support/lock.ts';
import { itKeepsTheContract, type Subjects } from './protocol-store.ts';

// The library does not export its in-memory adapter, so the test imports the file.
const { createMemoryAdapter } = await import('../../node_modules/oidc-provider/lib/adapters/memory_adapter.js' as string);

const now = () => Math.floor(Date.now() / 1000);

/** Payloads in the library's form. */
function payloads(clientId: string, accountId: string, grantId: () => Promise<string>) {
  return async (model: string, id: string): Promise<Record<string, unknown>> => {
    const base = { kind: model, jti: id, iat: now(), exp: now() + 60 };
    switch (model) {
      case 'Session':
        return { ...base, uid: randomUUID(), accountId, loginTs: now(), authorizations: { [clientId]: { sid: 's' } } };
      case 'Grant':
        return { ...base, clientId, accountId, openid: { scope: 'openid profile' } };
      case 'Interaction':
        return {
          ...base,
          params: { scope: 'openid', state: '한글 😀' },
          prompt: { name: 'login', reasons: [], details: {} },
          returnTo: `https://as.example/oauth/authorize/${id}`,
        };
      case 'PushedAuthorizationRequest':
        return { ...base, request: 'e30.e30.', trusted: true };
      case 'RegistrationAccessToken':
      case 'ClientCredentials':
        return { ...base, clientId, scope: 'api' };
      default:
        return { ...base, clientId, accountId, grantId: await grantId(), scope: 'openid', claims: {}, sessionUid: 'u' };
    }
  };
}

const KEYS = [randomUUID()];

describe('The store contract', () => {
  describe("fulfilled by the library's in-memory adapter", () => {
    const factory = createMemoryAdapter() as (model: string) => ProtocolStore;
    const subjects: Subjects = { store: factory, payload: payloads('c', 'a', async () => randomUUID()), grantId: async () => randomUUID() };
    itKeepsTheContract(() => subjects);
  });

  describe('fulfilled by our stores on Postgres', () => {
    let server: TestServer;
    let subjects: Subjects;
    let clientId: string;
    let accountId: string;

    before(async () => {
      server = await startTestServer();
      const adapter = createAdapterFactory(server.database, createClientCache(server.database), [
        {
          stores: {
            DeviceCode: createDeviceCodeStore(server.database, () => KEYS),
            RegistrationAccessToken: createRecordStore(server.database, 'RegistrationAccessToken'),
          },
        },
      ]) as unknown as (model: string) => ProtocolStore;
      const stores = new Map<string, ProtocolStore>();
      const store = (model: string) => stores.get(model) ?? (stores.set(model, adapter(model)).get(model) as ProtocolStore);
      clientId = (await server.createClient()).client_id;
      accountId = (await server.createPerson()).id;
      const grantId = async () => {
        const id = randomUUID();
        await store('Grant').upsert(id, { kind: 'Grant', jti: id, clientId, accountId, iat: now() } as never, 3_600);
        return id;
      };
      subjects = { store, grantId, payload: payloads(clientId, accountId, grantId) };
    });
    after(() => server.close());

    itKeepsTheContract(() => subjects);

    const save = async (model: string, more: Record<string, unknown> = {}, expiresInSeconds = 60) => {
      const id = randomUUID();
      await subjects.store(model).upsert(id, { ...(await subjects.payload(model, id)), ...more } as never, expiresInSeconds);
      return id;
    };

    describe('and the promises of our stores only', () => {
      for (const model of ['RefreshToken', 'AuthorizationCode', 'PushedAuthorizationRequest']) {
        it(`lets one of 50 requests succeed that consume one ${model} at once`, async () => {
          const id = await save(model);
          const results = await Promise.allSettled(Array.from({ length: 50 }, () => subjects.store(model).consume?.(id)));
          assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
        });
      }

      it('lets one of 50 requests succeed that end one interaction at once', async () => {
        const id = await save('Interaction');
        const results = await Promise.allSettled(Array.from({ length: 50 }, () => subjects.store('Interaction').destroy(id)));
        assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
      });

      it('reports one identifier as new to one of 50 requests at once', async () => {
        const answers = await Promise.all(Array.from({ length: 50 }, () => rememberOnce(server.database, 'jti', 60)));
        assert.equal(answers.filter(Boolean).length, 1);
      });

      it('accepts an identifier again after its record has expired', async () => {
        assert.equal(await rememberOnce(server.database, 'old', 60), true);
        await server.sql("update protocol_record set expires_at = now() - interval '1 second' where kind = 'ReplayDetection'");
        assert.equal(await rememberOnce(server.database, 'old', 60), true);
        assert.equal(await rememberOnce(server.database, 'old', 60), false);
      });

      it("does not find what has expired by the database's clock", async () => {
        for (const model of ['AccessToken', 'AuthorizationCode', 'Session', 'Grant', 'Interaction']) {
          const id = await save(model, {}, -1);
          assert.equal(await subjects.store(model).find(id), undefined, model);
        }
      });

      it('does not restore a session under its old id when an earlier request writes it', async () => {
        const old = await save('Session');
        const session = (await subjects.store('Session').find(old)) as unknown as Record<string, unknown>;
        await subjects.store('Session').destroy(old);
        const renewed = await save('Session', { uid: session['uid'] });
        await subjects.store('Session').upsert(old, { ...session, authorizations: {} } as never, 60);
        assert.equal(await subjects.store('Session').find(old), undefined);
        assert.ok(await subjects.store('Session').find(renewed));
      });

      it('stores nothing of a payload that Postgres cannot store', async () => {
        const before = await server.sql('select count(*) from protocol_record');
        for (const text of ['\0', 'a\ud800b'])
          await assert.rejects(save('Interaction', { params: { state: text } }), { error: 'invalid_request' });
        assert.deepEqual(await server.sql('select count(*) from protocol_record'), before);
      });

      it('ends the codes and tokens of a grant that ends', async () => {
        const grantId = await subjects.grantId();
        const issued = await Promise.all(
          ['AccessToken', 'RefreshToken', 'AuthorizationCode'].map(async (model) => [model, await save(model, { grantId })] as const),
        );
        await server.database.query(revokeGrant(grantId));
        for (const [model, id] of issued) assert.equal(await subjects.store(model).find(id), undefined, model);
      });

      it('ends the sessions and grants of an account that ends, and of no other account', async () => {
        const person = await server.createPerson();
        const grant = randomUUID();
        await subjects.store('Grant').upsert(grant, { kind: 'Grant', jti: grant, clientId, accountId: person.id, iat: now() } as never, 60);
        const session = await save('Session', { accountId: person.id });
        const [otherGrant, otherSession] = [await subjects.grantId(), await save('Session')];
        await server.database.query(endAccount(person.id));
        assert.equal(await subjects.store('Grant').find(grant), undefined);
        assert.equal(await subjects.store('Session').find(session), undefined);
        assert.ok(await subjects.store('Grant').find(otherGrant));
        assert.ok(await subjects.store('Session').find(otherSession));
      });

      it('deletes expired rows in batches, also from two nodes at once; live rows stay', async () => {
        const live = await save('AccessToken');
        await server.sql(
          `insert into token (id, kind, client_id, expires_at, payload)
           select sha256(n::text::bytea), 'ClientCredentials', $1, now() - interval '1 second', '{}' from generate_series(1, 2500) n`,
          [clientId],
        );
        await Promise.all([prune(server.database), prune(server.database)]);
        // The node that found the other at work returned at once. The next run deletes the rest.
        await prune(server.database);
        assert.deepEqual(await server.sql('select count(*)::int as n from token where expires_at <= now()'), [{ n: 0 }]);
        assert.ok(await subjects.store('AccessToken').find(live));
      });
    });

    describe('a unit of work', () => {
      const tokens = () => server.sql('select count(*)::int as n from token');

      it('writes everything of a successful request, at its end', async () => {
        const code = await save('AuthorizationCode');
        const [{ n } = { n: 0 }] = (await tokens()) as { n: number }[];
        await unitOfWork(
          server.database,
          async () => {
            await subjects.store('AuthorizationCode').consume?.(code);
            await save('ClientCredentials');
            assert.deepEqual(await tokens(), [{ n }], 'written before the end');
          },
          () => true,
        );
        assert.deepEqual(await tokens(), [{ n: n + 1 }]);
        assert.ok((await subjects.store('AuthorizationCode').find(code))?.consumed);
      });

      it('writes what a failed request ends, and nothing that it issues or consumes', async () => {
        const [code, session] = [await save('AuthorizationCode'), await save('Session')];
        const before = await tokens();
        await unitOfWork(
          server.database,
          async () => {
            await subjects.store('AuthorizationCode').consume?.(code);
            await save('ClientCredentials');
            await subjects.store('Session').destroy(session);
          },
          () => false,
        );
        assert.deepEqual(await tokens(), before);
        assert.equal((await subjects.store('AuthorizationCode').find(code))?.consumed, undefined);
        assert.equal(await subjects.store('Session').find(session), undefined);
      });

      it('writes nothing when another request has consumed its code meanwhile', async () => {
        const code = await save('AuthorizationCode');
        const before = await tokens();
        const attempt = unitOfWork(
          server.database,
          async () => {
            await save('ClientCredentials');
            await subjects.store('AuthorizationCode').consume?.(code);
            await server.sql('update authorization_code set consumed_at = now()');
          },
          () => true,
        );
        await assert.rejects(attempt, SingleUseLost);
        assert.deepEqual(await tokens(), before);
      });

      it('writes nothing when its grant was ended meanwhile', async () => {
        const grantId = await subjects.grantId();
        const before = await tokens();
        const attempt = unitOfWork(
          server.database,
          async () => {
            await save('ClientCredentials');
            await save('AccessToken', { grantId });
            await server.sql('delete from grant_record where id = $1', [grantId]);
          },
          () => true,
        );
        await assert.rejects(attempt, SingleUseLost);
        assert.deepEqual(await tokens(), before);
      });

      it('is written in the end when it meets a deadlock', async () => {
        const [first, second] = [await save('ClientCredentials'), await save('ClientCredentials')];
        const lock = (id: string) => rival.query('select from token where id = sha256($1::bytea) for update', [Buffer.from(id)]);
        const rival = new pg.Client({ connectionString: server.config.databaseUrl });
        await rival.connect();
        // The rival never checks for deadlocks. So Postgres finds the unit in one, after its default of one second.
        await rival.query("set deadlock_timeout = '1min'");
        await rival.query('begin');
        await lock(second);
        const written = unitOfWork(
          server.database,
          async () => {
            await subjects.store('ClientCredentials').destroy(first);
            await subjects.store('ClientCredentials').destroy(second);
          },
          () => true,
        );
        await eventually('it waits for the second', async () => (await waitingForLocks(server)).length > 0);
        const crossing = lock(first).finally(() => rival.query('rollback'));
        await Promise.all([written, crossing]);
        await rival.end();
        for (const id of [first, second]) assert.equal(await subjects.store('ClientCredentials').find(id), undefined);
      });
    });
  });
});
