/**
 * `script/bench NAME [--json]`: measures, and with `--json` ends with one JSON object on the last line. `script/bench all [METRIC…] [--small]`
 * measures what docs/benchmarks.md tells, and writes it; `script/bench endurance` the same for half an hour; `script/bench report` only writes it again; `script/bench smoke` fails on ratios to
 * the peers.
 */
import process from 'node:process';
import { cpus } from 'node:os';
import { benchAll } from './all.ts';
import type { Bench } from './bench.ts';
import { client } from './client.ts';
import { flood } from './flood.ts';
import { fwknopJunk } from './fwknop-junk.ts';
import { fwknopLatency } from './fwknop-latency.ts';
import { knockChannel } from './knock-channel.ts';
import { knockLatency } from './knock-latency.ts';
import { latency } from './latency.ts';
import { LONG_METRICS, METRICS } from './metrics/all-metrics.ts';
import { writePage } from './report/report.ts';
import { smoke } from './smoke.ts';

const benches: readonly Bench[] = [latency, knockLatency, fwknopLatency, fwknopJunk, flood, client, knockChannel];

const args = process.argv.slice(2);
const json = args.includes('--json');
const name = args.filter((arg) => arg !== '--json').join(' ') || undefined;
const [first, ...rest] = args.filter((arg) => !arg.startsWith('-'));
const unknown = rest.find((wanted) => METRICS.every((metric) => metric.name !== wanted));
const long = rest.length === 0 ? LONG_METRICS.find((metric) => metric.name === first) : undefined;
const bench = benches.find((candidate) => candidate.name === name);
const tell = (line: string): void => void process.stdout.write(`${line}\n`);
const say = (line: string): void => void process.stderr.write(`bench: ${line}\n`);
const options = { say, tell, small: args.includes('--small'), json: args.includes('--json') };
if (first === 'report') writePage();
else if (first === 'smoke') {
  const { ok, lines } = await smoke(say);
  lines.forEach(tell);
  if (!ok) process.exitCode = 1;
} else if (first === 'all' && unknown === undefined) {
  if (!(await benchAll(rest, options))) process.exitCode = 1;
} else if (long !== undefined) {
  if (!(await benchAll([long.name], options))) process.exitCode = 1;
} else if (bench === undefined) {
  if (name !== undefined) process.stderr.write(`bench: error: there is no benchmark ${JSON.stringify(name)}\n`);
  process.stderr.write(
    [
      'usage: script/bench NAME [--json]',
      ...benches.map((it) => `  ${it.name.padEnd(26)}${it.summary}`),
      'usage: script/bench all [METRIC…] [--small]',
      ...METRICS.map((it) => `  ${it.name.padEnd(26)}${it.summary}`),
      'usage: script/bench NAME [--small] [--json]',
      ...LONG_METRICS.map((it) => `  ${it.name.padEnd(26)}${it.summary}`),
      'usage: script/bench report | smoke',
      '',
    ].join('\n'),
  );
  process.exitCode = name === undefined || name === '--help' ? 0 : 2;
} else {
  const { ok, json: result, lines } = await bench.run(say);
  lines.forEach(tell);
  const machine = { node: process.version, cpus: cpus().length, model: cpus()[0]?.model ?? 'unknown' };
  if (json) process.stdout.write(`${JSON.stringify({ ...result, ok, machine })}\n`);
  if (!ok) process.exitCode = 1;
}
