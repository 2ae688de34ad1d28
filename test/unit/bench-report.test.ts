import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { drawChart } from '../../packages/bench/chart.ts';
import type { Figures } from '../../packages/bench/measure.ts';
import { type Report, render, toRow } from '../../packages/bench/report.ts';

const slice = (perSecond: number, others = 0): Figures => ({
  perSecond,
  p50Ms: 1,
  p99Ms: 2,
  serverMicros: 1e6 / perSecond,
  databaseMicros: 50,
  generatorMicros: 20,
  utilisation: 1,
  others,
});

describe('The report of the bench', () => {
  it('compares slices of one round, so that what slows a whole round changes nothing', () => {
    const row = toRow('introspection', {
      memory: [slice(1000), slice(500), slice(100)],
      ours: [slice(2100), slice(1050), slice(210)],
    });
    assert.equal(row.ratio?.median.toFixed(2), '2.10');
    assert.equal(row.ratio?.low.toFixed(2), '2.10');
    assert.equal(row.met, true);
  });

  it('leaves out rounds that others disturbed', () => {
    const row = toRow('introspection', {
      memory: [slice(1000), slice(1000), slice(1000), slice(1000, 1.5), slice(1000)],
      ours: [slice(1500), slice(1500), slice(1500), slice(9000), slice(9000, 1.5)],
    });
    assert.equal(row.ratio?.high, 1.5);
    assert.equal(row.kinds['ours']?.perSecond, 1500);
    assert.equal(row.met, false);
  });

  it('does not call a target met or missed when hardly a round was calm', () => {
    const row = toRow('introspection', {
      memory: [slice(1000, 1), slice(1000, 1), slice(1000)],
      ours: [slice(3000), slice(3000), slice(3000)],
    });
    assert.equal(row.met, undefined);
    assert.match(render(reportOf(row)), /NOT SETTLED/);
  });

  it('wants introspection ahead of the peer that does the least, too', () => {
    const row = toRow('introspection', {
      memory: [slice(1000), slice(1000), slice(1000)],
      ours: [slice(2500), slice(2500), slice(2500)],
      'oauth2-server': [slice(2600), slice(2600), slice(2600)],
    });
    assert.equal(row.met, false);
  });

  it('sets numbers of workers against the first', () => {
    const row = toRow('introspection', { 'ours x1': [slice(1000)], 'ours x2': [slice(1900)] });
    assert.equal(row.against['ours x2']?.median, 1.9);
    assert.match(render(reportOf(row)), /ours x2 1\.90/);
  });
});

describe('The chart of the bench', () => {
  it('says every figure in its description, as text', () => {
    const row = toRow('introspection', { memory: [slice(1234)], ours: [slice(2500)] });
    const svg = drawChart(reportOf(row));
    assert.match(svg, /<title id="title">/);
    assert.match(svg, /<desc id="description">introspection: Munjigi \(PostgreSQL\) 2500, oidc-provider, in memory 1234\.<\/desc>/);
    assert.match(svg, />2,500<tspan/);
  });
});

function reportOf(row: Report['rows'][number]): Report {
  return {
    at: '2026-11-21T00:00:00.000Z',
    machine: { cores: 2, model: 'a processor', node: 'v24.0.0' },
    settings: { rounds: 1, seconds: 1, connections: 16, rows: 0, postgres: [], cores: { server: '0', database: '1', generator: '1' } },
    sizes: {},
    rows: [row],
  };
}
