import { quoted } from '../../command-line/terminal.ts';
import { AUTH0 } from './auth0.ts';
import { type Collected, createDraft, type Draft, type FieldNote, refuse, type Source } from './draft.ts';
import { HYDRA } from './hydra.ts';
import { KEYCLOAK } from './keycloak.ts';
import { type ExportFile, listFiles } from './reading/files.ts';
import { readItems } from './reading/read.ts';

/** Owns the list of servers whose exports can be read, and the check of a file's shape. */

const SOURCES = { keycloak: KEYCLOAK, hydra: HYDRA, auth0: AUTH0 } satisfies Record<string, Source>;

export type SourceName = keyof typeof SOURCES;

export const SOURCE_NAMES = Object.keys(SOURCES) as SourceName[];

export type ForeignExport = {
  count: number;
  /** What lies beside the clients and users, and is not imported. */
  beside: FieldNote[];
  /** How many users the files have. */
  people: number;
  /**
   * Yields the clients one by one.
   * @param scopes all scopes that a client may have here. @param given redirect URIs that the operator gives, by client id.
   */
  drafts(scopes: string[], given?: ReadonlyMap<string, readonly string[]>): Generator<Draft>;
};

/**
 * Reads all but the users, which are counted: see {@link readUsers}.
 * @param path a file or a folder. @param advance is called with the number of bytes that were read.
 * @throws Error that names the file, and the expected shape.
 */
export async function readExport(from: SourceName, path: string, advance?: (bytes: number) => void): Promise<ForeignExport> {
  const source: Source = SOURCES[from];
  const collected: Collected = { clients: [], beside: [], secrets: new Map() };
  let people = 0;
  for (const file of filesOf(source, path, collected))
    for await (const item of readItems(file, { prepare: source.prepare, ...(advance && { advance }) })) {
      if ('person' in item) people += 1;
      else if (!source.take(item.document, collected)) throw new Error(wrongShape(from, file, item.document));
    }
  return {
    count: collected.clients.length,
    beside: collected.beside,
    people,
    *drafts(scopes, given = new Map()) {
      const seen = new Set<string>();
      for (const client of collected.clients) {
        const clientId = source.idOf(client);
        const draft = createDraft(clientId, given.get(clientId));
        source.read(draft, client, scopes, collected);
        judgeId(draft, seen);
        yield draft;
      }
    },
  };
}

/** Reads the users of the same files again, one by one. */
export async function* readUsers(from: SourceName, path: string, advance?: (bytes: number) => void): AsyncGenerator<unknown> {
  const source: Source = SOURCES[from];
  for (const file of filesOf(source, path))
    for await (const item of readItems(file, { prepare: source.prepare, ...(advance && { advance }) }))
      if ('person' in item) yield item.person;
}

/** @returns the files to read. Others of a folder get a note each. */
function filesOf(source: Source, path: string, collected?: Collected): ExportFile[] {
  const files = listFiles(path);
  if (files.length === 1) return files;
  return files.filter(({ name }) => {
    const why = source.leaves?.(name);
    if (why !== undefined) collected?.beside.push({ field: name, outcome: 'dropped', why });
    return why === undefined;
  });
}

function wrongShape(from: SourceName, { path }: ExportFile, document: unknown): string {
  const other = SOURCE_NAMES.find((name) => {
    const trial: Collected = { clients: [], beside: [], secrets: new Map() };
    return name !== from && SOURCES[name].take(document, trial) && trial.clients.length > 0;
  });
  const hint = other ? `It looks like one of ${other}: use --from ${other}` : SOURCES[from].expected;
  return `${quoted(path)}: the file is not what --from ${from} reads. ${other ? hint : `Right would be ${hint}`}`;
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
