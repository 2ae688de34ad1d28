import { z } from 'zod';
import { type Flag, type FlagValue, UsageError } from './command.ts';

/** Owns the way from a zod schema to flags and back: the input of an act, or the filters of a list. */

/** The parts of JSON Schema that inputs and filters use. */
type Property = {
  type?: string;
  description?: string;
  enum?: string[];
  default?: unknown;
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  items?: Property;
};

type Shape = { properties?: Record<string, Property>; required?: string[] };

const shapeOf = (schema: z.ZodType): Shape => z.toJSONSchema(schema, { io: 'input' }) as Shape;

/** One flag for each member: `max_clients` becomes `--max-clients`. */
export function flagsOf(schema: z.ZodType): Record<string, Flag> {
  const { properties = {}, required = [] } = shapeOf(schema);
  return Object.fromEntries(
    Object.entries(properties).map(([name, property]): [string, Flag] => [flagName(name), flagOf(property, required.includes(name))]),
  );
}

export const flagName = (member: string): string => member.replaceAll('_', '-');

function flagOf(property: Property, required: boolean): Flag {
  const { type, items } = property;
  const choices = property.enum ?? items?.enum;
  return {
    type: type === 'boolean' ? 'boolean' : 'string',
    help: meaning(property, choices),
    ...(type === 'integer' || type === 'number' ? { value: 'NUMBER' } : undefined),
    ...(type === 'array' ? ({ multiple: true } as const) : undefined),
    ...(required ? ({ required: true } as const) : undefined),
    // A list is written with commas too, so that its words are judged when it is split.
    ...(property.enum ? { choices: property.enum } : undefined),
  };
}

function meaning({ type, description, items, minimum, maximum, maxLength, default: otherwise }: Property, choices?: string[]): string {
  const kind = choices
    ? `One of ${choices.join(', ')}`
    : type === 'integer'
      ? `A whole number${range(minimum, maximum)}`
      : type === 'boolean'
        ? 'Turns it on'
        : `Text${(maxLength ?? items?.maxLength) ? ` of at most ${maxLength ?? items?.maxLength} characters` : ''}`;
  const many = type === 'array' ? "; give it again, or write commas, for several, and '' for none" : '';
  const usual = otherwise === undefined || Array.isArray(otherwise) ? '' : `; ${String(otherwise)} unless given`;
  return `${description ?? kind}${description && choices ? `: ${choices.join(', ')}` : ''}${many}${usual}.`;
}

const range = (minimum?: number, maximum?: number): string =>
  minimum === undefined || maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? '' : ` from ${minimum} to ${maximum}`;

/** What an act or a list takes, out of the flags; the schema itself judges it later. @throws UsageError for what is no number. */
export function inputFrom(schema: z.ZodType, flags: Record<string, FlagValue>): Record<string, unknown> {
  const { properties = {} } = shapeOf(schema);
  const given = Object.entries(properties).filter(([name]) => flags[flagName(name)] !== undefined);
  return Object.fromEntries(given.map(([name, property]) => [name, inputValue(property, flags[flagName(name)], flagName(name))]));
}

function inputValue({ type, items }: Property, value: FlagValue, name: string): unknown {
  if (type === 'array') return listed([value].flat().map(String), name, items?.enum);
  if (type !== 'integer' && type !== 'number') return typeof value === 'string' ? value.trim() : value;
  const number = value === '' ? Number.NaN : Number(value);
  if (!Number.isFinite(number)) throw new UsageError(`--${name}: ${JSON.stringify(value)} is no number`);
  return number;
}

/** @throws UsageError for a flag that was given and names nothing: a command could take it for no limit. */
function listed(values: string[], name: string, choices?: string[]): string[] {
  const words = values.flatMap((value) => value.split(/[\s,]+/)).filter(Boolean);
  if (!words.length && values.some((value) => value !== '')) throw new UsageError(`--${name} names nothing`);
  const strange = words.find((word) => choices && !choices.includes(word));
  if (strange !== undefined) throw new UsageError(`--${name}: ${JSON.stringify(strange)} is none of ${choices?.join(', ')}`);
  return [...new Set(words)];
}
