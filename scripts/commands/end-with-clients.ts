import { type Call, type Command, DONE, REFUSED } from '../../src/command-line/command.ts';
import { performAsOperator, resultOf, withDatabase } from '../../src/command-line/operator.ts';
import { confirmed, printable } from '../../src/command-line/terminal.ts';
import { deleteClient } from '../../src/features/admin/acts/clients.ts';
import { endInitialAccessToken } from '../../src/features/registration/admin/acts.ts';
import { clientsRegisteredWith } from '../../src/features/registration/initial-access-tokens.ts';
import { isStorable } from '../../src/platform/database.ts';

/** Owns the end of an initial access token together with its clients. It joins two features, so that it belongs to neither. */

export const END_WITH_CLIENTS: Command = {
  noun: 'initial-access-tokens',
  verb: 'end-with-clients',
  summary: 'End an initial access token, and delete the clients that it made with all that they hold',
  operands: ['ID'],
  asks: true,
  notes: '  It also deletes the clients of a token that ended before. Interrupted, it goes on where it stopped when it is run again.',
  run: end,
};

/** The token first: then it makes no client more, while the clients that it made are deleted. */
async function end({ operands: [id = ''], yes }: Call): Promise<number> {
  const about = `initial access token ${printable(id)}`;
  if (!isStorable(id)) throw new Error(`there is no ${about}`);
  return withDatabase(async (database) => {
    const { length } = await clientsRegisteredWith(database, id);
    const question = `End the ${about} and delete ${clientsOf(length)}, with all that users gave them, for good?`;
    if (!(await confirmed(question, yes))) return REFUSED;
    const ended = await performAsOperator(database, endInitialAccessToken, { target: id });
    // Read again: a client that registered after the question must go too.
    const made = await clientsRegisteredWith(database, id);
    if (ended.ok || ended.reason !== 'unknown' || !made.length) resultOf(ended, about);
    for (const target of made) {
      const deleted = await performAsOperator(database, deleteClient, { target });
      if (deleted.ok || deleted.reason !== 'unknown') resultOf(deleted, `client ${target}`);
    }
    console.log(`${printable(id)} has ended, and ${clientsOf(made.length)} with it`);
    return DONE;
  });
}

const clientsOf = (number: number): string => (number === 1 ? 'the 1 client that it made' : `the ${number} clients that it made`);
