import { isSecretHandle } from '../../oauth/clients/secrets.ts';
import { changed, type Draft, kept } from './draft.ts';

/**
 * Owns whether a secret of another server can be imported. This server stores SHA-256 digests, which protect only random secrets
 * (secrets.ts). A secret that could be guessed is not imported.
 */

const FEWEST_CHARACTERS = 22;
const FEWEST_DIFFERENT = 10;
const MOST_CHARACTERS = 1_024;

/** Call it after the authentication method is settled. @param value the secret in the export. */
export function settleSecret(draft: Draft, field: string, value: unknown): void {
  const method = draft.metadata['token_endpoint_auth_method'];
  if (method === 'none' || method === 'private_key_jwt') return;
  const problem = secretProblem(value);
  draft.secret = problem ? { kind: 'reissue' } : { kind: 'kept', value: String(value) };
  if (problem) changed(draft, field, { from: 'not shown', to: 'a new one', why: problem });
  else kept(draft, field, 'not shown');
}

// A plain boolean instead of the type guard: a value that is not a handle must stay a string.
const looksKept = (value: string): boolean => isSecretHandle(value);

// Stars, a word in brackets, and what a tool replaces by a value: @@NAME@@, ##NAME##, ${NAME}, $(env:NAME), {{ name }}, <NAME>, %NAME%.
const MASK = /^(\*+|x{6,}|•+|\.{3,}|\[.*\]|<.*>|@@.*@@|##.*##|\$\(.*\)|\$?\{.*\}|%\w+%)$/is;
const WORDS =
  /^[-_ ]*(redacted|masked|hidden|secret|client[-_ ]?secret|placeholder|change[-_ ]?me|(replace|your|insert|enter)[-_ ].*)[-_ ]*$/i;

export const isMasked = (value: string): boolean => MASK.test(value.trim()) || WORDS.test(value.trim());

function secretProblem(value: unknown): string | undefined {
  if (typeof value !== 'string' || !value) return 'the export has none';
  if (isMasked(value)) return 'the export has a mask or placeholder instead of it';
  if (/^\$[0-9a-z-]+\$/i.test(value)) return 'the export has its hash, by which it cannot be verified here';
  // The characters of RFC 6749 appendix A.2. A value that looks like a stored digest is refused too.
  if (/[^\x20-\x7e]/.test(value) || value.length > MOST_CHARACTERS || looksKept(value)) return 'it is none that a client could send';
  if (value.length < FEWEST_CHARACTERS || new Set(value).size < FEWEST_DIFFERENT) return 'it is so short or plain that it could be guessed';
  return undefined;
}
