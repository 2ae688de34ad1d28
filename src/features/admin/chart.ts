/**
 * Owns the drawing of numbers as stacked bars, in SVG. Bars alone: all that is to be read stands beside it as text, which grows and breaks like
 * other text, and every number in a table (views/admin/chart.eta). Colours are the style sheet's, light and dark: our policy has no inline style.
 */

export type Series = { name: string; values: number[] };

/** The picture's own measure: it is stretched to whatever room there is. */
const STEP = 10;
const BAR = 8;
const HEIGHT = 100;
// So that what happened once beside a million is there to be seen.
const LEAST = 1;
/** So many hues there are, `s0` and on. */
export const HUES = 6;

/** @param name what the picture shows, in a sentence: who does not see it is told that, and finds the table. */
export function drawChart({ name, series }: { name: string; series: Series[] }): string {
  const steps = Math.max(0, ...series.map(({ values }) => values.length));
  const most = highest(series);
  const bars = Array.from({ length: steps }, (_, step) => drawBar(step, series, most)).join('');
  return (
    `<svg class="chart" viewBox="0 0 ${Math.max(1, steps) * STEP} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${escaped(name)}">` +
    `<path class="grid" d="M0 0.5H${Math.max(1, steps) * STEP}M0 ${HEIGHT / 2}H${Math.max(1, steps) * STEP}"/>${bars}</svg>`
  );
}

/** The most that any step has of all series together. */
export function highest(series: Series[]): number {
  const steps = Math.max(0, ...series.map(({ values }) => values.length));
  return Math.max(0, ...Array.from({ length: steps }, (_, step) => series.reduce((sum, { values }) => sum + amount(values[step]), 0)));
}

function drawBar(step: number, series: Series[], most: number): string {
  const wished = series.map(({ values }) => (amount(values[step]) ? Math.max(LEAST, (amount(values[step]) / most) * HEIGHT) : 0));
  const sum = wished.reduce((total, height) => total + height, 0);
  const heights = wished.map((height) => (sum > HEIGHT ? (height / sum) * HEIGHT : height));
  let top = HEIGHT;
  return heights
    .map((height, n) => {
      top -= height;
      return height
        ? `<rect class="s${n % HUES}" x="${step * STEP + (STEP - BAR) / 2}" y="${round(top)}" width="${BAR}" height="${round(height)}"/>`
        : '';
    })
    .join('');
}

/** What is no number, or less than nothing, is nothing: a picture is drawn in any case. */
const amount = (value: number | undefined) => (value !== undefined && Number.isFinite(value) && value > 0 ? value : 0);

const round = (length: number) => Math.max(0, Math.round(length * 100) / 100);

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

const escaped = (text: string) => text.replace(/[&<>"']/g, (character) => ENTITIES[character] as string);
