/** What a run leaves: one JSON file for each metric, with the machine. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { round } from '../statistics.ts';
import type { Machine } from './machine.ts';

const DOCS = resolve(import.meta.dirname, '../../../../../docs');
/** Where the files are. */
export const RECORDS: string = join(DOCS, 'benchmarks');
/** The page that is made from them. */
export const PAGE: string = join(DOCS, 'benchmarks.md');
/** Where its pictures are. */
export const PLOTS: string = join(DOCS, 'plots');

/** One file. */
export interface BenchRecord {
  readonly metric: string;
  /** Day of the run, `2026-11-27`. */
  readonly day: string;
  /** Seconds that it took. */
  readonly took: number;
  readonly machine: Machine;
  readonly result: unknown;
}

function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? round(value) : value;
}

/** As it was before JSON, which writes null for what is no number. */
export function revive(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown) => value ?? NaN) as unknown;
}

function fileOf(metric: string): string {
  return join(RECORDS, `${metric}.json`);
}

/** Keeps what was measured; numbers to three decimals. */
export function writeRecord(record: BenchRecord): void {
  mkdirSync(RECORDS, { recursive: true });
  writeFileSync(fileOf(record.metric), `${JSON.stringify(record, rounded, 1)}\n`);
}

/** What was measured last; undefined when it never was. */
export function readRecord(metric: string): BenchRecord | undefined {
  const file = fileOf(metric);
  return existsSync(file) ? (revive(readFileSync(file, 'utf8')) as BenchRecord) : undefined;
}
