import type { NewFile } from '../../command-line/new-file.ts';
import type { FieldNote } from './draft.ts';
import type { JudgedPerson, PersonOutcome } from './import-people.ts';
import type { FieldOfPeople, PeopleTally } from './people-tally.ts';
import type { Planned } from './plan.ts';
import type { SourceName } from './sources.ts';

/**
 * Owns the file of --report: all that happened to each client and user, as JSON. It never contains a secret or a password's hash. Users are
 * written while they are imported, so that their number does not matter.
 */

export type ClientReport = {
  client_id: string;
  name: string;
  outcome: string;
  why?: string;
  /** It was made, and nobody signs in with it before an operator or its owner acts. */
  suspended?: true;
  reissued?: true;
  fields: FieldNote[];
  stored?: object;
};

export type PersonReport = {
  email: string;
  where: string;
  outcome: string;
  why?: string;
  password?: true;
  changed?: string[];
  dropped?: string[];
};

/** What the file says, read as a whole. */
export type ImportReport = {
  source: SourceName | 'users';
  dryRun: boolean;
  clients: ClientReport[];
  /** What lies beside the clients and users, and stays behind. */
  beside: FieldNote[];
  people?: PersonReport[];
  fieldsOfPeople?: FieldOfPeople[];
  /** Some were left for another time. */
  interrupted: boolean;
};

const PAST: Record<PersonOutcome | Planned['outcome'], string> = {
  make: 'made',
  update: 'updated',
  skip: 'skipped',
  refuse: 'refused',
  left: 'left',
};

/** @param written the ids of clients that were written; undefined in a dry run. */
export function reportClients(plan: Planned[], written: Set<string> | undefined): ClientReport[] {
  return plan.map(({ draft, outcome, why, metadata, reissued }) => {
    const isStored = metadata !== undefined && outcome !== 'refuse';
    return {
      client_id: draft.clientId,
      name: draft.name,
      outcome: outcomeOf(outcome, written?.has(draft.clientId)),
      ...(why === undefined ? undefined : { why }),
      ...(draft.suspended && isStored ? { suspended: true as const } : undefined),
      ...(reissued && isStored ? { reissued: true as const } : undefined),
      fields: draft.fields,
      ...(metadata ? { stored: metadata } : undefined),
    };
  });
}

/** @param written undefined in a dry run, when nothing is written. */
export function outcomeOf(outcome: PersonOutcome | Planned['outcome'], written: boolean | undefined): string {
  if (outcome !== 'make' && outcome !== 'update') return PAST[outcome];
  if (written === undefined) return `would be ${PAST[outcome]}`;
  return written ? PAST[outcome] : 'left';
}

function reportPerson({ person, outcome, why }: JudgedPerson, writes: boolean): PersonReport {
  const named = (wanted: FieldNote['outcome']) => person.fields.filter((note) => note.outcome === wanted).map(({ field }) => field);
  const [changed, dropped] = [named('changed'), named('dropped')];
  return {
    ...{ email: person.email, where: person.where, outcome: outcomeOf(outcome, writes ? true : undefined) },
    ...(why === undefined ? undefined : { why }),
    ...(person.passwordHash ? { password: true as const } : undefined),
    ...(changed.length ? { changed } : undefined),
    ...(dropped.length ? { dropped } : undefined),
  };
}

export type ReportFile = {
  clients(head: Pick<ImportReport, 'source' | 'dryRun' | 'clients' | 'beside'>): void;
  person(judged: JudgedPerson): void;
  end(interrupted: boolean, people: PeopleTally | undefined): void;
};

/** @param file undefined when no report was asked for. @param writes false in a dry run. */
export function writeReport(file: NewFile | undefined, writes: boolean): ReportFile {
  let people = 0;
  return {
    clients: (head) => file?.add(asJson(head).replace(/\n}$/, '')),
    person(judged) {
      file?.add(`${people === 0 ? ',\n  "people": [' : ','}\n    ${asJson(reportPerson(judged, writes), 0)}`);
      people += 1;
    },
    end(interrupted, tally) {
      const rest = { ...(tally ? { fieldsOfPeople: tally.fields } : undefined), interrupted };
      const none = tally && people === 0 ? ',\n  "people": []' : '';
      file?.add(`${people ? '\n  ]' : none},${asJson(rest).replace(/^\{/, '')}\n`);
      file?.close();
    },
  };
}

/** JSON without characters that an editor or a terminal obeys or hides. */
function asJson(value: object, indent = 2): string {
  return JSON.stringify(value, null, indent).replace(/[^\P{C}\n]/gu, (character) =>
    [...Array(character.length).keys()].map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`).join(''),
  );
}
