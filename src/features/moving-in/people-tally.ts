import type { FieldNote } from './draft.ts';
import type { JudgedPerson, PersonOutcome } from './import-people.ts';

/** Owns the summary of the users of an import. It has the same size for ten users and for a million. */

export type FieldOfPeople = Pick<FieldNote, 'field' | 'outcome' | 'why'> & { people: number };

export type PeopleTally = {
  outcomes: Map<PersonOutcome, number>;
  /** How many came with their password. */
  passwords: number;
  fields: FieldOfPeople[];
  /** The first of those that did not come. */
  problems: JudgedPerson[];
  add(judged: JudgedPerson): void;
};

const MOST_PROBLEMS = 50;
// A file can have a column for each user, or an attribute.
const MOST_FIELDS = 500;

export function openTally(): PeopleTally {
  const fields = new Map<string, FieldOfPeople>();
  const tally: PeopleTally = {
    outcomes: new Map(),
    passwords: 0,
    problems: [],
    get fields() {
      return [...fields.values()];
    },
    add(judged) {
      const { outcome, person } = judged;
      tally.outcomes.set(outcome, (tally.outcomes.get(outcome) ?? 0) + 1);
      if ((outcome === 'refuse' || outcome === 'left') && tally.problems.length < MOST_PROBLEMS) tally.problems.push(judged);
      if (outcome !== 'make') return;
      if (person.passwordHash) tally.passwords += 1;
      for (const { field, outcome, why } of person.fields) count(fields, { field, outcome, ...(why === undefined ? undefined : { why }) });
    },
  };
  return tally;
}

function count(fields: Map<string, FieldOfPeople>, note: Omit<FieldOfPeople, 'people'>): void {
  const full = fields.size >= MOST_FIELDS;
  const key = (one: typeof note) => `${one.outcome} ${one.field} ${one.why ?? ''}`;
  const rest = { field: 'other fields', outcome: note.outcome, why: 'each user of the report names their own' };
  const counted = full && !fields.has(key(note)) ? rest : note;
  fields.set(key(counted), { ...counted, people: (fields.get(key(counted))?.people ?? 0) + 1 });
}
