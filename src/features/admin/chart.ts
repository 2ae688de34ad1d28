/**
 * Owns the drawing of stacked bars in SVG. It draws bars only. The text stands beside them in HTML, where it can grow and wrap, and a table
 * holds every number (views/admin/chart.eta). The style sheet sets the colours, because the content security policy forbids inline styles.
 */

export type Series = { name: string; values: number[] };

/** The picture's own units; the browser scales it to the available width. */
const STEP = 10;
const BAR = 8;
const HEIGHT = 100;
// The minimum height, so that a single event stays visible beside a million.
const LEAST = 1;
/** The number of colours, from `s0`. */
export const HUES = 6;

/** @param name a sentence that describes the chart for screen readers, which read the table for the numbers. */
export function drawChart({ name, series }: { name: string; series: Series[] }): string {
  const steps = Math.max(0, ...series.map(({ values }) => values.length));
  const most = highest(series);
  const bars = Array.from({ length: steps }, (_, step) => drawBar(step, series, most)).join('');
  return (
    `<svg class="chart" viewBox="0 0 ${Math.max(1, steps) * STEP} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${escaped(name)}">` +
    `<path class="grid" d="M0 0.5H${Math.max(1, steps) * STEP}M0 ${HEIGHT / 2}H${Math.max(1, steps) * STEP}"/>${bars}</svg>`
  );
}

/** @returns the largest sum of all series at one step. */
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

/** An invalid or negative number counts as zero, so that the chart is always drawn. */
const amount = (value: number | undefined) => (value !== undefined && Number.isFinite(value) && value > 0 ? value : 0);

const round = (length: number) => Math.max(0, Math.round(length * 100) / 100);

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

const escaped = (text: string) => text.replace(/[&<>"']/g, (character) => ENTITIES[character] as string);
