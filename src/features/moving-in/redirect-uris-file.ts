import { quoted } from '../../command-line/terminal.ts';
import { redirectUriProblem } from '../../oauth/clients/redirect-uri.ts';
import { listFiles, wholeText } from './reading/files.ts';

/** Owns the file of --redirect-uris: lines of a client id and an address, which the operator gives instead of patterns. */

const MOST_BYTES = 16 * 1024 * 1024;

export type GivenAddresses = ReadonlyMap<string, readonly string[]>;

/** @returns addresses by client id. @throws Error with the line and what would be right. */
export async function readRedirectUris(path: string): Promise<GivenAddresses> {
  const given = new Map<string, string[]>();
  const file = listFiles(path)[0];
  const text = file ? await wholeText(file, MOST_BYTES, 'give the addresses in several files') : '';
  for (const [n, line] of text.split(/\r?\n/).entries()) {
    if (!line.trim() || line.trimStart().startsWith('#')) continue;
    const [clientId = '', uri = '', ...rest] = line.trim().split(/[\s,;]+/);
    const problem = uri && !rest.length ? redirectUriProblem(uri) : 'must be a client id and one address, with a space between';
    if (problem) throw new Error(`--redirect-uris line ${n + 1}: ${quoted(uri || clientId)} ${problem}`);
    given.set(clientId, [...new Set([...(given.get(clientId) ?? []), uri])]);
  }
  return given;
}
