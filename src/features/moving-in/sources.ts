import { AUTH0 } from './auth0.ts';
import { createDraft, type Draft, isFields, isTooDeep, refuse, type Source } from './draft.ts';
import { HYDRA } from './hydra.ts';
import { KEYCLOAK } from './keycloak.ts';

/** Owns the list of servers whose exports can be read, and the check of a file's shape. */

const SOURCES = { keycloak: KEYCLOAK, hydra: HYDRA, auth0: AUTH0 } satisfies Record<string, Source>;

export type SourceName = keyof typeof SOURCES;

export const SOURCE_NAMES = Object.keys(SOURCES) as SourceName[];

export type ForeignExport = {
  count: number;
  document: unknown;
  /** Yields the clients one by one. @param scopes all scopes that a client may have here. */
  drafts(scopes: string[]): Generator<Draft>;
};

/** @throws Error that names the expected shape. */
export function readExport(from: SourceName, text: string): ForeignExport {
  const document = parse(text);
  const source: Source = SOURCES[from];
  const clients = isTooDeep(document) ? undefined : source.clientsIn(document);
  if (!clients) throw new Error(`the file is not what --from ${from} reads: ${source.expected}`);
  return {
    count: clients.length,
    document,
    *drafts(scopes) {
      const seen = new Set<string>();
      for (const client of clients) {
        const draft = isFields(client) ? source.read(client, scopes) : createDraft('', '');
        judgeId(draft, seen);
        yield draft;
      }
    },
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message quotes the file, which may contain a secret.
    throw new Error('the file is no JSON');
  }
}

function judgeId(draft: Draft, seen: Set<string>): void {
  // The characters of RFC 6749 appendix A.1 without spaces, and a length that is readable.
  if (!/^[\x21-\x7e]{1,255}$/.test(draft.clientId))
    draft.refusal = 'its client id must have 1 to 255 printable ASCII characters, without spaces';
  else if (seen.has(draft.clientId)) draft.refusal = 'another client of the file before it has the same client id';
  seen.add(draft.clientId);
  if (!draft.metadata['client_name'] && !draft.passedOver) draft.metadata['client_name'] = draft.clientId;
  if (draft.passedOver) return;
  if (!draft.metadata['grant_types']) refuse(draft, 'it is no object');
}
