import { languageOf } from '../../../http/language.ts';
import type { Problem } from '../../../http/problem.ts';
import type { ClientRecord } from '../../../oauth/clients/inspection.ts';
import { placesOf } from '../../../oauth/clients/metadata/registration-policy.ts';
import { isLoopback, redirectUriProblems } from '../../../oauth/clients/redirect-uri.ts';
import type { ClientMetadata } from '../../../oauth/clients/store.ts';
import type { Visit } from '../../../pages/own-pages.ts';
import { type ClientError, listClientErrors } from '../errors/client-errors.ts';
import { causeOf } from '../errors/error-causes.ts';
import { changeClient } from './changing.ts';
import { listOf } from './kind.ts';
import { isRedirected } from './kinds.ts';
import { namesIn, registeredScopes, scopeGroups } from './scope-choice.ts';

/**
 * Owns the changes that cure an error by one press. Anyone can cause an error in a client's name, so an error alone never proposes an address
 * on a new host: the owner types that one in the settings.
 */

export type Cure = { act: 'allow_address'; about: string } | { act: 'add_scope'; about: string };

/** @returns undefined where no single change of the client cures the error. */
export function cureOf(visit: Visit, record: ClientRecord, error: ClientError): Cure | undefined {
  if (record.suspended_at) return undefined;
  const cause = causeOf(error);
  if (cause === 'redirect_uri') return addressToAllow(visit, record, error);
  if (cause === 'scope') return scopesToAdd(visit, record, error);
  return undefined;
}

function addressToAllow({ app }: Visit, { metadata }: ClientRecord, { detail }: ClientError): Cure | undefined {
  const { redirect_uri: uri } = detail;
  const registered = listOf(metadata['redirect_uris']);
  const grants = metadata['grant_types'] === undefined ? ['authorization_code'] : listOf(metadata['grant_types']);
  if (typeof uri !== 'string' || registered.includes(uri) || !isRedirected({ grant_types: grants })) return undefined;
  const { own } = placesOf(app.config);
  if (redirectUriProblems([uri], { own }).length) return undefined;
  return isLoopback(uri) || registered.some((one) => sameHost(one, uri)) ? { act: 'allow_address', about: uri } : undefined;
}

function sameHost(registered: string, uri: string): boolean {
  const [a, b] = [URL.parse(registered), URL.parse(uri)];
  return !!a && !!b && a.protocol === 'https:' && b.protocol === 'https:' && a.host === b.host;
}

function scopesToAdd({ account, ctx, app }: Visit, record: ClientRecord, { detail }: ClientError): Cure | undefined {
  const registered = registeredScopes(record.metadata);
  const asked = typeof detail['scope'] === 'string' ? detail['scope'].split(' ') : [];
  if (!registered) return undefined;
  const offered = namesIn(
    scopeGroups(app.resourceServers, app.config.issuer, {
      accountId: account.id,
      services: record.services,
      samples: app.config.environment !== 'production',
      chosen: asked,
      language: languageOf(ctx),
    }),
  );
  const missing = [...new Set(asked)].filter((scope) => offered.includes(scope) && !registered.includes(scope));
  return missing.length ? { act: 'add_scope', about: missing.join(' ') } : undefined;
}

/**
 * Applies the cure of a recorded error. The error is read again, so the form can name no address or scope of its own.
 * @param errorId from the form; untrusted. @returns the problems; empty when the client was changed, undefined for an unknown error.
 */
export async function cure(visit: Visit, record: ClientRecord, errorId: string, act: string): Promise<Problem[] | undefined> {
  const errors = await listClientErrors(visit.app.database, record.id);
  const error = errors.find(({ id }) => id === errorId);
  const found = error && cureOf(visit, record, error);
  if (!found || found.act !== act) return undefined;
  const stored: ClientMetadata = { ...record.metadata, client_id: record.id };
  if (found.act === 'allow_address')
    return changeClient(visit, record, { ...stored, redirect_uris: [...listOf(stored['redirect_uris']), found.about] }, ['redirect_uris']);
  const scope = [...(registeredScopes(stored) ?? []), ...found.about.split(' ')].join(' ');
  return changeClient(visit, record, { ...stored, scope }, ['scope']);
}
