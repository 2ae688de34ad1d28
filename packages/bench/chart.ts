import type { Report } from './report.ts';

/** Draws a report as a bar chart: requests a second of each kind, by operation. Readable in light and dark; its text is text. */

const NAMES: Record<string, string> = {
  ours: 'Munjigi (PostgreSQL)',
  memory: 'oidc-provider, in memory',
  prisma: 'oidc-provider, plain Prisma adapter',
  'oauth2-server': '@node-oauth/oauth2-server (PostgreSQL)',
  'better-auth': 'better-auth OAuth provider (PostgreSQL)',
};
const ORDER = Object.keys(NAMES);

const WIDTH = 860;
const LEFT = 160;
const RIGHT = 190;
const BAR = 14;
const GAP = 4;
const GROUP_GAP = 18;
const LEGEND_LINE = 20;

// The two grounds of a README, and colours that stand out from both by more than 3 to 1 (WCAG 2.2, 1.4.11).
const STYLE = `
    text { font: 12px ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif; fill: #1f2328; }
    .title { font-size: 15px; font-weight: 600; } .operation { font-weight: 600; } .quiet { fill: #59636e; }
    .ours { fill: #0969da; } .memory { fill: #57606a; } .prisma { fill: #8c6d1f; } .oauth2-server { fill: #a0466f; } .better-auth { fill: #3f7d4a; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; } .quiet { fill: #9198a1; }
      .ours { fill: #4493f8; } .memory { fill: #9198a1; } .prisma { fill: #d2a93f; } .oauth2-server { fill: #e07aa8; } .better-auth { fill: #5fb46f; }
    }`;

/** @returns an SVG document. */
export function drawChart({ at, machine, settings, rows }: Report): string {
  const kinds = ORDER.filter((kind) => rows.some((row) => row.kinds[kind]));
  const most = Math.max(...rows.flatMap((row) => Object.values(row.kinds).map(({ perSecond }) => perSecond)));
  const scale = (WIDTH - LEFT - RIGHT) / most;
  const top = 62 + kinds.length * LEGEND_LINE;
  let y = top;
  const groups = rows.map((row) => {
    const present = kinds.filter((kind) => row.kinds[kind]);
    const bars = present.map((kind, n) => bar(row, kind, y + n * (BAR + GAP), scale));
    const label = `<text class="operation" x="${LEFT - 12}" y="${y + 11}" text-anchor="end">${escaped(row.operation)}</text>`;
    y += present.length * (BAR + GAP) + GROUP_GAP;
    return `  <g>${label}${bars.join('')}</g>`;
  });
  const legend = kinds.map(
    (kind, n) =>
      `  <rect class="${kind}" x="20" y="${52 + n * LEGEND_LINE}" width="12" height="12" rx="2"/><text x="40" y="${62 + n * LEGEND_LINE}">${escaped(NAMES[kind] as string)}</text>`,
  );
  const setting = `${machine.model}, a core for the server; Node ${machine.node}; ${settings.connections} connections${settings.rows ? `; ${settings.rows.toLocaleString('en')} tokens stored` : ''}; ${at.slice(0, 10)}${rows.some(({ ratio, met }) => ratio && met === undefined) ? '; others used the machine meanwhile' : ''}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 24}" role="img" aria-labelledby="title description">
  <title id="title">Requests a second of Munjigi and of others</title>
  <desc id="description">${escaped(describe(rows, kinds))}</desc>
  <style>${STYLE}
  </style>
  <text class="title" x="20" y="30">Requests a second, one core (more is better)</text>
${legend.join('\n')}
${groups.join('\n')}
  <text class="quiet" x="20" y="${y + 8}">${escaped(setting)}</text>
</svg>
`;
}

type Row = Report['rows'][number];

function bar(row: Row, kind: string, y: number, scale: number): string {
  const perSecond = row.kinds[kind]?.perSecond ?? 0;
  const width = Math.max(1, perSecond * scale).toFixed(1);
  const ratio = kind === 'ours' && row.ratio ? `, ${row.ratio.median.toFixed(2)} of in memory` : '';
  return `<rect class="${kind}" x="${LEFT}" y="${y}" width="${width}" height="${BAR}" rx="2"/><text x="${(LEFT + Number(width) + 6).toFixed(1)}" y="${y + 11}">${Math.round(perSecond).toLocaleString('en')}<tspan class="quiet">${ratio}</tspan></text>`;
}

/** The same figures as a sentence, for users of a screen reader. */
function describe(rows: Row[], kinds: string[]): string {
  return rows
    .map(
      (row) =>
        `${row.operation}: ${kinds
          .filter((kind) => row.kinds[kind])
          .map((kind) => `${NAMES[kind]} ${Math.round(row.kinds[kind]?.perSecond ?? 0)}`)
          .join(', ')}.`,
    )
    .join(' ');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
