import { type Counted, type CountName, labelsOf } from '../../audit/counts.ts';
import type { Language } from '../../http/language.ts';
import { timeZoneOf, translate } from '../../http/render.ts';
import type { Database } from '../../platform/database.ts';
import { drawChart, HUES, highest, type Series } from './chart.ts';
import { type CountedStep, readCounts, type Span } from './counted.ts';

/** Owns the charts of the overview: their counts, their period, and the names of their series. */

export type DrawnChart = {
  id: string;
  svg: string;
  most: number;
  moments: string[];
  timeZone: string;
  series: (Series & { total: number })[];
};

export type SpanName = 'hours' | 'days';

const SPANS: Record<SpanName, Pick<Span, 'unit' | 'steps'>> = { hours: { unit: 'hour', steps: 24 }, days: { unit: 'day', steps: 30 } };

/** The labels that get a series of their own; the rest of the count becomes `other`. */
type Drawn = { id: string; of: (counted: CountedStep[]) => [CountName, string][]; rest: CountName };

const CHARTS: Drawn[] = [
  {
    id: 'sign_ins',
    of: () => [
      ['sign_in', 'password'],
      ['sign_in', 'passkey'],
      ['sign_in', 'upstream'],
    ],
    rest: 'sign_in',
  },
  {
    id: 'failed_sign_ins',
    of: () => (['password', 'passkey', 'upstream', 'factor'] as const).map((label) => ['sign_in_failed', label]),
    rest: 'sign_in_failed',
  },
  {
    id: 'tokens',
    of: () =>
      labelsOf('token')
        .filter((label) => label !== 'other')
        .map((label) => ['token', label]),
    rest: 'token',
  },
  { id: 'errors', of: (counted) => mostFrequent(counted, 'error', HUES - 1), rest: 'error' },
  {
    id: 'introspections',
    of: () => [
      ['introspection', 'active'],
      ['introspection', 'inactive'],
    ],
    rest: 'introspection',
  },
];

/** @returns the charts of a period, and the totals shown only as numbers. */
export async function drawCharts(
  database: Database,
  span: SpanName,
  language: Language,
): Promise<{ charts: DrawnChart[]; authorizations: number; registrations: number }> {
  const timeZone = timeZoneOf(language);
  const names: CountName[] = ['sign_in', 'sign_in_failed', 'token', 'error', 'introspection', 'authorization', 'registration'];
  const { moments, counted } = await readCounts(database, { ...SPANS[span], timeZone }, names);
  const charts = CHARTS.map(({ id, of, rest }) => {
    const kinds = of(counted);
    const named = kinds.map(([name, label]) =>
      seriesOf(moments, counted, nameOf(language, name, label), (one) => one.name === name && one.label === label),
    );
    const others = seriesOf(
      moments,
      counted,
      translate(language, 'admin.chart.other'),
      (one) => one.name === rest && !kinds.some(([name, label]) => one.name === name && one.label === label),
    );
    // Fixed series always appear, so that a colour has the same meaning every day. The rest appears only when there is any.
    const series = others.total ? [...named, others] : named;
    return {
      id,
      svg: drawChart({ name: translate(language, `admin.chart.${id}`), series }),
      most: highest(series),
      moments: moments.map((moment) => translate(language, span === 'hours' ? 'admin.chart.hour' : 'admin.chart.day', { moment })),
      timeZone,
      series,
    };
  });
  const total = (wanted: CountName) => counted.reduce((sum, { name, count }) => (name === wanted ? sum + count : sum), 0);
  return { charts, authorizations: total('authorization'), registrations: total('registration') };
}

function seriesOf(
  moments: Date[],
  counted: CountedStep[],
  name: string,
  isMeant: (one: CountedStep) => boolean,
): Series & { total: number } {
  const sums = new Map<number, number>();
  for (const one of counted) if (isMeant(one)) sums.set(one.at.getTime(), (sums.get(one.at.getTime()) ?? 0) + one.count);
  const values = moments.map((moment) => sums.get(moment.getTime()) ?? 0);
  return { name, values, total: values.reduce((sum, value) => sum + value, 0) };
}

/** @returns the most frequent labels of the period. A chart of all labels would be hard to read. */
function mostFrequent(counted: CountedStep[], wanted: CountName, limit: number): [CountName, string][] {
  const sums = new Map<string, number>();
  for (const { name, label, count } of counted) if (name === wanted && label !== 'other') sums.set(label, (sums.get(label) ?? 0) + count);
  return [...sums]
    .sort(([a, one], [b, other]) => other - one || (a < b ? -1 : 1))
    .slice(0, limit)
    .map(([label]) => [wanted, label]);
}

const IN_WORDS = new Set<Counted['name']>(['sign_in', 'sign_in_failed', 'introspection']);

/** Ways to sign in have translated names. Grant types and errors keep the standard's names. */
const nameOf = (language: Language, name: CountName, label: string) =>
  IN_WORDS.has(name) ? translate(language, `admin.kind.${label}`) : label;
