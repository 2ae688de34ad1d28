import { decodeJwt } from 'jose';
import { type Command, DONE } from '../../src/command-line/command.ts';
import { withDatabase } from '../../src/command-line/operator.ts';
import { moment, printable, quoted, table } from '../../src/command-line/terminal.ts';
import { readAdminScopes } from '../../src/features/admin/client-scopes.ts';
import { findSoftwareIssuer } from '../../src/features/registration/software-issuers.ts';
import { findClientRecord } from '../../src/oauth/clients/inspection.ts';
import { listOwners } from '../../src/oauth/clients/owners.ts';
import { countPeople } from '../../src/oauth/store/grants.ts';
import type { Database } from '../../src/platform/database.ts';

/** Owns the full picture of one client: it joins what several features and the kernel store of it. */

export const DESCRIBE_CLIENT: Command = {
  noun: 'clients',
  verb: 'describe',
  summary: 'Show all that is stored of a client; of its secrets, how old they are and when they end',
  operands: ['ID'],
  notes: '  Write -- before an ID that begins with a dash: munjigi clients describe -- -abc',
  run: ({ operands: [id = ''] }) => withDatabase((database) => describe(database, id)),
};

async function describe(database: Database, clientId: string): Promise<number> {
  const client = await findClientRecord(database, clientId);
  if (!client) throw new Error(`there is no client ${printable(clientId)}`);
  const { metadata, secrets } = client;
  const live = secrets.map(
    ({ made, expires }) => `made ${moment(new Date(made))}, ${expires ? `ends ${moment(new Date(expires))}` : 'does not end'}`,
  );
  const owners = (await listOwners(database, clientId)).map(({ email, since }) => `${email}, since ${moment(since)}`);
  const rows: [string, string][] = [
    ['client_id', clientId],
    ['registered by', client.registration],
    ['with the token', client.registered_with ?? '-'],
    ['vouched for by', await voucher(database, metadata['software_statement'])],
    ['since', moment(client.created_at)],
    ['changed', moment(client.updated_at)],
    ['suspended', moment(client.suspended_at)],
    ['publisher', client.publisher ? `${quoted(client.publisher)}, verified ${moment(client.verified_at)}` : '-'],
    ['introspects', client.introspects ?? '-'],
    ['acts at', client.services.join() || '-'],
    ['from pages at', client.origins.join() || '-'],
    ['admin scopes', (await readAdminScopes(database, clientId))?.join() || '-'],
    ...(owners.length ? owners : ['-']).map((text, n): [string, string] => [n ? '' : 'owners', text]),
    ['people', String(await countPeople(database, clientId))],
    ...(live.length ? live : ['-']).map((text, n): [string, string] => [n ? '' : 'secrets', text]),
    ...Object.entries(metadata)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([member, value]): [string, string] => [quoted(member).slice(1, -1), quoted(value)]),
  ];
  console.log(table(rows));
  return DONE;
}

/** The issuer of the software statement that a client came with. The issuer vouches for what the statement says; an operator verifies the `publisher`. */
async function voucher(database: Database, statement: unknown): Promise<string> {
  if (typeof statement !== 'string') return '-';
  const { iss } = decodeJwt(statement);
  const issuer = await findSoftwareIssuer(database, String(iss));
  return issuer ? `${quoted(issuer.name)}, ${issuer.issuer}` : `${quoted(iss)}, which is not trusted any more`;
}
