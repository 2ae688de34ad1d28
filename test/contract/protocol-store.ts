import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import type { ProtocolStore } from '../../src/oauth/store/store.ts';

/** The contract of every store that the library uses. contract.test.ts runs it against each implementation. */

export type Subjects = {
  /** The store of a model. */
  store(model: string): ProtocolStore;
  /** A payload that the store accepts: the clients and accounts that it names exist. */
  payload(model: string, id: string): Promise<Record<string, unknown>>;
  /** A grant under which codes and tokens may be stored. */
  grantId(): Promise<string>;
};

const ISSUED = ['AccessToken', 'RefreshToken', 'AuthorizationCode'];
const MODELS = [...ISSUED, 'ClientCredentials', 'Session', 'Grant', 'Interaction', 'PushedAuthorizationRequest', 'RegistrationAccessToken'];
const MINUTE = 60;

export function itKeepsTheContract(subjects: () => Subjects): void {
  const save = async (model: string, id = randomUUID(), more: Record<string, unknown> = {}) => {
    const payload = { ...(await subjects().payload(model, id)), ...more };
    await subjects()
      .store(model)
      .upsert(id, payload as never, MINUTE);
    return { id, payload };
  };

  for (const model of MODELS) {
    describe(model, () => {
      it('is found as it was saved', async () => {
        const { id, payload } = await save(model);
        const found = await subjects().store(model).find(id);
        assert.deepEqual(comparable(found), comparable(payload));
      });

      it('is not found by an id that was never saved', async () => {
        assert.equal(await subjects().store(model).find(randomUUID()), undefined);
        assert.equal(await subjects().store(model).find('\0\ud800'), undefined);
      });

      it('is not found after it was destroyed, and others are', async () => {
        const { id } = await save(model);
        const { id: other } = await save(model);
        await subjects().store(model).destroy(id);
        assert.equal(await subjects().store(model).find(id), undefined);
        assert.ok(await subjects().store(model).find(other), 'another was destroyed too');
      });
    });
  }

  it('keeps one id in two models apart', async () => {
    const id = randomUUID();
    await save('AccessToken', id);
    for (const model of MODELS.filter((name) => name !== 'AccessToken'))
      assert.equal(await subjects().store(model).find(id), undefined, model);
    await subjects().store('PushedAuthorizationRequest').destroy(id);
    assert.ok(await subjects().store('AccessToken').find(id));
  });

  for (const model of ['RefreshToken', 'AuthorizationCode', 'PushedAuthorizationRequest']) {
    it(`${model} has the time of its consumption`, async () => {
      const { id } = await save(model);
      assert.equal((await subjects().store(model).find(id))?.consumed, undefined);
      await subjects().store(model).consume?.(id);
      assert.ok((await subjects().store(model).find(id))?.consumed);
    });
  }

  it('finds a session by its uid', async () => {
    const { payload } = await save('Session');
    const found = await subjects().store('Session').findByUid?.(String(payload['uid']));
    assert.equal(found?.accountId, payload['accountId']);
    assert.equal(await subjects().store('Session').findByUid?.(randomUUID()), undefined);
  });

  for (const model of ISSUED) {
    it(`${model} is deleted with its grant, and no other is`, async () => {
      const [grantId, otherGrantId] = [await subjects().grantId(), await subjects().grantId()];
      const { id } = await save(model, undefined, { grantId });
      const { id: other } = await save(model, undefined, { grantId: otherGrantId });
      await subjects().store(model).revokeByGrantId?.(grantId);
      assert.equal(await subjects().store(model).find(id), undefined);
      assert.ok(await subjects().store(model).find(other));
    });
  }
}

/** Payloads without members that stores may write differently: `exp` follows the store's clock, `consumed` is the store's own. */
function comparable(payload: Record<string, unknown> | undefined): Record<string, unknown> {
  const { exp: _exp, consumed: _consumed, ...same } = { ...payload };
  return same;
}
