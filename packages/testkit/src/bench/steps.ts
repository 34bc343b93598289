import { resolve } from 'node:path';
import process from 'node:process';
import { Namespace } from '../namespace.ts';

/** Median microseconds of each step that a request takes, each measured alone in one process (the gate's `steps.bench.ts`). */
export function measureSteps(): Record<string, number> {
  using namespace = new Namespace('steps');
  const script = resolve(import.meta.dirname, '../../../gate/src/monitor/steps.bench.ts');
  return JSON.parse(namespace.run(process.execPath, ['--conditions=source', script])) as Record<string, number>;
}
