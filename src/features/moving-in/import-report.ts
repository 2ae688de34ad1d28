import { quoted } from '../../command-line/terminal.ts';
import type { FieldNote } from './draft.ts';
import type { KeycloakPerson } from './keycloak-people.ts';
import type { Planned } from './plan.ts';
import type { SourceName } from './sources.ts';

/** Owns the report of an import, on the terminal and in the file of --report. It never contains a secret. */

export type Order = {
  from: SourceName;
  file: string;
  dryRun: boolean;
  update: boolean;
  people: boolean;
  yes: boolean;
  secrets: string | undefined;
  report: string | undefined;
};

export type Plan = { plan: Planned[]; people: KeycloakPerson[] | undefined; order: Order };

type Told = { outcome: string; why?: string; fields: FieldNote[] };

export type ImportReport = {
  source: SourceName;
  dryRun: boolean;
  /** Some were left for another time. */
  interrupted: boolean;
  clients: ({ client_id: string; name: string; stored?: object } & Told)[];
  people?: ({ email: string } & Told)[];
};

const PAST: Record<Planned['outcome'], string> = { make: 'made', update: 'updated', skip: 'skipped', refuse: 'refused' };

/** @param written ids of what was written; undefined when nothing was to be. */
export function reportOf(
  order: Order,
  { plan, people, written }: Pick<Plan, 'plan' | 'people'> & { written: Set<string> | undefined },
): ImportReport {
  const outcomeOf = (outcome: Planned['outcome'], id: string) => {
    if (outcome === 'skip' || outcome === 'refuse') return PAST[outcome];
    if (!written) return `would be ${PAST[outcome]}`;
    return written.has(id) ? PAST[outcome] : 'left';
  };
  const clients = plan.map(({ draft, outcome, why, metadata }) => ({
    client_id: draft.clientId,
    name: draft.name,
    outcome: outcomeOf(outcome, draft.clientId),
    ...(why === undefined ? undefined : { why }),
    fields: draft.fields,
    ...(metadata ? { stored: metadata } : undefined),
  }));
  const told = people?.map((person) => ({
    email: person.email,
    outcome: outcomeOf(person.refusal ? 'refuse' : person.passedOver ? 'skip' : 'make', person.id),
    ...(person.refusal || person.passedOver ? { why: person.refusal ?? String(person.passedOver) } : undefined),
    fields: person.fields,
  }));
  const left = [...clients, ...(told ?? [])].some(({ outcome }) => outcome === 'left');
  return { source: order.from, dryRun: order.dryRun, interrupted: left, clients, ...(told ? { people: told } : undefined) };
}

/** How many of which, before anything is done. */
export function tally(plan: Planned[], people: KeycloakPerson[] | undefined): string {
  const clients = count(plan.map(({ outcome }) => `to be ${PAST[outcome]}`));
  const newcomers = people?.filter(({ refusal, passedOver }) => !refusal && !passedOver).length;
  return `Clients: ${clients}${people ? `. People: ${newcomers} to be made of ${people.length}` : ''}`;
}

function count(outcomes: string[]): string {
  const totals = new Map<string, number>();
  for (const outcome of outcomes) totals.set(outcome, (totals.get(outcome) ?? 0) + 1);
  return [...totals].map(([outcome, total]) => `${total} ${outcome}`).join(', ') || 'none';
}

/** @param whole with the fields too. */
export function print({ clients, people, dryRun, interrupted }: ImportReport, whole: boolean): void {
  for (const { client_id, name, ...told } of clients) printOne(`${quoted(client_id)} ${quoted(name)}`, told, whole);
  for (const { email, ...told } of people ?? []) printOne(quoted(email), told, whole);
  console.log(`\nclients: ${count(clients.map(({ outcome }) => outcome))}`);
  if (people) console.log(`people: ${count(people.map(({ outcome }) => outcome))}`);
  if (dryRun) console.log('nothing was written: this was a dry run');
  if (interrupted) console.log('it was interrupted: what is left is taken in when it is run again');
}

function printOne(who: string, { outcome, why, fields }: Told, whole: boolean): void {
  console.log(`${outcome}  ${who}${why ? `: ${plain(why)}` : ''}`);
  if (whole) for (const note of fields) console.log(`    ${lineOf(note)}`);
}

function lineOf({ field, outcome, from, to, why }: FieldNote): string {
  const values = [from, to].filter((value) => value !== undefined && value !== '').map(quoted);
  return `${outcome}  ${quoted(field).slice(1, -1)}${values.length ? `  ${values.join(' → ')}` : ''}${why ? `: ${plain(why)}` : ''}`;
}

// A sentence of ours may have somebody else's words in it.
const plain = (sentence: string): string => quoted(sentence).slice(1, -1).replaceAll('\\"', '"');

/** JSON without characters that an editor or a terminal obeys or hides. */
export function asJson(report: ImportReport): string {
  return JSON.stringify(report, null, 2).replace(/[^\P{C}\n]/gu, (character) =>
    [...Array(character.length).keys()].map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`).join(''),
  );
}
