import { closeSync, fsyncSync, openSync, writeFileSync } from 'node:fs';
import { quoted } from './terminal.ts';

/** Owns the writing of files that nobody else may read, and that take no other's place unasked. */

export type NewFile = {
  /** Adds a line, which is on the disk when this returns. */
  line(text: string): void;
  /** Adds a text that may be lost with the machine, until the file is closed. */
  add(text: string): void;
  close(): void;
};

/** @throws Error when the file is there already, or cannot be made. */
export function openNewFile(option: string, file: string): NewFile {
  try {
    const descriptor = openSync(file, 'wx', 0o600);
    return {
      line(text) {
        writeFileSync(descriptor, `${text}\n`);
        // It is to be there before what it tells of is true.
        fsyncSync(descriptor);
      },
      add: (text) => writeFileSync(descriptor, text),
      close() {
        fsyncSync(descriptor);
        closeSync(descriptor);
      },
    };
  } catch (error) {
    throw new Error(`${option}: ${whyNot(error as NodeJS.ErrnoException, file)}`);
  }
}

function whyNot({ code, message }: NodeJS.ErrnoException, file: string): string {
  if (code === 'EEXIST') return `${quoted(file)} is there already: choose another, or take it away`;
  if (code === 'ENOENT') return `the folder of ${quoted(file)} is not there`;
  return message;
}
