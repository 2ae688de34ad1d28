import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { Provider } from 'oidc-provider';
import { settle } from '../../src/oauth/consent/decision.ts';
import { allowedScopes, grantIdFor, keepAnswers, type ScopeAnswer } from '../../src/oauth/store/decisions.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';

/**
 * An answer is applied to a grant twice: in memory for the current request, and in SQL to the row as it is at the end.
 * Both must have the same result.
 */
describe('Answers in a grant', () => {
  let server: TestServer;
  let provider: Provider;
  let whose: { accountId: string; clientId: string };
  before(async () => {
    server = await startTestServer();
    provider = new Provider('https://server.example', {});
    const [client, person] = await Promise.all([server.createClient(), server.createPerson()]);
    whose = { accountId: person.id, clientId: client.client_id };
  });
  after(() => server.close());

  const keep = (grantId: string, answers: ScopeAnswer[]) => keepAnswers(server.database, { ...whose, grantId, answers, lifeSeconds: 60 });
  const stored = async (grantId: string) => (await server.sql('select payload from grant_record where id = $1', [grantId]))[0]?.['payload'];

  const RESOURCES = [undefined, 'https://api.example/a', `https://api.example/'"{}\\`];
  const scopes = fc.uniqueArray(fc.constantFrom('openid', 'email', 'a:read', 'a:write', '한'), { maxLength: 5 });
  // As on the consent page: each asked scope is either allowed or declined, and a scope that everybody must allow is never declined.
  const answer = fc
    .record({ resource: fc.constantFrom(...RESOURCES), asked: scopes, ticked: scopes })
    .map(({ resource, asked, ticked }): ScopeAnswer => {
      const allowed = asked.filter((name) => name === 'openid' || ticked.includes(name));
      return { ...(resource === undefined ? undefined : { resource }), allowed, declined: asked.filter((name) => !allowed.includes(name)) };
    });
  const decision = fc.uniqueArray(answer, { maxLength: 3, selector: ({ resource }) => resource });

  it('have the same result in the database and in memory, after any earlier answers', async () => {
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(decision, { minLength: 1, maxLength: 4 }), async (decisions) => {
        const grantId = grantIdFor(whose.accountId, whose.clientId, String(runs++));
        const grant = new provider.Grant(whose);
        for (const answers of decisions) {
          settle(grant, answers);
          await keep(grantId, answers);
        }
        const payload = (await stored(grantId)) as Record<string, unknown>;
        const found = new provider.Grant({ ...whose, ...payload });
        for (const resource of RESOURCES) {
          const told = resource === undefined ? grant.getOIDCScope() : grant.getResourceScope(resource);
          assert.equal(resource === undefined ? found.getOIDCScope() : found.getResourceScope(resource), told);
          assert.equal(
            resource === undefined ? found.getOIDCScopeEncountered() : found.getResourceScopeEncountered(resource),
            resource === undefined ? grant.getOIDCScopeEncountered() : grant.getResourceScopeEncountered(resource),
          );
          const listed = allowedScopes(payload).filter((scope) => scope.resource === resource);
          assert.deepEqual(
            listed.map(({ name }) => name),
            told.split(' ').filter(Boolean),
          );
        }
      }),
      { numRuns: 60 },
    );
  });

  it('are added to rows of earlier versions with missing members', async () => {
    for (const [n, payload] of [
      '{}',
      '{"openid":{"scope":"openid"}}',
      '{"rejected":{"resources":{"r":"x"}}}',
      '{"iat":1,"rar":[]}',
    ].entries()) {
      await server.sql(
        `insert into grant_record (id, client_id, account_id, expires_at, payload) values ($1, $2, $3, now() + interval '1 hour', $4)`,
        [`old ${n}`, whose.clientId, whose.accountId, payload],
      );
      await keep(`old ${n}`, [
        { allowed: ['email'], declined: [] },
        { resource: 'r', allowed: ['x'], declined: ['y'] },
      ]);
      const kept = (await stored(`old ${n}`)) as {
        openid: { scope: string };
        resources: object;
        rejected: { resources: object };
        rar?: unknown;
      };
      assert.match(kept.openid.scope, /\bemail$/);
      assert.deepEqual([kept.resources, kept.rejected.resources], [{ r: 'x' }, { r: 'y' }]);
      assert.equal('rar' in kept, payload.includes('rar'));
    }
  });

  it('are all stored in one row when many arrive at once', async () => {
    const grantId = grantIdFor(whose.accountId, whose.clientId, 'at once');
    const names = Array.from({ length: 20 }, (_, n) => `s${n}`);
    await Promise.all(names.map((name) => keep(grantId, [{ allowed: [name], declined: [] }])));
    const kept = allowedScopes(await stored(grantId)).map(({ name }) => name);
    assert.deepEqual(kept.sort(), names.sort());
  });
});
