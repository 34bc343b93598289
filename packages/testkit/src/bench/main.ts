/** `script/bench NAME [--json]`: measures, and with `--json` ends with one JSON object on the last line. */
import process from 'node:process';
import { cpus } from 'node:os';
import type { Bench } from './bench.ts';
import { client } from './client.ts';
import { flood } from './flood.ts';
import { fwknopJunk } from './fwknop-junk.ts';
import { fwknopLatency } from './fwknop-latency.ts';
import { knockChannel } from './knock-channel.ts';
import { knockLatency } from './knock-latency.ts';
import { latency } from './latency.ts';

const benches: readonly Bench[] = [latency, knockLatency, fwknopLatency, fwknopJunk, flood, client, knockChannel];

const args = process.argv.slice(2);
const json = args.includes('--json');
const name = args.filter((arg) => arg !== '--json').join(' ') || undefined;
const bench = benches.find((candidate) => candidate.name === name);
if (bench === undefined) {
  if (name !== undefined) process.stderr.write(`bench: error: there is no benchmark ${JSON.stringify(name)}\n`);
  process.stderr.write(
    `usage: script/bench NAME [--json]\n${benches.map((it) => `  ${it.name.padEnd(26)}${it.summary}`).join('\n')}\n`,
  );
  process.exitCode = name === undefined || name === '--help' ? 0 : 2;
} else {
  const { ok, json: result, lines } = await bench.run((line) => process.stderr.write(`bench: ${line}\n`));
  for (const line of lines) process.stdout.write(`${line}\n`);
  const machine = { node: process.version, cpus: cpus().length, model: cpus()[0]?.model ?? 'unknown' };
  if (json) process.stdout.write(`${JSON.stringify({ ...result, ok, machine })}\n`);
  if (!ok) process.exitCode = 1;
}
