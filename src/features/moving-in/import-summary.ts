import { quoted } from '../../command-line/terminal.ts';
import type { FieldNote } from './draft.ts';
import { type ClientReport, type ImportReport, outcomeOf } from './import-report.ts';
import type { PeopleTally } from './people-tally.ts';
import type { Planned } from './plan.ts';

/** Owns what the terminal shows of an import: the summary first, then what somebody has to look at, then the details. */

// More than that nobody reads at a terminal: --report has all of it.
const MOST_LINES = 200;

/** How many of which, before anything is done. @param people how many would be made, of how many. */
export function tally(plan: Planned[], people: PeopleTally | undefined): string {
  const clients = count(plan.map(({ outcome }) => `to be ${outcomeOf(outcome, true)}`));
  const all = people ? [...people.outcomes.values()].reduce((sum, one) => sum + one, 0) : 0;
  return `Clients: ${clients}${people ? `. People: ${people.outcomes.get('make') ?? 0} to be made of ${all}` : ''}`;
}

function count(outcomes: Iterable<string>): string {
  const totals = new Map<string, number>();
  for (const outcome of outcomes) totals.set(outcome, (totals.get(outcome) ?? 0) + 1);
  return [...totals].map(([outcome, total]) => `${total} ${outcome}`).join(', ') || 'none';
}

type Shown = Pick<ImportReport, 'clients' | 'beside' | 'dryRun' | 'interrupted'> & { people: PeopleTally | undefined };

/** @param whole with all that happened to each client, since no report has it. */
export function printSummary({ clients, beside, people, dryRun, interrupted }: Shown, whole: boolean): void {
  const suspended = clients.filter((client) => client.suspended).length;
  const reissued = clients.filter((client) => client.reissued).length;
  console.log(`clients: ${count(clients.map(({ outcome }) => outcome))}`);
  if (suspended) console.log(`suspended: ${suspended} of them: see below`);
  if (reissued) console.log(`new secrets: ${reissued}, since the file has none that can stay`);
  if (people) console.log(`people: ${countPeople(people, dryRun)}; ${people.passwords} with their password`);
  if (beside.length) console.log(`left behind: ${beside.length === 1 ? '1 thing' : `${beside.length} things`} beside clients and people`);
  if (dryRun) console.log('nothing was written: this was a dry run');
  if (interrupted) console.log('it was interrupted: what is left is imported when the same command is run again');
  section('To look at', [...clients.flatMap(attention), ...(people?.problems ?? []).map(problemOf)]);
  section('Left behind', grouped(beside));
  section(
    'What the file says of people',
    (people?.fields ?? []).map(({ people, ...note }) => `${lineOf(note)} (${people})`),
  );
  section(
    'Clients',
    clients.flatMap((client) => [headOf(client), ...(whole ? client.fields.map((note) => `  ${lineOf(note)}`) : [])]),
  );
}

function countPeople({ outcomes }: PeopleTally, dryRun: boolean): string {
  return [...outcomes].map(([outcome, total]) => `${total} ${outcomeOf(outcome, dryRun ? undefined : true)}`).join(', ') || 'none';
}

function section(title: string, lines: string[]): void {
  if (!lines.length) return;
  console.log(`\n${title}`);
  for (const line of lines.slice(0, MOST_LINES)) console.log(`  ${line}`);
  if (lines.length > MOST_LINES) console.log(`  … and ${lines.length - MOST_LINES} more lines: --report FILE writes all of it`);
}

const headOf = ({ client_id, name, outcome, why }: ClientReport): string =>
  `${outcome}  ${quoted(client_id)} ${quoted(name)}${why ? `: ${plain(why)}` : ''}`;

function attention(client: ClientReport): string[] {
  const why = (wanted: RegExp) => client.fields.find(({ field, to }) => wanted.test(field) || to === 'suspended')?.why ?? '';
  return [
    ...(client.outcome === 'refused' ? [headOf(client)] : []),
    ...(client.suspended ? [`suspended  ${quoted(client.client_id)}: ${plain(why(/^enabled$/))}`] : []),
    ...(client.reissued ? [`new secret  ${quoted(client.client_id)}: ${plain(secretNote(client)?.why ?? '')}`] : []),
  ];
}

const secretNote = ({ fields }: ClientReport): FieldNote | undefined =>
  fields.find(({ field, outcome }) => /^(client_)?secret$/.test(field) && outcome === 'changed');

const problemOf = ({ person, outcome, why = '' }: PeopleTally['problems'][number]): string =>
  `${outcomeOf(outcome, true)}  ${plain(person.where)} ${quoted(person.email)}: ${plain(why)}`;

/** One line for each reason, with all that it is about. */
function grouped(notes: FieldNote[]): string[] {
  const reasons = new Map<string, string[]>();
  for (const { field, from, why = '' } of notes) reasons.set(why, [...(reasons.get(why) ?? []), `${field}${from ? ` (${from})` : ''}`]);
  return [...reasons].map(([why, fields]) => `${fields.map(plain).join(', ')}: ${plain(why)}`);
}

function lineOf({ field, outcome, from, to, why }: FieldNote): string {
  const values = [from, to].filter((value) => value !== undefined && value !== '').map(quoted);
  return `${outcome}  ${plain(field)}${values.length ? `  ${values.join(' → ')}` : ''}${why ? `: ${plain(why)}` : ''}`;
}

// A sentence of ours may have somebody else's words in it.
const plain = (sentence: string): string => quoted(sentence).slice(1, -1).replaceAll('\\"', '"');
