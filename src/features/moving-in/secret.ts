import { isSecretHandle } from '../../oauth/clients/secrets.ts';
import { changed, type Draft, kept } from './draft.ts';

/**
 * Owns whether a secret of another server's can go on here. Secrets are kept as SHA-256, which holds for random ones alone (secrets.ts): one
 * that could be guessed is not taken along.
 */

const FEWEST_CHARACTERS = 22;
const FEWEST_DIFFERENT = 10;
const MOST_CHARACTERS = 1_024;

/** @param value as the export has it. To be called when the method of authentication is settled. */
export function settleSecret(draft: Draft, field: string, value: unknown): void {
  const method = draft.metadata['token_endpoint_auth_method'];
  if (method === 'none' || method === 'private_key_jwt') return;
  const problem = secretProblem(value);
  draft.secret = problem ? { kind: 'reissue' } : { kind: 'kept', value: String(value) };
  if (problem) changed(draft, field, { from: 'not shown', to: 'a new one', why: problem });
  else kept(draft, field, 'not shown');
}

// A plain boolean: what is no handle is a string still.
const looksKept = (value: string): boolean => isSecretHandle(value);

function secretProblem(value: unknown): string | undefined {
  if (typeof value !== 'string' || !value) return 'the export has none';
  if (/^\*+$/.test(value)) return 'the export masks it';
  if (/^\$[0-9a-z-]+\$/i.test(value)) return 'the export has its hash, by which it cannot be verified here';
  // RFC 6749 appendix A.2, and what would be taken for the digest of one.
  if (/[^\x20-\x7e]/.test(value) || value.length > MOST_CHARACTERS || looksKept(value)) return 'it is none that a client could send';
  if (value.length < FEWEST_CHARACTERS || new Set(value).size < FEWEST_DIFFERENT) return 'it is so short or plain that it could be guessed';
  return undefined;
}
