import { Tokenizer, TokenParser, TokenType } from '@streamparser/json';
import { type Item, MOST_DEPTH, MOST_VALUES, NotRead } from './item.ts';

/**
 * Owns the reading of JSON of any size: one document or several in turn (JSON Lines). Users are yielded one by one and never held together.
 * The rest of a document is held as a whole, up to a limit.
 */

// No value of a real export is as long. A longer one would be held as a whole before it is read.
const LONGEST_VALUE = 4 * 1024 * 1024;

const OPENING = new Set<TokenType>([TokenType.LEFT_BRACE, TokenType.LEFT_BRACKET]);
const CLOSING = new Set<TokenType>([TokenType.RIGHT_BRACE, TokenType.RIGHT_BRACKET]);

/**
 * @param rootArray whether the members of an array that is the whole document are users.
 * @throws NotRead with a sentence that does not quote the file.
 */
export async function* readJson(bytes: AsyncIterable<Uint8Array>, rootArray: boolean): AsyncGenerator<Item> {
  const { write, end, taken } = openParser(rootArray);
  let sinceToken = 0;
  for await (const piece of bytes) {
    sinceToken = write(piece) ? 0 : sinceToken + piece.length;
    if (sinceToken > LONGEST_VALUE) throw new NotRead(`one of its values has more than ${LONGEST_VALUE} bytes`);
    yield* taken();
  }
  end();
  yield* taken();
}

function openParser(rootArray: boolean) {
  // With buffers of its own the tokenizer does not hold on to the pieces of the file.
  const tokenizer = new Tokenizer({ separator: '', stringBufferSize: 64 * 1024, numberBufferSize: 64 });
  const paths = ['$', '$.users.*', '$.Users.*', '$.*.users.*', ...(rootArray ? ['$.*'] : [])];
  const parser = new TokenParser({ paths, separator: '' });
  let [items, depth, values, valuesAtPerson, tokens] = [[] as Item[], 0, 0, 0, 0];
  tokenizer.onToken = (token) => {
    tokens += 1;
    values += 1;
    if (OPENING.has(token.token)) depth += 1;
    if (CLOSING.has(token.token)) depth -= 1;
    if (depth > MOST_DEPTH) throw new NotRead(`it nests deeper than ${MOST_DEPTH} levels`);
    if (values > MOST_VALUES) throw new NotRead(`it has more than ${MOST_VALUES} values beside its users`);
    parser.write(token);
  };
  parser.onValue = ({ value, parent, stack }) => {
    const isPerson = stack.length > 0;
    // The same path leads to members of an object that is no list.
    if (isPerson && !Array.isArray(parent)) return;
    // What was taken is not held in its list too.
    if (isPerson) (parent as unknown[]).length = 0;
    items.push(isPerson ? { person: value } : { document: value });
    // Users are not held, so they do not count.
    if (isPerson && !valuesAtPerson) valuesAtPerson = values;
    values = isPerson ? valuesAtPerson : 0;
  };
  const attempt = (work: () => void) => {
    try {
      work();
    } catch (error) {
      // The parser's message quotes the file, which may contain a secret.
      throw error instanceof NotRead ? error : new NotRead('it is no JSON');
    }
  };
  // Without these the errors would be thrown too, but after a half-written state.
  tokenizer.onError = parser.onError = (error) => {
    throw error;
  };
  return {
    /** @returns whether a value ended in this piece. */
    write(piece: Uint8Array): boolean {
      const before = tokens;
      attempt(() => tokenizer.write(piece));
      return tokens > before;
    },
    end() {
      attempt(() => tokenizer.end());
      if (depth > 0) throw new NotRead('it is no JSON: it ends too soon');
    },
    taken() {
      const ready = items;
      items = [];
      return ready;
    },
  };
}
