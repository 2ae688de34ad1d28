import { quoted } from '../../../command-line/terminal.ts';
import { bytesOfFile, type ExportFile, textOfFile, wholeText } from './files.ts';
import { type Item, NotRead } from './item.ts';
import { readJson } from './json.ts';
import { LARGER_YAML, MOST_YAML_BYTES, readYaml } from './yaml.ts';

/** Owns the reading of a file of JSON or YAML, whose format its name says, or else its first character. */

export type How = {
  /** The members of an array that is the whole document are users. */
  rootArray?: boolean;
  /** What is done to the text first, such as with keywords. Then the file is read as a whole. */
  prepare?: ((text: string) => string) | undefined;
  advance?: (bytes: number) => void;
};

/** @throws Error that names the file and what is wrong with it. */
export async function* readItems(file: ExportFile, { rootArray = false, prepare, advance }: How = {}): AsyncGenerator<Item> {
  try {
    if ((await formatOf(file)) === 'yaml') {
      const text = await wholeText(file, MOST_YAML_BYTES, LARGER_YAML);
      advance?.(file.bytes);
      for (const item of readYaml(prepare ? prepare(text) : text)) yield* unpacked(item, rootArray);
    } else yield* readJson(prepare && file.bytes <= MOST_YAML_BYTES ? prepared(file, prepare) : bytesOfFile(file, advance), rootArray);
  } catch (error) {
    throw error instanceof NotRead ? new Error(`${quoted(file.path)}: ${error.message}`) : error;
  }
}

async function* prepared(file: ExportFile, prepare: (text: string) => string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(prepare(await wholeText(file, MOST_YAML_BYTES, '')));
}

async function formatOf(file: ExportFile): Promise<'json' | 'yaml'> {
  if (file.format === 'json' || file.format === 'yaml') return file.format;
  for await (const piece of textOfFile(file)) return /^\s*[[{]/.test(piece) ? 'json' : 'yaml';
  return 'json';
}

/** Takes the users out of a document that was read as a whole, as reading/json.ts does. */
function* unpacked(item: Item, rootArray: boolean): Generator<Item> {
  const document = 'document' in item ? item.document : undefined;
  if (rootArray && Array.isArray(document)) {
    for (const person of document) yield { person };
    return;
  }
  for (const realm of Array.isArray(document) ? document : [document])
    if (typeof realm === 'object' && realm !== null && Array.isArray(realm.users)) {
      for (const person of realm.users) yield { person };
      realm.users = [];
    }
  yield item;
}
